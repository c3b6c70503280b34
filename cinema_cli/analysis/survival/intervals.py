"""Numbers of people where rows are intervals: nobody counts twice, whoever has several rows or several events."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome
from cinema_cli.analysis.survival.table import PARTICIPANT, AnalysisTable

_OF_A_MODEL = (
    *("cox", "fine_gray", "e_value", "model_fit", "likelihood_ratio", "concordance", "concordance_difference"),
    *("proportional_hazards", "schoenfeld", "spline", "nonlinearity", "imputation", "wald"),
)


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Whose some rows are: `person` (n,) numbers them, None where each row is a person of its own."""

    outcome: Outcome  # (n,)
    person: Ints | None

    @property
    def n(self) -> int:
        """People."""
        return self.outcome.n if self.person is None else len(np.unique(self.person))

    @property
    def n_events(self) -> int:
        """People with the event, however often they had it."""
        return int(np.count_nonzero(np.isfinite(self._first(EVENT))))

    def take(self, rows: Ints | NDArray[np.bool_]) -> "People":
        """Those of some rows, by number or mask."""
        rows = np.arange(self.outcome.n, dtype=np.int64)[rows]
        return People(self.outcome.take(rows), None if self.person is None else self.person[rows])

    def events_until(self, times: Floats, kind: int = EVENT) -> Ints:
        """People (k,) who had an event of this kind until and with each time."""
        return np.searchsorted(np.sort(self._first(kind)), times, side="right").astype(np.int64)

    def at_risk(self, times: Floats) -> Ints:
        """People (k,) at risk just before the first time, from each of these on, at which somebody's row ends."""
        o, seen = self.outcome, np.unique(self.outcome.time)
        start, end = self._spans()
        following = np.append(seen, np.inf)[np.searchsorted(seen, times, side="left")]
        entered = np.searchsorted(np.sort(start), following, side="left") if o.entry is not None else len(start)
        return np.asarray(entered - np.searchsorted(np.sort(end), following, side="left"), dtype=np.int64)

    def _first(self, kind: int) -> Floats:
        """When each of those with an event of this kind had the first."""
        rows = np.flatnonzero(self.outcome.event == kind)
        if self.person is None:
            return self.outcome.time[rows]
        rows = rows[np.argsort(self.outcome.time[rows], kind="stable")]
        return self.outcome.time[rows[np.unique(self.person[rows], return_index=True)[1]]]

    def _spans(self) -> tuple[Floats, Floats]:
        """Beginnings and ends of the times that people are at risk: rows that touch or overlap are one."""
        end = self.outcome.time
        start = np.zeros(len(end)) if self.outcome.entry is None else self.outcome.entry
        if self.person is None:
            return start, end
        order = np.lexsort((start, self.person))
        start, end = start[order], end[order]
        shift = self.person[order] * (end.max() + 1.0)  # of one person after those of another
        reached = np.maximum.accumulate(end + shift)
        new = np.flatnonzero(np.append(True, start[1:] + shift[1:] > reached[:-1]))
        return start[new], np.maximum.reduceat(end, new)


def people_of(table: AnalysisTable, rows: Ints | None = None) -> People:
    """Whose the rows of a table are, or some of them."""
    person = table.codes((PARTICIPANT,), rows) if table.has_intervals else None
    return People(table.outcome(rows), person)


def as_people(table: AnalysisTable, rows: Iterable[Estimate]) -> Iterator[Estimate]:
    """Rows of models of phenotypes with n and events of people, where they count intervals."""
    if not table.has_intervals:
        yield from rows
        return
    everybody = people_of(table)
    known: dict[tuple[str, str, bool], People] = {}
    for row in rows:
        if row.analysis not in _OF_A_MODEL or row.n is None:
            yield row
            continue
        phenotype = row.group or row.term
        column, equals, level = row.term.partition("=")
        is_level = bool(equals) and column in table.rows.columns and table.is_category(column)
        key = phenotype, row.term if is_level else "", row.n == table.n
        if key not in known:
            terms = dict.fromkeys((phenotype, *table.covariates))
            inside = np.arange(table.n) if key[2] else table.complete(*terms)
            if is_level:
                inside = inside[(table.texts(column) == level).fill_null(value=False).to_numpy()[inside]]
            known[key] = everybody.take(inside)
        found = known[key]
        yield replace(row, n=found.n, events=None if row.events is None else found.n_events)
