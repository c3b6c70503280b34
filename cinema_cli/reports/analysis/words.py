"""Estimates in words: names of terms, hazard ratios, intervals and p values as people read them."""

import math
import re

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.reports.render import THIN_SPACE, number, unit_words

SUPPRESSED = "suppressed"
ROUNDED = "≈\u00a0"  # before a count
NONE = "–"
COMPLETE_CASE = "_complete_case"  # ends the name of a model of complete cases, where others are pooled
_COLUMNS = {  # of our own tables beside phenotypes: title, unit
    "age_years": ("age", "years"),
    "height_cm": ("height", "cm"),
    "weight_kg": ("weight", "kg"),
    "field_strength_t": ("field strength", "T"),
}
_TITLES = {name: title for name, (title, _) in _COLUMNS.items()} | {p.name: p.title for p in PHENOTYPES}
_UNITS = {name: unit for name, (_, unit) in _COLUMNS.items()} | {p.name: p.unit for p in PHENOTYPES}
MODELS = {
    "unadjusted": "unadjusted",
    "adjusted": "adjusted",
    "age_scale": "age as time scale",
    "clinical": "clinical",
    "clinical_cmr": "clinical + CMR",
    "null": "no covariates",
    "all": "treat everyone",
    "none": "treat nobody",
}


def title_of(term: str) -> str:
    """A term for a reader: the title of a known column, `sex = M` for a category, else the column as written."""
    column, equals, value = term.partition("=")
    name = _TITLES.get(column, column)
    return f"{name} = {value}" if equals else name


def unit_of(term: str) -> str:
    """The unit of a known phenotype as printed; "" for other columns."""
    return unit_words(_UNITS.get(term, ""))


def axis_words(term: str) -> str:
    """A term with its unit, for an axis."""
    unit = unit_of(term)
    return f"{title_of(term)}, {unit}" if unit else title_of(term)


def squared(words: str) -> str:
    """Words in which `m2` is as on paper."""
    return re.sub(r"\bm2\b", "m²", words)


def rate_words(unit: str) -> str:
    """`per 1,000 person-years` with the thin space of other thousands."""
    return re.sub(r"(?<=\d),(?=\d{3})", THIN_SPACE, unit)


def per_words(unit: str) -> str:
    """What a hazard ratio is per: `SD (9.8 %)` becomes `per SD (9.8 %)`; `M against F` stays."""
    said = squared(unit)
    return said if not said or said.startswith("per ") or " against " in said else f"per {said}"


def model_words(model: str) -> str:
    """A model for a reader."""
    bare = bare_model(model)
    return f"{MODELS.get(bare, bare)}{cases_of(model)}"


def bare_model(model: str) -> str:
    """The model, whether its rows are pooled or of complete cases."""
    return model.removesuffix(COMPLETE_CASE)


def cases_of(model: str) -> str:
    """`, complete cases` of a model that stands beside a pooled one."""
    return ", complete cases" if model.endswith(COMPLETE_CASE) else ""


def short(words: str, *, most: int) -> str:
    """Words cut in the middle to `most` characters, where a drawing has no room; their ends tell them apart."""
    if len(words) <= most:
        return words
    tail = most // 3
    return f"{words[: most - tail - 1].rstrip()}…{words[-tail:].lstrip()}"


def time_words(value: float) -> str:
    """A length of time: a decimal where it is short."""
    return number(value, decimals=1 if value < 100 else 0)


def p_words(p: float | None) -> str:
    """A p or q value with three decimals, `<0.001` below."""
    if p is None:
        return NONE
    return "<0.001" if p < 0.0005 else ">0.999" if p > 0.9995 else f"{p:.3f}"


def p_said(p: float | None, *, name: str = "p") -> str:
    """`p = 0.012`, `p < 0.001`."""
    said = p_words(p)
    return f"{name} {said[0]} {said[1:]}" if said[0] in "<>" else f"{name} = {said}"


def count_words(n: int | None, row: Estimate) -> str:
    """A number of people; where disclosure control took it out or rounded it, the page says so."""
    if n is None:
        return SUPPRESSED if row.suppressed else NONE
    is_rounded = n and row.rounded and n % row.rounded == 0  # else other numbers of the row are
    return f"{ROUNDED if is_rounded else ''}{number(n, decimals=0)}"


def size_words(name: str, n: int | None, row: Estimate) -> str:
    """`n = 412`, `events ≈ 860`, `n suppressed`."""
    said = count_words(n, row)
    sign = " = " if said[:1].isdigit() else " "
    return f"{name}{sign}{said}".replace(" ", "\u00a0")


def value_words(value: float | None, row: Estimate, *, decimals: int) -> str:
    """A number of a row, or why there is none."""
    return number(value, decimals=decimals) if value is not None else SUPPRESSED if row.suppressed else NONE


def with_interval(row: Estimate | None, *, decimals: int, scale: float = 1.0) -> str:
    """`0.744 (0.721 to 0.767)`; the interval only where the row has one."""
    if row is None:
        return NONE
    if row.estimate is None:
        return SUPPRESSED if row.suppressed else NONE
    said = number(row.estimate * scale, decimals=decimals)
    if row.lower is None or row.upper is None:
        return said
    low, high = (number(v * scale, decimals=decimals) for v in (row.lower, row.upper))
    return f"{said} ({low} to {high})"


def ratio(value: float | None, *, decimals: int = 2) -> str:
    """A hazard ratio: two decimals, more digits where it is near 0, fewer where it is huge."""
    if value is None or not math.isfinite(value):
        return NONE
    if value < 0.0005:
        return "<0.001"
    if value < 0.1:
        return number(value, decimals=max(decimals, 3))
    return number(value, decimals=decimals if value < 100 else 0)


def ratio_interval(row: Estimate | None, *, decimals: int = 2) -> str:
    """`1.42 (1.10 to 1.83)`."""
    if row is None:
        return NONE
    if row.estimate is None:
        return SUPPRESSED if row.suppressed else NONE
    said = ratio(row.estimate, decimals=decimals)
    if row.lower is None or row.upper is None:
        return said
    return f"{said} ({ratio(row.lower, decimals=decimals)} to {ratio(row.upper, decimals=decimals)})"


def first_up(words: str) -> str:
    """Words with a capital in front, the rest as it is."""
    return words[:1].upper() + words[1:]


def listed(words: list[str] | tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
