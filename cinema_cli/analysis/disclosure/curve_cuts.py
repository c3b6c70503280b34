"""Where published curves end and which of their points are left out, so that no step of them is of few people."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
Curve = tuple[str, str, str, str, str]  # analysis, outcome, model, term, group
_ENOUGH_POINTS = 5  # with which a curve is worth drawing
_KEYS = ("analysis", "outcome", "model", "term", "group")
_OVERALL = ("overall", "", "")  # model, term and group of everybody's curves
_EITHER = "either event"  # in place of an analysis: the curve that two causes make together


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
    total: int = 0  # events of these people that other rows tell, also after the last point
    told: dict[float, int] = field(default_factory=dict)  # events until times that other rows tell
    is_rest: bool = False  # of people in no group: nobody publishes it, everybody can compute it

    @property
    def all_events(self) -> int:
        """Events by the end."""
        return max(self.total, *self.events.values())

    def leaves_out(self, time: float, before: tuple[int, int], min_cell: int) -> bool:
        """Whether a point would be one of few: at risk, or with an event since `before`, a time told, or to the end."""
        n, e = self.at_risk[time], self.events[time]
        steps = (n, e - before[1], self.all_events - e, *(abs(events - e) for events in self.told.values()))
        return any(0 < count < min_cell for count in steps)

    def hides_n(self, time: float, before: tuple[int, int] | None, min_cell: int) -> bool:
        """Whether few entered or left since `before` (at risk, events), or few leave without event, then or later."""
        n, e = self.at_risk[time], self.events[time]
        steps = [n - (self.all_events - e)]
        if before is not None:
            fewer = before[0] - n
            steps += [fewer, fewer - (e - before[1])]
        return any(0 < abs(count) < min_cell for count in steps)


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
            hides_n = any(points.hides_n(time, last_n.get(k), min_cell) for k, points in there)
            for k, points in there:
                last[k] = points.at_risk[time], points.events[time]
                if hides_n:
                    points.without_n.add(time)
                else:
                    last_n[k] = last[k]


def cut_curves(
    rows: Sequence[tuple[int, Row]],
    *,
    min_cell: int,
    withheld: Collection[int] = frozenset(),
    totals: Mapping[int, int] | None = None,
    told: Mapping[tuple[str, float], int] | None = None,
) -> CurveCuts:
    """Decide on the points of Kaplan-Meier and Aalen-Johansen curves, numbered rows of `estimates.SCHEMA`.

    The numbers of rows `withheld` are hidden in any case. Other rows may tell all events of the people of a curve
    (`totals`, by the number of any of its rows), and everybody's events of an outcome until a time (`told`).

    Points where fewer than `min_cell` are at risk are dropped. A point is emptied where since the last kept one of its
    curve, or of one in the same figure, 1 to min_cell - 1 events came; and with it another group's point where
    everybody's curve, less the others, would give it away. Numbers at risk are hidden by the same rule for those who
    leave, and with two causes for those who leave without either. What is hidden in one curve of some people is hidden
    in all of them.
    """
    curves = _curves(rows, totals or {}, told or {})
    families: dict[Curve, list[_Points]] = defaultdict(list)
    for curve, points in curves.items():
        families[(*curve[:4], "")].append(points)
    for groups in families.values():
        _decide(groups, min_cell)
    for points in curves.values():
        times = {time for time, number in points.rows.items() if number in withheld}
        points.hidden |= times
        points.without_n |= times | {time for time, n in points.at_risk.items() if 0 < n < min_cell}
    either = _either(curves)
    while True:
        before = sum(len(points.hidden) + len(points.without_n) for points in curves.values())
        _share(curves)
        _hide_leavers(curves, either, min_cell)
        for (analysis, outcome, model, *_), groups in families.items():
            overall = curves.get((analysis, outcome, "overall", "", ""))
            if overall and model != "overall":
                _protect(overall, groups, min_cell)
        if before == sum(len(points.hidden) + len(points.without_n) for points in curves.values()):
            return _cuts(curves.values(), min_cell)


def _curves(
    rows: Sequence[tuple[int, Row]], totals: Mapping[int, int], told: Mapping[tuple[str, float], int]
) -> dict[Curve, _Points]:
    found: dict[Curve, _Points] = {}
    for number, row in rows:
        if row["n"] is None or row["events"] is None:
            raise ValueError(f"a point of {row['analysis']} without n or events cannot be released")
        points = found.setdefault(tuple(row[key] for key in _KEYS), _Points({}, {}, {}))
        time = float(row["level"])
        points.rows[time], points.at_risk[time], points.events[time] = number, row["n"], row["events"]
        points.total = totals.get(number, 0)
    for (_, outcome, *people), points in found.items():
        if tuple(people) == _OVERALL:
            points.told = {time: events for (of, time), events in told.items() if of == outcome}
    return found


def _either(curves: Mapping[Curve, _Points]) -> dict[Curve, tuple[_Points, tuple[_Points, ...]]]:
    """Of people with curves of two causes the curve of both together, and what it is made of."""
    causes: dict[tuple[str, ...], list[_Points]] = defaultdict(list)
    for (analysis, _, *people), points in curves.items():
        if analysis == "cumulative_incidence":
            causes[tuple(people)].append(points)
    found: dict[Curve, tuple[_Points, tuple[_Points, ...]]] = {}
    for (model, term, group), several in causes.items():
        if len(several) > 1:
            times = [time for time in several[0].rows if all(time in points.rows for points in several)]
            events = {time: sum(points.events[time] for points in several) for time in times}
            both = _Points(dict.fromkeys(times), {time: several[0].at_risk[time] for time in times}, events)
            both.total = sum(points.all_events for points in several)
            found[_EITHER, "", model, term, group] = both, tuple(several)
    return found


def _hide_leavers(
    curves: Mapping[Curve, _Points], either: Mapping[Curve, tuple[_Points, tuple[_Points, ...]]], min_cell: int
) -> None:
    """Hide numbers at risk so that of each curve, and of both causes together, never few leave without event."""
    families: dict[Curve, list[_Points]] = defaultdict(list)
    for curve, (both, causes) in either.items():
        both.hidden = set().union(*(points.hidden for points in causes)) & both.rows.keys()
        both.without_n |= set().union(*(points.without_n for points in causes)) & both.rows.keys()
        _walk(both, min_cell)
        families[(*curve[:4], "")].append(both)
    for (analysis, outcome, model, *_), groups in families.items():
        overall = either.get((analysis, outcome, *_OVERALL))
        if overall and model != "overall":
            _protect_n(overall[0], [*groups, *_rest(overall[0], groups, min_cell)], min_cell)
    for both, causes in either.values():
        for points in causes:
            points.without_n |= both.without_n
    for points in curves.values():
        _walk(points, min_cell)


def _walk(points: _Points, min_cell: int) -> None:
    """Hide numbers at risk from which, with those before them that stay, few who left without event follow."""
    before: tuple[int, int] | None = None
    for time in sorted(points.rows.keys() - points.hidden - points.without_n):
        if points.hides_n(time, before, min_cell):
            points.without_n.add(time)
        else:
            before = points.at_risk[time], points.events[time]


def _share(curves: Mapping[Curve, _Points]) -> None:
    """What is hidden of some people in one curve is hidden in their other curves: at risk in all, events in some.

    Where the events of one cause are hidden the number at risk is too, also beside those of the other cause: only then
    every step between two numbers at risk is one for which all was looked at.
    """
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
        times = set().union(*(points.without_n | points.hidden for points in several))
        for points in several:
            points.without_n |= times & points.rows.keys()


def _protect(overall: _Points, groups: Sequence[_Points], min_cell: int) -> None:
    """Hide a second group's point where one is hidden and everybody's curve, less the others, would show it."""
    groups = [*groups, *_rest(overall, groups, min_cell)]
    for time in overall.rows:
        there = [g for g in groups if time in g.rows]
        total_is_hidden = time in overall.hidden and time not in overall.told
        _hide_second(there, time, [g.hidden for g in there], min_cell, total_is_hidden=total_is_hidden)
    _protect_n(overall, groups, min_cell)


def _protect_n(overall: _Points, groups: Sequence[_Points], min_cell: int) -> None:
    """The same for numbers at risk."""
    for time in overall.rows:
        there = [g for g in groups if time in g.rows]
        without = [g.without_n for g in there]
        _hide_second(there, time, without, min_cell, total_is_hidden=time in overall.without_n)


def _rest(overall: _Points, groups: Sequence[_Points], min_cell: int) -> list[_Points]:
    """The curve of those who are in no group, if there are such, with what must not be known of it."""
    nobody = _nobody(overall, groups)
    if not any(nobody.at_risk.values()):
        return []
    _decide([nobody], min_cell)
    nobody.without_n |= {time for time, n in nobody.at_risk.items() if 0 < n < min_cell}
    return [nobody]


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
        if time not in times and not group.is_rest:
            times.add(time)
            count, people = count + 1, people + group.at_risk[time]


def _nobody(overall: _Points, groups: Sequence[_Points]) -> _Points:
    """Those who are in no group: what everybody's curve has beyond the groups; a curve that ended keeps its events."""
    total = max(overall.all_events - sum(g.all_events for g in groups), 0)
    found = _Points({}, {}, {}, total=total, is_rest=True)
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
