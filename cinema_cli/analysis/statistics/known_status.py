"""Whose status at a horizon is known, and what each person counts so that the others are stood in for."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.censoring import FollowUp, follow_up
from cinema_cli.analysis.statistics.outcome import CENSORED, EVENT, Floats, Ints, Outcome
from cinema_cli.domain.errors import NotEstimableError


@dataclass(frozen=True, slots=True, eq=False)
class KnownStatus:
    """Event or not by a horizon, with inverse probability of censoring weights, of n people."""

    horizon: float
    had_event: Floats  # (n,) 1 where the event happened by the horizon
    weight: Floats  # (n,) 1 / G just before the time, 1 / G at the horizon for those beyond, 0 where censored before
    beyond: Floats  # (n,) 1 where the time is later than the horizon
    censored: Floats  # (n,) 1 where the time is a censoring
    place: Ints  # (n,) of the time among the different times
    seen: FollowUp

    @property
    def risk(self) -> float:
        """Share with the event by the horizon: Kaplan-Meier, or Aalen-Johansen where events compete."""
        return float(np.mean(self.weight * self.had_event))

    def influence(self, contribution: Floats) -> Floats:
        """Influence of each person on the mean of weighted contributions (n,), the estimation of weights included.

        A contribution is the weight times any function of the person, so 0 where the status is not known. The squares
        of the influence sum to the variance of the mean. The part of the weights is the martingale integral of the
        Kaplan-Meier estimator of censoring (Blanche, Dartigues and Jacqmin-Gadda, Stat Med 2013;32:5381).
        """
        n = len(contribution)
        seen = self.seen
        depends = np.bincount(self.place, contribution * (1.0 - self.beyond), len(seen.times))
        later = depends[::-1].cumsum()[::-1] - depends + contribution @ self.beyond
        later[seen.times > self.horizon] = 0.0
        effect = later / seen.at_risk  # of a censoring at a time on the sum of contributions, relative
        expected = np.cumsum(effect * seen.censored / seen.at_risk)
        values = contribution + self.censored * effect[self.place] - expected[self.place]
        return np.asarray((values - values.mean()) / np.sqrt(n * (n - 1.0)))


def known_status(outcome: Outcome, horizon: float, *, seen: FollowUp | None = None) -> KnownStatus:
    """Weigh people for a horizon; `seen` saves counting where there are several horizons.

    Raises NotEstimableError with delayed entry, without an event by the horizon, or with nobody followed beyond it.
    """
    status = status_at(outcome, horizon, seen=seen)
    if not status.had_event.any():
        raise NotEstimableError(f"no events by {horizon:g}: predictions at that time cannot be checked")
    return status


def status_at(outcome: Outcome, horizon: float, *, seen: FollowUp | None = None) -> KnownStatus:
    """`known_status` that allows for a horizon before the first event."""
    if outcome.entry is not None and np.any(outcome.entry > 0):
        raise NotEstimableError(
            "people enter late: how well risk is predicted at a horizon is not defined from the origin of time",
            hint="Use time since inclusion as the time scale for predictions.",
        )
    seen = follow_up(outcome) if seen is None else seen
    beyond = outcome.time > horizon
    if not beyond.any():
        raise NotEstimableError(f"nobody is followed beyond {horizon:g}: predictions at that time cannot be checked")
    observed = seen.observed
    at_time = np.where(beyond, seen.until(observed, np.array([horizon]))[0], seen.before(observed, outcome.time))
    known = beyond | (outcome.event != CENSORED)
    return KnownStatus(
        horizon=horizon,
        had_event=((outcome.event == EVENT) & ~beyond).astype(np.float64),
        weight=np.divide(1.0, at_time, out=np.zeros(outcome.n), where=known),
        beyond=beyond.astype(np.float64),
        censored=(outcome.event == CENSORED).astype(np.float64),
        place=np.searchsorted(seen.times, outcome.time),
        seen=seen,
    )
