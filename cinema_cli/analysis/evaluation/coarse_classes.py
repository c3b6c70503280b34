"""Classes as they may be told of people: mistakes and ROC curves without the numbers of few."""

import numpy as np

from cinema_cli.analysis.disclosure.rounding import nearest, to_unit, unit_below
from cinema_cli.analysis.statistics.outcome import Floats, Ints

MISTAKES = "more mistakes than people, both rounded"  # why a class has no rates
_GRID = np.linspace(0.0, 1.0, 51)  # rates of false positives of a ROC curve
_UNITS = 1.5  # of the smallest cell as a share of the people with the class: a unit of its curve is the round one below
_COARSEST = 0.1  # unit with which a curve is still worth drawing


def coarse_confusion(matrix: Ints, *, base: int) -> Ints | None:
    """A confusion matrix (k, k), rows the true classes, whose mistakes and sizes of classes are multiples of `base`.

    What is right is what is left; rates that are computed from it tell no more than these multiples, beside exact sizes
    too. None where a class would have more mistakes than people; `base` of 1 changes nothing.
    """
    told = np.vectorize(lambda count: nearest(count, base), otypes=[np.int64])
    mistakes = told(np.where(np.eye(len(matrix), dtype=bool), 0, matrix))
    right = told(matrix.sum(axis=1)) - mistakes.sum(axis=1)
    return None if right.min(initial=0) < 0 else mistakes + np.diag(right)


def roc_grid(n_without: int, *, base: int) -> Floats:
    """Rates of false positives (k,) at which a curve is drawn: `base` people without the class apart, or more."""
    step = max(1, int(np.ceil(base * (len(_GRID) - 1) / n_without))) if base > 1 else 1
    return np.unique(np.append(_GRID[::step], 1.0))


def coarse_hits(hits: Floats, n_with: int, *, base: int) -> Floats | None:
    """Rates of true positives (k,) in a round unit of about `base` people; None where that is too coarse to draw."""
    if base <= 1:
        return hits
    unit = unit_below(_UNITS * base / n_with)
    return None if unit > _COARSEST else np.array([to_unit(hit, unit) for hit in hits])
