"""The time at which risks are predicted, where nobody chose one."""

import math

import numpy as np

from cinema_cli.analysis.statistics.outcome import EVENT, Outcome


def default_horizon(outcome: Outcome) -> float:
    """A round time with a quarter of the people still followed or, if events came earlier, at the last of them.

    With late entry the time is counted as the outcome counts it.
    """
    followed = float(np.quantile(outcome.time, 0.75))
    events = outcome.time[outcome.event == EVENT]
    return _round_down(min(followed, float(events.max())) if len(events) else followed)


def _round_down(value: float) -> float:
    """The largest of 1, 2, ... 9 times a power of ten that is at most `value`."""
    size = 10.0 ** math.floor(math.log10(value))
    rounded = math.floor(value / size + 1e-9) * size
    return float(f"{rounded:.12g}")
