"""The numbers of one study, worded, against the reference ranges of its sex."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cinema_cli.domain.phenotypes import PHENOTYPES, Phenotype, ReferenceRange
from cinema_cli.domain.result import StudyResult
from cinema_cli.reports import figures
from cinema_cli.reports.render import number, unit_words


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
        verdict, css = _verdict(value, ranges)
        reason = ("not measured" if m is None else m.reason or "no reason recorded") if value is None else ""
        rows.append(
            NumberRow(
                title=p.title,
                meaning=p.meaning,
                value=number(value, decimals=p.decimals),
                unit=unit_words(p.unit) if value is not None else "",
                reference=_range_words(ranges),
                verdict=verdict,
                css=css,
                strip=Markup()
                if value is None or not ranges
                else figures.range_strip(value, ranges=ranges, inside=css == "inside"),
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


def _verdict(value: float | None, ranges: Sequence[ReferenceRange]) -> tuple[str, str]:
    """Words and style of a value against the ranges of one sex, or of both where the sex is unknown."""
    if value is None or not ranges:
        return "", ""
    inside = [r.sex for r in ranges if r.lower <= value <= r.upper]
    if len(inside) == len(ranges):
        return "inside", "inside"
    if not inside:
        return ("below" if all(value < r.lower for r in ranges) else "above"), "outside"
    return f"inside for {figures.SEXES[inside[0]]} only", "mixed"
