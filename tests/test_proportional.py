"""Tests of proportional hazards equal R's cox.zph, and the effect over time shows what the test finds."""

from typing import get_args

import numpy as np
import pytest
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.proportional import (
    Transform,
    proportional_hazards,
    scaled_schoenfeld,
    smooth_effect,
)
from cinema_cli.domain.errors import NotEstimableError


@pytest.mark.parametrize(
    ("entry", "data", "time"),
    [
        *((f"lung_zph_{name}", "lung_cc", ("time", "event")) for name in ("km", "identity", "rank", "log")),
        *((f"veteran_zph_{name}", "veteran", ("time", "status")) for name in ("km", "rank", "log")),
        ("ovarian_zph", "ovarian", ("futime", "fustat")),
        ("rotterdam_zph_km", "rotterdam", ("dtime", "death")),
        ("mgus2_cox_agescale_zph", "mgus2", ("age_out", "death", "age_in")),
    ],
)
def test_equals_cox_zph(entry: str, data: str, time: tuple[str, ...]) -> None:
    table, golden = r_data(data), r_values()[entry]
    outcome, names = outcome_of(table, *time), golden["rows"][:-1]
    x = columns(table, *names)
    tests = proportional_hazards(fit_cox(outcome, x, names=names), outcome, x, transform=golden["transform"])
    assert list(tests) == golden["rows"]
    np.testing.assert_allclose([test.statistic for test in tests.values()], golden["chisq"], rtol=1e-8)
    np.testing.assert_allclose([test.df for test in tests.values()], golden["df"])
    np.testing.assert_allclose([test.p for test in tests.values()], golden["p"], rtol=1e-6)


def piecewise(seed: int, early: float, late: float, n: int = 4000) -> tuple[Outcome, Floats]:
    """Hazard 1 x exp(early a) up to time 0.5 and exp(late a) after; a second column of noise; late entry for some."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    before, after, cumulative = np.exp(early * x[:, 0]), np.exp(late * x[:, 0]), rng.exponential(size=n)
    time = np.where(cumulative < 0.5 * before, cumulative / before, 0.5 + (cumulative - 0.5 * before) / after)
    censored = rng.uniform(0.5, 3, n)
    entry = np.where(rng.random(n) < 0.3, rng.uniform(0, 0.5, n), 0)
    outcome = Outcome(np.minimum(time, censored), (time < censored).astype(np.int64), entry)
    there = outcome.time > entry
    return outcome.take(there), x[there]


def test_an_effect_that_fades_is_found_and_drawn() -> None:
    outcome, x = piecewise(1, early=1.0, late=0.0)
    fit = fit_cox(outcome, x, names=("a", "b"))
    tests = proportional_hazards(fit, outcome, x)
    assert tests["a"].p < 1e-10 and tests["GLOBAL"].p < 1e-10 and tests["b"].p > 0.001
    curve = smooth_effect(scaled_schoenfeld(fit, outcome, x), 0)
    early, late = curve.times < 0.35, curve.times > 0.8
    assert curve.effect[early].mean() == pytest.approx(1.0, abs=0.15)
    assert curve.effect[late].mean() == pytest.approx(0.0, abs=0.15)
    assert np.all((curve.lower < curve.effect) & (curve.effect < curve.upper))


def test_an_effect_that_stays_is_left_in_peace() -> None:
    """p is uniform: of 60 made cohorts few have a small one; the true effect lies in most intervals."""
    small, inside = 0, []
    for seed in range(60):
        outcome, x = piecewise(seed, early=0.5, late=0.5, n=400)
        fit = fit_cox(outcome, x, names=("a", "b"))
        small += proportional_hazards(fit, outcome, x)["a"].p < 0.1
        curve = smooth_effect(scaled_schoenfeld(fit, outcome, x), 0)
        inside.append(np.mean((curve.lower < 0.5) & (curve.upper > 0.5)))
    assert 1 <= small <= 13  # 6 expected
    assert 0.9 < np.mean(inside) < 0.98


def test_residuals_average_to_the_coefficients() -> None:
    outcome, x = piecewise(3, early=0.5, late=0.2, n=500)
    fit = fit_cox(outcome, x, names=("a", "b"))
    residuals = scaled_schoenfeld(fit, outcome, x, transform="rank")
    assert residuals.residuals.shape == (fit.n_events, 2)
    np.testing.assert_allclose(residuals.residuals.mean(axis=0), fit.coef, rtol=1e-5)


def test_the_curve_shows_nobody() -> None:
    outcome, x = piecewise(4, early=0.5, late=0.5, n=300)
    fit = fit_cox(outcome, x, names=("a", "b"))
    for transform in get_args(Transform):
        times = smooth_effect(scaled_schoenfeld(fit, outcome, x, transform=transform), 0).times
        low, high = np.quantile(outcome.time[outcome.event == 1], [0.04, 0.96])
        assert low < times[0] and times[-1] < high and np.all(np.diff(times) > 0)
        assert not np.isin(times[1:-1], outcome.time).any()


def test_columns_of_one_term_are_tested_together() -> None:
    outcome, x = piecewise(5, early=0.5, late=0.2, n=500)
    fit = fit_cox(outcome, x, names=("a=1", "a=2"))
    tests = proportional_hazards(fit, outcome, x, terms=("a", "a"))
    assert list(tests) == ["a", "GLOBAL"] and tests["a"].df == 2
    assert tests["a"].statistic == pytest.approx(tests["GLOBAL"].statistic)


@pytest.mark.parametrize("transform", get_args(Transform))
def test_units_order_and_cut_rows_do_not_matter(transform: Transform) -> None:
    outcome, x = piecewise(6, early=0.5, late=0.0, n=300)
    outcome = Outcome(np.ceil(outcome.time * 50), outcome.event, np.floor(outcome.entry * 50))
    strata = np.random.default_rng(0).integers(0, 3, outcome.n)

    def statistics(outcome: Outcome, x: Floats, strata: Ints) -> list[float]:
        fit = fit_cox(outcome, x, names=("a", "b"), strata=strata)
        tests = proportional_hazards(fit, outcome, x, transform=transform, strata=strata)
        return [test.statistic for test in tests.values()]

    expected = statistics(outcome, x, strata)
    rows = np.random.default_rng(1).permutation(outcome.n)
    other = Outcome(outcome.time[rows] * 7, outcome.event[rows], outcome.entry[rows] * 7)
    np.testing.assert_allclose(statistics(other, x[rows] * 10 - 3, strata[rows]), expected, rtol=1e-7)
    if transform == "rank":
        return  # of all times: rows that are cut have more of them, in R too
    cut = (outcome.entry + outcome.time) / 2
    halves = Outcome(
        np.concatenate([cut, outcome.time]),
        np.concatenate([0 * outcome.event, outcome.event]),
        np.concatenate([outcome.entry, cut]),
    )
    twice = statistics(halves, np.tile(x, (2, 1)), np.tile(strata, 2))
    np.testing.assert_allclose(twice, expected, rtol=1e-7)


def test_events_at_one_time_say_nothing_of_change() -> None:
    rng = np.random.default_rng(0)
    outcome, x = Outcome(np.ones(50), rng.integers(0, 2, 50)), rng.normal(size=(50, 1))
    fit = fit_cox(outcome, x, names=["a"])
    with pytest.raises(NotEstimableError, match="too few times"):
        proportional_hazards(fit, outcome, x)
    with pytest.raises(NotEstimableError, match="all events lie at too few times"):
        smooth_effect(scaled_schoenfeld(fit, outcome, x), 0)
