"""Who is at risk at each event time, laid out so that sums over all risk sets cost one pass over the rows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome
from cinema_cli.domain.errors import NotEstimableError

Ties = Literal["efron", "breslow"]


@dataclass(frozen=True, slots=True, eq=False)
class RiskSets:
    """K event times, ordered by stratum and time, and the m rows that are at risk at one of them, by time of leaving.

    A row is at risk at event times first..stop-1. A `share` is one term of the tie correction: with d events at a time,
    Efron counts their risk less by 0, 1/d, ... (d-1)/d; Breslow has the one term 0.
    """

    ties: Ties
    n: int  # rows of the outcome
    rows: Ints  # (m,) which rows of the outcome
    first: Ints  # (m,)
    stop: Ints  # (m,)
    weights: Floats  # (m,)
    died: Ints  # (events,) positions among the m, by event time
    times: Floats  # (K,)
    stratum: Ints  # (K,) code
    deaths: Ints  # (K,) events at the time
    spans: tuple[tuple[int, int], ...]  # event times of each stratum
    leave: Ints  # (K,) first position of those whose last event time it is
    late: Ints  # positions of those who enter after the first event time of their stratum, by entry
    enter: Ints  # first position in `late` of each distinct entry
    missed: Ints  # the last event time before each distinct entry
    of_time: Ints  # (shares,) event time of each share
    share: Floats  # (shares,)
    share_weight: Floats  # (shares,) weight of its events
    first_share: Ints  # (K,)

    @property
    def first_death(self) -> Ints:
        """First position in `died` of each event time."""
        return np.cumsum(self.deaths) - self.deaths

    def total(self, values: Floats) -> Floats:
        """Sums (..., K) of values (..., m) over those at risk at each event time."""
        sums: Floats = np.add.reduceat(values, self.leave, axis=-1)
        if len(self.late):
            sums[..., self.missed] -= np.add.reduceat(values[..., self.late], self.enter, axis=-1)
        for a, b in self.spans:
            backwards = sums[..., a:b][..., ::-1]
            np.cumsum(backwards, axis=-1, out=backwards)
        return sums

    def total_died(self, values: Floats) -> Floats:
        """Sums (..., K) of values (..., m) over those with the event at each event time."""
        sums: Floats = np.add.reduceat(values[..., self.died], self.first_death, axis=-1)
        return sums

    def per_time(self, values: Floats) -> Floats:
        """Sums (..., K) of values (..., shares) over the shares of each event time."""
        sums: Floats = np.add.reduceat(values, self.first_share, axis=-1)
        return sums


def risk_sets(
    outcome: Outcome, *, weights: Floats | None = None, strata: Ints | None = None, ties: Ties = "efron"
) -> RiskSets:
    """Lay out the risk sets of an outcome; (n,) weights above 0, (n,) strata as codes.

    Raises:
        NotEstimableError: nobody had the event.
    """
    dead = outcome.event == EVENT
    if not dead.any():
        raise NotEstimableError("nobody had the event: no hazard ratio is estimable", hint="Check the event column.")
    weights = np.ones(outcome.n) if weights is None else weights
    if not np.all(weights > 0):
        raise ValueError("weights of a Cox model are above 0")
    codes = np.zeros(outcome.n, np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    key, entry_key, n_ranks = _keys(outcome, codes)
    event_keys, deaths = np.unique(key[dead], return_counts=True)
    first = np.searchsorted(event_keys, entry_key, side="right")
    stop = np.searchsorted(event_keys, key, side="right")
    rows = np.flatnonzero(first < stop)
    rows = rows[np.lexsort((~dead[rows], stop[rows]))]
    first, stop, died = first[rows], stop[rows], np.flatnonzero(dead[rows])
    stratum = event_keys // n_ranks
    edges = np.flatnonzero(np.diff(stratum, prepend=-1, append=stratum[-1] + 1))
    late, enter, missed = _late(first, edges, len(event_keys))
    of_time, share, share_weight, first_share = _shares(deaths, weights[rows][died], ties)
    first_death = np.cumsum(deaths) - deaths
    return RiskSets(
        ties=ties,
        n=outcome.n,
        rows=rows,
        first=first,
        stop=stop,
        weights=weights[rows],
        died=died,
        times=outcome.time[rows][died][first_death],
        stratum=stratum if strata is None else strata[rows][died][first_death],
        deaths=deaths,
        spans=tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)),
        leave=np.searchsorted(stop, np.arange(1, len(event_keys) + 1)),
        late=late,
        enter=enter,
        missed=missed,
        of_time=of_time,
        share=share,
        share_weight=share_weight,
        first_share=first_share,
    )


def _keys(outcome: Outcome, codes: Ints) -> tuple[Ints, Ints, int]:
    """Stratum and time of each row as one whole number that sorts as they do, the same for entry, and their base."""
    if outcome.entry is None:
        distinct, rank = np.unique(outcome.time, return_inverse=True)
        base = len(distinct) + 1
        return codes * base + rank + 1, codes * base, base
    distinct, rank = np.unique(np.concatenate([outcome.time, outcome.entry]), return_inverse=True)
    base = len(distinct) + 1
    return codes * base + rank[: outcome.n] + 1, codes * base + rank[outcome.n :] + 1, base


def _late(first: Ints, edges: Ints, n_times: int) -> tuple[Ints, Ints, Ints]:
    """Those who enter late, by entry; where each distinct entry begins; the event time just before it."""
    opens = np.zeros(n_times, bool)
    opens[edges[:-1]] = True
    late = np.flatnonzero(~opens[first])
    late = late[np.argsort(first[late], kind="stable")]
    entered, enter = np.unique(first[late], return_index=True)
    return late, enter, entered - 1


def _shares(deaths: Ints, weights: Floats, ties: Ties) -> tuple[Ints, Floats, Floats, Ints]:
    """Event time, share, weight of each share, and the first share of each event time."""
    first_death = np.cumsum(deaths) - deaths
    weight = np.add.reduceat(weights, first_death)
    times = np.arange(len(deaths))
    if ties == "breslow":
        return times, np.zeros(len(deaths)), weight, times
    of_time = np.repeat(times, deaths)
    share = (np.arange(len(of_time)) - first_death[of_time]) / deaths[of_time]
    return of_time, share, (weight / deaths)[of_time], first_death
