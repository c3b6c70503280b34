"""Multiple imputation: Rubin's rules against R's mice (golden/statistics/r_golden3.json), and what filling in keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.imputation import Covariate, impute, outcome_terms
from cinema_cli.analysis.statistics.outcome import Floats, Outcome
from cinema_cli.analysis.statistics.pooling import pool
from cinema_cli.domain.errors import NotEstimableError

R = r_values("r_golden3")
LAWS = settings(max_examples=30, deadline=None, derandomize=True)


def test_five_imputations_of_pbc_pooled_as_mice() -> None:  # r_golden3 rubin, data/pbc_mi5_long.csv
    entry, long = R["rubin"], r_data("pbc_mi5_long")
    fits = [
        fit_cox(outcome_of(table, "time", "event01"), columns(table, *entry["term"]), names=entry["term"])
        for _, table in sorted(long.group_by(".imp"), key=lambda part: part[0])
    ]
    found = pool(
        np.array([fit.coef for fit in fits]),
        np.array([fit.se**2 for fit in fits]),
        df_complete=fits[0].n_events - len(entry["term"]),
    )
    assert len(fits) == 5
    assert fits[0].n_events - len(entry["term"]) == entry["dfcom"]
    for ours, theirs in (
        (found.estimate, "est"), (found.se, "se"), (found.df, "df"), (found.lower, "lo"), (found.upper, "hi"),
        (found.within, "ubar"), (found.variance, "t"), (found.fmi, "fmi"),
    ):  # fmt: skip
        assert_allclose(ours, entry[theirs], rtol=1e-8, err_msg=theirs)
    assert_allclose(found.between, entry["b"], rtol=1e-6)  # differences of coefficients that agree to 1e-10
    assert_allclose(found.p, entry["p"], rtol=1e-6)


@LAWS
@given(shift=st.floats(-3, 3), spread=st.floats(0.1, 2), seed=st.integers(0, 99))
def test_pooling_laws(shift: float, spread: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    estimates, variances = rng.normal(shift, spread, (5, 3)), rng.uniform(0.5, 1, (5, 3))
    found = pool(estimates, variances, df_complete=100)
    assert np.all(found.variance >= found.within)
    assert np.all((found.df > 0) & (found.df <= 100))
    assert np.all((found.fmi > 0) & (found.fmi < 1))
    again = pool(estimates[::-1], variances[::-1], df_complete=100)
    assert_allclose(again.lower, found.lower, rtol=1e-9)


def test_pooling_the_same_five_times_changes_nothing() -> None:
    found = pool(np.full((5, 1), 0.4), np.full((5, 1), 0.01), df_complete=1e6)
    assert_allclose([found.estimate[0], found.se[0]], [0.4, 0.1], rtol=1e-12)
    assert_allclose([found.lower[0], found.upper[0]], 0.4 + np.array([-1, 1]) * 0.1959964, rtol=1e-5)
    with pytest.raises(ValueError, match="at least two"):
        pool(np.full((1, 1), 0.4), np.full((1, 1), 0.01), df_complete=100)


def made(n: int, seed: int) -> tuple[Outcome, Floats, Floats]:
    """An outcome, its covariates (a number, a number, 0/1, one of three), and the same with cells missing at random."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=n)
    b = 0.6 * a + 0.8 * rng.normal(size=n)
    c = (rng.random(n) < 1 / (1 + np.exp(-0.5 * a - 0.5 * b))).astype(float)
    d = (b > rng.normal(size=n)).astype(float) + (a > 0.5 + rng.normal(size=n))
    time = 10 * rng.exponential(size=n) * np.exp(-0.3 * a - 0.4 * b + 0.3 * c)
    censored = rng.uniform(0, 6, n)
    event = (time <= censored).astype(np.int64)
    whole = np.column_stack([a, b, c, d])
    holed = whole.copy()
    for j in (1, 2, 3):
        holed[rng.random(n) < 1 / (1 + np.exp(1.5 - 0.8 * a - 1.5 * event)), j] = np.nan
    return Outcome(np.minimum(time, censored), event), whole, holed


def covariates(holed: Floats) -> list[Covariate]:
    return [
        Covariate(name, holed[:, j], levels) for j, (name, levels) in enumerate(zip("abcd", (0, 0, 2, 3), strict=True))
    ]


@settings(LAWS, max_examples=10)
@given(n=st.integers(20, 120), seed=st.integers(0, 99))
def test_observed_cells_stay_and_only_values_that_occur_are_filled_in(n: int, seed: int) -> None:
    outcome, _, holed = made(n, seed)
    for filled in impute(covariates(holed), outcome, m=2, seed=seed, iterations=2):
        seen = ~np.isnan(holed)
        assert np.array_equal(filled[seen], holed[seen])
        for j in range(4):
            assert np.isin(filled[:, j], holed[seen[:, j], j]).all()


