"""C, its standard errors, counts of pairs and differences: against survival::concordance of R, laws, planted truth."""

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_golden import columns, finegray_rows, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.concordance import (
    Concordance,
    TimeWeight,
    concordance,
    concordance_difference,
    harrell_c,
    uno_concordance,
)
from cinema_cli.analysis.statistics.cox import fit_cox, linear_predictor
from cinema_cli.analysis.statistics.outcome import COMPETING, EVENT, Floats, Ints, Outcome
from cinema_cli.domain.errors import NotEstimableError

R = 1e-8  # relative, by the README beside R's values; standard errors and counts meet it too


@dataclass(frozen=True)
class RModel:
    """What a Cox model of r_golden.json was fitted to (its `call`)."""

    data: str
    time: str
    event: str
    entry: str | None = None
    strata: str | None = None
    cluster: str | None = None
    weights: str | None = None
    event_value: int = 1


R_MODELS = {
    "lung_cox_efron": RModel("lung_cc", "time", "event"),
    "lung_cox_breslow": RModel("lung_cc", "time", "event"),
    "lung_cox_exact": RModel("lung_cc", "time", "event"),
    "lung_cox_strata_sex": RModel("lung_cc", "time", "event", strata="sex"),
    "lung_cox_cluster_inst": RModel("lung_cc_inst", "time", "event", cluster="inst"),
    "lung_cox_robust": RModel("lung_cc", "time", "event"),
    "lung_cox_weighted": RModel("lung_cc_w", "time", "event", weights="wts"),
    "lung_cox_weighted_robust": RModel("lung_cc_w", "time", "event", weights="wts"),
    "ovarian_cox": RModel("ovarian", "futime", "fustat"),
    "veteran_cox": RModel("veteran", "time", "status"),
    "pbc_cox_death": RModel("pbc312", "time", "event01"),
    "mgus2_csh_pcm": RModel("mgus2", "etime", "ev"),
    "mgus2_csh_death": RModel("mgus2", "etime", "ev", event_value=2),
    "mgus2_cox_agescale": RModel("mgus2", "age_out", "death", entry="age_in"),
    "mgus2_cox_agescale_strat": RModel("mgus2", "age_out", "death", entry="age_in", strata="sexM"),
    "heart_startstop": RModel("heart", "stop", "event", entry="start"),
    "bladder_ag_cluster": RModel("bladder_ag", "stop", "status", entry="start", cluster="id"),
    "rotterdam_cox": RModel("rotterdam", "dtime", "death"),
}


@pytest.mark.parametrize("name", R_MODELS)
def test_cox_models_have_the_concordance_of_r(name: str) -> None:
    """r_golden.json: `concordance`, `concordance_se`, `concordance_counts` of the entry, risk from its coefficients."""
    model, r = R_MODELS[name], r_values()[name]
    table = r_data(model.data).drop_nulls([t for t in r["terms"] if t in r_data(model.data).columns])
    outcome = outcome_of(table, model.time, model.event, model.entry)
    outcome = Outcome(outcome.time, (outcome.event == model.event_value).astype(np.int64), outcome.entry)

    def codes(column: str | None) -> Ints | None:
        return None if column is None else table[column].to_numpy().astype(np.int64)

    ours = concordance(
        outcome,
        columns(table, *r["terms"]) @ np.array(r["coef"]),
        strata=codes(model.strata),
        cluster=codes(model.cluster),
        weights=columns(table, model.weights)[:, 0] if model.weights else None,
    )
    assert ours.c == pytest.approx(r["concordance"], rel=R)
    assert ours.se == pytest.approx(r["concordance_se"], rel=R)
    assert counts(ours) == pytest.approx(r_counts(r["concordance_counts"]), rel=R)


def counts(c: Concordance) -> list[float]:
    return [c.concordant, c.discordant, c.tied_x, c.tied_y, c.tied_xy]


def r_counts(of: dict[str, float] | list[float]) -> list[float]:
    """Five counts; with strata R gives a matrix with a row a stratum, here column by column."""
    return list(of.values()) if isinstance(of, dict) else np.reshape(of, (5, -1)).sum(1).tolist()


