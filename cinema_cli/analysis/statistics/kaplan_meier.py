"""Survival curves: Kaplan-Meier with its limits, values at given times, quantiles, follow-up."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.limits import Conf, probability_limits
from cinema_cli.analysis.statistics.outcome import CENSORED, EVENT, Floats, Outcome
from cinema_cli.analysis.statistics.risk_table import RiskTable, risk_table


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A step function of time with its standard error and 95 % limits; all arrays (k,), times ascending."""

    times: Floats
    at_risk: Floats  # just before the time, as R and SAS count
    events: Floats  # at the time; in `value_at` until and with the time
    survival: Floats
    se: Floats  # Greenwood; unknown where nobody is left
    lower: Floats
    upper: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Quantiles:
    """Times by which a share of people had the event, with 95 % limits; unknown where a curve stays above."""

    shares: Floats
    times: Floats
    lower: Floats
    upper: Floats


def kaplan_meier(outcome: Outcome, *, weights: Floats | None = None, conf: Conf = "log-log") -> Curve:
    """Kaplan-Meier curve with Greenwood's standard error, equal to R's survfit; competing events are censorings.

    `weights` (n,) are numbers of identical people. The curve is that of lifelines for right-censored people. With
    delayed entry or weights it is ours: lifelines refuses where nobody is at risk for a while early on, and warns of
    weights. Counts, errors and limits are ours throughout: lifelines counts just after a time and has one kind of
    limits. After a late start the curve holds for those who are there from the first entry on.

    Raises NotEstimableError without anybody.
    """
    table = risk_table(outcome, weights=weights)
    ours = outcome.entry is not None or weights is not None
    survival = product_limit(table) if ours else _of_lifelines(outcome, table.times)
    se_log = greenwood(table)
    lower, upper = probability_limits(survival, se_log, conf)
    se = np.full(len(survival), np.nan)
    np.multiply(survival, se_log, out=se, where=np.isfinite(se_log))
    return Curve(table.times, table.at_risk, table.events, survival, se, lower, upper)


def product_limit(table: RiskTable) -> Floats:
    """Probability of no event until and with each time of a table."""
    hazard = np.zeros(len(table.times))
    np.divide(table.events, table.at_risk, out=hazard, where=table.at_risk > 0)
    return np.asarray(np.cumprod(1.0 - hazard), dtype=np.float64)


def greenwood(table: RiskTable) -> Floats:
    """Standard error of the logarithm of the product-limit estimate at each time; infinite where nobody is left."""
    left = table.at_risk - table.events
    some = table.events > 0
    steps = np.zeros(len(table.times))
    np.divide(table.events, table.at_risk * left, out=steps, where=some & (left > 0))
    steps[some & (left <= 0)] = np.inf
    return np.sqrt(np.cumsum(steps))


def value_at(curve: Curve, times: Floats) -> Curve:
    """A curve at given times: at risk just before, events until and with, the rest as of the last step.

    Beyond the last time seen a curve is unknown, unless it has come to 0.
    """
    step = np.searchsorted(curve.times, times, side="right")
    beyond = (times > curve.times[-1]) & (curve.survival[-1] > 0)

    def held(values: Floats, start: float) -> Floats:
        return np.where(beyond, np.nan, np.concatenate([[start], values])[step])

    following = np.searchsorted(curve.times, times, side="left")
    at_risk = np.append(curve.at_risk, 0.0)[following]
    events = np.concatenate([[0.0], np.cumsum(curve.events)])[step]
    return Curve(
        times, at_risk, events, held(curve.survival, 1.0), held(curve.se, 0.0), held(curve.lower, 1.0),
        held(curve.upper, 1.0),
    )  # fmt: skip


def quantiles(curve: Curve, shares: Floats) -> Quantiles:
    """Times by which the shares (0..1) had the event, as R's quantile.survfit.

    Where a curve lies level at a share, half way along the level.
    """
    limits = [_crossing(curve.times, values, 1.0 - shares) for values in (curve.survival, curve.lower, curve.upper)]
    return Quantiles(shares, *limits)


def reverse_kaplan_meier(outcome: Outcome) -> Curve:
    """Kaplan-Meier curve of being followed: censoring is the event, every event a censoring (Schemper and Smith)."""
    followed = np.where(outcome.event == CENSORED, EVENT, CENSORED).astype(np.int64)
    return kaplan_meier(Outcome(outcome.time, followed, outcome.entry))


def _of_lifelines(outcome: Outcome, times: Floats) -> Floats:
    from lifelines import KaplanMeierFitter

    with np.errstate():  # it switches numpy's warnings off for the whole process
        fitted = KaplanMeierFitter().fit(outcome.time, outcome.event == EVENT)
    curve = fitted.survival_function_.iloc[:, 0]
    place = np.searchsorted(np.asarray(curve.index, dtype=np.float64), times)
    return np.take(np.asarray(curve, dtype=np.float64), place)


def _crossing(times: Floats, values: Floats, levels: Floats) -> Floats:
    """First time at which falling `values` are at or below each level, see `quantiles`."""
    tolerance = 1e-9
    falling = np.minimum.accumulate(np.where(np.isnan(values), np.inf, values))
    padded = np.append(times, np.nan)
    reached = padded[np.searchsorted(-falling, -(levels + tolerance), side="left")]
    below = padded[np.searchsorted(-falling, -(levels - tolerance), side="right")]
    lies_level_at_end = np.isnan(below) & ~np.isnan(reached)
    crossing: Floats = (reached + np.where(lies_level_at_end, times[-1], below)) / 2
    return crossing
