"""Gaps between groups: means, areas, C, observed over expected; intervals; gaps with covariates held equal."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from cinema_cli.analysis.statistics.adjusted_gap import adjusted_gap
from cinema_cli.analysis.statistics.calibration import calibration
from cinema_cli.analysis.statistics.concordance import concordance
from cinema_cli.analysis.statistics.delong import auc
from cinema_cli.analysis.statistics.group_figures import (
    auc_in_groups,
    concordance_in_groups,
    figure_gaps,
    normal_gaps,
    observed_expected_in_groups,
)
from cinema_cli.analysis.statistics.group_gaps import Apart, Better, apart, deviations
from cinema_cli.analysis.statistics.group_means import Draws, mean_gaps
from cinema_cli.analysis.statistics.outcome import Floats, Outcome
from cinema_cli.domain.errors import NotEstimableError

laws = settings(max_examples=20, deadline=None, derandomize=True)
FEW = Draws(n_permutations=40, n_resamples=40)


def a_cohort(n: int = 240) -> tuple[Floats, list[np.ndarray]]:
    """Two metrics of people in two columns of groups."""
    rng = np.random.default_rng(4)
    codes = [rng.integers(0, 2, n), rng.integers(0, 4, n)]
    values = rng.normal(5.0, 1.0, (n, 2))
    values[:, 0] += 0.8 * codes[0]
    return values, codes


def test_disparities_by_hand() -> None:
    dice = apart(np.array([0.95, 0.9, 0.8]), Better.HIGHER)
    assert dice[Apart.GAP] == pytest.approx(0.15)
    assert dice[Apart.RATIO] == pytest.approx(0.8 / 0.95)
    assert dice[Apart.WORST] == 0.8
    assert dice[Apart.SKEWED] == pytest.approx(0.2 / 0.05)
    mae = apart(np.array([2.0, 4.0]), Better.LOWER)
    assert (mae[Apart.WORST], mae[Apart.SKEWED], mae[Apart.RATIO]) == (4.0, 2.0, 0.5)
    bias = apart(np.array([-3.0, 2.0]), Better.ZERO)
    assert (bias[Apart.GAP], bias[Apart.WORST]) == (5.0, -3.0)
    assert np.isnan(bias[Apart.RATIO]) and np.isnan(bias[Apart.SKEWED])
    ratio = apart(np.array([0.5, 1.5]), Better.ONE)
    assert ratio[Apart.WORST] == 0.5  # half is farther from one than one and a half
    never = apart(np.array([0.0, 0.1]), Better.LOWER)
    assert never[Apart.RATIO] == 0.0 and np.isnan(never[Apart.SKEWED])


def test_means_of_groups_and_their_gap() -> None:
    values, codes = a_cohort()
    found = mean_gaps(values, codes, [Better.LOWER, Better.HIGHER], FEW)
    assert list(found) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for (column, figure), gaps in found.items():
        means = [values[codes[column] == k, figure].mean() for k in gaps.groups]
        np.testing.assert_allclose(gaps.values, means, rtol=1e-12)
        assert gaps.apart[Apart.GAP].estimate == pytest.approx(np.ptp(means))
    planted = found[0, 0].apart[Apart.GAP]
    assert planted.null is not None
    assert planted.null.p == 1 / 41
    assert planted.lower < 0.8 < planted.upper
    assert found[0, 0].worst == 1


def test_the_interval_of_two_groups_is_that_of_their_difference() -> None:
    values, codes = a_cohort()
    gap = mean_gaps(values[:, :1], codes[:1], [Better.LOWER], Draws(0, 4000))[0, 0].apart[Apart.GAP]
    a, b = (values[codes[0] == k, 0] for k in (0, 1))
    width = 1.96 * np.sqrt(a.var() / len(a) + b.var() / len(b))
    np.testing.assert_allclose((gap.lower, gap.upper), (gap.estimate - width, gap.estimate + width), rtol=0.03)
    assert gap.null is None


def test_intervals_cover_the_truth() -> None:
    """200 cohorts with groups at 0, 0 and 0.5 SD, and 200 with none apart: at least 95 %, not far more."""
    rng = np.random.default_rng(5)
    code = np.arange(90) % 3
    for truth in (0.5, 0.0):
        values = rng.normal(size=(90, 200)) + truth * (code == 2)[:, None]
        found = mean_gaps(values, [code], [Better.ZERO] * 200, Draws(0, 300)).values()
        covered = np.mean([g.apart[Apart.GAP].lower <= truth <= g.apart[Apart.GAP].upper for g in found])
        assert 0.92 <= covered <= 1.0


@laws
@given(seed=st.integers(0, 99), scale=st.floats(0.1, 10.0), shift=st.floats(-5.0, 5.0))
def test_a_gap_has_the_unit_of_its_metric(seed: int, scale: float, shift: float) -> None:
    rng = np.random.default_rng(seed)
    values, codes = rng.normal(size=(60, 1)), [rng.integers(0, 3, 60)]
    one, other = (
        mean_gaps(v, codes, [Better.ZERO], FEW)[0, 0].apart[Apart.GAP] for v in (values, scale * values + shift)
    )
    np.testing.assert_allclose(
        [other.estimate, other.lower, other.upper], scale * np.array([one.estimate, one.lower, one.upper]), atol=1e-9
    )
    assert one.null is not None and other.null is not None
    assert one.null.p == other.null.p


@laws
@given(seed=st.integers(0, 99))
def test_groups_may_have_other_numbers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, code = rng.normal(size=(60, 1)), rng.integers(0, 3, 60)
    one, other = (mean_gaps(values, [c], [Better.ZERO], FEW)[0, 0] for c in (code, 7 - 2 * code))
    for way in (Apart.GAP, Apart.WORST):
        assert one.apart[way].estimate == pytest.approx(other.apart[way].estimate)
    assert 7 - 2 * one.worst == other.worst


def test_who_has_no_value_or_no_group_is_left_out_and_so_are_small_groups() -> None:
    rng = np.random.default_rng(1)
    values, code = rng.normal(size=(100, 2)), np.repeat([0, 1, 2, -1], [40, 40, 9, 11])
    values[:30, 1] = np.nan
    found = mean_gaps(values, [code], [Better.ZERO] * 2, FEW)
    assert [found[0, k].groups.tolist() for k in (0, 1)] == [[0, 1], [0, 1]]
    assert found[0, 1].values[0] == pytest.approx(values[30:40, 1].mean())
    values[30, 1] = np.nan  # nine are left
    assert list(mean_gaps(values, [code], [Better.ZERO] * 2, FEW)) == [(0, 0)]


@pytest.mark.parametrize("n", [0, 1, 15])
def test_without_two_groups_there_is_no_gap(n: int) -> None:
    assert mean_gaps(np.ones((n, 1)), [np.zeros(n, dtype=np.int64)], [Better.LOWER], FEW) == {}
    assert (
        figure_gaps(auc_in_groups(np.ones(n), np.ones(n) > 0), np.zeros(n, dtype=np.int64), Better.HIGHER, FEW) is None
    )


def test_the_same_in_everybody_is_no_gap_and_no_finding() -> None:
    gap = mean_gaps(np.full((40, 1), 0.3), [np.arange(40) % 2], [Better.LOWER], FEW)[0, 0].apart[Apart.GAP]
    assert (gap.estimate, gap.lower, gap.upper) == (0.0, 0.0, 0.0)
    assert gap.null is not None and gap.null.p == 1.0


def test_areas_c_and_observed_over_expected_are_those_of_each_group() -> None:
    """With ties, beside the functions for one group at a time."""
    rng = np.random.default_rng(6)
    n, code = 300, np.random.default_rng(7).integers(0, 3, 300)
    time, event = rng.exponential(size=n).round(1) + 0.1, rng.integers(0, 3, n)
    risk = rng.uniform(0.1, 0.9, n).round(1)
    outcome = Outcome(time, event)
    rows = np.arange(n)
    areas = auc_in_groups(risk, event == 1)(rows, code, 3)
    cs = concordance_in_groups(outcome, risk)(rows, code, 3)
    ratios = observed_expected_in_groups(outcome, risk, horizon=1.0)(rows, code, 3)
    for k in range(3):
        own = code == k
        assert areas[k] == pytest.approx(auc(risk[own], event[own] == 1).estimate)
        assert cs[k] == pytest.approx(concordance(outcome.take(own), risk[own]).c)
        assert ratios[k] == pytest.approx(calibration(outcome.take(own), risk[own], horizon=1.0, groups=1).ratio)


def test_an_area_that_differs_between_groups() -> None:
    rng = np.random.default_rng(2)
    positive, code = rng.integers(0, 2, 200) == 1, np.arange(200) % 2
    score = rng.normal(size=200) + 2.0 * positive * (code == 0)
    found = figure_gaps(auc_in_groups(score, positive), code, Better.HIGHER, Draws(99, 99))
    assert found is not None and found.worst == 1
    gap = found.apart[Apart.GAP]
    assert gap.null is not None and gap.null.p == 0.01
    assert 0 < gap.lower < gap.estimate < gap.upper


def test_standard_errors_tell_what_permutations_tell() -> None:
    values, codes = a_cohort()
    found = mean_gaps(values[:, 1:], codes[1:], [Better.LOWER], Draws(2000, 2000))[0, 0]
    se = np.array([np.std(values[codes[1] == k, 1], ddof=1) / np.sqrt(np.sum(codes[1] == k)) for k in range(4)])
    normal = normal_gaps(found.groups, found.values, se, Better.LOWER, Draws(2000, 2000))
    for way in (Apart.GAP, Apart.WORST):
        one, other = found.apart[way], normal.apart[way]
        assert one.null is not None and other.null is not None
        np.testing.assert_allclose((one.lower, one.upper), (other.lower, other.upper), atol=0.05)
        np.testing.assert_allclose((one.null.mean, one.null.p), (other.null.mean, other.null.p), atol=0.04)


def test_deviations_of_what_was_observed_are_none() -> None:
    values = np.array([0.2, 0.4])
    assert all(v == 0 for v in deviations(values, values, Better.LOWER).values())


def test_without_covariates_an_adjusted_gap_is_the_gap() -> None:
    values, codes = a_cohort()
    means = [values[codes[1] == k, 0].mean() for k in range(4)]
    found = adjusted_gap(values[:, 0], codes[1], np.empty((240, 0)), is_share=False)
    np.testing.assert_allclose(found.values, means, rtol=1e-10)
    assert found.estimate == pytest.approx(np.ptp(means))
    share = (values[:, 0] > 5.0).astype(float)
    found = adjusted_gap(share, codes[1], np.empty((240, 0)), is_share=True)
    np.testing.assert_allclose(found.values, [share[codes[1] == k].mean() for k in range(4)], rtol=1e-8)


@pytest.mark.parametrize("is_share", [False, True])
def test_a_gap_that_age_explains_goes_when_age_is_held_equal(is_share: bool) -> None:
    rng = np.random.default_rng(9)
    n = 2000
    code = rng.integers(0, 2, n)
    age = 60 + 10 * code + rng.normal(0, 8, n)
    values = 0.1 * (age - 65) + rng.normal(size=n)
    values = (values > 0).astype(float) if is_share else values
    raw = mean_gaps(values[:, None], [code], [Better.LOWER], FEW)[0, 0].apart[Apart.GAP]
    found = adjusted_gap(values, code, age[:, None], is_share=is_share)
    assert raw.lower > 0.2
    assert found.lower == 0.0 and found.estimate < 0.1 and found.p > 0.05


def test_adjusted_shares_are_those_of_another_program() -> None:
    """scikit-learn's unpenalised logistic regression, predicted for everybody as if in each group."""
    rng = np.random.default_rng(12)
    code, age = rng.integers(0, 3, 400), rng.normal(60, 10, 400)
    x = np.column_stack([code == 1, code == 2, (age - 60) / 10]).astype(float)
    share = (rng.uniform(size=400) < 1 / (1 + np.exp(-(x @ [0.5, -0.4, 0.8] - 0.3)))).astype(float)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(x, share)
    expected = []
    for k in range(3):
        as_if = np.column_stack([np.full(400, k == 1), np.full(400, k == 2), x[:, 2]]).astype(float)
        expected.append(model.predict_proba(as_if)[:, 1].mean())
    found = adjusted_gap(share, code, age[:, None], is_share=True)
    np.testing.assert_allclose(found.values, expected, atol=1e-5)
    assert found.lower <= found.estimate <= found.upper


