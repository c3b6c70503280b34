"""Last section: what was done and how each figure is defined, said only of what was done."""

from cinema_cli.analysis.evaluation.against import OTHER_PEOPLE
from cinema_cli.reports.analysis.facts import disclosure_words
from cinema_cli.reports.analysis.rows import Rows
from cinema_cli.reports.analysis.words import listed, title_of
from cinema_cli.reports.evaluation.facts import EvaluationFacts
from cinema_cli.reports.evaluation.summary import only_repeats
from cinema_cli.reports.render import number


def method_paragraphs(rows: Rows, facts: EvaluationFacts) -> list[tuple[str, str]]:
    """(heading, text) of each step that the estimates show was taken."""
    paragraphs = [
        ("Comparison", _comparison(rows, facts)),
        ("Masks", _masks(rows)),
        ("Empty masks", _empty(rows)),
        ("Means and medians", _means(rows)),
        ("Agreement of numbers", _agreement(rows)),
        ("Classes", _classes(rows)),
        ("Two systems", _against(rows, facts)),
        ("Repeatability", _repeat(rows, facts)),
        ("Disclosure control", disclosure_words(suppressed=facts.suppressed, min_cell=facts.min_cell)),
        ("Software", f"Computed with cinema {facts.version}{_versions(facts)}; random seed {facts.seed}."),
    ]
    return [(heading, said) for heading, said in paragraphs if said]


def _versions(facts: EvaluationFacts) -> str:
    said = ", ".join(f"{name} {version}" for name, version in facts.versions if name != "cinema")
    return f" ({said})" if said else ""


def _models(rows: Rows, analysis: str) -> set[str]:
    return {row.model for row in rows.of(analysis)}


def _comparison(rows: Rows, facts: EvaluationFacts) -> str:
    said = []
    if not only_repeats(rows):
        said.append(
            f"Predictions of {facts.this} were compared with {facts.reference or 'the reference'}, study by study."
        )
    if facts.labels:
        said.append(f"Labels of the reference were read by the map “{facts.labels}”.")
    if facts.groups:
        said.append(f"Groups: {listed([title_of(g) for g in facts.groups])}.")
    return " ".join(said)


def _masks(rows: Rows) -> str:
    models = _models(rows, "evaluation")
    said = []
    if "dice" in models:
        said.append("Dice is twice the overlap over the sum of both volumes of a structure at a frame.")
    if "iou" in models:
        said.append("IoU is the overlap over the union.")
    if "hd95_mm" in models:
        said.append(
            "The 95% Hausdorff distance is the 95th percentile of distances between surface voxels, in mm of the "
            "study’s own spacing: that of each direction, linear between values, and the larger of the two."
        )
    if "asd_mm" in models:
        said.append("The average surface distance is the mean of these distances in both directions.")
    if "volume_error_ml" in models:
        said.append("Volume error is prediction less reference.")
    if said and any(row.term == "mean" for row in rows.of("evaluation")):
        said.append("The mean of structures is taken within a study over the structures whose metric is defined.")
    return " ".join(said)


def _empty(rows: Rows) -> str:
    if not _models(rows, "evaluation") & {"dice", "iou", "hd95_mm", "asd_mm"}:
        return ""
    return (
        "Where the reference does not have a structure, Dice and IoU are not defined, whatever was predicted; where "
        "the reference has it and the prediction has none of it, both are 0. Surface distances are defined only where "
        "both have it. Volume errors are always defined. All such comparisons are counted above."
    )


def _means(rows: Rows) -> str:
    models = _models(rows, "evaluation")
    if not models:
        return ""
    said = ["Means have 95% confidence intervals by Student’s t, studies of one person counting as a cluster."]
    if any(model.endswith("_median") for model in models):
        said.append("Medians stand with their quartiles, linear between values.")
    return " ".join(said)


