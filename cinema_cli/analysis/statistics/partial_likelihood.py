"""The partial likelihood of a Cox model at given coefficients, with its derivatives, in O(n p^2)."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.statistics.risk_sets import RiskSets


@dataclass(frozen=True, slots=True, eq=False)
class PartialLikelihood:
    """Value and derivatives at some coefficients, and what they are made of.

    With r = weight exp(x b), the sums over those at risk of r and r x less the share of those with the event are S0 and
    S1; `means` is S1 / S0. All sums over people are turned round: a row meets the hazard of the times it is at risk, so
    that no (times, p, p) array is needed.
    """

    sets: RiskSets
    x: Floats  # (p, m) covariates, in the order of the risk sets
    shift: float  # largest x b
    risk: Floats  # (m,) weight exp(x b - shift)
    hazard: Floats  # (shares,) jumps of the cumulative hazard, times exp(shift)
    means: Floats  # (p, shares)
    loglik: float
    score: Floats  # (p,) first derivative
    information: Floats  # (p, p) less the second derivative


def partial_likelihood(sets: RiskSets, x: Floats, coef: Floats) -> PartialLikelihood:
    """Evaluate at coefficients (p,); x (p, m) in the order of `sets.rows`; not finite where exp overflows."""
    predictor = coef @ x
    shift = float(predictor.max())
    predictor -= shift
    with np.errstate(all="ignore"):
        risk = sets.weights * np.exp(predictor)
        denominators = _less_share(sets, risk)
        loglik = sets.weights[sets.died] @ predictor[sets.died] - sets.share_weight @ np.log(denominators)
        hazard = sets.share_weight / denominators
        means = _less_share(sets, x * risk)
        means /= denominators
        residual = -risk * exposure(sets, hazard)
        information = -(x * residual) @ x.T - (means * sets.share_weight) @ means.T
        residual[sets.died] += sets.weights[sets.died]
        return PartialLikelihood(
            sets, x, shift, risk, hazard, means, float(loglik), score=x @ residual, information=information
        )


def information_times(at: PartialLikelihood, multiplier: Floats) -> Floats:
    """The information (p, p) where that of each event time counts as often as its multiplier (K,) says."""
    sets, of_share = at.sets, multiplier[at.sets.of_time]
    expected = at.risk * exposure(sets, at.hazard * of_share)
    found: Floats = (at.x * expected) @ at.x.T - (at.means * (sets.share_weight * of_share)) @ at.means.T
    return found


def exposure(sets: RiskSets, hazard: Floats) -> Floats:
    """Sums (..., m) of jumps (..., shares) over the times that each row is at risk, less the share at its own event."""
    total = np.cumsum(sets.per_time(hazard), axis=-1)
    total = np.concatenate([np.zeros((*total.shape[:-1], 1)), total], axis=-1)
    met: Floats = total[..., sets.stop]
    met -= total[..., sets.first]
    if sets.share.any():
        met[..., sets.died] -= sets.per_time(hazard * sets.share)[..., sets.stop[sets.died] - 1]
    return met


def _less_share(sets: RiskSets, values: Floats) -> Floats:
    """Sums (..., shares) of values (..., m) over those at risk, those with the event counted less by the share."""
    found = sets.total(values)[..., sets.of_time]
    if sets.share.any():
        found -= sets.total_died(values)[..., sets.of_time] * sets.share
    return found
