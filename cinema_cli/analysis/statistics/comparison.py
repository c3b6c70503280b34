"""Figures with a standard error, from what each person contributes, and differences between two of them."""

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import Floats, Ints


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its standard error."""

    estimate: float
    se: float

    @property
    def lower(self) -> float:
        """Lower 95 % confidence limit, normal."""
        return self.estimate - Z95 * self.se

    @property
    def upper(self) -> float:
        """Upper 95 % confidence limit, normal."""
        return self.estimate + Z95 * self.se


@dataclass(frozen=True, slots=True)
class Difference(Figure):
    """A difference with its standard error."""

    @property
    def p(self) -> float:
        """Two-sided p that there is none, normal; 1 where nobody contributes to a difference."""
        if self.se == 0:
            return float(self.estimate == 0)
        return erfc(abs(self.estimate) / self.se / sqrt(2.0))


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A figure with the influence of each person on it."""

    estimate: float
    influence: Floats  # (n,) of each row, or of each cluster: its squares sum to the variance

    @property
    def variance(self) -> float:
        """Variance of the estimate."""
        return float(self.influence @ self.influence)

    @property
    def se(self) -> float:
        """Standard error."""
        return sqrt(self.variance)

    @property
    def lower(self) -> float:
        """Lower 95 % confidence limit, normal."""
        return self.estimate - Z95 * self.se

    @property
    def upper(self) -> float:
        """Upper 95 % confidence limit, normal."""
        return self.estimate + Z95 * self.se


def clustered(score: Score, cluster: Ints | None) -> Score:
    """A score whose influence is summed over the rows of each cluster (n,): rows of one belong together."""
    if cluster is None:
        return score
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], weights=score.influence)
    return Score(score.estimate, sums.astype(np.float64))


def difference(a: Score, b: Score) -> Difference:
    """One score less another of the same people, with the standard error of the paired difference."""
    apart = a.influence - b.influence
    return Difference(a.estimate - b.estimate, float(np.sqrt(apart @ apart)))
