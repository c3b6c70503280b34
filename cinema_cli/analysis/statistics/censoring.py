"""How long people stay without an event and how long under observation: what inverse probability weights come from."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.outcome import CENSORED, Floats, Ints, Outcome


@dataclass(frozen=True, slots=True, eq=False)
class FollowUp:
    """Weighted numbers at each different time; where an event and a censoring share a time, the event comes first."""

    times: Floats  # (u,) ascending
    at_risk: Floats  # (u,) just before
    events: Floats  # (u,) of any kind
    censored: Floats  # (u,)

    @property
    def free(self) -> Floats:
        """Kaplan-Meier share without an event just after each time, (u,)."""
        return _remaining(self.events, self.at_risk)

    @property
    def observed(self) -> Floats:
        """Kaplan-Meier share not yet censored just after each time, (u,): G of the inverse probability weights."""
        return _remaining(self.censored, self.at_risk - self.events)

    def until(self, curve: Floats, times: Floats) -> Floats:
        """A curve of these times at other times, the jump at the time itself included; 1 before the first."""
        return _stepped(curve, np.searchsorted(self.times, times, side="right"))

    def before(self, curve: Floats, times: Floats) -> Floats:
        """A curve of these times just before other times."""
        return _stepped(curve, np.searchsorted(self.times, times, side="left"))


def follow_up(outcome: Outcome, *, weights: Floats | None = None) -> FollowUp:
    """Count who is at risk, has an event and is censored at each different time, in O(n log n)."""
    weights = np.ones(outcome.n) if weights is None else weights
    times, place = np.unique(outcome.time, return_inverse=True)
    leaving = np.bincount(place, weights, len(times)).astype(np.float64)
    censored = np.bincount(place, np.where(outcome.event == CENSORED, weights, 0.0), len(times)).astype(np.float64)
    at_risk = leaving[::-1].cumsum()[::-1]
    if outcome.entry is not None:
        late = np.bincount(np.searchsorted(times, outcome.entry, side="right"), weights, len(times) + 1)
        at_risk = at_risk - late[::-1].cumsum()[::-1][1:]
    return FollowUp(times, at_risk, leaving - censored, censored)


def _remaining(lost: Floats, of: Floats) -> Floats:
    hazard = np.divide(lost, of, out=np.zeros_like(lost), where=lost > 0)
    return np.asarray(np.cumprod(1.0 - hazard), dtype=np.float64)


def _stepped(curve: Floats, step: Ints) -> Floats:
    return np.asarray(np.concatenate([[1.0], curve])[step], dtype=np.float64)
