"""How far groups of people lie apart in one figure: gap, ratio, worst group, skewed error ratio."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.analysis.statistics.permutation import Null, null_of


class Better(StrEnum):
    """Which values of a figure are better, and so what its error is."""

    HIGHER = "higher"  # a share or score up to 1: error 1 - value
    LOWER = "lower"  # from 0: the value is the error
    ZERO = "zero"  # a bias: the error is its size
    ONE = "one"  # a ratio: the error is the size of its logarithm


class Apart(StrEnum):
    """Ways to say how far groups lie apart."""

    GAP = "gap"  # largest less smallest value
    RATIO = "ratio"  # smallest over largest value
    WORST = "worst_group"  # the value of the group with the largest error
    SKEWED = "skewed_error_ratio"  # largest over smallest error (Wang and Deng, CVPR 2020)


_LOGARITHMIC = (Apart.RATIO, Apart.SKEWED)
_BOUNDS = {Apart.GAP: (0.0, np.inf), Apart.RATIO: (0.0, 1.0), Apart.SKEWED: (1.0, np.inf)}


@dataclass(frozen=True, slots=True)
class Disparity:
    """One way to say it, with its interval and what chance alone would show."""

    estimate: float
    lower: float  # 95 %, simultaneous, see `deviations`; nan where no resample was drawn
    upper: float
    null: Null | None  # by permutation


@dataclass(frozen=True, slots=True, eq=False)
class GroupGaps:
    """One figure in the groups of one column that have enough people."""

    groups: Ints  # (k,) codes
    values: Floats  # (k,)
    worst: int  # code of the worst group
    apart: Mapping[Apart, Disparity]


def errors_of(values: Floats, better: Better) -> Floats:
    """How wrong values are, never negative."""
    if better is Better.HIGHER:
        return np.asarray(np.maximum(1.0 - values, 0.0))
    if better is Better.ONE:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.abs(np.log(values)))
    return np.asarray(np.abs(values))


def apart(values: Floats, better: Better) -> dict[Apart, Floats]:
    """Disparities between values (..., k) of k groups, each (...,); nan where one is not defined.

    A ratio of biases, whose signs may differ, is not; nor one of errors that may be 0 in truth, or are.
    """
    errors = errors_of(values, better)
    low, high, least, most = values.min(-1), values.max(-1), errors.min(-1), errors.max(-1)
    if better is Better.HIGHER:
        worst = low
    elif better is Better.LOWER:
        worst = high
    else:
        worst = np.take_along_axis(values, errors.argmax(-1)[..., None], -1)[..., 0]
    unknown = np.full(low.shape, np.nan)
    has_ratio, has_errors = better is not Better.ZERO, better in (Better.HIGHER, Better.LOWER)
    return {
        Apart.GAP: high - low,
        Apart.RATIO: np.divide(low, high, out=unknown.copy(), where=(high > 0) & (low >= 0)) if has_ratio else unknown,
        Apart.WORST: worst,
        Apart.SKEWED: np.divide(most, least, out=unknown.copy(), where=least > 0) if has_errors else unknown,
    }


def deviations(resampled: Floats, values: Floats, better: Better) -> dict[Apart, Floats]:
    """How far disparities of resamples (..., k) can be from those of values (k,), whichever groups are extreme.

    The largest difference between groups is biased upwards, more so in resamples. But it errs by no more than the
    range of the errors of the groups: that of the resampled ones around what was observed has a 95 % quantile, and the
    disparity plus and minus this covers the true one at least as often, also where all groups are truly equal (as
    Tukey's intervals for all pairs).
    """
    off = resampled - values
    with np.errstate(divide="ignore", invalid="ignore"):  # what has no logarithm has no limits
        logs = np.log(resampled) - np.log(values)
        errors = np.log(errors_of(resampled, better)) - np.log(errors_of(values, better))
        return {
            Apart.GAP: np.ptp(off, axis=-1),
            Apart.RATIO: np.ptp(logs, axis=-1),
            Apart.WORST: np.abs(off).max(axis=-1),
            Apart.SKEWED: np.ptp(errors, axis=-1),
        }


def group_gaps(
    groups: Ints,
    values: Floats,
    better: Better,
    *,
    permuted: Mapping[Apart, Floats],
    deviated: Mapping[Apart, Floats],
) -> GroupGaps:
    """Put together what was observed (k,), disparities (s,) of permutations, and `deviations` (s,) of resamples."""
    found = {}
    for way, observed in apart(values, better).items():
        estimate = float(observed)
        lower, upper = _limits(estimate, deviated[way], way)
        smaller = way is Apart.RATIO or (way is Apart.WORST and better is Better.HIGHER)
        has_null = way is not Apart.WORST or better in (Better.HIGHER, Better.LOWER)
        null = null_of(permuted[way], estimate, smaller=smaller) if has_null else None
        found[way] = Disparity(estimate, lower, upper, null)
    worst = int(groups[int(np.argmax(errors_of(values, better)))])
    return GroupGaps(groups, values, worst, found)


def _limits(estimate: float, deviated: Floats, way: Apart) -> tuple[float, float]:
    if not len(deviated) or not np.isfinite(estimate):
        return np.nan, np.nan
    reach = float(np.quantile(np.where(np.isnan(deviated), np.inf, deviated), 0.95, method="higher"))
    least, most = _BOUNDS.get(way, (-np.inf, np.inf))
    if way in _LOGARITHMIC:
        with np.errstate(over="ignore"):
            factor = float(np.exp(reach))
        return max(estimate / factor, least), min(estimate * factor, most)
    return max(estimate - reach, least), min(estimate + reach, most)
