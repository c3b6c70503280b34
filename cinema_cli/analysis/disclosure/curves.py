"""Which points of published curves stay, and how coarse: no step of one is of few people, nor one less another."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from cinema_cli.analysis.disclosure.adjustment import shifts
from cinema_cli.analysis.disclosure.rounding import in_units, nearest, round_multiples, unit_below
from cinema_cli.analysis.disclosure.rows import Changes, Row, Rows, scope_of

People = tuple[str, str, str, str]  # outcome, model, term, group
_UNITS = 1.5  # of the smallest cell as a share of everybody: a unit of curves of parts is the round one below
_ENOUGH = 5  # smallest cells of events, with which a part's curve is one of those that make up everybody's
_NUMBERS = ("n", "events", "estimate", "lower", "upper", "se")
AXIS_STEPS = (9, 4)  # round steps that an axis of time has at most: of a large figure, of a small one


@dataclass(slots=True, eq=False)
class _Curve:
    """Who is at risk and how many had the event, by time; several analyses may have a row at a time."""

    at_risk: dict[float, int] = field(default_factory=dict)
    events: dict[float, int] = field(default_factory=dict)
    total: int = 0  # events by the end, as far as any row tells
    withheld: bool = False  # whether the total or the size is hidden
    told: dict[float, int] = field(default_factory=dict)  # events until times that other rows tell


def thinned(
    points: Rows,
    *,
    min_cell: int,
    totals: Mapping[tuple[str, str], int],
    withheld: Collection[int] = frozenset(),
    told: Mapping[tuple[str, float], int] | None = None,
) -> tuple[dict[int, Changes], set[int]]:
    """What changes in points of Kaplan-Meier and Aalen-Johansen curves, by row number, and which are left out.

    Points where fewer than `min_cell` are at risk are left out. Of the others stay those until which at least
    `min_cell` events came since the last one, in its curve and in everybody else, and that many or none are to come: a
    missing point tells that fewer came, not whether or when one did. A curve without any has points without numbers.
    Numbers at risk are rounded to `min_cell`; a point at a tick of the axis keeps its own, so that they stand below one
    another. Curves of a part of the people are rounded to a unit that is about
    `min_cell` of everybody, so that everybody less the parts tells no few others; they have no events, which rounded in
    another way would narrow what that leaves open; and they are moved by up to two units, see `shifts`.

    `totals` are all events of the people of a curve, by outcome and scope; of rows `withheld` these, or the size, are
    hidden; `told` are everybody's events of an outcome until a time.
    Raises ValueError where a point lacks its counts.
    """
    curves = _curves(points, totals=totals, withheld=withheld, told=told or {})
    kept = {key: set(_kept(curve, curves.get((key[0], "overall", "", "")), min_cell)) for key, curve in curves.items()}
    largest = max((max(curve.at_risk.values()) for curve in curves.values()), default=1)
    unit = unit_below(min(_UNITS * min_cell / largest, 0.5))
    large = {key for key, curve in curves.items() if curve.total >= _ENOUGH * min_cell and not curve.withheld}
    moved = shifts(points, large, unit=unit)
    ticks = _ticks(points)
    changes: dict[int, Changes] = {}
    left_out: set[int] = set()
    for number, row in points:
        key, time = people_of(row), float(row["level"])
        if row["n"] < min_cell or (kept[key] and time not in kept[key] | ticks):
            left_out.add(number)
        elif kept[key] and time not in kept[key]:
            at_risk: Changes = {"n": None if curves[key].withheld else nearest(row["n"], min_cell), "rounded": min_cell}
            changes[number] = {**dict.fromkeys(_NUMBERS), **at_risk, "suppressed": True}
        elif not kept[key]:
            changes[number] = {**dict.fromkeys(_NUMBERS), "unit": "", "suppressed": True}
        else:
            is_part, hides = key[1] != "overall", curves[key].withheld
            coarse: Changes = {"n": None if hides else nearest(row["n"], min_cell), "rounded": min_cell}
            if is_part or hides:
                coarse["events"] = None
                coarse |= _in_units(row, unit, moved.get(number, 0.0))
            changes[number] = coarse
    return changes, left_out


def _ticks(points: Rows) -> set[float]:
    """Times of points that are closest to the ticks of an axis of time."""
    times = sorted({float(row["level"]) for _, row in points})
    wanted = {tick for most in AXIS_STEPS for tick in round_multiples(times[0], times[-1], most)} if times else set()
    return {min(times, key=lambda time: abs(time - tick)) for tick in wanted}


def _in_units(row: Row, unit: float, shift: float) -> Changes:
    """The numbers of a point, moved and rounded, from 0 to 1."""
    moved = {name: row[name] + shift if row[name] is not None else None for name in ("estimate", "lower", "upper")}
    return {name: min(max(value, 0.0), 1.0) for name, value in in_units({**row, **moved}, unit).items()}


def people_of(row: Mapping[str, str]) -> People:
    """Whose curve a row belongs to."""
    return row["outcome"], row["model"], row["term"], row["group"]


def _curves(
    points: Rows,
    *,
    totals: Mapping[tuple[str, str], int],
    withheld: Collection[int],
    told: Mapping[tuple[str, float], int],
) -> dict[People, _Curve]:
    found: dict[People, _Curve] = defaultdict(_Curve)
    for number, row in points:
        if row["n"] is None or row["events"] is None:
            raise ValueError(f"a point of {row['analysis']} without n or events cannot be released")
        curve, time = found[people_of(row)], float(row["level"])
        curve.at_risk[time], curve.events[time] = row["n"], row["events"]
        curve.total = max(curve.total, row["events"], totals.get((row["outcome"], scope_of(row)), 0))
        curve.withheld |= number in withheld
    for (outcome, model, *_), curve in found.items():
        if model == "overall":
            curve.told = {time: events for (of, time), events in told.items() if of == outcome}
    return found


def _kept(own: _Curve, everybody: _Curve | None, min_cell: int) -> Iterator[float]:
    """Times of points that keep their numbers."""
    others = _others(own, everybody)
    before, others_before = 0, 0
    started = False
    for time in sorted(own.events):
        if own.at_risk[time] < min_cell:
            continue
        events, beside = own.events[time], others.events.get(time, others_before)
        left = own.total - events
        at_an_end = (not started and events == 0) or (started and before == own.total)
        if own.withheld and left < min_cell:
            continue
        if at_an_end or (
            events - before >= min_cell
            and _none_or_enough(left, min_cell)
            and _none_or_enough(beside - others_before, min_cell)
            and _none_or_enough(others.total - beside, min_cell)
            and all(_none_or_enough(abs(events - until), min_cell) for until in own.told.values())
        ):
            yield time
            started, before, others_before = True, events, beside


def _none_or_enough(count: int, min_cell: int) -> bool:
    return count == 0 or count >= min_cell


def _others(own: _Curve, everybody: _Curve | None) -> _Curve:
    """Everybody else; nobody where everybody's curve is not known, or is this one."""
    if everybody is None or everybody is own:
        return _Curve()
    events = {time: max(total - own.events[time], 0) for time, total in everybody.events.items() if time in own.events}
    return _Curve(events=events, total=max(everybody.total - own.total, 0))
