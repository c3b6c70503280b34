"""Who is at risk when, how many stay without the event and how many stay under observation."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.outcome import CENSORED, Floats, Outcome


@dataclass(frozen=True, slots=True, eq=False)
class RiskSets:
    """Weighted numbers at each different time; an event and a censoring at one time happen in this order."""

    times: Floats  # (u,) ascending
    at_risk: Floats  # (u,) just before
    events: Floats  # (u,) of any kind
    censored: Floats  # (u,)

    @property
    def survival(self) -> Floats:
        """Kaplan-Meier share without an event just after each time, (u,)."""
        return np.cumprod(1.0 - _share(self.events, self.at_risk))

    @property
    def observed(self) -> Floats:
        """Kaplan-Meier share not yet censored just after each time, (u,): G of the inverse probability weights."""
        return np.cumprod(1.0 - self.censoring_hazard)

    @property
    def censoring_hazard(self) -> Floats:
        """Share of those still without an event that is censored at each time, (u,)."""
        return _share(self.censored, self.at_risk - self.events)

    def until(self, curve: Floats, times: Floats) -> Floats:
        """A curve of these times at other times, the jump at the time itself included; 1 before the first."""
        return np.concatenate([[1.0], curve])[np.searchsorted(self.times, times, side="right")]

    def before(self, curve: Floats, times: Floats) -> Floats:
        """A curve of these times just before other times."""
        return np.concatenate([[1.0], curve])[np.searchsorted(self.times, times, side="left")]


def risk_sets(outcome: Outcome, *, weights: Floats | None = None) -> RiskSets:
    """Count who is at risk, has an event and is censored at each different time, in O(n log n)."""
    weights = np.ones(outcome.n) if weights is None else weights
    times, place = np.unique(outcome.time, return_inverse=True)
    leaving = np.bincount(place, weights, len(times))
    censored = np.bincount(place, np.where(outcome.event == CENSORED, weights, 0.0), len(times))
    at_risk = leaving[::-1].cumsum()[::-1]
    if outcome.entry is not None:
        late = np.bincount(np.searchsorted(times, outcome.entry, side="right"), weights, len(times) + 1)
        at_risk = at_risk - late[::-1].cumsum()[::-1][1:]
    return RiskSets(times, at_risk, leaving - censored, censored)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=part > 0)
