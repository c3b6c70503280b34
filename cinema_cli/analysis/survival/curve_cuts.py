"""Where published curves end and which of their points are left out, so that no step of them is of few people."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
Curve = tuple[str, str, str, str, str]  # analysis, outcome, model, term, group
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
    hidden: set[float] = field(default_factory=set)  # times without any number
    without_n: set[float] = field(default_factory=set)  # times whose number at risk is hidden

    def decide(self, min_cell: int) -> None:
        """Hide what is of few people: from one kept point to the next, or to the end, are no events or enough."""

        def few(count: int) -> bool:
            return 0 < abs(count) < min_cell

        events, last, all_events = 0, None, max(self.events.values())
        for time in sorted(self.rows):
            n, e = self.at_risk[time], self.events[time]
            if few(n) or few(e - events) or few(all_events - e):
                self.hidden.add(time)
                continue
            events = e
            if last and (few(n - last[0]) or few(n - last[0] + e - last[1])):
                self.without_n.add(time)
            else:
                last = n, e


def cut_curves(rows: Sequence[tuple[int, Row]], *, min_cell: int, withheld: Collection[int] = frozenset()) -> CurveCuts:
    """Decide on the points of Kaplan-Meier and Aalen-Johansen curves, numbered rows of `estimates.SCHEMA`.

    The numbers of rows `withheld` are hidden in any case.

    Points where fewer than `min_cell` are at risk are dropped. A point is emptied where since the last kept one of its
    curve 1 to min_cell - 1 events came; and where everybody's curve and those of all other groups would give it away,
    with another group's point. Numbers at risk are hidden by the same rule for those who leave. A point that is hidden
    in one curve of some people is hidden in all of them.
    """
    curves = _curves(rows)
    for points in curves.values():
        points.decide(min_cell)
        points.hidden |= {time for time, number in points.rows.items() if number in withheld}
    families: dict[Curve, dict[Curve, _Points]] = defaultdict(dict)
    for curve, points in curves.items():
        if curve[2] != "overall":
            families[(*curve[:4], "")][curve] = points
    while True:
        before = sum(len(points.hidden) + len(points.without_n) for points in curves.values())
        _share(curves)
        for (analysis, outcome, _, _, _), family in families.items():
            overall = next((p for c, p in curves.items() if c[:3] == (analysis, outcome, "overall")), None)
            if overall:
                _protect(overall, list(family.values()), min_cell)
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
    """What is hidden of some people in one curve is hidden in their other curves."""
    hidden: dict[tuple[str, ...], list[_Points]] = defaultdict(list)
    for curve, points in curves.items():
        hidden[curve[2:]].append(points)
    for same in hidden.values():
        times = set().union(*(points.hidden for points in same))
        without = set().union(*(points.without_n for points in same))
        for points in same:
            points.hidden |= times & points.rows.keys()
            points.without_n |= without & points.rows.keys()


def _protect(overall: _Points, groups: Sequence[_Points], min_cell: int) -> None:
    """Hide a second group's point where one is hidden and everybody's curve, less the others, would show it."""
    nobody = _nobody(overall, groups)
    if any(nobody.at_risk.values()):
        nobody.decide(min_cell)
        groups = [*groups, nobody]
    for time in overall.rows:
        there = [g for g in groups if time in g.rows]
        _hide_second(there, time, [g.hidden for g in there], min_cell, total_is_hidden=time in overall.hidden)
        if time not in overall.hidden:
            there = [g for g in there if time not in g.hidden]
            without = [g.without_n for g in there]
            _hide_second(there, time, without, min_cell, total_is_hidden=time in overall.without_n)


def _hide_second(
    groups: Sequence[_Points], time: float, hidden: Sequence[set[float]], min_cell: int, *, total_is_hidden: bool
) -> None:
    """Add `time` to the sets `hidden` of as many groups as leave no single one, nor few people, to be computed."""
    pairs = list(zip(groups, hidden, strict=True))
    count = sum(time in times for _, times in pairs) + total_is_hidden
    people = sum(group.at_risk[time] for group, times in pairs if time in times)
    for group, times in sorted(pairs, key=lambda pair: (pair[0].at_risk[time], pair[0].events[time])):
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
