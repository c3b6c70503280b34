"""Bias, limits of agreement, ICC and coefficients of variation against R (r_golden3.json) and the reference's own."""

import numpy as np
import pytest
from functions_golden import arrays, needs_golden, said
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statistics_golden import r_values

from cinema_cli.analysis.statistics.agreement import agreement, icc21, icc31, limits_of_agreement
from cinema_cli.analysis.statistics.interval import Interval
from cinema_cli.analysis.statistics.repeatability import cov_rms, repeatability
from cinema_cli.domain.errors import NotEstimableError

R = r_values("r_golden3")["repeatability"]
X, Y = np.array(R["x"]), np.array(R["y"])
LAWS = settings(max_examples=30, deadline=None, derandomize=True)
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=np.float64
)  # six targets, four judges: Psychol Bull 1979;86:420, table 2
SIZES = st.integers(3, 40)
SEEDS = st.integers(0, 10_000)


def pairs(seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(60, 10, n)
    return truth + rng.normal(1, 3, n), truth + rng.normal(0, 2, n)


def intervals(whole: object) -> dict[str, Interval]:
    named = {name: getattr(whole, name) for name in whole.__slots__}  # type: ignore[attr-defined]
    return {name: value for name, value in named.items() if isinstance(value, Interval)}


def test_repeat_scans_as_r() -> None:  # r_golden3 repeatability
    found = repeatability(X, Y)
    assert_allclose(found.bias.estimate, R["ba_bias"], rtol=1e-10)
    assert_allclose(found.sd.estimate, R["ba_sd"], rtol=1e-10)
    assert_allclose([found.loa_lower.estimate, found.loa_upper.estimate], R["ba_loa"], rtol=1e-10)
    for name in ("rc", "cov_rms", "cov_log", "cov_wsd", "icc21", "icc31"):
        assert_allclose(getattr(found, name).estimate, R[name], rtol=1e-10)


def test_agreement_as_r() -> None:  # the same entry
    found = agreement(X, Y)
    assert_allclose(found.bias.estimate, R["ba_bias"], rtol=1e-10)
    assert_allclose([found.loa_lower.estimate, found.loa_upper.estimate], R["ba_loa"], rtol=1e-10)


@needs_golden
def test_regression_metrics_of_the_paper() -> None:  # cls_reg.npz, info.json regression_metrics
    z, told = arrays("cls_reg"), said("regression_metrics")
    found = agreement(z["reg_pred"], z["reg_true"])
    assert_allclose([found.rmse.estimate, found.mae.estimate], [told["rmse"], told["mae"]], rtol=1e-12)


def test_r_squared_and_slope_as_scikit_learn_and_scipy() -> None:
    from scipy.stats import linregress
    from sklearn.metrics import r2_score

    found, line = agreement(X, Y), linregress((X + Y) / 2, X - Y)
    assert_allclose(found.r2.estimate, r2_score(Y, X), rtol=1e-12)
    assert_allclose([found.slope.estimate, found.slope.p], [line.slope, line.pvalue], rtol=1e-8)


def test_icc_of_shrout_and_fleiss() -> None:  # limits: R's psych::ICC of the same data, rounded in its manual
    absolute, consistent = icc21(SHROUT_FLEISS), icc31(SHROUT_FLEISS)
    assert_allclose([absolute.estimate, consistent.estimate], [0.29, 0.71], atol=0.005)
    assert_allclose([absolute.lower, absolute.upper], [0.019, 0.76], atol=0.005)
    assert_allclose([consistent.lower, consistent.upper], [0.34, 0.95], atol=0.005)


def test_limits_of_limits() -> None:
    """Carkeet's exact ones cover 1.96 SD in 95 % of samples; those of many people are Bland and Altman's."""
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 1, (4000, 12))
    inside = [limits_of_agreement(float(s.mean()), float(s.std(ddof=1)), 12)[1] for s in samples[:1500]]
    assert 0.935 < np.mean([i.lower <= 1.96 <= i.upper for i in inside]) < 0.965
    upper = limits_of_agreement(0.0, 1.0, 75_000)[1]
    assert_allclose(upper.upper - upper.lower, 2 * 1.96 * np.sqrt((1 + 1.96**2 / 2) / 75_000), rtol=1e-3)


@LAWS
@given(seed=SEEDS, n=SIZES)
def test_order_swap_and_scale(seed: int, n: int) -> None:
    a, b = pairs(seed, n)
    order = np.random.default_rng(seed).permutation(n)
    found, again = intervals(agreement(a, b)), intervals(agreement(a[order], b[order]))
    swapped, larger = intervals(agreement(b, a)), intervals(agreement(10 * a, 10 * b))
    for name, value in found.items():
        assert_allclose(again[name].estimate, value.estimate, rtol=1e-8, atol=1e-10)
        if np.isfinite(value.lower):
            assert value.lower - 1e-9 <= value.estimate <= value.upper + 1e-9
    for name in ("bias", "slope"):
        assert_allclose(swapped[name].estimate, -found[name].estimate, rtol=1e-8)
        assert_allclose(swapped[name].p, found[name].p, rtol=1e-6)
    for name in ("sd", "mae", "rmse"):
        assert_allclose(swapped[name].estimate, found[name].estimate)
        assert_allclose(larger[name].upper, 10 * found[name].upper)
    assert_allclose(swapped["loa_lower"].estimate, -found["loa_upper"].estimate)
    assert_allclose(larger["r2"].estimate, found["r2"].estimate, rtol=1e-9, atol=1e-9)
    assert found["mae"].estimate <= found["rmse"].estimate * (1 + 1e-12)


