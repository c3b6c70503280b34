"""Log-rank tests between the curves of groups."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.kaplan_meier import product_limit
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Ints, Outcome
from cinema_cli.analysis.statistics.risk_table import risk_table
from cinema_cli.domain.errors import NotEstimableError


@dataclass(frozen=True, slots=True, eq=False)
class LogRank:
    """Chi-squared of the differences between groups, in the order of their numbers."""

    statistic: float
    df: int
    p: float
    observed: Floats  # (groups,), weighted where rho is not 0
    expected: Floats


def log_rank(outcome: Outcome, group: Ints, *, rho: float = 0.0, strata: Ints | None = None) -> LogRank:
    """Log-rank test of `group` (n,); Harrington and Fleming's with `rho`; within `strata` (n,) where given.

    Equal to R's survdiff. lifelines gives the statistic for right-censored, unstratified people; with strata or
    delayed entry, which lifelines ignores, it is ours. Competing events are censorings.

    Raises NotEstimableError without events, or where fewer than two groups are ever at risk.
    """
    from scipy.stats import chi2

    codes = np.unique(group)
    observed, expected, variance = np.zeros(len(codes)), np.zeros(len(codes)), np.zeros((len(codes), len(codes)))
    within = np.zeros(outcome.n, dtype=np.int64) if strata is None else strata
    for stratum in np.unique(within):
        rows = within == stratum
        o, e, v = _sums(outcome.take(rows), group[rows], codes, rho)
        observed, expected, variance = observed + o, expected + e, variance + v
    there = expected > 0
    if not there.any():
        raise NotEstimableError("no events: groups cannot be compared", hint="Follow-up may be too short.")
    if np.count_nonzero(there) < 2:
        raise NotEstimableError(
            "only one group is at risk when events happen: there is nothing to compare it with",
            hint="Groups may be too small, or followed at different times.",
        )
    if strata is None and outcome.entry is None:
        compared = np.isin(group, codes[there])
        statistic = _of_lifelines(outcome.take(compared), group[compared], rho)
    else:
        part = np.flatnonzero(there)[:-1]
        difference = (observed - expected)[part]
        statistic = float(difference @ np.linalg.pinv(variance[np.ix_(part, part)], hermitian=True) @ difference)
    df = int(np.count_nonzero(there)) - 1
    return LogRank(statistic, df, float(chi2.sf(statistic, df)), observed, expected)


def _sums(outcome: Outcome, group: Ints, codes: Ints, rho: float) -> tuple[Floats, Floats, Floats]:
    """Observed, expected (groups,) and the variance of their difference (groups, groups) in one stratum."""
    table = risk_table(outcome)
    died = table.events > 0
    times, n, d = table.times[died], table.at_risk[died], table.events[died]
    before = np.concatenate([[1.0], product_limit(table)])[:-1][died]
    weight = before**rho
    at_risk, observed = np.zeros((len(times), len(codes))), np.zeros(len(codes))
    for j, code in enumerate(codes):
        part = outcome.take(group == code)
        ends, entry = np.sort(part.time), None if part.entry is None else np.sort(part.entry)
        at_risk[:, j] = part.n - np.searchsorted(ends, times, side="left")
        if entry is not None:
            at_risk[:, j] -= part.n - np.searchsorted(entry, times, side="left")
        observed[j] = np.sum(weight[np.searchsorted(times, part.time[part.event == EVENT])])
    share = at_risk / n[:, None]
    expected = (weight * d) @ share
    spread = weight**2 * d * np.divide(n - d, n - 1, out=np.zeros(len(n)), where=n > 1)
    variance = np.diag(spread @ share) - share.T @ (spread[:, None] * share)
    return observed, expected, variance


def _of_lifelines(outcome: Outcome, group: Ints, rho: float) -> float:
    from lifelines.statistics import multivariate_logrank_test

    kind = {"weightings": "fleming-harrington", "p": rho, "q": 0} if rho else {}
    with np.errstate():  # it switches numpy's warnings off for the whole process
        result = multivariate_logrank_test(outcome.time, group, outcome.event == EVENT, **kind)
    return float(result.test_statistic)
