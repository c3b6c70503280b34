"""What may be released of a table of estimates: small counts go, and what would give them away is rounded."""

from collections.abc import Collection, Mapping
from itertools import chain

import polars as pl

from cinema_cli.analysis.disclosure.bounds import rounded_instead
from cinema_cli.analysis.disclosure.curves import thinned
from cinema_cli.analysis.disclosure.means import coarse_means, differences
from cinema_cli.analysis.disclosure.released import ShownCounts, release_counts
from cinema_cli.analysis.disclosure.rounding import nearest
from cinema_cli.analysis.disclosure.rows import BY_CURVE, CURVES, Changes, Row, Rows, event_totals, of_some, sizes_of
from cinema_cli.analysis.disclosure.secondary import Key
from cinema_cli.analysis.disclosure.sums import Counted, counted
from cinema_cli.analysis.disclosure.thresholds import OF_EVERYBODY, few_above
from cinema_cli.analysis.disclosure.times import coarse_times
from cinema_cli.analysis.estimates import SCHEMA

_NUMBERS = ("n", "events", "estimate", "lower", "upper", "se", "p", "q")
_LEVELS_OF_PEOPLE = ("calibration", "calibration_smooth", "decision_curve", "spline", "schoenfeld")
_UNITS_OF_PEOPLE = ("cox", "fine_gray")


def suppressed(estimates: pl.DataFrame, *, min_cell: int) -> pl.DataFrame:
    """The table (`estimates.SCHEMA`) as it may be released: no count from 1 to `min_cell` - 1 is in it or follows.

    - Primary suppression: a row loses its numbers where its n, its events, n less events, or the count that it is, is
      small.
    - Secondary: counts from which sums give a small one away (see `Cells`) are rounded where that tells nothing more
      than the others do (see `rounded_instead`), else they go too.
    - Counts of those who have a value of something, and of events among them, are rounded: see `of_some`.
    - Means, rates and shares that would give a count or the mean of few back are rounded with it.
    - Curves lose points and are rounded (`thinned`), times of survival follow them (`coarse_times`).
    - A decision curve loses thresholds that few people are above, or between; see `few_above`.
    - Quarters have no events beside their means: quarters of several phenotypes together tell too much.
    - What level or unit say of the values of people goes with the numbers.

    Rows that lost something have `suppressed` set; `rounded` is `min_cell` where numbers were rounded. Zero is allowed:
    most zeros of a report are those of nobody missing and nobody left out. `min_cell` of 1 changes nothing.

    Precedence, where several of these change a row: counts and what follows from them first, means rounded from there,
    then times and curves (of other rows); what is emptied by any has no numbers, what is left out by any is no row.
    """
    if min_cell <= 1:
        return estimates
    every = list(enumerate(estimates.iter_rows(named=True)))
    points = [(k, row) for k, row in every if row["analysis"] in CURVES]
    thresholds = [(k, row) for k, row in every if _is_threshold(row)]
    rows = [(k, row) for k, row in every if row["analysis"] not in CURVES and not _is_threshold(row)]
    some = of_some(rows, sizes_of(rows))
    found = counted(rows, rounded=some)
    hidden = found.cells.hidden(min_cell=min_cell, kept=found.of_everybody())
    rounded = rounded_instead(found.cells, hidden, min_cell=min_cell)
    released = release_counts(rows, ShownCounts(found.rows, some, hidden, rounded, min_cell))
    curves, left_out = thinned(
        points,
        min_cell=min_cell,
        totals=event_totals(rows),
        withheld={k for k, row in points if found.hides_whole(row, hidden)},
        told=_events_by_horizon(rows, found, hidden),
    )
    means, without_mean = coarse_means(rows, released.changes, min_cell=min_cell)
    times = coarse_times(rows, points, curves, left_out=left_out, min_cell=min_cell)
    changes = _together(released.changes, means, times, curves, _quarters(rows))
    if any(key[:2] == ("n", "") for key in hidden):  # the numbers of bins would sum to it
        changes = _together(changes, {k: {"n": None} for k, row in rows if row["analysis"] == "bland_altman"})
    emptied = released.emptied | without_mean
    emptied |= differences(rows, changes, emptied)
    above, below = _thresholds(rows, thresholds, emptied, some, min_cell=min_cell)
    changes = _together(changes, above, {k: _empty(row) for k, row in rows if k in emptied})
    return _changed(every, changes, left_out | below)


def _is_threshold(row: Row) -> bool:
    return bool(row["analysis"] == "decision_curve" and row["model"] not in OF_EVERYBODY)


def _events_by_horizon(rows: Rows, found: Counted, hidden: Collection[Key]) -> dict[tuple[str, float], int]:
    """Everybody's events by the horizon, unless hidden: what other rows tell of curves, by outcome and time."""
    return {
        (row["outcome"], float(row["level"])): row["events"]
        for k, row in rows
        if row["analysis"] == "observed_expected" and row["group"] == "held-out" and row["events"] is not None
        if k in found.rows and found.rows[k].events not in hidden
    }


def _quarters(rows: Rows) -> dict[int, Changes]:
    """Restricted means and quantiles of quarters have no events."""
    return {k: {"events": None} for k, row in rows if row["analysis"] in BY_CURVE and row["model"] == "quantile"}


def _thresholds(
    rows: Rows, thresholds: Rows, emptied: Collection[int], some: Collection[int], *, min_cell: int
) -> tuple[dict[int, Changes], set[int]]:
    """What changes in points of a decision curve, and which are left out."""
    everybody = [(k, row) for k, row in rows if row["analysis"] == "decision_curve" and row["model"] == "all"]
    if any(k in emptied for k, _ in everybody):
        return {}, {k for k, _ in thresholds}
    below = few_above(thresholds, [row for _, row in everybody], min_cell=min_cell)
    coarse = any(k in some for k, _ in everybody)
    changes = {
        k: {"n": nearest(row["n"], min_cell), "events": nearest(row["events"], min_cell), "rounded": min_cell}
        for k, row in thresholds
        if coarse
    }
    return changes, below


def _empty(row: Row) -> Changes:
    """A row without its numbers, and without what its text says of people."""
    level = {"level": ""} if row["analysis"] in _LEVELS_OF_PEOPLE else {}
    unit = {"unit": ""} if row["analysis"] in _UNITS_OF_PEOPLE else {}
    return {**dict.fromkeys(_NUMBERS), **level, **unit, "rounded": None, "suppressed": True}


def _together(*several: Mapping[int, Changes]) -> dict[int, Changes]:
    """Changes of rows, later ones over earlier."""
    found: dict[int, Changes] = {}
    for k, changes in chain.from_iterable(some.items() for some in several):
        found[k] = found.get(k, {}) | changes
    return found


def _changed(rows: Rows, changes: Mapping[int, Changes], left_out: Collection[int]) -> pl.DataFrame:
    """The table with its changes; what lost a count is suppressed."""
    made = []
    for k, row in rows:
        if k in left_out:
            continue
        new = {**row, **changes.get(k, {})}
        if k in changes and not _loses_by_rule(row):
            new["suppressed"] |= any(row[name] is not None and new[name] is None for name in ("n", "events"))
        made.append(new)
    return pl.DataFrame(made, schema=SCHEMA)


def _loses_by_rule(row: Row) -> bool:
    """Whether rows of this kind have no events, small or not."""
    return row["analysis"] in CURVES or bool(row["analysis"] in BY_CURVE and row["model"] == "quantile")
