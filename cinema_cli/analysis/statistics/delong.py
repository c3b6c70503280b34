"""Area under the ROC curve with DeLong's standard error, differences between two, and the area of several classes."""

from itertools import combinations
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.comparison import Score
from cinema_cli.analysis.statistics.interval import Interval, centred, influenced_logit
from cinema_cli.analysis.statistics.outcome import Floats, Ints
from cinema_cli.domain.errors import NotEstimableError

Booleans = NDArray[np.bool_]
FEWEST = 10  # people of each class from which on limits of an area are believed


def auc(score: Floats, positive: Booleans) -> Score:
    """Share of pairs of one positive and one negative in which the positive has the higher score; ties count half.

    From scores (n,) and classes (n,), in O(n log n) by ranks (Sun and Xu, IEEE Signal Process Lett 2014;21:1389). The
    influence gives the variance of DeLong, DeLong and Clarke-Pearson, Biometrics 1988;44:837; it is nan for a class of
    one person. `comparison.difference` of two areas of the same people is DeLong's paired test.

    Raises NotEstimableError where there is only one class.
    """
    from scipy.stats import rankdata

    m, n = int(np.count_nonzero(positive)), int(np.count_nonzero(~positive))
    if not m or not n:
        raise NotEstimableError("all people have the same class: an area under the ROC curve is not estimable")
    ranks = rankdata(score)
    above = np.empty(m + n)  # of a positive, the share of negatives below it; of a negative, of positives above it
    above[positive] = (ranks[positive] - rankdata(score[positive])) / n
    above[~positive] = 1.0 - (ranks[~positive] - rankdata(score[~positive])) / m
    influence = np.empty(m + n)
    for people in (positive, ~positive):
        influence[people] = centred(above[people])
    return Score(float(above[positive].mean()), influence)


def auc_interval(area: Score, *, smallest: int) -> Interval:
    """An area with 95 % limits: DeLong's standard error, on the scale of the logit.

    pROC's limits (normal: `area.lower`, `area.upper`) hold the true area in 82 to 93 % of samples with 10 to 20 people
    of each class, those of the logit in 94 to 98 % (Pepe, The Statistical Evaluation of Medical Tests, 2003, 5.2.5;
    tests/test_diagnostic.py). None where the classes are apart entirely, or the `smallest` has fewer than FEWEST.
    """
    if smallest < FEWEST:
        return Interval(area.estimate)
    return influenced_logit(area.estimate, area.influence)


def unpaired_difference(a: Score, b: Score) -> Interval:
    """Area of `a` less that of `b`, of other people: limits and p by Welch's t, as pROC's roc.test in R."""
    from scipy.stats import t

    apart, variance = a.estimate - b.estimate, a.variance + b.variance
    if not variance > 0:
        return Interval(apart)
    df = variance**2 / sum(s.variance**2 / (len(s.influence) - 1) for s in (a, b))
    se = sqrt(variance)
    width = float(t.ppf(0.975, df)) * se
    return Interval(apart, apart - width, apart + width, 2.0 * float(t.sf(abs(apart) / se, df)))


def auc_one_vs_one(probability: Floats, label: Ints) -> Score:
    """Mean over pairs of classes of both their areas, each among the people of the two classes alone.

    From probabilities (n, k) and classes 0..k-1 (n,). Hand and Till, Mach Learn 2001;45:171: the paper's ROC AUC
    (macro, one-vs-one). Classes that nobody has are left out; nan influence where a class has one person.

    Raises NotEstimableError where there is only one class.
    """
    there = np.unique(label).tolist()
    if len(there) < 2:
        raise NotEstimableError("all people have the same class: an area under the ROC curve is not estimable")
    pairs = list(combinations(there, 2))
    total, influence = 0.0, np.zeros(len(label))
    for pair in pairs:
        people = np.isin(label, pair)
        for own in pair:
            area = auc(probability[people, own], label[people] == own)
            total += area.estimate
            influence[people] += area.influence
    return Score(total / (2 * len(pairs)), influence / (2 * len(pairs)))


def roc_curve(score: Floats, positive: Booleans) -> tuple[Floats, Floats, Floats]:
    """Thresholds, highest first, with 1 - specificity and sensitivity of `score >= threshold`, all (k,).

    Begins with (0, 0) at an infinite threshold. Raises NotEstimableError where there is only one class.
    """
    m, n = int(np.count_nonzero(positive)), int(np.count_nonzero(~positive))
    if not m or not n:
        raise NotEstimableError("all people have the same class: a ROC curve is not estimable")
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    hits = np.cumsum(positive[order])[last]
    start = np.zeros(1)
    false = np.concatenate([start, (last + 1 - hits) / n])
    return np.concatenate([[np.inf], score[order][last]]), false, np.concatenate([start, hits / m])


def roc_at(score: Floats, positive: Booleans, false_rates: Floats) -> Floats:
    """Sensitivity (k,) of the curve at rates of false positives (k,), between its corners on straight lines.

    Points of a figure that show no single person's score. Raises NotEstimableError as `roc_curve`.
    """
    _, false, hit = roc_curve(score, positive)
    last = np.flatnonzero(np.append(np.diff(false) > 0, True))  # the top of each vertical piece
    return np.interp(false_rates, false[last], hit[last]) if len(last) > 1 else np.full(len(false_rates), nan)
