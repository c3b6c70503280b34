"""The picture of Bland and Altman as rows of estimates: points of people where these may be shown, else cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log10

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.outcome import Floats

ELSEWHERE = "elsewhere"  # level of the people in cells that are too small
MOST_POINTS = 500  # people who are drawn one by one
_TRIED = (24, 20, 16, 13, 11, 9, 8, 7, 6, 5, 4, 3)  # cells over 5 SD of the means, finest first
_STEPS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)  # times a power of ten
_HIGH = 1.3  # rows of cells for a column: how differences spread is what is looked for
_WIDE_SDS = 5.0
_FEW_ELSEWHERE, _MOST_ELSEWHERE = 0.2, 1 / 3  # share of people in small cells: of the finest taken, of any


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """People counted in a grid with round edges."""

    step: tuple[float, float]  # of the mean of both, of the difference
    places: NDArray[np.int64]  # (cell, 2): edges are these and the next, times the step
    counts: NDArray[np.int64]  # (cell,), each enough to be shown
    n_elsewhere: int


def bland_altman_rows(
    term: str, first: Floats, second: Floats, *, model: str, fewest: int, unit: str = ""
) -> Iterator[Estimate]:
    """`bland_altman` rows of pairs (n,): first less second (estimate) where the mean of both is level.

    With `fewest` of 1, up to MOST_POINTS people are a point each. Otherwise people are counted in cells with round
    edges: level `60 to 70`, lower and upper the edges of the difference, estimate its middle. A cell has `fewest`
    people or more; who is in smaller ones is counted in one row, which is of nobody or of as many. The finest cells
    are taken that leave at most a fifth there; where all leave more than a third, that is everybody. No rows where all
    have the same mean or the same difference.
    """
    middle, apart = (first + second) / 2.0, first - second
    if fewest <= 1 and len(middle) <= MOST_POINTS:
        for x, y in zip(middle.tolist(), apart.tolist(), strict=True):
            yield Estimate("bland_altman", model=model, term=term, level=f"{x:.6g}", n=1, estimate=y, unit=unit)
        return
    cells = _best(middle, apart, fewest=fewest)
    if cells is None:
        return
    for (column, row), n in zip(cells.places.tolist(), cells.counts.tolist(), strict=True):
        left, right = (f"{(column + k) * cells.step[0]:.6g}" for k in (0, 1))
        low, high = row * cells.step[1], (row + 1) * cells.step[1]
        yield Estimate(
            "bland_altman", model=model, term=term, level=f"{left} to {right}", n=n, estimate=(low + high) / 2.0,
            lower=low, upper=high, unit=unit,
        )  # fmt: skip
    if cells.n_elsewhere:
        yield Estimate("bland_altman", model=model, term=term, level=ELSEWHERE, n=cells.n_elsewhere, unit=unit)


def _best(middle: Floats, apart: Floats, *, fewest: int) -> _Cells | None:
    """The finest cells that show most people, else those that show most."""
    if len(middle) < 2 or not (np.ptp(middle) > 0 and np.ptp(apart) > 0):
        return None
    spreads = [_WIDE_SDS * float(np.std(values)) for values in (middle, apart)]
    found = []
    for columns in _TRIED:
        step = _round(spreads[0] / columns), _round(spreads[1] / (_HIGH * columns))
        found.append(_counted(middle, apart, step=step, fewest=fewest))
        if found[-1].n_elsewhere <= _FEW_ELSEWHERE * len(middle):
            break
    best = min(found, key=lambda cells: cells.n_elsewhere)
    nobody = _Cells(best.step, best.places[:0], best.counts[:0], len(middle))
    return best if best.n_elsewhere <= _MOST_ELSEWHERE * len(middle) else nobody


def _round(size: float) -> float:
    """A round number at or above."""
    power = 10.0 ** floor(log10(size))
    return next(k * power for k in _STEPS if k * power >= size * (1 - 1e-9))


def _counted(middle: Floats, apart: Floats, *, step: tuple[float, float], fewest: int) -> _Cells:
    """Cells of at least `fewest`; the smallest go too until those who are elsewhere are nobody, or as many."""
    at = np.floor(np.column_stack([middle / step[0], apart / step[1]])).astype(np.int64)
    places, counts = np.unique(at, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    n_shown = int(np.count_nonzero(counts >= fewest))
    while n_shown and 0 < len(at) - int(counts[order[:n_shown]].sum()) < fewest:
        n_shown -= 1
    shown = np.sort(order[:n_shown])
    return _Cells(step, places[shown], counts[shown], len(at) - int(counts[shown].sum()))
