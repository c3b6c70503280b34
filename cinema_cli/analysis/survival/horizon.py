"""The time at which risks are predicted, where nobody chose one."""

import math

import numpy as np

from cinema_cli.analysis.statistics.outcome import EVENT, Outcome
from cinema_cli.domain.errors import UsageError


def checked_horizon(outcome: Outcome, asked: float | None) -> float:
    """The time asked for, or one by default. Raises UsageError where nothing can be said of the time asked for."""
    if asked is None:
        return _default(outcome)
    if asked >= outcome.time.max():
        raise UsageError(
            f"nobody is followed until --horizon {asked:g}", hint="Choose an earlier time.", code="horizon"
        )
    if outcome.n_events and not np.any((outcome.event == EVENT) & (outcome.time <= asked)):
        raise UsageError(f"no event comes until --horizon {asked:g}", hint="Choose a later time.", code="horizon")
    return asked


def _default(outcome: Outcome) -> float:
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
