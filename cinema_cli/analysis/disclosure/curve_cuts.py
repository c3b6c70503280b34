"""Where published curves end and which of their points are left out, so that no step of them is of few people."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
Curve = tuple[str, str, str, str, str]  # analysis, outcome, model, term, group
_ENOUGH_POINTS = 5  # with which a curve is worth drawing
_KEYS = ("analysis", "outcome", "model", "term", "group")


@dataclass(slots=True, eq=False)
class CurveCuts:
    """Row numbers: points that are not published at all, points without numbers, points without those at risk."""

    dropped: set[int] = field(default_factory=set)
    emptied: set[int] = field(default_factory=set)
    without_n: set[int] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Points:
    """A curve: at each time its row (None: not among ours), people at risk and events until then."""

    rows: dict[float, int | None]
    at_risk: dict[float, int]
    events: dict[float, int]
    hidden: set[float] = field(default_factory=set)  # times without events and what is estimated from them
    without_n: set[float] = field(default_factory=set)  # times whose number at risk is hidden

    def leaves_out(self, time: float, before: tuple[int, int], min_cell: int) -> bool:
        """Whether a point at `time` would be one of few: at risk, or with an event since `before` or until the end."""
        n, e = self.at_risk[time], self.events[time]
        return any(0 < count < min_cell for count in (n, e - before[1], max(self.events.values()) - e))

    def hides_n(self, time: float, before: tuple[int, int], min_cell: int) -> bool:
        """Whether few entered or left since `before` (at risk, events), or few of those who left had no event."""
        fewer, events = before[0] - self.at_risk[time], self.events[time] - before[1]
        return any(0 < abs(count) < min_cell for count in (fewer, fewer - events))


def _decide(curves: Sequence[_Points], min_cell: int) -> None:
    """Hide points of few people; between two kept ones of each curve are no events or enough of them.

    Curves of one figure keep the same times, except those with so few events that nobody could keep any beside them.
    """
    large = [points for points in curves if max(points.events.values()) >= _ENOUGH_POINTS * min_cell]
    for together in (large, *([points] for points in curves if points not in large)):
        last, last_n = dict.fromkeys(range(len(together)), (0, 0)), dict[int, tuple[int, int]]()
        for time in sorted(set().union(*(points.rows for points in together))):
            there = [(k, points) for k, points in enumerate(together) if time in points.rows]
            if any(points.leaves_out(time, last[k], min_cell) for k, points in there):
                for _, points in there:
                    points.hidden.add(time)
                continue
            hides_n = any(k in last_n and points.hides_n(time, last_n[k], min_cell) for k, points in there)
            for k, points in there:
                last[k] = points.at_risk[time], points.events[time]
                if hides_n:
                    points.without_n.add(time)
                else:
                    last_n[k] = last[k]


def cut_curves(rows: Sequence[tuple[int, Row]], *, min_cell: int, withheld: Collection[int] = frozenset()) -> CurveCuts:
    """Decide on the points of Kaplan-Meier and Aalen-Johansen curves, numbered rows of `estimates.SCHEMA`.

    The numbers of rows `withheld` are hidden in any case.

    Points where fewer than `min_cell` are at risk are dropped. A point is emptied where since the last kept one of its
    curve, or of one in the same figure, 1 to min_cell - 1 events came; and with it another group's point where
    everybody's curve, less the others, would give it away. Numbers at risk are hidden by the same rule for those who
    leave. What is hidden in one curve of some people is hidden in all of them.
    """
    curves = _curves(rows)
    families: dict[Curve, list[_Points]] = defaultdict(list)
    for curve, points in curves.items():
        families[(*curve[:4], "")].append(points)
    for groups in families.values():
        _decide(groups, min_cell)
    for points in curves.values():
        times = {time for time, number in points.rows.items() if number in withheld}
        points.hidden |= times
        points.without_n |= times | {time for time, n in points.at_risk.items() if 0 < n < min_cell}
    while True:
        before = sum(len(points.hidden) + len(points.without_n) for points in curves.values())
        _share(curves)
        for (analysis, outcome, model, *_), groups in families.items():
            overall = curves.get((analysis, outcome, "overall", "", ""))
            if overall and model != "overall":
                _protect(overall, groups, min_cell)
        if before == sum(len(points.hidden) + len(points.without_n) for points in curves.values()):
            return _cuts(curves.values(), min_cell)


def _curves(rows: Sequence[tuple[int, Row]]) -> dict[Curve, _Points]:
    found: dict[Curve, _Points] = {}
    for number, row in rows:
        if row["n"] is None or row["events"] is None:
            raise ValueError(f"a point of {row['analysis']} without n or events cannot be released")
        points = found.setdefault(tuple(row[key] for key in _KEYS), _Points({}, {}, {}))
        time = float(row["level"])
        points.rows[time], points.at_risk[time], points.events[time] = number, row["n"], row["events"]
    return found


def _share(curves: Mapping[Curve, _Points]) -> None:
    """What is hidden of some people in one curve is hidden in their other curves: at risk in all, events in some."""
    same: dict[tuple[str, ...], list[_Points]] = defaultdict(list)
    for curve, points in curves.items():
        same[curve[1:]].append(points)
    for several in same.values():
        times = set().union(*(points.hidden for points in several))
        for points in several:
            points.hidden |= times & points.rows.keys()
    same.clear()
    for curve, points in curves.items():
        same[curve[2:]].append(points)
    for several in same.values():
        times = set().union(*(points.without_n for points in several))
        for points in several:
            points.without_n |= times & points.rows.keys()


def _protect(overall: _Points, groups: Sequence[_Points], min_cell: int) -> None:
    """Hide a second group's point where one is hidden and everybody's curve, less the others, would show it."""
    nobody = _nobody(overall, groups)
    if any(nobody.at_risk.values()):
        _decide([nobody], min_cell)
        nobody.without_n |= {time for time, n in nobody.at_risk.items() if 0 < n < min_cell}
        groups = [*groups, nobody]
    for time in overall.rows:
        there = [g for g in groups if time in g.rows]
        _hide_second(there, time, [g.hidden for g in there], min_cell, total_is_hidden=time in overall.hidden)
        without = [g.without_n for g in there]
        _hide_second(there, time, without, min_cell, total_is_hidden=time in overall.without_n)


def _hide_second(
    groups: Sequence[_Points], time: float, hidden: Sequence[set[float]], min_cell: int, *, total_is_hidden: bool
) -> None:
    """Add `time` to the sets `hidden` of as many groups as leave no single one, nor few people, to be computed."""
    pairs = list(zip(groups, hidden, strict=True))
    count = sum(time in times for _, times in pairs) + total_is_hidden
    people = sum(group.at_risk[time] for group, times in pairs if time in times)
    for group, times in sorted(pairs, key=lambda pair: pair[0].at_risk[time]):
        if count == 0 or (count > 1 and (total_is_hidden or people >= min_cell)):
            return
        if time not in times and group.rows[time] is not None:
            times.add(time)
            count, people = count + 1, people + group.at_risk[time]


def _nobody(overall: _Points, groups: Sequence[_Points]) -> _Points:
    """Those who are in no group: what everybody's curve has beyond the groups; a curve that ended keeps its events."""
    found = _Points({}, {}, {})
    events = [0] * len(groups)
    for time in sorted(overall.rows):
        events = [g.events.get(time, before) for g, before in zip(groups, events, strict=True)]
        found.rows[time] = None
        found.at_risk[time] = max(overall.at_risk[time] - sum(g.at_risk.get(time, 0) for g in groups), 0)
        found.events[time] = max(overall.events[time] - sum(events), 0)
    return found


def _cuts(curves: Iterable[_Points], min_cell: int) -> CurveCuts:
    cuts = CurveCuts()
    for points in curves:
        for time, number in points.rows.items():
            if number is None:
                continue
            if points.at_risk[time] < min_cell:
                cuts.dropped.add(number)
            elif time in points.hidden:
                cuts.emptied.add(number)
            elif time in points.without_n:
                cuts.without_n.add(number)
    return cuts
