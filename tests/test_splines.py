"""Spline columns equal those of R (splines::ns, rms::rcs) and bend where they should."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.chi_squared import ChiSquared
from cinema_cli.analysis.statistics.concordance import concordance
from cinema_cli.analysis.statistics.cox import fit_cox, likelihood_ratio, linear_predictor, wald_test
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.statistics.splines import harrell_knots, natural_spline, restricted_cubic
from cinema_cli.domain.errors import NotEstimableError

laws = settings(max_examples=30, deadline=None, derandomize=True)
knots_of = st.lists(st.integers(1, 40), min_size=3, max_size=6, unique=True).map(
    lambda own: np.array(sorted(own), float)
)


def test_natural_spline_of_r() -> None:
    """r_golden.json lung_spline_ns_age; its test of curvature is the likelihood ratio against age as it is."""
    golden, table = r_values()["lung_spline_ns_age"], r_data("lung_cc")
    outcome, (age, sex) = outcome_of(table, "time", "event"), columns(table, "age", "sex").T
    low, high = golden["boundary"]
    x = np.column_stack([natural_spline(age, golden["knots"], (low, high)), sex])
    fit = fit_cox(outcome, x, names=golden["terms"])
    found = {"naive_se": fit.se, "hr": fit.hazard_ratio, "lo95": fit.lower, "hi95": fit.upper, "score": fit.score_test}
    found |= {name: getattr(fit, name) for name in ("coef", "se", "z", "loglik_null", "loglik", "lrt", "lrt_df", "aic")}
    pairs = concordance(outcome, linear_predictor(fit, x))
    found |= {"concordance": pairs.c, "concordance_se": pairs.se}
    for name, value in found.items():
        np.testing.assert_allclose(value, golden[name], rtol=1e-8, err_msg=name)
    assert (fit.n, fit.n_events, fit.iterations, fit.ties) == tuple(
        golden[k] for k in ("n", "nevent", "iter", "method")
    )
    assert fit.robust_score_test is golden["robscore"] is None
    counted = [pairs.concordant, pairs.discordant, pairs.tied_x, pairs.tied_y, pairs.tied_xy]
    assert counted == list(golden["concordance_counts"].values())
    np.testing.assert_allclose(fit.p, golden["p"], rtol=1e-6)
    np.testing.assert_allclose(ChiSquared(fit.lrt, fit.lrt_df).p, golden["lrt_p"], rtol=1e-6)
    np.testing.assert_allclose(fit.wald, golden["wald"], atol=0.00501)  # R rounds it to two places
    curved = likelihood_ratio(fit_cox(outcome, np.column_stack([age, sex]), names=("age", "sex")), fit)
    np.testing.assert_allclose(curved.statistic, golden["nonlin_chisq"], rtol=1e-8)
    np.testing.assert_allclose(curved.p, golden["nonlin_p"], rtol=1e-6)
    assert curved.df == golden["nonlin_df"]


def test_restricted_cubic_spline_of_rms() -> None:
    """r_golden2.json rott_rcs_age: knots, coefficients and Wald tests; 2e-3 as rms::cph stops early."""
    golden, table = r_values("r_golden2")["rott_rcs_age"], r_data("rotterdam")
    age, nodes = columns(table, "age", "nodes").T
    knots = harrell_knots(age, 4, name="age")
    np.testing.assert_array_equal(knots, golden["knots"])
    x = np.column_stack([restricted_cubic(age, knots), nodes])
    fit = fit_cox(outcome_of(table, "dtime", "death"), x, names=golden["terms"])
    np.testing.assert_allclose(fit.coef, golden["coef"], rtol=2e-3)
    tests = [wald_test(fit, own) for own in ([0, 1, 2], [1, 2], [3], [0, 1, 2, 3])]
    np.testing.assert_allclose([test.statistic for test in tests], golden["chisq"], rtol=2e-3)
    assert [test.df for test in tests] == golden["df"]
    np.testing.assert_allclose(tests[1].p, golden["p"][1], rtol=0.05)


@pytest.mark.parametrize(
    ("n_knots", "shares"),
    [
        (3, [0.1, 0.5, 0.9]),
        (5, [0.05, 0.275, 0.5, 0.725, 0.95]),
        (7, [0.025, 0.1833, 0.3417, 0.5, 0.6583, 0.8167, 0.975]),
    ],
)
def test_knots_of_harrell(n_knots: int, shares: list[float]) -> None:
    """Regression Modeling Strategies (2015), table 2.3."""
    knots = harrell_knots(np.arange(10_001.0), n_knots, name="x")
    np.testing.assert_allclose(knots, 10_000 * np.array(shares), atol=0.4)


def test_outer_knots_of_few_people_are_the_fifth_from_the_end() -> None:
    np.testing.assert_array_equal(harrell_knots(np.arange(1.0, 52), 3, name="x"), [5, 26, 47])


def test_knots_that_coincide_are_refused_by_name() -> None:
    with pytest.raises(NotEstimableError, match=r"^dose has too few distinct values for a spline with 4 knots$"):
        harrell_knots(np.repeat([0.0, 1.0, 2.0], [900, 50, 50]), 4, name="dose")


def unexplained(target: Floats, basis: Floats) -> float:
    """Largest residual of some columns on others."""
    found = np.linalg.lstsq(basis, target, rcond=None)[0]
    return float(np.max(np.abs(basis @ found - target)) / np.max(np.abs(target)))


@laws
@given(knots=knots_of)
def test_both_splines_bend_in_the_same_ways(knots: Floats) -> None:
    x = np.linspace(-10, 60, 300)
    restricted = np.column_stack([np.ones(300), restricted_cubic(x, knots)])
    natural = natural_spline(x, knots[1:-1].tolist(), (knots[0], knots[-1]), intercept=True)
    assert natural.shape == restricted.shape == (300, len(knots))
    assert unexplained(natural, restricted) < 1e-8
    assert unexplained(restricted, natural) < 1e-8


@laws
@given(knots=knots_of, by=st.sampled_from([0.01, 25.0]))
def test_columns_are_straight_outside_and_in_the_unit_of_x(knots: Floats, by: float) -> None:
    outside = np.concatenate([knots[0] - np.arange(5.0)[::-1], knots[-1] + np.arange(5.0)])
    columns_of = restricted_cubic(outside, knots)
    scale = np.max(np.abs(columns_of))
    for side in (columns_of[:5], columns_of[5:]):
        np.testing.assert_allclose(np.diff(side, n=2, axis=0) / scale, 0, atol=1e-10)
    np.testing.assert_allclose(
        restricted_cubic(by * outside, by * knots), by * columns_of, rtol=1e-8, atol=1e-8 * scale * by
    )
