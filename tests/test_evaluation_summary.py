"""Rows of an evaluation from its table: means of clusters, frames, structures, who is counted, two systems."""

from collections.abc import Iterable
from math import nan
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.evaluation.against import NON_INFERIOR, NOT_SHOWN, difference_rows, inferiority_p, side_rows
from cinema_cli.analysis.evaluation.means import clustered_means
from cinema_cli.analysis.evaluation.people import groups_of_people
from cinema_cli.analysis.evaluation.summary import ALL_FRAMES, judged, summary_rows
from cinema_cli.analysis.evaluation.table import (
    EVALUATION,
    Compared,
    Kind,
    Note,
    System,
    checked_evaluation,
    evaluation_table,
)
from cinema_cli.analysis.evaluation.worst import worst_cases
from cinema_cli.analysis.statistics.delong import auc, unpaired_difference
from cinema_cli.analysis.survival.reading import read_source
from cinema_cli.domain.errors import ConfigError

QUICK = settings(max_examples=25, derandomize=True, deadline=None)
NUMBERS = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=2, max_size=12)


def dice(person: int, value: float | None, **more: str) -> Compared:
    """A Dice value of the left ventricle at end-diastole."""
    told = {"term": "lv", "frame": "ed", "system": System.THIS, "note": Note.NONE} | more
    return Compared(f"sub-{person}", Kind.MASK, told["term"], "dice", value=value, frame=told["frame"],
                    system=System(told["system"]), note=Note(told["note"]))  # fmt: skip


def one(rows: Iterable[Estimate], **wanted: str) -> Estimate:
    """The only row that fits."""
    found = [row for row in rows if all(getattr(row, name) == value for name, value in wanted.items())]
    assert len(found) == 1, found
    return found[0]


@QUICK
@given(NUMBERS)
def test_the_mean_of_persons_is_that_of_a_t_test(values: list[float]) -> None:
    rows = pl.DataFrame({"participant_id": [str(k) for k in range(len(values))], "value": values, "cell": "a"})
    found = clustered_means(rows, ["cell"]).row(0, named=True)
    assert found["estimate"] == pytest.approx(np.mean(values), abs=1e-9)
    if np.ptp(values) == 0:
        assert found["lower"] == found["upper"] and found["p"] == float(values[0] == 0)
        return
    test = stats.ttest_1samp(values, 0.0)
    interval = test.confidence_interval(0.95)
    assert_allclose([found["lower"], found["upper"]], [interval.low, interval.high], rtol=1e-6, atol=1e-9)
    assert found["p"] == pytest.approx(test.pvalue, rel=1e-6, abs=1e-12)


@QUICK
@given(NUMBERS)
def test_studies_of_a_person_are_one_cluster(values: list[float]) -> None:
    """Every study twice leaves the error as it was, as one study a person gives it."""
    people = [str(k) for k in range(len(values))]
    once = clustered_means(pl.DataFrame({"participant_id": people, "value": values}).with_columns(cell=1), ["cell"])
    twice = clustered_means(
        pl.DataFrame({"participant_id": people * 2, "value": values * 2}).with_columns(cell=1), ["cell"]
    )
    assert twice["n"][0] == 2 * once["n"][0] and twice["people"][0] == once["people"][0]
    assert_allclose(twice["se"][0], once["se"][0], rtol=1e-9, atol=1e-9)


def test_one_person_has_a_mean_and_no_interval() -> None:
    row = one(summary_rows(evaluation_table([dice(1, 0.9)])), model="dice", term="lv")
    assert (row.n, row.estimate, row.lower, row.upper) == (1, 0.9, None, None)
    assert summary_rows(evaluation_table([])) == []


