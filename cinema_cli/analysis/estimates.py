"""The one tidy table that every number of a report comes from: its columns, its kinds of rows, their meaning."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from operator import attrgetter

import polars as pl

SCHEMA: dict[str, pl.DataType] = {
    "analysis": pl.String(),  # one of ANALYSES
    "outcome": pl.String(),  # name of the event column, or of the competing one
    "model": pl.String(),
    "term": pl.String(),
    "group": pl.String(),
    "level": pl.String(),
    "n": pl.Int64(),
    "events": pl.Int64(),
    "estimate": pl.Float64(),
    "lower": pl.Float64(),  # 95 % confidence limits, unless ANALYSES says otherwise
    "upper": pl.Float64(),
    "se": pl.Float64(),
    "p": pl.Float64(),
    "q": pl.Float64(),  # p adjusted for several phenotypes or gaps
    "unit": pl.String(),
    "suppressed": pl.Boolean(),  # whether numbers of this row were taken out by disclosure control
    "rounded": pl.Int64(),  # smallest cell with which numbers of this row were rounded; missing: none was
}

SURVIVAL_ANALYSES: dict[str, str] = {
    "flow": "Participants: term is the step or the reason, level `kept` or `left out`, n how many; in order.",
    "follow_up": "Median follow-up (term `median`; `q1`, `q3` the quartiles) by reverse Kaplan-Meier, in unit.",
    "person_time": "Time at risk of all people together, in unit; events: people with one; group as in table_one.",
    "rate": "Events per 1,000 units of person-time with the exact Poisson interval; group as in table_one.",
    "table_one": "Term is a variable, level its category or empty, group `` or `name=value`, model the statistic: "
    "mean, sd, median, q1, q3, count, percent, missing, missing_percent, smd.",
    "kaplan_meier": "Share without the event at the time in level; model `quantile` (term a phenotype, group its "
    "quarter) or `group` (term a column, group `name=value`) or `overall`; n at risk just before, events until then.",
    "survival_quantile": "Time by which the share in level had the event, rounded up to a time of the curves, or where "
    "lines between released points come down to it (rounded is set); missing: not reached; model, term, group as in "
    "kaplan_meier.",
    "rmst": "Restricted mean time without the event up to the time in level; model, term, group as in kaplan_meier.",
    "log_rank": "Log-rank chi-squared between the curves of a term; level its degrees of freedom; model as there.",
    "gray": "Gray's chi-squared between the cumulative incidences of the outcome; otherwise as log_rank.",
    "cumulative_incidence": "Aalen-Johansen probability of the outcome by the time in level; otherwise as "
    "kaplan_meier.",
    "cox": "Hazard ratio of term per unit; se is that of the log hazard ratio. Model unadjusted, adjusted, age_scale "
    "(age as time scale), clinical or clinical_cmr, the first three with `_complete_case` after them where values were "
    "imputed (unadjusted and adjusted are pooled then); group is empty for a phenotype, and for a covariate the "
    "phenotype whose model it stands in.",
    "e_value": "Risk ratio that an unmeasured confounder needs with both to explain the hazard ratio of term away; "
    "lower: to move its nearer limit to 1.",
    "fine_gray": "Subdistribution hazard ratio, as cox.",
    "model_fit": "Term aic, loglik or events_per_term; model and group as in cox.",
    "likelihood_ratio": "Chi-squared of a model against the one without term (clinical_cmr: against clinical); level "
    "its degrees of freedom.",
    "wald": "Robust Wald chi-squared of term in a model of clustered or weighted rows, as likelihood_ratio elsewhere.",
    "concordance": "Harrell's C of a model; level `apparent` or `optimism-corrected`; group the phenotype.",
    "concordance_uno": "Uno's C up to the horizon; otherwise as concordance.",
    "concordance_difference": "C of a model less that of the clinical model; level and group as in concordance.",
    "auc": "Area under the ROC curve at the time in level; group `apparent` or `optimism-corrected`.",
    "auc_difference": "Less that of the clinical model, same time.",
    "brier": "Brier score at the time in level; model `null` too; group as in auc.",
    "brier_difference": "Less that of the clinical model, same time.",
    "brier_integrated": "Integrated Brier score from 0 to the time in level; otherwise as brier.",
    "ipa": "Index of prediction accuracy, 1 - Brier / Brier of the null model, at the time in level.",
    "optimism": "How much an apparent figure (term) flatters, by bootstrap; model as in cox; level the horizon where "
    "there is one; se its Monte-Carlo error.",
    "proportional_hazards": "Chi-squared of the exact score test for a term, GLOBAL for all; level degrees of "
    "freedom; model and group as in cox.",
    "schoenfeld": "Log hazard ratio of term per unit over time (level), smoothed scaled Schoenfeld residuals.",
    "spline": "Hazard ratio of a phenotype at the value in level against its median, restricted cubic spline.",
    "nonlinearity": "Chi-squared of the curved part of a spline; level degrees of freedom.",
    "calibration": "Observed risk at the horizon in a tenth (group `1` to `10`) of predicted risk (level); model. "
    "Predictions are of people whom their model has not seen (unit `held-out`), also in the next rows.",
    "calibration_smooth": "Observed risk at the horizon where the predicted risk is level, smooth.",
    "calibration_slope": "Slope of the linear predictor; group `held-out` or `optimism-corrected`.",
    "observed_expected": "Observed over expected events by the horizon (level); group as in calibration_slope.",
    "decision_curve": "Net benefit at the risk threshold in level; model clinical, clinical_cmr, all or none; n and "
    "events (by the horizon) are those of people above the threshold.",
    "second_opinion": "Largest difference of our Cox coefficients from those of lifelines, relative to their SE.",
    "imputation": "Share of information that is missing (fmi) of a pooled coefficient.",
    "penalised": "Cox with elastic net on embeddings: C in held-out people by fold (level), or `mean`.",
    "forest": "Random survival forest: C in held-out people by fold (level), or `mean`.",
    "not_estimable": "Term names what could not be estimated, level the reason in words; model and group as in cox.",
}

EVALUATION_ANALYSES: dict[str, str] = {
    "evaluation": "Mean of a metric (model: dice, iou, hd95_mm, asd_mm, volume_error_ml, landmark_mm, mae, ...) over n "
    "studies with the interval of the mean; term a structure, number or landmark, or `mean` over structures; level the "
    "frame; group `` or `name=value`. Model `<metric>_median`: the median, with its quartiles in lower and upper.",
    "counts": "How many (n) comparisons of a class (term) at a frame (level) were not whole: model empty_truth, "
    "empty_prediction, both_empty, no_prediction or no_reference.",
    "agreement": "Of a phenotype (term), prediction less reference: model bias, mae, rmse, sd, loa_lower, loa_upper, "
    "icc21, icc31, r2, slope (of the difference on the mean) or middle (mean of both, where that line meets the bias); "
    "group as in evaluation.",
    "bland_altman": "A cell with n people: the mean of both is within level (`60 to 70`), the difference within lower "
    "and upper, in whose middle estimate is; level `elsewhere`: people in cells that are too small. Where people may "
    "be shown, one of them: difference (estimate) and mean of both (level). Term a phenotype, model `agreement` or "
    "`repeatability`.",
    "classification": "Of a head or of categories of EF (term): model accuracy, mcc, f1, auc, sensitivity, "
    "specificity, ppv, npv, brier, calibration_slope or calibration_intercept (of the logit of the probability); level "
    "the class or threshold, empty for all; events are people of the class. Where rounded is set, rates come from "
    "mistakes and people of classes as its multiples.",
    "roc": "True positive rate (estimate) at the false positive rate in level; term a head, model the class. Where "
    "rounded is set, the rate is in a round unit of about so many people.",
    "difference": "This system less the other, paired by study: mean with the interval and p of the paired t test "
    "(auc: DeLong's; where no one was judged by both, Welch's t, and level ends in `(of other people)`); model the "
    "metric (mae: absolute error), term and level as in evaluation. Model "
    "`<metric>_wilcoxon`: the signed-rank p alone; `<metric>_bootstrap`: the mean with its interval by resampling; "
    "`<metric>_this`, `<metric>_other` (also bias): the mean of each system in these studies.",
    "non_inferiority": "The same difference against the margin in level (group the frame): p of the one-sided test, "
    "the verdict in unit.",
    "repeatability": "Of a phenotype (term) measured twice: model cov_rms (the paper's), cov_log, cov_wsd (shares, "
    "not percent), wsd, rc, icc21, icc31, bias (first less second), sd, loa_lower or loa_upper; n pairs; group as in "
    "evaluation. Who is left out: flow rows of model `repeatability`.",
    "group_metric": "A metric (model) of a target (term) in one group (`name=value`, `a=x & b=y`; empty: everybody), n "
    "people, events of a share. Model `people`: n alone; `unknown`: n whose group in a column (term) is not known.",
    "gap": "Largest less smallest value of a metric (model) of a target (term) between the groups of a column (group); "
    "p by permutation (or where unit says so from standard errors), simultaneous limits, q over all gaps of the page.",
    "ratio": "Smallest over largest value, otherwise as gap.",
    "worst_group": "The worst value between the groups of a column; level names the group; otherwise as gap.",
    "skewed_error_ratio": "Largest over smallest error between the groups of a column; otherwise as gap.",
    "gap_null": "Mean gap when groups are permuted: what chance alone shows; lower and upper its 2.5 and 97.5 %.",
    "ratio_null": "The same of ratio.",
    "worst_group_null": "The same of worst_group.",
    "skewed_error_ratio_null": "The same of skewed_error_ratio.",
    "gap_adjusted": "Gap between the groups once the covariates named in level are held equal; Wald's p.",
    "interaction": "Likelihood ratio chi-squared of term by group in a model of the outcome; level degrees of freedom.",
    "too_few": "A group whose number is not given: model the metric, term the target, level the reason in words.",
}

ANALYSES: dict[str, str] = SURVIVAL_ANALYSES | EVALUATION_ANALYSES  # what any page's table may hold


@dataclass(frozen=True, slots=True)
class Estimate:
    """One row of the table; see ANALYSES for what its words mean."""

    analysis: str
    outcome: str = ""
    model: str = ""
    term: str = ""
    group: str = ""
    level: str = ""
    n: int | None = None
    events: int | None = None
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    se: float | None = None
    p: float | None = None
    q: float | None = None
    unit: str = ""
    suppressed: bool = False
    rounded: int | None = None

    def __post_init__(self) -> None:
        """A kind of row that nobody described is a fault of the program."""
        if self.analysis not in ANALYSES:
            raise ValueError(f"no analysis {self.analysis!r}")


COLUMNS = tuple(field.name for field in fields(Estimate))
_values = attrgetter(*COLUMNS)


def table_of(rows: Iterable[Estimate]) -> pl.DataFrame:
    """Rows as a table of SCHEMA, in their order; what is not finite is missing."""
    table = pl.DataFrame([_values(row) for row in rows], schema=SCHEMA, orient="row")
    numbers = pl.col(pl.Float64)
    return table.with_columns(pl.when(numbers.is_finite()).then(numbers).otherwise(None).name.keep())
