"""Figures with a standard error, and differences between two figures of the same people."""

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import Floats


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


def difference(estimate: float, influence: Floats) -> Difference:
    """A difference whose standard error is the root of the summed squares of its influence values (n,)."""
    return Difference(estimate, float(np.sqrt(influence @ influence)))