def test_structures_frames_and_groups_have_their_rows() -> None:
    table = evaluation_table(
        dice(person, 0.5 + 0.1 * person + extra, term=term, frame=frame)
        for person in range(4)
        for term, extra in (("lv", 0.0), ("myo", -0.2))
        for frame in ("ed", "es")
    )
    people = pl.DataFrame({"participant_id": [f"sub-{k}" for k in range(4)], "sex": ["F", "F", "M", None]})
    rows = summary_rows(table, people=people, groups=("sex",))
    assert one(rows, model="dice", term="lv", level="ed", group="").estimate == pytest.approx(0.65)
    women = one(rows, model="dice", term="lv", level="ed", group="sex=F")
    assert (women.n, women.estimate) == (2, pytest.approx(0.55))
    assert one(rows, model="dice", term="lv", level="ed", group="sex=M").n == 1
    median = one(rows, model="dice_median", term="lv", level="ed", group="")
    assert (median.lower, median.estimate, median.upper) == pytest.approx((0.575, 0.65, 0.725))


def test_numbered_frames_are_one_mean_a_study() -> None:
    table = evaluation_table([dice(1, 0.8, frame="0"), dice(1, 0.6, frame="1"), dice(2, 0.9, frame="7")])
    row = one(summary_rows(table), model="dice", term="lv")
    assert (row.level, row.n, row.estimate) == (ALL_FRAMES, 2, pytest.approx(0.8))


def test_limits_of_a_mean_stay_within_what_the_metric_can_be() -> None:
    row = one(summary_rows(evaluation_table([dice(1, 0.2), dice(2, 0.9)])), model="dice")
    assert (row.lower, row.upper) == (0.0, 1.0)


def test_landmarks_have_a_mean_a_study() -> None:
    rows = summary_rows(
        evaluation_table(
            Compared(f"sub-{k}", Kind.LANDMARK, name, "distance_mm", frame="ed", value=value + k)
            for k in range(2)
            for name, value in (("anterior", 1.0), ("posterior", 3.0))
        )
    )
    mean = one(rows, model="landmark_mm", term="mean")
    assert (mean.n, mean.estimate, mean.unit) == (2, 2.5, "mm")


def test_volumes_are_errors() -> None:
    table = evaluation_table(
        Compared(f"sub-{k}", Kind.MASK, "lv", "volume_ml", frame="ed", prediction=100.0 + error, reference=100.0)
        for k, error in enumerate((-4.0, 2.0))
    )
    rows = summary_rows(table)
    assert one(rows, model="volume_error_ml").estimate == -1.0
    assert one(rows, model="volume_absolute_error_ml").estimate == 3.0
    assert {row.unit for row in rows} == {"ml"}


def test_what_is_missing_is_counted_and_in_no_mean() -> None:
    empty = {"note": Note.EMPTY_PREDICTION}
    table = evaluation_table(
        [
            dice(1, 0.9),
            dice(2, 0.0, **empty),  # a Dice of 0 is defined, its surface distance is not
            Compared("sub-2", Kind.MASK, "lv", "hd95_mm", frame="ed", note=Note.EMPTY_PREDICTION),
            dice(3, None, note=Note.EMPTY_TRUTH),
            dice(4, None, note=Note.NO_PREDICTION),
            dice(5, None, frame="1", note=Note.BOTH_EMPTY),
            dice(5, None, frame="2", note=Note.BOTH_EMPTY),
        ]
    )
    rows = summary_rows(table)
    assert one(rows, model="dice", term="lv", level="ed").n == 2
    counts = {(row.model, row.level): row.n for row in rows if row.analysis == "counts"}
    assert counts == {
        ("empty_prediction", "ed"): 1,
        ("empty_truth", "ed"): 1,
        ("no_prediction", "ed"): 1,
        ("both_empty", ALL_FRAMES): 2,
    }


def both(values: Iterable[tuple[float, float]]) -> pl.DataFrame:
    """Dice of two systems, a pair a person."""
    return evaluation_table(
        row for k, (own, other) in enumerate(values) for row in (dice(k, own), dice(k, other, system=System.AGAINST))
    )


