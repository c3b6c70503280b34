"""Disclosure control of evaluations and audits attacked: other people give the same table, so nobody learns who."""

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import polars as pl
import pytest
from test_fairness_audit import QUICK, some_people

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.evaluation.against import difference_rows
from cinema_cli.analysis.evaluation.agreement_rows import agreement_rows
from cinema_cli.analysis.evaluation.class_rows import class_rows
from cinema_cli.analysis.evaluation.summary import summary_rows
from cinema_cli.analysis.evaluation.table import Compared, Kind, System, evaluation_table
from cinema_cli.analysis.evaluation.values import Answers, compared_values
from cinema_cli.analysis.fairness.audit import audit
from cinema_cli.analysis.fairness.groups import group_columns, intersections
from cinema_cli.analysis.fairness.metric import Metric
from cinema_cli.analysis.fairness.release import released
from cinema_cli.analysis.statistics.group_gaps import Better
from cinema_cli.analysis.survival.reading import Source

MIN_CELL = 10
EFS = (30.0, 50.0, 60.0)  # one of each category
Cells = tuple[tuple[int, ...], ...]
COUNTS = ["n", "events", "rounded", "suppressed"]


def compared(ours: dict[str, list[Any]], true: dict[str, list[Any]]) -> pl.DataFrame:
    """The table of an evaluation of two tables of the same people."""
    ids = [f"sub-{k:04d}" for k in range(len(next(iter(ours.values()))))]
    answers = Answers("ours.csv", pl.DataFrame({"participant_id": ids, **ours}), tuple(ours))
    return compared_values(answers, Source("true.csv", pl.DataFrame({"participant_id": ids, **true}))).table


def few_between(shown: pl.DataFrame) -> list[tuple[object, ...]]:
    """Exact numbers of people that differ by few, and so tell who lacks what, where the sets are nested."""
    exact = shown.filter(pl.col("n").is_not_null(), pl.col("rounded").is_null(), pl.col("analysis") != "flow")
    scope = pl.when(pl.col("group").str.contains("=")).then("group").otherwise(pl.lit("")).alias("scope")
    sizes = exact.select(scope, "n").unique().group_by("scope").agg("n")
    pairs = ((of, *two) for of, numbers in sizes.iter_rows() for two in combinations(numbers, 2))
    return [pair for pair in pairs if 0 < abs(pair[1] - pair[2]) < MIN_CELL]


def nested(lacking: int) -> pl.DataFrame:
    """An evaluation of 200 people: 15 lack the EF, `lacking` of them and others the mass too, nobody the right EF."""
    rng = np.random.default_rng(3)
    true = {"lvef_pct": rng.normal(58, 9, 200), "lvm_g": rng.normal(100, 20, 200), "rvef_pct": rng.normal(60, 9, 200)}
    few = {"lvef_pct": 15, "lvm_g": lacking, "rvef_pct": 0}
    ours = {
        name: [*[None] * few[name], *(values + rng.normal(1, 3, 200))[few[name] :]] for name, values in true.items()
    }
    table = compared(ours, {name: values.tolist() for name, values in true.items()})
    people = pl.DataFrame({"participant_id": [f"sub-{k:04d}" for k in range(200)], "sex": ["F", "M"] * 100})
    rows = summary_rows(table, people=people, groups=["sex"])
    rows += agreement_rows(table, people=people, groups=["sex"], fewest=MIN_CELL)
    return table_of(rows + class_rows(table, people=people, groups=["sex"], fewest=MIN_CELL))


def test_numbers_of_an_evaluation_do_not_tell_who_lacks_only_one_value() -> None:
    table = nested(18)
    assert few_between(table)
    shown = suppressed(table, min_cell=MIN_CELL)
    assert few_between(shown) == []
    assert any(suppressed(nested(k), min_cell=MIN_CELL).select(COUNTS).equals(shown.select(COUNTS)) for k in (17, 19))


@cache
def confused(cells: Cells, *, fewest: int = MIN_CELL) -> pl.DataFrame:
    """What is released of categories of EF with this confusion matrix."""
    said, true = ([EFS[c[k]] for c, n in np.ndenumerate(np.array(cells)) for _ in range(n)] for k in (1, 0))
    rows = class_rows(compared({"lvef_pct": said}, {"lvef_pct": true}), fewest=fewest)
    return suppressed(table_of(rows), min_cell=MIN_CELL)


def others(cells: Cells, place: tuple[int, int]) -> Iterator[Cells]:
    """Matrices of as many people with another number in one cell, of its class or of another."""
    for by, giver in product((1, -1, 2, -2), range(3)):
        made = np.array(cells)
        made[place] += by
        made[giver, giver] -= by
        if made[place] != cells[place[0]][place[1]] and made[place] > 0 and made.min() >= 0:
            yield tuple(map(tuple, made.tolist()))


