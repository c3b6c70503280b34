"""Cox models of the columns of an analysis table, and what a report says of each of their terms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.cox import CoxFit, fit_cox
from cinema_cli.analysis.statistics.limits import UNREADABLE, readable
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome
from cinema_cli.analysis.survival.design import Design, design
from cinema_cli.analysis.survival.settings import Per
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import NotEstimableError


@dataclass(frozen=True, slots=True, eq=False)
class ModelData:
    """What a model is fitted to: rows that are complete in its terms, competing events as censorings."""

    rows: Ints  # (n,) of the table
    outcome: Outcome  # (n,)
    design: Design  # (n, p)
    weights: Floats | None  # (n,)
    strata: Ints | None  # (n,)
    cluster: Ints | None  # (n,)

    def fit(self, *, start: Floats | None = None) -> CoxFit:
        """The Cox model of all columns. Raises NotEstimableError, also where events are no more than columns."""
        if 0 < self.outcome.n_events <= len(self.design.names):
            raise NotEstimableError(
                f"too few events for a model of {', '.join(self.design.names)}: no more than columns",
                hint="Use fewer covariates, or wait for more follow-up.",
            )
        return fit_cox(
            self.outcome,
            self.design.x,
            names=self.design.names,
            weights=self.weights,
            strata=self.strata,
            cluster=self.cluster,
            start=start,
        )

    def only(self, *terms: str) -> "ModelData":
        """The same rows with the columns of some of the terms, in the order they have here."""
        return replace(self, design=self.design.only(*terms))

    def take(self, at: Ints) -> "ModelData":
        """Some of these rows, by position."""
        return ModelData(
            self.rows[at],
            self.outcome.take(at),
            replace(self.design, x=self.design.x[at]),
            _taken(self.weights, at),
            _taken(self.strata, at),
            _taken(self.cluster, at),
        )


def model_data(table: AnalysisTable, terms: Sequence[str], *, per: Per) -> ModelData:
    """Rows of the table that are complete in `terms`, as arrays. Raises NotEstimableError where one has one value."""
    rows = table.complete(*terms)
    return ModelData(
        rows,
        table.outcome(rows).cause_specific(),
        design(table, terms, rows=rows, per=per),
        table.row_weights(rows),
        table.codes(table.strata, rows),
        table.codes(table.cluster, rows),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of one model stand in the table of estimates: `group` is the phenotype whose model it is."""

    outcome: str
    model: str
    group: str = ""

    def cannot(self, error: NotEstimableError, *, term: str = "") -> Estimate:
        """The row that says why there is no estimate."""
        term = term or self.group
        group = "" if term == self.group else self.group
        return Estimate("not_estimable", self.outcome, self.model, term, group, level=error.message)


def told(place: Place, rows: Iterator[Estimate]) -> Iterator[Estimate]:
    """The rows of a section, and where it cannot go on a row that says why."""
    try:
        yield from rows
    except NotEstimableError as error:
        yield place.cannot(error)


def term_rows(place: Place, fit: CoxFit, data: ModelData, *, analysis: str = "cox") -> Iterator[Estimate]:
    """A row for each coefficient as a hazard ratio; n and events of a category are those of its people.

    One that is no number to read is a row that says so.
    """
    died = data.outcome.event == EVENT
    for k, name in enumerate(data.design.names):
        column, unit = data.design.x[:, k], data.design.units[k]
        is_level = data.design.is_level(k)
        inside = column == 1 if is_level else np.ones(len(column), dtype=bool)
        if not readable(fit.hazard_ratio[k], fit.lower[k], fit.upper[k]):
            yield place.cannot(NotEstimableError(f"{name}: {UNREADABLE}"), term=name)
            continue
        yield Estimate(
            analysis,
            place.outcome,
            place.model,
            term=name,
            group="" if name == place.group else place.group,
            n=int(np.count_nonzero(inside)),
            events=int(np.count_nonzero(died & inside)),
            estimate=float(fit.hazard_ratio[k]),
            lower=float(fit.lower[k]),
            upper=float(fit.upper[k]),
            se=float(fit.se[k]),
            p=float(fit.p[k]),
            unit=unit if is_level else f"per {unit}",
        )


def fit_rows(place: Place, fit: CoxFit, data: ModelData) -> Iterator[Estimate]:
    """How well a model fits, and how many events there are for each of its columns."""
    figures = {"aic": fit.aic, "loglik": fit.loglik, "events_per_term": fit.n_events / len(fit.coef)}
    for term, value in figures.items():
        yield Estimate(
            "model_fit", place.outcome, place.model, term, place.group,
            n=data.outcome.n, events=fit.n_events, estimate=float(value),
        )  # fmt: skip


def _taken(values: Any, at: Ints) -> Any:
    return None if values is None else values[at]
