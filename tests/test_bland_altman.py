"""Cells of a picture of differences: everybody in one place, nobody in a cell or a rest of few."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.evaluation.bland_altman import ELSEWHERE, MOST_POINTS, bland_altman_rows


def rows_of(n: int, *, fewest: int, seed: int = 0) -> tuple[list[Estimate], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    reference = rng.normal(150, 40, n)
    prediction = reference + rng.standard_t(4, n) * 7
    rows = list(bland_altman_rows("lvedv_ml", prediction, reference, model="agreement", fewest=fewest, unit="ml"))
    return rows, (prediction + reference) / 2, prediction - reference


@given(st.integers(2, 900), st.integers(2, 30), st.integers(0, 1000))
def test_cells_hold_whom_they_say_and_nobody_follows(n: int, fewest: int, seed: int) -> None:
    rows, middle, apart = rows_of(n, fewest=fewest, seed=seed)
    assert sum(row.n or 0 for row in rows) == n
    for row in rows:
        if row.level == ELSEWHERE:
            assert row.n is not None and (row.n >= fewest or row.n == n) and row.estimate is None
            continue
        left, right = map(float, row.level.split(" to "))
        assert row.lower is not None and row.upper is not None and row.estimate is not None
        inside = (left <= middle) & (middle < right) & (row.lower <= apart) & (apart < row.upper)
        assert row.n == inside.sum() >= fewest
        assert_allclose(row.estimate, (row.lower + row.upper) / 2, atol=1e-9)


def test_cells_are_the_finer_the_more_people_and_edges_tell_nobody() -> None:
    counts = [len(rows_of(n, fewest=10)[0]) for n in (100, 1000, 10_000)]
    assert 2 < counts[0] < counts[1] < counts[2] < 600
    rows, *_ = rows_of(1000, fewest=10)
    assert all(float(row.level.split(" to ")[0]) % 5 == 0 for row in rows[:-1])  # round, not of anybody
    assert rows[-1].level == ELSEWHERE and (rows[-1].n or 0) <= 200


def test_people_are_points_where_they_may_be_shown() -> None:
    rows, middle, apart = rows_of(50, fewest=1)
    assert_allclose([row.estimate for row in rows], apart)
    assert_allclose([float(row.level) for row in rows], middle, rtol=1e-5)
    assert {row.n for row in rows} == {1}
    many, *_ = rows_of(MOST_POINTS + 1, fewest=1)
    assert " to " in many[0].level and sum(row.n or 0 for row in many) == MOST_POINTS + 1


def test_where_nothing_spreads_there_is_no_picture() -> None:
    same = np.full(30, 60.0)
    spread = np.random.default_rng(1).normal(60, 5, 30)
    for first, second in ((same, same), (spread, spread), (same[:1], spread[:1])):
        assert not list(bland_altman_rows("x", first, second, model="agreement", fewest=10))
    assert [row.n for row in rows_of(9, fewest=10)[0]] == [9]  # suppressed like any such number
