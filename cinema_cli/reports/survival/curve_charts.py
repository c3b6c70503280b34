"""Curves of survival and of cumulative incidence with the numbers at risk under the axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cinema_cli.reports.analysis.strokes import drawn, label_axes, percent_axis, stroke, write
from cinema_cli.reports.analysis.words import short
from cinema_cli.reports.drawing import canvas, round_ends
from cinema_cli.reports.render import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
BANDS_UP_TO = 4  # lines; the confidence bands of more hide each other
POINTS_UP_TO = 30  # of a curve with fewer, each is marked
ROW = 17.0  # height of a row of numbers at risk


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve through what is published: percent at each time, limits (NaN: none); who was at risk, and when."""

    name: str
    times: Floats
    percent: Floats
    lower: Floats
    upper: Floats
    risk_times: Floats
    at_risk: Floats
    steps: bool = False  # whether it is known at every time: else lines join what is published


@dataclass(frozen=True, slots=True)
class _Size:
    """Measures of a figure in SVG units; `letters` is the room for a name."""

    width: float
    left: float
    right: float
    plot: float
    letters: int
    ticks: int


WIDE = _Size(720.0, 168.0, 22.0, 280.0, 16, 9)
NARROW = _Size(330.0, 106.0, 16.0, 160.0, 8, 4)


def y_ends(curves: Sequence[Curve], *, rising: bool) -> tuple[float, float]:
    """Ends of the axis in percent: from 0 where that leaves something to see, and always to 100 for falling curves."""
    seen = np.concatenate([np.concatenate([c.percent, c.lower, c.upper]) for c in curves])
    seen = seen[np.isfinite(seen)]
    if rising:
        return 0.0, min(100.0, round_ends([0.0, float(seen.max(initial=0.5))])[1])
    low = float(seen.min(initial=100.0))
    return (0.0, 100.0) if low < 50.0 else (round_ends([min(low, 98.0), 100.0])[0], 100.0)


def drawn_curves(curves: Sequence[Curve], *, unit: str, y_title: str, rising: bool, narrow: bool, title: str) -> Markup:
    """The curves over time (`unit`); a row of numbers at risk for each is the key of its line."""
    size = NARROW if narrow else WIDE
    bottom = 62.0 + ROW * len(curves)
    figure, axes = canvas(size.width, size.plot + bottom + 12, left=size.left, right=size.right, top=12, bottom=bottom)
    for k, curve in enumerate(curves):
        if len(curves) <= BANDS_UP_TO and np.isfinite(curve.lower).any():
            axes.fill_between(
                curve.times, curve.lower, curve.upper, color=stroke(k)["color"], alpha=0.13, linewidth=0,
                step="post" if curve.steps else None,
            )  # fmt: skip
        axes.plot(curve.times, curve.percent, lw=2.0, drawstyle="steps-post" if curve.steps else "default", **stroke(k))
        if not curve.steps and len(curve.times) <= POINTS_UP_TO:
            axes.plot(curve.times, curve.percent, "o", color=stroke(k)["color"], ms=3.6, mew=0)
    start = min(float(c.times[0]) for c in curves)
    end = max(float(c.times[-1]) for c in curves)
    axes.set_xlim(start, end if end > start else start + 1.0)
    axes.set_ylim(*y_ends(curves, rising=rising))
    percent_axis(axes.yaxis)
    label_axes(axes, f"time, {unit}", y_title)
    _at_risk(axes, curves, size)
    return drawn(figure, title=title)


def _at_risk(axes: "Axes", curves: Sequence[Curve], size: _Size) -> None:
    """Who is at risk just before the published time closest to each tick, below that time."""
    from matplotlib.ticker import MaxNLocator

    low, high = axes.get_xlim()
    ticks = [t for t in MaxNLocator(size.ticks, steps=[1, 2, 5, 10]).tick_values(low, high) if low <= t <= high + 1e-9]
    axes.set_xticks(ticks)
    width = size.width - size.left - size.right
    write(axes, (6 - size.left) / width, -52 / size.plot, "At risk", colour="soft")
    for k, curve in enumerate(curves):
        y = -(52 + ROW * (k + 1)) / size.plot
        sample = [(6 - size.left) / width, (28 - size.left) / width]
        axes.plot(sample, [y, y], transform=axes.transAxes, clip_on=False, lw=2.0, **stroke(k))
        write(axes, (34 - size.left) / width, y, short(curve.name, most=size.letters), colour="ink")
        for point in _at_ticks(curve, ticks, low=low):
            words = number(float(curve.at_risk[point]), decimals=0)
            write(axes, (curve.risk_times[point] - low) / (high - low), y, words, ha="center", colour="ink")


def _at_ticks(curve: Curve, ticks: Sequence[float], *, low: float) -> list[int]:
    """Numbers at risk that are written: at each tick the closest, where there is one near."""
    if not len(curve.risk_times):
        return []
    reach = 0.25 * (ticks[1] - ticks[0]) if len(ticks) > 1 else np.inf
    away = np.abs(curve.risk_times[None] - np.asarray(ticks)[:, None])
    return sorted({int(p) for p, near in zip(away.argmin(1), away.min(1) <= reach, strict=True) if near})
