"""Columns of the analysis table as those of a model."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from cinema_cli.analysis.survival.design import design, reference_level, unit_of
from cinema_cli.analysis.survival.settings import Per
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import NotEstimableError

LAWS = settings(max_examples=30, deadline=None, derandomize=True)


def a_table(**columns: object) -> AnalysisTable:
    n = len(next(iter(columns.values())))  # type: ignore[arg-type]
    rows = pl.DataFrame({"participant_id": [str(k) for k in range(n)], "time": [1.0] * n, "event": [1] * n, **columns})
    names = tuple(name for name in columns if name.startswith(("lv", "x")))
    return AnalysisTable(rows, "event", names, tuple(name for name in columns if name not in names))


def test_text_is_a_column_a_category_against_the_most_frequent() -> None:
    table = a_table(lvef_pct=[50.0, 60.0, 55.0, 45.0], site=["west", "east", "west", "north"], age=[1.0, 2.0, 3.0, 4.0])
    found = design(table, ["lvef_pct", "age", "site"])
    assert found.names == ("lvef_pct", "age", "site=east", "site=north")
    assert found.terms == ("lvef_pct", "age", "site", "site")
    assert found.x[:, 2].tolist() == [0, 1, 0, 0] and found.x[:, 3].tolist() == [0, 0, 0, 1]
    assert found.units[2] == "east against west" and found.units[1] == "unit"
    assert found.columns_of("site") == [2, 3] and found.columns_of("lvef_pct", "age") == [0, 1]


def test_the_reference_stays_that_of_the_whole_table_where_it_can() -> None:
    table = a_table(site=["b", "b", "b", "a", "a", "c"])
    assert design(table, ["site"], rows=np.array([2, 3, 4])).names == ("site=a",)  # b, though rarer in these rows
    assert design(table, ["site"], rows=np.array([3, 4, 5])).names == ("site=c",)  # b is not there
    assert reference_level({"b": 2, "a": 2, "c": 1}) == "a"


@LAWS
@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=20, unique=True), st.sampled_from([1.0, 1e-3, 1e4]))
def test_per_sd_forgets_the_unit_of_a_phenotype(values: list[float], unit: float) -> None:
    column = np.array(values)
    if np.std(column) < 1e-3:
        return
    found, other = design(a_table(x=column), ["x"]), design(a_table(x=column * unit), ["x"])
    assert_allclose(np.std(found.x[:, 0], ddof=1), 1.0)
    assert_allclose(found.x, other.x, rtol=1e-9, atol=1e-9)
    assert_allclose(other.scales[0], found.scales[0] * unit)
    plain = design(a_table(x=column), ["x"], per=Per.UNIT)
    assert plain.x[:, 0].tolist() == column.tolist() and plain.scales == (1.0,)


def test_the_sd_is_that_of_the_rows_analysed_and_in_words() -> None:
    table = a_table(lvef_pct=[50.0, 60.0, None, 90.0])
    found = design(table, ["lvef_pct"], rows=np.array([0, 1]))
    assert_allclose(found.scales, [np.sqrt(50.0)])
    assert found.units == ("SD (7.07 %)",)
    assert design(table, ["lvef_pct"], per=Per.UNIT).units == ("%",)
    assert unit_of("lvedvi_ml_m2") == "ml/m2" and unit_of("age") == ""


def test_missing_values_stay_missing() -> None:
    found = design(a_table(x=[1.0, None, 3.0], sex=["M", "F", None]), ["x", "sex"])
    assert np.isnan(found.x).tolist() == [[False, False], [True, False], [False, True]]


@pytest.mark.parametrize("column", ["x", "sex"])
def test_a_constant_is_named(column: str) -> None:
    table = a_table(x=[7.1, 7.1, 7.1], sex=["M", "M", None])
    with pytest.raises(NotEstimableError, match=f"{column} is the same in all rows"):
        design(table, [column])


def test_no_terms_are_no_columns() -> None:
    assert design(a_table(x=[1.0, 2.0]), []).x.shape == (2, 0)
