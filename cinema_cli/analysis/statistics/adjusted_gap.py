"""The gap between groups of a figure once covariates are held equal: least squares for numbers, logistic for shares."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.chi_squared import ChiSquared, quadratic
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.domain.errors import NotEstimableError

_STEPS, _TOLERANCE, _COLLINEAR = 50, 1e-10, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class AdjustedGap:
    """Figures of groups as if covariates were distributed as in everybody."""

    n: int
    values: Floats  # (k,)
    estimate: float  # largest less smallest
    lower: float  # 95 %, simultaneous as in group_gaps.deviations, normal
    upper: float
    p: float  # Wald, that the groups are equal


def adjusted_gap(
    values: Floats, code: Ints, covariates: Floats, *, is_share: bool, n_draws: int = 10_000, seed: int = 0
) -> AdjustedGap:
    """Regress values (n,) on groups (n,), from 0, and covariates (n, p), all of them known.

    Standard errors are robust (HC1; for shares those of the likelihood); the figure of a group is the mean over
    everybody of what is predicted with their covariates and this group. Raises NotEstimableError where covariates tell
    the groups apart, or where a group has no events or nothing but events.
    """
    k = int(code.max()) + 1
    spread = covariates.std(axis=0)
    z = (covariates - covariates.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    x = np.column_stack([code[:, None] == np.arange(k), z]).astype(np.float64)
    if len(x) <= x.shape[1] or np.linalg.eigvalsh(x.T @ x / len(x))[0] < _COLLINEAR:
        raise NotEstimableError("covariates and groups follow from each other: the adjusted gap is not estimable")
    means, variance = _logistic(values, x, k) if is_share else _least_squares(values, x, k)
    drawn = np.random.default_rng([seed, 3]).multivariate_normal(np.zeros(k), variance, size=n_draws, method="eigh")
    gap, reach = float(np.ptp(means)), float(np.quantile(np.ptp(drawn, axis=1), 0.95))
    contrast = np.eye(k)[1:] - np.eye(k)[0]
    test = ChiSquared(quadratic(contrast @ means, contrast @ variance @ contrast.T), k - 1)
    return AdjustedGap(len(x), means, gap, max(gap - reach, 0.0), gap + reach, test.p)


def _least_squares(values: Floats, x: Floats, k: int) -> tuple[Floats, Floats]:
    bread = np.linalg.inv(x.T @ x)
    coef = bread @ (x.T @ values)
    scores = x * (values - x @ coef)[:, None]
    variance = bread @ (scores.T @ scores) @ bread * len(x) / (len(x) - x.shape[1])
    return coef[:k], variance[:k, :k]


def _logistic(values: Floats, x: Floats, k: int) -> tuple[Floats, Floats]:
    """Shares standardised over everybody, their variance by the delta method."""
    sizes, events = x[:, :k].sum(axis=0), values @ x[:, :k]
    if np.any((events == 0) | (events == sizes)):
        raise NotEstimableError("a group has no events, or nothing but events: the adjusted gap is not estimable")
    coef = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        share = _expit(x @ coef)
        information = (x * (share * (1.0 - share))[:, None]).T @ x
        step = np.linalg.lstsq(information, x.T @ (values - share), rcond=None)[0]
        coef += np.clip(step, -5.0, 5.0)
        if np.abs(step).max() < _TOLERANCE:
            break
    else:
        raise NotEstimableError("covariates tell who has the event: the adjusted gap is not estimable")
    rest = x[:, k:] @ coef[k:]
    shares = _expit(coef[:k] + rest[:, None])  # (n, k)
    slope = shares * (1.0 - shares)
    gradient = np.column_stack([np.diag(slope.mean(axis=0)), slope.T @ x[:, k:] / len(x)])
    return shares.mean(axis=0), np.asarray(gradient @ np.linalg.inv(information) @ gradient.T)


def _expit(linear: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(linear, -500.0, 500.0))))
