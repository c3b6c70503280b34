"""Robust variances of Cox coefficients, by the influence of each row or cluster, in O(n p)."""

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.analysis.statistics.partial_likelihood import PartialLikelihood, exposure
from cinema_cli.domain.errors import NotEstimableError


def score_residuals(at: PartialLikelihood) -> Floats:
    """Weighted contribution (p, m) of each row at risk to the score (Lin and Wei 1989; Efron's ties as in R)."""
    sets = at.sets
    out = exposure(sets, at.hazard * at.means)
    out -= at.x * exposure(sets, at.hazard)
    out *= at.risk
    n_shares = sets.per_time(np.ones(len(sets.share)))
    expected = sets.per_time(at.means) / n_shares
    of_time = sets.stop[sets.died] - 1
    out[:, sets.died] += sets.weights[sets.died] * (at.x[:, sets.died] - expected[:, of_time])
    return out


def clustered(residuals: Floats, cluster: Ints | None) -> Floats:
    """Sums (p, clusters) of residuals (p, m) by cluster (m,); the residuals themselves where there is none.

    Raises:
        NotEstimableError: there is one cluster.
    """
    if cluster is None:
        return residuals
    distinct, codes = np.unique(cluster, return_inverse=True)
    if len(distinct) == 1:
        raise NotEstimableError("all rows are in one cluster: a robust variance is not estimable", hint="Leave it out.")
    return np.array([np.bincount(codes, own) for own in residuals])
