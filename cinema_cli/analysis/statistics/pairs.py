"""Sums over pairs that are ordered in two ways at once, without looking at each pair."""

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats, Ints


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
