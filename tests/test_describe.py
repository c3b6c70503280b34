"""Table 1: standardised differences are R's, quartiles are R's, and no person is lost between categories."""

import math
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statistics_golden import r_data, r_values

from cinema_cli.analysis.estimates import table_of
from cinema_cli.analysis.statistics.describe import describe, smd_categories, smd_numbers
from cinema_cli.analysis.survival.table_one import table_one


def test_smd_is_that_of_r() -> None:
    """r_golden3.json, `smd`: rotterdam by hormon; cut(age, breaks) is closed on the right."""
    r = r_values("r_golden3")["smd"]
    age = pl.col("age")
    of_three = pl.when(age <= r["breaks"][1]).then(pl.lit("a")).when(age <= r["breaks"][2]).then(pl.lit("b"))
    rows = r_data("rotterdam").with_columns(
        of_three.otherwise(pl.lit("c")).alias("age_cat3"), pl.col("meno").cast(pl.Float64)
    )
    names = ["age", "nodes", "meno", "age_cat3"]
    table = table_of(table_one(rows, names, [r["group"]]))
    found = table.filter(model="smd")
    assert found["group"].to_list() == ["hormon"] * 4
    for name in names:
        (value,) = found.filter(term=name)["estimate"]
        assert value == pytest.approx(r[name], rel=1e-8)


def test_description_of_a_sample() -> None:
    """By hand; quantile(c(1, 2, 4, 9)) in R: 1.75, 3, 5.25."""
    found = describe(np.array([9.0, 1.0, 4.0, 2.0]))
    assert (found.n, found.mean, found.q1, found.median, found.q3) == (4, 4.0, 1.75, 3.0, 5.25)
    assert found.sd == pytest.approx(math.sqrt(38.0 / 3.0))
    assert math.isnan(describe(np.array([3.0])).sd) and math.isnan(describe(np.array([])).mean)


def test_differences_that_have_no_scale_are_no_numbers() -> None:
    assert smd_numbers(np.array([1.0, 1.0]), np.array([0.0, 0.0])) == 0.0
    assert math.isnan(smd_numbers(np.array([1.0, 2.0]), np.array([0.0, 0.0])))
    assert math.isnan(smd_numbers(np.array([1.0, np.nan]), np.array([1.0, 1.0])))
    assert math.isnan(smd_categories(np.array([[5.0, 0.0], [0.0, 3.0]])))
    assert smd_categories(np.array([[5.0, 0.0], [3.0, 0.0]])) == 0.0
    assert math.isnan(smd_categories(np.array([[5.0, 1.0], [0.0, 0.0]])))


def test_of_several_groups_the_largest_difference_counts() -> None:
    means, sds = np.array([0.0, 3.0, 1.0]), np.array([1.0, 1.0, 1.0])
    assert smd_numbers(means, sds) == pytest.approx(3.0)
    counts = np.array([[50.0, 50.0], [60.0, 40.0], [90.0, 10.0]])
    assert smd_categories(counts) == pytest.approx(smd_categories(counts[[0, 2]]))


_COUNTS = arrays(np.float64, (2, 4), elements=st.integers(1, 500).map(float))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(_COUNTS, st.permutations(range(4)))
def test_order_and_size_do_not_matter_to_the_difference(counts: np.ndarray, order: list[int]) -> None:
    value = smd_categories(counts)
    assert smd_categories(counts[::-1]) == pytest.approx(value, abs=1e-9)
    assert smd_categories(counts[:, order]) == pytest.approx(value, abs=1e-9)
    assert smd_categories(counts * np.array([[3.0], [1.0]])) == pytest.approx(value, abs=1e-9)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(arrays(np.float64, (2, 2), elements=st.integers(1, 500).map(float)))
def test_two_categories_are_the_binary_formula(counts: np.ndarray) -> None:
    p, q = counts[:, 1] / counts.sum(axis=1)
    expected = abs(p - q) / math.sqrt(0.5 * (p * (1 - p) + q * (1 - q)))
    assert smd_categories(counts) == pytest.approx(expected, abs=1e-9)


