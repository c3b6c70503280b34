"""Risks of people whom the model that predicts them has not seen."""

import numpy as np

from cinema_cli.analysis.statistics.baseline import baseline_hazard, predicted_survival
from cinema_cli.analysis.statistics.cox import CoxFit
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.analysis.survival.models import ModelData

FOLDS = 10


def held_out_risks(data: ModelData, fit: CoxFit, *, horizon: float, seed: int) -> Floats:
    """Risk (n,) by the horizon, each from a model of the other nine tenths; people of one cluster stay together.

    Raises NotEstimableError where a model of nine tenths has no estimate.
    """
    folds = _folds(data, seed)
    risks = np.empty(data.outcome.n)
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        training = data.take(outside)
        refit = training.fit(start=fit.coef)
        baseline = baseline_hazard(
            refit, training.outcome, training.design.x, weights=training.weights, strata=training.strata
        )
        strata = None if data.strata is None else data.strata[inside]
        survival = predicted_survival(refit, baseline, data.design.x[inside], np.array([horizon]), strata=strata)
        risks[inside] = 1.0 - survival[:, 0]
    return risks


def _folds(data: ModelData, seed: int) -> Ints:
    """Which tenth each row is in, (n,), by chance."""
    units = np.arange(data.outcome.n) if data.cluster is None else data.cluster
    names, places = np.unique(units, return_inverse=True)
    shuffled = np.random.default_rng(seed).permutation(len(names)) % min(FOLDS, len(names))
    folds: Ints = shuffled[places].astype(np.int64)
    return folds
