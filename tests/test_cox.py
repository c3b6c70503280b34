"""Cox regression equals R's coxph; what cannot be estimated is named."""

import numpy as np
import polars as pl
import pytest
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.cox import CoxFit, fit_cox

LUNG = ("age", "sex", "ph.ecog", "wt.loss")


def codes(table: pl.DataFrame, name: str) -> np.ndarray:
    return table[name].to_numpy().astype(np.int64)


def lung(**options: object) -> CoxFit:
    table = r_data("lung_cc")
    return fit_cox(outcome_of(table, "time", "event"), columns(table, *LUNG), names=LUNG, **options)


def agrees(fit: CoxFit, entry: str) -> None:
    """All that r_golden.json says of a coxph; tolerances of its README."""
    golden = r_values()[entry]
    same = {"rtol": 1e-8, "atol": 1e-12}
    assert (fit.n, fit.n_events, fit.iterations) == (golden["n"], golden["nevent"], golden["iter"])
    np.testing.assert_allclose(fit.coef, golden["coef"], **same)
    np.testing.assert_allclose(fit.se, golden["se"], **same)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.naive_variance)), golden["naive_se"], **same)
    np.testing.assert_allclose(fit.z, golden["z"], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(fit.p, golden["p"], rtol=1e-6)
    np.testing.assert_allclose(fit.hazard_ratio, golden["hr"], **same)
    np.testing.assert_allclose(fit.lower, golden["lo95"], **same)
    np.testing.assert_allclose(fit.upper, golden["hi95"], **same)
    for name in ("loglik_null", "loglik", "lrt", "lrt_df", "aic"):
        np.testing.assert_allclose(getattr(fit, name), golden[name], **same)
    np.testing.assert_allclose(fit.lrt_p, golden["lrt_p"], rtol=1e-6)
    np.testing.assert_allclose(fit.score_test, golden["score"], **same)
    np.testing.assert_allclose(fit.wald, golden["wald"], atol=0.00501)  # R rounds it to two places
    if golden["robscore"] is not None:
        np.testing.assert_allclose(fit.robust_score_test, golden["robscore"], **same)


def test_lung_with_efrons_ties() -> None:
    agrees(lung(), "lung_cox_efron")


def test_lung_with_breslows_ties() -> None:
    agrees(lung(ties="breslow"), "lung_cox_breslow")


def test_lung_robust() -> None:
    agrees(lung(robust=True), "lung_cox_robust")


@pytest.mark.parametrize("entry", ["lung_cox_weighted", "lung_cox_weighted_robust"])
def test_lung_with_weights(entry: str) -> None:
    table = r_data("lung_cc_w")
    fit = fit_cox(
        outcome_of(table, "time", "event"),
        columns(table, *LUNG),
        names=LUNG,
        weights=columns(table, "wts")[:, 0],
        robust="robust" in entry,
    )
    agrees(fit, entry)


def test_lung_stratified_by_sex() -> None:
    table, names = r_data("lung_cc"), ("age", "ph.ecog", "wt.loss")
    fit = fit_cox(outcome_of(table, "time", "event"), columns(table, *names), names=names, strata=codes(table, "sex"))
    agrees(fit, "lung_cox_strata_sex")


def test_lung_clustered_by_institution() -> None:
    table = r_data("lung_cc_inst")
    fit = fit_cox(outcome_of(table, "time", "event"), columns(table, *LUNG), names=LUNG, cluster=codes(table, "inst"))
    agrees(fit, "lung_cox_cluster_inst")


@pytest.mark.parametrize(
    ("entry", "data", "time"),
    [
        ("ovarian_cox", "ovarian", ("futime", "fustat")),
        ("veteran_cox", "veteran", ("time", "status")),
        ("pbc_cox_death", "pbc312", ("time", "event01")),
        ("rotterdam_cox", "rotterdam", ("dtime", "death")),
        ("mgus2_cox_agescale", "mgus2", ("age_out", "death", "age_in")),
        ("heart_startstop", "heart", ("stop", "event", "start")),
    ],
)
def test_models_of_other_data(entry: str, data: str, time: tuple[str, ...]) -> None:
    table, names = r_data(data), r_values()[entry]["terms"]
    agrees(fit_cox(outcome_of(table, *time), columns(table, *names), names=names), entry)