def _agreement(rows: Rows) -> str:
    models = _models(rows, "agreement")
    said = []
    if "bias" in models:
        said.append("Bias is the mean of prediction less reference, its interval by Student’s t.")
    if "loa_lower" in models:
        said.append(
            "Limits of agreement are bias ± 1.96 SD (Bland and Altman), with exact intervals for normal differences."
        )
    if "mae" in models:
        said.append("MAE is the mean absolute error.")
    if "rmse" in models:
        said.append("RMSE is the root of the mean square error.")
    if models & {"icc21", "icc31"}:
        said.append("ICC(2,1) is that of absolute agreement, ICC(3,1) that of consistency (Shrout and Fleiss).")
    if "r2" in models:
        said.append("R² is the share of the reference’s variance explained: 1 less the ratio of both sums of squares.")
    if "slope" in models:
        said.append("The slope of the difference on the mean of the two tells a proportional bias.")
    return " ".join(said)


def _classes(rows: Rows) -> str:
    models = _models(rows, "classification")
    said = []
    if models & {"sensitivity", "specificity", "ppv", "npv", "accuracy"}:
        said.append("Shares have Wilson intervals.")
    if base := max((row.rounded or 0 for row in rows.of("classification") if row.model == "accuracy"), default=0):
        said.append(
            f"For disclosure control shares, F1 and MCC come from a confusion matrix whose mistakes, of each kind, and "
            f"people of each class are rounded to multiples of {base}; ROC curves are as coarse."
        )
    if "auc" in models:
        said.append(
            "The AUC has DeLong’s standard error on the scale of the logit, from 10 people of each class on; over "
            "several classes it is the mean over pairs (one against one)."
        )
    if "mcc" in models:
        said.append("MCC is Matthews’ correlation coefficient.")
    if rows.of("classification") and rows.of("calibration"):
        said.append("Calibration compares predicted probability with the share observed.")
    return " ".join(said)


def _against(rows: Rows, facts: EvaluationFacts) -> str:
    models = _models(rows, "difference")
    if not models:
        return ""
    said = [
        f"This system and {facts.against or 'the other'} are compared on the studies that both could be judged on; "
        "differences are this less the other, with intervals and p of the paired t test over people."
    ]
    if any(row.level.endswith(OTHER_PEOPLE) for row in rows.of("difference")):
        said.append("Areas under the ROC curve of different people are compared by Welch’s t on DeLong’s errors.")
    if any(m.endswith("_wilcoxon") for m in models):
        said.append("Beside it stands the Wilcoxon signed-rank test.")
    if any(m.endswith("_bootstrap") for m in models):
        times = f" ({number(facts.n_resamples, decimals=0)} resamples)" if facts.n_resamples else ""
        said.append(f"The second interval is by bootstrap over people{times}.")
    if rows.of("non_inferiority"):
        said.append(
            "Non-inferiority is a one-sided test at 2.5% that the system is not worse by the margin or more: it is "
            "shown where the 95% interval stays within the margin. A margin must be chosen before the data are seen."
        )
    return " ".join(said)


def _repeat(rows: Rows, facts: EvaluationFacts) -> str:
    models = _models(rows, "repeatability")
    if not models:
        return ""
    said = [f"Repeated measurements: {facts.repeats}."] if facts.repeats else []
    if "cov_rms" in models:
        said.append(
            "The coefficient of variation (CoV) is that of the CineMA paper: the root of the mean over people of "
            "((a − b)² / 2) / ((a + b) / 2)²."
        )
    if "cov_log" in models:
        said.append("The logarithmic one is exp of the within-subject SD of logarithms, less 1.")
    if "cov_wsd" in models:
        said.append("The third is the within-subject SD over the mean of all measurements.")
    if "wsd" in models:
        said.append("The within-subject SD is the root of half the mean squared difference.")
    if "rc" in models:
        said.append("Two measurements of a person differ by less than the repeatability coefficient in 95% of people.")
    return " ".join(said)
