"""Cumulative incidence where a competing event can come first (Aalen-Johansen)."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.analysis.statistics.kaplan_meier import product_limit
from cinema_cli.analysis.statistics.limits import probability_limits
from cinema_cli.analysis.statistics.outcome import CENSORED, COMPETING, EVENT, Floats, Ints, Outcome
from cinema_cli.analysis.statistics.risk_table import RiskTable, risk_table, total_below


@dataclass(frozen=True, slots=True, eq=False)
class Incidence:
    """Probability of one kind of event by each time, with its standard error and 95 % limits; all arrays (k,)."""

    times: Floats
    at_risk: Floats  # just before the time
    events: Floats  # of this kind at the time; in `incidence_at` until and with the time
    incidence: Floats
    se: Floats
    lower: Floats
    upper: Floats
    complete: bool  # whether nobody is left at the end, so that the curve is known for ever


@dataclass(frozen=True, slots=True, eq=False)
class CompetingRisks:
    """Incidence of the event and of the competing one, and the probability of neither (k,)."""

    event: Incidence
    competing: Incidence
    survival: Floats


def aalen_johansen(outcome: Outcome) -> CompetingRisks:
    """Cumulative incidence of both kinds of event, equal to R's multi-state survfit.

    The curves are those of scikit-survival for right-censored people with both kinds of event, ours with delayed
    entry or a single kind. The standard error is ours, by infinitesimal jackknife as in survfit (scikit-survival has
    other ones), limits on the log scale.

    Raises NotEstimableError without anybody.
    """
    any_kind = risk_table(_with_events(outcome, EVENT, COMPETING))
    tables = {kind: risk_table(_with_events(outcome, kind)) for kind in (EVENT, COMPETING)}
    survival = product_limit(any_kind)
    before = np.concatenate([[1.0], survival])[:-1]
    if outcome.entry is None and all(table.events.any() for table in tables.values()):
        curves = _of_scikit_survival(outcome)
    else:
        curves = {k: np.cumsum(before * _ratio(table.events, table.at_risk)) for k, table in tables.items()}
    found = {}
    for kind, table in tables.items():
        curve = curves[kind]
        se = _jackknife_error(outcome, kind, any_kind, table, before, curve)
        lower, upper = probability_limits(curve, _ratio(se, curve), "log")
        found[kind] = Incidence(
            table.times, table.at_risk, table.events, curve, se, lower, upper, bool(survival[-1] == 0)
        )
    return CompetingRisks(found[EVENT], found[COMPETING], survival)


def incidence_at(curve: Incidence, times: Floats) -> Incidence:
    """A curve at given times: at risk just before, events until and with, the rest as of the last step.

    Beyond the last time seen a curve is unknown, unless nobody was left.
    """
    step = np.searchsorted(curve.times, times, side="right")
    beyond = (times > curve.times[-1]) & (not curve.complete)

    def held(values: Floats) -> Floats:
        return np.where(beyond, np.nan, np.concatenate([[0.0], values])[step])

    return Incidence(
        times, np.append(curve.at_risk, 0.0)[np.searchsorted(curve.times, times, side="left")],
        np.concatenate([[0.0], np.cumsum(curve.events)])[step], held(curve.incidence), held(curve.se),
        held(curve.lower), held(curve.upper), curve.complete,
    )  # fmt: skip


def _with_events(outcome: Outcome, *kinds: int) -> Outcome:
    return Outcome(outcome.time, np.isin(outcome.event, kinds).astype(np.int64), outcome.entry)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _of_scikit_survival(outcome: Outcome) -> dict[int, Floats]:
    from sksurv.nonparametric import cumulative_incidence_competing_risks

    curves = cumulative_incidence_competing_risks(outcome.event, outcome.time)[1]
    return {EVENT: curves[EVENT], COMPETING: curves[COMPETING]}


def _jackknife_error(
    outcome: Outcome, kind: int, any_kind: RiskTable, table: RiskTable, before: Floats, curve: Floats
) -> Floats:
    """Square root of the sum over people of their squared influence on the curve F, at each time.

    The influence of someone at time t is a + b F(t), with a and b fixed when they leave; while they stay it is
    p(t) + q + r F(t), with q and r fixed when they enter. So five running sums do for all people and times.
    """
    times, n = table.times, table.at_risk
    hazard = _ratio(any_kind.events, n)
    jump = _ratio(np.where(hazard < 1, 1.0, 0.0), n * np.where(hazard < 1, 1 - hazard, 1.0))  # nobody left: F is final
    stay = np.cumsum(hazard * jump)
    path = np.cumsum(before * _ratio(_ratio(table.events, n), n) + curve * hazard * jump)
    end = np.searchsorted(times, outcome.time)
    q, r = np.zeros(outcome.n), np.zeros(outcome.n)
    if outcome.entry is not None:
        start = np.searchsorted(times, outcome.entry)
        q, r = path[start], -stay[start]
    died = outcome.event != CENSORED
    a = q - path[end] + np.where(died, curve[end] * jump[end], 0.0)
    a += np.where(outcome.event == kind, _ratio(before, n)[end], 0.0)
    b = r + stay[end] - np.where(died, jump[end], 0.0)
    gone = [_until(end, values, len(times)) for values in (a * a, a * b, b * b)]
    p = curve * stay - path
    entry = None if outcome.entry is None else outcome.entry
    m, sum_q, sum_r, qq, qr, rr = (
        _staying(outcome.time, entry, values, times) for values in (np.ones(outcome.n), q, r, q * q, q * r, r * r)
    )
    there = m * p**2 + 2 * p * (sum_q + curve * sum_r) + qq + 2 * curve * qr + curve**2 * rr
    return np.sqrt(np.maximum(gone[0] + 2 * curve * gone[1] + curve**2 * gone[2] + there, 0.0))


def _until(place: Ints, values: Floats, length: int) -> Floats:
    """Sum of the values whose place is that far or before, at each place."""
    return np.cumsum(np.bincount(place, weights=values, minlength=length)).astype(np.float64)


def _staying(time: Floats, entry: Floats | None, values: Floats, times: Floats) -> Floats:
    """Sum of the values of those with entry < t < time at each of the times."""
    after = np.nextafter(times, np.inf)
    entered = np.sum(values) if entry is None else total_below(entry, values, times)
    return entered - total_below(time, values, after)
