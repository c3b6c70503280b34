"""Audit of suppressed counts: what a reader can know of them, and what may be said of them without telling more."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.disclosure.rounding import nearest
from cinema_cli.analysis.disclosure.secondary import Cells, Key, matrix_of
from cinema_cli.analysis.statistics.outcome import Floats

_GUESSES = 4  # directions in which all small counts are moved together, before any is looked at alone
_ONE_PERSON = 1
_NOTHING = 1e-6  # rounding of the solver


def rounded_instead(cells: Cells, hidden: set[Key], *, min_cell: int) -> dict[Key, int]:
    """Hidden counts of at least `min_cell` that may be shown rounded to it, and the numbers to show.

    A number is the middle of what the shown counts and their sums leave for it, so it tells nothing beyond them. Only
    counts that are known to within less than 2 min_cell anyway have one. `hidden` grows where a small count would have
    a single value left: the smallest other in its sums goes too.
    """
    while True:
        reader = _reader(cells, hidden, min_cell)
        small = reader.ranges(small=True) if min_cell > _ONE_PERSON + 1 else {}  # else each is known to be one
        exact = [key for key, (low, high) in small.items() if low == high]
        beside = {_smallest_beside(cells, key, hidden) for key in exact} - {None}
        if not beside:
            break
        hidden |= {key for key in beside if key is not None}
    large = {key: ends for key, ends in reader.ranges(small=False).items() if key in hidden}
    return {key: nearest((low + high) / 2, min_cell) for key, (low, high) in large.items() if high - low < 2 * min_cell}


def _smallest_beside(cells: Cells, key: Key, hidden: set[Key]) -> Key | None:
    """The smallest shown count in the sums of a hidden one, or in those of the hidden ones in these, and so on."""
    reached, size = {key}, 0
    while size < len(reached):
        size = len(reached)
        for total, parts in cells.sums:
            if not reached.isdisjoint((total, *parts)):
                reached |= {cell for cell in (total, *parts) if cells.values[cell]}
        if beside := reached - hidden - cells.unpublished:
            return min(beside, key=lambda cell: cells.values[cell])
    return None


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    """Who knows the shown counts, the sums, that no hidden count is 0, and which ones are small."""

    names: list[Key]  # of what is not shown
    is_small: NDArray[np.bool_]
    matrix: Any  # (sums, names)
    right: Floats  # (sums,)
    limits: Floats  # (names, 2)

    def ranges(self, *, small: bool) -> dict[Key, tuple[int, float]]:
        """Least and largest whole numbers that the small, or the other, counts can be."""
        wanted = np.flatnonzero(self.is_small == small)
        if not len(wanted):
            return {}
        low, high = np.full(len(self.names), np.inf), np.full(len(self.names), -np.inf)
        random = np.random.default_rng(0)
        for _ in range(_GUESSES if small else 0):
            weights = np.where(self.is_small, random.uniform(-1.0, 1.0, len(self.names)), 0.0)
            for found in (self._least(weights), self._least(-weights)):
                low, high = np.fmin(low, found), np.fmax(high, found)
        ends: dict[Key, tuple[int, float]] = {}
        for k in wanted:
            if high[k] - low[k] < 1.0:
                unit = np.zeros(len(self.names))
                unit[k] = 1.0
                low[k], high[k] = self._least(unit)[k], self._least(-unit)[k]
            most = np.floor(high[k] + _NOTHING) if np.isfinite(high[k]) else np.inf
            ends[self.names[k]] = int(np.ceil(low[k] - _NOTHING)), float(most)
        return ends

    def _least(self, weights: Floats) -> Floats:
        """Counts (names,) with the least weighted sum that agree with all that is known; inf where there is none."""
        from scipy.optimize import linprog

        found = linprog(weights, A_eq=self.matrix, b_eq=self.right, bounds=self.limits, method="highs")
        return found.x if found.status == 0 else np.where(weights < 0, np.inf, np.nan)


def _reader(cells: Cells, hidden: set[Key], min_cell: int) -> _Reader:
    names = [key for key in cells.values if key in hidden or key in cells.unpublished]
    place = {name: k for k, name in enumerate(cells.values)}
    columns = np.array([place[name] for name in names], dtype=np.int64)
    values = np.fromiter(cells.values.values(), dtype=np.float64, count=len(place))
    matrix = matrix_of([(place[total], [place[part] for part in parts]) for total, parts in cells.sums], len(place))
    unknown = matrix[:, columns].tocsr()
    linked = np.flatnonzero(np.diff(unknown.indptr))
    small = values[columns] < min_cell
    limits = np.where(small[:, None], [1.0, min_cell - 1.0], [float(min_cell), np.inf])
    unknown = unknown[linked]
    return _Reader(names, small, unknown, np.asarray(unknown @ values[columns]), limits)