@QUICK
@given(st.integers(0, 1000))
def test_two_systems_are_compared_in_pairs(seed: int) -> None:
    draw = np.random.default_rng(seed)
    own, other = draw.uniform(0.5, 1.0, size=(2, 15))
    rows = difference_rows(both(zip(own, other, strict=True)), margins={"dice": 0.05}, seed=1)
    main = one(rows, analysis="difference", model="dice", term="lv")
    test = stats.ttest_rel(own, other)
    assert_allclose([main.estimate, main.p], [np.mean(own - other), test.pvalue], rtol=1e-9)
    assert one(rows, model="dice_wilcoxon", term="lv").p == pytest.approx(stats.wilcoxon(own, other).pvalue)
    swapped = difference_rows(both(zip(other, own, strict=True)), seed=1)
    assert_allclose(one(swapped, model="dice", term="lv").estimate, -main.estimate)
    verdict = one(rows, analysis="non_inferiority", model="dice", term="lv")
    assert (verdict.level, verdict.group) == ("0.05", "ed")
    assert (verdict.unit == NON_INFERIOR) == (main.lower > -0.05)  # as the interval says
    assert verdict.p == pytest.approx(stats.ttest_1samp(own - other, -0.05, alternative="greater").pvalue)
    resampled = one(rows, model="dice_bootstrap", term="lv")
    assert_allclose([resampled.lower, resampled.upper], [main.lower, main.upper], atol=0.04)


def test_only_pairs_count_and_errors_are_better_when_smaller() -> None:
    rows = [
        Compared(f"sub-{k}", Kind.VALUE, "lvef_pct", "value", system=system, prediction=50.0 + error, reference=50.0)
        for k in range(6)
        for system, error in ((System.THIS, (-1.0) ** k * (4.0 + 0.1 * k)), (System.AGAINST, 2.0))
        if (k, system) != (5, System.AGAINST)
    ]
    found = difference_rows(evaluation_table(rows), margins={"lvef_pct": 3.0})
    main = one(found, analysis="difference", model="mae")
    assert main.n == 5 and main.estimate == pytest.approx(2.2)
    assert one(found, analysis="non_inferiority").unit == NON_INFERIOR
    tight = difference_rows(evaluation_table(rows), margins={"lvef_pct": 2.0})
    assert one(tight, analysis="non_inferiority").unit == NOT_SHOWN


def test_each_system_has_its_mean_in_the_same_studies_unless_a_few_more_would_follow() -> None:
    own, other = np.array([0.9, 0.8, 0.7, 0.95, 0.85]), np.array([0.8, 0.7, 0.75, 0.9, 0.6])
    rows = side_rows(both(zip(own, other, strict=True)), min_cell=10)
    this = one(rows, model="dice_this", term="lv")
    assert (this.n, this.estimate) == (5, pytest.approx(own.mean()))
    low, high = stats.ttest_1samp(own, 0).confidence_interval()
    assert_allclose([this.lower, this.upper], [low, high], rtol=1e-9)
    assert one(rows, model="dice_other", term="lv").estimate == pytest.approx(other.mean())
    more = pl.concat([both(zip(own, other, strict=True)), evaluation_table([dice(9, 0.1)])])
    assert not side_rows(more, min_cell=2) and one(side_rows(more), model="dice_this", term="lv").n == 5


def test_areas_are_compared_by_delong_and_one_class_is_said() -> None:
    def said(truth: Iterable[int]) -> pl.DataFrame:
        draw = np.random.default_rng(3)
        return evaluation_table(
            Compared(f"sub-{k}", Kind.CLASS, "disease", "probability:yes", system=system,
                     prediction=float(draw.uniform()), reference=float(event))
            for k, event in enumerate(truth)
            for system in System
        )  # fmt: skip

    area = one(difference_rows(said([0, 1] * 10)), model="auc")
    assert (area.n, area.events, area.level) == (20, 10, "yes") and 0 < (area.p or nan) <= 1
    none = difference_rows(said([1] * 10))
    assert "same class" in one(none, analysis="not_estimable").level


