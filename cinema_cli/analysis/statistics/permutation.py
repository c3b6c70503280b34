"""Permutations of people in blocks, and what a statistic is when groups are nothing but chance."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.outcome import Floats

Places = NDArray[np.int32]
AT_ONCE = 1_000_000  # people times permutations in memory
_ROUNDING = 1e-12  # relative: a permutation that gives the same groups again is as extreme


@dataclass(frozen=True, slots=True)
class Null:
    """A statistic under permutation, and how likely one as large as that observed is by chance."""

    mean: float
    lower: float  # 2.5 %
    upper: float  # 97.5 %
    p: float  # (1 + permutations as extreme) / (1 + permutations): Phipson and Smyth, Stat Appl Genet 2010;9:39


def permutations(n: int, n_permutations: int, *, seed: int) -> Iterator[Places]:
    """Permutations of 0 .. n - 1, some (b, n) at a time."""
    rng = np.random.default_rng([seed, 0])
    size = max(1, AT_ONCE // max(n, 1))
    people = np.arange(n, dtype=np.int32)
    for start in range(0, n_permutations, size):
        block = np.tile(people, (min(size, n_permutations - start), 1))
        yield rng.permuted(block, axis=1, out=block)


def null_of(drawn: Floats, observed: float, *, smaller: bool = False) -> Null | None:
    """What permutations (s,) of a statistic say of the observed one; `smaller` ones are extreme if so asked.

    None where nothing was drawn, or nothing is known of the observed one.
    """
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn) or not np.isfinite(observed):
        return None
    spare = _ROUNDING * max(1.0, abs(observed))
    extreme = drawn <= observed + spare if smaller else drawn >= observed - spare
    lower, upper = np.quantile(drawn, (0.025, 0.975))
    p = (1 + np.count_nonzero(extreme)) / (1 + len(drawn))
    return Null(float(drawn.mean()), float(lower), float(upper), float(p))
