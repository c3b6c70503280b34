"""Concordance of a risk with survival: Harrell's and Uno's C, standard errors, differences between two models."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cinema_cli.analysis.statistics.censoring import follow_up
from cinema_cli.analysis.statistics.comparison import Difference, difference
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome
from cinema_cli.analysis.statistics.pairs import sums_of_later
from cinema_cli.domain.errors import NotEstimableError

TimeWeight = Literal["n", "S", "n/G2", "S/G", "I"]


@dataclass(frozen=True, slots=True, eq=False)
class Concordance:
    """Share of comparable pairs in which the one with the higher risk had the event first; ties of risk count half."""

    c: float
    influence: Floats  # (n,) of each row, (clusters,) where people were clustered: its squares sum to the variance
    concordant: float  # sums over pairs of weights; with time weight n and no case weights, numbers of pairs
    discordant: float
    tied_x: float  # same risk
    tied_y: float  # events at the same time
    tied_xy: float  # both

    @property
    def variance(self) -> float:
        """Infinitesimal-jackknife variance of C."""
        return float(self.influence @ self.influence)

    @property
    def se(self) -> float:
        """Standard error of C."""
        return float(np.sqrt(self.variance))


def concordance(
    outcome: Outcome,
    risk: Floats,
    *,
    weights: Floats | None = None,
    strata: Ints | None = None,
    cluster: Ints | None = None,
    time_weight: TimeWeight = "n",
    up_to: float | None = None,
) -> Concordance:
    """C of a risk (n,), higher is worse, as survival::concordance in R, in O(n log n).

    An event is compared with everybody at risk just after it, in its own stratum; someone censored at that time still
    is. `time_weight` n is Harrell's C, n/G2 Uno's; events after `up_to` count as censorings. A competing event is a
    censoring. The standard error is that of the infinitesimal jackknife with fixed time weights (Therneau and Watson,
    Mayo technical report 85, 2015), summed over `cluster` first where it is given.

    Raises NotEstimableError where no pair can be compared, and for weights with G where people enter late.
    """
    weights = np.ones(outcome.n) if weights is None else weights
    strata = np.zeros(outcome.n, dtype=np.int64) if strata is None else strata
    if "G" in time_weight and outcome.entry is not None and np.any(outcome.entry > 0):
        raise NotEstimableError(
            "people enter late: a concordance that does not depend on censoring (Uno) is not estimable",
            hint="Harrell's C takes late entry into account.",
        )
    happened = outcome.event == EVENT
    if up_to is not None:
        happened = happened & (outcome.time <= up_to)
    outcome = Outcome(outcome.time, happened.astype(np.int64), outcome.entry)
    order = _order(outcome, risk, strata)
    event_weights = weights[order.ends]
    pair_weight = _pair_weights(outcome, weights, strata, time_weight)[order.ends]
    lower, same, higher = (pair_weight[:, None] * _later_people(order, weights)).T
    concordant, tied, discordant = event_weights @ lower, event_weights @ same, event_weights @ higher
    n_pairs = concordant + tied + discordant
    if not n_pairs > 0:
        raise NotEstimableError(
            "no event has anybody at risk after it to be compared with: concordance is not estimable",
            hint="Concordance needs at least one event before the last time of follow-up.",
        )
    earlier_lower, earlier_same, earlier_higher = _earlier_events(order, event_weights * pair_weight).T
    earlier_higher[order.ends] += lower
    earlier_same[order.ends] += same
    earlier_lower[order.ends] += higher
    c = (concordant + tied / 2.0) / n_pairs
    # derivative of C by the weight of a row, times the weight
    influence = weights * ((1.0 - c) * earlier_higher + (0.5 - c) * earlier_same - c * earlier_lower) / n_pairs
    if cluster is not None:
        influence = np.bincount(np.unique(cluster, return_inverse=True)[1], influence)
    tied_y, tied_xy = _tied_events(order, event_weights, pair_weight)
    return Concordance(float(c), influence, float(concordant), float(discordant), float(tied), tied_y, tied_xy)


def uno_concordance(outcome: Outcome, risk: Floats, *, up_to: float, cluster: Ints | None = None) -> Concordance:
    """Uno's C up to a time: pairs weighted so that it does not depend on when people were censored.

    Raises NotEstimableError as `concordance`.
    """
    return concordance(outcome, risk, cluster=cluster, time_weight="n/G2", up_to=up_to)


def concordance_difference(a: Concordance, b: Concordance) -> Difference:
    """C of `a` less C of `b`, in the same rows (and clusters)."""
    return difference(a.c - b.c, a.influence - b.influence)


@dataclass(frozen=True, slots=True, eq=False)
class _Order:
    """Rows by time and by risk, as whole numbers."""

    ends: Ints  # (e,) rows with the event
    risk_code: Ints  # (n,) dense ranks of (stratum, risk)
    first_code: Ints  # (n,) the smallest of the stratum
    last_code: Ints  # (n,) one more than the largest
    until: Ints  # (n,) the row is at risk just after the event times with a smaller number
    since: Ints | None  # (n,) and from this number on; None: from the beginning


def _order(outcome: Outcome, risk: Floats, strata: Ints) -> _Order:
    ends = np.flatnonzero(outcome.event == EVENT)
    times = np.unique(outcome.time[ends])
    until = np.searchsorted(times, outcome.time, side="right")
    until[ends] -= 1
    by_risk = np.lexsort((risk, strata))
    new_stratum = np.diff(strata[by_risk], prepend=strata[by_risk[:1]] - 1) != 0
    new = new_stratum | (np.diff(risk[by_risk], prepend=np.nan) != 0)
    code = np.empty(outcome.n, dtype=np.int64)
    code[by_risk] = new.cumsum() - 1
    firsts = np.flatnonzero(new_stratum[new])
    place = np.searchsorted(firsts, code, side="right")
    bounds = np.append(firsts, np.count_nonzero(new))
    since = None if outcome.entry is None else np.searchsorted(times, outcome.entry, side="right")
    return _Order(ends, code, bounds[place - 1], bounds[place], until, since)


def _later_people(order: _Order, weights: Floats) -> Floats:
    """For each event the weights of people at risk just after it, with lower, the same and higher risk: (e, 3)."""
    code, key, weight = order.risk_code, order.until, weights
    if order.since is not None:  # people at risk at all later times, less those who had not entered
        code, key, weight = np.tile(code, 2), np.concatenate([key, order.since]), np.concatenate([weight, -weight])
    by_code = np.argsort(code, kind="stable")
    before = _bounds(order, np.bincount(code, minlength=len(order.risk_code)), order.ends)
    sums = sums_of_later(key[by_code], weight[by_code], later_than=order.until[order.ends], before=before)
    return np.diff(sums, axis=1)


def _earlier_events(order: _Order, weight: Floats) -> Floats:
    """For each row the weights of events at which it was at risk, with lower, the same and higher risk: (n, 3)."""
    ends, rows = order.ends, np.arange(len(order.risk_code))
    code = order.risk_code[ends]
    by_code = np.argsort(code, kind="stable")
    before = _bounds(order, np.bincount(code, minlength=len(rows)), rows)
    latest = order.until.max()  # counted backwards: earlier events have larger keys
    key, weight = latest - order.until[ends][by_code], weight[by_code]
    sums = sums_of_later(key, weight, later_than=latest - order.until, before=before)
    if order.since is not None:
        sums -= sums_of_later(key, weight, later_than=latest - order.since, before=before)
    return np.diff(sums, axis=1)


def _bounds(order: _Order, n_of_code: Ints, rows: Ints) -> Ints:
    """Where in a list by risk the stratum of a row begins, its own risk begins, ends, its stratum ends: (rows, 4)."""
    starts = np.append(0, n_of_code.cumsum())
    code = order.risk_code[rows]
    return np.stack([starts[order.first_code[rows]], starts[code], starts[code + 1], starts[order.last_code[rows]]], 1)


def _tied_events(order: _Order, weights: Floats, pair_weight: Floats) -> tuple[float, float]:
    """Pairs of events at one time with different risks, and with the same."""
    stratum, time = order.first_code[order.ends], order.until[order.ends]
    same_time = _pairs_within(stratum, time, weights, pair_weight)
    same_both = _pairs_within(order.risk_code[order.ends], time, weights, pair_weight)
    return same_time - same_both, same_both


def _pairs_within(group: Ints, time: Ints, weights: Floats, pair_weight: Floats) -> float:
    place = np.unique(group * (time.max() + 1) + time, return_inverse=True)[1]
    total, squares = np.bincount(place, weights), np.bincount(place, weights**2)
    return float(np.sum((total**2 - squares) / 2.0 * np.bincount(place, pair_weight) / np.bincount(place)))


def _pair_weights(outcome: Outcome, weights: Floats, strata: Ints, time_weight: TimeWeight) -> Floats:
    """What a pair counts whose first event is that of each row, (n,); only rows with the event matter."""
    out = np.ones(outcome.n)
    if time_weight == "n":
        return out
    for stratum in np.unique(strata):
        rows = np.flatnonzero((strata == stratum) & (outcome.event == EVENT))
        inside = strata == stratum
        seen = follow_up(outcome.take(inside), weights=weights[inside])
        alive, observed = (seen.before(curve, outcome.time[rows]) for curve in (seen.free, seen.observed))
        at_risk = seen.at_risk[np.searchsorted(seen.times, outcome.time[rows])]
        total = weights[inside].sum()
        out[rows] = {
            "S": total * alive / at_risk,
            "S/G": total * alive / (observed * at_risk),
            "n/G2": 1.0 / observed**2,
            "I": 1.0 / at_risk,
        }[time_weight]
    return out
