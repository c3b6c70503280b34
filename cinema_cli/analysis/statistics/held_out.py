"""Predictions for each person by a Cox model that has not seen this person: what a calibration may be drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.baseline import baseline_hazard, predicted_survival
from cinema_cli.analysis.statistics.cox import fit_cox, linear_predictor
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.resampling import folds


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Predictions of n people."""

    predictor: Floats  # (n,) log hazard ratio against the mean of the fold's model
    risk: Floats  # (n, k) probability of the event by each horizon


def held_out_predictions(
    outcome: Outcome,
    x: Floats,
    *,
    names: Sequence[str],
    horizons: Sequence[float],
    seed: int,
    n_folds: int = 10,
    strata: Ints | None = None,
    cluster: Ints | None = None,
) -> HeldOut:
    """Predict each row of x (n, p) by a Cox model (Efron) of the other folds.

    `cluster` (n,) says whose rows stay together. Competing events count as censorings.

    Raises NotEstimableError as `fit_cox`.
    """
    fold = folds(outcome.n, n_folds, seed=seed, cluster=cluster)
    times = np.asarray(horizons, dtype=np.float64)
    predictor, risk = np.empty(outcome.n), np.empty((outcome.n, len(times)))
    start = None
    for k in range(n_folds):
        others, own = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        seen, groups = outcome.take(others), None if strata is None else strata[others]
        fit = fit_cox(seen, x[others], names=names, strata=groups, start=start)
        baseline = baseline_hazard(fit, seen, x[others], strata=groups)
        own_strata = None if strata is None else strata[own]
        predictor[own] = linear_predictor(fit, x[own])
        risk[own] = 1.0 - predicted_survival(fit, baseline, x[own], times, strata=own_strata)
        start = fit.coef
    return HeldOut(predictor, risk)
