"""What may be released: small counts are taken out of the table of estimates, and what would give them away."""

import math
from collections import defaultdict
from collections.abc import Sequence

import polars as pl

from cinema_cli.analysis.disclosure.cells import Key
from cinema_cli.analysis.disclosure.counted import BY_CURVE, CURVES, Counted, Row, RowCells, columns_of, counted
from cinema_cli.analysis.disclosure.curve_cuts import cut_curves
from cinema_cli.analysis.disclosure.near import near_others
from cinema_cli.analysis.disclosure.thresholds import OF_EVERYBODY, few_above
from cinema_cli.analysis.estimates import SCHEMA

_NUMBERS = ("estimate", "lower", "upper", "se", "p", "q")
# of these a hidden count is nothing but everybody less the others, or follows from the estimate
_ADDITIVE = ("rate", "person_time", "calibration", "flow", "observed_expected", "decision_curve")
_LEVELS_OF_PEOPLE = ("calibration", "calibration_smooth", "decision_curve", "spline", "schoenfeld")
_UNITS_OF_PEOPLE = ("cox", "fine_gray", *CURVES)
_SUMMARIES = ("mean", "sd", "median", "q1", "q3")
_MEANS = ("evaluation", "agreement", "group_metric", "repeatability", "classification")
_NUMBER = "row"


def suppressed(estimates: pl.DataFrame, *, min_cell: int) -> pl.DataFrame:
    """The table (`estimates.SCHEMA`) as it may be released: no count from 1 to `min_cell` - 1 is in it or follows.

    - A row loses its numbers where its n, its events, n less events, or the count that it is, is small.
    - Where sums give a small count away - categories and missing of a group, groups of everybody, steps of the flow,
      one set of people inside another - the next larger count goes too, until they do not; see `Cells`.
    - Of two numbers of the same population that are nearly the same the smaller goes; see `near_others`.
    - Means go with their group, and the mean of a second group where the first would follow from that of everybody.
    - Curves lose points, all of them where the size or the events of their people are hidden; see `cut_curves`.
    - A decision curve loses thresholds that few people are above, or between; see `few_above`.
    - Restricted means and quantiles of quarters have no events: quarters of several phenotypes together tell too much.
    - What level or unit say of the values of people goes with the numbers.

    Rows that lost something have `suppressed` set. Zero is allowed: most zeros of a report are those of nobody missing
    and nobody left out, and hiding them would hide a second count each. UK Biobank and the ONS see it so; UK LLC counts
    zero as small, and there a zero among categories or events is for the author to find. Counts are protected against
    sums and differences, not against what a digit-by-digit inversion of a model's estimates may tell. `min_cell` of 1
    changes nothing.
    """
    if min_cell <= 1:
        return estimates
    numbered = estimates.with_row_index(_NUMBER)
    is_curve = pl.col("analysis").is_in(CURVES)
    is_threshold = (pl.col("analysis") == "decision_curve") & ~pl.col("model").is_in(OF_EVERYBODY)
    rows, points = _rows(numbered.filter(~is_curve & ~is_threshold)), _rows(numbered.filter(is_curve))
    found = counted(rows, points)
    hidden = found.cells.hidden(min_cell=min_cell, kept=found.of_everybody())
    cuts = cut_curves(
        points,
        min_cell=min_cell,
        withheld={number for number, row in points if found.hides_whole(row, hidden)},
        totals={number: found.total_events(row) for number, row in points},
        told=_told(rows, found, hidden),
    )
    near = near_others(rows, points, found, hidden, min_cell=min_cell)
    emptied = cuts.emptied | _emptied(rows, found, hidden, min_cell) | near.emptied
    thresholds = _rows(numbered.filter(is_threshold))
    acting_on_all = [
        (number, row) for number, row in rows if (row["analysis"], row["model"]) == ("decision_curve", "all")
    ]
    if any(number in emptied for number, _ in acting_on_all):
        dropped = cuts.dropped | {number for number, _ in thresholds}
    else:
        dropped = cuts.dropped | few_above(thresholds, [row for _, row in acting_on_all], min_cell=min_cell)
    without_n = (
        cuts.without_n
        | near.without_n
        | emptied
        | {number for number, named in found.rows.items() if named.n in hidden}
    )
    if any(key[:2] == ("n", "") for key in hidden):  # the numbers of bins would sum to it
        without_n |= {number for number, row in rows if row["analysis"] == "bland_altman"}
    without_events = (
        near.without_events | emptied | {number for number, named in found.rows.items() if named.events in hidden}
    )
    of_quarters = {number for number, row in rows if row["analysis"] in BY_CURVE and row["model"] == "quantile"}
    lost = {"n": without_n, "events": without_events | of_quarters, **dict.fromkeys(_NUMBERS, emptied)}
    return (
        numbered.filter(~_among(dropped))
        .with_columns(pl.when(~_among(numbers)).then(pl.col(column)).alias(column) for column, numbers in lost.items())
        .with_columns(
            _without_text("level", _among(emptied) & pl.col("analysis").is_in(_LEVELS_OF_PEOPLE)),
            _without_text("unit", _among(emptied) & pl.col("analysis").is_in(_UNITS_OF_PEOPLE)),
            pl.col("suppressed") | _among(without_n | without_events),
        )
        .select(*SCHEMA)
    )


