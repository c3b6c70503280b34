"""Adjusted p values and E-values against R (golden/statistics/r_golden3.json)."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statistics_golden import r_values

from cinema_cli.analysis.statistics.e_value import e_value
from cinema_cli.analysis.statistics.multiplicity import Multiplicity, adjusted

R = r_values("r_golden3")
LAWS = settings(max_examples=30, deadline=None, derandomize=True)
METHODS = {name: partial(adjusted, method=Multiplicity(name.lower())) for name in ("BH", "holm", "bonferroni", "BY")}
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=20).map(np.array)


@pytest.mark.parametrize("method", list(METHODS))
def test_as_p_adjust(method: str) -> None:  # r_golden3 padjust
    assert_allclose(METHODS[method](np.array(R["padjust"]["p"])), R["padjust"][method], rtol=1e-12)


@pytest.mark.parametrize("method", list(METHODS))
def test_in_any_order(method: str) -> None:
    p, order = np.array(R["padjust"]["p"]), np.random.default_rng(0).permutation(25)
    assert_allclose(METHODS[method](p[order]), np.array(R["padjust"][method])[order], rtol=1e-12)


@LAWS
@given(p=P_VALUES)
def test_laws(p: np.ndarray) -> None:
    adjusted = {name: method(p) for name, method in METHODS.items()}
    for q in adjusted.values():
        assert np.all((q >= p * (1 - 1e-12)) & (q <= 1))
        assert np.all(np.diff(q[np.argsort(p, kind="stable")]) >= 0)
    close = 1e-12
    assert np.all(adjusted["BH"] <= adjusted["holm"] + close)
    assert np.all(adjusted["holm"] <= adjusted["bonferroni"] + close)
    assert np.all(adjusted["BH"] <= adjusted["BY"] + close)


def test_none_and_one() -> None:
    for method in METHODS.values():
        assert method(np.array([])).shape == (0,)
        assert method(np.array([0.03])).tolist() == [0.03]


@pytest.mark.parametrize(("kind", "rare"), [("evalue_rare", True), ("evalue_common", False)])
def test_e_values(kind: str, rare: bool) -> None:  # r_golden3 evalue
    found = [e_value(hr, rare=rare) for hr in R["evalue"]["hr"]]
    assert_allclose(found, R["evalue"][kind], rtol=1e-12)
    assert_allclose(
        [e_value(rr, rare=True) for rr in R["evalue"]["rr_common"]], R["evalue"]["evalue_common"], rtol=1e-12
    )


@LAWS
@given(hr=st.floats(0.05, 20), rare=st.booleans())
def test_e_value_of_harm_is_that_of_protection(hr: float, rare: bool) -> None:
    assert_allclose(e_value(hr, rare=rare), e_value(1 / hr, rare=rare), rtol=1e-9)
    assert e_value(1.0, rare=rare) == 1.0
