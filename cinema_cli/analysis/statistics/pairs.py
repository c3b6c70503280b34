"""Sums over pairs that are ordered in two ways at once, without looking at each pair."""

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats, Ints


def sums_of_later(key: Ints, weight: Floats, *, later_than: Ints, before: Ints) -> Floats:
    """Sum of the weights of those whose key is larger than a limit, among the first so many of a list.

    `key` and `weight` (m,) belong to the list, keys from 0; `later_than` (q,) and `before` (q, b) are questions: the
    answer (q, b) at [i, j] sums `weight[:before[i, j]]` where `key` > `later_than[i]`. The list is split by one
    binary digit of the key after the other, largest first (a wavelet matrix: Claude, Navarro and Ordonez,
    Information Systems 2015), so that it takes O((m + q b) log m) time and O(m + q b) memory.
    """
    answer = np.zeros(before.shape)
    for digit in reversed(range(int(key.max(initial=0)).bit_length())):
        large = (key >> digit & 1).astype(bool)
        n_large = _cumulative(large.astype(np.int64))[before]
        asks_large = (later_than >> digit & 1).astype(bool)
        small_asked = ~asks_large
        answer[small_asked] += _cumulative(np.where(large, weight, 0.0))[before[small_asked]]
        n_small = len(key) - int(np.count_nonzero(large))
        before = np.where(asks_large[:, None], n_small + n_large, before - n_large)
        key = np.concatenate([key[~large], key[large]])
        weight = np.concatenate([weight[~large], weight[large]])
    return answer


def _cumulative(values: Floats | Ints) -> Floats | Ints:
    out = np.zeros(len(values) + 1, dtype=values.dtype)
    np.cumsum(values, out=out[1:])
    return out
