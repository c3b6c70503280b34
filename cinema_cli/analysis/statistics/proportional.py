"""Does a hazard ratio stay the same over time: the exact score test, and the effect over time from residuals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cinema_cli.analysis.statistics.chi_squared import ChiSquared, quadratic
from cinema_cli.analysis.statistics.cox import CoxFit
from cinema_cli.analysis.statistics.estimable import COLLINEAR
from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.partial_likelihood import PartialLikelihood, information_times, partial_likelihood
from cinema_cli.analysis.statistics.risk_sets import RiskSets, risk_sets
from cinema_cli.analysis.statistics.splines import natural_spline
from cinema_cli.domain.errors import NotEstimableError

Transform = Literal["km", "identity", "rank", "log"]
GLOBAL = "GLOBAL"
CURVE_DF, CURVE_POINTS = 4, 40  # as R's plot.cox.zph
SHOWN = (0.05, 0.95)  # of the events: a curve shows no first and no last one


def proportional_hazards(
    fit: CoxFit,
    outcome: Outcome,
    x: Floats,
    *,
    transform: Transform = "km",
    weights: Floats | None = None,
    strata: Ints | None = None,
    terms: Sequence[str] | None = None,
) -> Mapping[str, ChiSquared]:
    """Test that coefficients do not change with the transformed time, for each term and for all (`GLOBAL`, last).

    The score test of adding x g(t) to the model (Grambsch and Therneau 1994, without its approximation: R's cox.zph
    since survival 3). x, weights and strata are those of the fit; `terms` (p,) says which columns belong together.

    Raises:
        NotEstimableError: the events lie at too few times.
    """
    sets = risk_sets(outcome, weights=weights, strata=strata, ties=fit.ties)
    scale = x.std(axis=0)
    at = partial_likelihood(sets, _centred(x / scale, sets), fit.coef * scale)
    g = _transformed(outcome, sets, transform)
    score, information = _drift_of_coefficients(at, g - np.average(g, weights=sets.deaths))
    labels = fit.names if terms is None else terms
    columns = {term: [j for j, own in enumerate(labels) if own == term] for term in dict.fromkeys(labels)}
    columns[GLOBAL] = list(range(len(labels)))
    return {
        term: ChiSquared(quadratic(score[own], information[np.ix_(own, own)]), len(own))
        for term, own in columns.items()
    }


@dataclass(frozen=True, slots=True, eq=False)
class Schoenfeld:
    """Scaled Schoenfeld residuals plus the coefficients: their mean over time follows the coefficients over time."""

    names: tuple[str, ...]
    times: Floats  # (events,) in order of stratum and time
    transformed: Floats  # (events,) the same on the scale of the transform
    residuals: Floats  # (events, p)
    variance: Floats  # (p,) of one residual


@dataclass(frozen=True, slots=True, eq=False)
class EffectOverTime:
    """A smooth coefficient over time with its 95 % limits, at points that are nobody's own time."""

    times: Floats  # (k,)
    effect: Floats  # (k,) log hazard ratio per unit
    lower: Floats
    upper: Floats


def scaled_schoenfeld(
    fit: CoxFit,
    outcome: Outcome,
    x: Floats,
    *,
    transform: Transform = "km",
    weights: Floats | None = None,
    strata: Ints | None = None,
) -> Schoenfeld:
    """Residuals of the events of a fit: x, weights and strata as there (Grambsch and Therneau 1994)."""
    sets = risk_sets(outcome, weights=weights, strata=strata, ties=fit.ties)
    at = partial_likelihood(sets, _centred(x, sets), fit.coef)
    scaling = fit.naive_variance * len(sets.died)
    return Schoenfeld(
        names=fit.names,
        times=np.repeat(sets.times, sets.deaths),
        transformed=np.repeat(_transformed(outcome, sets, transform), sets.deaths),
        residuals=_schoenfeld(at).T @ scaling + fit.coef,
        variance=np.diag(scaling),
    )


def smooth_effect(residuals: Schoenfeld, column: int) -> EffectOverTime:
    """The coefficient of a column over time: a natural spline of 4 degrees of freedom through its residuals.

    Raises:
        NotEstimableError: the events lie at too few times.
    """
    distinct, first = np.unique(residuals.transformed, return_index=True)
    if len(distinct) <= CURVE_DF:
        raise NotEstimableError(
            f"all events lie at too few times: how the effect of {residuals.names[column]} changes over time "
            "is not estimable"
        )
    low, high = np.quantile(residuals.transformed, SHOWN)
    grid = np.linspace(low, high, CURVE_POINTS)
    knots = np.quantile(residuals.transformed, np.linspace(0, 1, CURVE_DF))[1:-1].tolist()
    ends = (float(distinct[0]), float(distinct[-1]))
    basis = natural_spline(residuals.transformed, knots, ends, intercept=True)
    shown = natural_spline(grid, knots, ends, intercept=True)
    inverse = np.linalg.pinv(basis)
    effect = shown @ (inverse @ residuals.residuals[:, column])
    se = np.sqrt(residuals.variance[column] * np.einsum("ij,ij->i", shown @ (inverse @ inverse.T), shown))
    times = np.interp(grid, distinct, residuals.times[first])
    return EffectOverTime(times, effect, effect - Z95 * se, effect + Z95 * se)


def _centred(x: Floats, sets: RiskSets) -> Floats:
    """Columns (p, m) of those at risk, less their means."""
    own = np.ascontiguousarray(x[sets.rows].T)
    own -= own.mean(axis=1, keepdims=True)
    return own


def _schoenfeld(at: PartialLikelihood) -> Floats:
    """Covariates of each event less their mean over those at risk (p, events)."""
    sets = at.sets
    expected = sets.per_time(at.means) / np.diff(sets.first_share, append=len(sets.share))
    residuals: Floats = at.x[:, sets.died] - np.repeat(expected, sets.deaths, axis=1)
    return residuals


def _drift_of_coefficients(at: PartialLikelihood, g: Floats) -> tuple[Floats, Floats]:
    """Score (p,) of the columns x g(t), and its variance (p, p) given that the coefficients of x were estimated."""
    sets = at.sets
    score = _schoenfeld(at) @ (sets.weights[sets.died] * np.repeat(g, sets.deaths))
    mixed = information_times(at, g)
    information = information_times(at, g**2) - mixed @ np.linalg.solve(at.information, mixed)
    own = np.diag(information)
    if np.any(own <= 0) or np.linalg.eigvalsh(information / np.sqrt(np.outer(own, own)))[0] <= COLLINEAR:
        raise NotEstimableError("the events lie at too few times: a change of hazard ratios over time is not estimable")
    return score, information


def _transformed(outcome: Outcome, sets: RiskSets, transform: Transform) -> Floats:
    """Each of the K event times on the scale of the transform, strata taken together as in R."""
    if transform == "identity":
        return sets.times
    if transform == "log":
        return np.log(sets.times)
    if transform == "rank":  # among all times, those without the event too
        distinct, counts = np.unique(outcome.time, return_counts=True)
        return (np.cumsum(counts) - (counts - 1) / 2)[np.searchsorted(distinct, sets.times)]
    pooled = risk_sets(outcome)
    share = pooled.deaths / pooled.total(np.ones(len(pooled.rows)))
    before = np.concatenate([[1.0], np.cumprod(1 - share)[:-1]])
    g: Floats = 1 - before[np.searchsorted(pooled.times, sets.times)]
    return g
