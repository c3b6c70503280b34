"""What all charts are drawn with: axes in the style of the pages, words on them, matplotlib's text as an element."""

import io
import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Each stands for a variable of the style sheet until the drawing is text: one drawing serves light, dark and paper.
INK = {
    name: f"#f0e1{k:02x}"
    for k, name in enumerate(("ink", "soft", "line", "accent", "band", "lv", "rv", "warn", "far", "wash"))
}


def canvas(
    width: float, height: float, *, left: float, right: float, top: float, bottom: float, grid: bool = True
) -> tuple["Figure", "Axes"]:
    """A figure of width x height SVG units with one pair of axes inside the margins, in the style of the pages."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it reports on its font cache where nobody can help it
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(width / 72, height / 72), dpi=72)
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    axes = figure.add_axes(box)
    figure.patch.set_visible(False)
    axes.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=INK["soft"], labelsize=12, width=1, length=4)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.label.set(color=INK["soft"], size=12)
    axes.yaxis.label.set(color=INK["soft"], size=12)
    axes.xaxis.set_major_locator(MaxNLocator(8 if grid else 5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    if grid:
        axes.grid(axis="y", color=INK["line"], lw=1)
        axes.set_axisbelow(True)
    return figure, axes


def say(
    axes: "Axes",
    x: float,
    y: float,
    words: str,
    *,
    data: str = "",
    ha: str = "left",
    va: str = "baseline",
    weight: str = "normal",
    colour: str = "soft",
) -> None:
    """Words at a place given as a share of the axes; `data` names the coordinate that is in the axes' own units."""
    transform = {"": axes.transAxes, "x": axes.get_xaxis_transform(), "y": axes.get_yaxis_transform()}[data]
    axes.text(x, y, words, transform=transform, ha=ha, va=va, weight=weight, color=INK[colour], size=12)


def round_ends(values: Sequence[float]) -> tuple[float, float]:
    """Round numbers at or outside the smallest and the largest value."""
    from matplotlib.ticker import MaxNLocator

    low, high = min(values), max(values)
    if high <= low:
        pad = max(abs(low) * 0.1, 1.0)
        low, high = low - pad, high + pad
    ticks = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(low, high)
    return float(ticks[0]), float(ticks[-1])


def round_up(value: float) -> float:
    """A round number at or above `value`, at least 1."""
    return round_ends([0.0, max(value, 1.0)])[1]


def svg(figure: "Figure", *, title: str, role: str = "img", said: Mapping[str, str] | None = None) -> Markup:
    """The drawing as an element of a page: nothing random, no metadata, colours as variables, links with their titles.

    `said` gives the words of each link, by address; role `group` where there are links.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "cinema"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    drawn = buffer.getvalue()
    view = re.search(r'viewBox="([^"]+)"', drawn)
    assert view is not None
    body = drawn[drawn.index("</metadata>") + len("</metadata>") : drawn.rindex("</svg>")]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # it would hold for the whole page
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"<clipPath.*?</clipPath>", "", body, flags=re.DOTALL)  # the axes hold all that is drawn
    body = re.sub(r' clip-path="[^"]*"', "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # the same in every drawing of a page
    body = re.sub(r" ?font-family:[^;\"]*;?", "", body)
    body = body.replace("xlink:href=", "href=").replace(' target="_blank"', "")
    for name, colour in INK.items():
        body = body.replace(colour, f"var(--{name})")
    for link, words in (said or {}).items():
        address = f'<a href="{escape(link)}">'
        body = body.replace(address, f"{address}<title>{escape(words)}</title>")
    body = re.sub(r"\s*\n\s*", " ", body)
    return Markup('<svg class="chart" viewBox="{0}" role="{1}" aria-label="{2}"><title>{2}</title>{3}</svg>').format(
        view[1], role, title, Markup(body)
    )