def lung() -> tuple[Outcome, Floats]:
    table = r_data("lung_cc_lp")
    return outcome_of(table, "time", "event"), columns(table, "lp")[:, 0]


def test_fine_gray_model_has_the_concordance_of_r() -> None:
    """r_golden.json: mgus2_finegray, on the rows of R's finegray with their weights."""
    r, table = r_values()["mgus2_finegray"], r_data("mgus2")
    rows, weights, person = finegray_rows(outcome_of(table, "etime", "ev"))
    risk = columns(table, *r["terms"]) @ np.array(r["coef"])
    ours = concordance(rows, risk[person], weights=weights)
    assert [ours.c, ours.se] == pytest.approx([r["concordance"], r["concordance_se"]], rel=R)
    assert counts(ours) == pytest.approx(r_counts(r["concordance_counts"]), rel=R)


@pytest.mark.parametrize("weight", get_args(TimeWeight))
def test_time_weights_of_r(weight: TimeWeight) -> None:
    """r_golden.json: lung_conc_timewt_*."""
    r = r_values()[f"lung_conc_timewt_{weight}"]
    outcome, risk = lung()
    ours = concordance(outcome, risk, time_weight=weight)
    assert [ours.c, ours.se] == pytest.approx([r["C"], r["se"]], rel=R)
    assert counts(ours) == pytest.approx(list(r["count"].values()), rel=R)


def test_up_to_a_time() -> None:
    """r_golden.json: lung_conc_uno_tau500, lung_conc_harrell_tau500."""
    outcome, risk = lung()
    uno, harrell = uno_concordance(outcome, risk, up_to=500), concordance(outcome, risk, up_to=500)
    for ours, name in ((uno, "lung_conc_uno_tau500"), (harrell, "lung_conc_harrell_tau500")):
        r = r_values()[name]
        assert [ours.c, ours.se] == pytest.approx([r["C"], r["se"]], rel=R)


def test_rotterdam() -> None:
    """r_golden.json: rotterdam_harrell, rotterdam_uno_3652."""
    table = r_data("rotterdam_lp")
    outcome, risk = outcome_of(table, "dtime", "death"), columns(table, "lp")[:, 0]
    r, ours = r_values()["rotterdam_harrell"], concordance(outcome, risk)
    assert [ours.c, ours.se, *counts(ours)] == pytest.approx([r["C"], r["se"], *r["count"].values()], rel=R)
    r, ours = r_values()["rotterdam_uno_3652"], uno_concordance(outcome, risk, up_to=3652)
    assert [ours.c, ours.se] == pytest.approx([r["C"], r["se"]], rel=R)


def test_two_models_of_the_same_people() -> None:
    """r_golden.json: lung_conc_compare; its first model is age and sex, which its C tells."""
    r = r_values()["lung_conc_compare"]
    outcome, full = lung()
    table = r_data("lung_cc_lp")
    x = columns(table, "age", "sex")
    small = linear_predictor(fit_cox(outcome, x, names=["age", "sex"]), x)
    a, b = concordance(outcome, small), concordance(outcome, full)
    assert [a.c, b.c] == pytest.approx(r["C"], rel=R)
    covariance = np.array([[a.variance, a.influence @ b.influence], [a.influence @ b.influence, b.variance]])
    assert covariance == pytest.approx(np.array(r["var"]), rel=R)
    d = concordance_difference(b, a)
    assert [d.estimate, d.se] == pytest.approx([r["diff"], r["se_diff"]], rel=R)
    assert (d.lower < 0 < d.upper) == (d.p > 0.05)
    assert d.p == pytest.approx(0.11436, abs=1e-4)  # 2 (1 - Phi(0.034588 / 0.021906))