def _told(rows: Sequence[tuple[int, Row]], found: Counted, hidden: set[Key]) -> dict[tuple[str, float], int]:
    """Everybody's events by the horizon, unless hidden: what other rows tell of curves, by outcome and time."""
    return {
        (row["outcome"], float(row["level"])): row["events"]
        for number, row in rows
        if row["analysis"] == "observed_expected"
        and row["group"] == "held-out"
        and row["events"] is not None
        and found.rows[number].events not in hidden
    }


def _without_text(column: str, lost: pl.Expr) -> pl.Expr:
    return pl.when(~lost).then(pl.col(column)).otherwise(pl.lit("")).alias(column)


def _among(numbers: set[int]) -> pl.Expr:
    return pl.col(_NUMBER).is_in(sorted(numbers))


def _rows(table: pl.DataFrame) -> list[tuple[int, Row]]:
    return [(row[_NUMBER], row) for row in table.iter_rows(named=True)]


def _emptied(rows: Sequence[tuple[int, Row]], found: Counted, hidden: set[Key], min_cell: int) -> set[int]:
    """Rows that lose all their numbers."""
    emptied = {
        number for number, row in rows if number in found.rows and _loses_all(row, found.rows[number], hidden, min_cell)
    }
    emptied |= _second_means(rows, emptied, min_cell)
    touched = {
        (row["term"], row["group"].partition("=")[0])
        for number, row in rows
        if row["analysis"] == "table_one" and number in emptied and row["group"]
    }
    differences = {
        number
        for number, row in rows
        if row["analysis"] == "table_one" and row["model"] == "smd" and (row["term"], row["group"]) in touched
    }
    return emptied | differences | _rates_of_few(rows, emptied)


def _rates_of_few(rows: Sequence[tuple[int, Row]], emptied: set[int]) -> set[int]:
    """Rates of events that came to people several times, where those people are too few: person-time counts them."""
    people = {row["group"]: row["events"] for number, row in rows if _is_of(row, "person_time") and number in emptied}
    return {
        number for number, row in rows if _is_of(row, "rate") and row["events"] > (people.get(row["group"]) or math.inf)
    }


def _is_of(row: Row, analysis: str) -> bool:
    return bool(row["analysis"] == analysis and row["events"] is not None)


def _loses_all(row: Row, named: RowCells, hidden: set[Key], min_cell: int) -> bool:
    n, events = row["n"], row["events"]
    counts = [n, events] + ([n - events] if n is not None and events is not None else [])
    if any(count is not None and 0 < count < min_cell for count in counts):
        return True
    if row["analysis"] == "table_one":
        if row["model"] in ("percent", "missing_percent"):  # with the count it gives away what it is a share of
            return named.estimate in hidden or named.n in hidden
        if not row["term"] or row["model"] in _SUMMARIES:
            return False if row["term"] else named.n in hidden
        return named.estimate in hidden
    if row["analysis"] == "model_fit" and row["term"] == "events_per_term":
        return named.events in hidden
    return row["analysis"] in _ADDITIVE and (named.n in hidden or named.events in hidden)


def _second_means(rows: Sequence[tuple[int, Row]], emptied: set[int], min_cell: int) -> set[int]:
    """Summaries of further groups where those of a small one follow from everybody's and the other groups'."""
    people: dict[Key, dict[str, int]] = defaultdict(dict)  # of what is summarised and group column, by group
    numbers: dict[Key, list[int]] = defaultdict(list)  # of what is summarised and group
    for number, row in rows:
        if (subject := _summarised(row)) and row["n"] is not None:
            people[*subject, columns_of(row["group"])][row["group"]] = row["n"]
            numbers[*subject, row["group"]].append(number)
    taken: set[int] = set()
    for place, groups in people.items():
        subject, column = place[:-1], place[-1]
        if not column:
            continue
        nobody = people.get((*subject, ""), {}).get("", 0) - sum(groups.values())
        small = [n for n in (nobody, *groups.values()) if 0 < n < min_cell]
        for group in sorted(groups, key=lambda name: groups[name]):
            if not small or (len(small) > 1 and sum(small) >= min_cell):
                break
            if groups[group] >= min_cell:
                small.append(groups[group])
                taken.update(numbers[*subject, group])
    return taken


def _summarised(row: Row) -> Key:
    """What a row tells a mean or the like of; empty where it tells none."""
    if row["analysis"] == "table_one" and row["model"] in _SUMMARIES:
        return (row["term"],)
    told = row["analysis"] in _MEANS and ("=" in row["group"] or not row["group"])
    return (row["analysis"], row["model"], row["term"], row["level"]) if told else ()
