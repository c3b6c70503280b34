"""The main results of an analysis in a few plain lines, and as a small list for programs: of released rows alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.metrics import at_frame, metric_of, unit_words_of
from cinema_cli.reports.analysis.rows import APPARENT, Rows, rows_of, standing
from cinema_cli.reports.analysis.tables import said_of
from cinema_cli.reports.analysis.words import (
    ROUNDED,
    count_words,
    model_words,
    p_said,
    per_words,
    ratio_interval,
    title_of,
    with_interval,
)
from cinema_cli.reports.fairness.gaps import evidence, gap_sentence
from cinema_cli.reports.render import MINUS, THIN_SPACE
from cinema_cli.reports.survival.hazards import main_row, phenotypes_of

MOST = 3  # phenotypes, structures, gaps
_USUAL = ("lvef_pct", "lvedv_ml", "rvef_pct")
_WORDS = ("analysis", "model", "term", "group", "level", "unit")
_NUMBERS = ("n", "events", "estimate", "lower", "upper", "p", "q")
_OF_EVALUATIONS = (
    *(("evaluation", "dice"), ("difference", "dice"), ("agreement", "bias")),
    *(("repeatability", "cov_rms"), ("classification", "accuracy"), ("classification", "auc")),
)
_PLAIN = str.maketrans({THIN_SPACE: ",", MINUS: "-", "\u00a0": " ", "–": "-", "’": "'", "²": "2"})


@dataclass(frozen=True, slots=True)
class Brief:
    """Lines for a terminal, and the rows of the table that they are of."""

    lines: tuple[str, ...]
    main: tuple[dict[str, object], ...]


def brief_of(estimates: pl.DataFrame) -> Brief:
    """Who was analysed, and the main results of any kind of analysis; `estimates` as released."""
    rows = rows_of(estimates)
    found = [*_hazards(rows), *_concordance(rows), *_comparisons(rows), *_gaps(rows)]
    lines = [*_who(rows), *(said for said, _ in found)]
    main = tuple({name: getattr(row, name) for name in (*_WORDS, *_NUMBERS)} for _, row in found)
    return Brief(tuple(line.replace(ROUNDED, "about ").translate(_PLAIN) for line in lines), main)


def _who(rows: Rows) -> Iterator[str]:
    """Who was there, who left for which reason, who had the event."""
    steps, rate = rows.of("flow", model=""), rows.one("rate", group="")
    if not steps:
        return
    if all(row.n is None for row in steps):
        yield "the people are too few for their numbers to be shown"
        return
    first, *others = (f"{count_words(row.n, row)} {row.term}" for row in steps if row.level == "kept")
    left = [f"{row.term} {count_words(row.n, row)}" for row in steps if row.level != "kept" and row.n != 0]
    said = [first, *([f"left out: {', '.join(left)}"] if left else []), *others]
    yield "; ".join(said) + (f", with the event {count_words(rate.events, rate)}" if rate else "")


def _hazards(rows: Rows) -> Iterator[tuple[str, Estimate]]:
    """Hazard ratios of the first phenotypes, adjusted where there is such a model."""
    for phenotype in phenotypes_of(rows)[:MOST]:
        row = main_row(rows, phenotype) or main_row(rows, phenotype, model="unadjusted")
        if row is not None and row.estimate is not None:
            how = f"{per_words(row.unit)}, {model_words(row.model)}"
            yield f"{title_of(phenotype)}: hazard ratio {ratio_interval(row)} {how}{_evidence(row)}", row


def _concordance(rows: Rows) -> Iterator[tuple[str, Estimate]]:
    """C of the model of everything, apparent where nothing better is known."""
    every = [row for row in rows.of("concordance", model="clinical_cmr") if row.estimate is not None]
    row = next((one for one in every if standing(one) != APPARENT), next(iter(every), None))
    if row is not None:
        yield f"Harrell's C: {with_interval(row, decimals=3)}, {model_words(row.model)}, {standing(row)}", row


def _comparisons(rows: Rows) -> Iterator[tuple[str, Estimate]]:
    """What masks and numbers have in common with a reference, another system, a second measurement."""
    for analysis, model in _OF_EVALUATIONS:
        metric = metric_of(model)
        for row in _first([r for r in rows.of(analysis, model=model, group="") if r.estimate is not None]):
            level = "" if analysis == "classification" else row.level
            name = f"{'Difference in ' if analysis == 'difference' else ''}{metric.title}, {at_frame(row.term, level)}"
            yield f"{name}: {said_of(row, metric, unit_words_of(metric, row.term))}", row


def _first(rows: Sequence[Estimate]) -> list[Estimate]:
    """Means over structures, else the usual phenotypes, else the first; classes and thresholds are left out."""
    for terms in (("mean",), _USUAL):
        if found := [row for row in rows if row.term in terms]:
            return found
    return [row for row in rows if row.analysis != "classification" or not row.level][:MOST]


def _gaps(rows: Rows) -> Iterator[tuple[str, Estimate]]:
    """Gaps between groups, the strongest evidence first."""
    known = sorted((row for row in rows.of("gap") if row.estimate is not None), key=evidence)
    for row in known[:MOST]:
        yield f"{gap_sentence(rows, row)}{_evidence(row)}", row


def _evidence(row: Estimate) -> str:
    """`, q = 0.012`, p where there is no q."""
    name, value = ("q", row.q) if row.q is not None else ("p", row.p)
    return "" if value is None else f", {p_said(value, name=name)}"
