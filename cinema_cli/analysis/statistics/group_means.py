"""Means of many figures in the groups of many columns: their gaps, permuted and resampled for all at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cinema_cli.analysis.statistics.group_bootstrap import resamples
from cinema_cli.analysis.statistics.group_gaps import Apart, Better, GroupGaps, apart, deviations, group_gaps
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.analysis.statistics.permutation import Places, permutations

FEWEST = 10  # people (or events) of whom a figure is given

NOTHING = dict.fromkeys(Apart, np.empty(0))  # draws of nothing
Place = tuple[int, int]  # number of a column of groups, number of a figure


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """How much is drawn, and from where."""

    n_permutations: int = 1000
    n_resamples: int = 1000
    seed: int = 0
    fewest: int = FEWEST  # smaller groups are left out


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    number: int
    kept: Ints  # (k,) codes of groups that are large enough
    code: Ints  # (rows,) position among these


@dataclass(frozen=True, slots=True, eq=False)
class _Panel:
    """Figures that the same people have, and columns in which the same of them have a group: permuted together."""

    rows: Ints  # (r,)
    figures: Ints  # (m,) numbers
    x: Floats  # (r, m)
    columns: tuple[_Column, ...]


def mean_gaps(values: Floats, codes: Sequence[Ints], better: Sequence[Better], draws: Draws) -> dict[Place, GroupGaps]:
    """Gaps between group means of `values` (n, m), missing where nan, in columns of groups (n,), -1 where unknown.

    One permutation of people serves all figures and columns, each among those who have a value and a group: exact
    where people are exchangeable. Places with fewer than two groups of `draws.fewest` people are not in the result.
    """
    panels = list(_panels(values, codes, draws.fewest))
    observed = {
        (column.number, int(figure)): (column.kept, means[:, k])
        for panel in panels
        for column in panel.columns
        for means in [_means(panel.x, column.code)]
        for k, figure in enumerate(panel.figures)
    }
    permuted = _collected(
        (place, apart(means, better[place[1]])) for place, means in _permuted(panels, len(values), draws)
    )
    deviated = _collected(
        (place, deviations(means, observed[place][1], better[place[1]])) for place, means in _resampled(panels, draws)
    )
    return {
        place: group_gaps(
            kept, means, better[place[1]], permuted=permuted.get(place, NOTHING), deviated=deviated.get(place, NOTHING)
        )
        for place, (kept, means) in sorted(observed.items())
    }


def _panels(values: Floats, codes: Sequence[Ints], fewest: int) -> Iterator[_Panel]:
    known = np.isfinite(values)
    packed = np.packbits(known, axis=0).T
    _, pattern = np.unique(packed, axis=0, return_inverse=True)
    for one in np.unique(pattern):
        figures = np.flatnonzero(pattern.ravel() == one)
        alike: dict[bytes, tuple[Ints, list[_Column]]] = {}
        for number, code in enumerate(codes):
            of = np.where(known[:, figures[0]], code, -1)
            sizes = np.bincount(of[of >= 0])
            kept = np.flatnonzero(sizes >= fewest)
            if len(kept) < 2:
                continue
            place = np.full(len(sizes) + 1, -1)  # the last one is for -1
            place[kept] = np.arange(len(kept))
            rows = np.flatnonzero(place[of] >= 0)
            alike.setdefault(rows.tobytes(), (rows, []))[1].append(_Column(number, kept, place[of][rows]))
        for rows, columns in alike.values():
            x = np.ascontiguousarray(values[np.ix_(rows, figures)])
            yield _Panel(rows, figures, x, tuple(columns))


def _means(x: Floats, code: Ints) -> Floats:
    sums = np.stack([np.bincount(code, column) for column in x.T], axis=1)
    return np.asarray(sums / np.bincount(code)[:, None])


def _permuted(panels: Sequence[_Panel], n: int, draws: Draws) -> Iterator[tuple[Place, Floats]]:
    """Means (b, k) of permuted people by place."""
    places, cells = [], []
    for panel in panels:
        place = np.full(n, -1, dtype=np.int32)
        place[panel.rows] = np.arange(len(panel.rows))
        places.append(place)
        cells.append(_combinations(panel.columns))  # one sum a combination serves all columns
    if not panels:
        return
    for block in permutations(n, draws.n_permutations, seed=draws.seed):
        for panel, place, (combinations, sizes) in zip(panels, places, cells, strict=True):
            order = place[block]
            order = order[order >= 0].reshape(len(block), len(panel.rows))
            sums = _sums(panel.x, order, sizes)
            for k, column in enumerate(panel.columns):
                belongs = (combinations[:, k] == np.arange(len(column.kept))[:, None]).astype(np.float64)
                yield from _by_figure(panel, column, (belongs @ sums) / (belongs @ sizes)[:, None])


def _combinations(columns: Sequence[_Column]) -> tuple[Ints, Ints]:
    """Groups that occur together, (c, columns), and how many people are in each combination, (c,)."""
    joint = np.zeros(len(columns[0].code), dtype=np.int64)
    for column in columns:
        joint = np.unique(joint * len(column.kept) + column.code, return_inverse=True)[1]
    _, first, sizes = np.unique(joint, return_index=True, return_counts=True)
    return np.stack([column.code[first] for column in columns], axis=1), sizes


def _resampled(panels: Sequence[_Panel], draws: Draws) -> Iterator[tuple[Place, Floats]]:
    """Means (b, k) of people drawn within their groups by place."""
    for panel in panels:
        for column in panel.columns:
            sizes = np.bincount(column.code)
            for block in resamples(column.code, draws.n_resamples, seed=draws.seed, stream=column.number):
                yield from _by_figure(panel, column, _sums(panel.x, block, sizes) / sizes[:, None])


def _sums(x: Floats, order: Places, sizes: Ints) -> Floats:
    """Sums of rows of x (r, m), taken in each of some orders (b, r), over runs of these sizes (c,): (b, c, m)."""
    from scipy.sparse import csr_array

    n_orders = len(order)
    bounds = np.append(0, np.cumsum(np.tile(sizes, n_orders))).astype(np.int32)
    runs: Any = csr_array((np.ones(order.size), order.ravel(), bounds), shape=(len(bounds) - 1, len(x)))
    return np.asarray(runs @ x).reshape(n_orders, len(sizes), x.shape[1])


def _by_figure(panel: _Panel, column: _Column, means: Floats) -> Iterator[tuple[Place, Floats]]:
    for k, figure in enumerate(panel.figures):
        yield (column.number, int(figure)), means[:, :, k]


def _collected(some: Iterator[tuple[Place, dict[Apart, Floats]]]) -> dict[Place, dict[Apart, Floats]]:
    found: dict[Place, list[dict[Apart, Floats]]] = {}
    for place, part in some:
        found.setdefault(place, []).append(part)
    return {
        place: {way: np.concatenate([one[way] for one in parts]) for way in Apart} for place, parts in found.items()
    }
