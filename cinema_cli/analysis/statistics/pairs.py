"""Pairs of people ordered by time and by risk, summed without looking at each pair."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Rows by time and by risk, as whole numbers."""

    ends: Ints  # (e,) rows with the event
    risk_code: Ints  # (n,) dense ranks of (stratum, risk)
    first_code: Ints  # (n,) the smallest of the stratum
    last_code: Ints  # (n,) one more than the largest
    until: Ints  # (n,) the row is at risk just after the event times with a smaller number
    since: Ints | None  # (n,) and from this number on; None: from the beginning


def order_pairs(outcome: Outcome, risk: Floats, strata: Ints) -> Order:
    """Order rows by risk (n,) within strata (n,), and by time; a competing event is a censoring."""
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
    return Order(ends, code, bounds[place - 1], bounds[place], until, since)


def later_people(order: Order, weights: Floats) -> Floats:
    """For each event the weights of people at risk just after it, with lower, the same and higher risk: (e, 3)."""
    code, key, weight = order.risk_code, order.until, weights
    if order.since is not None:  # people at risk at all later times, less those who had not entered
        code, key, weight = np.tile(code, 2), np.concatenate([key, order.since]), np.concatenate([weight, -weight])
    by_code = np.argsort(code, kind="stable")
    before = _bounds(order, np.bincount(code, minlength=len(order.risk_code)), order.ends)
    sums = sums_of_later(key[by_code], weight[by_code], later_than=order.until[order.ends], before=before)
    return np.diff(sums, axis=1)


def earlier_events(order: Order, weight: Floats) -> Floats:
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


def _bounds(order: Order, n_of_code: Ints, rows: Ints) -> Ints:
    """Where in a list by risk the stratum of a row begins, its own risk begins, ends, its stratum ends: (rows, 4)."""
    starts = np.append(0, n_of_code.cumsum())
    code = order.risk_code[rows]
    return np.stack([starts[order.first_code[rows]], starts[code], starts[code + 1], starts[order.last_code[rows]]], 1)


def tied_events(order: Order, weights: Floats, pair_weight: Floats) -> tuple[float, float]:
    """Pairs of events at one time with different risks, and with the same."""
    stratum, time = order.first_code[order.ends], order.until[order.ends]
    same_time = _pairs_within(stratum, time, weights, pair_weight)
    same_both = _pairs_within(order.risk_code[order.ends], time, weights, pair_weight)
    return same_time - same_both, same_both


def _pairs_within(group: Ints, time: Ints, weights: Floats, pair_weight: Floats) -> float:
    place = np.unique(group * (time.max() + 1) + time, return_inverse=True)[1]
    total, squares = np.bincount(place, weights), np.bincount(place, weights**2)
    return float(np.sum((total**2 - squares) / 2.0 * np.bincount(place, pair_weight) / np.bincount(place)))


def sums_of_later(key: Ints, weight: Floats, *, later_than: Ints, before: Ints) -> Floats:
    """Sum of the weights of those whose key is larger than a limit, among the first so many of a list.

    `key` and `weight` (m,) belong to the list, keys from 0; `later_than` (q,) and `before` (q, b) are questions: the
    answer (q, b) at [i, j] sums `weight[:before[i, j]]` where `key` > `later_than[i]`. Meant for differences along b,
    each of which is such a sum over a part of the list. The list is split by one binary digit of the key after the
    other, largest first (a wavelet matrix: Claude, Navarro and Ordonez, Information Systems 2015), in
    O((m + q b) log max key) time and O(m + q b) memory.
    """
    sums = np.zeros(before.shape)
    largest = max(int(key.max(initial=0)), int(later_than.max(initial=0)))
    for digit in reversed(range(largest.bit_length())):
        large = (key >> digit & 1).astype(bool)
        asks_large = (later_than >> digit & 1).astype(bool)
        up_to = np.concatenate([[0.0], np.cumsum(np.where(large, weight, 0.0))])
        sums[~asks_large] += up_to[before[~asks_large]]  # a larger digit makes a key larger, whatever follows
        n_large = np.concatenate([[0], np.cumsum(large)])
        among_large = n_large[before]
        before = np.where(asks_large[:, None], len(key) - n_large[-1] + among_large, before - among_large)
        key = np.concatenate([key[~large], key[large]])
        weight = np.concatenate([weight[~large], weight[large]])
    return sums
