"""Who takes part, how long they were followed, and how often the event came: sections 1 and 2 of the report."""

from collections.abc import Iterator

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.kaplan_meier import quantiles, reverse_kaplan_meier
from cinema_cli.analysis.statistics.outcome import COMPETING, EVENT, Ints
from cinema_cli.analysis.statistics.rates import person_time, rate
from cinema_cli.analysis.survival.intervals import people_of
from cinema_cli.analysis.survival.table import ENTRY, PARTICIPANT, AnalysisTable
from cinema_cli.analysis.survival.table_one import table_one
from cinema_cli.domain.errors import NotEstimableError

_QUARTERS = {"q1": 0.25, "median": 0.5, "q3": 0.75}


def people_rows(table: AnalysisTable) -> Iterator[Estimate]:
    """Flow, follow-up, rates, and Table 1 of the first row of each person."""
    for step in table.flow:
        yield Estimate("flow", outcome=table.outcome_name, term=step.name, level=step.level, n=step.n)
    yield from _follow_up(table)
    yield from _rates(table, "", np.arange(table.n, dtype=np.int64))
    for column in table.groups:
        texts = table.texts(column)
        for level in sorted(texts.drop_nulls().unique()):
            yield from _rates(table, f"{column}={level}", np.flatnonzero((texts == level).fill_null(False).to_numpy()))
    rows = table.rows.sort(ENTRY, maintain_order=True) if ENTRY in table.rows.columns else table.rows
    people = rows.unique(PARTICIPANT, keep="first", maintain_order=True)  # the first interval of each
    yield from table_one(people, [*table.covariates, *table.phenotypes], table.groups)


def _follow_up(table: AnalysisTable) -> Iterator[Estimate]:
    outcome = table.outcome()
    if table.has_intervals:
        return  # of a person, not of an interval
    if outcome.entry is not None:  # from entry on, also where time counts from birth
        outcome = type(outcome)(outcome.time - outcome.entry, outcome.event)
    found = quantiles(reverse_kaplan_meier(outcome), np.array(list(_QUARTERS.values())))
    for k, name in enumerate(_QUARTERS):
        yield Estimate(
            "follow_up",
            term=name,
            n=table.n,
            estimate=float(found.times[k]),
            lower=float(found.lower[k]),
            upper=float(found.upper[k]),
            unit=table.time_unit,
        )


def _rates(table: AnalysisTable, group: str, rows: Ints) -> Iterator[Estimate]:
    """Person-time of some rows, and the rate of the event (and of the competing one) in it.

    Events of a rate are events, of person-time the people who had one: some may have had several.
    """
    people = people_of(table, rows)
    outcome, n, time = people.outcome, people.n, person_time(people.outcome)
    yield Estimate("person_time", group=group, n=n, events=people.n_events, estimate=time, unit=table.time_unit)
    kinds = {EVENT: table.outcome_name} | ({COMPETING: table.competing_name} if table.competing_name else {})
    for kind, name in kinds.items():
        events = int(np.count_nonzero(outcome.event == kind))
        try:
            found = rate(events, time)
        except NotEstimableError:
            continue
        yield Estimate(
            "rate",
            outcome=name,
            group=group,
            n=n,
            events=events,
            estimate=1000 * found.rate,
            lower=1000 * found.lower,
            upper=1000 * found.upper,
            unit=f"per 1,000 person-{table.time_unit}",
        )