def slow_concordance(outcome: Outcome, risk: Floats, weights: Floats, strata: Ints) -> list[float]:
    """Every pair, by definition."""
    entry = np.full(outcome.n, -np.inf) if outcome.entry is None else outcome.entry
    total = np.zeros(5)
    for i in np.flatnonzero(outcome.event == EVENT):
        for j in range(outcome.n):
            weight = weights[i] * weights[j]
            if strata[i] != strata[j] or i == j:
                continue
            later = outcome.time[j] > outcome.time[i] or (
                outcome.time[j] == outcome.time[i] and outcome.event[j] != EVENT
            )
            if later and entry[j] < outcome.time[i]:
                total[0 if risk[i] > risk[j] else 1 if risk[i] < risk[j] else 2] += weight
            if outcome.time[j] == outcome.time[i] and outcome.event[j] == EVENT and j > i:
                total[4 if risk[i] == risk[j] else 3] += weight
    return total.tolist()


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[Outcome, Floats]:
    """Few different times and risks, so that there are ties of all kinds; at least one event with someone after it."""
    n = draw(st.integers(3, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    time = rng.integers(1, 8, n).astype(float)
    event = rng.integers(0, 3, n)
    time[0], event[0], time[1] = 1.0, EVENT, 9.0
    entry = time - rng.integers(1, 8, n) if draw(st.booleans()) else None
    if entry is not None:
        entry[1] = 0.0
    return Outcome(time, event, entry), rng.integers(0, 6, n).astype(float)


laws = settings(max_examples=40, deadline=None, derandomize=True)


@laws
@given(cohorts(), st.integers(0, 1000))
def test_law_every_pair_is_counted_once(cohort: tuple[Outcome, Floats], seed: int) -> None:
    outcome, risk = cohort
    rng = np.random.default_rng(seed)
    weights, strata = rng.integers(1, 4, outcome.n) / 2, rng.integers(0, 2, outcome.n)
    strata[:2] = 0
    ours = concordance(outcome, risk, weights=weights, strata=strata)
    assert counts(ours) == pytest.approx(slow_concordance(outcome, risk, weights, strata), abs=1e-9)
    assert harrell_c(outcome, risk, strata=strata) == concordance(outcome, risk, strata=strata).c


@laws
@given(cohorts(), st.sampled_from(["n", "S", "I"]))
def test_law_influence_is_the_derivative_by_a_weight(cohort: tuple[Outcome, Floats], weight: TimeWeight) -> None:
    """With fixed time weights, so that only n, whose time weights are 1, can be checked in full."""
    outcome, risk = cohort
    ours = concordance(outcome, risk, time_weight=weight)
    assert ours.influence.sum() == pytest.approx(0.0, abs=1e-12)  # twice the weights, the same C
    if weight == "n":
        step = 1e-6
        for row in range(min(outcome.n, 5)):
            more = np.ones(outcome.n)
            more[row] += step
            slope = (concordance(outcome, risk, weights=more).c - ours.c) / step
            assert ours.influence[row] == pytest.approx(slope, abs=1e-5)


@laws
@given(cohorts())
def test_law_the_opposite_risk_has_the_opposite_c(cohort: tuple[Outcome, Floats]) -> None:
    outcome, risk = cohort
    one, other = concordance(outcome, risk), concordance(outcome, -risk)
    assert other.c == pytest.approx(1 - one.c, abs=1e-12)
    assert other.se == pytest.approx(one.se, abs=1e-12)


@laws
@given(cohorts(), st.sampled_from(get_args(TimeWeight)))
def test_law_only_the_order_of_risk_and_time_matters(cohort: tuple[Outcome, Floats], weight: TimeWeight) -> None:
    outcome, risk = without_late_entry(cohort, weight)
    stretched = Outcome(outcome.time * 365.25, outcome.event, None if outcome.entry is None else outcome.entry * 365.25)
    one, other = (
        concordance(outcome, risk, time_weight=weight),
        concordance(stretched, np.exp(risk), time_weight=weight),
    )
    assert other.influence == pytest.approx(one.influence, abs=1e-12)
    assert other.c == one.c


@laws
@given(cohorts(), st.randoms(use_true_random=False))
def test_law_order_of_rows_does_not_matter(cohort: tuple[Outcome, Floats], random: Any) -> None:
    outcome, risk = cohort
    rows = np.array(random.sample(range(outcome.n), outcome.n))
    one, other = concordance(outcome, risk), concordance(outcome.take(rows), risk[rows])
    assert other.c == one.c
    assert other.influence == pytest.approx(one.influence[rows], abs=1e-12)


@laws
@given(cohorts())
def test_law_everybody_twice_is_weight_two_and_cluster_adds_up(cohort: tuple[Outcome, Floats]) -> None:
    outcome, risk = cohort
    once = np.arange(outcome.n)
    twice = np.tile(once, 2)
    doubled = concordance(outcome.take(twice), risk[twice], cluster=twice)
    weighted = concordance(outcome, risk, weights=np.full(outcome.n, 2.0))
    assert [doubled.c, doubled.se] == pytest.approx([weighted.c, weighted.se], abs=1e-12)
    assert concordance(outcome, risk, cluster=once).se == pytest.approx(weighted.se, abs=1e-12)


@laws
@given(cohorts(), st.sampled_from(get_args(TimeWeight)))
def test_law_entry_at_zero_is_no_entry(cohort: tuple[Outcome, Floats], weight: TimeWeight) -> None:
    outcome, risk = cohort
    late, plain = (Outcome(outcome.time, outcome.event, entry) for entry in (np.zeros(outcome.n), None))
    one, other = (concordance(o, risk, time_weight=weight) for o in (plain, late))
    assert other.influence == pytest.approx(one.influence, abs=1e-12)
    assert counts(other) == pytest.approx(counts(one), abs=1e-12)


def without_late_entry(cohort: tuple[Outcome, Floats], weight: TimeWeight) -> tuple[Outcome, Floats]:
    outcome, risk = cohort
    return (Outcome(outcome.time, outcome.event) if "G" in weight else outcome), risk


def test_perfect_and_constant_risks() -> None:
    outcome = Outcome(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 0]))
    perfect = concordance(outcome, -outcome.time)
    assert (perfect.c, perfect.se) == (1.0, 0.0)
    constant = concordance(outcome, np.ones(4))
    assert (constant.c, constant.se, constant.tied_x) == (0.5, 0.0, 4.0)
    assert concordance_difference(perfect, perfect).p == 1.0


