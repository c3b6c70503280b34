"""Whether acting on predicted risks does more good than acting on everybody or on nobody: net benefit."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.known_status import known_status
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome


@dataclass(frozen=True, slots=True, eq=False)
class DecisionCurve:
    """Net benefit by threshold, all (k,): true positives less false positives at their exchange rate, per person."""

    thresholds: Floats
    model: Floats  # unknown (nan) where none of those above the threshold is followed to the horizon
    everybody: Floats  # acting on all; acting on nobody has 0


def net_benefit(outcome: Outcome, risk: Floats, *, horizon: float, thresholds: Floats) -> DecisionCurve:
    """Net benefit of acting on people whose predicted risk (n,) at a horizon is above each threshold in (0, 1).

    Their true risk is the Kaplan-Meier one of these people (Vickers, Cronin, Elkin and Gonen, BMC Med Inform Decis Mak
    2008;8:53). Competing events count as censorings.

    Raises NotEstimableError as `known_status`.
    """
    known_status(outcome, horizon)
    times, place = np.unique(outcome.time, return_inverse=True)
    event = outcome.event == EVENT
    odds = thresholds / (1.0 - thresholds)
    all_risk = _observed_risk(times, place, event, horizon)
    model = np.zeros(len(thresholds))
    for k, threshold in enumerate(thresholds):
        above = risk > threshold
        if above.any():
            observed = _observed_risk(times, place[above], event[above], horizon)
            model[k] = above.mean() * (observed - (1.0 - observed) * odds[k])
    return DecisionCurve(thresholds, model, all_risk - (1.0 - all_risk) * odds)


def _observed_risk(times: Floats, place: Ints, event: Ints, horizon: float) -> float:
    """Kaplan-Meier risk at a horizon from places of times among all `times`, in one pass."""
    at_risk = np.bincount(place, minlength=len(times))[::-1].cumsum()[::-1]
    events = np.bincount(place, event, len(times))
    until = times <= horizon
    free = float(np.prod(1.0 - events[until] / np.maximum(at_risk[until], 1)))
    return 1.0 - free if times[place.max()] >= horizon or free == 0 else float("nan")
