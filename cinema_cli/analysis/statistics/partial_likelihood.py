"""The partial likelihood of a Cox model at given coefficients, with its derivatives, in O(n p^2)."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.statistics.risk_sets import RiskSets


@dataclass(frozen=True, slots=True, eq=False)
class PartialLikelihood:
    """Value at some coefficients and what its derivatives are made of.

    With r = weight exp(x b), the sums over those at risk of r and r x less the share of those with the event are S0 and
    S1; `means` is S1 / S0. All sums over people are turned round: a row meets the hazard of the times it is at risk, so
    that no (times, p, p) array is needed.
    """

    sets: RiskSets
    x: Floats  # (p, m) covariates, in the order of the risk sets
    risk: Floats  # (m,) weight exp(x b), up to one factor
    denominators: Floats  # (shares,) S0, up to the same factor
    means: Floats  # (p, shares)
    loglik: float

    @property
    def hazard(self) -> Floats:
        """Jump of the cumulative hazard at each share, as `risk` is scaled."""
        jump: Floats = self.sets.share_weight / self.denominators
        return jump

    def exposure(self, hazard: Floats) -> Floats:
        """Sum of (..., shares) over the times that each of the m is at risk, those with the event less their share."""
        sets = self.sets
        total = np.cumsum(sets.per_time(hazard), axis=-1)
        total = np.concatenate([np.zeros((*total.shape[:-1], 1)), total], axis=-1)
        out = total[..., sets.stop]
        out -= total[..., sets.first]
        if sets.share.any():
            out[..., sets.died] -= sets.per_time(hazard * sets.share)[..., sets.stop[sets.died] - 1]
        return out

    def score(self) -> Floats:
        """First derivative (p,)."""
        residual = -self.risk * self.exposure(self.hazard)
        residual[self.sets.died] += self.sets.weights[self.sets.died]
        gradient: Floats = self.x @ residual
        return gradient

    def information(self, multiplier: Floats | None = None) -> Floats:
        """Less the second derivative (p, p); with a multiplier (K,), the sum over event times times it."""
        weight = self.sets.share_weight
        if multiplier is not None:
            weight = weight * multiplier[self.sets.of_time]
        expected = self.risk * self.exposure(weight / self.denominators)
        found: Floats = (self.x * expected) @ self.x.T - (self.means * weight) @ self.means.T
        return found


def partial_likelihood(sets: RiskSets, x: Floats, coef: Floats) -> PartialLikelihood:
    """Evaluate at coefficients (p,); x (p, m) in the order of `sets.rows`; -inf or nan where exp overflows."""
    predictor = coef @ x
    predictor -= predictor.max(initial=-np.inf)
    with np.errstate(divide="ignore", invalid="ignore", under="ignore"):
        risk = sets.weights * np.exp(predictor)
        denominators = _less_share(sets, risk)
        loglik = sets.weights[sets.died] @ predictor[sets.died] - sets.share_weight @ np.log(denominators)
        means = _less_share(sets, x * risk)
        means /= denominators
    return PartialLikelihood(sets, x, risk, denominators, means, float(loglik))


def _less_share(sets: RiskSets, values: Floats) -> Floats:
    """Sums (..., shares) of values (..., m) over those at risk, those with the event counted less by the share."""
    found = sets.total(values)[..., sets.of_time]
    if sets.share.any():
        found -= sets.total_died(values)[..., sets.of_time] * sets.share
    return found