def test_a_competing_event_is_a_censoring() -> None:
    outcome, risk = lung()
    competing = Outcome(outcome.time, np.where(outcome.event == EVENT, EVENT, COMPETING))
    assert counts(concordance(competing, risk)) == counts(concordance(outcome, risk))


@pytest.mark.parametrize(
    "event", [np.zeros(4, np.int64), np.array([0, 0, 0, 1])], ids=["no event", "one event, nobody after it"]
)
def test_without_pairs_it_says_so(event: Ints) -> None:
    outcome = Outcome(np.array([1.0, 2.0, 3.0, 4.0]), event)
    with pytest.raises(NotEstimableError, match="no event has anybody at risk after it"):
        concordance(outcome, np.arange(4.0))


def test_one_event() -> None:
    outcome = Outcome(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1, 0, 0]))
    assert concordance(outcome, np.array([9.0, 2.0, 1.0, 3.0])).c == 0.5


def test_uno_refuses_late_entry() -> None:
    outcome = Outcome(np.array([2.0, 3.0, 4.0]), np.array([1, 1, 0]), np.array([0.0, 1.0, 0.0]))
    with pytest.raises(NotEstimableError, match="enter late"):
        uno_concordance(outcome, np.arange(3.0), up_to=4.0)


def test_planted_truth() -> None:
    """Two exponential times with log hazards x: P(the higher x has the event first) = E[1 / (1 + exp(-|x - y|))]."""
    rng = np.random.default_rng(20)
    n, spread = 100_000, 0.8
    risk = rng.normal(0, spread, n)
    time = rng.exponential(1 / np.exp(risk))
    nodes, share = np.polynomial.hermite_e.hermegauss(80)
    apart = np.abs(nodes) * spread * np.sqrt(2)
    truth = np.sum(share / (1 + np.exp(-apart))) / share.sum()
    everybody = concordance(Outcome(time, np.ones(n, np.int64)), risk)
    assert abs(everybody.c - truth) < 3 * everybody.se
    followed = rng.uniform(0.02, 1.6, n)
    censored = Outcome(np.minimum(time, followed), (time <= followed).astype(np.int64))
    uno, harrell = uno_concordance(censored, risk, up_to=1.4), concordance(censored, risk)
    whole = concordance(Outcome(time, np.ones(n, np.int64)), risk, up_to=1.4)
    assert abs(uno.c - whole.c) < 3 * uno.se  # free of the censoring
    assert abs(harrell.c - whole.c) > 3 * harrell.se  # which Harrell's C is not