def _people(n: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    value = rng.normal(60.0, 9.0, n)
    value[rng.uniform(size=n) < 0.2] = np.nan
    known = rng.uniform(size=n) < 0.9
    return pl.DataFrame(
        {
            "ef": value,
            "smoker": pl.Series([int(v) if k else None for v, k in zip(rng.integers(0, 2, n), known, strict=True)]),
            "site": rng.choice(["n", "s", "w"], n),
            "sex": pl.Series([str(v) if k else None for v, k in zip(rng.choice(["F", "M"], n), known, strict=True)]),
            "diabetes": rng.uniform(size=n) < 0.1,
        }
    )


def test_a_small_table_by_hand() -> None:
    rows = pl.DataFrame({"ef": [50.0, 60.0, None, 70.0], "sex": ["F", "F", "M", None], "smoker": [1, 0, 1, None]})
    table = table_of(table_one(rows, ["ef", "smoker", "sex"], ["sex"]))
    cell = {row[:4]: row[4:] for row in table.select("term", "model", "group", "level", "n", "estimate").iter_rows()}
    assert cell["", "count", "", ""] == (4, 4.0)
    assert cell["ef", "mean", "", ""] == (3, 60.0)
    assert cell["ef", "missing", "", ""] == (4, 1.0)
    assert cell["ef", "missing_percent", "sex=M", ""] == (1, 100.0)
    assert cell["ef", "mean", "sex=M", ""] == (0, None)
    assert cell["smoker", "count", "sex=F", "1"] == (2, 1.0)
    assert cell["smoker", "percent", "", "1"] == (3, pytest.approx(200.0 / 3.0))
    assert (
        table_of(table_one(rows, ["smoker"], ["ef"]))
        .filter(group="ef=70.0", model="percent")["estimate"]
        .is_null()
        .all()
    )
    assert cell["sex", "count", "", "F"] == (3, 2.0)
    assert ("sex", "count", "sex=F", "F") not in cell  # a column does not describe itself
    assert cell["ef", "smd", "sex", ""] == (2, None)  # nobody with a value among men


@pytest.mark.parametrize("seed", range(3))
def test_categories_and_missing_add_up_to_everybody(seed: int) -> None:
    rows = _people(200, seed)
    table = table_of(table_one(rows, ["ef", "smoker", "site", "diabetes"], ["sex", "site"]))
    sizes = {g: n for g, n in table.filter(term="", model="count").select("group", "n").iter_rows()}
    assert sizes[""] == 200 and sizes["sex=F"] + sizes["sex=M"] < 200
    found: dict[tuple[str, str], float] = defaultdict(float)
    counted = table.filter(pl.col("model").is_in(["count", "missing"]), pl.col("term").is_in(["smoker", "diabetes"]))
    for term, group, number in counted.select("term", "group", "estimate").iter_rows():
        found[term, group] += number
    assert found == {(term, group): n for group, n in sizes.items() for term in ("smoker", "diabetes")}
    numeric = table.filter(term="ef", model="missing").select("group", "estimate")
    known = dict(table.filter(term="ef", model="mean").select("group", "n").iter_rows())
    assert {g: n + known[g] for g, n in numeric.iter_rows()} == sizes
    women = rows.filter(pl.col("sex") == "F")["ef"].drop_nans().to_numpy()
    of_women = dict(table.filter(term="ef", group="sex=F").select("model", "estimate").iter_rows())
    theirs = describe(women)
    for name in ("mean", "sd", "q1", "median", "q3"):
        assert of_women[name] == pytest.approx(getattr(theirs, name), rel=1e-12)


def test_columns_without_any_value_have_only_missing_people() -> None:
    rows = pl.DataFrame(
        {"ef": pl.Series([None, None], dtype=pl.Float64), "why": pl.Series([None, None], dtype=pl.String)}
    )
    table = table_of(table_one(rows, ["ef", "why"], []))
    assert table.filter(term="why")["estimate"].to_list() == [2.0, 100.0]
    assert table.filter(term="ef", model="mean")["estimate"].to_list() == [None]
