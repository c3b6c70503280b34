"""Concordance of a risk with survival: Harrell's and Uno's C, standard errors, differences between two models."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cinema_cli.analysis.statistics.censoring import follow_up
from cinema_cli.analysis.statistics.comparison import Difference, Score, difference
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome
from cinema_cli.analysis.statistics.pairs import earlier_events, later_people, order_pairs, tied_events
from cinema_cli.domain.errors import NotEstimableError

TimeWeight = Literal["n", "S", "n/G2", "S/G", "I"]


@dataclass(frozen=True, slots=True, eq=False)
class Concordance(Score):
    """Share of comparable pairs in which the one with the higher risk had the event first; ties of risk count half.

    The counts are sums of the weights of pairs: with time weight n and no case weights, numbers of pairs.
    """

    concordant: float
    discordant: float
    tied_x: float  # same risk
    tied_y: float  # events at the same time
    tied_xy: float  # both

    @property
    def c(self) -> float:
        """The estimate."""
        return self.estimate


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
    order = order_pairs(outcome, risk, strata)
    event_weights = weights[order.ends]
    pair_weight = _pair_weights(outcome, weights, strata, time_weight)[order.ends]
    lower, same, higher = (pair_weight[:, None] * later_people(order, weights)).T
    concordant, tied, discordant = (float(event_weights @ of_event) for of_event in (lower, same, higher))
    c, n_pairs = _share_in_order(concordant, tied, discordant)
    earlier_lower, earlier_same, earlier_higher = earlier_events(order, event_weights * pair_weight).T
    earlier_higher[order.ends] += lower
    earlier_same[order.ends] += same
    earlier_lower[order.ends] += higher
    # derivative of C by the weight of a row, times the weight
    influence = weights * ((1.0 - c) * earlier_higher + (0.5 - c) * earlier_same - c * earlier_lower) / n_pairs
    if cluster is not None:
        influence = np.bincount(np.unique(cluster, return_inverse=True)[1], influence)
    return Concordance(c, influence, concordant, discordant, tied, *tied_events(order, event_weights, pair_weight))


def harrell_c(outcome: Outcome, risk: Floats, *, strata: Ints | None = None) -> float:
    """The `c` of `concordance` alone, without its error, in less than half the time.

    Raises NotEstimableError as `concordance`.
    """
    order = order_pairs(outcome, risk, np.zeros(outcome.n, dtype=np.int64) if strata is None else strata)
    lower, same, higher = later_people(order, np.ones(outcome.n)).sum(axis=0).tolist()
    return _share_in_order(lower, same, higher)[0]


def uno_concordance(
    outcome: Outcome, risk: Floats, *, up_to: float, strata: Ints | None = None, cluster: Ints | None = None
) -> Concordance:
    """Uno's C up to a time: pairs weighted so that it does not depend on when people were censored.

    Raises NotEstimableError as `concordance`.
    """
    return concordance(outcome, risk, strata=strata, cluster=cluster, time_weight="n/G2", up_to=up_to)


def concordance_difference(a: Concordance, b: Concordance) -> Difference:
    """C of `a` less C of `b`, in the same rows (and clusters)."""
    return difference(a, b)


def _share_in_order(concordant: float, tied: float, discordant: float) -> tuple[float, float]:
    """C, and the weight of all pairs."""
    n_pairs = concordant + tied + discordant
    if not n_pairs > 0:
        raise NotEstimableError(
            "no event has anybody at risk after it to be compared with: concordance is not estimable",
            hint="Concordance needs at least one event before the last time of follow-up.",
        )
    return (concordant + tied / 2.0) / n_pairs, n_pairs


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
