"""Events per person-time with the exact Poisson interval."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.outcome import Outcome
from cinema_cli.domain.errors import NotEstimableError


@dataclass(frozen=True, slots=True)
class Rate:
    """Events per unit of person-time, with exact 95 % limits (Garwood 1936)."""

    events: int
    person_time: float
    rate: float
    lower: float
    upper: float


def person_time(outcome: Outcome) -> float:
    """Time at risk of all rows together, in the unit of time."""
    start = 0.0 if outcome.entry is None else outcome.entry
    return float(np.sum(outcome.time - start))


def rate(events: int, person_time: float) -> Rate:
    """Rate of a number of events in a person-time. Raises NotEstimableError without person-time."""
    from scipy.stats import chi2

    if not person_time > 0:
        raise NotEstimableError("no time at risk: a rate is not estimable", hint="Nobody was followed in this group.")
    lower = chi2.ppf(0.025, 2 * events) / 2 if events else 0.0
    upper = chi2.ppf(0.975, 2 * events + 2) / 2
    return Rate(events, person_time, events / person_time, float(lower) / person_time, float(upper) / person_time)
