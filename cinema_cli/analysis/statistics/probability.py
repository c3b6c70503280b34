"""Whether predicted probabilities of a class are as large as they should be: Brier score, intercept, slope, bins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.comparison import Figure, Score
from cinema_cli.analysis.statistics.diagnostic import wilson
from cinema_cli.analysis.statistics.interval import Interval, centred
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.domain.errors import NotEstimableError

CERTAIN = 1e-9  # probabilities are kept this far from 0 and 1, where the logit has no value
_STEPS = 50
_ENDLESS = 1e3  # a coefficient beyond: the classes are apart entirely
_FEW = 3


@dataclass(frozen=True, slots=True)
class Bin:
    """People with similar probabilities."""

    n: int
    events: int
    predicted: float  # mean probability
    observed: Interval  # share with the class, Wilson's limits


def brier(probability: Floats, positive: NDArray[np.bool_]) -> Score:
    """Mean squared distance of probabilities (n,) of one class from what happened (n,): 0 best, 0.25 for all 0.5."""
    squares = (probability - positive) ** 2
    return Score(float(squares.mean()), centred(squares))


def brier_classes(probability: Floats, label: Ints) -> Score:
    """Brier's score of probabilities (n, k), summed over classes: 0 best, 2 worst; twice `brier` for two classes."""
    happened = label[:, None] == np.arange(probability.shape[1])
    squares = np.sum((probability - happened) ** 2, axis=1)
    return Score(float(squares.mean()), centred(squares))


def calibration_slope(probability: Floats, positive: NDArray[np.bool_]) -> Figure:
    """Slope of the logit of probabilities (n,) in a logistic regression; 1 good, below 1 too extreme (Cox 1958).

    Raises NotEstimableError where there is one class or one probability, or where the classes are apart entirely.
    """
    scale = _logit(probability)
    if len(scale) < _FEW or np.ptp(scale) <= 1e-12 * np.abs(scale).max(initial=1.0):
        raise NotEstimableError("all predicted probabilities are the same: a calibration slope is not estimable")
    coef, se = _logistic(np.column_stack([np.ones(len(scale)), scale]), np.zeros(len(scale)), positive)
    return Figure(float(coef[1]), float(se[1]))


def calibration_in_the_large(probability: Floats, positive: NDArray[np.bool_]) -> Figure:
    """Intercept beside the logit of probabilities (n,) as offset: 0 good, above 0 too low on the whole.

    Raises NotEstimableError where there is one class.
    """
    coef, se = _logistic(np.ones((len(probability), 1)), _logit(probability), positive)
    return Figure(float(coef[0]), float(se[0]))


def probability_bins(probability: Floats, positive: NDArray[np.bool_], *, bins: int = 10) -> tuple[Bin, ...]:
    """Up to `bins` groups of people between quantiles of their probability (n,), lowest first."""
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins)) if len(probability) else np.empty(0)
    place = np.searchsorted(edges, probability, side="left")
    return tuple(_bin(probability[place == k], positive[place == k]) for k in np.unique(place))


def merged_bins(bins: Sequence[Bin], *, fewest: int) -> tuple[Bin, ...]:
    """Neighbouring bins together until each has `fewest` people with the class and without it, or none of either.

    What remains at the end joins the last; one bin where all are too small.
    """
    done: list[Bin] = []
    small: Bin | None = None
    for one in bins:
        small = _together(small, one) if small else one
        if not _is_small(small, fewest):
            done.append(small)
            small = None
    while small and done and _is_small(small, fewest):
        small = _together(done.pop(), small)
    return (*done, small) if small else tuple(done)


def _is_small(one: Bin, fewest: int) -> bool:
    return any(0 < count < fewest for count in (one.events, one.n - one.events))


def _together(a: Bin, b: Bin) -> Bin:
    n, events = a.n + b.n, a.events + b.events
    return Bin(n, events, (a.n * a.predicted + b.n * b.predicted) / n, wilson(events, n))


def _bin(probability: Floats, positive: NDArray[np.bool_]) -> Bin:
    n, events = len(positive), int(np.count_nonzero(positive))
    return Bin(n, events, float(probability.mean()), wilson(events, n))


def _logit(probability: Floats) -> Floats:
    within = np.clip(probability, CERTAIN, 1.0 - CERTAIN)
    return np.asarray(np.log(within) - np.log1p(-within))


def _logistic(x: Floats, offset: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Coefficients (p,) of a logistic regression on x (n, p) with their standard errors, by Newton's method."""
    if positive.all() or not positive.any():
        raise NotEstimableError("all people have the same class: calibration is not estimable")
    coef: Floats = np.zeros(x.shape[1])
    step: Floats = np.zeros(x.shape[1])
    best = -np.inf
    for _ in range(_STEPS):
        trial = coef + step
        linear = x @ trial + offset
        loglik = float(linear @ positive - np.logaddexp(0.0, linear).sum())
        if loglik < best - 1e-12 * abs(best):
            step = 0.5 * step
            continue
        coef, best = trial, loglik
        share = 1.0 / (1.0 + np.exp(-np.clip(linear, -700, 700)))
        information = (x * (share * (1.0 - share))[:, None]).T @ x
        if np.linalg.cond(information) > 1e14 or np.abs(coef).max() > _ENDLESS:
            break
        step = np.asarray(np.linalg.solve(information, x.T @ (positive - share)))
        if np.abs(step).max() < 1e-10:
            return coef, np.sqrt(np.diag(np.linalg.inv(information)))
    raise NotEstimableError("the probabilities tell the classes apart entirely: calibration is not estimable")