def test_same_seed_same_numbers_and_each_imputation_its_own() -> None:
    outcome, _, holed = made(80, 0)

    def run(m: int, seed: int) -> list[Floats]:
        return list(impute(covariates(holed), outcome, m=m, seed=seed, iterations=2))

    first, again, longer, other = run(2, 1), run(2, 1), run(3, 1), run(2, 2)
    assert np.array_equal(first, again)
    assert np.array_equal(first, longer[:2])
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])


def test_nothing_missing_and_everything_missing() -> None:
    outcome, whole, _ = made(40, 0)
    for filled in impute(covariates(whole), outcome, m=2, seed=0, iterations=1):
        assert np.array_equal(filled, whole)
    whole[:, 1] = np.nan
    with pytest.raises(NotEstimableError, match="nobody has a value of b"):
        next(impute(covariates(whole), outcome, m=2, seed=0))


def test_separated_rare_and_constant_columns_do_not_stop_it() -> None:
    outcome, whole, _ = made(60, 1)
    whole[:, 2] = whole[:, 0] > 0  # follows from a
    whole[:, 3] = np.where(np.arange(60) == 0, 1.0, 0.0)  # one person only
    whole[:, 1] = 5.0
    whole[5:15, 1:] = np.nan
    filled = next(impute(covariates(whole), outcome, m=1, seed=0, iterations=3))
    assert np.all(filled[5:15, 1] == 5.0)
    assert np.mean(filled[5:15, 2] == (whole[5:15, 0] > 0)) > 0.7


def test_all_censored_and_late_entry_can_be_imputed() -> None:
    outcome, _, holed = made(60, 2)
    late = Outcome(outcome.time + 1, np.where(outcome.event == 1, 2, 0), np.where(np.arange(60) % 2 == 0, 0.0, 1.0))
    for other in (Outcome(outcome.time, np.zeros(60, dtype=np.int64)), late):
        assert np.isfinite(next(impute(covariates(holed), other, m=1, seed=0, iterations=1))).all()


def test_what_an_imputation_knows_of_the_outcome() -> None:
    # by hand: an event at 2 of 2 at risk, at 4 of 2, a competing one at 5 of 1
    outcome = Outcome(np.array([2.0, 4.0, 5.0]), np.array([1, 1, 2]), np.array([0.0, 0.0, 3.0]))
    assert_allclose(outcome_terms(outcome), [[1, 0.5, 0, 0], [1, 1.0, 0, 0], [0, 0.5, 1, 1.0]])


def test_numbers_come_from_people_predicted_alike() -> None:
    outcome, whole, _ = made(100, 4)
    exact = np.column_stack([whole[:, 0], 10 * whole[:, 0]])
    holed = exact.copy()
    holed[::4, 1] = np.nan
    columns_ = [Covariate("a", holed[:, 0]), Covariate("b", holed[:, 1])]
    filled = next(impute(columns_, outcome, m=1, seed=0, iterations=1))
    seen = np.sort(holed[~np.isnan(holed[:, 1]), 1])
    apart = np.abs(np.searchsorted(seen, filled[::4, 1]) - np.searchsorted(seen, exact[::4, 1]))
    assert apart.max() <= 5
    assert apart.max() > 0


def test_planted_effects_are_nearer_than_with_complete_cases() -> None:
    """More than half the rows lack something, the more so with a high `a` and the event: complete cases lose `a`."""
    outcome, whole, holed = made(4000, 3)
    names = ["a", "b", "c", "d=1", "d=2"]

    def columns_of(x: Floats) -> Floats:
        return np.column_stack([x[:, :3], x[:, 3] == 1, x[:, 3] == 2]).astype(float)

    full = fit_cox(outcome, columns_of(whole), names=names)
    kept = ~np.isnan(holed).any(axis=1)
    complete = fit_cox(outcome.take(kept), columns_of(holed[kept]), names=names)
    fits = [
        fit_cox(outcome, columns_of(filled), names=names)
        for filled in impute(covariates(holed), outcome, m=5, seed=0, iterations=5)
    ]
    pooled = pool(np.array([f.coef for f in fits]), np.array([f.se**2 for f in fits]), df_complete=1000)
    assert np.all(np.abs(pooled.estimate - full.coef) < 3 * pooled.se)
    assert np.abs(pooled.estimate - full.coef)[:3].sum() < 0.5 * np.abs(complete.coef - full.coef)[:3].sum()
    assert np.all(pooled.se < complete.se)
    assert np.all(pooled.se > full.se)
