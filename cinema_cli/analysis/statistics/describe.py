"""What a sample is like, and how far two samples lie apart: the numbers of a Table 1."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats


@dataclass(frozen=True, slots=True)
class Description:
    """A sample of numbers in its own unit; nan where too few."""

    n: int
    mean: float
    sd: float  # of a sample: divided by n - 1
    q1: float
    median: float
    q3: float


def describe(values: Floats) -> Description:
    """Mean, standard deviation and quartiles (R's type 7) of values (n,), none of them missing."""
    n = len(values)
    if n == 0:
        return Description(0, math.nan, math.nan, math.nan, math.nan, math.nan)
    q1, median, q3 = np.percentile(values, (25.0, 50.0, 75.0))
    sd = float(np.std(values, ddof=1)) if n > 1 else math.nan
    return Description(n, float(np.mean(values)), sd, float(q1), float(median), float(q3))


def smd_numbers(means: Floats, sds: Floats) -> float:
    """Largest standardised difference of means among k samples, never negative.

    `means` and `sds` are (k,); a sample with a missing one is left out. The difference is over the root of the mean of
    two variances (Yang & Dalton, SAS Global Forum 2012, paper 335; R's tableone). nan where fewer than two samples are
    left, or where two differ and neither varies.
    """
    known = np.isfinite(means) & np.isfinite(sds)
    pairs = combinations(zip(means[known], sds[known], strict=True), 2)
    return _largest(_ratio(float(b - a), math.sqrt(0.5 * (s * s + t * t))) for (a, s), (b, t) in pairs)


def smd_categories(counts: Floats) -> float:
    """Largest standardised difference of shares among k samples, never negative.

    `counts` (k, categories) are people. With P the shares of two samples and S the mean of their multinomial
    covariances, one category left out: sqrt((P1 - P2)' S^-1 (P1 - P2)) (Yang & Dalton 2012), which for two categories
    is the binary formula. Samples without anybody are left out; nan as in `smd_numbers`.
    """
    sizes = counts.sum(axis=1)
    shares = counts[sizes > 0] / sizes[sizes > 0, None]
    return _largest(_distance(p, q) for p, q in combinations(shares, 2))


def _largest(differences: Iterable[float]) -> float:
    found = list(differences)
    return max(found) if found and all(math.isfinite(d) for d in found) else math.nan


def _ratio(difference: float, sd: float) -> float:
    if sd > 0.0:
        return abs(difference) / sd
    return 0.0 if difference == 0.0 else math.nan


def _distance(p: Floats, q: Floats) -> float:
    """Mahalanobis distance of two vectors of shares; nan where no category is in both."""
    if not np.any((p > 0) & (q > 0)):
        return math.nan
    used = np.flatnonzero((p > 0) | (q > 0))[1:]  # the first one follows from the others
    if len(used) == 0:
        return 0.0
    difference, p, q = (q - p)[used], p[used], q[used]
    covariance = 0.5 * (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q))
    return float(math.sqrt(difference @ np.linalg.solve(covariance, difference)))
