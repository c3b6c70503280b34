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
    there = n > 0

    def per(part: Floats, whole: Floats) -> Floats:
        return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole > 0)

    def earlier(curve: Floats, start: float) -> Floats:
        return np.concatenate([np.full((1, *curve.shape[1:]), start), curve[:-1]])

    survival: Floats = np.multiply.accumulate(1 - per(d1 + d2, n), axis=0)
    survived = earlier(survival, 1.0)
    incidence = earlier(np.add.accumulate(survived * per(d1, n), axis=0), 0.0)
    events, weight = d1.sum(axis=1), per(n, survived)  # weight: at risk if only the event could happen
    whole = weight.sum(axis=1)
    pooled = np.cumsum(per(events, whole))
    reduced = weight * (1 - incidence)
    score = np.sum(d1 - per(reduced * events[:, None], reduced.sum(axis=1)[:, None]), axis=0)
    share = per(weight, whole[:, None])
    a = weight[:, :, None] * (np.eye(len(codes)) - share[:, None, :])  # (times, groups, groups)
    step = per(events, whole * (1 - earlier(pooled, 0.0)))
    c = np.cumsum(a * step[:, None, None], axis=0)
    left = np.where(there, per((1 - pooled)[:, None], survival), 0.0)
    own = np.where(survival > 0, 1 - left, 1.0)
    few = np.where(events[:, None] > 1, 1 - per((events - 1)[:, None], whole[:, None] * survived - 1), 1.0)
    first = np.where(there, few * survived * per(events, whole)[:, None] * per(there.astype(float), n), 0.0)
    second = np.where(d2 > 1, 1 - per(d2 - 1, n - 1), 1.0) * survived**2 * per(d2, n**2) * (survival > 0)
    # influence on group i of a martingale jump in group k at u: a - own*c(u) + own*c(end), or left*(c(u) - c(end))
    end = c[-1]
    of_event = a + own[:, None, :] * (end - c)
    of_competing = left[:, None, :] * (end - c)
    variance = np.einsum("tik,tjk,tk->ij", of_event, of_event, first)
    variance += np.einsum("tik,tjk,tk->ij", of_competing, of_competing, second)
    return score, variance
