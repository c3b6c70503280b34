"""Figures of effects and of predictions: forest, smooth hazard ratios, calibration, decision curve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cinema_cli.reports.analysis.strokes import (
    FOREST_WIDTH,
    drawn,
    key,
    label_axes,
    percent_axis,
    ratio_axis,
    ratio_ends,
    stroke,
    text_room,
    write,
)
from cinema_cli.reports.analysis.words import short
from cinema_cli.reports.drawing import INK, canvas, round_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
ROW = 26.0
NAMED = 36  # letters of a name
Interval = tuple[float, float, float]  # lower limit, estimate, upper limit


@dataclass(frozen=True, slots=True)
class ForestRow:
    """A phenotype of the forest: an interval and its words in each panel; None where there is no estimate."""

    name: str
    intervals: tuple[Interval | None, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Smooth:
    """A smooth curve with its limits."""

    x: Floats
    y: Floats
    lower: Floats
    upper: Floats


def forest(rows: Sequence[ForestRow], *, panels: Sequence[str], title: str) -> Markup:
    """Hazard ratios with intervals on one logarithmic scale, panels side by side, in words at their right."""
    width = FOREST_WIDTH
    names = text_room([row.name for row in rows], least=120.0, most=280.0)
    words = text_room([w for row in rows for w in row.words], least=110.0, most=160.0)
    plots = (width - names) / len(panels) - words - 10
    top, bottom = 34.0, 44.0
    height = ROW * len(rows)
    figure, first = canvas(
        width, top + height + bottom, left=names, right=width - names - plots, top=top, bottom=bottom, grid=False
    )
    known = [v for row in rows for interval in row.intervals if interval for v in interval]
    ends = ratio_ends(known)
    for k, panel in enumerate(panels):
        axes = first
        if k:
            left = names + k * (plots + words + 10)
            box = (left / width, bottom / (top + height + bottom), plots / width, height / (top + height + bottom))
            axes = figure.add_axes(box)
            axes.patch.set_visible(False)
            axes.spines[:].set_visible(False)
            axes.tick_params(colors=INK["soft"], labelsize=12, width=1, length=4)
            axes.xaxis.label.set(color=INK["soft"], size=12)
        axes.yaxis.set_visible(False)
        axes.set_xlim(math.log(ends[0]), math.log(ends[1]))
        axes.set_ylim(len(rows), 0)
        ratio_axis(axes.xaxis, *ends, most=5)
        axes.axvline(0.0, color=INK["soft"], lw=1)
        axes.set_xlabel("hazard ratio")
        write(axes, 0.0, 1 + 16 / height, panel, colour="ink", weight="bold")
        for n, row in enumerate(rows):
            _interval(axes, row.intervals[k], n + 0.5, ends, adjusted=k > 0)
            write(axes, 1 + 8 / plots, 1 - (n + 0.5) / len(rows), row.words[k], colour="ink")
            if k == 0:
                write(axes, -names / plots, 1 - (n + 0.5) / len(rows), short(row.name, most=NAMED), colour="ink")
    return drawn(figure, title=title)


def _interval(axes: "Axes", interval: Interval | None, y: float, ends: tuple[float, float], *, adjusted: bool) -> None:
    """A point with its interval; an arrow where the interval goes beyond the axis."""
    if interval is None:
        return
    colour = INK["accent" if adjusted else "ink"]
    low, middle, high = (math.log(min(max(v, ends[0]), ends[1])) for v in interval)
    axes.plot([low, high], [y, y], color=colour, lw=1.7)
    for beyond, at, marker in ((interval[0] < ends[0], low, "<"), (interval[2] > ends[1], high, ">")):
        if beyond:
            axes.plot([at], [y], marker, color=colour, ms=6, mew=0, clip_on=False)
    if ends[0] <= interval[1] <= ends[1]:
        axes.plot([middle], [y], "s" if adjusted else "o", color=colour, ms=7, mew=0)


def smooth_ratio(curve: Smooth, *, x_title: str, y_title: str, average: float | None = None, title: str) -> Markup:
    """A hazard ratio that changes along x, with its limits; `average` is that of the model, drawn dashed."""
    figure, axes = canvas(330.0, 214.0, left=52, right=12, top=10, bottom=42)
    seen = np.concatenate([curve.y, curve.lower, curve.upper])
    seen = seen[np.isfinite(seen)]
    middle = [float(v) for v in curve.y[np.isfinite(curve.y)]]
    wide = [min(max(float(v), min(middle) / 4), max(middle) * 4) for v in seen]  # limits that run away are cut
    ends = ratio_ends(wide)
    low, high = (np.log(np.clip(v, *ends)) for v in (curve.lower, curve.upper))
    axes.fill_between(curve.x, low, high, color=INK["band"], linewidth=0)
    axes.axhline(0.0, color=INK["soft"], lw=1)
    if average is not None:
        axes.axhline(math.log(average), color=INK["lv"], lw=1.6, linestyle=(0, (6.0, 2.0)))
    axes.plot(curve.x, np.log(np.clip(curve.y, *ends)), color=INK["accent"], lw=2.2)
    axes.set_xlim(float(curve.x.min()), max(float(curve.x.max()), float(curve.x.min()) + 1e-9))
    axes.set_ylim(math.log(ends[0]), math.log(ends[1]))
    ratio_axis(axes.yaxis, *ends, most=6)
    label_axes(axes, short(x_title, most=40), y_title)
    return drawn(figure, title=title)


def calibration(
    tenths: Sequence[tuple[float, Interval]], smooth: Smooth | None, *, title: str, of: str = "risk"
) -> Markup:
    """Observed against predicted risk (`of`; percent): tenths as points with intervals, a smooth curve in its band."""
    figure, axes = canvas(330.0, 306.0, left=62, right=18, top=10, bottom=42)
    values = [v for x, several in tenths for v in (x, *several) if math.isfinite(v)]
    values += [] if smooth is None else [float(smooth.x.max()), float(np.nanmax(smooth.y))]
    end = min(100.0, round_ends([0.0, max(values, default=1.0)])[1])
    axes.plot([0, end], [0, end], color=INK["soft"], lw=1.2, linestyle=(0, (3, 3)))
    if smooth is not None:
        low, high = (np.clip(v, 0.0, end) for v in (smooth.lower, smooth.upper))
        axes.fill_between(smooth.x, low, high, color=INK["band"], linewidth=0)
        axes.plot(smooth.x, np.clip(smooth.y, 0.0, end), color=INK["accent"], lw=2.2)
    for x, (lower, middle, upper) in tenths:
        axes.plot([x, x], [lower, min(upper, end)], color=INK["ink"], lw=1.3)
        axes.plot([x], [middle], "o", color=INK["ink"], ms=6, mew=0)
    axes.set_xlim(0.0, end)
    axes.set_ylim(0.0, end)
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    label_axes(axes, f"predicted {of}", f"observed {of}")
    return drawn(figure, title=title)


def decision_curve(lines: Sequence[tuple[str, Floats, Floats]], *, title: str) -> Markup:
    """Net benefit (per 100 people) over the risk threshold (percent), a line a strategy."""
    figure, axes = canvas(720.0, 330.0, left=62, right=20, top=34, bottom=48)
    high = max(float(np.nanmax(y)) for _, _, y in lines)
    high = high if high > 0 else 1.0
    axes.set_ylim(-0.12 * high, 1.08 * high)
    for k, (_, x, y) in enumerate(lines):
        axes.plot(x, np.where(y < -0.12 * high, np.nan, y), lw=2.2, **stroke(k))  # what is far below 0 is not drawn
    axes.set_xlim(min(float(x.min()) for _, x, _ in lines), max(float(x.max()) for _, x, _ in lines))
    percent_axis(axes.xaxis)
    label_axes(axes, "risk threshold", "net benefit per 100 people")
    key(axes, [name for name, _, _ in lines], width=638.0, height=248.0)
    return drawn(figure, title=title)
