"""Cox regression: hazard ratios of right-censored, late-entry, stratified, weighted or clustered data, as R's coxph."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from cinema_cli.analysis.statistics.chi_squared import ChiSquared, quadratic
from cinema_cli.analysis.statistics.cox_variance import clustered, score_residuals
from cinema_cli.analysis.statistics.estimable import (
    refuse_collinear,
    refuse_constant,
    refuse_separated,
    refuse_without_events,
)
from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.partial_likelihood import PartialLikelihood, partial_likelihood
from cinema_cli.analysis.statistics.risk_sets import RiskSets, Ties, risk_sets
from cinema_cli.domain.errors import NotEstimableError

TOLERANCE, MAX_ITERATIONS = 1e-9, 20  # those of coxph.control in R's survival


@dataclass(frozen=True, slots=True, eq=False)
class CoxFit:
    """A fitted Cox model of p columns; `variance` is the robust one where that was asked for."""

    names: tuple[str, ...]
    coef: Floats  # (p,) log hazard ratio per unit
    variance: Floats  # (p, p)
    naive_variance: Floats  # (p, p)
    means: Floats  # (p,) where the linear predictor is 0; 0 for columns of -1, 0, 1 alone, as in R
    loglik_null: float
    loglik: float
    score_test: float  # chi-squared, p degrees of freedom
    robust_score_test: float | None
    n: int
    n_events: int
    iterations: int
    ties: Ties

    @property
    def se(self) -> Floats:
        """Standard errors (p,) of the coefficients."""
        return np.sqrt(np.diag(self.variance))

    @property
    def z(self) -> Floats:
        """Wald statistics (p,)."""
        return self.coef / self.se

    @property
    def p(self) -> Floats:
        """Two-sided p (p,) of the Wald statistics."""
        two_sided: Floats = 2 * ndtr(-np.abs(self.z))
        return two_sided

    @property
    def hazard_ratio(self) -> Floats:
        """Hazard ratios (p,) per unit."""
        return _ratio(self.coef)

    @property
    def lower(self) -> Floats:
        """Lower 95 % confidence limits (p,) of the hazard ratios."""
        return _ratio(self.coef - Z95 * self.se)

    @property
    def upper(self) -> Floats:
        """Upper 95 % confidence limits (p,) of the hazard ratios."""
        return _ratio(self.coef + Z95 * self.se)

    @property
    def aic(self) -> float:
        """Akaike's information criterion."""
        return 2 * len(self.coef) - 2 * self.loglik

    @property
    def lrt(self) -> float:
        """Likelihood ratio chi-squared against the model without columns."""
        return 2 * (self.loglik - self.loglik_null)

    @property
    def lrt_df(self) -> int:
        """Its degrees of freedom, and those of the score and the Wald test."""
        return len(self.coef)

    @property
    def wald(self) -> float:
        """Wald chi-squared of all coefficients together."""
        return quadratic(self.coef, self.variance)


def fit_cox(
    outcome: Outcome,
    x: Floats,
    *,
    names: Sequence[str],
    weights: Floats | None = None,
    strata: Ints | None = None,
    cluster: Ints | None = None,
    robust: bool = False,
    ties: Ties = "efron",
    start: Floats | None = None,
) -> CoxFit:
    """Fit log hazard ratios of the columns of x (n, p) by Newton's method; competing events count as censorings.

    The variance is robust (Lin and Wei 1989) where `robust` says so, where there is a `cluster` (n,), and, as in R,
    where weights (n,) are not whole numbers. `strata` and `cluster` are codes (n,); `start` (p,) saves iterations.

    Raises:
        NotEstimableError: no event, or a column is constant, collinear with others, or separates the events.
    """
    sets = risk_sets(outcome, weights=weights, strata=strata, ties=ties)
    robust |= weights is not None and bool(np.any(weights != np.floor(weights)))
    centre = weights if outcome.entry is None else None  # R centres late-entry data at plain means
    return fit_risk_sets(sets, x, names=names, weights=centre, cluster=cluster, robust=robust, start=start)


def fit_risk_sets(
    sets: RiskSets,
    x: Floats,
    *,
    names: Sequence[str],
    weights: Floats | None = None,
    cluster: Ints | None = None,
    robust: bool = False,
    start: Floats | None = None,
) -> CoxFit:
    """As `fit_cox`, from risk sets, in which the weights of rows are already: those given here only centre."""
    scaled, scale = _scaled(x, sets, names)
    null = partial_likelihood(sets, scaled, np.zeros(len(scale)))
    refuse_collinear(null.information, float(sets.weights[sets.died].sum()), names)
    at, coef, iterations = _newton(null, np.zeros(len(scale)) if start is None else start * scale)
    refuse_separated(_step(at.information, at.score), np.ptp(scaled, axis=1), names)
    if iterations > MAX_ITERATIONS:
        raise NotEstimableError(f"the Cox model of {', '.join(names)} did not converge", hint="Use fewer columns.")
    naive = np.asarray(np.linalg.inv(at.information), np.float64)
    variance, robust_score = naive, None
    if robust or cluster is not None:
        variance, robust_score = _robust(null, at, naive, None if cluster is None else cluster[sets.rows])
    units = np.outer(scale, scale)
    return CoxFit(
        names=tuple(names),
        coef=coef / scale,
        variance=variance / units,
        naive_variance=naive / units,
        means=_reported_means(x, weights),
        loglik_null=null.loglik,
        loglik=at.loglik,
        score_test=quadratic(null.score, null.information),
        robust_score_test=robust_score,
        n=sets.n,
        n_events=len(sets.died),
        iterations=iterations,
        ties=sets.ties,
    )


