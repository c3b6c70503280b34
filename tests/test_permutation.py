"""Gaps under permutation: p is uniform where there is no gap, and a gap is found as often as it should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cinema_cli.analysis.statistics.group_bootstrap import resamples
from cinema_cli.analysis.statistics.group_gaps import Apart, Better
from cinema_cli.analysis.statistics.group_means import Draws, mean_gaps
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.statistics.permutation import AT_ONCE, null_of, permutations

laws = settings(max_examples=15, deadline=None, derandomize=True)


def p_of_gap(values: Floats, code: Floats, *, n_permutations: int, seed: int) -> float:
    """The p of the gap between the means of groups."""
    draws = Draws(n_permutations=n_permutations, n_resamples=0, seed=seed)
    null = mean_gaps(values[:, None], [code.astype(np.int64)], [Better.LOWER], draws)[0, 0].apart[Apart.GAP].null
    assert null is not None
    return null.p


def test_p_is_that_of_all_permutations() -> None:
    """scipy.stats.permutation_test looks at each of the 184,756 ways to part 20 people into halves."""
    rng = np.random.default_rng(3)
    values, code = rng.normal(size=20), np.arange(20) % 2
    values[code == 1] += 0.7
    exact = stats.permutation_test(
        (values[code == 0], values[code == 1]),
        lambda a, b, axis: np.abs(a.mean(axis) - b.mean(axis)),
        vectorized=True,
        alternative="greater",
        n_resamples=np.inf,
    ).pvalue
    assert p_of_gap(values, code, n_permutations=20_000, seed=1) == pytest.approx(exact, abs=0.007)


def test_p_is_uniform_where_groups_are_equal() -> None:
    """400 cohorts of 45 people in groups of 10, 15 and 20, all of one skewed distribution; Kolmogorov-Smirnov."""
    rng = np.random.default_rng(20)
    code = np.repeat([0, 1, 2], [10, 15, 20])
    found = np.array([p_of_gap(rng.exponential(size=45), code, n_permutations=199, seed=k) for k in range(400)])
    spread = found - rng.uniform(0.0, 1 / 200, 400)  # p has 200 values: between them it is drawn evenly
    assert stats.kstest(spread, "uniform").pvalue > 0.05
    assert np.mean(found <= 0.05) == pytest.approx(0.05, abs=0.025)


def test_a_planted_gap_is_found_as_often_as_it_should_be() -> None:
    """Two groups of 50 whose means are 0.566 SD apart: the t test finds 80 % of such (non-central t)."""
    apart, n = 0.566, 50
    limit = stats.t.ppf(0.975, 2 * n - 2)
    power = stats.nct.sf(limit, 2 * n - 2, apart * np.sqrt(n / 2)) + stats.nct.cdf(
        -limit, 2 * n - 2, apart * np.sqrt(n / 2)
    )
    assert power == pytest.approx(0.80, abs=0.005)
    rng = np.random.default_rng(11)
    code = np.repeat([0, 1], n)
    found = [p_of_gap(rng.normal(size=2 * n) + apart * code, code, n_permutations=199, seed=k) for k in range(300)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(power, abs=0.06)


def test_a_gap_of_many_small_groups_is_large_by_chance_alone() -> None:
    """20 groups of 10 of one distribution: the largest of 20 means less the smallest, beside the null's mean."""
    rng = np.random.default_rng(8)
    values, code = rng.normal(size=(200, 1)), np.arange(200) % 20
    gap = mean_gaps(values, [code], [Better.ZERO], Draws(500, 200))[0, 0].apart[Apart.GAP]
    assert gap.null is not None
    assert gap.null.mean == pytest.approx(3.735 / np.sqrt(10), rel=0.1)  # the mean range of 20 normals is 3.735 SD
    assert gap.lower == 0.0
    assert gap.null.p > 0.05


@laws
@given(n=st.integers(1, 30), count=st.integers(0, 20), seed=st.integers(0, 9))
def test_everybody_is_in_a_permutation_once(n: int, count: int, seed: int) -> None:
    found = np.concatenate([np.empty((0, n)), *permutations(n, count, seed=seed)])
    assert found.shape == (count, n)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.tile(np.arange(n), (count, 1)))


@laws
@given(code=st.lists(st.integers(0, 3), min_size=1, max_size=30), seed=st.integers(0, 9))
def test_resamples_keep_the_sizes_of_groups(code: list[int], seed: int) -> None:
    groups = np.array(code)
    (found,) = resamples(groups, 5, seed=seed)
    np.testing.assert_array_equal(groups[found], np.tile(np.sort(groups), (5, 1)))


def test_blocks_are_small_where_people_are_many() -> None:
    n = AT_ONCE // 2
    assert [len(block) for block in permutations(n, 3, seed=0)] == [2, 1]


def test_as_extreme_counts_as_extreme_and_the_observed_one_counts_too() -> None:
    drawn = np.array([0.0, 1.0, 2.0, 3.0])
    assert [null.p for v in (2.0, 4.0, 0.0) if (null := null_of(drawn, v))] == [3 / 5, 1 / 5, 1.0]
    smaller = null_of(drawn, 1.0, smaller=True)
    assert smaller is not None and smaller.p == 3 / 5
    assert null_of(np.empty(0), 1.0) is None
    assert null_of(drawn, np.nan) is None