@LAWS
@given(seed=SEEDS, n=SIZES)
def test_repeats_in_any_order(seed: int, n: int) -> None:
    a, b = pairs(seed, n)
    found, swapped, larger = (intervals(repeatability(*p)) for p in ((a, b), (b, a), (5 * a, 5 * b)))
    for name, value in found.items():
        sign = -1 if name == "bias" else 1
        other = {"loa_lower": "loa_upper", "loa_upper": "loa_lower"}.get(name, name)
        if name not in ("loa_lower", "loa_upper"):
            assert_allclose(swapped[other].estimate, sign * value.estimate, rtol=1e-8, atol=1e-10)
        if np.isfinite(value.lower):
            assert value.lower - 1e-9 <= value.estimate <= value.upper + 1e-9
    for name in ("cov_rms", "cov_log", "cov_wsd", "icc21", "icc31"):
        assert_allclose(larger[name].estimate, found[name].estimate, rtol=1e-8, atol=1e-10)
    assert -1 - 1e-12 <= found["icc31"].estimate <= 1
    assert_allclose(found["wsd"].estimate ** 2, found["sd"].estimate ** 2 * (n - 1) / n / 2 + (a - b).mean() ** 2 / 2)


@LAWS
@given(seed=SEEDS)
def test_a_shift_is_disagreement_not_inconsistency(seed: int) -> None:
    a, b = pairs(seed, 30)
    shifted = np.column_stack([a + 20, b])
    assert_allclose(icc31(shifted).estimate, icc31(np.column_stack([a, b])).estimate, rtol=1e-8)
    assert icc21(shifted).estimate < icc21(np.column_stack([a, b])).estimate


def test_limits_hold_what_they_promise() -> None:
    """Coverage of 20 pairs whose SD is 5 % of their mean; the coefficients differ in what they average."""
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(400):
        truth = rng.uniform(50, 70, 20)
        a, b = truth * (1 + rng.normal(0, 0.05, (2, 20)))
        found = repeatability(a, b)
        hits.append([i.lower <= 0.05 <= i.upper for i in (found.cov_rms, found.cov_wsd, found.cov_log)])
    assert np.all(np.mean(hits, axis=0) > 0.91)


def test_nobody_one_two() -> None:
    with pytest.raises(NotEstimableError, match="nobody"):
        agreement(np.empty(0), np.empty(0))
    with pytest.raises(NotEstimableError, match="twice"):
        repeatability(np.empty(0), np.empty(0))
    one = agreement(np.array([3.0]), np.array([2.0]))
    assert (one.bias.estimate, one.mae.estimate, one.rmse.estimate) == (1.0, 1.0, 1.0)
    assert all(np.isnan(i.lower) for i in intervals(one).values())
    assert all(np.isnan(getattr(one, name).estimate) for name in ("sd", "loa_lower", "slope", "r2"))
    again = repeatability(np.array([3.0]), np.array([2.0]))
    assert again.cov_rms.estimate == pytest.approx(0.08**0.5)
    assert np.isnan(again.icc21.estimate)
    two = repeatability(np.array([3.0, 4.0]), np.array([2.0, 6.0]))
    assert np.isfinite(two.icc21.estimate)
    assert np.isfinite(two.rc.upper)


def test_the_same_twice() -> None:
    found = repeatability(Y, Y)
    assert (found.bias.estimate, found.wsd.estimate, found.cov_rms.estimate, found.icc21.estimate) == (0, 0, 0, 1)
    assert np.isnan(found.icc21.lower)
    agreed = agreement(Y, Y)
    assert (agreed.r2.estimate, agreed.rmse.estimate, agreed.loa_upper.estimate) == (1, 0, 0)
    assert np.isnan(agreed.rmse.upper)


def test_constant() -> None:
    same = np.full(5, 60.1)
    found = repeatability(same, same)
    assert np.isnan(found.icc31.estimate)
    for icc in (icc21, icc31):
        with pytest.raises(NotEstimableError, match="the same"):
            icc(np.column_stack([same, same]))
    with pytest.raises(NotEstimableError, match="no person differs"):
        icc31(np.column_stack([same, same + 2]))
    assert icc21(np.column_stack([same, same + 2])).estimate == 0
    with pytest.raises(NotEstimableError, match="do not differ"):
        icc21(np.array([[1.0, 2.0], [2.0, 1.0]]))
    agreed = agreement(same + 2, same)
    assert (agreed.bias.estimate, agreed.bias.lower) == (2, 2)
    assert np.isnan(agreed.r2.estimate)
    assert np.isnan(agreed.slope.estimate)


def test_a_coefficient_of_variation_needs_a_mean() -> None:
    assert np.isnan(cov_rms(np.array([1.0, -1.0]), np.array([1.0, 1.0])).estimate)
    found = repeatability(np.array([0.0, 1.0]), np.array([2.0, 1.0]))
    assert np.isnan(found.cov_log.estimate)
    assert np.isfinite(found.cov_rms.estimate)


@needs_golden
def test_coefficient_of_variation_of_the_paper() -> None:  # cls_reg.npz, info.json ef.cov
    z = arrays("cls_reg")
    assert_allclose(cov_rms(z["reg_true"], z["reg_pred"]).estimate, said("ef")["cov"], rtol=1e-12)
