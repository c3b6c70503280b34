"""Times of single people: quantiles and restricted means of survival and of follow-up, made coarse."""

from collections import defaultdict
from collections.abc import Mapping

from cinema_cli.analysis.disclosure.curves import People, people_of
from cinema_cli.analysis.disclosure.rounding import in_units, unit_below
from cinema_cli.analysis.disclosure.rows import Changes, Row, Rows

_FINEST = 50  # units in the mean follow-up, at most
_SAME = 1e-9


def coarse_times(
    rows: Rows, points: Rows, released: Mapping[int, Changes], *, left_out: set[int], min_cell: int
) -> dict[int, Changes]:
    """What changes in rows about times, by row number.

    A quantile of survival is the first time at which the released curve is that low, and its limits likewise; a
    restricted mean of a part of the people is in a unit of about `min_cell` of everybody; quartiles of follow-up are in
    one in which that of `min_cell` people or more ends.
    """
    shown: dict[People, list[Row]] = defaultdict(list)
    for number, row in points:
        if row["analysis"] == "kaplan_meier" and number not in left_out:
            shown[people_of(row)].append({**row, **released.get(number, {})})
    time = [(row["estimate"], row["n"]) for _, row in rows if row["analysis"] == "person_time" and not row["group"]]
    n = max((row["n"] for _, row in rows if row["n"] is not None), default=1)
    changes: dict[int, Changes] = {}
    for number, row in rows:
        if row["estimate"] is None:
            continue
        if row["analysis"] == "survival_quantile":
            changes[number] = _quantile(float(row["level"]), shown[people_of(row)])
        elif row["analysis"] == "rmst" and row["model"] != "overall":
            changes[number] = in_units(row, unit_below(float(row["level"]) * min(min_cell / n, 0.5)))
        elif row["analysis"] == "follow_up" and time:
            (total, people), *_ = time
            mean = total / people
            changes[number] = in_units(row, unit_below(mean * min(max(2 * min_cell / people, 1 / _FINEST), 0.5)))
    return changes


def _quantile(share: float, points: list[Row]) -> Changes:
    """The first released times at which the curve, its lower and its upper limit have come down by a share."""
    columns = {"estimate": "estimate", "lower": "lower", "upper": "upper"}
    found = {name: _first(share, points, column) for name, column in columns.items()}
    return found if found["estimate"] is not None else {**found, "suppressed": True}


def _first(share: float, points: list[Row], column: str) -> float | None:
    times = [float(row["level"]) for row in points if row[column] is not None and row[column] <= 1.0 - share + _SAME]
    return min(times, default=None)
