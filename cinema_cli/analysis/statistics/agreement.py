"""How well a prediction agrees with a reference, in the unit of the values: bias, errors, limits of agreement, ICC."""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from cinema_cli.analysis.statistics.interval import Interval, centred, influenced_log, mean_interval, sd_interval
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.domain.errors import NotEstimableError

WIDTH = 1.96  # SDs from the bias to a limit of agreement, as Bland and Altman write it
_EQUAL = 1e-12  # spread relative to the size of values under which they are all the same


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of n predictions with their references; what n is too small for is nan."""

    n: int
    bias: Interval  # mean of prediction less reference; limits by t, p that it is 0
    sd: Interval  # of the differences, limits by chi-squared
    mae: Interval  # mean absolute error, limits by t
    rmse: Interval  # limits by t for its logarithm (delta method)
    loa_lower: Interval
    loa_upper: Interval
    slope: Interval  # of the difference on the mean of both (proportional bias), p that it is 0
    r2: Interval  # share of the reference's variance explained, 1 - SSE / SST


def agreement(prediction: Floats, reference: Floats) -> Agreement:
    """Agreement of predictions (n,) with references (n,), both finite.

    Limits of agreement: Bland and Altman, Lancet 1986;327:307; their confidence limits are the exact ones of normal
    differences (Carkeet, Optom Vis Sci 2015;92:e71), of which those of Bland and Altman, Stat Methods Med Res
    1999;8:135 are the approximation for large n. Raises NotEstimableError without pairs.
    """
    if not len(prediction):
        raise NotEstimableError("nobody has both a prediction and a reference: their agreement is not estimable")
    apart = prediction - reference
    n, bias = len(apart), float(apart.mean())
    sd = float(np.std(apart, ddof=1)) if n > 1 else nan
    lower, upper = limits_of_agreement(bias, sd, n)
    squares = apart**2
    mean_square = float(squares.mean())
    rmse = sqrt(mean_square)
    of_rmse = centred(squares) / (2.0 * rmse) if rmse > 0 else np.zeros(n)
    return Agreement(
        n=n,
        bias=mean_interval(apart),
        sd=sd_interval(sd, n - 1),
        mae=mean_interval(np.abs(apart), low=0.0),
        rmse=influenced_log(rmse, of_rmse),
        loa_lower=lower,
        loa_upper=upper,
        slope=proportional_bias(prediction, reference),
        r2=r_squared(prediction, reference),
    )


def limits_of_agreement(bias: float, sd: float, n: int) -> tuple[Interval, Interval]:
    """Bias -+ 1.96 SD of n differences, with exact confidence limits; nan for one difference."""
    from scipy.stats import nct

    if n < 2:
        return Interval(nan), Interval(nan)
    if not sd > 0:
        return Interval(bias), Interval(bias)
    near, far = (float(k) / sqrt(n) for k in nct.ppf([0.025, 0.975], n - 1, WIDTH * sqrt(n)))
    low = Interval(bias - WIDTH * sd, bias - far * sd, bias - near * sd)
    return low, Interval(bias + WIDTH * sd, bias + near * sd, bias + far * sd)


def proportional_bias(prediction: Floats, reference: Floats) -> Interval:
    """Slope of prediction less reference on their mean, p that it is 0; nan under 3 pairs or where means are the same.

    Bland and Altman, Stat Methods Med Res 1999;8:135. It is not 0 either where one has the larger spread.
    """
    from scipy.stats import t

    apart, middle = prediction - reference, (prediction + reference) / 2.0
    x = middle - middle.mean()
    spread = float(x @ x)
    if len(x) < 3 or _is_constant(middle):
        return Interval(nan)
    slope = float(x @ apart) / spread
    rest = apart - apart.mean() - slope * x
    se = sqrt(float(rest @ rest) / (len(x) - 2) / spread)
    if se <= _EQUAL * (abs(slope) + _EQUAL):  # a straight line
        return Interval(slope)
    width = float(t.ppf(0.975, len(x) - 2)) * se
    return Interval(slope, slope - width, slope + width, 2.0 * float(t.sf(abs(slope) / se, len(x) - 2)))


def r_squared(prediction: Floats, reference: Floats) -> Interval:
    """1 - sum of squared errors / sum of squares about the mean reference; nan where the reference is constant.

    Negative where the mean reference would predict better. Limits by t for the logarithm of the rest (delta method).
    """
    if len(reference) < 2 or _is_constant(reference):
        return Interval(nan)
    squares, total = (prediction - reference) ** 2, (reference - reference.mean()) ** 2
    ratio = float(squares.mean() / total.mean())
    rest = influenced_log(ratio, centred(squares - ratio * total) / float(total.mean()))
    return Interval(1.0 - ratio, 1.0 - rest.upper, 1.0 - rest.lower)


def icc21(ratings: Floats) -> Interval:
    """ICC(2,1) of ratings (n, k): absolute agreement of single ratings, raters a sample of many.

    Shrout and Fleiss, Psychol Bull 1979;86:420; limits McGraw and Wong, Psychol Methods 1996;1:30, ICC(A,1).
    Raises NotEstimableError as `icc31`.
    """
    from scipy.stats import f

    people, raters, rest, n, k = _mean_squares(ratings)
    whole = people + (k - 1) * rest + k * (raters - rest) / n
    if not whole > _EQUAL * (people + rest + raters):
        raise NotEstimableError("people and raters do not differ: an intraclass correlation is not estimable")
    icc = (people - rest) / whole
    if icc < -1.0:
        raise NotEstimableError("people differ less than ratings of one do: an intraclass correlation is not estimable")
    if rest == 0 or not people > 0:
        return Interval(icc)
    a, b = k * icc / (n * (1.0 - icc)), 1.0 + k * icc * (n - 1) / (n * (1.0 - icc))
    total = a * raters + b * rest
    df = total**2 / ((a * raters) ** 2 / (k - 1) + (b * rest) ** 2 / ((n - 1) * (k - 1)))
    high, low = float(f.ppf(0.975, n - 1, df)), float(f.ppf(0.975, df, n - 1))
    noise = k * raters + (k * n - k - n) * rest
    lower = n * (people - high * rest) / (high * noise + n * people)
    upper = n * (low * people - rest) / (noise + n * low * people)
    return Interval(icc, max(-1.0, min(lower, icc)), min(1.0, max(upper, icc)))


def icc31(ratings: Floats) -> Interval:
    """ICC(3,1) of ratings (n, k): consistency of single ratings of these raters, whatever their bias.

    Shrout and Fleiss, Psychol Bull 1979;86:420. Raises NotEstimableError under 2 people or raters, and where all people
    are the same.
    """
    from scipy.stats import f

    people, _, rest, n, k = _mean_squares(ratings)
    if not people + rest > 0:
        raise NotEstimableError("no person differs from another: an intraclass correlation is not estimable")
    icc = (people - rest) / (people + (k - 1) * rest)
    if rest == 0 or not people > 0:
        return Interval(icc)
    df, ratio = (n - 1, (n - 1) * (k - 1)), people / rest
    low, high = ratio / float(f.ppf(0.975, *df)), ratio * float(f.ppf(0.975, *reversed(df)))
    return Interval(icc, (low - 1) / (low + k - 1), (high - 1) / (high + k - 1))


def _mean_squares(ratings: Floats) -> tuple[float, float, float, int, int]:
    """Mean squares between people, between raters and of the rest, then n and k (two-way analysis of variance)."""
    n, k = ratings.shape
    if n < 2 or k < 2:
        raise NotEstimableError("an intraclass correlation needs two people with two ratings each")
    mean, of_people, of_raters = ratings.mean(), ratings.mean(axis=1), ratings.mean(axis=0)
    rest = ratings - of_people[:, None] - of_raters + mean
    squares = [k * np.sum((of_people - mean) ** 2), n * np.sum((of_raters - mean) ** 2), np.sum(rest**2)]
    noise = _EQUAL * float(sum(squares))  # rounding
    if _is_constant(ratings) or not noise > 0:
        raise NotEstimableError("all ratings are the same: an intraclass correlation is not estimable")
    people, raters, remaining = (float(s) if s > noise else 0.0 for s in squares)
    return people / (n - 1), raters / (k - 1), remaining / ((n - 1) * (k - 1)), n, k


def _is_constant(values: Floats) -> bool:
    return bool(np.ptp(values) <= _EQUAL * np.abs(values).max(initial=0.0))
