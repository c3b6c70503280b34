"""AUC, Brier, their integral and differences against riskRegression::Score of R; laws; what cannot be checked."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.baseline import baseline_hazard, predicted_survival
from cinema_cli.analysis.statistics.comparison import Score
from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.known_status import known_status
from cinema_cli.analysis.statistics.outcome import CENSORED, COMPETING, EVENT, Floats, Outcome
from cinema_cli.analysis.statistics.prediction import (
    NULL_MODEL,
    PredictionScores,
    integrated_brier,
    prediction_scores,
    score_differences,
)
from cinema_cli.domain.errors import NotEstimableError

R = 1e-10  # by the README beside R's values; the standard errors meet it too
NAMES = {"full": "full", "clin": "clin", "Null model": NULL_MODEL}
TIMES = np.array([1095.0, 1826.0, 2922.0])


@cache
def predicted() -> tuple[Outcome, dict[str, Floats]]:
    """The test half of rotterdam, risks of `full` from R; `clin` is Cox (Breslow) on age and nodes of the rest."""
    train, test = r_data("rotterdam_train"), r_data("rotterdam_test")
    names = ["age", "nodes"]
    known, x = outcome_of(train, "dtime", "death"), columns(train, *names)
    fit = fit_cox(known, x, names=names, ties="breslow")
    clin = 1 - predicted_survival(fit, baseline_hazard(fit, known, x), columns(test, *names), TIMES)
    full = columns(r_data("rotterdam_test_pred"), "r1095", "r1826", "r2922")
    return outcome_of(test, "dtime", "death"), {"full": full, "clin": clin}


@cache
def rotterdam() -> PredictionScores:
    """Their scores."""
    return prediction_scores(*predicted(), TIMES)


def integrated(until: Floats) -> dict[str, Score]:
    """Their Brier scores integrated over the first times, as riskRegression does."""
    outcome, risks = predicted()
    return integrated_brier(outcome, {model: risk[:, : len(until)] for model, risk in risks.items()}, until)


def at(scores: tuple[Score, ...], time: float) -> Score:
    return scores[TIMES.tolist().index(time)]


def figures(score: Score) -> list[float]:
    return [score.estimate, score.se, score.lower, score.upper]


@pytest.mark.parametrize("row", r_values("r_golden2")["rott_test_score"]["auc"], ids=str)
def test_auc_of_r(row: dict[str, float]) -> None:
    """r_golden2.json: rott_test_score, auc."""
    ours = at(rotterdam().auc[NAMES[str(row["model"])]], row["times"])
    assert figures(ours) == pytest.approx([row[k] for k in ("AUC", "se", "lower", "upper")], abs=R)


@pytest.mark.parametrize("row", r_values("r_golden2")["rott_test_score"]["brier"], ids=str)
def test_brier_of_r(row: dict[str, float]) -> None:
    """r_golden2.json: rott_test_score, brier and its integral."""
    model = NAMES[str(row["model"])]
    ours = at(rotterdam().brier[model], row["times"])
    assert figures(ours) == pytest.approx([row[k] for k in ("Brier", "se", "lower", "upper")], abs=R)
    until = TIMES[: TIMES.tolist().index(row["times"]) + 1]
    assert integrated(until)[model].estimate == pytest.approx(row["IBS"], abs=R)


@pytest.mark.parametrize("kind", ["AUC", "Brier"])
def test_differences_of_r(kind: str) -> None:
    """r_golden2.json: rott_test_score, auc_contrast and brier_contrast."""
    scores = rotterdam().auc if kind == "AUC" else rotterdam().brier
    for row in r_values("r_golden2")["rott_test_score"][f"{kind.lower()}_contrast"]:
        differences = score_differences(scores, NAMES[row["model"]], reference=NAMES[row["reference"]])
        ours = differences[TIMES.tolist().index(row["times"])]
        r = [row[k] for k in (f"delta.{kind}", "se", "lower", "upper")]
        assert [ours.estimate, ours.se, ours.lower, ours.upper] == pytest.approx(r, abs=R)
        assert ours.p == pytest.approx(row["p"], rel=1e-6)


def test_integrated_brier_of_many_times() -> None:
    """The mean of a Brier score that is known at all times."""
    rng = np.random.default_rng(0)
    n, times = 2000, np.linspace(0, 1, 201)
    uniform = Outcome(rng.uniform(0, 1.2, n), np.ones(n, np.int64))  # risk t / 1.2, Brier of the null model r (1 - r)
    mean = integrated_brier(uniform, {"true": np.tile(times / 1.2, (n, 1))}, times)["true"]
    truth = 1 / (2 * 1.2) - 1 / (3 * 1.2**2)
    assert abs(mean.estimate - truth) < 3 * mean.se < 0.02


def test_accuracy_is_the_share_of_the_null_models_error() -> None:
    scores = rotterdam()
    for k in range(len(TIMES)):
        full, null = scores.brier["full"][k], scores.brier[NULL_MODEL][k]
        ipa = scores.ipa["full"][k]
        assert ipa.estimate == pytest.approx(1 - full.estimate / null.estimate)
        step = 1e-4  # the influence of a ratio is the derivative of the ratio
        moved = 1 - (full.estimate + step * full.influence) / (null.estimate + step * null.influence)
        assert ipa.influence == pytest.approx((moved - ipa.estimate) / step, abs=1e-7)
        assert figures(scores.ipa[NULL_MODEL][k])[:2] == [0.0, 0.0]


def made(seed: int, n: int, *, competing: bool, censoring: float = 3.0) -> tuple[Outcome, Floats]:
    """Times with ties, risks with ties; somebody has the event early, somebody is followed for long."""
    rng = np.random.default_rng(seed)
    risk = rng.integers(1, 10, n) / 10
    time = rng.exponential(1 / risk)
    follow = rng.uniform(0, censoring, n)
    kind = np.where(rng.random(n) < 0.3, COMPETING, EVENT) if competing else np.full(n, EVENT)
    event = np.where(time <= follow, kind, CENSORED)
    observed = np.ceil(np.minimum(time, follow) * 20)
    observed[:2], event[:2] = [2.0, 1000.0], [EVENT, CENSORED]
    return Outcome(observed, event.astype(np.int64)), risk


laws = settings(max_examples=25, deadline=None, derandomize=True)
cohorts = st.builds(made, st.integers(0, 1000), st.integers(10, 60), competing=st.booleans())


def score(outcome: Outcome, risk: Floats, time: float = 20.0) -> PredictionScores:
    return prediction_scores(outcome, {"m": risk[:, None]}, np.array([time]))


@laws
@given(cohorts)
def test_law_auc_is_the_share_of_pairs(cohort: tuple[Outcome, Floats]) -> None:
    """Every pair of a case and a control by definition, with weights 1 / G counted one time after the other."""
    outcome, risk = cohort
    horizon, followed = 20.0, 1.0
    after = {}
    for time in np.unique(outcome.time):  # G just before each time
        after[time] = followed
        here = outcome.time == time
        ends = np.sum(here & (outcome.event == CENSORED))
        followed *= 1 - ends / max(np.sum(outcome.time >= time) - np.sum(here & (outcome.event != CENSORED)), 1)
    later = min([time for time in after if time > horizon])
    weight = np.array([after[later] if t > horizon else after[t] for t in outcome.time])
    cases = np.flatnonzero((outcome.event == EVENT) & (outcome.time <= horizon))
    controls = np.flatnonzero((outcome.time > horizon) | (outcome.event == COMPETING))
    pair = 1 / weight[cases][:, None] / weight[controls]
    right = (risk[cases][:, None] > risk[controls]) + (risk[cases][:, None] == risk[controls]) / 2
    assert score(outcome, risk).auc["m"][0].estimate == pytest.approx((pair * right).sum() / pair.sum())
    known = np.concatenate([cases, controls])
    residual = (np.isin(known, cases) - risk[known]) ** 2 / weight[known]
    assert score(outcome, risk).brier["m"][0].estimate == pytest.approx(residual.sum() / outcome.n)


@pytest.mark.parametrize("competing", [False, True])
def test_standard_errors_are_those_of_the_jackknife(competing: bool) -> None:
    outcome, risk = made(3, 300, competing=competing, censoring=4.0)
    whole = score(outcome, risk)
    n = outcome.n
    left_out = [score(outcome.take(np.arange(n) != i), risk[np.arange(n) != i]) for i in range(n)]
    for kind in ("auc", "brier", "ipa"):
        one = getattr(whole, kind)["m"][0]
        others = np.array([getattr(s, kind)["m"][0].estimate for s in left_out])
        jackknife = np.sqrt((n - 1) / n * np.sum((others - others.mean()) ** 2))
        assert one.se == pytest.approx(jackknife, rel=0.03)
        pseudo = (others.mean() - others) * (n - 1) / np.sqrt(n * (n - 1))
        assert np.corrcoef(one.influence, pseudo)[0, 1] > 0.99


@laws
@given(cohorts)
def test_law_order_units_of_time_and_entry_at_zero_do_not_matter(cohort: tuple[Outcome, Floats]) -> None:
    outcome, risk = cohort
    rows = np.random.default_rng(outcome.n).permutation(outcome.n)
    moved = Outcome(outcome.time[rows] / 7, outcome.event[rows], np.zeros(outcome.n))
    one, other = score(outcome, risk), score(moved, risk[rows], 20 / 7)
    for kind in ("auc", "brier", "ipa"):
        a, b = getattr(one, kind)["m"][0], getattr(other, kind)["m"][0]
        assert b.estimate == pytest.approx(a.estimate)
        assert b.influence == pytest.approx(a.influence[rows], abs=1e-12)


@laws
@given(cohorts)
def test_law_auc_knows_only_the_order_and_everybody_twice_changes_nothing(cohort: tuple[Outcome, Floats]) -> None:
    outcome, risk = cohort
    auc = score(outcome, risk).auc["m"][0]
    assert score(outcome, risk**3).auc["m"][0].estimate == auc.estimate
    assert score(outcome, 1 - risk).auc["m"][0].estimate == pytest.approx(1 - auc.estimate)
    twice = np.tile(np.arange(outcome.n), 2)
    doubled = score(outcome.take(twice), risk[twice])
    assert doubled.auc["m"][0].estimate == pytest.approx(auc.estimate)
    assert doubled.brier["m"][0].estimate == pytest.approx(score(outcome, risk).brier["m"][0].estimate)


def test_without_censoring_they_are_the_plain_ones() -> None:
    rng = np.random.default_rng(0)
    risk = rng.uniform(0.1, 0.9, 200)
    time = rng.exponential(1 / risk)
    died = time <= 1.0
    scores = score(Outcome(time, np.ones(200, np.int64)), risk, 1.0)
    squares = (died - risk) ** 2
    assert scores.brier["m"][0].estimate == pytest.approx(squares.mean())
    assert scores.brier["m"][0].se == pytest.approx(squares.std(ddof=1) / np.sqrt(200))
    assert scores.brier[NULL_MODEL][0].estimate == pytest.approx(died.mean() * (1 - died.mean()))
    assert scores.auc["m"][0].estimate == pytest.approx((risk[died][:, None] > risk[~died]).mean())


def test_the_same_model_differs_by_nothing() -> None:
    outcome, risk = made(1, 50, competing=False)
    scores = prediction_scores(outcome, {"a": risk[:, None], "b": risk[:, None]}, np.array([20.0]))
    (difference,) = score_differences(scores.auc, "a", reference="b")
    assert (difference.estimate, difference.se, difference.p) == (0.0, 0.0, 1.0)


def test_perfect_and_constant_risks() -> None:
    outcome, _ = made(1, 50, competing=False)
    perfect = score(outcome, (outcome.time <= 20).astype(float))
    assert perfect.auc["m"][0].estimate == pytest.approx(1.0)
    assert (perfect.brier["m"][0].estimate, perfect.ipa["m"][0].estimate) == (0, 1)
    assert score(outcome, np.full(50, 0.3)).auc["m"][0].estimate == pytest.approx(0.5)


def test_what_cannot_be_checked_is_said() -> None:
    outcome = Outcome(np.array([2.0, 3.0, 4.0]), np.array([0, 1, 0]))
    with pytest.raises(NotEstimableError, match=r"no events by 2\.5"):
        known_status(outcome, 2.5)
    with pytest.raises(NotEstimableError, match="nobody is followed beyond 4"):
        known_status(outcome, 4.0)
    with pytest.raises(NotEstimableError, match="enter late"):
        known_status(Outcome(outcome.time, outcome.event, np.array([0.0, 1.0, 0.0])), 3.0)
