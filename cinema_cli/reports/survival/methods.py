"""Section 8 of the page: what was done, in words that a paper can take over, said only of what was done."""

from cinema_cli.reports.analysis.rows import CORRECTED, HELD_OUT, Rows, standing
from cinema_cli.reports.analysis.words import bare_model, listed, model_words, title_of
from cinema_cli.reports.render import number
from cinema_cli.reports.survival.facts import SurvivalFacts
from cinema_cli.reports.survival.hazards import phenotypes_of
from cinema_cli.reports.survival.prediction import MODELS, compares, test_of


def method_paragraphs(rows: Rows, facts: SurvivalFacts) -> list[tuple[str, str]]:
    """(heading, text) of each step that the estimates show was taken."""
    paragraphs = [
        ("Outcome and follow-up", _follow_up(rows, facts)),
        ("Survival curves", _curves(rows, facts)),
        ("Hazard ratios", _cox(rows, facts)),
        ("Sensitivity analyses", _sensitivity(rows)),
        ("Assumptions", _assumptions(rows)),
        ("Prediction", _prediction(rows, facts)),
        ("Learned models", _learned(rows)),
        ("Missing data", _missing(rows, facts)),
        ("Several phenotypes", _multiple(rows, facts)),
        ("Disclosure control", _disclosure(facts)),
        ("Software", _software(rows, facts)),
    ]
    return [(heading, said) for heading, said in paragraphs if said]


def _names(columns: tuple[str, ...]) -> str:
    return listed([title_of(c) for c in columns])


def _follow_up(rows: Rows, facts: SurvivalFacts) -> str:
    said = [f"The outcome was {facts.event}; time was measured in {facts.time_unit}."]
    if facts.entry:
        said.append("People entered observation late: each was at risk from their entry only.")
    if rows.of("follow_up"):
        said.append("Median follow-up was estimated by the reverse Kaplan-Meier method.")
    if rows.of("rate"):
        said.append("Rates are events over person-time, with exact Poisson confidence intervals.")
    if any(r.model == "smd" for r in rows.of("table_one")):
        said.append("Groups are compared by standardised mean differences, not by tests.")
    return " ".join(said)


def _curves(rows: Rows, facts: SurvivalFacts) -> str:
    said = []
    if rows.of("kaplan_meier"):
        said.append("Survival curves were estimated by the Kaplan-Meier method, with log-log confidence intervals;")
        said.append("phenotypes were cut at their quartiles.")
    if rows.of("log_rank"):
        said.append("Curves were compared by log-rank tests.")
    if rows.of("cumulative_incidence"):
        name = facts.competing or "the competing event"
        said.append(f"Cumulative incidence in the presence of {name} was estimated by the Aalen-Johansen method.")
    if rows.of("rmst"):
        said.append("Restricted mean times are areas under the curves, with Greenwood’s variance.")
    if said and facts.weights:
        said.append("Curves, log-rank tests, rates and restricted means are unweighted.")
    if said and facts.cluster:
        said.append("Intervals of curves and rates, and log-rank tests, take rows as independent, clusters or not.")
    return " ".join(said)


def _cox(rows: Rows, facts: SurvivalFacts) -> str:
    if not rows.of("cox"):
        return ""
    per = "standard deviation" if facts.per == "sd" else "unit"
    said = [
        f"Hazard ratios per {per} of each phenotype were estimated by Cox proportional hazards models, ties handled "
        "by Efron’s method, one model a phenotype"
    ]
    said[0] += f", unadjusted and adjusted for {_names(facts.covariates)}." if facts.covariates else ", unadjusted."
    if facts.strata:
        said.append(f"The baseline hazard was stratified by {_names(facts.strata)}.")
    if facts.cluster:
        said.append(f"Standard errors are robust, clustered by {title_of(facts.cluster)}.")
    if facts.few_clusters:
        said.append(f"There are {facts.few_clusters} clusters: with so few, robust standard errors are too small.")
    if facts.weights:
        said.append(f"Rows were weighted by {title_of(facts.weights)} in Cox models and their concordance alone.")
    said.append("Confidence intervals are 95% Wald intervals and p values are two-sided.")
    return " ".join(said)


def _sensitivity(rows: Rows) -> str:
    said = []
    if any(bare_model(r.model) == "age_scale" for r in rows.of("cox")):
        said.append("Models were refitted with age as the time scale, people entering at their age at the start.")
    if rows.of("fine_gray"):
        said.append(
            "Subdistribution hazard ratios of Fine and Gray were estimated by weighting those with the competing event "
            "by the inverse probability of censoring, with robust standard errors."
        )
    return " ".join(said)


def _assumptions(rows: Rows) -> str:
    said = []
    if rows.of("proportional_hazards"):
        said.append(
            "Proportional hazards were tested by the score test of Grambsch and Therneau, for each term and globally, "
            "and looked at in smoothed scaled Schoenfeld residuals."
        )
    if rows.of("spline"):
        said.append(
            "The shape of each association was estimated with restricted cubic splines, knots at the percentiles that "
            "Harrell recommends; the test of non-linearity is that of the curved terms."
        )
    return " ".join(said)


