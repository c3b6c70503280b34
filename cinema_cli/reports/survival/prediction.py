"""Sections 4 and 5 of the page: what the phenotypes add to the clinical model, calibration, net benefit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.render import number
from cinema_cli.reports.survival.effect_charts import Smooth, calibration, decision_curve
from cinema_cli.reports.survival.facts import SurvivalFacts
from cinema_cli.reports.survival.rows import APPARENT, STANDINGS, Rows, at, in_order, standing
from cinema_cli.reports.survival.words import (
    NONE,
    first_up,
    model_words,
    p_said,
    title_of,
    with_interval,
)

MODELS = ("clinical", "clinical_cmr")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of performance as the estimates have it; `timed` where a row's level is its time."""

    analysis: str
    difference: str  # the analysis of differences between models
    name: str
    timed: bool
    decimals: int
    scale: float = 1.0


FIGURES = (
    Figure("concordance", "concordance_difference", "Harrell’s C", timed=False, decimals=3),
    Figure("concordance_uno", "", "Uno’s C", timed=False, decimals=3),
    Figure("auc", "auc_difference", "AUC", timed=True, decimals=3),
    Figure("brier", "brier_difference", "Brier score", timed=True, decimals=4),
    Figure("brier_integrated", "", "Integrated Brier score", timed=True, decimals=4),
    Figure("ipa", "", "IPA", timed=True, decimals=1, scale=100.0),
)


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A figure of performance for both models, and their difference."""

    name: str
    standing: str
    clinical: str
    both: str
    difference: str
    p: str


@dataclass(frozen=True, slots=True)
class Added:
    """What the phenotypes add: the likelihood ratio test, the figures, each phenotype's own, learned models."""

    likelihood_ratio: str
    rows: tuple[FigureRow, ...]
    null_brier: str
    learned: tuple[tuple[str, str, str], ...]  # model, concordance, folds
    by_phenotype: tuple[tuple[str, str, str, str], ...]  # phenotype, standing, concordance, likelihood ratio test
    fits: tuple[tuple[str, str, str], ...]  # model, AIC, log likelihood


@dataclass(frozen=True, slots=True)
class CalibrationPlot:
    """Calibration of one model, with its standing and figures in words."""

    title: str
    standing: str
    plot: Markup
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Usefulness:
    """Section 5: calibration and the decision curve."""

    calibrations: tuple[CalibrationPlot, ...]
    figures: tuple[tuple[str, str, str, str], ...]  # model, figure, standing, value
    decision: Markup | None
    decision_standing: str
    optimism: tuple[tuple[str, str, str, str], ...]  # model, figure, optimism, resamples


def added_section(rows: Rows, facts: SurvivalFacts) -> Added:
    """What phenotypes add to the clinical variables."""
    test = rows.one("likelihood_ratio", model="clinical_cmr")
    said = ""
    if test is not None and test.estimate is not None:
        said = f"Likelihood ratio test χ² {number(test.estimate, decimals=1)} on {test.level} df, {p_said(test.p)}."
    null = next((r for r in reversed(rows.of("brier", model="null")) if r.estimate is not None), None)
    return Added(
        likelihood_ratio=said,
        rows=tuple(_figure_rows(rows, facts)),
        null_brier="" if null is None else f"{with_interval(null, decimals=4)} at {_time(null.level, facts)}",
        learned=tuple(_learned(rows)),
        by_phenotype=tuple(_by_phenotype(rows)),
        fits=tuple(_fits(rows)),
    )


def _figure_rows(rows: Rows, facts: SurvivalFacts) -> list[FigureRow]:
    made = []
    for figure in FIGURES:
        found = [r for r in rows.of(figure.analysis) if r.model in MODELS]
        for time in in_order(r.level for r in found) if figure.timed else [""]:
            for kind in STANDINGS:
                cells = {r.model: r for r in reversed(found) if standing(r) == kind and time in {"", r.level}}
                if cells:
                    differences = rows.of(figure.difference, model="clinical_cmr")
                    apart = [r for r in differences if standing(r) == kind and time in {"", r.level}]
                    made.append(_figure_row(figure, time, kind, cells, apart, facts))
    return made


def _figure_row(
    figure: Figure,
    time: str,
    kind: str,
    cells: dict[str, Estimate],
    apart: Sequence[Estimate],
    facts: SurvivalFacts,
) -> FigureRow:
    difference = next(iter(apart), None)
    name = f"{figure.name} at {_time(time, facts)}" if time else figure.name
    said = [
        with_interval(row, decimals=figure.decimals, scale=figure.scale)
        for row in (cells.get("clinical"), cells.get("clinical_cmr"), difference)
    ]
    return FigureRow(
        name=f"{name}, %" if figure.scale == 100.0 else name,
        standing=kind,
        clinical=said[0],
        both=said[1],
        difference=said[2],
        p="" if difference is None or difference.p is None else p_said(difference.p),
    )


def _time(time: str, facts: SurvivalFacts) -> str:
    return f"{number(float(time), decimals=0 if float(time) == round(float(time)) else 1)} {facts.time_unit}"


