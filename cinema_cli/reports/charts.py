"""Charts with axes, drawn by matplotlib: curves, distributions, scatter; the style sheet gives the colours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cinema_cli.domain.phenotypes import ReferenceRange
from cinema_cli.domain.result import VolumeCurves
from cinema_cli.reports.drawing import INK, canvas, round_ends, round_up, say, svg
from cinema_cli.reports.figures import SEXES
from cinema_cli.reports.render import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_BELOW = 40  # values in a row of a distribution; from there on a histogram
ROW = 66.0  # height of a row of a distribution
DASHES = (0, (5.0, 2.5))
ROOM = (0.98, 1.02)  # of a dot's value: as far as its own size reaches


@dataclass(frozen=True, slots=True)
class Point:
    """One study in a scatter plot; `link` is its page, `mark` the colour of its ring: "far", "warn" or none."""

    x: float
    y: float
    mark: str
    label: str
    link: str


def volume_curve(curves: VolumeCurves, *, ed_frame: int | None, es_frame: int | None) -> Markup:
    """LV and RV volume (ml) over the cycle (ms), with ED and ES marked."""
    figure, axes = canvas(720.0, 300.0, left=56, right=46, top=28, bottom=46)
    times = curves.times_ms
    axes.plot(times, curves.rv_ml, color=INK["rv"], lw=2.2, linestyle=DASHES)
    axes.plot(times, curves.lv_smooth_ml, color=INK["lv"], lw=2.2)
    axes.plot(times, curves.lv_ml, "o", color=INK["lv"], ms=4.5, mew=0)
    known = [c[np.isfinite(c)] for c in (curves.lv_ml, curves.rv_ml, curves.lv_smooth_ml)]
    axes.set_ylim(0.0, round_up(max((float(c.max()) for c in known if c.size), default=1.0)))
    axes.set_xlim(float(times[0]), max(float(times[-1]), float(times[0]) + 1.0))
    for name, frame in (("ED", ed_frame), ("ES", es_frame)):
        if frame is not None and 0 <= frame < len(times):
            axes.axvline(float(times[frame]), color=INK["soft"], lw=1, linestyle=(0, (3, 3)))
            say(axes, float(times[frame]), 1.03, name, ha="center", data="x", weight="bold", colour="ink")
    _end_labels(axes, {"LV": curves.lv_smooth_ml, "RV": curves.rv_ml})
    axes.set_xlabel(f"time since the {'first frame' if times[0] == 0 else 'R wave'}, ms")
    axes.set_ylabel("volume, ml")
    return svg(figure, title="Volume of the left and right ventricle over the cardiac cycle")


def _end_labels(axes: "Axes", series: Mapping[str, NDArray[np.float64]]) -> None:
    """The name of each curve beside its last value, pushed apart where they would touch."""
    top = axes.get_ylim()[1]
    ends = {name: float(values[-1]) / top for name, values in series.items() if np.isfinite(values[-1])}
    order = sorted(ends, key=lambda name: ends[name])
    if len(order) == 2 and ends[order[1]] - ends[order[0]] < 0.07:
        middle = (ends[order[0]] + ends[order[1]]) / 2
        ends = {order[0]: middle - 0.035, order[1]: middle + 0.035}
    for name, at in ends.items():
        say(axes, 1.012, at, name, va="center", weight="bold", colour=name.lower())


def lengths(
    times_ms: NDArray[np.float64],
    lines: Sequence[NDArray[np.float64]],
    *,
    moments: tuple[int, int] | None,
    title: str,
) -> Markup:
    """Length (mm) of the long axis over the cycle (ms), a line a head, all but the first dashed.

    `moments` are the frames of ED and ES.
    """
    figure, axes = canvas(340.0, 200.0, left=44, right=12, top=26, bottom=42)
    for k, values in enumerate(lines):
        axes.plot(times_ms, values, color=INK["accent"], lw=2.0, linestyle=DASHES if k else "solid")
    known = [float(v) for values in lines for v in values[np.isfinite(values)]]
    axes.set_ylim(*round_ends([min(known) - 2.0, max(known) + 2.0]))
    axes.set_xlim(float(times_ms[0]), max(float(times_ms[-1]), float(times_ms[0]) + 1.0))
    for name, frame in zip(("ED", "ES"), moments or (), strict=False):
        axes.axvline(float(times_ms[frame]), color=INK["soft"], lw=1, linestyle=(0, (3, 3)))
        say(axes, float(times_ms[frame]), 1.04, name, ha="center", data="x", weight="bold", colour="ink")
    axes.set_xlabel("time, ms")
    axes.set_ylabel("length, mm")
    return svg(figure, title=title)


def distribution(
    groups: Sequence[tuple[str, Sequence[float]]], *, ranges: Sequence[ReferenceRange], title: str, decimals: int
) -> Markup:
    """Values of one phenotype, a row a sex (`F`, `M` or `` unknown): dots below 40 values, a histogram from there on.

    The reference band of the row's sex lies behind it, a stroke marks the median.
    """
    rows = [(sex, sorted(values)) for sex, values in groups if values]
    height = ROW * max(1, len(rows))
    figure, axes = canvas(340.0, height + 22, left=20, right=20, top=0, bottom=22, grid=False)
    bands = [r for r in ranges if any(sex in (r.sex, "") for sex, _ in rows)]
    values = [v for _, several in rows for v in several]
    ends = round_ends([*values, *(r.lower for r in bands), *(r.upper for r in bands)])
    axes.set_xlim(*ends)
    axes.set_ylim(height, 0.0)  # y is in units of the drawing, downwards
    axes.yaxis.set_visible(False)
    for k, (sex, several) in enumerate(rows):
        base = ROW * (k + 1) - 1
        for r in (r for r in bands if sex in {r.sex, ""}):
            half = 20 if not sex else 40  # where the sex is unknown, women's above, men's below
            bottom = base - 20 if not sex and r.sex == "F" else base
            axes.bar(r.lower, -half, r.upper - r.lower, bottom, align="edge", color=INK["band"])
        (_histogram if len(several) >= DOTS_BELOW else _dots)(axes, several, base)
        median = float(np.median(several))
        axes.plot([median, median], [base + 2, base - 42], color=INK["ink"], lw=1.6, clip_on=False)
        axes.plot(ends, [base, base], color=INK["soft"], lw=1)
        say(axes, 0, base - 46, f"{SEXES[sex]}, n = {number(len(several), decimals=0)}", data="y")
        say(axes, 1, base - 46, f"median {number(median, decimals=decimals)}", data="y", ha="right")
    return svg(figure, title=title)


def _histogram(axes: "Axes", values: Sequence[float], base: float) -> None:
    counts, edges = np.histogram(values, bins=24 if len(values) < 500 else 40, range=axes.get_xlim())
    tall = -38.0 * counts / max(int(counts.max()), 1)
    shown = counts > 0
    axes.bar(edges[:-1][shown], tall[shown], 0.9 * (edges[1] - edges[0]), base, align="edge", color=INK["accent"])


def _dots(axes: "Axes", values: Sequence[float], base: float) -> None:
    """Every value as a dot, those that would cover each other stacked."""
    low, high = axes.get_xlim()
    columns: dict[int, int] = {}
    levels = []
    for v in values:
        column = round((v - low) / (high - low) * 300.0 / 7)
        levels.append(base - 5 - min(7 * columns.get(column, 0), 35))
        columns[column] = columns.get(column, 0) + 1
    axes.plot(values, levels, "o", color=INK["accent"], ms=6.4, mew=0, alpha=0.75, clip_on=False)


def scatter(
    points: Sequence[Point],
    *,
    x_title: str,
    y_title: str,
    x_span: tuple[float, float],
    y_span: tuple[float, float],
    title: str,
    dots_up_to: int,
) -> Markup:
    """Studies as dots, marked ones ringed; each opens its page. Above `dots_up_to` the others become a map of counts.

    The axes hold at least `x_span` and `y_span`, so that two reports look alike; no dot lies on their ends.
    """
    figure, axes = canvas(720.0, 400.0, left=62, right=16, top=14, bottom=50)
    axes.set_xlim(*round_ends([*x_span, *(k * p.x for p in points for k in ROOM)]))
    axes.set_ylim(*round_ends([*y_span, *(k * p.y for p in points for k in ROOM)]))
    plain = [p for p in points if not p.mark]
    if len(plain) > dots_up_to:
        _count_map(axes, plain)
        plain = []
    for several, size, fill, edge, width in (
        (plain, 8.0, (INK["accent"], 0.55), "none", 0.0),
        *(([p for p in points if p.mark == m], 10.0, (INK["wash"], 1.0), INK[m], 2.0) for m in ("warn", "far")),
    ):
        if several:
            xs, ys = [p.x for p in several], [p.y for p in several]
            dots = axes.scatter(xs, ys, size**2, color=[fill], edgecolors=edge, linewidths=width)
            dots.set_urls([p.link for p in several])
    axes.set_xlabel(x_title)
    axes.set_ylabel(y_title)
    return svg(figure, title=title, role="group", said={p.link: p.label for p in points})


def _count_map(axes: "Axes", points: Sequence[Point]) -> None:
    """How many studies lie where: hexagons, the darker the more."""
    from matplotlib.colors import to_rgba

    cells = axes.hexbin(
        [p.x for p in points],
        [p.y for p in points],
        gridsize=(56, 24),
        mincnt=1,
        extent=(*axes.get_xlim(), *axes.get_ylim()),
        linewidths=0,
    )
    counts = np.asarray(cells.get_array(), dtype=np.float64)
    cells.set_array(None)
    cells.set_facecolor([to_rgba(INK["accent"], 0.12 + 0.88 * share) for share in np.sqrt(counts / counts.max())])


def cycles(
    lines: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    marked: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    *,
    band: tuple[NDArray[np.float64], NDArray[np.float64]] | None,
    title: str,
) -> Markup:
    """Volume (% of the own EDV) over the cycle (% from ED), a line (x, y) a study; `marked` ones stand out.

    `band` is x and the 5th, 50th and 95th percentile (3, x), drawn for cohorts too large for a line each.
    """
    figure, axes = canvas(720.0, 340.0, left=62, right=16, top=14, bottom=50)
    for x, y in lines:
        axes.plot(x, y, color=INK["accent"], lw=1.1, alpha=0.55 if len(lines) < 60 else 0.3)
    if band is not None:
        x, (low, middle, high) = band
        axes.fill_between(x, low, high, color=INK["band"], linewidth=0)
        axes.plot(x, middle, color=INK["accent"], lw=2.4)
    for x, y in marked:
        axes.plot(x, y, color=INK["warn"], lw=1.5, alpha=0.9 if len(marked) < 20 else 0.5)
    seen = [y for _, y in (*lines, *marked)] + ([] if band is None else [band[1].ravel()])
    axes.set_xlim(0.0, 100.0)
    axes.set_ylim(*round_ends([20.0, 100.0, *(float(v) for y in seen for v in (y.min(), y.max()))]))
    axes.set_xlabel("share of the cardiac cycle after end-diastole, %")
    axes.set_ylabel("LV volume, % of its EDV")
    return svg(figure, title=title)
