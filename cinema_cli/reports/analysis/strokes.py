"""What the figures of the page share: line styles that need no colour, keys, axes of ratios, words of users."""

import math
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from cinema_cli.reports.drawing import INK, svg
from cinema_cli.reports.render import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STROKES: tuple[tuple[str, Any], ...] = (  # colour and dashes; four colours and five styles: twenty are told apart
    ("accent", "solid"),
    ("lv", (0, (6.0, 2.0))),
    ("far", (0, (1.6, 1.6))),
    ("rv", (0, (8.0, 2.0, 1.6, 2.0))),
)
_DASHES = ((0, (12.0, 3.0)), "solid", (0, (6.0, 2.0)), (0, (1.6, 1.6)), (0, (8.0, 2.0, 1.6, 2.0)))
FOREST_WIDTH = 860.0  # SVG units, as wide as pages show a chart
LETTER = 7.4  # SVG units, of a wide letter or a digit
RATIO_TICKS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
FINE_TICKS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0)
NARROW_TICKS = (0.80, 0.85, 0.90, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.25)


def stroke(k: int) -> dict[str, Any]:
    """Colour and line style of the k-th line of a figure."""
    if k < len(STROKES):
        colour, dashes = STROKES[k]
        return {"color": INK[colour], "linestyle": dashes}
    return {"color": INK[STROKES[k % len(STROKES)][0]], "linestyle": _DASHES[k % len(_DASHES)]}


def write(axes: "Axes", x: float, y: float, words: str, *, colour: str = "soft", **how: Any) -> None:
    """Words of a user at a place in shares of the axes; a dollar sign in them is a dollar sign."""
    how = dict[str, Any]({"transform": axes.transAxes, "size": 12, "va": "center"}) | how
    axes.text(x, y, words, color=INK[colour], parse_math=False, **how)


def text_room(words: Sequence[str], *, least: float, most: float) -> float:
    """Room for a column of words with its distance from what is beside it, SVG units."""
    return min(max(least, 24 + LETTER * max((len(w) for w in words), default=0)), most)


def label_axes(axes: "Axes", x: str, y: str) -> None:
    """Words along the axes."""
    axes.set_xlabel(x, parse_math=False)
    axes.set_ylabel(y, parse_math=False)


def key(axes: "Axes", names: Sequence[str], *, width: float, height: float) -> None:
    """A sample of each line and its name above the axes of that size (SVG units)."""
    at = 0.0
    for k, name in enumerate(names):
        axes.plot(
            [at / width, (at + 30) / width],
            [1 + 13 / height] * 2,
            transform=axes.transAxes,
            clip_on=False,
            lw=2.2,
            **stroke(k),
        )
        write(axes, (at + 36) / width, 1 + 13 / height, name, colour="ink")
        at += 36 + 6.8 * len(name) + 22


def ratio_ends(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis of ratios that holds them and 1, never beyond 1/25 and 25."""
    low, high = min([*values, 0.95]), max([*values, 1.05])
    return max(low / 1.03, 1 / 25), min(high * 1.03, 25.0)


def ratio_ticks(low: float, high: float, *, most: int) -> list[float]:
    """Round ratios between two ends, 1 always among them, not more than `most`."""
    for ticks in (NARROW_TICKS, FINE_TICKS, RATIO_TICKS):
        inside = [t for t in ticks if low <= t <= high]
        if ticks[0] <= low * 1.2 and high <= ticks[-1] * 1.2 and len(inside) >= 3:
            break
    step = max(1, math.ceil(len(inside) / most))
    one = inside.index(1.0)
    return [t for k, t in enumerate(inside) if (k - one) % step == 0]


def ratio_axis(axis: Any, low: float, high: float, *, most: int) -> None:
    """Ticks of an axis on which the logarithm of a ratio is drawn."""
    ticks = ratio_ticks(low, high, most=most)
    axis.set_ticks([math.log(t) for t in ticks], [f"{t:g}" for t in ticks])


def percent_axis(axis: Any) -> None:
    """An axis of percent as people read them."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{number(v, decimals=0 if v == round(v) else 1)}%"))


def drawn(figure: "Figure", *, title: str) -> Markup:
    """The drawing as an element of the page, its coordinates to a hundredth of a unit."""
    with warnings.catch_warnings():  # a letter that matplotlib's own font lacks; the reader's browser has it
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        element = svg(figure, title=title)
    rounded = re.sub(r' d="[^"]*"', lambda path: re.sub(r"\.(\d\d)\d+", r".\1", path[0]), str(element))
    return Markup(rounded)
