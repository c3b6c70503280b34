"""Small drawings without axes as SVG: a value against its reference range.

matplotlib would take 25 ms for each of the fifteen strips of a study's page. Everything with axes is in charts.py.
"""

from collections.abc import Sequence

from markupsafe import Markup

from cinema_cli.domain.phenotypes import ReferenceRange

SEXES = {"F": "women", "M": "men", "": "sex unknown"}


def svg(width: float, height: float, *parts: str, title: str, css: str = "", role: str = "img") -> Markup:
    """A drawing with a title that a screen reader says; role `group` where it holds links."""
    return Markup(
        '<svg class="chart {3}" viewBox="0 0 {0:g} {1:g}" role="{5}" aria-label="{2}"><title>{2}</title>{4}</svg>'
    ).format(width, height, title, css, Markup("".join(parts)), role)


def line(x1: float, y1: float, x2: float, y2: float, *, css: str) -> str:
    """A straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}"/>'


def range_strip(value: float, *, ranges: Sequence[ReferenceRange], title: str, css: str) -> Markup:
    """A value as a dot against its reference band (or bands, women above men); about 2 cm wide.

    `css` is the style of the verdict, whose colour the dot takes; `title` says where the value lies.
    """
    low, high = min(r.lower for r in ranges), max(r.upper for r in ranges)
    pad = 0.45 * (high - low)
    scale = 112.0 / (high - low + 2 * pad)
    rows = len(ranges)

    def at(v: float) -> float:
        return 4.0 + (v - low + pad) * scale

    bands = "".join(
        f'<rect x="{at(r.lower):.1f}" y="{5 + 5 * k if rows > 1 else 6}" rx="2" class="band"'
        f' width="{(r.upper - r.lower) * scale:.1f}" height="{4 if rows > 1 else 7}"/>'
        for k, r in enumerate(ranges)
    )
    dot_at = min(max(at(value), 4.0), 116.0)
    dot = f'<circle cx="{dot_at:.1f}" cy="9.5" r="4" class="{css}" fill="currentColor"/>'
    base = line(4.0, 9.5, 116.0, 9.5, css="grid")
    return svg(120, 19, base, bands, dot, title=title, css="strip")
