"""Arithmetic of a few numbers says what numpy's says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cinema_cli.io.vectors import Floats, cross, distinct_rows, filled, length, median, medians

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)
TABLES = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=NUMBERS | st.just(np.nan))
VECTORS = arrays(np.float64, 3, elements=NUMBERS)


@given(TABLES)
def test_medians_are_those_of_numpy(table: Floats) -> None:
    np.testing.assert_array_equal(medians(table), np.median(table, axis=0))
    np.testing.assert_array_equal([median(row) for row in table], np.median(table, axis=1))
    assert np.isnan(median([]))


@given(VECTORS, VECTORS)
def test_products_are_those_of_numpy(a: Floats, b: Floats) -> None:
    np.testing.assert_array_equal(cross(a, b), np.cross(a, b))
    assert length(a) == np.linalg.norm(a)


@given(TABLES)
def test_rows_are_told_apart_as_numpy_does(table: Floats) -> None:
    rows = filled(table, with_=-1.0)
    assert np.array_equal(rows, np.nan_to_num(table, nan=-1.0))
    unique, which = distinct_rows(rows)
    np.testing.assert_array_equal(unique, np.unique(rows, axis=0))
    np.testing.assert_array_equal(unique[which], rows)
