"""A chi-squared statistic with its degrees of freedom and p."""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from cinema_cli.analysis.statistics.outcome import Floats


@dataclass(frozen=True, slots=True)
class ChiSquared:
    """Result of a test."""

    statistic: float
    df: int

    @property
    def p(self) -> float:
        """Probability of a statistic as large or larger by chance."""
        return float(chdtrc(self.df, max(self.statistic, 0.0)))


def quadratic(vector: Floats, variance: Floats) -> float:
    """Chi-squared of a vector (p,) with a variance (p, p), of which directions without variance are left out."""
    scale = np.sqrt(np.diag(variance))
    scale[scale == 0] = 1.0
    scaled = vector / scale
    return float(scaled @ np.linalg.lstsq(variance / np.outer(scale, scale), scaled, rcond=1e-12)[0])
