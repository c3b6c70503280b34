"""A whole audit of fairness: from people and metrics to estimates, with the tests of all gaps controlled together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.fairness.failures import covariate
from cinema_cli.analysis.fairness.groups import GroupColumn, intersections
from cinema_cli.analysis.fairness.means import mean_rows, rank_rows
from cinema_cli.analysis.fairness.metric import Metric, RankMetric
from cinema_cli.analysis.fairness.outcomes import Followed, followed_rows, no_outcome
from cinema_cli.analysis.fairness.people import People
from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.analysis.statistics.multiplicity import Multiplicity, adjusted
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.io.processes import Team

Said = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class FairnessResult:
    """What an audit found, before disclosure control."""

    estimates: pl.DataFrame  # of `estimates.SCHEMA`
    horizon: float | None


def audit(
    people: People,
    columns: Sequence[GroupColumn],
    metrics: Iterable[Metric | RankMetric],
    settings: FairnessSettings,
    *,
    followed: Followed | None = None,
    said: Said = lambda step: None,
) -> FairnessResult:
    """Compare every metric, and where `followed` the prediction of an outcome, between the groups of every column.

    What cannot be estimated is a row that says why. Raises ConfigError for a covariate that nobody has.
    """
    covariates = _covariates(people, settings.adjust)
    every = (*columns, *intersections(columns)) if settings.intersections else tuple(columns)
    every_metric = list(metrics)
    of_means = [metric for metric in every_metric if isinstance(metric, Metric)]
    of_ranks = [metric for metric in every_metric if isinstance(metric, RankMetric)]
    if followed is not None:
        of_means.insert(0, no_outcome(people, followed))
    rows = [Estimate("flow", term=step.name, level=step.level, n=step.n) for step in people.flow]
    said("metrics")
    rows += _sizes(people, every)
    rows += mean_rows(of_means, every, covariates, settings)
    for metric in of_ranks:
        rows += rank_rows(metric, every, settings)
    horizon = None
    if followed is not None:
        said("outcomes")
        horizon = followed.horizon(settings.horizon)
        with Team(settings.jobs) as team:
            rows += followed_rows(followed, every, settings, horizon=horizon, team=team)
    return FairnessResult(table_of(with_q(rows, settings.multiplicity)), horizon)


def with_q(rows: Sequence[Estimate], method: Multiplicity) -> list[Estimate]:
    """Gaps with p values adjusted for all of them: metrics times columns."""
    places = [k for k, row in enumerate(rows) if row.analysis == "gap" and row.p is not None]
    found = adjusted(np.array([rows[k].p for k in places], dtype=np.float64), method)
    q_of = dict(zip(places, found.tolist(), strict=True))
    return [replace(row, q=q_of.get(k)) for k, row in enumerate(rows)]


def _sizes(people: People, columns: Sequence[GroupColumn]) -> Iterator[Estimate]:
    """How many people each group has, and of how many the group is not known."""
    row = Estimate("group_metric", model="people", term="people")
    yield replace(row, n=people.n)
    for column in columns:
        for code, label in enumerate(column.labels):
            yield replace(row, group=label, n=int(np.count_nonzero(column.code == code)))
        if n_unknown := int(np.count_nonzero(column.code < 0)):
            yield replace(row, model="unknown", term=column.name, n=n_unknown)


def _covariates(people: People, names: Sequence[str]) -> dict[str, Floats]:
    return {column: values for name in names for column, values in covariate(people, name)}
