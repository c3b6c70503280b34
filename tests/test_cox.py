"""Cox regression equals R's coxph; what cannot be estimated is named."""

import numpy as np
import polars as pl
import pytest
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.baseline import baseline_hazard, survival_at
from cinema_cli.analysis.statistics.cox import CoxFit, fit_cox, likelihood_ratio, linear_predictor
from cinema_cli.analysis.statistics.outcome import Outcome
from cinema_cli.analysis.statistics.rounding import rounded_times

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


def test_age_as_time_scale_stratified() -> None:
    table, names = r_data("mgus2"), ("hgb", "mspike")
    outcome = outcome_of(table, "age_out", "death", "age_in")
    fit = fit_cox(outcome, columns(table, *names), names=names, strata=codes(table, "sexM"))
    agrees(fit, "mgus2_cox_agescale_strat")


@pytest.mark.parametrize(("entry", "cause"), [("mgus2_csh_pcm", 1), ("mgus2_csh_death", 2)])
def test_cause_specific_hazards(entry: str, cause: int) -> None:
    table, names = r_data("mgus2"), r_values()[entry]["terms"]
    other = {0: 0, cause: 1, 3 - cause: 2}
    outcome = outcome_of(table.with_columns(pl.col("ev").replace(other)), "etime", "ev")
    agrees(fit_cox(outcome, columns(table, *names), names=names), entry)


def test_repeated_events_of_a_person() -> None:
    table, names = r_data("bladder_ag"), ("rx", "number", "size")
    outcome = outcome_of(table, "stop", "status", "start")
    fit = fit_cox(outcome, columns(table, *names), names=names, cluster=codes(table, "id"))
    agrees(fit, "bladder_ag_cluster")


def test_two_columns_more() -> None:
    """r_golden.json lung_lrt_added: ph.ecog and wt.loss beside age and sex."""
    table, golden = r_data("lung_cc"), r_values()["lung_lrt_added"]
    smaller = fit_cox(outcome_of(table, "time", "event"), columns(table, *LUNG[:2]), names=LUNG[:2])
    test = likelihood_ratio(smaller, lung())
    np.testing.assert_allclose(test.statistic, golden["chisq"], rtol=1e-8)
    np.testing.assert_allclose(test.p, golden["p"], rtol=1e-6)
    assert test.df == golden["df"]


def test_linear_predictors_are_centred_as_in_r() -> None:
    for data, names, time in (
        ("lung_cc_lp", LUNG, ("time", "event")),
        ("rotterdam_lp", tuple(r_values()["rotterdam_cox"]["terms"]), ("dtime", "death")),
    ):
        table = r_data(data)
        given = table if data == "lung_cc_lp" else r_data("rotterdam")
        x = columns(given, *names)
        fit = fit_cox(outcome_of(given, *time), x, names=names)
        np.testing.assert_allclose(linear_predictor(fit, x), table["lp"], rtol=1e-7, atol=1e-9)


def test_baseline_hazard() -> None:
    """r_golden.json lung_cox_basehaz0: at 0 of all columns."""
    table, golden, fit = r_data("lung_cc"), r_values()["lung_cox_basehaz0"], lung()
    baseline = baseline_hazard(fit, outcome_of(table, "time", "event"), columns(table, *LUNG))
    at = np.searchsorted(baseline.times, golden["time"], side="right") - 1
    np.testing.assert_allclose(baseline.at_zero[at], golden["H"], rtol=1e-8)


def test_predicted_survival() -> None:
    """r_golden.json lung_cox_predsurv: two people at five times, with standard errors."""
    table, golden, fit = r_data("lung_cc"), r_values()["lung_cox_predsurv"], lung()
    baseline = baseline_hazard(fit, outcome_of(table, "time", "event"), columns(table, *LUNG))
    people = np.array([[person[name] for name in LUNG] for person in golden["newdata"]], float)
    survival, se = survival_at(fit, baseline, people, np.array(golden["times"], float))
    np.testing.assert_allclose(survival.T, golden["surv"], rtol=1e-8)
    np.testing.assert_allclose(se.T, golden["se"], rtol=1e-8)


def test_ties_of_rounded_times() -> None:
    """r_golden.json timefix: 0.1 + 0.2 and 0.3 tie once they are rounded."""
    golden = r_values()["timefix"]
    times, x = np.array([0.1 + 0.2, *golden["time"][1:]]), np.array(golden["x"], float)[:, None]
    event = np.array(golden["event"])
    for own, name in ((times, "coef_notimefix"), (rounded_times(times), "coef_default")):
        np.testing.assert_allclose(fit_cox(Outcome(own, event), x, names=["x"]).coef, golden[name], rtol=1e-8)


@pytest.mark.parametrize("position", range(4))
def test_hazard_ratios_in_subgroups(position: int) -> None:
    """r_golden2.json rott_subgroup: nodes per SD, adjusted for age, by group; and the test of the interaction."""
    table, golden = r_data("rotterdam"), r_values("r_golden2")["rott_subgroup"][position]
    outcome, names = outcome_of(table, "dtime", "death"), ("nodes per SD", "age", "group", "interaction")
    nodes, age, group = columns(table, "nodes", "age", golden["group"]).T
    nodes = nodes / nodes.std(ddof=1)
    x = np.column_stack([nodes, age, group, nodes * group])
    for level in golden["levels"]:
        rows = np.flatnonzero(group == level["level"])
        fit = fit_cox(outcome.take(rows), x[rows, :2], names=names[:2])
        assert (fit.n, fit.n_events) == (level["n"], level["events"])
        found = (fit.hazard_ratio[0], fit.lower[0], fit.upper[0])
        np.testing.assert_allclose(found, (level["hr"], level["lo"], level["hi"]), rtol=1e-8)
    test = likelihood_ratio(fit_cox(outcome, x[:, :3], names=names[:3]), fit_cox(outcome, x, names=names))
    np.testing.assert_allclose(test.p, golden["p_int_lrt"], rtol=1e-6)
