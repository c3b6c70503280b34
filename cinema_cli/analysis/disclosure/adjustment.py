"""Controlled adjustment: curves of parts are moved a little, so that together they are everybody's and tell no rest."""

from collections import defaultdict
from collections.abc import Collection

from cinema_cli.analysis.disclosure.rows import Rows

Figure = tuple[str, str, str, str]  # analysis, outcome, model, term
_MOST = 2.0  # units that a curve is moved at most
_NEARLY_ALL = 0.8  # share of everybody that the parts must be


def shifts(points: Rows, large: Collection[tuple[str, str, str, str]], *, unit: float) -> dict[int, float]:
    """What is added to the points of the large parts of each figure, by row number.

    The mean of these parts, weighted by their people, becomes everybody's: those in none of them, however few, seem to
    be like all. Without it their events would follow, since many points round the same few away in different ways.
    `large` names parts by outcome, model, term and group.
    """
    everybody: dict[tuple[str, str, float], tuple[int, float]] = {}
    parts: dict[Figure, dict[float, dict[str, tuple[int, float]]]] = defaultdict(lambda: defaultdict(dict))
    sizes: dict[tuple[Figure, str], int] = defaultdict(int)
    for number, row in points:
        figure, time = (row["analysis"], row["outcome"], row["model"], row["term"]), float(row["level"])
        if row["model"] == "overall":
            everybody[row["analysis"], row["outcome"], time] = row["n"], row["estimate"]
        elif (*figure[1:], row["group"]) in large:
            parts[figure][time][row["group"]] = number, row["estimate"]
            sizes[figure, row["group"]] = max(sizes[figure, row["group"]], row["n"])
    whole = max((n for n, _ in everybody.values()), default=0)
    found: dict[int, float] = {}
    for figure, times in parts.items():
        of = {group: n for (where, group), n in sizes.items() if where == figure}
        people, shift = sum(of.values()), 0.0
        if people < _NEARLY_ALL * whole:
            continue
        for time in sorted(times):
            there = times[time]
            if len(there) == len(of) and (*figure[:2], time) in everybody:
                mean = sum(of[group] * estimate for group, (_, estimate) in there.items()) / people
                shift = everybody[(*figure[:2], time)][1] - mean
                shift = min(max(shift, -_MOST * unit), _MOST * unit)
            found |= {number: shift for number, _ in there.values()}
    return found
