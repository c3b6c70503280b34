"""How good predicted risks at horizons are: AUC, Brier score, its integral, index of prediction accuracy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.censoring import follow_up
from cinema_cli.analysis.statistics.comparison import Difference, Score, difference
from cinema_cli.analysis.statistics.known_status import KnownStatus, known_status, status_at
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome

NULL_MODEL = "null"  # predicts the Kaplan-Meier risk for everybody


Scores = Mapping[str, tuple[Score, ...]]  # by model, one a time


@dataclass(frozen=True, slots=True, eq=False)
class PredictionScores:
    """Scores of several models for the same people at the same times."""

    times: Floats  # (k,)
    auc: Scores
    brier: Scores  # of NULL_MODEL too, as ipa
    ipa: Scores  # 1 - Brier / Brier of the null model


def prediction_scores(outcome: Outcome, risks: Mapping[str, Floats], times: Floats) -> PredictionScores:
    """Score predicted risks (n, k) of several models at times (k,), ascending, as riskRegression::Score does in R.

    A risk is the probability of the event by the time. Statuses that censoring hides are stood in for by inverse
    probability weights from the marginal Kaplan-Meier estimate of censoring, G just before each time, events before
    censorings at ties; competing events are known not to have the event. Standard errors include the estimation of the
    weights. O(n log n) a model and time.

    Raises NotEstimableError as `known_status`; times in (0, last follow-up) are safe.
    """
    seen = follow_up(outcome)
    statuses = [known_status(outcome, float(time), seen=seen) for time in times]
    null = np.tile([status.risk for status in statuses], (outcome.n, 1))
    auc = {m: tuple(_auc(s, risk[:, k]) for k, s in enumerate(statuses)) for m, risk in risks.items()}
    brier = {
        model: tuple(_brier(status, risk[:, k]) for k, status in enumerate(statuses))
        for model, risk in {NULL_MODEL: null, **risks}.items()
    }
    ipa = {model: tuple(map(_accuracy, scores, brier[NULL_MODEL])) for model, scores in brier.items()}
    return PredictionScores(times, auc, brier, ipa)


def integrated_brier(outcome: Outcome, risks: Mapping[str, Floats], times: Floats) -> dict[str, Score]:
    """Mean Brier score from 0 to the last of many times (k,), ascending, of risks (n, k), of NULL_MODEL too.

    A score holds until the next time and is 0 before the first, as in riskRegression: give so many times that the steps
    do not matter. Memory for n figures a model, whatever k.

    Raises NotEstimableError as `prediction_scores`, but for times before the first event.
    """
    seen = follow_up(outcome)
    means = {model: Score(0.0, np.zeros(outcome.n)) for model in (NULL_MODEL, *risks)}
    for k, share in enumerate(np.diff(times) / times[-1]):
        status = status_at(outcome, float(times[k]), seen=seen)
        for model, mean in means.items():
            at = _brier(status, np.full(outcome.n, status.risk) if model == NULL_MODEL else risks[model][:, k])
            means[model] = Score(mean.estimate + float(share) * at.estimate, mean.influence + share * at.influence)
    return means


def score_differences(scores: Scores, model: str, *, reference: str) -> tuple[Difference, ...]:
    """Scores of a model less those of another, one a time, paired by person."""
    return tuple(map(difference, scores[model], scores[reference]))


def area_under_curve(status: KnownStatus, risk: Floats) -> float:
    """Probability that a case (event by the horizon) has a higher risk (n,) than a control; ties count half."""
    case, _, beaten, _ = _cases_and_controls(status, risk)
    return float(np.mean(case * beaten))


def brier_score(status: KnownStatus, risk: Floats) -> float:
    """Mean squared difference of a risk (n,) and what happened by the horizon."""
    return float(np.mean(_residuals(status, risk)))


def _auc(status: KnownStatus, risk: Floats) -> Score:
    case, control, beaten, beating = _cases_and_controls(status, risk)
    auc = float(np.mean(case * beaten))
    return Score(auc, status.influence(case * (beaten - auc) + control * (beating - auc)))


def _cases_and_controls(status: KnownStatus, risk: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Weights (n,) of cases and controls, of mean 1; shares (n,) of controls below and of cases above each person."""
    case = status.weight * status.had_event
    control = status.weight - case
    case, control = case / case.mean(), control / control.mean()
    value, place = np.unique(risk, return_inverse=True)
    return case, control, _share_below(place, control, len(value)), 1.0 - _share_below(place, case, len(value))


def _share_below(place: Ints, weight: Floats, n_values: int) -> Floats:
    """Weighted share of people with a lower value than each, those with the same by half."""
    at = np.bincount(place, weight, n_values) / len(weight)
    return np.asarray((at.cumsum() - at / 2.0)[place])


def _brier(status: KnownStatus, risk: Floats) -> Score:
    residuals = _residuals(status, risk)
    return Score(float(residuals.mean()), status.influence(residuals))


def _residuals(status: KnownStatus, risk: Floats) -> Floats:
    return np.asarray(status.weight * (status.had_event - risk) ** 2)


def _accuracy(score: Score, null: Score) -> Score:
    ratio = score.estimate / null.estimate
    return Score(1.0 - ratio, (ratio * null.influence - score.influence) / null.estimate)
