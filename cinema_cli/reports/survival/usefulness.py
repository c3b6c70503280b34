"""Section 5 of the page: whether predicted risks hold, and what acting on them would bring."""

import math
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.effect_charts import Smooth, calibration, decision_curve
from cinema_cli.reports.analysis.rows import APPARENT, Rows, at, in_order, standing
from cinema_cli.reports.analysis.words import first_up, model_words, with_interval
from cinema_cli.reports.render import number
from cinema_cli.reports.survival.facts import SurvivalFacts
from cinema_cli.reports.survival.prediction import MODELS, time_of


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
    return f"{name} at {time_of(row.level, facts)}" if math.isfinite(at(row)) else name


_OPTIMISM_OF = {
    "c": "Harrell’s C",
    "slope": "Slope",
    "r2": "Nagelkerke’s R²",
    "d": "Discrimination index D",
    "u": "Unreliability index U",
    "q": "Quality index Q",
    "g": "Gini’s mean difference g",
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
            time = f" by {time_of(row.level, facts)}" if math.isfinite(at(row)) else ""
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
