"""Models of many columns: glmnet's coefficients (golden/statistics/r_golden2.json), and no person on both sides."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from statistics_golden import columns, outcome_of, r_data, r_values

from cinema_cli.analysis.statistics.forest import forest_concordance
from cinema_cli.analysis.statistics.grouped_folds import FoldConcordance, grouped_folds
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.penalised import penalised_concordance, penalised_path
from cinema_cli.domain.errors import NotEstimableError


def test_path_as_glmnet() -> None:  # r_golden2 rott_coxnet, terms of r_golden rotterdam_cox
    entry, data = r_values("r_golden2")["rott_coxnet"], r_data("rotterdam_train")
    x = columns(data, *r_values()["rotterdam_cox"]["terms"])
    path = penalised_path(
        outcome_of(data, "dtime", "death"), x, l1_ratio=entry["alpha"], penalties=np.array(entry["lambda"])
    )
    theirs = np.array(entry["coef"])
    assert_allclose(path.penalties, entry["lambda"])
    assert_allclose(path.coef, theirs, rtol=1e-2, atol=1e-6)
    assert np.array_equal(path.coef != 0, theirs != 0)


def made(people: int, width: int, *, effect: float, visits: int = 1, seed: int = 0) -> tuple[Outcome, Floats, Ints]:
    """People whose first column raises the hazard; each visit of a person is the same row again."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(people, width))
    time, censored = rng.exponential(size=people) * np.exp(-effect * x[:, 0]), rng.exponential(size=people)
    rows = np.repeat(np.arange(people), visits)
    return Outcome(np.minimum(time, censored), (time <= censored).astype(np.int64)).take(rows), x[rows], rows


def test_finds_what_is_there() -> None:
    outcome, x, person = made(300, 10, effect=1.0)
    found = penalised_concordance(outcome, x, person, seed=0, folds=3, inner_folds=3)
    assert 0.65 < found.mean < 0.80  # C of the true score, log hazard ratio 1 per SD: about 0.74
    assert found.limits[0] > 0.6
    assert found.n.sum() == 300
    assert found.events.sum() == outcome.n_events


def test_copies_of_a_person_are_never_on_both_sides() -> None:
    """Columns of noise foretell nothing; where copies of people part, they foretell the copies."""
    outcome, x, person = made(60, 100, effect=0.0, visits=3)
    honest = penalised_concordance(outcome, x, person, seed=0, folds=3, inner_folds=3)
    leaking = penalised_concordance(outcome, x, np.arange(len(person)), seed=0, folds=3, inner_folds=3)
    assert abs(honest.mean - 0.5) < 3 * honest.mean_se
    assert leaking.mean > 0.8


def test_copies_of_a_person_add_no_certainty() -> None:
    once = penalised_concordance(*made(150, 5, effect=1.0), seed=0, folds=3, inner_folds=3)
    thrice = penalised_concordance(*made(150, 5, effect=1.0, visits=3), seed=0, folds=3, inner_folds=3)
    assert_allclose(thrice.c, once.c, rtol=0.01)
    assert_allclose(thrice.se, once.se, rtol=0.05)


def test_folds_part_no_person_and_hold_everybody_out_once() -> None:
    person = np.random.default_rng(0).integers(0, 40, 200)
    held = []
    for fitted, out in grouped_folds(person, 5, seed=1):
        assert not set(person[fitted]) & set(person[out])
        assert len(fitted) + len(out) == 200
        held.append(out)
    assert sorted(np.concatenate(held).tolist()) == list(range(200))
    with pytest.raises(NotEstimableError, match="fewer than 5 people: none"):
        next(grouped_folds(np.array([1, 1, 2, 3, 4, 4]), 5, seed=1))


def test_same_seed_same_folds_and_unit_of_columns_does_not_matter() -> None:
    outcome, x, person = made(120, 5, effect=1.0)
    found = penalised_concordance(outcome, x, person, seed=0, folds=3, inner_folds=3)
    scaled = penalised_concordance(outcome, x * 1000 + 7, person, seed=0, folds=3, inner_folds=3)
    other = penalised_concordance(outcome, x, person, seed=1, folds=3, inner_folds=3)
    assert_allclose(scaled.c, found.c, rtol=1e-6)
    assert not np.array_equal(other.c, found.c)


def test_forest_finds_what_is_not_linear() -> None:
    outcome, x, person = made(300, 3, effect=0.0)
    time = outcome.time * np.exp(-2 * np.abs(x[:, 0]))
    bent = Outcome(time, np.ones(300, dtype=np.int64))
    forest = forest_concordance(bent, x, person, seed=0, folds=2)
    linear = penalised_concordance(bent, x, person, seed=0, folds=2, inner_folds=2)
    assert forest.note == ""
    assert forest.mean > linear.mean + 0.1


def test_forest_is_grown_on_so_many_rows_and_says_so() -> None:
    outcome, x, person = made(200, 2, effect=1.0, visits=2)
    found = forest_concordance(outcome, x, person, seed=0, folds=2, most_rows=150)
    assert found.note == "The forest was grown on 150 rows, drawn at random by person."
    assert found.n.sum() == 150


def test_mean_of_folds() -> None:
    folds = FoldConcordance(np.array([0.6, 0.8]), np.array([0.03, 0.04]), np.array([10, 10]), np.array([5, 5]))
    assert_allclose([folds.mean, folds.mean_se], [0.7, 0.025])
    assert_allclose(folds.limits, [0.651, 0.749], atol=1e-4)


def test_what_is_refused() -> None:
    outcome, x, person = made(60, 2, effect=0.0)
    few = Outcome(outcome.time, np.where(np.arange(60) < 19, 1, 0))
    late = Outcome(outcome.time, outcome.event, np.zeros(60))
    for concordance_of in (penalised_concordance, forest_concordance):
        with pytest.raises(NotEstimableError, match="fewer than 20 events"):
            concordance_of(few, x, person, seed=0)
        with pytest.raises(NotEstimableError, match="know no late entry"):
            concordance_of(late, x, person, seed=0)
    with pytest.raises(NotEstimableError, match="no events"):
        penalised_path(Outcome(outcome.time, np.zeros(60, dtype=np.int64)), x)
