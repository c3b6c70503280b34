"""Metrics and targets of evaluation and fairness as people read them: names, units, decimals, which way is better."""

from collections.abc import Iterable
from dataclasses import dataclass

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.words import first_up, title_of, unit_of
from cinema_cli.reports.render import words

STRUCTURES = {
    "lv": "LV cavity",
    "myo": "LV myocardium",
    "rv": "RV cavity",
    "epi": "LV with myocardium",
    "mean": "Mean of structures",
    "all": "Everything",
}
FRAMES = {"ed": "ED", "es": "ES", "": ""}
HIGHER, LOWER = "higher", "lower"
CATEGORY = "_category"  # end of the name of what classes of a percentage are called
POINTS = "percentage points"
OF_TERM = "of the term"  # the unit is that of what is measured


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric for a reader."""

    title: str
    unit: str = ""  # as printed, or OF_TERM
    decimals: int = 3
    better: str = ""  # HIGHER, LOWER, or "" where neither is
    share: bool = False  # a share from 0 to 1, printed as percent


METRICS: dict[str, Metric] = {
    "dice": Metric("Dice", better=HIGHER),
    "iou": Metric("IoU", better=HIGHER),
    "hd95_mm": Metric("95% Hausdorff distance", "mm", 1, LOWER),
    "asd_mm": Metric("Average surface distance", "mm", 2, LOWER),
    "volume_error_ml": Metric("Volume error", "ml", 1),
    "volume_ml": Metric("Volume", "ml", 1),
    "volume_absolute_error_ml": Metric("Absolute volume error", "ml", 1, LOWER),
    "landmark_mm": Metric("Distance of the landmark", "mm", 1, LOWER),
    "distance_mm": Metric("Distance of the landmark", "mm", 1, LOWER),
    "bias": Metric("Bias", OF_TERM, 1),
    "mae": Metric("Mean absolute error", OF_TERM, 1, LOWER),
    "value": Metric("Error", OF_TERM, 1),
    "rmse": Metric("Root mean square error", OF_TERM, 1, LOWER),
    "sd": Metric("SD of the difference", OF_TERM, 1, LOWER),
    "r2": Metric("R²", better=HIGHER),
    "slope": Metric("Proportional bias", decimals=3),
    "icc": Metric("ICC", better=HIGHER),
    "icc21": Metric("ICC(2,1)", better=HIGHER),
    "icc31": Metric("ICC(3,1)", better=HIGHER),
    "accuracy": Metric("Accuracy", "%", 1, HIGHER, share=True),
    "sensitivity": Metric("Sensitivity", "%", 1, HIGHER, share=True),
    "specificity": Metric("Specificity", "%", 1, HIGHER, share=True),
    "ppv": Metric("Positive predictive value", "%", 1, HIGHER, share=True),
    "npv": Metric("Negative predictive value", "%", 1, HIGHER, share=True),
    "f1": Metric("F1", better=HIGHER),
    "mcc": Metric("MCC", better=HIGHER),
    "auc": Metric("AUC", better=HIGHER),
    "brier": Metric("Brier score", better=LOWER),
    "observed_expected": Metric("Observed / expected", decimals=2),
    "calibration_slope": Metric("Calibration slope", decimals=2),
    "calibration_intercept": Metric("Calibration in the large", decimals=2),
    "concordance": Metric("Harrell’s C", better=HIGHER),
    "c_index": Metric("Harrell’s C", better=HIGHER),
    "hazard_ratio": Metric("Hazard ratio per SD", decimals=2),
    "cov_rms": Metric("Coefficient of variation", "%", 1, LOWER, share=True),
    "cov_log": Metric("Coefficient of variation, logarithmic", "%", 1, LOWER, share=True),
    "cov_wsd": Metric("Coefficient of variation, SD over mean", "%", 1, LOWER, share=True),
    "wsd": Metric("Within-subject SD", OF_TERM, 1, LOWER),
    "rc": Metric("Repeatability coefficient", OF_TERM, 1, LOWER),
    "loa_lower": Metric("Lower limit of agreement", OF_TERM, 1),
    "loa_upper": Metric("Upper limit of agreement", OF_TERM, 1),
    "failed": Metric("Analysis failed", "%", 1, LOWER, share=True),
    "missing": Metric("Value missing", "%", 1, LOWER, share=True),
    "flagged": Metric("Quality flag", "%", 1, LOWER, share=True),
    "no_reference": Metric("Without a reference", "%", 1, LOWER, share=True),
    "no_prediction": Metric("Without a prediction", "%", 1, LOWER, share=True),
    "no_outcome": Metric("Without an outcome", "%", 1, LOWER, share=True),
    "disagreement": Metric("Seeds disagree", decimals=2, better=LOWER),
}
_UNITS = {"mm": "mm", "ml": "ml", "pct": "%", "g": "g", "ms": "ms"}


def metric_of(name: str) -> Metric:
    """The metric; one that nobody described is printed in the words of its name, the unit from its last part."""
    found = METRICS.get(name)
    if found is not None:
        return found
    front, _, last = name.rpartition("_")
    unit = _UNITS.get(last, "") if front else ""
    return Metric(first_up(words(front if unit else name) or name), unit, 1 if unit else 3)


def target_of(term: str) -> str:
    """What a metric is of: a structure, a phenotype (`lvef_pct`, `lvef_pct ed`), or a column as its user wrote it."""
    name, _, frame = term.rpartition(" ")
    if frame in FRAMES and name:
        return at_frame(name, frame)
    category = f"{term.removesuffix(CATEGORY)}_pct"
    return STRUCTURES.get(term) or (f"Category of {title_of(category)}" if term.endswith(CATEGORY) else title_of(term))


def at_frame(term: str, frame: str) -> str:
    """`LV cavity, ED`."""
    moment = frame_of(frame)
    return ", ".join(part for part in (target_of(term), moment) if part)


def frame_of(frame: str) -> str:
    """`ED`, `ES`, `frame 7`."""
    return FRAMES[frame] if frame in FRAMES else f"frame {frame}" if frame.isdigit() else frame


def frames_in_order(frames: Iterable[str]) -> list[str]:
    """Each frame once: ED, ES, then the others as they come."""
    moments = list(FRAMES)
    return sorted(dict.fromkeys(frames), key=lambda frame: moments.index(frame) if frame in FRAMES else len(moments))


def unit_words_of(metric: Metric, term: str) -> str:
    """The unit of a metric of a term as printed, that of errors of percentages too; "" where there is none."""
    if metric.unit != OF_TERM:
        return metric.unit
    name = term.partition(" ")[0]
    unit = unit_of(name) or _UNITS.get(name.rpartition("_")[2], "")
    return POINTS if unit == "%" else unit


def metric_words(name: str, term: str = "") -> str:
    """A metric with its unit: `Mean absolute error, ml`."""
    metric = metric_of(name)
    unit = unit_words_of(metric, term) if term or metric.unit != OF_TERM else ""
    return f"{metric.title}, {unit}" if unit else metric.title


def scale_of(metric: Metric, row: Estimate) -> float:
    """What a row's numbers are multiplied with for print: 100 for shares, unless the row has percent already."""
    return 100.0 if metric.share and row.unit != "%" else 1.0
