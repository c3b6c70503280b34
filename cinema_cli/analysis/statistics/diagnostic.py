"""How well classes are told: sensitivity, specificity, predictive values, accuracy, F1, MCC, EF categories."""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.interval import Interval
from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import Floats, Ints

EF_LIMITS_PCT = (40.0, 55.0)  # the paper's: reduced up to 40, borderline up to 55
EF_CATEGORIES = ("reduced", "borderline", "normal")
_CERTAIN = 1e-6  # the reference adds it to probabilities whose logarithm it takes


@dataclass(frozen=True, slots=True)
class Counts:
    """People by class and by what was said of them, of two classes."""

    tp: int
    fn: int
    tn: int
    fp: int


@dataclass(frozen=True, slots=True)
class Rates:
    """What follows from `Counts`, limits Wilson's; nan where nobody is counted."""

    counts: Counts
    sensitivity: Interval
    specificity: Interval
    ppv: Interval
    npv: Interval
    accuracy: Interval
    f1: Interval
    mcc: Interval


def wilson(events: int, n: int) -> Interval:
    """A share with Wilson's score limits (J Am Stat Assoc 1927;22:209), nan of nobody."""
    if not n:
        return Interval(nan)
    share, z2 = events / n, Z95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    width = Z95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Interval(share, 0.0 if not events else middle - width, 1.0 if events == n else middle + width)


def clopper_pearson(events: int, n: int) -> Interval:
    """A share with exact limits (Clopper and Pearson, Biometrika 1934;26:404), nan of nobody."""
    from scipy.stats import beta

    if not n:
        return Interval(nan)
    lower = float(beta.ppf(0.025, events, n - events + 1)) if events else 0.0
    upper = float(beta.ppf(0.975, events + 1, n - events)) if events < n else 1.0
    return Interval(events / n, lower, upper)


def counts(positive: NDArray[np.bool_], said: NDArray[np.bool_]) -> Counts:
    """People (n,) with and without the condition, by whether it was said of them (n,)."""
    table = np.bincount(2 * positive.astype(np.int64) + said, minlength=4).tolist()
    return Counts(tn=table[0], fp=table[1], fn=table[2], tp=table[3])


def rates(found: Counts) -> Rates:
    """Shares of two classes. F1: from Wilson's limits of x = tp / (tp + fp + fn), as it is 2x / (1 + x). See `mcc`."""
    tp, fn, tn, fp = found.tp, found.fn, found.tn, found.fp
    overlap = wilson(tp, tp + fp + fn)
    ends = (2.0 * end / (1.0 + end) for end in (overlap.estimate, overlap.lower, overlap.upper))
    return Rates(
        counts=found,
        sensitivity=wilson(tp, tp + fn),
        specificity=wilson(tn, tn + fp),
        ppv=wilson(tp, tp + fp),
        npv=wilson(tn, tn + fn),
        accuracy=wilson(tp + tn, tp + fn + tn + fp),
        f1=Interval(*ends),
        mcc=mcc(np.array([[tn, fp], [fn, tp]])),
    )


def confusion(label: Ints, said: Ints, classes: int) -> Ints:
    """How many of each class (row) were said to be of each (column), (k, k)."""
    return np.bincount(label * classes + said, minlength=classes**2).reshape(classes, classes)


def accuracy(table: Ints) -> Interval:
    """Share of a confusion matrix on its diagonal, Wilson's limits: the paper's accuracy, and its F1 of more than two.

    That F1 is micro-averaged, which with one class a person is the accuracy.
    """
    return wilson(int(np.trace(table)), int(table.sum()))


def mcc(table: Ints) -> Interval:
    """Matthews' correlation of a confusion matrix (k, k), Gorodkin's for more classes (Comput Biol Chem 2004;28:367).

    Limits by the delta method from multinomial counts, on Fisher's z scale so that they stay within -1..1; none where
    it is -1 or 1. nan where all people are of one class, or all are said to be (scikit-learn and the paper say 0).
    """
    n = int(table.sum())
    if not n:
        return Interval(nan)
    share = table / n
    true, told = share.sum(axis=1), share.sum(axis=0)
    a, b = 1.0 - float(told @ told), 1.0 - float(true @ true)
    if min(a, b) <= 1e-12:
        return Interval(nan)
    value = float((np.trace(share) - true @ told) / np.sqrt(a * b))
    gradient = (np.eye(len(table)) - told[:, None] - true[None, :]) / np.sqrt(a * b)
    gradient += value * (told[None, :] / a + true[:, None] / b)
    variance = (float(np.sum(share * gradient**2)) - float(np.sum(share * gradient)) ** 2) / n
    if 1.0 - abs(value) <= 1e-12 or variance <= 0:
        return Interval(float(np.clip(value, -1.0, 1.0)))
    width = Z95 * sqrt(variance) / (1.0 - value**2)
    return Interval(value, float(np.tanh(np.arctanh(value) - width)), float(np.tanh(np.arctanh(value) + width)))


def entropy(probability: Floats) -> Floats:
    """How undecided each row of probabilities (n, k) is, in nats (n,); the paper's metric is the mean."""
    return np.asarray(-np.sum(probability * np.log(probability + _CERTAIN), axis=1))


def ef_categories(ef_pct: Floats) -> Ints:
    """0 reduced (<= 40 %), 1 borderline (<= 55 %), 2 normal: the paper's categories of ejection fractions (n,)."""
    return np.searchsorted(np.array(EF_LIMITS_PCT), ef_pct, side="left")
