"""Gray's test between the cumulative incidences of groups."""

import numpy as np

from cinema_cli.analysis.statistics.chi_squared import ChiSquared
from cinema_cli.analysis.statistics.outcome import COMPETING, EVENT, Floats, Ints, Outcome
from cinema_cli.domain.errors import NotEstimableError


def gray_test(outcome: Outcome, group: Ints) -> ChiSquared:
    """Test that `group` (n,) does not change the cumulative incidence of the event (Gray 1988, rho 0).

    Equal to cmprsk's cuminc, small-sample factors included. Raises NotEstimableError without events, for one group,
    or with delayed entry, for which the test is not defined.
    """
    if outcome.entry is not None:
        raise NotEstimableError("Gray's test is not defined for people who enter late", hint="Compare the curves.")
    if outcome.n_events == 0:
        raise NotEstimableError("no events: groups cannot be compared", hint="Follow-up may be too short.")
    codes = np.unique(group[outcome.time >= outcome.time[outcome.event == EVENT].min()])
    if len(codes) < 2:
        raise NotEstimableError(
            "only one group is at risk when events happen: there is nothing to compare it with",
            hint="Groups may be too small.",
        )
    score, variance = _score(outcome, group, codes)
    part = np.arange(len(codes) - 1)
    statistic = float(score[part] @ np.linalg.pinv(variance[np.ix_(part, part)], hermitian=True) @ score[part])
    return ChiSquared(statistic, len(part))


def _counts(outcome: Outcome, group: Ints, codes: Ints) -> tuple[Floats, Floats, Floats]:
    """At risk just before, events, competing events at each time of either kind: (times, groups)."""
    times = np.unique(outcome.time[(outcome.event == EVENT) | (outcome.event == COMPETING)])
    n, events, competing = (np.zeros((len(times), len(codes))) for _ in range(3))
    for j, code in enumerate(codes):
        part = outcome.take(group == code)
        n[:, j] = part.n - np.searchsorted(np.sort(part.time), times, side="left")
        for kind, counts in ((EVENT, events), (COMPETING, competing)):
            place = np.searchsorted(times, part.time[part.event == kind])
            counts[:, j] = np.bincount(place, minlength=len(times))
    return n, events, competing


def _score(outcome: Outcome, group: Ints, codes: Ints) -> tuple[Floats, Floats]:
    """Observed less expected events of each group, and their covariance, as sums of martingales of both kinds."""
    n, d1, d2 = _counts(outcome, group, codes)
    survival: Floats = np.multiply.accumulate(1 - _per(d1 + d2, n), axis=0)
    survived = _earlier(survival, 1.0)
    incidence = _earlier(np.add.accumulate(survived * _per(d1, n), axis=0), 0.0)
    events, weight = d1.sum(axis=1, keepdims=True), _per(n, survived)  # weight: at risk if only the event could happen
    whole = weight.sum(axis=1, keepdims=True)
    pooled: Floats = np.add.accumulate(_per(events, whole), axis=0)
    reduced = weight * (1 - incidence)
    score = np.sum(d1 - _per(reduced * events, reduced.sum(axis=1, keepdims=True)), axis=0)
    # what a jump in the martingale of either kind in group k changes in the score of group i: at once, and later
    at_once = weight[:, :, None] * (np.eye(len(codes)) - _per(weight, whole)[:, None, :])  # (times, groups, groups)
    later = np.cumsum(at_once * _per(events, whole * (1 - _earlier(pooled, 0.0)))[:, None], axis=0)
    later = later[-1] - later
    left = _per(1 - pooled, survival)
    of_event, of_competing = at_once + (1 - left)[:, None, :] * later, left[:, None, :] * later
    few = np.where(events > 1, 1 - _per(events - 1, whole * survived - 1), 1.0)  # ties, as in sampling without return
    jumps = few * survived * _per(_per(events, whole), n)
    jumps_competing = np.where(d2 > 1, 1 - _per(d2 - 1, n - 1), 1.0) * survived**2 * _per(d2, n**2)
    variance = np.einsum("tik,tjk,tk->ij", of_event, of_event, jumps)
    variance += np.einsum("tik,tjk,tk->ij", of_competing, of_competing, jumps_competing)
    return score, variance


def _per(part: Floats, whole: Floats) -> Floats:
    """Part / whole, 0 where the whole is."""
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0)


def _earlier(curve: Floats, start: float) -> Floats:
    """A curve (times, ...) just before each time."""
    return np.concatenate([np.full((1, *curve.shape[1:]), start), curve[:-1]])
