"""Cox regression equals R's coxph, survfit and basehaz; what cannot be estimated is named."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pytest
from statistics_golden import STATISTICS, columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics import second_opinion as second
from cinema_cli.analysis.statistics.baseline import baseline_hazard, survival_at
from cinema_cli.analysis.statistics.chi_squared import ChiSquared
from cinema_cli.analysis.statistics.cox import CoxFit, fit_cox, likelihood_ratio, linear_predictor
from cinema_cli.analysis.statistics.outcome import Floats, Outcome
from cinema_cli.analysis.statistics.rounding import rounded_times
from cinema_cli.analysis.statistics.second_opinion import second_opinion
from cinema_cli.domain.errors import NotEstimableError

R = {"rtol": 1e-8, "atol": 1e-12}  # the README beside R's values; p 1e-6
LUNG = ("age", "sex", "ph.ecog", "wt.loss")


@dataclass(frozen=True)
class Model:
    """What a coxph of r_golden.json was called with; its columns are its `terms`."""

    data: str
    time: tuple[str, ...]  # time, event, entry
    event: int = 1
    codes: dict[str, str] = field(default_factory=dict)  # strata or cluster, by a column
    options: dict[str, Any] = field(default_factory=dict)
    weights: str = ""


MODELS = {
    "lung_cox_efron": Model("lung_cc", ("time", "event")),
    "lung_cox_breslow": Model("lung_cc", ("time", "event"), options={"ties": "breslow"}),
    "lung_cox_robust": Model("lung_cc", ("time", "event"), options={"robust": True}),
    "lung_cox_strata_sex": Model("lung_cc", ("time", "event"), codes={"strata": "sex"}),
    "lung_cox_cluster_inst": Model("lung_cc_inst", ("time", "event"), codes={"cluster": "inst"}),
    "lung_cox_weighted": Model("lung_cc_w", ("time", "event"), weights="wts"),
    "lung_cox_weighted_robust": Model("lung_cc_w", ("time", "event"), weights="wts", options={"robust": True}),
    "ovarian_cox": Model("ovarian", ("futime", "fustat")),
    "veteran_cox": Model("veteran", ("time", "status")),
    "pbc_cox_death": Model("pbc312", ("time", "event01")),
    "rotterdam_cox": Model("rotterdam", ("dtime", "death")),
    "mgus2_csh_pcm": Model("mgus2", ("etime", "ev"), event=1),
    "mgus2_csh_death": Model("mgus2", ("etime", "ev"), event=2),
    "mgus2_cox_agescale": Model("mgus2", ("age_out", "death", "age_in")),
    "mgus2_cox_agescale_strat": Model("mgus2", ("age_out", "death", "age_in"), codes={"strata": "sexM"}),
    "heart_startstop": Model("heart", ("stop", "event", "start")),
    "bladder_ag_cluster": Model("bladder_ag", ("stop", "status", "start"), codes={"cluster": "id"}),
}


def fitted(entry: str) -> tuple[CoxFit, Outcome, Floats]:
    """Our fit of one of MODELS, its outcome and columns."""
    model, names = MODELS[entry], r_values()[entry]["terms"]
    table = r_data(model.data)
    outcome, x = outcome_of(table, *model.time), columns(table, *names)
    event = {0: 0, model.event: 1, 3 - model.event: 2}  # what competes does not matter
    outcome = Outcome(outcome.time, np.array([event[own] for own in outcome.event.tolist()]), outcome.entry)
    codes = {kind: table[name].to_numpy().astype(np.int64) for kind, name in model.codes.items()}
    weights = columns(table, model.weights)[:, 0] if model.weights else None
    return fit_cox(outcome, x, names=names, weights=weights, **codes, **model.options), outcome, x


@pytest.mark.parametrize("entry", MODELS)
def test_equals_coxph(entry: str) -> None:
    """All that r_golden.json says of the model but its concordance."""
    golden, (fit, _, _) = r_values()[entry], fitted(entry)
    assert (fit.n, fit.n_events, fit.iterations) == (golden["n"], golden["nevent"], golden["iter"])
    found = {"coef": fit.coef, "se": fit.se, "naive_se": np.sqrt(np.diag(fit.naive_variance))}
    found |= {"hr": fit.hazard_ratio, "lo95": fit.lower, "hi95": fit.upper, "score": fit.score_test}
    found |= {name: getattr(fit, name) for name in ("loglik_null", "loglik", "lrt", "lrt_df", "aic")}
    assert fit.ties == golden["method"]
    if golden["robscore"] is not None:
        found["robscore"] = fit.robust_score_test
    for name, value in found.items():
        np.testing.assert_allclose(value, golden[name], **R, err_msg=name)
    np.testing.assert_allclose(fit.z, golden["z"], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(fit.p, golden["p"], rtol=1e-6)
    np.testing.assert_allclose(ChiSquared(fit.lrt, fit.lrt_df).p, golden["lrt_p"], rtol=1e-6)
    np.testing.assert_allclose(fit.wald, golden["wald"], atol=0.00501)  # R rounds it to two places


@pytest.mark.parametrize("entry", MODELS)
def test_equals_the_flat_table(entry: str) -> None:
    """r_cox_flat.csv, one row a term."""
    rows = pl.read_csv(STATISTICS / "r_cox_flat.csv", null_values="NA").filter(pl.col("model") == entry)
    fit, _, _ = fitted(entry)
    assert rows["term"].to_list() == list(fit.names)
    np.testing.assert_allclose(fit.coef, rows["coef"], **R)
    np.testing.assert_allclose(fit.se, rows["se"], **R)
    np.testing.assert_allclose(np.sqrt(np.diag(fit.naive_variance)), rows["naive_se"], **R)
    np.testing.assert_allclose(fit.p, rows["p"], rtol=1e-6)
    np.testing.assert_allclose(rows["loglik"], fit.loglik, **R)


def test_two_columns_more() -> None:
    """r_golden.json lung_lrt_added: ph.ecog and wt.loss beside age and sex."""
    golden, (larger, outcome, x) = r_values()["lung_lrt_added"], fitted("lung_cox_efron")
    test = likelihood_ratio(fit_cox(outcome, x[:, :2], names=LUNG[:2]), larger)
    np.testing.assert_allclose(test.statistic, golden["chisq"], rtol=1e-8)
    np.testing.assert_allclose(test.p, golden["p"], rtol=1e-6)
    assert test.df == golden["df"]


@pytest.mark.parametrize(("data", "entry"), [("lung_cc_lp", "lung_cox_efron"), ("rotterdam_lp", "rotterdam_cox")])
def test_linear_predictors_are_centred_as_in_r(data: str, entry: str) -> None:
    fit, _, x = fitted(entry)
    np.testing.assert_allclose(linear_predictor(fit, x), r_data(data)["lp"], rtol=1e-8, atol=1e-9)


def test_baseline_hazard() -> None:
    """r_golden.json lung_cox_basehaz0: where all columns are 0."""
    golden, (fit, outcome, x) = r_values()["lung_cox_basehaz0"], fitted("lung_cox_efron")
    baseline = baseline_hazard(fit, outcome, x)
    at = np.searchsorted(baseline.times, golden["time"], side="right") - 1
    at_zero = baseline.cumulative_hazard * np.exp(-fit.means @ fit.coef)
    np.testing.assert_allclose(at_zero[at], golden["H"], rtol=1e-8)


def test_predicted_survival() -> None:
    """r_golden.json lung_cox_predsurv: two people at five times, with standard errors."""
    golden, (fit, outcome, x) = r_values()["lung_cox_predsurv"], fitted("lung_cox_efron")
    people = np.array([[person[name] for name in LUNG] for person in golden["newdata"]], float)
    times = np.array(golden["times"], float)
    survival, se = survival_at(fit, baseline_hazard(fit, outcome, x), people, times)
    np.testing.assert_allclose(survival.T, golden["surv"], rtol=1e-8)
    np.testing.assert_allclose(se.T, golden["se"], rtol=1e-8)


def test_ties_of_rounded_times() -> None:
    """r_golden.json timefix: 0.1 + 0.2 and 0.3 tie once they are rounded."""
    golden = r_values()["timefix"]
    times, x = np.array([0.1 + 0.2, *golden["time"][1:]]), np.array(golden["x"], float)[:, None]
    for own, name in ((times, "coef_notimefix"), (rounded_times(times), "coef_default")):
        fit = fit_cox(Outcome(own, np.array(golden["event"])), x, names=["x"])
        np.testing.assert_allclose(fit.coef, golden[name], rtol=1e-8)


def test_entry_and_exit_are_rounded_together_and_nothing_else_moves() -> None:
    given = np.array([[0.0, 0.3], [0.1 + 0.2, 0.9], [0.3 + 1e-6, 2.0]])
    rounded = rounded_times(given)
    assert rounded[1, 0] == 0.3
    rounded[1, 0] = given[1, 0]
    np.testing.assert_array_equal(rounded, given)


def test_large_times_are_rounded_more_coarsely() -> None:
    """Relative to their mean, as R's aeqSurv: 1 s in 32 years, not 100 s."""
    given = np.array([1e9, 1e9 + 1, 1e9 + 101])
    np.testing.assert_array_equal(rounded_times(given), [1e9, 1e9, 1e9 + 101])


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


