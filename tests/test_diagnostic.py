"""Areas under ROC curves, shares and correlations of classes against R (pROC), scikit-learn and the reference's own."""

import numpy as np
import pytest
from functions_golden import arrays, needs_golden, said
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm, t
from statistics_golden import columns, r_data, r_values

from cinema_cli.analysis.statistics.comparison import difference
from cinema_cli.analysis.statistics.delong import (
    FEWEST,
    auc,
    auc_interval,
    auc_one_vs_one,
    roc_at,
    roc_curve,
    unpaired_difference,
)
from cinema_cli.analysis.statistics.diagnostic import (
    Counts,
    accuracy,
    clopper_pearson,
    confusion,
    counts,
    ef_categories,
    entropy,
    mcc,
    rates,
    wilson,
)
from cinema_cli.analysis.statistics.probability import (
    brier,
    brier_classes,
    calibration_in_the_large,
    calibration_slope,
    merged_bins,
    probability_bins,
)
from cinema_cli.domain.errors import NotEstimableError
from cinema_cli.domain.volumes import VentricularVolumes

R = r_values("r_golden3")
P1, P2, MENO, Y = columns(r_data("binary_5y"), "p1", "p2", "meno", "y").T
SICK = Y == 1
LAWS = settings(max_examples=30, deadline=None, derandomize=True)
SEEDS = st.integers(0, 10_000)


