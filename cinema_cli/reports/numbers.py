"""The numbers of one study, worded, against the reference ranges of its sex."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cinema_cli.domain.phenotypes import PHENOTYPES, REFERENCE_AGES, Phenotype, ReferenceRange, in_reference_ages
from cinema_cli.domain.result import StudyResult
from cinema_cli.reports import figures
from cinema_cli.reports.render import number, unit_words

AGES = f"{REFERENCE_AGES[0]}–{REFERENCE_AGES[1]}"


@dataclass(frozen=True, slots=True)
class NumberRow:
    """One line of the numbers table, worded."""

    title: str
    meaning: str
    value: str
    unit: str
    reference: str
    verdict: str  # "", "inside", "outside" or a sentence
    css: str
    strip: Markup
    sources: str
    reason: str


def headline(result: StudyResult) -> list[tuple[str, str, str]]:
    """(short name, value, unit) of the six numbers that head the page."""
    by_name = {p.name: p for p in PHENOTYPES}
    values = {m.name: m.value for m in result.measurements}
    picked = (
        ("lvedv_ml", "LVEDV"),
        ("lvesv_ml", "LVESV"),
        ("lvef_pct", "LVEF"),
        ("lvm_g", "LV mass"),
        ("rvedv_ml", "RVEDV"),
        ("rvef_pct", "RVEF"),
    )
    return [
        (
            short,
            number(values.get(name), decimals=0),
            "" if values.get(name) is None else unit_words(by_name[name].unit),
        )
        for name, short in picked
    ]


def number_rows(result: StudyResult) -> tuple[list[NumberRow], list[str]]:
    """Rows of the numbers table and the numbered list of sources they refer to."""
    measured = {m.name: m for m in result.measurements}
    sources: list[str] = []
    rows = []
    for p in PHENOTYPES:
        m = measured.get(p.name)
        ranges = _ranges(p, result.facts.sex)
        for r in ranges:
            if r.source not in sources:
                sources.append(r.source)
        value = None if m is None else m.value
        verdict, title, css = _verdict(value, ranges, age_years=result.facts.age_years)
        reason = ("not measured" if m is None else m.reason or "no reason recorded") if value is None else ""
        rows.append(
            NumberRow(
                title=p.title,
                meaning=p.meaning,
                value=number(value, decimals=p.decimals),
                unit=unit_words(p.unit) if value is not None else "",
                reference=_range_words(ranges) if ranges else "no range" if p.unit else "",
                verdict=verdict,
                css=css,
                strip=Markup()
                if value is None or not ranges
                else figures.range_strip(value, ranges=ranges, title=title, css=css),
                sources=", ".join(str(sources.index(s) + 1) for s in dict.fromkeys(r.source for r in ranges)),
                reason=reason,
            )
        )
    return rows, sources


def _ranges(phenotype: Phenotype, sex: str | None) -> tuple[ReferenceRange, ...]:
    known = tuple(r for r in phenotype.ranges if r.sex == sex)
    return known if sex in {"M", "F"} else phenotype.ranges


def _range_words(ranges: Sequence[ReferenceRange]) -> str:
    def limits(r: ReferenceRange) -> str:
        return f"{r.lower:g}–{r.upper:g}"

    if len(ranges) == 1:
        return limits(ranges[0])
    return ", ".join(f"{figures.SEXES[r.sex]} {limits(r)}" for r in ranges)


def _verdict(value: float | None, ranges: Sequence[ReferenceRange], *, age_years: float | None) -> tuple[str, str, str]:
    """(words, title of the strip, style) of a value against the ranges of one sex, or of both where it is unknown.

    Where the person is not known to be of the ages that the ranges are of, words and title say so.
    """
    if value is None or not ranges:
        return "", "", ""
    inside = [r.sex for r in ranges if r.lower <= value <= r.upper]
    if len(inside) == len(ranges):
        said, title, css = "inside", "Inside the reference range", "inside"
    elif not inside:
        said = "below" if all(value < r.lower for r in ranges) else "above"
        title, css = "Outside the reference range", "outside"
    else:
        only = f"for {figures.SEXES[inside[0]]} only"
        said, title, css = f"inside {only}", f"Inside the reference range {only}", "mixed"
    if in_reference_ages(age_years):
        return said, title, css
    ages = f", for ages {AGES}"
    return said + ages, title + ages, "inside" if css == "inside" else "mixed"


def age_sentence(age_years: float | None) -> str:
    """What the ages of the reference ranges mean for this person."""
    fits = in_reference_ages(age_years)
    if fits is None:
        return f"The age of this person is unknown: the ranges may not apply, as they are of ages {AGES}."
    if not fits:
        return f"This person is {math.floor(age_years or 0)} years old: ranges of ages {AGES} need not apply."
    return ""