def test_an_infinite_coefficient_is_refused_by_name() -> None:
    """r_golden.json separation_cox: R says -20.2 with a standard error of 2461, and warns."""
    golden, table = r_values()["separation_cox"], r_data("separation")
    assert "variable  1" in golden["warning"]
    outcome, x = outcome_of(table, "t", "e"), columns(table, "x", "z")
    with pytest.raises(NotEstimableError, match=r"^no events where x is 1: its hazard ratio is not estimable$"):
        fit_cox(outcome, x, names=("x", "z"))
    np.testing.assert_allclose(fit_cox(outcome, x[:, 1:], names=["z"]).coef, golden["coef"][1], atol=0.05)


def a_sample(n: int = 60) -> tuple[Outcome, Floats]:
    """Times without ties, about half of them events, two columns of noise."""
    rng = np.random.default_rng(7)
    return Outcome(np.arange(1.0, n + 1), rng.integers(0, 2, n)), rng.normal(size=(n, 2))


def dummy(where: Floats | np.ndarray) -> Floats:
    return np.asarray(where, float)


def refused(outcome: Outcome, *own: Floats, names: str, **options: Any) -> str:
    """What is said of a model of these columns."""
    with pytest.raises(NotEstimableError) as error:
        fit_cox(outcome, np.column_stack(own), names=names.split(","), **options)
    assert "\n" not in error.value.message
    return error.value.message


