"""Calibration at a horizon and net benefit against R; laws; planted miscalibration that the curve must show."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.calibration import calibration, calibration_slope, smooth_calibration
from cinema_cli.analysis.statistics.decision import net_benefit
from cinema_cli.analysis.statistics.outcome import COMPETING, EVENT, Floats, Outcome
from cinema_cli.domain.errors import NotEstimableError

HORIZON = 1826.0


def rotterdam() -> tuple[Outcome, Floats, Floats]:
    """Outcome, linear predictor and risk at 5 years of the test half."""
    table = r_data("rotterdam_test_pred")
    return outcome_of(table, "dtime", "death"), columns(table, "lp")[:, 0], columns(table, "r1826")[:, 0]


def test_slope_of_r() -> None:
    """r_golden2.json: rott_calib, slope."""
    r, (outcome, predictor, _) = r_values("r_golden2")["rott_calib"], rotterdam()
    slope = calibration_slope(outcome, predictor)
    assert [slope.estimate, slope.se] == pytest.approx([r["slope"], r["slope_se"]], rel=1e-8)
    assert slope.lower < slope.estimate < slope.upper


def test_observed_over_expected_of_r() -> None:
    """r_golden2.json: rott_calib, OE_1826, km_1826, mean_pred."""
    r, (outcome, _, risk) = r_values("r_golden2")["rott_calib"], rotterdam()
    ours = calibration(outcome, risk, horizon=HORIZON)
    assert [ours.ratio, ours.everybody.observed, ours.everybody.predicted] == pytest.approx(
        [r["OE_1826"], r["km_1826"], r["mean_pred"]], rel=1e-12
    )
    assert ours.everybody.events == np.sum((outcome.event == EVENT) & (outcome.time <= HORIZON))
    assert ours.lower < ours.ratio < ours.upper


def test_deciles_of_r() -> None:
    """r_golden2.json: rott_calib, decile."""
    outcome, _, risk = rotterdam()
    groups = calibration(outcome, risk, horizon=HORIZON).groups
    for ours, r in zip(groups, r_values("r_golden2")["rott_calib"]["decile"], strict=True):
        assert ours.n == r["n"]
        assert [ours.predicted, ours.observed, ours.lower, ours.upper] == pytest.approx(
            [r["pred"], r["obs"], r["lo"], r["hi"]], rel=1e-12
        )


def test_net_benefit_of_r() -> None:
    """r_golden2.json: rott_dca."""
    r, (outcome, _, risk) = r_values("r_golden2")["rott_dca"], rotterdam()
    ours = net_benefit(outcome, risk, horizon=HORIZON, thresholds=np.array(r["th"]))
    assert ours.model == pytest.approx(r["model"], abs=1e-12)
    assert ours.everybody == pytest.approx(r["all"], abs=1e-12)


def exponential(seed: int, n: int) -> tuple[Outcome, Floats]:
    """Censored times whose true risk at 1 is known."""
    rng = np.random.default_rng(seed)
    hazard = np.exp(rng.normal(-1, 0.8, n))
    time, follow = rng.exponential(1 / hazard), rng.uniform(0.2, 3, n)
    event = (time <= follow).astype(np.int64)
    observed = np.minimum(time, follow)
    observed[:2], event[:2] = [0.1, 4.0], [EVENT, 0]
    return Outcome(observed, event), 1 - np.exp(-hazard)


def test_true_risks_are_calibrated_and_wrong_ones_are_not() -> None:
    """Twice the log hazard around the mean is too extreme: the curve is flatter than the diagonal, the slope a half."""
    outcome, risk = exponential(1, 20_000)
    hazard = np.log(-np.log1p(-risk))
    assert abs(calibration_slope(outcome, hazard).estimate - 1) < 3 * calibration_slope(outcome, hazard).se
    assert calibration_slope(outcome, 2 * hazard).estimate == pytest.approx(
        calibration_slope(outcome, hazard).estimate / 2
    )
    true = smooth_calibration(outcome, risk, horizon=1.0)
    assert np.mean((true.lower < true.predicted) & (true.predicted < true.upper)) > 0.8
    assert np.abs(true.observed - true.predicted).max() < 0.05
    wrong = 1 - np.exp(-np.exp(2 * (hazard - hazard.mean()) + hazard.mean()))
    bent = smooth_calibration(outcome, wrong, horizon=1.0)
    truth = 1 - np.exp(-np.exp((np.log(-np.log1p(-bent.predicted)) - hazard.mean()) / 2 + hazard.mean()))
    assert np.abs(bent.observed - truth).max() < 0.05
    assert np.abs(bent.observed - bent.predicted).max() > 0.2
    assert calibration(outcome, wrong, horizon=1.0).groups[-1].upper < wrong.max()


laws = settings(max_examples=15, deadline=None, derandomize=True)
cohorts = st.builds(exponential, st.integers(0, 1000), st.integers(40, 200))


@laws
@given(cohorts)
def test_law_groups_are_everybody_once_and_order_of_rows_does_not_matter(cohort: tuple[Outcome, Floats]) -> None:
    outcome, risk = cohort
    one = calibration(outcome, risk, horizon=1.0, groups=4)
    assert sum(group.n for group in one.groups) == outcome.n
    assert sum(group.events for group in one.groups) == one.everybody.events
    assert [g.predicted for g in one.groups] == sorted(g.predicted for g in one.groups)
    rows = np.random.default_rng(outcome.n).permutation(outcome.n)
    other = calibration(outcome.take(rows), risk[rows], horizon=1.0, groups=4)
    assert [other.ratio, other.lower, other.upper] == pytest.approx([one.ratio, one.lower, one.upper])


@laws
@given(cohorts)
def test_law_expected_twice_halves_the_ratio(cohort: tuple[Outcome, Floats]) -> None:
    outcome, risk = cohort
    one, other = (calibration(outcome, r, horizon=1.0) for r in (risk, risk / 2))
    assert other.ratio == pytest.approx(2 * one.ratio)
    assert other.upper / other.lower == pytest.approx(one.upper / one.lower)


@laws
@given(cohorts, st.floats(0.05, 0.95))
def test_law_net_benefit_has_its_bounds(cohort: tuple[Outcome, Floats], threshold: float) -> None:
    outcome, risk = cohort
    thresholds = np.array([threshold])
    curve = net_benefit(outcome, risk, horizon=1.0, thresholds=thresholds)
    observed = calibration(outcome, risk, horizon=1.0).everybody.observed
    odds = threshold / (1 - threshold)
    assert curve.everybody == pytest.approx(observed - (1 - observed) * odds)
    everybody_above = net_benefit(outcome, np.ones(outcome.n), horizon=1.0, thresholds=thresholds)
    assert everybody_above.model == pytest.approx(curve.everybody)
    nobody_above = net_benefit(outcome, np.zeros(outcome.n), horizon=1.0, thresholds=thresholds)
    assert nobody_above.model == 0
    assert np.isnan(curve.model[0]) or curve.model[0] <= 1


def test_equal_risks_make_fewer_groups() -> None:
    outcome, _ = exponential(2, 100)
    two = calibration(outcome, np.repeat([0.1, 0.4], 50), horizon=1.0)
    assert [group.n for group in two.groups] == [50, 50]
    assert len(calibration(outcome, np.full(100, 0.3), horizon=1.0).groups) == 1


def test_a_group_that_nobody_follows_to_the_horizon_is_unknown() -> None:
    outcome = Outcome(np.array([0.2, 0.3, 0.4, 2.0, 0.5, 3.0]), np.array([0, 1, 0, 0, 1, 0]))
    risk = np.array([0.1, 0.1, 0.1, 0.8, 0.8, 0.8])
    low, high = calibration(outcome, risk, horizon=1.0, groups=2).groups
    assert np.isnan(low.observed) and high.observed == pytest.approx(1 / 3)
    assert np.isnan(net_benefit(outcome, 1 - risk, horizon=1.0, thresholds=np.array([0.5])).model[0])


def test_a_competing_event_is_a_censoring() -> None:
    outcome, risk = exponential(3, 200)
    competing = Outcome(outcome.time, np.where(outcome.event == EVENT, EVENT, COMPETING))
    thresholds = np.array([0.2])
    assert calibration(competing, risk, horizon=1.0) == calibration(outcome, risk, horizon=1.0)
    one, other = (net_benefit(o, risk, horizon=1.0, thresholds=thresholds) for o in (outcome, competing))
    assert one.model == other.model


def test_what_cannot_be_checked_is_said() -> None:
    outcome, risk = exponential(4, 50)
    with pytest.raises(NotEstimableError, match="nobody is followed beyond 5"):
        calibration(outcome, risk, horizon=5.0)
    with pytest.raises(NotEstimableError, match=r"no events by 0\.01"):
        net_benefit(outcome, risk, horizon=0.01, thresholds=np.array([0.1]))
    with pytest.raises(NotEstimableError, match="predicted risk"):
        smooth_calibration(outcome, np.full(50, 0.2), horizon=1.0)
    with pytest.raises(NotEstimableError, match="linear predictor is the same in everybody"):
        calibration_slope(outcome, np.zeros(50))
