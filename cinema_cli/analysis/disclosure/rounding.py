"""How numbers are made coarse: counts to multiples of the smallest cell, others to a round unit."""

import math
from collections.abc import Mapping
from typing import Any

_STEPS = (5.0, 2.0, 1.0)  # times a power of ten: round units
_SAME = 1e-9  # relative; how near to a round unit a number is one
_LEVELS = (0.001, 0.01, 0.049, 0.1, 0.2, 0.5, 1.0)  # of p values; pages ask what is below 0.05


def nearest(value: float, base: int) -> int:
    """The multiple of `base` nearest to a count."""
    return base * math.floor(value / base + 0.5)


def nearest_part(part: int, whole: int, base: int) -> int:
    """A count of some of `whole` people, as a multiple of `base`.

    Where the others are few (1 to base - 1) it is the middle of what a reader can know: that they are few.
    """
    others = whole - part
    return nearest(whole - base / 2 if 0 < others < base else part, base)


def unit_below(size: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is not above `size` (above 0)."""
    power = 10.0 ** math.floor(math.log10(size * (1.0 + _SAME)))
    return next(step * power for step in _STEPS if step * power <= size * (1.0 + _SAME))


def round_multiples(low: float, high: float, most: int) -> list[float]:
    """Multiples from `low` to `high` of the smallest of 1, 2 and 5 times a power of ten with `most` steps or fewer."""
    if high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(k * power for k in (1.0, 2.0, 5.0, 10.0) if k * power * most >= (high - low) * (1.0 - _SAME))
    return [to_unit(k * step, step) for k in range(math.ceil(low / step - _SAME), math.floor(high / step + _SAME) + 1)]


def to_unit(value: float, unit: float) -> float:
    """A number as the nearest multiple of a round unit, with no more decimals than that has."""
    return round(round(value / unit) * unit, max(-math.floor(math.log10(unit)), 0))


def away_from_zero(value: float, unit: float) -> float:
    """A number as the next multiple of a round unit that is not nearer to zero."""
    return math.copysign(to_unit(unit * math.ceil(abs(value) / unit - _SAME), unit), value)


def level_of(p: float | None) -> float | None:
    """A p value as the level that it is not above, of 0.001, 0.01, 0.049, 0.1, 0.2, 0.5 and 1."""
    return None if p is None else next((level for level in _LEVELS if p <= level), 1.0)


def in_units(row: Mapping[str, Any], unit: float) -> dict[str, float]:
    """An estimate in a round unit; its limits as far from it as they were, or the part of a unit farther; p as level.

    Limits within 0 and 1 stay there. Exact p and q would give the estimate back.
    """
    estimate = row["estimate"]
    if estimate is None:
        return {}
    coarse = {"estimate": to_unit(estimate, unit)}
    for name in ("lower", "upper"):
        if (limit := row[name]) is not None:
            farther = to_unit(coarse["estimate"] + away_from_zero(limit - estimate, unit), unit)
            coarse[name] = min(max(farther, 0.0), 1.0) if 0.0 <= limit <= 1.0 else farther
    if (se := row["se"]) is not None:
        coarse["se"] = away_from_zero(se, unit)
    for name in ("p", "q"):
        if (level := level_of(row[name])) is not None:
            coarse[name] = level
    return coarse
