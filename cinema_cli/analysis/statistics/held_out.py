"""Predictions for each person by a Cox model that has not seen this person: what a calibration may be drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.baseline import baseline_hazard, predicted_survival
from cinema_cli.analysis.statistics.cox import fit_cox, linear_predictor
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.resampling import folds
from cinema_cli.domain.errors import NotEstimableError


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Predictions of those m of n people who can be predicted."""

    rows: Ints  # (m,) ascending
    predictor: Floats  # (m,) log hazard ratio against the mean of the fold's model
    risk: Floats  # (m, k) probability of the event by each horizon


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
    """Predict rows of x (n, p) by a Cox model (Efron) of the other folds.

    `cluster` (n,) says whose rows stay together. Competing events count as censorings. Rows whose stratum (n,) is in no
    other fold have no baseline hazard and are left out; that hangs on the folds alone, never on what happened.

    Raises NotEstimableError as `fit_cox`, and where no row is left.
    """
    fold = folds(outcome.n, n_folds, seed=seed, cluster=cluster)
    times = np.asarray(horizons, dtype=np.float64)
    predictor, risk = np.empty(outcome.n), np.empty((outcome.n, len(times)))
    known = _in_several(fold, strata)
    start = None
    for k in range(n_folds):
        others, own = np.flatnonzero(fold != k), np.flatnonzero((fold == k) & known)
        if not len(own):
            continue
        seen, groups = outcome.take(others), None if strata is None else strata[others]
        fit = fit_cox(seen, x[others], names=names, strata=groups, start=start)
        baseline = baseline_hazard(fit, seen, x[others], strata=groups)
        own_strata = None if strata is None else strata[own]
        predictor[own] = linear_predictor(fit, x[own])
        risk[own] = 1.0 - predicted_survival(fit, baseline, x[own], times, strata=own_strata)
        start = fit.coef
    rows = np.flatnonzero(known)
    return HeldOut(rows, predictor[rows], risk[rows])


def _in_several(fold: Ints, strata: Ints | None) -> NDArray[np.bool_]:
    """Whether each row (n,) has its stratum in another fold too. Raises NotEstimableError where none has."""
    if strata is None:
        return np.ones(len(fold), dtype=bool)
    pairs = np.unique(np.stack([strata, fold]), axis=1)
    stratum, n_folds = np.unique(pairs[0], return_counts=True)
    if (n_folds == 1).all():
        raise NotEstimableError(
            "each stratum is in one fold alone: no model knows the baseline hazard of people whom it has not seen",
            hint="Take strata that hold several clusters each.",
        )
    return np.isin(strata, stratum[n_folds > 1])
