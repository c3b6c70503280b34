"""The figure of Bland and Altman: difference against mean, as points or as cells of many people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from cinema_cli.reports.analysis.interval_chart import Interval
from cinema_cli.reports.analysis.metrics import POINTS
from cinema_cli.reports.analysis.strokes import drawn, label_axes, write
from cinema_cli.reports.drawing import INK, canvas, round_ends
from cinema_cli.reports.render import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADES = (0.2, 0.35, 0.5, 0.68, 0.88)  # of cells, from few people to many
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 330.0, 240.0, 52.0, 54.0, 10.0, 42.0  # SVG units
APART = 13.0  # SVG units between two numbers at the right


@dataclass(frozen=True, slots=True)
class Spot:
    """A cell of a picture of Bland and Altman; of a point both ends are the same, and n is 1."""

    x: tuple[float, float]  # mean of the two
    y: tuple[float, float]  # difference
    n: int | None = 1


@dataclass(frozen=True, slots=True)
class Lines:
    """Bias and limits of agreement with their intervals, and the line of proportional bias as (slope, middle)."""

    bias: Interval | None = None
    lower: Interval | None = None
    upper: Interval | None = None
    slope: tuple[float, float] | None = None

    @property
    def known(self) -> list[Interval]:
        """Those that there are, from below."""
        return [line for line in (self.lower, self.bias, self.upper) if line is not None]


def bland_altman(spots: Sequence[Spot], lines: Lines, *, unit: str, title: str) -> Markup:
    """Differences by the mean of the two: points, or cells the stronger in colour the more people; the lines over them.

    Solid: bias; dashed: limits of agreement, each on the band of its interval, with its number at the right; dotted:
    proportional bias.
    """
    figure, axes = canvas(WIDTH, HEIGHT, left=LEFT, right=RIGHT, top=TOP, bottom=BOTTOM)
    xs = [v for spot in spots for v in spot.x]
    pad = 0.04 * (max(xs) - min(xs)) or 1.0
    axes.set_xlim(min(xs) - pad, max(xs) + pad)
    axes.set_ylim(*round_ends([0.0, *(v for spot in spots for v in spot.y), *(v for k in lines.known for v in k)]))
    axes.axhline(0.0, color=INK["soft"], lw=1)
    for low, _, high in lines.known:
        axes.axhspan(low, high, color=INK["band"], linewidth=0, zorder=0.5)
    points = [spot for spot in spots if spot.x[0] == spot.x[1]]
    axes.plot([s.x[0] for s in points], [s.y[0] for s in points], "o", color=INK["accent"], ms=5, mew=0, alpha=0.65)
    _cells(axes, [spot for spot in spots if spot.x[0] < spot.x[1]])
    for line, dashes in ((lines.lower, (0, (6.0, 3.0))), (lines.bias, "solid"), (lines.upper, (0, (6.0, 3.0)))):
        if line is not None:
            axes.axhline(line[1], color=INK["lv"], lw=1.6, linestyle=dashes)
    if lines.slope is not None and lines.bias is not None:
        slope, middle = lines.slope
        ends = np.array([min(xs), max(xs)])
        axes.plot(ends, lines.bias[1] + slope * (ends - middle), color=INK["far"], lw=1.8, linestyle=(0, (1.6, 1.6)))
    for value, y in _places([line[1] for line in lines.known], axes.get_ylim()):
        write(axes, 1 + 5 / (WIDTH - LEFT - RIGHT), y, number(value, decimals=1), colour="lv")
    of = f", {unit}" if unit else ""
    label_axes(axes, f"mean of the two{of}", f"difference{of.replace('%', POINTS)}")
    return drawn(figure, title=title)


def _cells(axes: "Axes", cells: Sequence[Spot]) -> None:
    """Rectangles in five shades; one shade where nobody says how many people they hold."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    shades = _shades([cell.n for cell in cells])
    for k, shade in enumerate(SHADES):
        inside = [cell for cell, own in zip(cells, shades, strict=True) if own == k]
        if inside:
            corners = [
                [(c.x[0], c.y[0]), (c.x[1], c.y[0]), (c.x[1], c.y[1]), (c.x[0], c.y[1]), (c.x[0], c.y[0])]
                for c in inside
            ]
            path = Path.make_compound_path(*(Path(corner, closed=True) for corner in corners))
            axes.add_patch(PathPatch(path, facecolor=INK["accent"], alpha=shade, linewidth=0))


def _shades(counts: Sequence[int | None]) -> list[int]:
    """Steps of equal width in the square root, so that thin edges differ from one another."""
    roots = [None if n is None else n**0.5 for n in counts]
    known = [root for root in roots if root is not None]
    low, span = min(known, default=0.0), max(known, default=0.0) - min(known, default=0.0)
    last = len(SHADES) - 1
    return [len(SHADES) // 2 if r is None or not span else round(last * (r - low) / span) for r in roots]


def _places(values: Sequence[float], ends: tuple[float, float]) -> Iterator[tuple[float, float]]:
    """Values from below with the share of the axes at which each is written, APART from one another."""
    apart, last = APART / (HEIGHT - TOP - BOTTOM), -1.0
    for value in values:
        last = max((value - ends[0]) / (ends[1] - ends[0]), last + apart)
        yield value, last
