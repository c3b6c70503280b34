"""How far two measurements of the same person lie apart: coefficients of variation, within-subject SD, limits."""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from cinema_cli.analysis.statistics.agreement import WIDTH, icc21, icc31, limits_of_agreement
from cinema_cli.analysis.statistics.interval import Interval, centred, influenced_log, mean_interval, sd_interval
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.domain.errors import NotEstimableError


@dataclass(frozen=True, slots=True)
class Repeatability:
    """Repeatability of n pairs of measurements; shares are fractions, not percent; what has no meaning is nan."""

    n: int
    bias: Interval  # mean of first less second; limits by t, p that it is 0
    sd: Interval  # of the differences
    loa_lower: Interval
    loa_upper: Interval
    wsd: Interval  # within-subject SD
    rc: Interval  # repeatability coefficient
    cov_rms: Interval
    cov_log: Interval
    cov_wsd: Interval
    icc21: Interval
    icc31: Interval


def repeatability(first: Floats, second: Floats) -> Repeatability:
    """Repeatability of pairs of measurements (n,) and (n,), finite.

    Within-subject SD: root of the mean of d^2 / 2, limits by chi-squared on n degrees of freedom; the repeatability
    coefficient, which 95 % of differences stay under, is 1.96 sqrt(2) of it (Bland and Altman, BMJ 1996;313:744). It
    counts a shift between first and second as variation, as the coefficients of variation do. Raises NotEstimableError
    without pairs.
    """
    if not len(first):
        raise NotEstimableError("nobody was measured twice: repeatability is not estimable")
    apart = first - second
    n, bias = len(apart), mean_interval(apart)
    sd = float(np.std(apart, ddof=1)) if n > 1 else nan
    lower, upper = limits_of_agreement(bias.estimate, sd, n)
    wsd = within_subject_sd(apart)
    ratings = np.column_stack([first, second])
    return Repeatability(
        n=n,
        bias=bias,
        sd=sd_interval(sd, n - 1),
        loa_lower=lower,
        loa_upper=upper,
        wsd=wsd,
        rc=_times(wsd, WIDTH * sqrt(2.0)),
        cov_rms=cov_rms(first, second),
        cov_log=cov_log(first, second),
        cov_wsd=cov_wsd(first, second),
        icc21=_if_estimable(icc21, ratings),
        icc31=_if_estimable(icc31, ratings),
    )


def within_subject_sd(apart: Floats) -> Interval:
    """Within-subject SD from differences (n,) of pairs, limits by chi-squared on n degrees of freedom."""
    return sd_interval(float(np.sqrt(np.mean(apart**2) / 2.0)), len(apart))


def cov_rms(first: Floats, second: Floats) -> Interval:
    """The paper's coefficient of variation: root of the mean over people of their own variance over their mean squared.

    sqrt(mean(((a - b)^2 / 2) / ((a + b) / 2)^2)); limits by the delta method for its logarithm, with Student's t. nan
    where somebody's mean is not above 0.
    """
    middle = (first + second) / 2.0
    if not np.all(middle > 0):
        return Interval(nan)
    own = ((first - second) / middle) ** 2 / 2.0
    return _root(float(own.mean()), centred(own))


def cov_log(first: Floats, second: Floats) -> Interval:
    """Within-subject SD of logarithms as a share: exp(SD) - 1 (Bland and Altman, BMJ 1996;313:106), limits likewise.

    nan where a measurement is not above 0.
    """
    if not (np.all(first > 0) and np.all(second > 0)):
        return Interval(nan)
    spread = within_subject_sd(np.log(first) - np.log(second))
    with np.errstate(over="ignore"):  # a pair alone may have no upper limit
        return Interval(*(float(np.expm1(end)) for end in (spread.estimate, spread.lower, spread.upper)))


def cov_wsd(first: Floats, second: Floats) -> Interval:
    """Within-subject SD over the mean of all; limits as of `cov_rms`. nan where that mean is not above 0."""
    middle = (first + second) / 2.0
    mean = float(middle.mean())
    if not mean > 0:
        return Interval(nan)
    own = ((first - second) / mean) ** 2 / 2.0
    square = float(own.mean())
    return _root(square, centred(own) - 2.0 * square * centred(middle / mean))


def _root(square: float, influence: Floats) -> Interval:
    """Root of a mean square with the influence of each person on that; limits for the logarithm."""
    root = sqrt(square)
    return influenced_log(root, influence / (2.0 * root)) if root > 0 else Interval(root)


def _times(interval: Interval, factor: float) -> Interval:
    return Interval(interval.estimate * factor, interval.lower * factor, interval.upper * factor)


def _if_estimable(icc: Callable[[Floats], Interval], ratings: Floats) -> Interval:
    try:
        return icc(ratings)
    except NotEstimableError:
        return Interval(nan)
