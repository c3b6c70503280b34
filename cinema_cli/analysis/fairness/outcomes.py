"""Whether risks predicted for people whom the model has not seen hold in every group, and effects differ by group."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.fairness.effects import hazard_ratio_rows
from cinema_cli.analysis.fairness.groups import GroupColumn
from cinema_cli.analysis.fairness.metric import Metric
from cinema_cli.analysis.fairness.people import People, keys_of
from cinema_cli.analysis.fairness.rows import gap_rows, too_few, with_interval
from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.analysis.statistics.calibration import calibration, calibration_slope
from cinema_cli.analysis.statistics.concordance import concordance
from cinema_cli.analysis.statistics.group_figures import (
    InGroups,
    concordance_in_groups,
    figure_gaps,
    normal_gaps,
    observed_expected_in_groups,
)
from cinema_cli.analysis.statistics.group_gaps import Better
from cinema_cli.analysis.statistics.held_out import HeldOut, held_out_predictions
from cinema_cli.analysis.statistics.interval import Interval
from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import EVENT, Ints, Outcome
from cinema_cli.analysis.survival.horizon import checked_horizon
from cinema_cli.analysis.survival.models import model_data
from cinema_cli.analysis.survival.prediction import independent
from cinema_cli.analysis.survival.settings import Per
from cinema_cli.analysis.survival.table import PARTICIPANT, AnalysisTable
from cinema_cli.domain.errors import NotEstimableError
from cinema_cli.io.processes import Team

MOST_DRAWN = 2_000  # people of whom C and observed over expected are permuted and resampled: above, standard errors
BY_ERRORS = "from standard errors"  # what the unit of such gaps says


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """The analysis table of an outcome, and who its rows are among the people compared."""

    table: AnalysisTable
    people: Ints  # (rows,) position; -1: nobody of these

    def horizon(self, asked: float | None) -> float:
        """The time at which predicted risks are checked. Raises UsageError where nothing can be said of it."""
        return checked_horizon(self.table.outcome(), asked)


@dataclass(frozen=True, slots=True, eq=False)
class _Risks:
    """Held-out predictions of some people, and their groups."""

    outcome: Outcome
    held_out: HeldOut
    columns: tuple[GroupColumn, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Kind:
    """One way to judge predictions."""

    model: str
    better: Better
    figure: Callable[[Ints], tuple[Interval, float]]  # of some rows, with its SE (of the logarithm: `logarithm`)
    in_groups: InGroups | None  # the same of all groups at once, where that is quick enough to permute
    logarithm: bool = False


def followed_people(people: People, table: AnalysisTable) -> Followed:
    """Find the rows of an analysis table among the people; of a person with several ids one row stays."""
    keys = keys_of(table.rows[PARTICIPANT])
    places = people.at(keys)
    found = pl.DataFrame({"place": places, "stands": people.persons(keys) == keys}).with_row_index("row")
    known = found.filter(pl.col("place").is_not_null()).sort("stands", descending=True, maintain_order=True)
    further = known.filter(~pl.col("place").is_first_distinct())["row"]
    if len(further):
        stays = ~pl.int_range(len(places), eager=True).is_in(further.implode())
        note = f"rows of further ids of people whose outcome is known: {len(further)}"
        table = replace(table, rows=table.rows.filter(stays), notes=(*table.notes, note))
        places = places.filter(stays)
    return Followed(table, places.fill_null(-1).to_numpy().astype(np.int64))


def no_outcome(people: People, followed: Followed) -> Metric:
    """Who has no outcome, or not what its model needs: missing labels are a finding."""
    values = np.ones(people.n)
    values[followed.people[followed.people >= 0]] = 0.0
    return Metric("no_outcome", followed.table.outcome_name, Better.LOWER, values, is_share=True)


def followed_rows(
    followed: Followed, columns: Sequence[GroupColumn], settings: FairnessSettings, *, horizon: float, team: Team
) -> Iterator[Estimate]:
    """C, observed over expected, calibration slope and hazard ratios by group; why not where that cannot be."""
    name = followed.table.outcome_name
    try:
        risks = _risks(followed, columns, settings, horizon)
    except NotEstimableError as error:
        yield Estimate("not_estimable", name, "c_index", name, level=error.message)
    else:
        for kind in _kinds(risks, horizon):
            yield from _kind_rows(Estimate("group_metric", name, kind.model, name), kind, risks, settings)
    names = followed.table.phenotypes
    pieces = ((_for_one(followed, phenotype), phenotype, columns, settings.fewest) for phenotype in names)
    for rows in team.each(_effects, pieces, total=len(names)):
        yield from rows


def _for_one(followed: Followed, phenotype: str) -> Followed:
    """The same with one phenotype, to be sent to another process."""
    table = followed.table
    others = set(table.phenotypes) - {phenotype, *table.covariates, *table.strata, *table.cluster}
    return replace(followed, table=replace(table, rows=table.rows.drop(others), phenotypes=(phenotype,)))


def _effects(piece: tuple[Followed, str, Sequence[GroupColumn], int]) -> list[Estimate]:
    followed, phenotype, columns, fewest = piece
    of_columns = (hazard_ratio_rows(followed.table, followed.people, phenotype, one, fewest=fewest) for one in columns)
    return [row for rows in of_columns for row in rows]


def _risks(followed: Followed, columns: Sequence[GroupColumn], settings: FairnessSettings, horizon: float) -> _Risks:
    """Risks of each person by a Cox model of covariates and phenotypes that has not seen this person."""
    table = followed.table
    if table.has_intervals:
        raise NotEstimableError("rows are intervals of people: risks at a horizon are not estimable")
    data, _ = independent(model_data(table, list(dict.fromkeys([*table.covariates, *table.phenotypes])), per=Per.SD))
    held_out = held_out_predictions(
        data.outcome,
        data.design.x,
        names=data.design.names,
        horizons=[horizon],
        seed=settings.seed,
        strata=data.strata,
        cluster=data.cluster,
    )
    data = data.take(held_out.rows)
    own = tuple(column.take_or_unknown(followed.people[data.rows]) for column in columns)
    return _Risks(data.outcome, held_out, own)


def _kinds(risks: _Risks, horizon: float) -> tuple[_Kind, ...]:
    outcome, predictor, risk = risks.outcome, risks.held_out.predictor, risks.held_out.risk[:, 0]

    def c(own: Ints) -> tuple[Interval, float]:
        found = concordance(outcome.take(own), predictor[own])
        return Interval(found.c, max(found.lower, 0.0), min(found.upper, 1.0)), found.se

    def observed_expected(own: Ints) -> tuple[Interval, float]:
        found = calibration(outcome.take(own), risk[own], horizon=horizon, groups=1)
        return Interval(found.ratio, found.lower, found.upper), float(np.log(found.upper / found.ratio)) / Z95

    def slope(own: Ints) -> tuple[Interval, float]:
        found = calibration_slope(outcome.take(own), predictor[own])
        return Interval(found.estimate, found.lower, found.upper), found.se

    ratios = observed_expected_in_groups(outcome, risk, horizon=horizon)
    return (
        _Kind("c_index", Better.HIGHER, c, concordance_in_groups(outcome, predictor)),
        _Kind("observed_expected", Better.ONE, observed_expected, ratios, logarithm=True),
        _Kind("calibration_slope", Better.ONE, slope, None),
    )


def _kind_rows(row: Estimate, kind: _Kind, risks: _Risks, settings: FairnessSettings) -> Iterator[Estimate]:
    """A figure in everybody and in each group that has enough events, and its gaps."""
    everybody = np.arange(risks.outcome.n)
    yield _figure_row(row, kind, risks.outcome, everybody, settings.fewest)[0]
    for column in risks.columns:
        kept, values, errors = [], [], []
        for k, label in enumerate(column.labels):
            own = np.flatnonzero(column.code == k)
            found, se = _figure_row(replace(row, group=label), kind, risks.outcome, own, settings.fewest)
            yield found
            if found.estimate is not None and np.isfinite(found.estimate) and 0 < se < np.inf:
                kept.append(k)
                values.append(found.estimate)
                errors.append(se)
        if len(kept) < 2:
            continue
        code = np.where(np.isin(column.code, kept), column.code, -1)
        whole = replace(row, analysis="gap", n=int(np.count_nonzero(code >= 0)))
        if kind.in_groups is not None and risks.outcome.n <= MOST_DRAWN:
            gaps = figure_gaps(kind.in_groups, code, kind.better, settings.draws)
        else:
            whole = replace(whole, unit=BY_ERRORS)
            gaps = normal_gaps(
                np.array(kept), np.array(values), np.array(errors), kind.better, settings.draws,
                logarithm=kind.logarithm,
            )  # fmt: skip
        if gaps is not None:
            yield from gap_rows(whole, column, gaps)


def _figure_row(row: Estimate, kind: _Kind, outcome: Outcome, own: Ints, fewest: int) -> tuple[Estimate, float]:
    """The row of one group with its standard error (nan where it has too few events)."""
    events = int(np.count_nonzero(outcome.event[own] == EVENT))
    row = replace(row, n=len(own), events=events)
    if events < fewest:
        return too_few(row, f"fewer than {fewest} events"), np.nan
    try:
        found, se = kind.figure(own)
    except NotEstimableError as error:
        return too_few(row, error.message), np.nan
    return with_interval(row, found), se
