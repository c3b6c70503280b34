"""What phenotypes add to a clinical model, and whether its risks hold: the last of section 4, and section 5."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import inf

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.comparison import clustered
from cinema_cli.analysis.statistics.concordance import uno_concordance
from cinema_cli.analysis.statistics.estimable import dependent
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.statistics.prediction import (
    NULL_MODEL,
    Scores,
    integrated_brier,
    prediction_scores,
    score_differences,
)
from cinema_cli.analysis.statistics.second_opinion import second_opinion
from cinema_cli.analysis.survival.calibrated import calibration_rows
from cinema_cli.analysis.survival.effects import proportional_rows
from cinema_cli.analysis.survival.fitted import (
    APPARENT,
    FittedModel,
    added_rows,
    difference_row,
    figure_row,
    fitted_model,
    fitted_rows,
)
from cinema_cli.analysis.survival.models import ModelData, Place, model_data, told
from cinema_cli.analysis.survival.optimism import optimism_rows
from cinema_cli.analysis.survival.settings import SurvivalSettings
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import NotEstimableError
from cinema_cli.io.processes import Team

CLINICAL, WITH_CMR = "clinical", "clinical_cmr"
INTEGRATED = 50  # steps of an integrated Brier score


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
        raise NotEstimableError("no phenotype has a hazard ratio in its main model: nothing predicts", hint="")
    covariates = table.covariates
    terms = list(dict.fromkeys([*covariates, *table.phenotypes]))
    data = model_data(table, terms, per=settings.per)
    data, left_out = independent(data)
    yield from (replace(row, outcome=table.outcome_name, model=WITH_CMR) for row in left_out)
    models = {WITH_CMR: fitted_model(Place(table.outcome_name, WITH_CMR), data)}
    if covariates:
        models = {CLINICAL: fitted_model(Place(table.outcome_name, CLINICAL), data.only(*covariates))} | models
    for model in models.values():
        yield from fitted_rows(model)
        yield from proportional_rows(model.place, model.fit, model.data)
    if covariates:
        yield from added_rows(models[WITH_CMR], models[CLINICAL], term="")
    yield from _second_opinion(models[WITH_CMR])
    hindrance = _hindrance(data)
    times = np.array([]) if hindrance else np.array([horizon / 2, horizon])
    for model in models.values():
        corrected = optimism_rows(model, times, n_resamples=n_resamples, seed=settings.seed, team=team)
        yield from told(model.place, corrected)
    if hindrance:
        raise NotEstimableError(f"{hindrance}: how risks at a horizon hold is not estimated")
    for model in models.values():
        yield from told(model.place, _uno_rows(model, horizon))
    joint = models[WITH_CMR].place
    yield from told(joint, _score_rows(models, times))
    yield from told(joint, _integrated_rows(models, horizon))
    yield from told(joint, calibration_rows(models, horizon=horizon, seed=settings.seed))


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


def _hindrance(data: ModelData) -> str:
    """Why risks at a horizon cannot be judged; empty where they can."""
    if data.outcome.entry is not None:
        return "people enter late"
    return "rows have weights" if data.weights is not None else ""


def _uno_rows(model: FittedModel, horizon: float) -> Iterator[Estimate]:
    d = model.data
    c = uno_concordance(d.outcome, model.predictor, up_to=horizon, strata=d.strata, cluster=d.cluster)
    yield figure_row(model.row("concordance_uno"), c, low=0.0, high=1.0)


def _second_opinion(model: FittedModel) -> Iterator[Estimate]:
    """What lifelines finds, where it is to be trusted: it has other errors with weights, and ignores late entry."""
    d = model.data
    if d.weights is not None or d.strata is not None or d.outcome.entry is not None:
        return
    row = replace(model.row("second_opinion"), term="lifelines", level="")
    try:
        yield replace(row, estimate=second_opinion(model.fit, d.outcome, d.design.x))
    except NotEstimableError as error:
        yield model.place.cannot(error, term="lifelines")


def _score_rows(models: Mapping[str, FittedModel], times: Floats) -> Iterator[Estimate]:
    """AUC, Brier and IPA of each model, apparent, with the differences from the clinical one."""
    joint = models[WITH_CMR]
    scores = prediction_scores(joint.data.outcome, {name: m.risks(times) for name, m in models.items()}, times)
    kinds = {"auc": scores.auc, "brier": scores.brier, "ipa": scores.ipa}
    kinds = {analysis: _by_cluster(joint, of_model) for analysis, of_model in kinds.items()}
    for analysis, of_model in kinds.items():
        row = replace(joint.row(analysis), group=APPARENT)
        for name, values in of_model.items():
            if name == NULL_MODEL and analysis == "ipa":
                continue  # 0 by definition
            for time, score in zip(times, values, strict=True):
                limited = figure_row(row, score, low=-inf if analysis == "ipa" else 0.0, high=1.0)
                yield replace(limited, model=name, level=repr(float(time)))
    if CLINICAL not in models:
        return
    for analysis in ("auc", "brier"):
        row = replace(joint.row(f"{analysis}_difference"), group=APPARENT)
        found = score_differences(kinds[analysis], WITH_CMR, reference=CLINICAL)
        for time, value in zip(times, found, strict=True):
            yield replace(difference_row(row, value), level=repr(float(time)))


def _by_cluster(model: FittedModel, scores: Scores) -> Scores:
    """Scores whose errors know which rows belong together."""
    cluster = model.data.cluster
    return {name: tuple(clustered(score, cluster) for score in values) for name, values in scores.items()}


def _integrated_rows(models: Mapping[str, FittedModel], horizon: float) -> Iterator[Estimate]:
    """Brier score from 0 to the horizon, apparent."""
    times = np.linspace(0.0, horizon, INTEGRATED + 1)
    joint = models[WITH_CMR]
    found = integrated_brier(joint.data.outcome, {name: m.risks(times) for name, m in models.items()}, times)
    row = replace(joint.row("brier_integrated"), group=APPARENT, level=repr(horizon))
    for name, score in found.items():
        yield replace(figure_row(row, clustered(score, joint.data.cluster), low=0.0, high=1.0), model=name)
