"""Survival by quarters of a phenotype and by group, with what is said of the curves: section 3 of the report."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.competing import aalen_johansen, incidence_at
from cinema_cli.analysis.statistics.gray import gray_test
from cinema_cli.analysis.statistics.kaplan_meier import kaplan_meier, quantiles, value_at
from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.log_rank import log_rank
from cinema_cli.analysis.statistics.outcome import CENSORED, COMPETING, EVENT, Floats, Ints, Outcome
from cinema_cli.analysis.statistics.rmst import rmst
from cinema_cli.analysis.survival.design import unit_of
from cinema_cli.analysis.survival.intervals import People, people_of
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import NotEstimableError

POINTS, ROUND = 100, (1.0, 2.0, 2.5, 5.0)  # most steps of a published curve, and what they are multiples of
_ENOUGH_VALUES = 8  # different values of a phenotype that is cut in quarters
_SHARES = np.array([0.1, 0.25, 0.5])
_DECIMALS, _SAME = 2, 1e-6  # of a step's multiples beyond its first digit; how near to one a time is the same


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """People told apart for one figure: `codes` (n,) number the names, -1 where the value is missing."""

    model: str  # overall, quantile or group
    term: str
    names: tuple[str, ...]
    codes: Ints
    ranges: tuple[str, ...] = ()  # which values each of the names has


def curve_rows(table: AnalysisTable, *, horizon: float) -> Iterator[Estimate]:
    """Curves, quantiles of survival, restricted means and log-rank tests of everybody, quarters and groups."""
    outcome = table.outcome()
    times = _grid(outcome)
    splits = [Split("overall", "", ("",), np.zeros(table.n, dtype=np.int64))]
    splits += [split for name in table.phenotypes if (split := quarters(table, name)) is not None]
    splits += [_by_group(table, name) for name in table.groups]
    strata, people = table.codes(table.strata), people_of(table)
    for split in splits:
        for code, name in enumerate(split.names):
            part = people.take(split.codes == code)
            if part.outcome.n:
                unit = split.ranges[code] if split.ranges else ""
                yield from _curve(table, split, name, part, times, horizon, unit=unit)
        if len(split.names) > 1:
            yield from _test(table, split, people, strata)
            if table.competing_name:
                yield from _tests_of_incidence(table, split, people)


def quarters(table: AnalysisTable, phenotype: str) -> Split | None:
    """A phenotype cut at its quartiles; None where it has too few values for that."""
    values = table.floats(phenotype)
    known = values[np.isfinite(values)]
    if len(np.unique(known)) < _ENOUGH_VALUES:
        return None
    cuts = np.quantile(known, [0.25, 0.5, 0.75])
    if len(np.unique(cuts)) < len(cuts):
        return None
    codes = np.where(np.isfinite(values), np.searchsorted(cuts, values, side="left"), -1)
    unit = f" {unit_of(phenotype)}".rstrip()
    a, b, c = (f"{cut:.4g}" for cut in cuts)
    ranges = (f"up to {a}{unit}", f"{a} to {b}{unit}", f"{b} to {c}{unit}", f"above {c}{unit}")
    return Split("quantile", phenotype, ("Q1", "Q2", "Q3", "Q4"), codes.astype(np.int64), ranges)


def _by_group(table: AnalysisTable, column: str) -> Split:
    texts = table.texts(column)
    levels = sorted(texts.drop_nulls().unique())
    codes = texts.replace_strict(levels, list(range(len(levels))), default=None, return_dtype=None).fill_null(-1)
    return Split("group", column, tuple(f"{column}={level}" for level in levels), codes.to_numpy().astype(np.int64))


def _grid(outcome: Outcome) -> Floats:
    """Times of published curves: round steps that begin and end at nobody's own time."""
    start = 0.0 if outcome.entry is None else float(outcome.entry.min())
    end = float(outcome.time.max())
    rough = (end - start) / POINTS
    size = 10.0 ** np.floor(np.log10(rough))
    step = size * min((k for k in ROUND if k * size >= rough), default=10.0)
    return _multiples(np.arange(np.floor(start / step), np.floor(end / step) + 1), step)


def _multiples(counts: Floats, step: float) -> Floats:
    """Of a round step, as the decimals that they are: 0.3, not 0.30000000000000004."""
    times: Floats = np.round(counts * step, _DECIMALS - int(np.floor(np.log10(step))))
    return times


def _rounded_up(times: Floats, grid: Floats) -> Floats:
    """Each time as the one of the grid, or beyond it, that does not come before: a person's own time tells too much."""
    step = float(grid[1] - grid[0])
    return _multiples(np.ceil(times / step - _SAME), step)


