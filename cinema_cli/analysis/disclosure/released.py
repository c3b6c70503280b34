"""Rows of counts as they may be released: without numbers, rounded, or as they are."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cinema_cli.analysis.disclosure.rounding import away_from_zero, level_of, nearest, nearest_part, to_unit, unit_below
from cinema_cli.analysis.disclosure.rows import Changes, Row, RowCells, Rows, count_of, event_totals, scope_of
from cinema_cli.analysis.disclosure.secondary import Key
from cinema_cli.analysis.estimates import EVALUATION_ANALYSES
from cinema_cli.analysis.statistics.diagnostic import wilson

_FOLLOWING = ("calibration", "observed_expected", "decision_curve")  # a hidden count follows from the estimate
_COARSEST = 0.05  # a unit, as a share of the whole, with which a rate or a percentage is still worth giving
_WITH_INTERVALS = (
    "evaluation",
    "agreement",
    "classification",
    "difference",
    "repeatability",
    "group_metric",
    "non_inferiority",
)
_PER = 1000.0  # units of person-time that a rate is per
_SAME = 1e-9


@dataclass(slots=True, eq=False)
class Released:
    """New values of rows, and rows that lose all their numbers, by row number."""

    changes: dict[int, Changes] = field(default_factory=dict)
    emptied: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, eq=False)
class ShownCounts:
    """What is known of the counts of a table: which rows show which, those that are hidden, and rounded ones."""

    rows: Mapping[int, RowCells]  # exact counts
    some: Mapping[int, int]  # rows that count some of so many people; see `of_some`
    hidden: set[Key]
    rounded: Mapping[Key, int]  # of hidden counts, those that may be shown rounded
    min_cell: int

    def shown(self, key: Key | None, value: int | None) -> int | None:
        """A count as it may be shown; None where it may not."""
        return value if key is None or key not in self.hidden else self.rounded.get(key)

    def part(self, n: int, size: Key, whole: int) -> int | None:
        """Some of so many people, rounded; where the size of the whole is hidden it tells nothing more of that."""
        if size not in self.hidden:
            return nearest_part(n, whole, self.min_cell)
        return self.rounded.get(size) if whole - n < self.min_cell else None


def release_counts(rows: Rows, counts: ShownCounts) -> Released:
    """Primary suppression of rows of few people, and what secondary suppression and rounding leave of the others."""
    found = Released()
    totals = event_totals(rows)
    for number, row in rows:
        if _is_small(row, counts.min_cell):
            found.emptied.add(number)
            continue
        whole = totals.get((row["outcome"], scope_of(row)), row["events"] or 0)
        changes = _of_some(number, row, counts, whole) if number in counts.some else _exact(number, row, counts)
        if changes is None:
            found.emptied.add(number)
        elif changes:
            found.changes[number] = changes
    found.emptied |= _rates_of_few(rows, found.emptied)
    return found


def _is_small(row: Row, min_cell: int) -> bool:
    """Whether a row is about few people: its n, events, people without, or the count that it is."""
    n, events, count = row["n"], row["events"], count_of(row)
    without = n - events if n is not None and events is not None else None
    return any(c is not None and 0 < c < min_cell for c in (n, events, without, count))


def _of_some(number: int, row: Row, counts: ShownCounts, all_events: int) -> Changes | None:
    """A row about those who have a value of something: its counts rounded, with what is computed from them.

    None where a share would tell the hidden number of people.
    """
    base, count, whole = counts.min_cell, count_of(row), counts.some[number]
    n = counts.part(row["n"], ("n", scope_of(row), whole), whole)
    if n is None and _is_share(row):
        return None
    changes: Changes = {"n": n, "rounded": base}
    if row["events"] is not None:
        events = nearest_part(row["events"], max(all_events, row["events"]), base)
        changes["events"] = n if row["events"] == row["n"] else events
    coarse = None if count is None else nearest(count, base)
    return changes | _following(row, n, changes.get("events"), coarse, base=base)


def _exact(number: int, row: Row, counts: ShownCounts) -> Changes | None:
    """A row whose counts may be shown unless hidden; {} where it stays as it is, None where it loses all numbers."""
    named = counts.rows.get(number, RowCells())
    n, events = counts.shown(named.n, row["n"]), counts.shown(named.events, row["events"])
    count = exact = count_of(row)
    is_missing = row["model"].startswith("missing") and bool(exact) and named.estimate is None
    if exact is not None:
        count = nearest(exact, counts.min_cell) if is_missing else counts.shown(named.estimate, exact)
        count = count if row["term"] else n
    if not is_missing and counts.hidden.isdisjoint(filter(None, (named.n, named.events, named.estimate))):
        return {}
    changes: Changes = {"n": n, "events": events, "rounded": counts.min_cell}
    if row["analysis"] == "flow":
        return {"n": n, "rounded": counts.min_cell} if n is not None else None
    if row["analysis"] in ("rate", "person_time"):
        return _rate(row, n, events, counts.min_cell)
    loses = exact is not None and (count is None or n is None)
    if loses or row["analysis"] in _FOLLOWING or (_is_share(row) and (n is None or events is None)):
        return None
    return changes | _following(row, n, events, count, base=counts.min_cell)


def _following(row: Row, n: int | None, events: int | None, count: int | None, *, base: int) -> Changes:
    """What is computed from counts, from the rounded ones."""
    if row["analysis"] == "table_one" and count is not None:
        return {"estimate": _percent(count, n or 0, base) if row["model"].endswith("percent") else float(count)}
    if row["analysis"] == "model_fit" and row["term"] == "events_per_term" and row["events"]:
        scale = (events or 0) / row["events"]
        return {"estimate": row["estimate"] * scale if events else None}
    if _is_share(row) and n and events is not None:
        found = wilson(min(events, n), n)
        limits = {name: getattr(found, name) for name in ("lower", "upper") if row[name] is not None}
        return {"estimate": found.estimate, **limits}
    has_interval = row["analysis"] in _WITH_INTERVALS and not row["model"].endswith("_median")  # that has quartiles
    return _interval(row, n, base) if has_interval else {}


def _interval(row: Row, n: int | None, base: int) -> Changes:
    """Limits that do not tell of how many people they are; p and q as levels.

    Their width, about 1 / sqrt(n), is made that of the fewest people whose number is rounded to this, and so coarse
    that what is not quite so does not tell either: a unit is what four smallest cells more or less change. Where n is
    hidden there are no limits.
    """
    ends = {
        name: row[name] - row["estimate"] for name in ("lower", "upper") if None not in (row[name], row["estimate"])
    }
    ends |= {"se": row["se"]} if row["se"] is not None else {}
    width = max(map(abs, ends.values()), default=0.0)
    changes: Changes = {name: level_of(row[name]) for name in ("p", "q")}
    if not n or not width:
        return changes | dict.fromkeys(() if n else ends)
    wider = math.sqrt(row["n"] / (n - base / 2))
    unit = unit_below(width * wider * min(2 * base / n, 0.5))
    for name, end in ends.items():
        farther = away_from_zero(end * wider, unit) + (0.0 if name == "se" else row["estimate"])
        changes[name] = min(max(farther, 0.0), 1.0) if 0.0 <= row[name] <= 1.0 else farther
    return changes


def _percent(count: int, n: int, base: int) -> float | None:
    """A rounded count as percentage, where it is not too coarse."""
    return min(100.0 * count / n, 100.0) if base <= _COARSEST * n else None


def _is_share(row: Row) -> bool:
    """Whether an estimate is events of n."""
    of_people = row["analysis"] in EVALUATION_ANALYSES or (row["analysis"] == "calibration" and not row["outcome"])
    known = of_people and row["n"] and None not in (row["estimate"], row["events"])
    return bool(known and math.isclose(row["estimate"], row["events"] / row["n"], rel_tol=_SAME))


def _rate(row: Row, n: int | None, events: int | None, min_cell: int) -> Changes | None:
    """Person-time, or events in it, of a group whose counts are rounded; None where that is too coarse.

    Where the size is, the time is too: everybody's less that of the groups is the time of the few in none.
    """
    if n is None or events is None or not row["estimate"]:
        return None
    time = row["estimate"] if row["analysis"] == "person_time" else _PER * row["events"] / row["estimate"]
    unit = unit_below(2 * min_cell * time / row["n"]) if n != row["n"] else 0.0
    if unit > _COARSEST * time:
        return None
    coarse = to_unit(time, unit) if unit else time
    changes: Changes = {"n": n, "events": events, "rounded": min_cell}
    if row["analysis"] == "person_time":
        return changes | {"estimate": coarse}
    scale = events / row["events"] * time / coarse
    return changes | {name: row[name] * scale for name in ("estimate", "lower", "upper") if row[name] is not None}


def _rates_of_few(rows: Rows, emptied: Collection[int]) -> set[int]:
    """Rates of events that came to people several times, where those people are too few: person-time counts them."""
    counted = [(number, row) for number, row in rows if row["events"] is not None]
    people = {r["group"]: r["events"] for k, r in counted if r["analysis"] == "person_time" and k in emptied}
    return {k for k, r in counted if r["analysis"] == "rate" and r["events"] > (people.get(r["group"]) or math.inf)}
