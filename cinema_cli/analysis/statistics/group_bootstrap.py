"""Resamples of people within each group, in blocks: what intervals of differences between groups are made of."""

from collections.abc import Iterator

import numpy as np

from cinema_cli.analysis.statistics.outcome import Ints
from cinema_cli.analysis.statistics.permutation import AT_ONCE, Places


def resamples(code: Ints, n_resamples: int, *, seed: int, stream: int = 0) -> Iterator[Places]:
    """Rows drawn with replacement within their group, (b, n) at a time; groups follow each other as in sorted `code`.

    `code` (n,) is the group of each row from 0. Group sizes stay as they are. `stream` tells apart draws of one seed.
    """
    rng = np.random.default_rng([seed, 1, stream])
    order = np.argsort(code, kind="stable").astype(np.int32)
    sizes = np.bincount(code)
    first, size = np.repeat(np.cumsum(sizes) - sizes, sizes).astype(np.int32), np.repeat(sizes, sizes)
    at_once = max(1, AT_ONCE // max(len(code), 1))
    for start in range(0, n_resamples, at_once):
        draws = rng.random((min(at_once, n_resamples - start), len(code)))
        draws *= size
        yield order[first + draws.astype(np.int32)]
