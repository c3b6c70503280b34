"""Templates to pages: one environment that escapes everything, and the wording of numbers."""

import math
import re
from functools import cache
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from cinema_cli.domain.assets import templates_directory

THIN_SPACE = "\u202f"
MINUS = "\u2212"
ABBREVIATIONS = {"myo": "myocardial"} | {
    w: w.upper()
    for w in ("lv", "rv", "lvef", "rvef", "sax", "lax", "2c", "3c", "4c", "ed", "es", "mr", "ct", "t1", "t2", "lge")
}
PHRASES = {  # codes that their words alone do not explain
    "not_mr": "not MR images",
    "no_sax": "no short-axis cine",
    "lge": "LGE (late gadolinium enhancement)",
    "rvot": "RV outflow tract or long axis",
    "aorta": "great vessels",
    "flow": "flow (phase contrast)",
    "derived": "derived images",
    "tagging": "tagged cine",
    "single_frame": "one image a position, no cine",
    "bad_spacing": "pixel spacing not valid",
    "no_geometry": "position or orientation absent or not valid",
    "no_pixels": "no pixel data",
}
UNIT_WORDS = {"m2": "m²", "kg/m2": "kg/m²", "ml/m2": "ml/m²", "g/m2": "g/m²", "l/min/m2": "l/min/m²"}


@cache
def environment() -> Environment:
    """The one template environment: everything is escaped, an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(templates_directory()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["code"] = with_code
    return made


def render_page(template: str, /, **context: object) -> str:
    """One self-contained HTML page from `template`, the style sheet inlined."""
    page = environment().get_template(template).render(style=_style(), **context)
    return re.sub(r"\n\s*\n+", "\n", page)


@cache
def _style() -> Markup:
    text = (templates_directory() / "style.css").read_text(encoding="utf-8")
    return Markup(re.sub(r"\n\s*", "\n", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)).strip())


def number(value: float | None, *, decimals: int) -> str:
    """A number as people read it: a true minus, thin spaces in thousands; an en dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:,.{decimals}f}".replace(",", THIN_SPACE)
    if not text.strip("-0.,"):  # "-0.0" reads as a mistake
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def count(n: int, *, one: str, many: str | None = None) -> str:
    """`1 study`, `12 studies`: a count with its noun."""
    return f"{number(n, decimals=0)} {one if n == 1 else many or one + 's'}"


def percent(part: int, whole: int) -> str:
    """A share in percent, no decimals below 1,000; the small ones are not rounded away."""
    if whole == 0:
        return "–"
    share = 100.0 * part / whole
    return "<1%" if 0 < share < 0.5 else f"{share:.0f}%"


def unit_words(unit: str) -> str:
    """A unit as printed on paper: `ml/m2` becomes `ml/m²`."""
    return UNIT_WORDS.get(unit, unit)


def words(code: str) -> str:
    """A code such as `t1_map` as words for a reader: T1 map."""
    return PHRASES.get(code) or " ".join(ABBREVIATIONS.get(word, word) for word in code.split("_") if word)


def href(*parts: str) -> str:
    """A relative address from path parts, every character that is not plain percent-encoded."""
    return "/".join(part if part in {".", ".."} else quote(part, safe="-_.~") for part in parts)


def with_code(text: str) -> Markup:
    """A sentence with what stands between backticks as code; all of it escaped."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def data_uri(content: bytes, *, kind: str) -> Markup:
    """`content` as a data URI; `kind` is a MIME type such as `image/jpeg`."""
    from base64 import b64encode

    return Markup(f"data:{kind};base64,{b64encode(content).decode('ascii')}")
