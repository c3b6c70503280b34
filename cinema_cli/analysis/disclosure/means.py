"""Differencing of means: those of few people follow from everybody's less the groups', unless these are coarse."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from cinema_cli.analysis.disclosure.rounding import in_units, unit_below
from cinema_cli.analysis.disclosure.rows import Changes, Row, Rows, columns_of, wider_groups
from cinema_cli.analysis.disclosure.secondary import Key

SUMMARIES = ("mean", "sd", "median", "q1", "q3")
_MEANS = ("evaluation", "agreement", "group_metric", "repeatability", "classification")
_WIDTH = 2 * 1.96  # of a 95 % interval, in standard errors


def coarse_means(rows: Rows, released: Mapping[int, Changes], *, min_cell: int) -> tuple[dict[int, Changes], set[int]]:
    """What changes in summaries of groups where one of them, or those in no group, is few people; what loses numbers.

    All groups of the column are rounded: the unit leaves the mean of the few open by about their standard deviation or
    more. Where the spread is not known the smallest large group loses its numbers instead. Both by row number. What
    `released` changed already is rounded from there.
    """
    by_subject: dict[Key, list[tuple[int, Row]]] = defaultdict(list)
    for number, row in rows:
        if (subject := _summarised(row)) and None not in (row["n"], row["estimate"]):
            by_subject[subject].append((number, row))
    changes: dict[int, Changes] = {}
    emptied: set[int] = set()
    for members in by_subject.values():
        whole = [row for _, row in members if not row["group"]]
        spread = _spread(whole)
        sizes = {row["group"]: row["n"] for _, row in members}
        for groups in _columns(members):
            people = {row["group"]: row["n"] for _, row in groups}
            if not (small := _small(people, sizes, min_cell)):
                continue
            if spread:
                unit = unit_below(2 * min_cell * spread / max(row["n"] for row in whole))
                changes |= {
                    number: in_units({**row, **released.get(number, {})}, unit) | {"rounded": min_cell}
                    for number, row in groups
                }
            else:
                second = _second(people, small, min_cell)
                emptied |= {number for number, row in groups if row["group"] in second}
    return changes, emptied


def differences(rows: Rows, changes: Mapping[int, Changes], emptied: Collection[int]) -> set[int]:
    """Standardised differences of a variable between groups a summary or a category of which is hidden or rounded."""
    touched = {
        (row["term"], columns_of(row["group"]))
        for number, row in rows
        if row["analysis"] == "table_one" and row["group"] and row["model"] != "smd"
        if number in emptied or _is_changed(row, changes.get(number, {}))
    }
    return {number for number, row in rows if row["model"] == "smd" and (row["term"], row["group"]) in touched}


def _is_changed(row: Row, changes: Changes) -> bool:
    """Whether another number is shown than that of which differences were computed: of categories the people too."""
    names = ("n", "estimate") if row["model"] in ("count", "percent") else ("estimate",)
    return any(changes.get(name, row[name]) != row[name] for name in names)


def _summarised(row: Row) -> Key:
    """What a row tells a mean or the like of; empty where it tells none."""
    if row["analysis"] == "table_one" and row["model"] in SUMMARIES:
        return (row["term"],)
    told = row["analysis"] in _MEANS and ("=" in row["group"] or not row["group"])
    return (row["analysis"], row["model"], row["term"], row["level"]) if told else ()


def _columns(members: Sequence[tuple[int, Row]]) -> Iterator[Sequence[tuple[int, Row]]]:
    """The groups of each column."""
    found: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for number, row in members:
        if row["group"]:
            found[columns_of(row["group"])].append((number, row))
    yield from found.values()


def _small(people: Mapping[str, int], sizes: Mapping[str, int], min_cell: int) -> list[int]:
    """Sizes of groups of few people, and of those of everybody, or of a group that is divided further, in none."""
    inside: dict[str, int] = defaultdict(int)
    for group, n in people.items():
        for wider in ("", *wider_groups(group)):
            inside[wider] += n
    rests = (sizes[wider] - n for wider, n in inside.items() if wider in sizes)
    return [n for n in (*rests, *people.values()) if 0 < n < min_cell]


def _spread(whole: Sequence[Row]) -> float | None:
    """Standard deviation of everybody's values, as their row or the interval of their mean says."""
    for row in whole:
        if row["analysis"] == "table_one" and row["model"] == "sd":
            return row["estimate"] or None
        if row["analysis"] != "table_one" and None not in (row["lower"], row["upper"]):
            return (row["upper"] - row["lower"]) / _WIDTH * math.sqrt(row["n"]) or None
    return None


def _second(people: Mapping[str, int], small: Sequence[int], min_cell: int) -> set[str]:
    """The smallest large groups without which the small ones do not follow."""
    hidden, taken = list(small), set()
    for group in sorted(people, key=lambda name: people[name]):
        if len(hidden) > 1 and sum(hidden) >= min_cell:
            break
        if people[group] >= min_cell:
            hidden.append(people[group])
            taken.add(group)
    return taken