def _learned(rows: Rows) -> list[tuple[str, str, str]]:
    made = []
    for analysis, name in (("penalised", "Elastic net on embeddings"), ("forest", "Random survival forest")):
        mean = rows.one(analysis, level="mean")
        if mean is not None:
            folds = [r for r in rows.of(analysis) if r.level != "mean" and r.estimate is not None]
            said = ", ".join(number(r.estimate, decimals=3) for r in folds)
            made.append((name, with_interval(mean, decimals=3), said))
    return made


def _by_phenotype(rows: Rows) -> list[tuple[str, str, str, str]]:
    made = []
    for row in rows.of("concordance", model="adjusted"):
        test = rows.one("likelihood_ratio", model="adjusted", term=row.group)
        said = NONE
        if test is not None and test.estimate is not None:
            said = f"χ² {number(test.estimate, decimals=1)}, {p_said(test.p)}"
        made.append((title_of(row.group), standing(row), with_interval(row, decimals=3), said))
    return made


def _fits(rows: Rows) -> list[tuple[str, str, str]]:
    made = []
    for row in rows.of("model_fit", term="aic"):
        if row.model in MODELS:
            loglik = rows.one("model_fit", model=row.model, term="loglik", group=row.group)
            said = number(loglik.estimate if loglik else None, decimals=1)
            made.append((model_words(row.model), number(row.estimate, decimals=1), said))
    return made


def usefulness_section(rows: Rows, facts: SurvivalFacts) -> Usefulness:
    """Calibration and decision curve."""
    kinds = [(r.model, standing(r)) for r in [*rows.of("calibration"), *rows.of("calibration_smooth")]]
    decision, label = _decision(rows)
    return Usefulness(
        calibrations=tuple(_calibration(rows, model, kind, facts) for model, kind in dict.fromkeys(kinds)),
        figures=tuple(_calibration_figures(rows, facts)),
        decision=decision,
        decision_standing=label,
        optimism=tuple(
            (model_words(r.model), _figure_name(r, facts), number(r.estimate, decimals=4), r.unit)
            for r in rows.of("optimism")
        ),
    )


def _figure_name(row: Estimate, facts: SurvivalFacts) -> str:
    """A figure of the bootstrap with its time."""
    name = _OPTIMISM_OF.get(row.term, row.term.replace("_", " "))
    return f"{name} at {_time(row.level, facts)}" if math.isfinite(at(row)) else name


_OPTIMISM_OF = {
    "c": "Harrell’s C",
    "slope": "Slope",
    "r2": "Nagelkerke’s R²",
    "auc": "AUC",
    "brier": "Brier score",
    "ipa": "IPA",
    "observed_expected": "Observed / expected events",
}


def _calibration(rows: Rows, model: str, kind: str, facts: SurvivalFacts) -> CalibrationPlot:
    tenths = [r for r in rows.of("calibration", model=model) if standing(r) == kind and r.estimate is not None]
    points = [r for r in rows.of("calibration_smooth", model=model) if standing(r) == kind and r.estimate is not None]
    smooth = None
    if len(points) > 1:
        points = sorted(points, key=at)
        y, lower, upper = (
            np.array([math.nan if v is None else 100.0 * v for v in values])
            for values in ([r.estimate for r in points], [r.lower for r in points], [r.upper for r in points])
        )
        smooth = Smooth(np.array([100.0 * at(r) for r in points]), y, lower, upper)
    dots = [(100.0 * at(r), _percent_interval(r)) for r in tenths]
    name = f"{first_up(model_words(model))} model"
    plot = calibration(dots, smooth, title=f"Observed against predicted risk, {name}, {kind}")
    hidden = sum(r.suppressed for r in rows.of("calibration", model=model) if r.estimate is None)
    said = [f"Suppressed tenths: {number(hidden, decimals=0)}."] if hidden else []
    return CalibrationPlot(name, kind, plot, tuple(said))


def _percent_interval(row: Estimate) -> tuple[float, float, float]:
    middle = 100.0 * (row.estimate or 0.0)
    low = middle if row.lower is None else 100.0 * row.lower
    high = middle if row.upper is None else 100.0 * row.upper
    return low, middle, high


def _calibration_figures(rows: Rows, facts: SurvivalFacts) -> list[tuple[str, str, str, str]]:
    made = []
    for analysis, name in (("observed_expected", "Observed / expected events"), ("calibration_slope", "Slope")):
        for row in rows.of(analysis):
            time = f" by {_time(row.level, facts)}" if math.isfinite(at(row)) else ""
            made.append((model_words(row.model), name + time, standing(row), with_interval(row, decimals=2)))
    return made


def _decision(rows: Rows) -> tuple[Markup | None, str]:
    every = [r for r in rows.of("decision_curve") if r.estimate is not None and math.isfinite(at(r))]
    if not every:
        return None, ""
    lines = []
    for model in in_order(r.model for r in every):
        points = sorted((r for r in every if r.model == model), key=at)
        x, y = np.array([[100.0 * at(r), 100.0 * (r.estimate or 0.0)] for r in points]).T
        lines.append((model_words(model), x, y))
    kinds = in_order(standing(r) for r in every if r.model in MODELS)
    label = " and ".join(kinds) or APPARENT
    return decision_curve(lines, title=f"Net benefit over the risk threshold, {label}"), label
