"""Small figures of an evaluation: difference against mean (Bland-Altman), ROC curves."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cinema_cli.reports.analysis.strokes import drawn, label_axes, percent_axis, stroke, write
from cinema_cli.reports.analysis.words import short
from cinema_cli.reports.drawing import INK, canvas, round_ends

Floats = NDArray[np.float64]
Binned = tuple[float, float, float, float]  # mean of the two, then lower limit, mean, upper limit of the difference
LINES = 4  # of a ROC figure


def bland_altman(
    bins: Sequence[Binned], *, limits: tuple[float | None, float | None, float | None], unit: str, title: str
) -> Markup:
    """Differences by the mean of the two: a point a bin with the spread in it; bias and limits of agreement as lines.

    `limits` are the lower limit, the bias and the upper limit.
    """
    figure, axes = canvas(330.0, 226.0, left=52, right=12, top=10, bottom=42)
    known = [v for v in limits if v is not None]
    ys = [v for _, *several in bins for v in several] + known + [0.0]
    axes.axhline(0.0, color=INK["soft"], lw=1)
    for value, dashes in zip(limits, ((0, (6.0, 3.0)), "solid", (0, (6.0, 3.0))), strict=True):
        if value is not None:
            axes.axhline(value, color=INK["lv"], lw=1.6, linestyle=dashes)
    for x, low, middle, high in bins:
        axes.plot([x, x], [low, high], color=INK["accent"], lw=1.5)
        axes.plot([x], [middle], "o", color=INK["accent"], ms=6, mew=0)
    xs = [b[0] for b in bins]
    pad = 0.06 * (max(xs) - min(xs)) or 1.0
    axes.set_xlim(min(xs) - pad, max(xs) + pad)
    axes.set_ylim(*round_ends(ys))
    of = f", {unit}" if unit else ""
    label_axes(axes, f"mean of the two{of}", f"difference{of}")
    return drawn(figure, title=title)


def roc_curves(lines: Sequence[tuple[str, Floats, Floats]], *, title: str) -> Markup:
    """True against false positive rate (percent), a line a class with its name in a key inside the figure."""
    figure, axes = canvas(330.0, 306.0, left=62, right=18, top=10, bottom=42)
    axes.plot([0, 100], [0, 100], color=INK["soft"], lw=1.2, linestyle=(0, (3, 3)))
    for k, (name, x, y) in enumerate(lines):
        axes.plot(x, y, lw=2.2, **stroke(k))
        at = 0.06 + 0.075 * (len(lines) - 1 - k)
        axes.plot([0.4, 0.5], [at, at], transform=axes.transAxes, lw=2.2, **stroke(k))
        write(axes, 0.53, at, short(name, most=17), colour="ink")
    axes.set_xlim(0.0, 100.0)
    axes.set_ylim(0.0, 100.0)
    percent_axis(axes.xaxis)
    percent_axis(axes.yaxis)
    label_axes(axes, "false positive rate", "true positive rate")
    return drawn(figure, title=title)