MATRICES = (
    ((2, 1, 1), (3, 103, 4), (0, 6, 180)),  # 4 people with a reduced EF, 110, 186
    ((31, 2, 0), (5, 60, 9), (1, 4, 88)),
    ((55, 0, 0), (0, 91, 5), (0, 3, 146)),
    ((12, 5, 5), (9, 14, 1), (7, 8, 11)),
)


@pytest.mark.parametrize("cells", MATRICES)
def test_small_cells_of_a_confusion_matrix_do_not_follow_from_rates(cells: Cells) -> None:
    """Sensitivity, specificity and the rest, numbers of classes and of all: another matrix has the same."""
    shown = confused(cells)
    assert shown["estimate"].null_count() < shown.height
    for true, said in np.argwhere((np.array(cells) > 0) & (np.array(cells) < MIN_CELL)).tolist():
        alike = next((made for made in others(cells, (true, said)) if confused(made).equals(shown)), None)
        assert alike, (true, said)
        assert not confused(alike, fewest=1).equals(confused(cells, fewest=1))


def one_is_right(only: tuple[int, int], *, min_cell: int = MIN_CELL) -> pl.DataFrame:
    """Two systems' classes of 300 people, of so many of whom only the one, or the other, is right."""
    rows = [
        Compared(f"sub-{k}", Kind.CLASS, "head", "class", system=system, value=float(not of[0] <= k < of[1]))
        for system, of in ((System.THIS, (only[0], sum(only))), (System.AGAINST, (0, only[0])))
        for k in range(300)
    ]
    found = difference_rows(evaluation_table(rows), margins={"accuracy": 0.05}, min_cell=min_cell)
    return suppressed(table_of(found), min_cell=MIN_CELL)


def test_how_many_only_one_system_is_right_of_does_not_follow_from_the_difference() -> None:
    shown = one_is_right((3, 5))
    assert shown.height == 4 and shown["rounded"].to_list() == [MIN_CELL] * 4
    exact = one_is_right((3, 5), min_cell=1)
    for choices in (((2, 5), (4, 5)), ((3, 4), (3, 6))):
        assert any(one_is_right(only).equals(shown) for only in choices)
        assert not any(one_is_right(only, min_cell=1).equals(exact) for only in choices)


def test_a_hidden_class_does_not_follow_from_the_others() -> None:
    """Four people of 300 are of a class, 110 and 186 of the others: with two or three it is the same table."""
    sizes = {few: ((few - 2, 1, 1), (3, 107 - few, 4), (0, 6, 180)) for few in (2, 3, 4)}
    shown = confused(sizes[4])
    assert all(confused(sizes[few]).equals(shown) for few in (2, 3))
    specificity = shown.filter(model="specificity").select("level", "n", "events")
    assert specificity.rows() == [("reduced", None, None), ("borderline", 300, 110), ("normal", 300, 186)]


def ranked(move: tuple[int, int] = (0, 0), *, fewest: int = MIN_CELL) -> pl.DataFrame:
    """The ROC curve of 260 scores, two people's exchanged."""
    rng = np.random.default_rng(2)
    ill = (rng.uniform(size=260) < 0.35).astype(int)
    score = np.clip(0.3 + 0.35 * ill + rng.normal(0, 0.18, 260), 0.01, 0.99)
    order = np.argsort(-score)
    score[order[list(move)]] = score[order[list(move)[::-1]]]
    rows = class_rows(compared({"ill": score.tolist()}, {"ill": ill.tolist()}), fewest=fewest)
    return table_of(rows).filter(analysis="roc")


def test_no_step_of_a_roc_curve_tells_few_people() -> None:
    shown, exact = (suppressed(ranked(fewest=n), min_cell=MIN_CELL) for n in (MIN_CELL, 1))
    n, events = shown.select("n", "events").row(0)
    steps = np.diff(np.rint(exact["estimate"].to_numpy() * events))
    assert np.any((steps > 0) & (steps < MIN_CELL))
    assert 4 < shown.height < exact.height and shown["estimate"].to_list() == sorted(shown["estimate"].to_list())
    apart = np.diff(shown["level"].cast(pl.Float64).to_numpy())[:-1]
    assert np.all(apart * (n - events) >= MIN_CELL)
    hidden = 0
    for place in range(0, 250, 10):  # a person, and the next but two
        other = ranked((place, place + 3), fewest=1)
        if not other.equals(ranked(fewest=1)):
            hidden += suppressed(ranked((place, place + 3)), min_cell=MIN_CELL).equals(shown)
    assert hidden > 3