def linear_predictor(fit: CoxFit, x: Floats) -> Floats:
    """Log hazard ratio (n,) of each row of x (n, p) against `fit.means`."""
    predictor: Floats = (x - fit.means) @ fit.coef
    return predictor


def likelihood_ratio(smaller: CoxFit, larger: CoxFit) -> ChiSquared:
    """Test of what the larger of two nested models, fitted to the same rows, adds."""
    return ChiSquared(2 * (larger.loglik - smaller.loglik), len(larger.coef) - len(smaller.coef))


def wald_test(fit: CoxFit, columns: Sequence[int]) -> ChiSquared:
    """Test that the coefficients of some columns are all 0."""
    chosen = np.asarray(columns, np.int64)
    return ChiSquared(quadratic(fit.coef[chosen], fit.variance[np.ix_(chosen, chosen)]), len(chosen))


def _ratio(log: Floats) -> Floats:
    """Ratios (p,); infinite where they are too large for a number."""
    with np.errstate(over="ignore"):
        return np.exp(log)


def _scaled(x: Floats, sets: RiskSets, names: Sequence[str]) -> tuple[Floats, Floats]:
    """Columns (p, m) of those at risk with mean 0 and deviation 1, which changes nothing but rounding; and the latter.

    Raises:
        NotEstimableError: a column is constant, or all events lie at one end of it.
    """
    if x.shape != (sets.n, len(names)):
        raise ValueError(f"columns {x.shape} for {sets.n} rows and {len(names)} names")
    scaled = np.ascontiguousarray(x[sets.rows].T)
    refuse_constant(scaled, names)
    refuse_without_events(scaled, sets.died, names)
    scaled -= scaled.mean(axis=1, keepdims=True)
    scale: Floats = np.sqrt(np.einsum("pm,pm->p", scaled, scaled) / len(sets.rows))
    scaled /= scale[:, None]
    return scaled, scale


def _reported_means(x: Floats, weights: Floats | None) -> Floats:
    """Means (p,), 0 for columns of -1, 0 and 1 alone: where R's coxph centres."""
    plain = np.array([bool(np.all((own == 0) | (np.abs(own) == 1))) for own in x.T], dtype=bool)
    means = x.mean(axis=0) if weights is None else weights @ x / weights.sum()
    return np.where(plain, 0.0, means)


def _newton(null: PartialLikelihood, start: Floats) -> tuple[PartialLikelihood, Floats, int]:
    """Where R's coxph would stop, the coefficients there, and after how many iterations; one too many: it did not."""
    sets, x = null.sets, null.x
    old = partial_likelihood(sets, x, start) if start.any() else null
    coef, halvings = start, 0
    new_coef = coef + _step(old.information, old.score)
    for iteration in range(1, MAX_ITERATIONS + 1):
        if not np.isfinite(new_coef).all():
            break
        new = partial_likelihood(sets, x, new_coef)
        if not halvings and abs(new.loglik - old.loglik) <= TOLERANCE * abs(new.loglik):
            return new, new_coef, iteration
        if not new.loglik >= old.loglik:
            halvings += 1
            new_coef = coef + (new_coef - coef) / (halvings + 1)
        else:
            halvings, old, coef = 0, new, new_coef
            new_coef = coef + _step(new.information, new.score)
    return old, coef, MAX_ITERATIONS + 1


def _robust(
    null: PartialLikelihood, at: PartialLikelihood, naive: Floats, cluster: Ints | None
) -> tuple[Floats, float]:
    """Variance (p, p) by the influence of rows or clusters (m,), and the score test with theirs."""
    influence = naive @ clustered(score_residuals(at), cluster)
    null_influence = clustered(score_residuals(null), cluster)
    return influence @ influence.T, quadratic(null.score, null_influence @ null_influence.T)


def _step(information: Floats, score: Floats) -> Floats:
    """Newton's step; not a number where the information has vanished."""
    try:
        return np.asarray(np.linalg.solve(information, score), np.float64)
    except np.linalg.LinAlgError:
        return np.full(len(score), np.nan)