def test_what_is_not_estimable_is_named_with_the_reason() -> None:
    outcome, (a, b) = a_sample()[0], a_sample()[1].T
    male = dummy(outcome.time % 3 == 0)
    nobody = Outcome(outcome.time, np.zeros(60, np.int64))
    assert refused(nobody, a, names="a") == "nobody had the event: no hazard ratio is estimable"
    same = refused(outcome, a, np.full(60, 0.1), names="a,b")
    assert same == "b is the same in everybody who is at risk: its hazard ratio is not estimable"
    assert refused(outcome, np.ones(60), np.ones(60), names="a,b").startswith("a and b are the same in everybody")
    within = refused(outcome, a, male, names="a,sex=M", strata=male.astype(np.int64))
    assert within.startswith("sex=M is the same in all who are at risk together")
    ratio = "separate hazard ratios are not estimable"
    collinear = refused(outcome, a, b, male, 2 * b - 0.1 * a + 7, names="edv,esv,sex=M,sv")
    assert collinear == f"sv follows from edv and esv (collinear): {ratio}"
    assert refused(outcome, a, 1e-6 * a, names="a,b") == f"b follows from a (collinear): {ratio}"


def test_a_level_without_events_is_named() -> None:
    outcome, (a, b) = a_sample()[0], a_sample()[1].T
    spared = dummy((outcome.event == 0) & (a > 0))
    ratio = "its hazard ratio is not estimable"
    assert refused(outcome, b, spared, names="b,centre=2") == f"no events in centre=2: {ratio}"
    assert refused(outcome, b, 1 - spared, names="b,sex=F") == f"all events are in sex=F: {ratio}"
    assert refused(outcome, b, 1 - spared, names="b,high") == f"no events where high is 0: {ratio}"
    assert refused(outcome, 3 * spared, b, names="dose,b") == f"all events are at one end of dose: {ratio}"