@pytest.mark.parametrize("n", [40, 18])  # 20 with the disease; 9: too few for limits
def test_areas_of_other_people_are_compared_without_pairs(n: int) -> None:
    draw = np.random.default_rng(3)
    scores = {system: np.round(draw.normal(size=n) + np.arange(n) % 2, 3) for system in System}
    table = evaluation_table(
        Compared(f"{system}-{k}", Kind.CLASS, "disease", "probability:yes", system=system,
                 prediction=float(score), reference=float(k % 2))
        for system in System
        for k, score in enumerate(scores[system])
    )  # fmt: skip
    row = one(difference_rows(table, margins={"auc": 0.5}), analysis="difference")
    told = unpaired_difference(*(auc(scores[system], np.arange(n) % 2 == 1) for system in System))
    assert (row.n, row.events, row.level, row.estimate) == (n, n // 2, "yes (of other people)", told.estimate)
    assert (row.lower, row.p) == ((told.lower, told.p) if n == 40 else (None, None))


@pytest.mark.parametrize(("worse", "p"), [(0.01, 0.0), (0.05, 1.0)])
def test_a_difference_without_spread_is_on_one_side_of_the_margin(worse: float, p: float) -> None:
    assert inferiority_p(worse, se=0.0, margin=0.02, df=4) == p


def test_the_table_is_filled_and_faults_are_refused() -> None:
    table = checked_evaluation(pl.DataFrame({"participant_id": ["a"], "kind": ["mask"], "value": [nan]}))
    assert table.columns == list(EVALUATION)
    assert table["value"].null_count() == 1 and table["system"].to_list() == ["this"]
    with pytest.raises(ValueError, match="no columns"):
        checked_evaluation(pl.DataFrame({"dice": [1.0]}))
    with pytest.raises(ValueError, match="no note"):
        checked_evaluation(table.with_columns(note=pl.lit("odd")))
    assert judged(table.clear()).is_empty()


def test_the_worst_studies_are_named_once_each_and_worst_first() -> None:
    table = evaluation_table(
        [dice(k, 0.9 - 0.1 * k, frame=frame) for k in range(4) for frame in ("ed", "es")]
        + [dice(9, 0.1, system=System.AGAINST), dice(8, None, note=Note.BOTH_EMPTY)]
        + [Compared(f"sub-{k}", Kind.VALUE, "lvef_pct", "value", value=-3.0 * k) for k in range(4)]
    )
    worst = worst_cases(table, most=2)
    assert worst["participant_id"].to_list() == ["sub-3", "sub-2", "sub-3", "sub-2"]
    assert worst["metric"].to_list() == ["dice", "dice", "value", "value"]
    assert worst["value"].to_list() == pytest.approx([0.6, 0.7, -9.0, -6.0])
    assert worst_cases(table.clear()).is_empty()
    value = pl.when(pl.col("metric") == "dice").then(1.0).when(pl.col("kind") == "value").then(0.0).otherwise("value")
    assert not {"dice", "value"} & set(worst_cases(table.with_columns(value=value))["metric"])


def test_groups_come_from_the_first_table_that_has_them(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("patient,sex\n001,F\n002,\n001,M\n")
    (tmp_path / "q.csv").write_text("participant_id,sex,site\nsub-001,M,a\nsub-003,M,b\n")
    sources = [
        read_source(tmp_path / name, called="table", option="--people", code="people") for name in ("p.csv", "q.csv")
    ]
    people = groups_of_people(sources, ("sex", "site"))
    told = {("001", "F", "a"), ("002", None, None), ("003", None, "b")}
    assert set(people.iter_rows()) == told | {(f"sub-{name}", sex, site) for name, sex, site in told}
    with pytest.raises(ConfigError, match="no column vendor"):
        groups_of_people(sources, ("vendor",))
    (tmp_path / "r.csv").write_text("name,sex\na,F\n")
    odd = read_source(tmp_path / "r.csv", called="table", option="--people", code="people")
    with pytest.raises(ConfigError, match="no column participant_id"):
        groups_of_people([odd], ("sex",))
    assert groups_of_people([odd], ("sex",), id_column="name").rows() == [("a", "F"), ("sub-a", "F")]


def grouped(sizes: dict[str, int], *, empty: int = 0) -> pl.DataFrame:
    """Estimates of Dice by sex, with so many studies whose prediction is empty."""
    sexes = [sex for sex, n in sizes.items() for _ in range(n)]
    rows = [dice(k, 0.8 + 0.001 * k) for k in range(len(sexes))]
    rows += [
        Compared(f"sub-{k}", Kind.MASK, "lv", "hd95_mm", frame="ed", value=None if k < empty else 2.0 + 0.1 * k,
                 note=Note.EMPTY_PREDICTION if k < empty else Note.NONE) for k in range(len(sexes))
    ]  # fmt: skip
    people = pl.DataFrame({"participant_id": [f"sub-{k}" for k in range(len(sexes))], "sex": sexes})
    return table_of(summary_rows(evaluation_table(rows), people=people, groups=("sex",)))


def test_a_small_group_is_hidden_and_the_others_are_rounded_so_that_it_does_not_follow() -> None:
    found = grouped({"F": 20, "M": 30, "X": 4})
    shown = suppressed(found, min_cell=10)
    by_group = {row["group"]: row for row in shown.filter(model="dice", term="lv").iter_rows(named=True)}
    assert by_group[""]["n"] == 54
    assert by_group["sex=X"]["suppressed"]
    assert all(by_group["sex=X"][name] is None for name in ("n", "estimate", "lower", "upper"))
    assert (by_group["sex=F"]["n"], by_group["sex=F"]["rounded"]) == (20, 10)
    exact = {row["group"]: row for row in found.filter(model="dice", term="lv").iter_rows(named=True)}
    for group in ("sex=F", "sex=M"):  # to a unit with which the mean of the four is open by more than it varies
        assert by_group[group]["estimate"] == pytest.approx(0.005 * round(exact[group]["estimate"] / 0.005))
        assert by_group[group]["lower"] < exact[group]["lower"] + 0.0025 < by_group[group]["upper"]
    assert suppressed(grouped({"F": 20, "M": 30}), min_cell=10).equals(grouped({"F": 20, "M": 30}))


def test_few_empty_masks_are_hidden_and_do_not_follow_from_the_numbers_of_studies() -> None:
    shown = suppressed(grouped({"F": 20, "M": 30}, empty=3), min_cell=10)
    assert shown.filter(analysis="counts")["n"].to_list() == [None]
    n = shown.filter(term="lv", group="").select("model", "n")
    assert dict(n.iter_rows())["dice"] == 50
    (hd95,) = shown.filter(term="lv", group="", model="hd95_mm").select("n", "rounded").rows()
    assert hd95 == (50, 10)  # of 41 to 49


def test_bins_do_not_give_a_hidden_number_of_people_away() -> None:
    def rows(n: int) -> pl.DataFrame:
        bins = [
            Estimate("bland_altman", model="agreement", term="lvef_pct", level=str(k), n=n // 2, estimate=1.0)
            for k in range(2)
        ]
        return table_of([Estimate("evaluation", model="dice", term="lv", n=50, estimate=0.9), *bins,
                         Estimate("agreement", model="bias", term="lvef_pct", n=n, estimate=1.0)])  # fmt: skip

    assert suppressed(rows(44), min_cell=10)["n"].to_list() == [50, 20, 20, 50]  # each of 15 to 24
    assert suppressed(rows(50), min_cell=10).equals(rows(50))
