"""Figures that are no means - AUC, C, observed over expected - in groups: their gaps, permuted and resampled."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.group_bootstrap import resamples
from cinema_cli.analysis.statistics.group_gaps import Better, GroupGaps, apart, deviations, group_gaps
from cinema_cli.analysis.statistics.group_means import NOTHING, Draws
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome
from cinema_cli.analysis.statistics.pairs import later_people, order_pairs
from cinema_cli.analysis.statistics.permutation import permutations

InGroups = Callable[[Ints, Ints, int], Floats]
"""Rows (r,), the group of each (r,) from 0, the number of groups k -> the figure of each group (k,)."""


def figure_gaps(figure: InGroups, code: Ints, better: Better, draws: Draws) -> GroupGaps | None:
    """Gaps of a figure between the groups of a column (n,), -1 where unknown or too small; None without two groups."""
    rows = np.flatnonzero(code >= 0)
    kept, place = np.unique(code[rows], return_inverse=True)
    k = len(kept)
    if k < 2:
        return None
    values = figure(rows, place, k)
    permuted = [
        figure(rows, place[order], k)
        for block in permutations(len(rows), draws.n_permutations, seed=draws.seed)
        for order in block
    ]
    of_sorted = np.sort(place)
    resampled = [
        figure(rows[drawn], of_sorted, k)
        for block in resamples(place, draws.n_resamples, seed=draws.seed)
        for drawn in block
    ]
    return group_gaps(
        kept,
        values,
        better,
        permuted=apart(np.stack(permuted), better) if permuted else NOTHING,
        deviated=deviations(np.stack(resampled), values, better) if resampled else NOTHING,
    )


def normal_gaps(
    groups: Ints, values: Floats, se: Floats, better: Better, draws: Draws, *, logarithm: bool = False
) -> GroupGaps:
    """Gaps of figures (k,) whose standard errors are known, from normal draws instead of permutations and resamples.

    Chance alone is drawn around the mean of the groups weighted by precision. `logarithm`: figures are ratios, and
    `se` that of their logarithms.
    """
    rng = np.random.default_rng([draws.seed, 2])
    middle = np.log(values) if logarithm else values
    common = float(np.average(middle, weights=se**-2.0))
    back: Callable[[Floats], Floats] = np.exp if logarithm else np.asarray
    alike = back(common + se * rng.normal(size=(draws.n_permutations, len(se))))
    again = back(middle + se * rng.normal(size=(draws.n_resamples, len(se))))
    return group_gaps(
        groups,
        values,
        better,
        permuted=apart(alike, better) if len(alike) else NOTHING,
        deviated=deviations(again, values, better) if len(again) else NOTHING,
    )


def auc_in_groups(score: Floats, positive: NDArray[np.bool_]) -> InGroups:
    """Area under the ROC curve of a score (n,) for who is positive (n,), by ranks within the group."""
    rank = np.unique(score, return_inverse=True)[1]
    n_ranks = int(rank.max(initial=-1)) + 1

    def figure(rows: Ints, code: Ints, k: int) -> Floats:
        cell, is_positive = code * n_ranks + rank[rows], positive[rows]
        above, below = (
            np.bincount(cell[who], minlength=k * n_ranks).reshape(k, n_ranks).astype(np.float64)
            for who in (is_positive, ~is_positive)
        )
        lower = np.cumsum(below, axis=1) - below / 2.0
        pairs = above.sum(axis=1) * below.sum(axis=1)
        return _share((above * lower).sum(axis=1), pairs)

    return figure


def concordance_in_groups(outcome: Outcome, risk: Floats) -> InGroups:
    """Harrell's C of a risk (n,) among the pairs within each group."""

    def figure(rows: Ints, code: Ints, k: int) -> Floats:
        order = order_pairs(outcome.take(rows), risk[rows], code)
        pairs = later_people(order, np.ones(len(rows)))
        of = code[order.ends]
        lower, same, higher = (np.bincount(of, column, k) for column in pairs.T)
        total = lower + same + higher
        return _share(lower + same / 2.0, total)

    return figure


def observed_expected_in_groups(outcome: Outcome, risk: Floats, *, horizon: float) -> InGroups:
    """Risk observed by a horizon (Kaplan-Meier) over the mean of the risks (n,) predicted for it.

    Competing events count as censorings; nobody enters late.
    """
    died = (outcome.event == EVENT) & (outcome.time <= horizon)
    times = np.unique(outcome.time[died])
    n_times = len(times)
    place = np.searchsorted(times, outcome.time, side="right")  # at risk at so many of the times

    def figure(rows: Ints, code: Ints, k: int) -> Floats:
        cell = code * (n_times + 1) + place[rows]
        until = np.bincount(cell, minlength=k * (n_times + 1)).reshape(k, n_times + 1)
        at_risk = until[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        ended = np.bincount(cell[died[rows]] - 1, minlength=k * (n_times + 1)).reshape(k, n_times + 1)[:, :-1]
        observed = 1.0 - np.prod(1.0 - ended / np.maximum(at_risk, 1), axis=1)
        return _share(observed, np.bincount(code, risk[rows], k) / np.bincount(code, minlength=k))

    return figure


def _share(part: NDArray[np.number], whole: NDArray[np.number]) -> Floats:
    out = np.full(len(whole), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out
