"""Cumulative incidence, Gray's test and Fine and Gray's model against R (golden/statistics/r_golden.json)."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.competing import Incidence, aalen_johansen, incidence_at
from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.fine_gray import fine_gray
from cinema_cli.analysis.statistics.gray import gray_test
from cinema_cli.analysis.statistics.kaplan_meier import kaplan_meier
from cinema_cli.analysis.statistics.outcome import COMPETING, EVENT, Floats, Ints, Outcome
from cinema_cli.domain.errors import NotEstimableError

R = r_values()
LAWS = settings(max_examples=30, deadline=None, derandomize=True)
TIMES = np.array([60.0, 120, 180, 240, 300])


def mgus(sex: int | None = None) -> Outcome:
    table = r_data("mgus2")
    return outcome_of(table if sex is None else table.filter(pl.col("sexM") == sex), "etime", "ev")


def at(curve: Incidence) -> Incidence:
    return incidence_at(curve, TIMES)


def test_incidence_as_survfit() -> None:  # r_golden mgus2_aj
    entry, found = R["mgus2_aj"], aalen_johansen(mgus())
    assert_allclose(at(found.event).incidence, entry["cif_pcm"], rtol=1e-12)
    assert_allclose(at(found.event).se, entry["se_pcm"], rtol=1e-12)
    assert_allclose(at(found.event).lower, entry["lo_pcm"], rtol=1e-12)
    assert_allclose(at(found.event).upper, entry["hi_pcm"], rtol=1e-12)
    assert_allclose(at(found.competing).incidence, entry["cif_death"], rtol=1e-12)
    assert_allclose(at(found.competing).se, entry["se_death"], rtol=1e-12)


@pytest.mark.parametrize("sex", [0, 1])
def test_incidence_by_sex_as_survfit_and_cuminc(sex: int) -> None:  # r_golden mgus2_aj_sex, mgus2_cuminc
    found, rows = aalen_johansen(mgus(sex)), slice(5 * sex, 5 * sex + 5)
    assert_allclose(at(found.event).incidence, R["mgus2_aj_sex"]["cif_pcm"][rows], rtol=1e-12)
    assert_allclose(at(found.event).se, R["mgus2_aj_sex"]["se_pcm"][rows], rtol=1e-12)
    for curve, row in ((found.event, sex), (found.competing, 2 + sex)):
        assert_allclose(at(curve).incidence, R["mgus2_cuminc"]["est"][row], rtol=1e-12)
        # cuminc has Aalen's variance, we have the jackknife of survfit
        assert_allclose(at(curve).se ** 2, R["mgus2_cuminc"]["var"][row], rtol=0.05)


@pytest.mark.parametrize("cause", [EVENT, COMPETING])
def test_gray_as_cuminc(cause: int) -> None:  # r_golden mgus2_cuminc gray
    outcome, entry = mgus(), R["mgus2_cuminc"]["gray"]
    if cause == COMPETING:
        outcome = Outcome(outcome.time, np.array([0, COMPETING, EVENT])[outcome.event])
    found = gray_test(outcome, r_data("mgus2")["sexM"].to_numpy())
    assert_allclose(found.statistic, entry["stat"][cause - 1], rtol=1e-10)
    assert_allclose(found.p, entry["p"][cause - 1], rtol=1e-6)
    assert found.df == entry["df"][cause - 1]


def mgus_model() -> tuple[Outcome, Floats, list[str]]:
    terms = R["mgus2_finegray"]["terms"]
    table = r_data("mgus2").drop_nulls(terms)
    return outcome_of(table, "etime", "ev"), columns(table, *terms), terms


def with_rows_of_finegray(outcome: Outcome) -> tuple[Outcome, Floats, Ints]:
    """Rows, weights and people of R's finegray: a row for each step of G, the share not yet censored."""
    last = outcome.time[outcome.event == EVENT].max()
    censored = np.unique(outcome.time[outcome.event == 0])
    shares = [
        1 - np.sum((outcome.time == c) & (outcome.event == 0)) / (np.sum(outcome.time >= c) - np.sum((outcome.time == c) & (outcome.event != 0)))
        for c in censored
    ]  # fmt: skip
    g = np.concatenate([[1.0], np.cumprod(shares)])  # after each censoring
    rows: list[tuple[float, float, int, float, int]] = []
    for i, (time, event) in enumerate(zip(outcome.time.tolist(), outcome.event.tolist(), strict=True)):
        if event != COMPETING or time >= last:
            rows.append((0.0, time, int(event == EVENT), 1.0, i))
            continue
        edges = [0.0, *censored[(censored >= time) & (censored < last)].tolist(), last]
        weights = g[np.searchsorted(censored, edges[:-1], side="right")] / g[np.searchsorted(censored, time)]
        weights[0] = 1.0
        rows += [(a, b, 0, w, i) for a, b, w in zip(edges[:-1], edges[1:], weights.tolist(), strict=True)]
    entry, time, event, weight, person = (np.array(column) for column in zip(*rows, strict=True))
    return Outcome(time, event, entry), weight, person


def test_fine_gray_as_finegray_and_coxph() -> None:  # r_golden mgus2_finegray
    outcome, x, terms = mgus_model()
    entry, found = R["mgus2_finegray"], fine_gray(outcome, x, names=terms)
    assert_allclose(found.coef, entry["coef"], rtol=1e-8)
    assert_allclose(np.sqrt(np.diag(found.naive_variance)), entry["naive_se"], rtol=1e-8)
    assert_allclose([found.loglik_null, found.loglik], [entry["loglik_null"], entry["loglik"]], rtol=1e-10)
    assert_allclose([found.lrt, found.score_test], [entry["lrt"], entry["score"]], rtol=1e-8)
    assert_allclose(found.aic, entry["aic"], rtol=1e-10)


def test_fine_gray_errors_are_those_of_the_rows_of_finegray() -> None:  # r_golden mgus2_finegray
    outcome, x, terms = mgus_model()
    expanded, weights, person = with_rows_of_finegray(outcome)
    entry = R["mgus2_finegray"]
    as_called = fit_cox(expanded, x[person], names=terms, weights=weights)  # R was called without cluster = id
    assert_allclose(as_called.coef, entry["coef"], rtol=1e-8)
    assert_allclose(as_called.se, entry["se"], rtol=1e-8)
    assert_allclose(as_called.p, entry["p"], rtol=1e-6)
    by_person = fit_cox(expanded, x[person], names=terms, weights=weights, cluster=person)
    found = fine_gray(outcome, x, names=terms)
    assert_allclose(found.variance, by_person.variance, rtol=1e-8)
    assert found.robust_score_test is not None
    assert_allclose(found.robust_score_test, by_person.robust_score_test, rtol=1e-8)


def test_fine_gray_near_crr() -> None:  # r_golden mgus2_crr: G by another order at ties, Breslow, other variance
    outcome, x, terms = mgus_model()
    found = fine_gray(outcome, x, names=terms)
    assert_allclose(found.coef, R["mgus2_crr"]["coef"], rtol=0.01)
    assert_allclose(found.se, R["mgus2_crr"]["se"], rtol=0.02)