def _prediction(rows: Rows, facts: SurvivalFacts) -> str:
    names = measures(rows)
    if not names:
        return _discrimination(rows)
    if compares(rows):
        test = test_of(rows, model="clinical_cmr", term="")
        tested = {"likelihood_ratio": "the likelihood ratio test", "wald": "a robust Wald test"}
        by = [tested[test.analysis], *names] if test is not None else names
        said = [f"A model with the clinical variables was compared with one that adds the phenotypes, by {listed(by)}."]
    else:
        said = [f"A model of the phenotypes alone, all together, was judged by {listed(names)}."]
    if facts.competing:
        said.append(
            f"Competing events ({title_of(facts.competing)}) count as censorings in Cox models, prediction, "
            "calibration and decision curves: risks there are those that people would have if nothing competed."
        )
    if facts.horizon is not None and (rows.of("auc") or rows.of("calibration")):
        said.append(f"The horizon of predictions was {facts.horizon:g} {facts.time_unit}.")
    if rows.of("auc") or rows.of("brier"):
        said.append("AUC and Brier score were weighted by the inverse probability of censoring.")
    if rows.of("calibration") or rows.of("calibration_smooth"):
        said.append(
            "Calibration compares predicted risk with the observed risk by the Kaplan-Meier method in tenths of "
            "predicted risk, and with a smooth curve."
        )
        if facts.cluster:
            said.append("Its limits take rows as independent, clusters or not.")
    if rows.of("decision_curve"):
        said.append("Net benefit was computed over a range of risk thresholds, against treating everyone or nobody.")
    corrected = any(standing(r) == CORRECTED for kind in _PERFORMANCE for r in rows.of(kind))
    if corrected and (resamples := resamples_words(rows, facts)):
        said.append(
            f"Figures called optimism-corrected subtract the optimism found by refitting in {resamples} bootstrap "
            "resamples."
        )
    if any(standing(r) == HELD_OUT for kind in _PERFORMANCE for r in rows.of(kind)):
        said.append(
            "Figures called held-out are of predictions for each person by a model that had not seen this person, "
            "by cross-validation."
        )
    said.append("Figures called apparent are of the people the model was fitted to.")
    return " ".join(said)


def _discrimination(rows: Rows) -> str:
    """Where there is no model of all phenotypes together."""
    if not rows.of("concordance"):
        return ""
    return "Discrimination of the model of each phenotype is Harrell’s C in the people it was fitted to (apparent)."


def measures(rows: Rows) -> list[str]:
    """The figures of performance of the model of all phenotypes that the page has."""
    return [name for name, analysis in _MEASURES if any(r.model in MODELS for r in rows.of(analysis))]


def resamples_words(rows: Rows, facts: SurvivalFacts) -> str:
    """How many resamples gave the optimism: `40`, or `37 of 40` where some could not be fitted."""
    told = (row.unit.split(" ")[0] for row in rows.of("optimism"))
    found = sorted({int(word) for word in told if word.isdigit()})
    if not found:
        return number(facts.n_resamples, decimals=0) if facts.n_resamples else ""
    words = " to ".join(number(n, decimals=0) for n in dict.fromkeys((found[0], found[-1])))
    asked = facts.n_resamples
    return f"{words} of {number(asked, decimals=0)}" if found[0] < asked else words


_MEASURES = (
    ("Harrell’s C", "concordance"),
    ("Uno’s C", "concordance_uno"),
    ("the time-dependent AUC", "auc"),
    ("the Brier score", "brier"),
    ("the index of prediction accuracy (IPA)", "ipa"),
)
_PERFORMANCE = ("concordance", "concordance_uno", "auc", "brier", "calibration", "calibration_slope", "decision_curve")


def _learned(rows: Rows) -> str:
    said = []
    if rows.of("penalised"):
        said.append(
            "Cox models with an elastic net were trained on the embeddings of the images, standardised within the "
            "training people, and scored in people held out, their penalty chosen by an inner cross-validation."
        )
    if rows.of("forest"):
        said.append("A random survival forest was scored in people held out.")
    return " ".join(said)


def _missing(rows: Rows, facts: SurvivalFacts) -> str:
    if not facts.n_imputations:
        return "Each analysis is of the people with values of all its variables (complete cases); its n is beside it."
    said = (
        f"Missing values were imputed {number(facts.n_imputations, decimals=0)} times by chained equations, the "
        "outcome among the predictors as the event and the Nelson-Aalen cumulative hazard."
    )
    if not rows.of("imputation"):
        return f"{said} No hazard ratio could be pooled: all are of complete cases."
    return (
        f"{said} Hazard ratios of the unadjusted and adjusted models, and E-values, were pooled by Rubin’s rules. "
        "Other figures of models are of the people with values of all their variables (complete cases)."
    )


def _multiple(rows: Rows, facts: SurvivalFacts) -> str:
    if len(phenotypes_of(rows)) < 2 or not any(r.q is not None for r in rows.of("cox")):
        return ""
    method = facts.multiplicity
    return f"Across phenotypes, q values control {method.controls} ({method.words})."


def _disclosure(facts: SurvivalFacts) -> str:
    if not facts.suppressed:
        return ""
    n = number(facts.min_cell - 1, decimals=0)
    return (
        f"Counts from 1 to {n} people and what is computed from them are suppressed; counts from which they could be "
        f"found are rounded to multiples of {facts.min_cell}, or suppressed too. Curves have points where as many "
        f"events came since the last one; numbers at risk are rounded likewise, and curves of parts of the people to "
        f"about as many."
    )


def _software(rows: Rows, facts: SurvivalFacts) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions if name != "cinema")
    said = [f"Computed with cinema {facts.version}{f' ({versions})' if versions else ''}; random seed {facts.seed}."]
    second = [r for r in rows.of("second_opinion") if r.estimate is not None]
    if second:
        worst = max(second, key=lambda r: r.estimate or 0.0)
        models = listed([model_words(m) for m in dict.fromkeys(r.model for r in second) if m])
        said.append(
            f"Cox coefficients{f' ({models})' if models else ''} agree with those of lifelines to "
            f"{worst.estimate:.1e} of their standard errors."
        )
    return " ".join(said)
