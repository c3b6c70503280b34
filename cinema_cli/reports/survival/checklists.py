"""What a survival analysis answers of the reporting checklists, with the section that shows it."""

from cinema_cli.reports.analysis.checklist_items import CLAIM, RECORD, STROBE, TRIPOD_AI
from cinema_cli.reports.analysis.checklists import Answer, Checklist, filled
from cinema_cli.reports.analysis.rows import CORRECTED, Rows, standing
from cinema_cli.reports.analysis.words import bare_model, cases_of, count_words, first_up, listed, title_of
from cinema_cli.reports.survival.facts import SurvivalFacts
from cinema_cli.reports.survival.methods import measures, resamples_words
from cinema_cli.reports.survival.prediction import compares

CHECKLISTS = (
    ("TRIPOD+AI", TRIPOD_AI),
    ("STROBE, cohort studies", STROBE),
    ("RECORD", RECORD),
    ("CLAIM", CLAIM),
)


def checklists(rows: Rows, facts: SurvivalFacts) -> list[Checklist]:
    """Every checklist, filled where the run knows the answer."""
    return filled(CHECKLISTS, answers(rows, facts))


def answers(rows: Rows, facts: SurvivalFacts) -> dict[str, Answer]:
    """What the run knows, by the keys of the items; a key is missing where it knows nothing."""
    return _of_people(rows, facts) | _of_models(rows, facts) | _of_performance(rows, facts)


def _of_people(rows: Rows, facts: SurvivalFacts) -> dict[str, Answer]:
    known: dict[str, Answer] = {}
    if rows.of("flow"):
        known["flow"] = ("Participant flow with numbers and reasons", "people")
    if rows.of("follow_up") or rows.of("person_time"):
        known["follow_up"] = ("Median follow-up and person-time", "people")
    if rows.of("table_one"):
        known["table_one"] = ("Table 1", "table-one")
    horizon = "" if facts.horizon is None else f", horizon {facts.horizon:g} {facts.time_unit}"
    known["outcome"] = (f"Outcome {facts.event}{horizon}; its assessment is left to the author", "methods")
    rate = rows.one("rate", group="")
    if rate is not None:
        known["rates"] = (f"{count_words(rate.events, rate)} events, rates with intervals", "people")
    imputed = f"{facts.n_imputations} imputations, pooled; complete cases elsewhere"
    known["missing"] = (imputed if facts.n_imputations else "Complete cases, n of each analysis", "methods")
    known["censoring"] = ("Censored at the end of follow-up; follow-up by reverse Kaplan-Meier", "people")
    known["software"] = (f"cinema {facts.version}; command, seed and digests of the input", "run")
    return known


def _of_models(rows: Rows, facts: SurvivalFacts) -> dict[str, Answer]:
    known: dict[str, Answer] = {}
    if facts.phenotypes or facts.covariates:
        columns = [title_of(c) for c in (*facts.phenotypes, *facts.covariates)]
        shown = [*columns[:12], f"{len(columns) - 12} more"] if len(columns) > 13 else columns
        known["predictors"] = (f"{listed(shown)}; when and how measured is left to the author", "methods")
    if rows.of("cox"):
        known["cox"] = ("Cox proportional hazards, Efron’s ties; details in the methods", "methods")
        known["hazards"] = (
            "Hazard ratios, unadjusted and adjusted; why these covariates is left to the author",
            "hazards",
        )
        known["numbers"] = ("n and events of each model", "hazards")
        known["full_model"] = ("Hazard ratio of every term; the baseline hazard is not in this page", "models")
        per = "Per standard deviation" if facts.per == "sd" else "Per unit"
        known["scaling"] = (f"{per}; quartiles in curves{'; splines' if rows.of('spline') else ''}", "hazards")
    if rows.of("model_fit", term="events_per_term"):
        known["events"] = ("Events per term of each model; no calculation of sample size", "hazards")
    if facts.cluster or facts.strata:
        said = [f"stratified by {listed([title_of(s) for s in facts.strata])}"] if facts.strata else []
        said += [f"standard errors clustered by {title_of(facts.cluster)}"] if facts.cluster else []
        known["cluster"] = (listed(said).capitalize() if len(said) == 1 else listed(said), "methods")
    others = {
        "age as time scale": any(bare_model(r.model) == "age_scale" for r in rows.of("cox")),
        "competing risks": bool(rows.of("fine_gray")),
        "complete cases": any(cases_of(r.model) for r in rows.of("cox")),
    }
    if any(others.values()):
        known["sensitivity"] = (first_up(listed([name for name, there in others.items() if there])), "sensitivity")
    return known


def _of_performance(rows: Rows, facts: SurvivalFacts) -> dict[str, Answer]:
    known: dict[str, Answer] = {}
    if rows.of("kaplan_meier"):
        known["absolute"] = ("Absolute risk over time in the curves", "curves")
    if names := measures(rows):
        more = {"calibration": "calibration", "net benefit": "decision_curve"}
        shown = [*names, *(name for name, analysis in more.items() if rows.of(analysis))]
        known["measures"] = (first_up(listed(shown)), "added")
        which = "Clinical against clinical + CMR" if compares(rows) else "The model of the phenotypes"
        known["performance"] = (f"{which}, with intervals", "added")
    if rows.of("calibration") and facts.horizon is not None:
        known["output"] = (
            f"Risk by {facts.horizon:g} {facts.time_unit}; thresholds in the decision curve",
            "calibration",
        )
    if any(standing(r) == CORRECTED for r in [*rows.of("concordance"), *rows.of("auc")]):
        how_many = resamples_words(rows, facts)
        known["internal"] = (f"Bootstrap correction of optimism, {how_many} resamples", "calibration")
    return known
