"""Small figures of an evaluation, and ROC curves among them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cinema_cli.reports.analysis.strokes import drawn, label_axes, percent_axis, stroke, write
from cinema_cli.reports.analysis.words import short
from cinema_cli.reports.drawing import INK, canvas

Floats = NDArray[np.float64]
LINES = 4  # of a ROC figure


@dataclass(frozen=True, slots=True)
class Plot:
    """A small figure with its title above and its caption below."""

    title: str
    plot: Markup
    aside: str = ""
    caption: str = ""


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
