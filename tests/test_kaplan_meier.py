"""Curves, follow-up, restricted means, log-rank tests and rates against R (golden/statistics/r_golden.json)."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.kaplan_meier import (
    Curve,
    from_time,
    kaplan_meier,
    quantiles,
    reverse_kaplan_meier,
    value_at,
)
from cinema_cli.analysis.statistics.limits import Conf
from cinema_cli.analysis.statistics.log_rank import log_rank
from cinema_cli.analysis.statistics.outcome import Floats, Outcome
from cinema_cli.analysis.statistics.rates import person_time, rate
from cinema_cli.analysis.statistics.rmst import rmst
from cinema_cli.domain.errors import NotEstimableError

R = r_values()
LAWS = settings(max_examples=30, deadline=None, derandomize=True)


def lung() -> Outcome:
    return outcome_of(r_data("lung"), "time", "event")


def lung_of(sex: int) -> Outcome:
    return outcome_of(r_data("lung").filter(pl.col("sex") == sex), "time", "event")


def same_as_r(curve: Curve, entry: dict[str, list[float]], rows: slice) -> None:
    points = value_at(curve, np.array(entry["time"][rows], dtype=float))
    assert_allclose(points.survival, entry["surv"][rows], rtol=1e-12)
    assert_allclose(points.se, entry["se"][rows], rtol=1e-12)
    assert_allclose(points.at_risk, entry["n_risk"][rows], rtol=0)
    if "lo" in entry:
        assert_allclose(points.lower, entry["lo"][rows], rtol=1e-12)
        assert_allclose(points.upper, entry["hi"][rows], rtol=1e-12)
    if "n_event" in entry:  # R counts events between two of the times
        assert_allclose(points.events, np.cumsum(entry["n_event"][rows]), rtol=0)


@pytest.mark.parametrize("conf", ["plain", "log", "log-log", "logit"])
def test_lung_as_survfit(conf: Conf) -> None:  # r_golden lung_km_*
    same_as_r(kaplan_meier(lung(), conf=conf), R[f"lung_km_{conf}"], slice(None))


@pytest.mark.parametrize("sex", [1, 2])
def test_lung_by_sex_as_survfit(sex: int) -> None:  # r_golden lung_km_sex_loglog
    same_as_r(kaplan_meier(lung_of(sex)), R["lung_km_sex_loglog"], slice(5 * sex - 5, 5 * sex))


@pytest.mark.parametrize("conf", ["log", "log-log"])
@pytest.mark.parametrize("sex", [1, 2])
def test_quantiles_as_survfit(conf: Conf, sex: int) -> None:  # r_golden lung_km_quantiles_sex_*
    entry = R[f"lung_km_quantiles_sex_{conf.replace('-', '')}"]
    found = quantiles(kaplan_meier(lung_of(sex), conf=conf), np.array([0.25, 0.5, 0.75]))
    for ours, theirs in ((found.times, "q"), (found.lower, "lo"), (found.upper, "hi")):
        assert_allclose(ours, [np.nan if v == "NA" else v for v in entry[theirs][sex - 1]], rtol=0)


def test_late_entry_as_survfit() -> None:  # r_golden mgus2_km_lefttrunc
    people = outcome_of(r_data("mgus2"), "age_out", "death", "age_in")
    same_as_r(kaplan_meier(people), R["mgus2_km_lefttrunc"], slice(None))


def test_late_entry_of_those_who_came_after_50_as_survfit() -> None:  # r_golden mgus2_km_lefttrunc_from50
    people = outcome_of(r_data("mgus2").filter(pl.col("age_in") >= 50), "age_out", "death", "age_in")
    same_as_r(kaplan_meier(people), R["mgus2_km_lefttrunc_from50"], slice(None))


def test_restricted_mean_as_survfit() -> None:  # r_golden lung_rmst365_sex
    found = [rmst(lung_of(sex), horizon=365.0) for sex in (1, 2)]
    assert_allclose([f.mean for f in found], R["lung_rmst365_sex"]["rmean"], rtol=1e-12)
    assert_allclose([f.se for f in found], R["lung_rmst365_sex"]["se"], rtol=1e-12)


@pytest.mark.parametrize(
    ("entry", "data", "group", "rho"),
    [
        ("lung_survdiff_sex_rho0", "lung", "sex", 0.0),
        ("lung_survdiff_sex_rho1", "lung", "sex", 1.0),
        ("lung_survdiff_ecog", "lung", "ph.ecog", 0.0),
        ("veteran_survdiff_cell", "veteran", "celltype", 0.0),
    ],
)
def test_log_rank_as_survdiff(entry: str, data: str, group: str, rho: float) -> None:
    table = r_data(data).drop_nulls(group)
    codes = np.unique(table[group].to_numpy(), return_inverse=True)[1]
    found = log_rank(outcome_of(table, "time", "event" if data == "lung" else "status"), codes, rho=rho)
    assert_allclose(found.statistic, R[entry]["chisq"], rtol=1e-10)
    assert found.df == R[entry]["df"]
    assert_allclose(found.p, R[entry]["p"], rtol=1e-6)
    if "obs" in R[entry]:
        assert_allclose(found.observed, R[entry]["obs"], rtol=1e-12)
        assert_allclose(found.expected, R[entry]["exp"], rtol=1e-12)


def test_stratified_log_rank_as_survdiff() -> None:  # r_golden lung_survdiff_sex_strat_ecog
    table = r_data("lung").drop_nulls("ph.ecog")
    found = log_rank(
        outcome_of(table, "time", "event"), table["sex"].to_numpy(), strata=table["ph.ecog"].cast(pl.Int64).to_numpy()
    )
    assert_allclose(found.statistic, R["lung_survdiff_sex_strat_ecog"]["chisq"], rtol=1e-10)
    assert_allclose(found.p, R["lung_survdiff_sex_strat_ecog"]["p"], rtol=1e-6)
