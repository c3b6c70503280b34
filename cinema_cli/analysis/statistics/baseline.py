"""Baseline hazard of a Cox model and what it predicts for people: survival up to a time, as R's survfit.coxph."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.cox import CoxFit, linear_predictor
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.partial_likelihood import partial_likelihood
from cinema_cli.analysis.statistics.risk_sets import RiskSets, risk_sets


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Cumulative hazard of someone at `fit.means` at the K event times, ordered by stratum and time.

    The estimator follows the ties of the fit (Breslow's, or Efron's), as in R.
    """

    times: Floats  # (K,)
    stratum: Ints  # (K,) code; 0 where there are no strata
    cumulative_hazard: Floats  # (K,)
    variance: Floats  # (K,) of the cumulative hazard, were the coefficients known
    drift: Floats  # (K, p) its derivative in the coefficients, less that of someone at fit.means

    def until(self, times: Floats, stratum: int) -> tuple[Floats, Floats, Floats]:
        """Cumulative hazard (k,), variance (k,) and drift (k, p) of a stratum at times (k,); the last goes on."""
        a, b = np.searchsorted(self.stratum, [stratum, stratum + 1])
        last = a + np.searchsorted(self.times[a:b], times, side="right") - 1
        begun = last >= a
        found = (own[..., last] for own in (self.cumulative_hazard, self.variance, self.drift.T))
        hazard, variance, drift = (np.where(begun, own, 0.0) for own in found)
        return hazard, variance, drift.T


def baseline_hazard(
    fit: CoxFit, outcome: Outcome, x: Floats, *, weights: Floats | None = None, strata: Ints | None = None
) -> Baseline:
    """Baseline hazard from the rows that the model was fitted to: x (n, p), weights (n,), strata (n,) as there."""
    sets = risk_sets(outcome, weights=weights, strata=strata, ties=fit.ties)
    centred = np.ascontiguousarray((x[sets.rows] - fit.means).T)
    at = partial_likelihood(sets, centred, fit.coef)
    hazard = at.hazard * np.exp(-at.shift)
    return Baseline(
        times=sets.times,
        stratum=sets.stratum,
        cumulative_hazard=_cumulative(sets, hazard),
        variance=_cumulative(sets, hazard**2 / sets.share_weight),
        drift=_cumulative(sets, hazard * at.means).T,
    )


def predicted_survival(
    fit: CoxFit, baseline: Baseline, x: Floats, times: Floats, *, strata: Ints | None = None
) -> Floats:
    """Probability (m, k) that people with columns x (m, p), in strata (m,), have no event up to times (k,)."""
    survival = np.empty((len(x), len(times)))
    for stratum, rows in _by_stratum(len(x), strata):
        hazard, _, _ = baseline.until(times, stratum)
        with np.errstate(divide="ignore", over="ignore"):  # no hazard yet; one too large for a number
            survival[rows] = np.exp(-np.exp(np.add.outer(linear_predictor(fit, x[rows]), np.log(hazard))))
    return survival


def survival_at(
    fit: CoxFit, baseline: Baseline, x: Floats, times: Floats, *, strata: Ints | None = None
) -> tuple[Floats, Floats]:
    """`predicted_survival` (m, k) with its standard error (m, k) (Tsiatis 1981, as R's survfit.coxph)."""
    survival = predicted_survival(fit, baseline, x, times, strata=strata)
    se = np.empty_like(survival)
    for stratum, rows in _by_stratum(len(x), strata):
        hazard, variance, drift = baseline.until(times, stratum)
        centred = x[rows] - fit.means
        for k in range(len(times)):
            slope = hazard[k] * centred - drift[k]
            of_coefficients = np.einsum("mp,mp->m", slope @ fit.variance, slope)
            se[rows, k] = np.exp(centred @ fit.coef) * np.sqrt(variance[k] + of_coefficients)
    return survival, se * survival


def _cumulative(sets: RiskSets, jumps: Floats) -> Floats:
    """Sums (..., K) of jumps (..., shares) up to each event time of its stratum."""
    sums = sets.per_time(jumps)
    for a, b in sets.spans:
        sums[..., a:b] = np.cumsum(sums[..., a:b], axis=-1)
    return sums


def _by_stratum(n: int, strata: Ints | None) -> Iterator[tuple[int, Ints]]:
    """Each stratum with its rows."""
    if strata is None:
        yield 0, np.arange(n)
        return
    for stratum in np.unique(strata).tolist():
        yield stratum, np.flatnonzero(strata == stratum)
