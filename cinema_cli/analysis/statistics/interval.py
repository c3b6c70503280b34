"""A figure with its 95 % confidence limits, however they were found; both unknown (nan) where there are none."""

from dataclasses import dataclass
from math import log, nan, sqrt

import numpy as np

from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import Floats


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, its 95 % confidence limits, and a p value where a test belongs to it."""

    estimate: float
    lower: float = nan
    upper: float = nan
    p: float = nan


def mean_interval(values: Floats, *, low: float = -np.inf) -> Interval:
    """Mean of values (n,), limits by Student's t and not under `low`, p that it is 0; one value has no limits."""
    from scipy.stats import t

    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Interval(mean)
    se = float(np.std(values, ddof=1)) / sqrt(n)
    width = float(t.ppf(0.975, n - 1)) * se
    p = 2.0 * float(t.sf(abs(mean) / se, n - 1)) if se > 0 else float(mean == 0)
    return Interval(mean, max(low, mean - width), mean + width, p)


def sd_interval(sd: float, df: int) -> Interval:
    """A standard deviation of normal values on `df` degrees of freedom, limits by chi-squared."""
    from scipy.stats import chi2

    if df < 1:
        return Interval(nan)
    upper, lower = (float(sd * sqrt(df / share)) for share in chi2.ppf([0.025, 0.975], df))
    return Interval(sd, lower, upper)


def influenced(estimate: float, influence: Floats, *, low: float = -np.inf, high: float = np.inf) -> Interval:
    """A figure with the influence of each person on it (n,), whose squares sum to its variance.

    Normal limits, kept within `low`..`high`; none where nobody has influence.
    """
    se = float(np.sqrt(influence @ influence))
    if not se > 0:
        return Interval(estimate)
    return Interval(estimate, max(low, estimate - Z95 * se), min(high, estimate + Z95 * se))


def influenced_log(estimate: float, influence: Floats) -> Interval:
    """The same for a figure above 0 that is skewed in few people: limits of its logarithm, by Student's t."""
    from scipy.stats import t

    se = float(np.sqrt(influence @ influence))
    if not se > 0:
        return Interval(estimate)
    spread = float(np.exp(t.ppf(0.975, len(influence) - 1) * se / estimate))
    return Interval(estimate, estimate / spread, estimate * spread)


def influenced_logit(estimate: float, influence: Floats) -> Interval:
    """The same for a figure between 0 and 1: limits of its logit, so that they stay there; none at 0 and 1."""
    se = float(np.sqrt(influence @ influence))
    if not (se > 0 and 0.0 < estimate < 1.0):
        return Interval(estimate)
    logit, width = log(estimate / (1.0 - estimate)), Z95 * se / (estimate * (1.0 - estimate))
    lower, upper = (1.0 / (1.0 + float(np.exp(np.clip(-end, -700, 700)))) for end in (logit - width, logit + width))
    return Interval(estimate, lower, upper)


def centred(values: Floats) -> Floats:
    """Influence of each of n values on their mean: its squares sum to the variance of the mean; nan for one."""
    n = len(values)
    if n < 2:
        return np.full(n, nan)
    return np.asarray((values - values.mean()) / sqrt(n * (n - 1.0)))