def made(seed: int, n: int = 40, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and classes of which each is there twice or more."""
    rng = np.random.default_rng(seed)
    label = np.concatenate([np.repeat(np.arange(classes), 2), rng.integers(0, classes, n - 2 * classes)])
    return np.round(rng.normal(label, 1.5), 1), label


def test_delong_as_proc() -> None:  # r_golden3 auc
    a, b, told = auc(P1, SICK), auc(P2, SICK), R["auc"]
    assert_allclose([a.estimate, a.se, b.estimate, b.se], [told[k] for k in ("auc1", "se1", "auc2", "se2")], rtol=1e-10)
    assert_allclose([b.lower, b.estimate, b.upper], told["ci2"], rtol=1e-10)
    apart = difference(a, b)
    assert_allclose([apart.estimate / apart.se, apart.p], [told["delong_z"], told["delong_p"]], rtol=1e-8)


@pytest.mark.parametrize(("n_sick", "n_well"), [(10, 10), (10, 40), (20, 20)])
@pytest.mark.parametrize("area", [0.75, 0.9])
def test_limits_of_an_area_hold_it_in_small_samples(area: float, n_sick: int, n_well: int) -> None:
    """95 % limits, 800 samples of normal scores; those of pROC hold it too seldom, which is why a page has others."""
    rng, positive = np.random.default_rng(5), np.arange(n_sick + n_well) < n_sick
    held = np.zeros(2)
    for _ in range(800):
        found = auc(rng.normal(size=len(positive)) + positive * (np.sqrt(2) * norm.ppf(area)), positive)
        shown = auc_interval(found, smallest=min(n_sick, n_well))
        held += [found.lower <= area <= found.upper, shown.lower <= area <= shown.upper]
        held[1] += np.isnan(shown.lower)  # apart entirely: nothing is claimed
    of_proc, of_page = held / 800
    assert of_proc < of_page
    assert 0.935 < of_page < 0.99
    assert np.isnan(auc_interval(found, smallest=FEWEST - 1).lower)


def test_delong_of_other_people_as_proc() -> None:  # r_golden3 auc_subgroup
    parts = [auc(P2[of_group], SICK[of_group]) for of_group in (MENO < 1, MENO > 0)]
    told, found = R["auc_subgroup"], unpaired_difference(*parts)
    assert_allclose([part.estimate for part in parts], [told["auc0"], told["auc1"]], rtol=1e-10)
    assert_allclose(found.estimate / np.sqrt(sum(part.variance for part in parts)), told["z"], rtol=1e-8)
    assert_allclose(found.p, told["p"], rtol=1e-8)
    half = (found.upper - found.estimate) / np.sqrt(sum(part.variance for part in parts))
    assert_allclose(half, t.ppf(0.975, told["parameter"]), rtol=1e-8)


@pytest.mark.parametrize("entry", R["sens_spec"], ids=lambda e: f"meno{e['meno']}")
def test_sensitivity_and_specificity_as_r(entry: dict[str, float | list[float]]) -> None:  # r_golden3 sens_spec
    people = entry["meno"] == MENO
    found = rates(counts(SICK[people], P2[people] > entry["threshold"]))
    assert found.counts == Counts(*(entry[name] for name in ("tp", "fn", "tn", "fp")))
    for share, told in ((found.sensitivity, entry["sens"]), (found.specificity, entry["spec"])):
        assert_allclose([share.estimate, share.lower, share.upper], told, rtol=1e-10)
    exact = clopper_pearson(found.counts.tp, found.counts.tp + found.counts.fn)
    assert_allclose([exact.estimate, exact.lower, exact.upper], entry["sens_cp"], rtol=1e-10)


@needs_golden
def test_several_classes_as_the_paper() -> None:  # cls_reg.npz, info.json classification_metrics.multi
    z, told = arrays("cls_reg"), said("classification_metrics")["multi"]
    probability, label = z["multi_prob"], z["multi_true"]
    table = confusion(label, probability.argmax(axis=1), 5)
    assert_allclose(accuracy(table).estimate, told["accuracy"], rtol=1e-12)
    assert_allclose(accuracy(table).estimate, told["f1"], rtol=1e-12)
    assert_allclose(mcc(table).estimate, told["mcc"], rtol=1e-12)
    assert_allclose(entropy(probability).mean(), told["entropy"], rtol=1e-9)
    assert_allclose(auc_one_vs_one(probability, label).estimate, told["roc_auc"], rtol=1e-12)


@needs_golden
def test_two_classes_as_the_paper() -> None:  # cls_reg.npz, info.json classification_metrics.binary
    z, told = arrays("cls_reg"), said("classification_metrics")["binary"]
    positive, probability = z["bin_true"] == 1, z["bin_prob"]
    found = rates(counts(positive, probability.argmax(axis=1) == 1))
    for name in ("accuracy", "specificity", "sensitivity", "f1", "mcc"):
        assert_allclose(getattr(found, name).estimate, told[name], rtol=1e-12)
    assert_allclose(entropy(probability).mean(), told["entropy"], rtol=1e-9)
    for area in (auc(probability[:, 1], positive), auc_one_vs_one(probability, z["bin_true"])):
        assert_allclose(area.estimate, told["roc_auc"], rtol=1e-12)


@needs_golden
def test_categories_of_the_paper() -> None:  # info.json ef.regions
    told = said("ef")["regions"]
    assert VentricularVolumes(120.0, 50.0).ejection_fraction_pct == said("ef")["ef(120,50)"]
    assert ef_categories(np.array([float(ef) for ef in told])).tolist() == list(told.values())


def test_probabilities_as_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import brier_score_loss

    assert_allclose(brier(P1, SICK).estimate, brier_score_loss(Y, P1), rtol=1e-12)
    assert_allclose(
        brier_classes(np.column_stack([1 - P1, P1]), SICK.astype(int)).estimate, 2 * brier(P1, SICK).estimate
    )
    logit = np.log(P1 / (1 - P1))[:, None]
    told = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit, Y).coef_[0, 0]
    assert_allclose(calibration_slope(P1, SICK).estimate, told, rtol=1e-5)
    assert abs(calibration_in_the_large(np.full(len(Y), Y.mean()), SICK).estimate) < 1e-10


def test_mcc_as_scikit_learn_and_its_limits_as_resampling() -> None:
    from sklearn.metrics import matthews_corrcoef

    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 300)
    said_to_be = np.where(rng.random(300) < 0.6, label, rng.integers(0, 3, 300))
    found = mcc(confusion(label, said_to_be, 3))
    assert_allclose(found.estimate, matthews_corrcoef(label, said_to_be), rtol=1e-12)
    picks = rng.integers(0, 300, (2000, 300))
    resampled = [mcc(confusion(label[pick], said_to_be[pick], 3)).estimate for pick in picks]
    assert_allclose([found.lower, found.upper], np.quantile(resampled, [0.025, 0.975]), atol=0.012)


def test_error_of_the_area_of_classes_as_resampling() -> None:
    rng = np.random.default_rng(5)
    label = rng.integers(0, 3, 200)
    score = rng.normal(0, 1, (200, 3)) + np.eye(3)[label]
    picks = rng.integers(0, 200, (300, 200))
    spread = np.std([auc_one_vs_one(score[pick], label[pick]).estimate for pick in picks])
    assert_allclose(auc_one_vs_one(score, label).se, spread, rtol=0.12)


def test_limits_of_f1() -> None:
    rng = np.random.default_rng(2)
    positive = rng.random((2000, 80)) < 0.4
    told = np.where(rng.random(positive.shape) < 0.8, positive, ~positive)
    truth = 2 * 0.4 * 0.8 / (2 * 0.4 * 0.8 + 0.6 * 0.2 + 0.4 * 0.2)
    found = [rates(counts(p, t)).f1 for p, t in zip(positive, told, strict=True)]
    assert 0.93 < np.mean([i.lower <= truth <= i.upper for i in found]) < 0.985


@LAWS
@given(seed=SEEDS)
def test_laws_of_the_area(seed: int) -> None:
    score, label = made(seed)
    positive, order = label == 1, np.random.default_rng(seed).permutation(40)
    found = auc(score, positive)
    counted = np.mean(np.sign(score[positive][:, None] - score[~positive]) / 2 + 0.5)
    assert_allclose(found.estimate, counted, rtol=1e-12)
    for other, value in (
        (auc(score[order], positive[order]), found.estimate),
        (auc(3 * score + 7, positive), found.estimate),
        (auc(-score, positive), 1 - found.estimate),
        (auc(score, ~positive), 1 - found.estimate),
    ):
        assert_allclose([other.estimate, other.se], [value, found.se], rtol=1e-9, atol=1e-12)
    thresholds, false, hit = roc_curve(score, positive)
    assert_allclose(np.trapezoid(hit, false), found.estimate, rtol=1e-12)
    assert np.all(np.diff(thresholds) < 0)
    grid = np.linspace(0, 1, 21)
    assert np.all(np.diff(roc_at(score, positive, grid)) >= 0)
    interval = auc_interval(found, smallest=FEWEST)
    assert 0 <= interval.lower <= interval.estimate <= interval.upper <= 1


@LAWS
@given(seed=SEEDS)
def test_laws_of_classes(seed: int) -> None:
    _, label = made(seed, classes=3)
    told = np.random.default_rng(seed).permutation(label)
    table = confusion(label, told, 3)
    found = mcc(table)
    assert -1 <= found.lower <= found.estimate <= found.upper <= 1
    assert_allclose(mcc(table.T).estimate, found.estimate, rtol=1e-9, atol=1e-12)
    turned = mcc(table[[2, 0, 1]][:, [2, 0, 1]])
    assert_allclose([turned.estimate, turned.lower], [found.estimate, found.lower], rtol=1e-9, atol=1e-9)
    assert mcc(confusion(label, label, 3)).estimate == pytest.approx(1)


@LAWS
@given(n=st.integers(1, 200), share=st.floats(0, 1))
def test_laws_of_shares(n: int, share: float) -> None:
    events = round(n * share)
    for limits in (wilson, clopper_pearson):
        found, other = limits(events, n), limits(n - events, n)
        assert 0 <= found.lower <= found.estimate <= found.upper <= 1
        assert_allclose([1 - other.upper, 1 - other.lower], [found.lower, found.upper], atol=1e-9)


@LAWS
@given(seed=SEEDS)
def test_bins_hold_everybody(seed: int) -> None:
    score, label = made(seed)
    bins = probability_bins(1 / (1 + np.exp(-score)), label == 1, bins=5)
    assert sum(b.n for b in bins) == 40
    assert sum(b.events for b in bins) == (label == 1).sum()
    assert np.all(np.diff([b.predicted for b in bins]) > 0)


@LAWS
@given(seed=SEEDS, fewest=st.integers(1, 12))
def test_merged_bins_hold_everybody_and_enough_of_each(seed: int, fewest: int) -> None:
    score, label = made(seed)
    bins = probability_bins(1 / (1 + np.exp(-score)), label == 1)
    merged = merged_bins(bins, fewest=fewest)
    assert sum(b.n for b in merged) == 40
    assert_allclose(sum(b.n * b.predicted for b in merged), sum(b.n * b.predicted for b in bins))
    small = [b for b in merged if 0 < b.events < fewest or 0 < b.n - b.events < fewest]
    assert not small or len(merged) == 1
    if fewest == 1:
        assert merged == bins


def test_one_class_only() -> None:
    score, all_of_one = np.array([0.1, 0.4, 0.8]), np.ones(3, dtype=bool)
    for area in (auc, roc_curve, calibration_slope, calibration_in_the_large):
        for positive in (all_of_one, ~all_of_one):
            with pytest.raises(NotEstimableError, match="same class"):
                area(score, positive)
    with pytest.raises(NotEstimableError, match="same class"):
        auc_one_vs_one(np.full((3, 2), 0.5), np.zeros(3, dtype=np.int64))
    found = rates(counts(all_of_one, score > 0.3))
    assert found.sensitivity.estimate == pytest.approx(2 / 3)
    assert np.isnan([found.specificity.estimate, found.mcc.estimate]).all()
    assert np.isnan(mcc(np.zeros((3, 3), dtype=np.int64)).estimate)


def test_one_person_of_a_class_and_classes_apart() -> None:
    assert auc(np.array([0.1, 0.4, 0.3]), np.array([False, True, False])).estimate == 1
    apart = auc(np.arange(10.0), np.arange(10) > 4)
    assert apart.estimate == 1
    assert np.isnan(auc_interval(apart, smallest=FEWEST).lower)
    assert np.isnan(unpaired_difference(apart, apart).p)
    with pytest.raises(NotEstimableError, match="apart entirely"):
        calibration_slope(np.linspace(0.1, 0.9, 10), np.arange(10) > 4)
    with pytest.raises(NotEstimableError, match="all predicted probabilities are the same"):
        calibration_slope(np.full(10, 0.2), np.arange(10) > 4)


def test_the_same_score_of_all() -> None:
    same, positive = np.full(10, 0.5), np.arange(10) > 6
    assert auc(same, positive).estimate == 0.5
    assert roc_at(same, positive, np.array([0.0, 0.5, 1.0])).tolist() == [0.0, 0.5, 1.0]
    assert [(b.n, b.events) for b in probability_bins(same, positive)] == [(10, 3)]
    assert probability_bins(np.empty(0), np.empty(0, dtype=bool)) == ()
