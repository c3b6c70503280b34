"""Curves, follow-up, restricted means, log-rank tests and rates against R (golden/statistics/r_golden.json)."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statistics_golden import outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.kaplan_meier import (
    Curve,
    kaplan_meier,
    quantiles,
    reverse_kaplan_meier,
    value_at,
)
from cinema_cli.analysis.statistics.limits import Conf
from cinema_cli.analysis.statistics.log_rank import log_rank
from cinema_cli.analysis.statistics.outcome import Outcome
from cinema_cli.analysis.statistics.rates import person_time, rate
from cinema_cli.analysis.statistics.rmst import rmst
from cinema_cli.analysis.statistics.rounding import rounded_times
from cinema_cli.domain.errors import NotEstimableError

R = r_values()
LAWS = settings(max_examples=30, deadline=None, derandomize=True)


def lung() -> Outcome:
    return outcome_of(r_data("lung"), "time", "event")


def lung_of(sex: int) -> Outcome:
    return outcome_of(r_data("lung").filter(pl.col("sex") == sex), "time", "event")


def same_as_r(curve: Curve, entry: dict[str, list[float]], rows: slice) -> None:
    points = value_at(curve, np.array(entry["time"][rows], dtype=float))
    assert_allclose(points.survival, entry["surv"][rows], rtol=1e-12)
    assert_allclose(points.se, entry["se"][rows], rtol=1e-12)
    assert_allclose(points.at_risk, entry["n_risk"][rows], rtol=0)
    if "lo" in entry:
        assert_allclose(points.lower, entry["lo"][rows], rtol=1e-12)
        assert_allclose(points.upper, entry["hi"][rows], rtol=1e-12)
    if "n_event" in entry:  # R counts events between two of the times
        assert_allclose(points.events, np.cumsum(entry["n_event"][rows]), rtol=0)


@pytest.mark.parametrize("conf", ["plain", "log", "log-log", "logit"])
def test_lung_as_survfit(conf: Conf) -> None:  # r_golden lung_km_*
    same_as_r(kaplan_meier(lung(), conf=conf), R[f"lung_km_{conf}"], slice(None))


@pytest.mark.parametrize("sex", [1, 2])
def test_lung_by_sex_as_survfit(sex: int) -> None:  # r_golden lung_km_sex_loglog
    same_as_r(kaplan_meier(lung_of(sex)), R["lung_km_sex_loglog"], slice(5 * sex - 5, 5 * sex))


@pytest.mark.parametrize("conf", ["log", "log-log"])
@pytest.mark.parametrize("sex", [1, 2])
def test_quantiles_as_survfit(conf: Conf, sex: int) -> None:  # r_golden lung_km_quantiles_sex_*
    entry = R[f"lung_km_quantiles_sex_{conf.replace('-', '')}"]
    found = quantiles(kaplan_meier(lung_of(sex), conf=conf), np.array([0.25, 0.5, 0.75]))
    for ours, theirs in ((found.times, "q"), (found.lower, "lo"), (found.upper, "hi")):
        assert_allclose(ours, [np.nan if v == "NA" else v for v in entry[theirs][sex - 1]], rtol=0)


def test_late_entry_as_survfit() -> None:  # r_golden mgus2_km_lefttrunc
    people = outcome_of(r_data("mgus2"), "age_out", "death", "age_in")
    same_as_r(kaplan_meier(people), R["mgus2_km_lefttrunc"], slice(None))


def test_late_entry_of_those_who_came_after_50_as_survfit() -> None:  # r_golden mgus2_km_lefttrunc_from50
    people = outcome_of(r_data("mgus2").filter(pl.col("age_in") >= 50), "age_out", "death", "age_in")
    same_as_r(kaplan_meier(people), R["mgus2_km_lefttrunc_from50"], slice(None))


def test_restricted_mean_as_survfit() -> None:  # r_golden lung_rmst365_sex
    found = [rmst(lung_of(sex), horizon=365.0) for sex in (1, 2)]
    assert_allclose([f.mean for f in found], R["lung_rmst365_sex"]["rmean"], rtol=1e-12)
    assert_allclose([f.se for f in found], R["lung_rmst365_sex"]["se"], rtol=1e-12)


@pytest.mark.parametrize(
    ("entry", "data", "group", "rho"),
    [
        ("lung_survdiff_sex_rho0", "lung", "sex", 0.0),
        ("lung_survdiff_sex_rho1", "lung", "sex", 1.0),
        ("lung_survdiff_ecog", "lung", "ph.ecog", 0.0),
        ("veteran_survdiff_cell", "veteran", "celltype", 0.0),
    ],
)
def test_log_rank_as_survdiff(entry: str, data: str, group: str, rho: float) -> None:
    table = r_data(data).drop_nulls(group)
    codes = np.unique(table[group].to_numpy(), return_inverse=True)[1]
    found = log_rank(outcome_of(table, "time", "event" if data == "lung" else "status"), codes, rho=rho)
    assert_allclose(found.statistic, R[entry]["chisq"], rtol=1e-10)
    assert found.df == R[entry]["df"]
    assert_allclose(found.p, R[entry]["p"], rtol=1e-6)
    if "obs" in R[entry]:
        assert_allclose(found.observed, R[entry]["obs"], rtol=1e-12)
        assert_allclose(found.expected, R[entry]["exp"], rtol=1e-12)
        assert np.bincount(codes).tolist() == R[entry]["n"]


def test_stratified_log_rank_as_survdiff() -> None:  # r_golden lung_survdiff_sex_strat_ecog
    table = r_data("lung").drop_nulls("ph.ecog")
    found = log_rank(
        outcome_of(table, "time", "event"), table["sex"].to_numpy(), strata=table["ph.ecog"].cast(pl.Int64).to_numpy()
    )
    assert_allclose(found.statistic, R["lung_survdiff_sex_strat_ecog"]["chisq"], rtol=1e-10)
    assert_allclose(found.p, R["lung_survdiff_sex_strat_ecog"]["p"], rtol=1e-6)


def test_times_that_tie_after_rounding() -> None:  # r_golden timefix km_default
    entry = R["timefix"]
    time = rounded_times(np.array([0.1 + 0.2, 0.3, 1.0, 1.5, 2.0]))
    curve = kaplan_meier(Outcome(time, np.array(entry["event"])))
    assert_allclose(curve.survival[curve.events > 0], entry["km_default"], rtol=1e-12, atol=1e-15)


def test_rates_with_exact_limits() -> None:
    # Ulm 1990: 95 % limits of 10 counts are 4.795 and 18.390; of none 0 and 3.689
    found = rate(10, 2.0)
    assert_allclose([found.rate, found.lower, found.upper], [5.0, 4.795389 / 2, 18.390356 / 2], rtol=1e-6)
    assert_allclose([rate(0, 1.0).lower, rate(0, 1.0).upper], [0.0, 3.688879], rtol=1e-6)
    with pytest.raises(NotEstimableError, match="no time at risk"):
        rate(3, 0.0)
    late = Outcome(np.array([5.0, 8.0]), np.array([1, 0]), np.array([2.0, 4.0]))
    assert person_time(late) == 7.0


@st.composite
def outcomes(draw: st.DrawFn, late: bool = False) -> Outcome:
    """Up to 40 people with many tied times."""
    n = draw(st.integers(2, 40))
    time = np.array(draw(st.lists(st.integers(1, 12), min_size=n, max_size=n)), dtype=float)
    event = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    if not late:
        return Outcome(time, event)
    early = np.array(draw(st.lists(st.integers(0, 11), min_size=n, max_size=n)), dtype=float)
    return Outcome(time, event, np.minimum(early, time - 1))


def same_curve(a: Curve, b: Curve) -> None:
    for field in ("at_risk", "events", "survival", "se", "lower", "upper"):
        assert_allclose(getattr(a, field), getattr(b, field), rtol=1e-10, atol=1e-12, err_msg=field)


@LAWS
@given(outcome=outcomes(late=True), conf=st.sampled_from(["log-log", "log", "plain", "logit"]))
def test_curves_fall_within_their_limits(outcome: Outcome, conf: Conf) -> None:
    curve = kaplan_meier(outcome, conf=conf)
    assert np.all(np.diff(curve.survival) <= 0)
    assert np.all((curve.survival >= 0) & (curve.survival <= 1))
    known = ~np.isnan(curve.lower)
    assert np.array_equal(known, curve.survival > 0)
    assert np.all((curve.lower >= 0) & (curve.lower <= curve.survival + 1e-12) | ~known)
    assert np.all((curve.upper <= 1) & (curve.upper >= curve.survival - 1e-12) | ~known)


@LAWS
@given(outcome=outcomes(late=True), unit=st.sampled_from([1 / 365.25, 12.0]), seed=st.integers(0, 99))
def test_unit_of_time_and_order_of_rows_do_not_matter(outcome: Outcome, unit: float, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(outcome.n)
    assert outcome.entry is not None
    other = Outcome(outcome.time * unit, outcome.event, outcome.entry * unit).take(order)
    same_curve(kaplan_meier(outcome), kaplan_meier(other))


@LAWS
@given(outcome=outcomes())
def test_lifelines_and_ours_are_one(outcome: Outcome) -> None:
    entered = Outcome(outcome.time, outcome.event, np.zeros(outcome.n))
    twice = outcome.take(np.tile(np.arange(outcome.n), 2))
    at = np.unique(outcome.time)
    same_curve(value_at(kaplan_meier(outcome), at), value_at(kaplan_meier(entered), at))
    same_curve(kaplan_meier(twice), kaplan_meier(outcome, weights=np.full(outcome.n, 2.0)))


def test_late_entry_with_nobody_at_risk_for_a_while() -> None:
    # lifelines refuses this one; by hand: 1/2, then 0 at 2, and for ever
    gap = Outcome(np.array([1.0, 2.0, 9.0, 9.0]), np.array([1, 1, 1, 0]), np.array([0.0, 0.0, 5.0, 5.0]))
    curve = kaplan_meier(gap)
    found = value_at(curve, np.array([1.0, 4.0, 9.0]))
    assert found.survival.tolist() == [0.5, 0.0, 0.0]
    assert found.at_risk.tolist() == [2.0, 0.0, 2.0]


def test_entry_at_the_time_of_an_event_is_after_it() -> None:
    tied = Outcome(np.array([3.0, 5.0, 6.0]), np.array([1, 1, 0]), np.array([0.0, 3.0, 0.0]))
    assert value_at(kaplan_meier(tied), np.array([3.0])).survival.tolist() == [0.5]


def test_beyond_follow_up_is_unknown() -> None:
    curve = kaplan_meier(Outcome(np.array([1.0, 2.0]), np.array([1, 0])))
    points = value_at(curve, np.array([0.5, 2.0, 2.5]))
    assert_allclose(points.survival, [1.0, 0.5, np.nan])
    assert points.at_risk.tolist() == [2.0, 1.0, 0.0]
    with pytest.raises(NotEstimableError, match=r"follow-up ends at 2, before the horizon 3"):
        rmst(Outcome(np.array([1.0, 2.0]), np.array([1, 0])), horizon=3.0)
    assert rmst(Outcome(np.array([1.0, 2.0]), np.array([1, 1])), horizon=3.0).mean == 1.5


def test_all_censored_and_nobody() -> None:
    curve = kaplan_meier(Outcome(np.array([1.0, 2.0]), np.array([0, 0])))
    assert curve.survival.tolist() == curve.lower.tolist() == curve.upper.tolist() == [1.0, 1.0]
    assert np.isnan(quantiles(curve, np.array([0.5])).times[0])
    with pytest.raises(NotEstimableError, match="nobody is left to follow"):
        kaplan_meier(Outcome(np.array([]), np.array([], dtype=np.int64)))


def test_median_where_the_curve_lies_level() -> None:
    # the rule of quantile.survfit: the middle of the level, which at the end lasts as long as follow-up
    level = kaplan_meier(Outcome(np.arange(1.0, 5.0), np.ones(4, dtype=np.int64)))
    assert quantiles(level, np.array([0.5])).times.tolist() == [2.5]
    tenths = kaplan_meier(Outcome(np.arange(1.0, 11.0), np.ones(10, dtype=np.int64)))  # 0.7 is 0.7000000000000001
    assert quantiles(tenths, np.arange(1, 10) / 10).times.tolist() == (np.arange(1, 10) + 0.5).tolist()
    to_the_end = kaplan_meier(Outcome(np.array([1.0, 2.0, 5.0, 5.0]), np.array([1, 1, 0, 0])))
    assert quantiles(to_the_end, np.array([0.5])).times.tolist() == [3.5]


def test_follow_up_is_as_long_as_nobody_is_lost() -> None:
    # by hand: censored at 4 (3 at risk) and at 6 (1 at risk); an event of any kind ends it without being a loss
    outcome = Outcome(np.array([2.0, 4.0, 5.0, 6.0]), np.array([1, 0, 2, 0]))
    curve = reverse_kaplan_meier(outcome)
    assert_allclose(value_at(curve, np.array([3.0, 4.0, 5.0, 6.0])).survival, [1, 2 / 3, 2 / 3, 0], atol=1e-15)
    assert quantiles(curve, np.array([0.5])).times.tolist() == [6.0]


@LAWS
@given(outcome=outcomes(late=True), seed=st.integers(0, 99), rho=st.sampled_from([0.0, 1.0]))
def test_log_rank_laws(outcome: Outcome, seed: int, rho: float) -> None:
    rng = np.random.default_rng(seed)
    group, order = rng.integers(0, 3, outcome.n), rng.permutation(outcome.n)
    try:
        found = log_rank(outcome, group, rho=rho)
    except NotEstimableError:
        return
    assert_allclose(found.observed.sum(), found.expected.sum())
    renamed = log_rank(outcome.take(order), 7 - group[order], rho=rho)
    assert_allclose(renamed.statistic, found.statistic, rtol=1e-6, atol=1e-9)
    one_stratum = log_rank(outcome, group, rho=rho, strata=np.ones(outcome.n, dtype=np.int64))
    assert_allclose(one_stratum.statistic, found.statistic, rtol=1e-8, atol=1e-9)


@LAWS
@given(outcome=outcomes(), seed=st.integers(0, 99), rho=st.sampled_from([0.0, 1.0]))
def test_log_rank_of_lifelines_is_ours(outcome: Outcome, seed: int, rho: float) -> None:
    group = np.random.default_rng(seed).integers(0, 3, outcome.n)
    try:
        theirs = log_rank(outcome, group, rho=rho)
    except NotEstimableError:
        return
    ours = log_rank(Outcome(outcome.time, outcome.event, np.zeros(outcome.n)), group, rho=rho)
    assert theirs.df == ours.df
    assert_allclose(theirs.statistic, ours.statistic, rtol=1e-6, atol=1e-9)


def test_log_rank_needs_events_and_two_groups() -> None:
    times, two = np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1])
    with pytest.raises(NotEstimableError, match="no events: groups cannot be compared"):
        log_rank(Outcome(times, np.array([0, 0, 2])), two)
    with pytest.raises(NotEstimableError, match="only one group"):
        log_rank(Outcome(times, np.array([0, 0, 1])), two)


def test_numpy_still_warns_after_lifelines() -> None:
    before = np.geterr()
    log_rank(lung(), r_data("lung")["sex"].to_numpy())
    kaplan_meier(lung())
    assert np.geterr() == before


def test_75000_different_times() -> None:
    rng = np.random.default_rng(0)
    outcome = Outcome(rng.exponential(size=75_000), rng.integers(0, 2, 75_000))
    curve = kaplan_meier(outcome)
    assert len(curve.times) == 75_000
    # half have the event at hazard 0.5: S(t) = exp(-t / 2)
    near = value_at(curve, np.array([0.5, 1.0, 2.0]))
    assert np.all(np.abs(near.survival - np.exp([-0.25, -0.5, -1.0])) < 4 * near.se)
