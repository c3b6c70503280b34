"""What phenotypes add to a clinical model, and whether its risks hold: the last of section 4, and section 5."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.baseline import baseline_hazard, predicted_survival
from cinema_cli.analysis.statistics.comparison import Score
from cinema_cli.analysis.statistics.concordance import Concordance, concordance_difference, uno_concordance
from cinema_cli.analysis.statistics.cox import CoxFit, likelihood_ratio, linear_predictor
from cinema_cli.analysis.statistics.estimable import dependent
from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.statistics.prediction import (
    NULL_MODEL,
    PredictionScores,
    integrated_brier,
    prediction_scores,
    score_differences,
)
from cinema_cli.analysis.statistics.second_opinion import second_opinion
from cinema_cli.analysis.survival.associations import APPARENT, difference_row, model_concordance
from cinema_cli.analysis.survival.calibrated import calibration_rows
from cinema_cli.analysis.survival.effects import proportional_rows
from cinema_cli.analysis.survival.models import ModelData, Place, fit_rows, model_data, term_rows
from cinema_cli.analysis.survival.optimism import optimism_rows
from cinema_cli.analysis.survival.settings import SurvivalSettings
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import NotEstimableError
from cinema_cli.io.processes import Team

CLINICAL, WITH_CMR = "clinical", "clinical_cmr"
INTEGRATED = 50  # steps of an integrated Brier score


@dataclass(frozen=True, slots=True, eq=False)
class Predicting:
    """A model that predicts risks."""

    place: Place
    data: ModelData
    fit: CoxFit
    c: Concordance

    @property
    def predictor(self) -> Floats:
        """Log hazard ratio (n,) of each of its people."""
        return linear_predictor(self.fit, self.data.design.x)

    def risks(self, times: Floats) -> Floats:
        """Risk (n, k) by each time of the people it was fitted to: apparent."""
        d = self.data
        baseline = baseline_hazard(self.fit, d.outcome, d.design.x, weights=d.weights, strata=d.strata)
        return 1.0 - predicted_survival(self.fit, baseline, d.design.x, times, strata=d.strata)


def prediction_rows(
    table: AnalysisTable, settings: SurvivalSettings, *, horizon: float, n_resamples: int, team: Team
) -> Iterator[Estimate]:
    """Covariates alone against covariates with all phenotypes, in people who have all of them.

    Without covariates there is one model, of the phenotypes. Raises NotEstimableError.
    """
    if table.has_intervals:
        raise NotEstimableError(
            "rows are intervals of people: risks at a horizon are not estimable", hint="Give one row a person."
        )
    if not table.phenotypes:
        raise NotEstimableError("no phenotype has a hazard ratio: there is no model to predict with", hint="")
    covariates = table.covariates
    terms = list(dict.fromkeys([*covariates, *table.phenotypes]))
    data = model_data(table, terms, per=settings.per)
    data, left_out = independent(data)
    yield from (replace(row, outcome=table.outcome_name, model=WITH_CMR) for row in left_out)
    models = {WITH_CMR: _predicting(table, WITH_CMR, data)}
    if covariates:
        models = {CLINICAL: _predicting(table, CLINICAL, data.only(*covariates))} | models
    for model in models.values():
        yield from _model_rows(model, horizon)
    if covariates:
        yield from _added_rows(models[CLINICAL], models[WITH_CMR])
    yield from _second_opinion(models[WITH_CMR])
    hindrance = _hindrance(data)
    times = np.array([]) if hindrance else np.array([horizon / 2, horizon])
    if not hindrance:
        scores = prediction_scores(data.outcome, {name: model.risks(times) for name, model in models.items()}, times)
        yield from _score_rows(models, scores)
        yield from _integrated_rows(models, horizon)
    for model in models.values():
        yield from optimism_rows(model, times, n_resamples=n_resamples, seed=settings.seed, team=team)
    if hindrance:
        raise NotEstimableError(f"{hindrance}: how risks at a horizon hold is not estimated", hint="")
    yield from calibration_rows(models, horizon=horizon, seed=settings.seed)


def default_resamples(n_rows: int) -> int:
    """Resamples of the bootstrap: optimism is small, and known well, where there are many people."""
    return 200 if n_rows <= 5_000 else 40


def independent(data: ModelData) -> tuple[ModelData, list[Estimate]]:
    """The columns that do not follow from earlier ones, and a row for each phenotype that does."""
    left_out: list[Estimate] = []
    while True:
        x = data.design.x
        spread = x.std(axis=0)
        if not (spread > 0).all():
            return data, left_out  # the fit will name it
        z = (x - x.mean(axis=0)) / spread
        found = dependent(z.T @ z / len(z))
        if found is None:
            return data, left_out
        column, others = found
        names, terms = data.design.names, data.design.terms
        because = ", ".join(names[k] for k in others)
        left_out.append(
            Estimate("not_estimable", term=terms[column], level=f"follows from {because}: left out of the joint model")
        )
        data = data.only(*(term for term in dict.fromkeys(terms) if term != terms[column]))


def _predicting(table: AnalysisTable, model: str, data: ModelData) -> Predicting:
    fit = data.fit()
    return Predicting(
        Place(table.outcome_name, model), data, fit, model_concordance(data, linear_predictor(fit, data.design.x))
    )


def _row(model: Predicting, analysis: str) -> Estimate:
    return Estimate(
        analysis, model.place.outcome, model.place.model, level=APPARENT, n=model.fit.n, events=model.fit.n_events
    )


def _hindrance(data: ModelData) -> str:
    """Why risks at a horizon cannot be judged; empty where they can."""
    if data.outcome.entry is not None:
        return "people enter late"
    return "rows have weights" if data.weights is not None else ""


def _model_rows(model: Predicting, horizon: float) -> Iterator[Estimate]:
    yield from term_rows(model.place, model.fit, model.data)
    yield from fit_rows(model.place, model.fit, model.data)
    yield from proportional_rows(model.place, model.fit, model.data)
    found = {"concordance": model.c}
    if model.data.weights is None and model.data.outcome.entry is None:
        found["concordance_uno"] = uno_concordance(
            model.data.outcome, model.predictor, up_to=horizon, cluster=model.data.cluster
        )
    for analysis, c in found.items():
        low, high = max(c.c - Z95 * c.se, 0.0), min(c.c + Z95 * c.se, 1.0)
        yield replace(_row(model, analysis), estimate=c.c, lower=low, upper=high, se=c.se)


def _added_rows(clinical: Predicting, with_cmr: Predicting) -> Iterator[Estimate]:
    test = likelihood_ratio(clinical.fit, with_cmr.fit)
    yield replace(_row(with_cmr, "likelihood_ratio"), level=str(test.df), estimate=test.statistic, p=test.p)
    yield difference_row(_row(with_cmr, "concordance_difference"), concordance_difference(with_cmr.c, clinical.c))


def _second_opinion(model: Predicting) -> Iterator[Estimate]:
    """What lifelines finds, where it is to be trusted: it has other errors with weights, and ignores late entry."""
    d = model.data
    if d.weights is not None or d.strata is not None or d.outcome.entry is not None:
        return
    row = replace(_row(model, "second_opinion"), term="lifelines", level="")
    try:
        yield replace(row, estimate=second_opinion(model.fit, d.outcome, d.design.x))
    except NotEstimableError as error:
        yield model.place.cannot(error, term="lifelines")


def _score_rows(models: Mapping[str, Predicting], scores: PredictionScores) -> Iterator[Estimate]:
    """AUC, Brier and IPA of each model, apparent, with the differences from the clinical one."""
    some = next(iter(models.values()))
    kinds = {"auc": scores.auc, "brier": scores.brier, "ipa": scores.ipa}
    for analysis, of_model in kinds.items():
        for name, values in of_model.items():
            if name == NULL_MODEL and analysis == "ipa":
                continue  # 0 by definition
            row = replace(_row(some, analysis), model=name, group=APPARENT)
            for time, score in zip(scores.times, values, strict=True):
                yield _score_row(row, score, time)
    if CLINICAL not in models:
        return
    for analysis, of_model in (("auc_difference", scores.auc), ("brier_difference", scores.brier)):
        row = replace(_row(models[WITH_CMR], analysis), group=APPARENT)
        found = score_differences(of_model, WITH_CMR, reference=CLINICAL)
        for time, value in zip(scores.times, found, strict=True):
            yield replace(difference_row(row, value), level=repr(float(time)))


def _integrated_rows(models: Mapping[str, Predicting], horizon: float) -> Iterator[Estimate]:
    """Brier score from 0 to the horizon, apparent."""
    times = np.linspace(0.0, horizon, INTEGRATED + 1)
    some = next(iter(models.values()))
    found = integrated_brier(some.data.outcome, {name: m.risks(times) for name, m in models.items()}, times)
    for name, score in found.items():
        yield _score_row(replace(_row(some, "brier_integrated"), model=name, group=APPARENT), score, horizon)


def _score_row(row: Estimate, score: Score, time: float) -> Estimate:
    return replace(
        row, level=repr(float(time)), estimate=score.estimate, lower=score.lower, upper=score.upper, se=score.se
    )