def test_adjusted_gaps_that_cannot_be() -> None:
    code = np.arange(40) % 2
    values = np.random.default_rng(1).normal(size=40)
    with pytest.raises(NotEstimableError, match="follow from each other"):
        adjusted_gap(values, code, code[:, None].astype(float), is_share=False)
    with pytest.raises(NotEstimableError, match="no events"):
        adjusted_gap((code == 1) * (np.arange(40) % 3 == 0) * 1.0, code, values[:, None], is_share=True)
    with pytest.raises(NotEstimableError, match="tell who has the event"):
        adjusted_gap((values > 0).astype(float), code, values[:, None], is_share=True)


@pytest.mark.parametrize("better", [Better.HIGHER, Better.LOWER])
@pytest.mark.parametrize("events", [(0, 3), (15, 3), (0, 15), (0, 1)])
def test_a_group_without_events_has_a_gap_and_limits_where_there_are_some(
    events: tuple[int, int], better: Better
) -> None:
    values = np.concatenate([np.arange(15) < count for count in events]).astype(float)
    found = mean_gaps(values[:, None], [np.repeat([0, 1], 15)], [better], FEW)[0, 0].apart
    shares = np.array(events) / 15
    assert found[Apart.GAP].estimate == pytest.approx(np.ptp(shares))
    assert found[Apart.GAP].lower <= found[Apart.GAP].estimate <= found[Apart.GAP].upper
    if shares.min() == 0 and better is Better.LOWER:
        assert found[Apart.RATIO].estimate == 0.0 and np.isnan(found[Apart.SKEWED].estimate)
