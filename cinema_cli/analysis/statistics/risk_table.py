"""Who is at risk when: the counts that curves, rates and tests are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Outcome
from cinema_cli.domain.errors import NotEstimableError


@dataclass(frozen=True, slots=True, eq=False)
class RiskTable:
    """Counts at each distinct time, ascending: exits, and where people enter late their entries too."""

    times: Floats  # (k,)
    at_risk: Floats  # (k,), just before the time: entry < time <= exit
    events: Floats  # (k,)


def risk_table(outcome: Outcome, *, weights: Floats | None = None) -> RiskTable:
    """Counts of an outcome; `weights` (n,) are numbers of identical people. Competing events count as censorings.

    Raises NotEstimableError without anybody.
    """
    if outcome.n == 0:
        raise NotEstimableError("nobody is left to follow", hint="See the participant flow for who was left out.")
    w = np.ones(outcome.n) if weights is None else weights
    every = outcome.time if outcome.entry is None else np.concatenate([outcome.time, outcome.entry])
    times = np.unique(every)
    at_risk = np.sum(w) - total_below(outcome.time, w, times)
    if outcome.entry is not None:
        at_risk -= np.sum(w) - total_below(outcome.entry, w, times)
    died = outcome.event == EVENT
    events = np.zeros(len(times))
    np.add.at(events, np.searchsorted(times, outcome.time[died]), w[died])
    return RiskTable(times, at_risk, events)


def total_below(values: Floats, weights: Floats, limits: Floats) -> Floats:
    """Sum of the weights of the values strictly below each of the limits."""
    order = np.argsort(values, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(weights[order])])
    below: NDArray[np.float64] = sums[np.searchsorted(values[order], limits, side="left")]
    return below