def test_shares_of_tenths_do_not_tell_how_many_lack_a_probability() -> None:
    """Of 260 people 18 lack it: a share with all digits has the exact number of a tenth as its denominator."""
    rng = np.random.default_rng(4)
    ill = (rng.uniform(size=260) < 0.4).astype(int)
    score = np.clip(0.4 + 0.3 * ill + rng.normal(0, 0.3, 260), 0.01, 0.99)
    said = {"ill": [*[None] * 18, *score[18:]], "other": rng.uniform(size=260).tolist()}
    rows = class_rows(compared(said, {"ill": ill.tolist(), "other": ill.tolist()}), fewest=MIN_CELL)
    tenths = suppressed(table_of(rows), min_cell=MIN_CELL).filter(analysis="calibration", term="ill")
    shown = tenths.filter(pl.col("estimate").is_not_null())
    assert shown.height > 2 and shown["rounded"].to_list() == [MIN_CELL] * shown.height
    assert shown["estimate"].to_list() == pytest.approx((shown["events"] / shown["n"]).to_list())
    assert few_between(suppressed(table_of(rows), min_cell=MIN_CELL)) == []


def audited(n_rare: int) -> pl.DataFrame:
    """An audit of 202 people: `n_rare` are of a rare group, three lack the second metric, four the site."""
    rng = np.random.default_rng(5)
    place = np.arange(202)
    names = np.where(place < n_rare, "rare", np.where(place % 3 == 0, "b", "a"))
    site = [None if 100 <= k < 104 else "NS"[k % 2] for k in range(202)]
    people = some_people(ethnicity=names.tolist(), site=site, sex=["FM"[k % 5 < 2] for k in range(202)])
    error = rng.gamma(2.0, size=202)
    metrics = [
        Metric("mae", "lvef_pct", Better.LOWER, error),
        Metric("mae", "lvm_g", Better.LOWER, np.where(place > 198, np.nan, error)),
        Metric("failed", "analysis", Better.LOWER, (rng.uniform(size=202) < 0.3).astype(float), is_share=True),
    ]
    columns = group_columns(people, ["ethnicity", "site", "sex"])
    return audit(people, (*columns, *intersections(columns)), metrics, QUICK).estimates


def test_numbers_of_an_audit_do_not_tell_how_many_are_in_a_hidden_group() -> None:
    table = audited(6)
    shown = released(table, min_cell=MIN_CELL)
    assert few_between(table)
    assert few_between(shown) == []
    gaps = shown.filter(analysis="gap")
    assert gaps.filter(group="ethnicity")["rounded"].to_list() == [MIN_CELL] * 3
    whole, *_ = shown.filter(analysis="group_metric", model="people", group="")["n"]
    assert whole == 202 and gaps["n"].null_count() == 0
    (others,) = shown.filter(model="people", group="ethnicity=b").select("n", "rounded").rows()
    assert others == (70, MIN_CELL)  # of 65


def test_a_share_of_all_is_all_whatever_its_numbers_are_rounded_to() -> None:
    table = table_of(
        [
            Estimate("group_metric", model="people", group="site=a", n=151),
            Estimate("group_metric", model="missing", term="x", group="site=a", n=144, events=144, estimate=1.0),
            Estimate("group_metric", model="missing", term="y", group="site=a", n=144, events=0, estimate=0.0),
        ]
    )
    shown = suppressed(table, min_cell=MIN_CELL)
    assert shown.select("n", "events", "estimate").rows()[1:] == [(150, 150, 1.0), (150, 0, 0.0)]


def test_groups_of_two_columns_do_not_tell_who_lacks_one_of_them() -> None:
    """Twelve people have no site, five women and seven men: sexes less their sites are fewer than ten."""
    sizes = {"": 400, "sex=F": 200, "sex=M": 200, "site=N": 190, "site=S": 198}
    both = {"sex=F & site=N": 95, "sex=F & site=S": 100, "sex=M & site=N": 95, "sex=M & site=S": 98}
    rows = [Estimate("group_metric", model="people", group=group, n=n) for group, n in (sizes | both).items()]
    shown = {row["group"]: row for row in suppressed(table_of(rows), min_cell=MIN_CELL).iter_rows(named=True)}
    assert shown[""]["n"] == 400 and shown["site=N"]["n"] == 190 and shown["site=S"]["n"] == 198
    for sex in ("sex=F", "sex=M"):
        told = [row for group, row in shown.items() if sex in group]
        assert len(told) == 3 and any(row["n"] is None or row["rounded"] for row in told)
