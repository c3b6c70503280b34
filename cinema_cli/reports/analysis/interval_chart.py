"""A forest on a plain scale: points with their intervals, what chance alone shows behind them, margins."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.strokes import FOREST_WIDTH, drawn, ratio_axis, ratio_ends, text_room, write
from cinema_cli.reports.analysis.words import NONE, count_words, short
from cinema_cli.reports.drawing import INK, canvas, round_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Interval = tuple[float, float, float]  # lower limit, estimate, upper limit
COUNTS, ROW, TOP, BOTTOM = 52.0, 25.0, 8.0, 44.0  # SVG units
NAMES, WORDS = (120.0, 300.0), (110.0, 250.0)  # the least and the most room of a column of text, SVG units
LETTERS, HEAD_LETTERS = 36, 60  # of a name; a heading has its line for itself
BEYOND = 12.0  # an interval wider than this many times the others does not stretch the axis


@dataclass(frozen=True, slots=True)
class Room:
    """Widths of the columns of text, SVG units; the scale has the rest."""

    names: float
    counts: float  # 0 where no row says how many people it is of
    words: float

    @property
    def left(self) -> float:
        """What stands left of the scale."""
        return self.names + self.counts

    @property
    def plot(self) -> float:
        """The width of the scale."""
        return FOREST_WIDTH - self.left - self.words


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """A line of the forest; `head` is a heading without a point."""

    name: str
    interval: Interval | None = None
    words: str = ""
    n: str = ""  # how many people, in words
    null: Interval | None = None  # drawn as a band with a tick at its middle
    head: bool = False


def n_of(row: Estimate) -> str:
    """How many people a row is of, where that is told; there is no room for more words."""
    return NONE if row.n is None else count_words(row.n, row)


def interval_of(row: Estimate | None, *, scale: float = 1.0) -> Interval | None:
    """A row's interval, of no width where it has no limits; None where it has no number."""
    if row is None or row.estimate is None:
        return None
    low, high = (row.estimate if v is None else v for v in (row.lower, row.upper))
    return scale * low, scale * row.estimate, scale * high


def interval_chart(
    rows: Sequence[IntervalRow],
    *,
    x_title: str,
    line: float | None = None,
    margin: float | None = None,
    ratios: bool = False,
    title: str,
) -> Markup:
    """Points with intervals on one scale; `line` is a thin line through all of them, `margin` a dashed one.

    `ratios` (above 0) are drawn on a logarithmic scale that holds 1.
    """
    if ratios:
        ends = ratio_ends([v for row in rows if row.interval for v in row.interval if v > 0])
        rows = [replace(row, interval=_log(row.interval, ends), null=_log(row.null, ends)) for row in rows]
        line = None if line is None else math.log(line)
        span = math.log(ends[0]), math.log(ends[1])
    else:
        span = _ends(rows, [v for v in (line, margin) if v is not None])
    room = Room(
        text_room([short(row.name, most=LETTERS) for row in rows], least=NAMES[0], most=NAMES[1]),
        COUNTS if any(row.n for row in rows) else 0.0,
        text_room([row.words for row in rows], least=WORDS[0], most=WORDS[1]),
    )
    figure, axes = _plane(len(rows), span, room)
    axes.set_xlabel(x_title, parse_math=False)
    if ratios:
        ratio_axis(axes.xaxis, *ends, most=5)
    if line is not None:
        axes.axvline(line, color=INK["soft"], lw=1.2)
    if margin is not None:
        axes.axvline(margin, color=INK["lv"], lw=1.6, linestyle=(0, (6.0, 3.0)))
    _write_rows(axes, rows, room)
    for k, row in enumerate(rows):
        _point(axes, row, k + 0.5, span)
    return drawn(figure, title=title)


def _plane(n_rows: int, span: tuple[float, float], room: Room) -> "tuple[Figure, Axes]":
    """An empty scale with room for `n_rows` lines, and for columns of text at its sides."""
    top = TOP + (16.0 if room.counts else 0.0)
    height = top + ROW * n_rows + BOTTOM
    figure, axes = canvas(
        FOREST_WIDTH, height, left=room.left, right=room.words, top=top, bottom=BOTTOM, grid=False
    )  # fmt: skip
    axes.yaxis.set_visible(False)
    axes.set_xlim(*span)
    axes.set_ylim(n_rows, 0)
    axes.grid(axis="x", color=INK["line"], lw=1)
    axes.set_axisbelow(True)
    return figure, axes


def _write_rows(axes: "Axes", rows: Sequence[IntervalRow], room: Room) -> None:
    """Names at the left, numbers of people in a column beside them, words at the right."""
    plot = room.plot
    if room.counts:
        write(axes, -10 / plot, 1 + 10 / (ROW * len(rows)), "n", ha="right")
    for k, row in enumerate(rows):
        y = 1 - (k + 0.5) / len(rows)
        indent, weight = (0, "bold") if row.head else (10, "normal")
        name = short(row.name, most=HEAD_LETTERS if row.head else LETTERS)
        write(axes, (indent - room.left) / plot, y, name, colour="ink", weight=weight)
        write(axes, -10 / plot, y, row.n, ha="right")
        write(axes, 1 + 10 / plot, y, row.words, colour="ink")


def _point(axes: "Axes", row: IntervalRow, y: float, ends: tuple[float, float]) -> None:
    """The band of chance, the interval over it, the point; an arrow where the interval leaves the axis."""
    if row.null is not None:
        low, middle, high = (min(max(v, ends[0]), ends[1]) for v in row.null)
        axes.fill_betweenx([y - 0.34, y + 0.34], low, high, color=INK["band"], linewidth=0)
        axes.plot([middle, middle], [y - 0.34, y + 0.34], color=INK["soft"], lw=2.0)
    if row.interval is None:
        return
    low, middle, high = (min(max(v, ends[0]), ends[1]) for v in row.interval)
    axes.plot([low, high], [y, y], color=INK["accent"], lw=1.8)
    for beyond, at, marker in ((row.interval[0] < ends[0], low, "<"), (row.interval[2] > ends[1], high, ">")):
        if beyond:
            axes.plot([at], [y], marker, color=INK["accent"], ms=6, mew=0, clip_on=False)
    if ends[0] <= row.interval[1] <= ends[1]:
        axes.plot([middle], [y], "o", color=INK["accent"], ms=7, mew=0)


def _log(interval: Interval | None, ends: tuple[float, float]) -> Interval | None:
    """Logarithms; what lies far outside the axis lies a little outside."""
    if interval is None or interval[1] <= 0:
        return None
    low, middle, high = (math.log(min(max(v, ends[0] / 2), 2 * ends[1])) for v in interval)
    return low, middle, high


def _ends(rows: Sequence[IntervalRow], lines: Sequence[float]) -> tuple[float, float]:
    """Round ends that hold every point and every limit that does not run away."""
    points = [row.interval[1] for row in rows if row.interval] + [v for row in rows if row.null for v in row.null]
    points += list(lines)
    if not points:
        return 0.0, 1.0
    widths = sorted(row.interval[2] - row.interval[0] for row in rows if row.interval)
    usual = widths[len(widths) // 2] if widths else 0.0
    reach = max(BEYOND * usual, max(points) - min(points))
    limits = [v for row in rows if row.interval for v in row.interval if math.isfinite(v)]
    inside = [v for v in limits if min(points) - reach <= v <= max(points) + reach]
    low, high = min([*points, *inside]), max([*points, *inside])
    pad = 0.02 * (high - low)
    low, high = round_ends([low, high])
    return low - pad, high + pad