def test_a_reference_level_without_events_is_found() -> None:
    """No column has all events at an end, but all events lie outside the level that has no column."""
    outcome, (a, b) = a_sample()[0], a_sample()[1].T
    level = np.where((outcome.event == 0) & (a > 0), 0, 1 + (b > 0))
    said = refused(outcome, dummy(level == 1), dummy(level == 2), names="c=1,c=2")
    assert said.startswith("c=1 and c=2 separate those with the event from those without")


def test_a_column_that_orders_the_events_is_found() -> None:
    outcome, (a, b) = a_sample()[0], a_sample()[1].T
    all_die = Outcome(outcome.time, np.ones(60, np.int64))
    assert "a separates those with the event" in refused(all_die, -outcome.time, names="a")
    assert "separate those with the event" in refused(all_die, -outcome.time - a, a, b, names="a,b,c")


@pytest.mark.parametrize("at", [20, 40])
def test_one_event_gives_an_estimate_or_a_sentence(at: int) -> None:
    outcome, x = a_sample()
    one = Outcome(outcome.time, (np.arange(60) == at).astype(np.int64))
    fit = fit_cox(one, x[:, :1], names=["a"])
    assert fit.n_events == 1
    assert np.isfinite([fit.coef, fit.se]).all()
    assert refused(one, dummy(x[:, 0] > x[at, 0]), names="a").startswith("no events where a is 1")


def test_a_last_event_alone_at_risk_says_nothing() -> None:
    outcome = Outcome(np.array([1.0, 2.0, 3.0]), np.array([0, 0, 1]))
    assert "the same in everybody who is at risk" in refused(outcome, np.array([1.0, 2.0, 3.0]), names="a")


def test_one_cluster_gives_no_robust_variance() -> None:
    outcome, x = a_sample()
    with pytest.raises(NotEstimableError, match="one cluster"):
        fit_cox(outcome, x, names=["a", "b"], cluster=np.zeros(60, np.int64))


def test_fewer_clusters_than_columns_still_test_something() -> None:
    outcome, x = a_sample()
    fit = fit_cox(outcome, x, names=["a", "b"], cluster=np.arange(60) % 2)
    assert np.isfinite([fit.wald, fit.robust_score_test]).all()


def test_extreme_values_neither_warn_nor_break() -> None:
    rng = np.random.default_rng(0)
    x = np.exp(3 * rng.normal(size=(2000, 2)))
    x[0] = 1e9
    fit = fit_cox(Outcome(rng.exponential(size=2000), np.ones(2000, np.int64)), x, names=["a", "b"])
    assert np.isfinite(fit.coef).all()


@pytest.mark.parametrize("entry", ["lung_cox_efron", "ovarian_cox", "rotterdam_cox"])
def test_lifelines_agrees(entry: str) -> None:
    assert second_opinion(*fitted(entry)) < 1e-4


def test_lifelines_would_notice_a_wrong_coefficient() -> None:
    (fit, outcome, x), (breslow, _, _) = fitted("lung_cox_efron"), fitted("lung_cox_breslow")
    expected = np.max(np.abs(breslow.coef - fit.coef) / breslow.se)
    np.testing.assert_allclose(second_opinion(breslow, outcome, x), expected, rtol=0.01)


def test_lifelines_is_asked_about_some_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second, "MAX_ROWS", 500)
    assert second_opinion(*fitted("rotterdam_cox")) < 1e-4


def test_lifelines_is_not_asked_about_late_entry() -> None:
    with pytest.raises(ValueError, match="right-censored"):
        second_opinion(*fitted("heart_startstop"))