def _curve(
    table: AnalysisTable, split: Split, name: str, people: People, times: Floats, horizon: float, *, unit: str
) -> Iterator[Estimate]:
    """What is said of the people of one curve; the unit of its points is the range of values that they have."""
    row = Estimate("kaplan_meier", table.outcome_name, split.model, split.term, name, unit=unit)
    outcome = people.outcome
    curve = kaplan_meier(outcome, conf="log-log")
    at, at_risk, events = value_at(curve, times), people.at_risk(times), people.events_until(times)
    for k in np.flatnonzero(np.isfinite(at.survival)):
        yield replace(
            row,
            level=repr(float(times[k])),
            n=int(at_risk[k]),
            events=int(events[k]),
            estimate=float(at.survival[k]),
            lower=float(at.lower[k]),
            upper=float(at.upper[k]),
            se=float(at.se[k]),
        )
    row = replace(row, n=people.n, events=people.n_events, unit=table.time_unit)
    found = quantiles(curve, _SHARES)
    reached, lower, upper = (_rounded_up(own, times) for own in (found.times, found.lower, found.upper))
    for share, *known in zip(_SHARES, reached, lower, upper, strict=True):
        # a row where it is not reached too: one that lacks would tell that nobody had the event
        time, low, high = (float(t) if np.isfinite(t) and np.isfinite(known[0]) else None for t in known)
        yield replace(row, analysis="survival_quantile", level=repr(float(share)), estimate=time, lower=low, upper=high)
    if outcome.entry is None and not table.has_intervals:
        yield from _mean(replace(row, analysis="rmst", level=repr(horizon)), outcome, horizon)
    if table.competing_name:
        yield from _incidence(table, split, name, people, times, unit=unit)


def _mean(row: Estimate, outcome: Outcome, horizon: float) -> Iterator[Estimate]:
    try:
        found = rmst(outcome, horizon=horizon)
    except NotEstimableError:  # of people whose follow-up ends before: their curve shows it
        return
    low, high = found.mean - Z95 * found.se, found.mean + Z95 * found.se
    yield replace(row, estimate=found.mean, lower=low, upper=high, se=found.se)


def _incidence(
    table: AnalysisTable, split: Split, name: str, people: People, times: Floats, *, unit: str
) -> Iterator[Estimate]:
    """Aalen-Johansen curves of both causes."""
    found, at_risk = aalen_johansen(people.outcome), people.at_risk(times)
    causes = {table.outcome_name: (EVENT, found.event), table.competing_name: (COMPETING, found.competing)}
    for cause, (kind, curve) in causes.items():
        row = Estimate("cumulative_incidence", cause, split.model, split.term, name, unit=unit)
        at, events = incidence_at(curve, times), people.events_until(times, kind)
        for k in np.flatnonzero(np.isfinite(at.incidence)):
            yield replace(
                row,
                level=repr(float(times[k])),
                n=int(at_risk[k]),
                events=int(events[k]),
                estimate=float(at.incidence[k]),
                lower=float(at.lower[k]),
                upper=float(at.upper[k]),
                se=float(at.se[k]),
            )


def _test(table: AnalysisTable, split: Split, people: People, strata: Ints | None) -> Iterator[Estimate]:
    rows = split.codes >= 0
    among = people.take(rows)
    try:
        found = log_rank(among.outcome, split.codes[rows], strata=None if strata is None else strata[rows])
    except NotEstimableError as error:
        yield Estimate(
            "not_estimable", outcome=table.outcome_name, model=split.model, term=split.term, level=error.message
        )
        return
    yield Estimate(
        "log_rank",
        outcome=table.outcome_name,
        model=split.model,
        term=split.term,
        level=str(found.df),
        n=among.n,
        events=among.n_events,
        estimate=found.statistic,
        p=found.p,
    )


def _tests_of_incidence(table: AnalysisTable, split: Split, people: People) -> Iterator[Estimate]:
    """Gray's test of either cause; none where it is not defined or has no events, as the curves show."""
    rows = split.codes >= 0
    among = people.take(rows)
    swapped = replace(among.outcome, event=np.array([CENSORED, COMPETING, EVENT])[among.outcome.event])
    row = Estimate("gray", model=split.model, term=split.term, n=among.n)
    for cause, outcome in ((table.outcome_name, among.outcome), (table.competing_name, swapped)):
        with suppress(NotEstimableError):
            found = gray_test(outcome, split.codes[rows])
            yield replace(
                row,
                outcome=cause,
                level=str(found.df),
                events=outcome.n_events,
                estimate=found.statistic,
                p=found.p,
            )
