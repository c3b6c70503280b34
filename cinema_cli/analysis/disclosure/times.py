"""Times of single people: quantiles and restricted means of survival and of follow-up, made coarse."""

from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise

from cinema_cli.analysis.disclosure.curves import People, people_of
from cinema_cli.analysis.disclosure.rounding import in_units, to_unit, unit_below
from cinema_cli.analysis.disclosure.rows import Changes, Row, Rows

_FINEST = 50  # units in the mean follow-up, at most
_SAME = 1e-9


def coarse_times(
    rows: Rows, points: Rows, released: Mapping[int, Changes], *, left_out: set[int], min_cell: int
) -> dict[int, Changes]:
    """What changes in rows about times, by row number.

    A quantile of survival, and its limits, is where lines through the released points of its curve come down to it: it
    tells nothing that they do not. A restricted mean of a part of the people is in a unit of about `min_cell` of
    everybody; quartiles of follow-up are in one in which that of `min_cell` people or more ends.
    """
    shown: dict[People, list[Row]] = defaultdict(list)
    for number, row in points:
        if row["analysis"] == "kaplan_meier" and number not in left_out:
            shown[people_of(row)].append({**row, **released.get(number, {})})
    time = [(row["estimate"], row["n"]) for _, row in rows if row["analysis"] == "person_time" and not row["group"]]
    n = max((row["n"] for _, row in rows if row["n"] is not None), default=1)
    changes: dict[int, Changes] = {}
    for number, row in rows:
        if row["analysis"] == "survival_quantile":
            changes[number] = _quantile(float(row["level"]), shown[people_of(row)], rounded=min_cell)
        elif row["estimate"] is None:
            continue
        elif row["analysis"] == "rmst" and row["model"] != "overall":
            changes[number] = in_units(row, unit_below(float(row["level"]) * min(min_cell / n, 0.5)))
            changes[number]["rounded"] = min_cell
        elif row["analysis"] == "follow_up" and time:
            (total, people), *_ = time
            mean = total / people
            changes[number] = in_units(row, unit_below(mean * min(max(2 * min_cell / people, 1 / _FINEST), 0.5)))
            changes[number]["rounded"] = min_cell
    return changes


def _quantile(share: float, points: list[Row], *, rounded: int) -> Changes:
    """Times at which the released curve, its lower and its upper limit come down by a share; none where they do not."""
    columns = ("estimate", "lower", "upper")
    found: Changes = {name: _crossing(1.0 - share, points, name) for name in columns}
    if found["estimate"] is None:
        found = dict.fromkeys(columns)
    return {**found, "rounded": rounded, "suppressed": not any(row["estimate"] is not None for row in points)}


def _crossing(level: float, points: list[Row], column: str) -> float | None:
    """Where lines through the points come down to a level, in tenths of their steps; None where they do not."""
    known = [(float(row["level"]), row[column]) for row in points if row[column] is not None]
    step = min((b - a for (a, _), (b, _) in pairwise(known)), default=1.0)
    for (start, high), (end, low) in pairwise(known):
        if low <= level + _SAME:
            time = start if high <= level + _SAME else start + (end - start) * (high - level) / (high - low)
            return to_unit(time, unit_below(step / 10))
    return None
