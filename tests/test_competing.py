"""Cumulative incidence, Gray's test and Fine and Gray's model against R (golden/statistics/r_golden.json)."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statistics_golden import columns, finegray_rows, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.chi_squared import ChiSquared
from cinema_cli.analysis.statistics.competing import Incidence, aalen_johansen, incidence_at
from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.fine_gray import fine_gray
from cinema_cli.analysis.statistics.gray import gray_test
from cinema_cli.analysis.statistics.kaplan_meier import kaplan_meier
from cinema_cli.analysis.statistics.outcome import COMPETING, EVENT, Floats, Outcome
from cinema_cli.analysis.statistics.risk_sets import Ties
from cinema_cli.domain.errors import NotEstimableError

R = r_values()
LAWS = settings(max_examples=30, deadline=None, derandomize=True)
TIMES = np.array([60.0, 120, 180, 240, 300])


def mgus(sex: int | None = None) -> Outcome:
    table = r_data("mgus2")
    return outcome_of(table if sex is None else table.filter(pl.col("sexM") == sex), "etime", "ev")


def at(curve: Incidence) -> Incidence:
    return incidence_at(curve, TIMES)


def test_incidence_as_survfit() -> None:  # r_golden mgus2_aj
    entry, found = R["mgus2_aj"], aalen_johansen(mgus())
    assert entry["time"] == TIMES.tolist()
    assert_allclose(at(found.event).incidence, entry["cif_pcm"], rtol=1e-12)
    assert_allclose(at(found.event).se, entry["se_pcm"], rtol=1e-12)
    assert_allclose(at(found.event).lower, entry["lo_pcm"], rtol=1e-12)
    assert_allclose(at(found.event).upper, entry["hi_pcm"], rtol=1e-12)
    assert_allclose(at(found.competing).incidence, entry["cif_death"], rtol=1e-12)
    assert_allclose(at(found.competing).se, entry["se_death"], rtol=1e-12)


@pytest.mark.parametrize("sex", [0, 1])
def test_incidence_by_sex_as_survfit_and_cuminc(sex: int) -> None:  # r_golden mgus2_aj_sex, mgus2_cuminc
    found, rows = aalen_johansen(mgus(sex)), slice(5 * sex, 5 * sex + 5)
    assert R["mgus2_aj_sex"]["time"][rows] == TIMES.tolist()
    assert R["mgus2_aj_sex"]["strata"][rows] == [f"sexM={sex}"] * 5
    assert R["mgus2_cuminc"]["names"][sex::2] == [f"{sex} 1", f"{sex} 2"]
    assert_allclose(at(found.event).incidence, R["mgus2_aj_sex"]["cif_pcm"][rows], rtol=1e-12)
    assert_allclose(at(found.event).se, R["mgus2_aj_sex"]["se_pcm"][rows], rtol=1e-12)
    for curve, row in ((found.event, sex), (found.competing, 2 + sex)):
        assert_allclose(at(curve).incidence, R["mgus2_cuminc"]["est"][row], rtol=1e-12)
        # cuminc has Aalen's variance, we have the jackknife of survfit
        assert_allclose(at(curve).se ** 2, R["mgus2_cuminc"]["var"][row], rtol=0.05)


@pytest.mark.parametrize("cause", [EVENT, COMPETING])
def test_gray_as_cuminc(cause: int) -> None:  # r_golden mgus2_cuminc gray
    outcome, entry = mgus(), R["mgus2_cuminc"]["gray"]
    if cause == COMPETING:
        outcome = Outcome(outcome.time, np.array([0, COMPETING, EVENT])[outcome.event])
    found = gray_test(outcome, r_data("mgus2")["sexM"].to_numpy())
    assert_allclose(found.statistic, entry["stat"][cause - 1], rtol=1e-10)
    assert_allclose(found.p, entry["p"][cause - 1], rtol=1e-6)
    assert found.df == entry["df"][cause - 1]


def mgus_model() -> tuple[Outcome, Floats, list[str]]:
    terms = R["mgus2_finegray"]["terms"]
    table = r_data("mgus2").drop_nulls(terms)
    return outcome_of(table, "etime", "ev"), columns(table, *terms), terms


def test_fine_gray_as_finegray_and_coxph() -> None:  # r_golden mgus2_finegray
    outcome, x, terms = mgus_model()
    entry, found = R["mgus2_finegray"], fine_gray(outcome, x, names=terms)
    assert_allclose(found.coef, entry["coef"], rtol=1e-8)
    assert_allclose(np.sqrt(np.diag(found.naive_variance)), entry["naive_se"], rtol=1e-8)
    assert_allclose([found.loglik_null, found.loglik], [entry["loglik_null"], entry["loglik"]], rtol=1e-10)
    assert_allclose([found.lrt, found.score_test], [entry["lrt"], entry["score"]], rtol=1e-8)
    assert_allclose(found.aic, entry["aic"], rtol=1e-10)


def test_fine_gray_errors_are_those_of_the_rows_of_finegray() -> None:  # r_golden mgus2_finegray
    outcome, x, terms = mgus_model()
    expanded, weights, person = finegray_rows(outcome)
    entry = R["mgus2_finegray"]
    as_called = fit_cox(expanded, x[person], names=terms, weights=weights)  # R was called without cluster = id
    assert_allclose(as_called.coef, entry["coef"], rtol=1e-8)
    assert as_called.n == entry["n"] == entry["expanded_rows"]
    for ours, told in (("n_events", "nevent"), ("iterations", "iter"), ("ties", "method"), ("lrt_df", "lrt_df")):
        assert getattr(as_called, ours) == entry[told]
    for ours, told in (("hazard_ratio", "hr"), ("lower", "lo95"), ("upper", "hi95"), ("robust_score_test", "robscore")):
        assert_allclose(getattr(as_called, ours), entry[told], rtol=1e-8)
    assert_allclose([as_called.se, as_called.z], [entry["se"], entry["z"]], rtol=1e-8)
    assert_allclose(as_called.p, entry["p"], rtol=1e-6)
    assert_allclose(ChiSquared(as_called.lrt, as_called.lrt_df).p, entry["lrt_p"], rtol=1e-6)
    assert_allclose(as_called.wald, entry["wald"], atol=0.00501)  # R rounds it to two places
    by_person = fit_cox(expanded, x[person], names=terms, weights=weights, cluster=person)
    found = fine_gray(outcome, x, names=terms)
    assert_allclose(found.variance, by_person.variance, rtol=1e-8)
    assert found.robust_score_test is not None
    assert_allclose(found.robust_score_test, by_person.robust_score_test, rtol=1e-8)


def test_fine_gray_near_crr() -> None:  # r_golden mgus2_crr: G by another order at ties, Breslow, other variance
    outcome, x, terms = mgus_model()
    found = fine_gray(outcome, x, names=terms)
    assert_allclose(found.coef, R["mgus2_crr"]["coef"], rtol=0.01)
    assert_allclose(found.se, R["mgus2_crr"]["se"], rtol=0.02)
    assert_allclose(found.loglik, R["mgus2_crr"]["loglik"], rtol=0.001)
    assert R["mgus2_crr"]["terms"] == terms


@st.composite
def outcomes(draw: st.DrawFn, late: bool = False, kinds: int = 2) -> Outcome:
    """Up to 40 people with many tied times."""
    n = draw(st.integers(3, 40))
    time = np.array(draw(st.lists(st.integers(1, 12), min_size=n, max_size=n)), dtype=float)
    event = np.array(draw(st.lists(st.integers(0, kinds), min_size=n, max_size=n)))
    if not late:
        return Outcome(time, event)
    early = np.array(draw(st.lists(st.integers(0, 11), min_size=n, max_size=n)), dtype=float)
    return Outcome(time, event, np.minimum(early, time - 1))


def same_incidence(a: Incidence, b: Incidence) -> None:
    for field in ("at_risk", "events", "incidence", "se", "lower", "upper"):
        assert_allclose(getattr(a, field), getattr(b, field), rtol=1e-8, atol=1e-8, err_msg=field)


@LAWS
@given(outcome=outcomes(late=True))
def test_incidences_and_survival_are_everybody(outcome: Outcome) -> None:
    found = aalen_johansen(outcome)
    whole = found.event.incidence + found.competing.incidence + found.survival
    assert_allclose(whole, np.ones(len(whole)), rtol=1e-12)
    for curve in (found.event, found.competing):
        assert np.all(np.diff(curve.incidence) >= -1e-15)
        assert np.all(curve.se >= 0)
        assert np.all((curve.lower <= curve.incidence + 1e-12) & (curve.upper >= curve.incidence - 1e-12))
        assert np.all((curve.lower >= 0) & (curve.upper <= 1))


@LAWS
@given(outcome=outcomes(late=True, kinds=1))
def test_without_competition_incidence_is_one_less_survival(outcome: Outcome) -> None:
    found, curve = aalen_johansen(outcome), kaplan_meier(outcome)
    assert_allclose(found.event.incidence, 1 - curve.survival, atol=1e-12)
    assert not found.competing.incidence.any()


@LAWS
@given(outcome=outcomes(kinds=1))
def test_without_competition_and_late_entry_the_jackknife_is_greenwood(outcome: Outcome) -> None:
    found, curve = aalen_johansen(outcome), kaplan_meier(outcome)
    some = curve.survival > 0
    assert_allclose(found.event.se[some], curve.se[some], atol=1e-8)


@LAWS
@given(outcome=outcomes(), unit=st.sampled_from([1 / 365.25, 12.0]), seed=st.integers(0, 99))
def test_unit_of_time_order_and_entry_at_zero_do_not_matter(outcome: Outcome, unit: float, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(outcome.n)
    entered = Outcome(outcome.time * unit, outcome.event, np.zeros(outcome.n)).take(order)
    found, other, times = aalen_johansen(outcome), aalen_johansen(entered), np.unique(outcome.time)
    for a, b in ((found.event, other.event), (found.competing, other.competing)):
        same_incidence(incidence_at(a, times), incidence_at(b, times * unit))


@LAWS
@given(outcome=outcomes(late=True))
def test_error_is_the_jackknife(outcome: Outcome) -> None:
    """Taking a little weight from each person in turn changes the curve as the standard error says."""
    table = aalen_johansen(outcome).event
    tiny, influence = 1e-6, []
    for i in range(outcome.n):
        weights = np.ones(outcome.n)
        weights[i] -= tiny
        influence.append((table.incidence - weighted_incidence(outcome, weights, table.times)) / tiny)
    assert_allclose(table.se, np.sqrt(np.sum(np.square(influence), axis=0)), atol=1e-4)


def weighted_incidence(outcome: Outcome, weights: Floats, times: Floats) -> Floats:
    """Aalen-Johansen of the event with weights, by its definition."""
    curve, survival, path = 0.0, 1.0, []
    entry = np.full(outcome.n, -1.0) if outcome.entry is None else outcome.entry
    for t in times:
        n = weights[(entry < t) & (outcome.time >= t)].sum()
        d = [weights[(outcome.time == t) & (outcome.event == kind)].sum() for kind in (EVENT, COMPETING)]
        if n > 0:
            curve += survival * d[0] / n
            survival *= 1 - sum(d) / n
        path.append(curve)
    return np.array(path)


def test_one_event_and_none() -> None:
    times = np.array([1.0, 2.0, 3.0, 4.0])
    one = aalen_johansen(Outcome(times, np.array([0, 1, 0, 0]))).event
    assert_allclose(one.incidence, [0, 1 / 3, 1 / 3, 1 / 3])
    assert_allclose(one.se[1:], np.full(3, np.sqrt(1 / 3 * 2 / 3 / 3)))  # binomial
    none = aalen_johansen(Outcome(times, np.zeros(4, dtype=np.int64)))
    for curve in (none.event, none.competing):
        assert not curve.incidence.any()
        assert not curve.se.any()
        assert not curve.upper.any()
    with pytest.raises(NotEstimableError, match="nobody is left to follow"):
        aalen_johansen(Outcome(np.array([]), np.array([], dtype=np.int64)))


def test_beyond_follow_up_incidence_is_unknown() -> None:
    found = aalen_johansen(Outcome(np.array([1.0, 2.0, 3.0]), np.array([1, 2, 0]))).event
    points = incidence_at(found, np.array([0.5, 1.0, 3.5]))
    assert_allclose(points.incidence, [0, 1 / 3, np.nan])
    nobody_left = aalen_johansen(Outcome(np.array([1.0, 2.0]), np.array([1, 2]))).event
    assert incidence_at(nobody_left, np.array([9.0])).incidence.tolist() == [0.5]


def test_gray_of_renamed_groups_and_refusals() -> None:
    outcome, sex = mgus(), r_data("mgus2")["sexM"].to_numpy()
    assert_allclose(gray_test(outcome, 5 - sex).statistic, gray_test(outcome, sex).statistic, rtol=1e-10)
    with pytest.raises(NotEstimableError, match="only one group is at risk"):
        gray_test(outcome, np.zeros(outcome.n, dtype=np.int64))
    with pytest.raises(NotEstimableError, match="no events: groups"):
        gray_test(Outcome(outcome.time, np.where(outcome.event == EVENT, 0, outcome.event)), sex)
    early = Outcome(np.append(outcome.time, 0.1), np.append(outcome.event, 0))  # a group that nobody sees an event of
    assert gray_test(early, np.append(sex, 7)).df == 1
    with pytest.raises(NotEstimableError, match="people who enter late"):
        gray_test(Outcome(outcome.time, outcome.event, np.zeros(outcome.n)), sex)


def made(n: int, seed: int, kinds: int = 2) -> tuple[Outcome, Floats]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    time = np.ceil(20 * rng.exponential(size=n) * np.exp(-0.5 * x[:, 0]))
    return Outcome(time, rng.integers(0, kinds + 1, n)), x


def test_without_competition_fine_and_gray_is_cox() -> None:
    outcome, x = made(200, 0, kinds=1)
    found, cox = fine_gray(outcome, x, names=["a", "b"]), fit_cox(outcome, x, names=["a", "b"], robust=True)
    assert_allclose(found.coef, cox.coef, rtol=1e-10)
    assert_allclose(found.variance, cox.variance, rtol=1e-10)
    assert_allclose(found.loglik, cox.loglik, rtol=1e-12)


def test_without_censoring_those_with_a_competing_event_stay_for_ever() -> None:
    outcome, x = made(200, 1)
    outcome = Outcome(outcome.time, np.maximum(outcome.event, 1))
    for_ever = Outcome(np.where(outcome.event == EVENT, outcome.time, 1e6), np.where(outcome.event == EVENT, 1, 0))
    found, cox = fine_gray(outcome, x, names=["a", "b"]), fit_cox(for_ever, x, names=["a", "b"], robust=True)
    assert_allclose(found.coef, cox.coef, rtol=1e-10)
    assert_allclose(found.variance, cox.variance, rtol=1e-8)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_fine_gray_is_that_of_the_rows_of_finegray(ties: Ties) -> None:
    outcome, x = made(150, 2)
    cluster = np.arange(150) // 3
    expanded, weights, person = finegray_rows(outcome)
    rows = fit_cox(expanded, x[person], names=["a", "b"], weights=weights, cluster=cluster[person], ties=ties)
    found = fine_gray(outcome, x, names=["a", "b"], cluster=cluster, ties=ties)
    assert_allclose(found.coef, rows.coef, rtol=1e-8)
    assert_allclose(found.variance, rows.variance, rtol=1e-8)
    other = np.random.default_rng(0).permutation(150)
    again = fine_gray(
        Outcome(outcome.time[other] / 365.25, outcome.event[other]), x[other], names=["a", "b"], cluster=cluster[other],
        ties=ties,
    )  # fmt: skip
    assert_allclose(again.coef, found.coef, rtol=1e-8)
    assert_allclose(again.variance, found.variance, rtol=1e-8)


def test_fine_gray_names_what_it_cannot_estimate() -> None:
    outcome, x = made(60, 3)
    with pytest.raises(NotEstimableError, match="one is the same in everybody"):
        fine_gray(outcome, np.column_stack([x[:, 0], np.ones(60)]), names=["a", "one"])
    with pytest.raises(NotEstimableError, match="nobody had the event"):
        fine_gray(Outcome(outcome.time, np.where(outcome.event == EVENT, 0, outcome.event)), x, names=["a", "b"])
    with pytest.raises(NotEstimableError, match="people who enter late"):
        fine_gray(Outcome(outcome.time, outcome.event, np.zeros(60)), x, names=["a", "b"])


def test_fine_gray_finds_a_planted_subdistribution_hazard() -> None:
    """Fine and Gray's own design: P(event by t | x) = 1 - (1 - 0.4 (1 - exp(-t)))^exp(0.7 x), at 20,000 people."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=20_000)
    ever = 1 - 0.6 ** np.exp(0.7 * x)
    is_event = rng.random(len(x)) < ever
    share = 1 - (1 - rng.random(len(x)) * ever) ** np.exp(-0.7 * x)
    time = np.where(is_event, -np.log(1 - np.minimum(share / 0.4, 1 - 1e-12)), rng.exponential(size=len(x)))
    censored = rng.uniform(0, 4, len(x))
    outcome = Outcome(np.minimum(time, censored), np.where(censored < time, 0, np.where(is_event, EVENT, COMPETING)))
    found = fine_gray(outcome, x[:, None], names=["x"])
    assert abs(found.coef[0] - 0.7) < 3 * found.se[0]
