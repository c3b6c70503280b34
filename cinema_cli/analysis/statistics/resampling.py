"""Which rows a bootstrap resample and a fold of cross-validation hold, people kept whole."""

from collections.abc import Callable

import numpy as np

from cinema_cli.analysis.statistics.outcome import Ints


def resampler(n: int, *, cluster: Ints | None = None) -> Callable[[np.random.Generator], Ints]:
    """Draws of as many rows, ascending, with replacement; with `cluster` (n,) of as many people, each with all rows."""
    if cluster is None:
        return lambda rng: np.sort(rng.integers(0, n, n))
    code = np.unique(cluster, return_inverse=True)[1]
    by_person = np.argsort(code, kind="stable")
    n_rows = np.bincount(code)
    first = np.cumsum(n_rows) - n_rows

    def draw(rng: np.random.Generator) -> Ints:
        people = rng.integers(0, len(n_rows), len(n_rows))
        counts = n_rows[people]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.sort(by_person[np.repeat(first[people], counts) + within])

    return draw


def folds(n: int, n_folds: int, *, seed: int, cluster: Ints | None = None) -> Ints:
    """Fold 0 .. n_folds - 1 of each row (n,), at random, of equal numbers; all rows of one in `cluster` in one fold."""
    code = np.arange(n) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    n_people = int(code.max()) + 1
    order = np.random.default_rng(seed).permutation(n_people)
    return np.asarray((order % n_folds)[code], dtype=np.int64)
