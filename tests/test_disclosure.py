"""Disclosure control, row by row: what goes, what is rounded, and what stays as it is."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.disclosure.secondary import Cells
from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.statistics.diagnostic import wilson
from cinema_cli.analysis.statistics.interval import mean_interval
from cinema_cli.analysis.survival.table_one import table_one

MIN_CELL = 10
NUMBERS = ["n", "events", "estimate", "lower", "upper", "se", "p", "q"]
LAWS = settings(max_examples=30, deadline=None, derandomize=True)


@pytest.mark.parametrize("min_cell", [5, 10, 25])
def test_a_row_about_few_people_loses_its_numbers(min_cell: int) -> None:
    table = table_of(
        [
            Estimate("concordance", "mace", "adjusted", n=500, events=100, estimate=0.7),
            Estimate(
                "auc", "mace", "adjusted", level="5", n=500, events=min_cell - 1, estimate=0.7, lower=0.6, upper=0.8
            ),
            Estimate("brier", "mace", "adjusted", level="5", n=min_cell - 1, estimate=0.1),
            Estimate("rmst", "mace", "overall", level="5", n=500, events=501 - min_cell, estimate=4.0),
            Estimate("ipa", "mace", "adjusted", level="5", n=min_cell, events=0, estimate=0.2),
        ]
    )
    released = suppressed(table, min_cell=min_cell)
    assert released["suppressed"].to_list() == [False, True, True, True, False]
    assert released[1:4].select(NUMBERS).select(pl.all().is_null().all()).row(0) == (True,) * len(NUMBERS)
    others = pl.exclude(*NUMBERS, "suppressed", "rounded")
    assert released.select(others).equals(table.select(others))


def test_a_step_of_the_flow_is_not_given_away_by_the_steps_around_it() -> None:
    def flow(*left: int) -> pl.DataFrame:
        steps = [Estimate("flow", term="rows", level="kept", n=1000 + sum(left))]
        steps += [Estimate("flow", term=f"reason {k}", level="left out", n=n) for k, n in enumerate(left)]
        return table_of(
            [*steps, Estimate("flow", term="analysed", level="kept", n=1000), Estimate("rate", n=1000, events=90)]
        )

    rounded = suppressed(flow(3, 40, 200), min_cell=10)
    assert rounded["n"].to_list() == [1243, None, 40, 200, 1000, 1000]
    assert rounded["rounded"].to_list() == [None, None, 10, None, None, None]
    assert suppressed(flow(5, 40, 200), min_cell=10)["n"].to_list()[:3] == [1245, None, 40]
    assert suppressed(flow(3), min_cell=10)["n"].to_list() == [1010, None, 1000, 1000]
    assert suppressed(flow(3, 4, 80), min_cell=10)["n"].to_list() == [1087, None, None, 80, 1000, 1000]
    assert suppressed(flow(0, 30), min_cell=10)["n"].to_list() == [1030, 0, 30, 1000, 1000]


def test_the_mean_of_a_small_group_does_not_follow_from_the_others() -> None:
    rng = np.random.default_rng(5)
    sites = ["a"] * 200 + ["b"] * 100 + ["c"] * 4
    rows = pl.DataFrame({"ef": rng.normal(60, 9, 304), "site": sites})
    released = suppressed(table_of(table_one(rows, ["ef"], ["site"])), min_cell=10)
    means = dict(released.filter(model="mean").select("group", "estimate").iter_rows())
    exact = dict(
        table_of(table_one(rows, ["ef"], ["site"])).filter(model="mean").select("group", "estimate").iter_rows()
    )
    assert means["site=c"] is None and means[""] == exact[""]
    for group in ("site=a", "site=b"):
        assert means[group] == 0.5 * round(means[group] / 0.5) and abs(means[group] - exact[group]) <= 0.25
    assert released.filter(model="mean")["rounded"].to_list() == [None, 10, 10, None]
    assert rows["ef"].std() < 0.25 * 300 / 4  # what the rounding leaves open of the mean of four
    assert released.filter(model="smd")["estimate"].to_list() == [None]
    counts = dict(released.filter(term="", model="count").select("group", "n").iter_rows())
    assert counts == {"": 304, "site=a": 200, "site=b": 100, "site=c": None}


def test_differences_of_what_was_rounded_go() -> None:
    """Seven people have no site: smokers and means of the sites are rounded, and their differences would undo that."""
    rng = np.random.default_rng(4)
    site = pl.Series([*rng.choice(["a", "b"], 593), *[None] * 7], dtype=pl.String)
    smoker, sex = rng.choice(["no", "yes"], 600, p=[0.7, 0.3]), ["F", "M"] * 300
    rows = pl.DataFrame({"site": site, "smoker": smoker, "ef": rng.normal(60, 9, 600), "sex": sex})
    table = table_of(table_one(rows, ["smoker", "ef"], ["site", "sex"]))
    released = suppressed(table, min_cell=10)
    of_site = released.filter(analysis="table_one", model="count", term="smoker").filter(
        pl.col("group").str.starts_with("site")
    )
    assert of_site["rounded"].drop_nulls().len() > 0 and of_site["estimate"].null_count() == 0
    smds = {row["group"]: row["estimate"] for row in released.filter(model="smd", term="smoker").iter_rows(named=True)}
    assert smds["site"] is None and smds["sex"] is not None
    assert released.filter(model="smd", term="ef", group="site")["estimate"].item() is None


def test_a_large_group_stays_where_few_people_lack_its_variable() -> None:
    """3 of 5,000 have no sex: neither women nor men leave Table 1, rates or curves for that."""
    rng = np.random.default_rng(7)
    sex = pl.Series(["F"] * 2404 + ["M"] * 2593 + [None] * 3)
    table = table_one(pl.DataFrame({"sex": sex, "age": rng.normal(63, 8, 5000)}), ["age", "sex"], ["sex"])
    for group, n, events in (("", 5000, 700), ("sex=F", 2404, 290), ("sex=M", 2593, 410)):
        table.append(Estimate("person_time", group=group, n=n, events=events, estimate=6.1 * n))
        table.append(Estimate("rate", "mace", group=group, n=n, events=events, estimate=1000 * events / (6.1 * n)))
    released = suppressed(table_of(table), min_cell=10)
    sizes = dict(released.filter(analysis="rate").select("group", "n").iter_rows())
    assert sizes == {"": 5000, "sex=F": 2400, "sex=M": 2593}
    assert released.filter(analysis="rate")["estimate"].null_count() == 0
    women = released.filter(analysis="person_time", group="sex=F")["estimate"].item()
    assert women == 14_700 and abs(women - 6.1 * 2404) < 50  # to 50 years: of the 3 there are 18
    of_age = released.filter(analysis="table_one", term="age", model="mean")
    assert of_age["estimate"].null_count() == 0
    hidden = released.filter(analysis="table_one", term="sex", model="missing")
    assert hidden["estimate"].to_list() == [None] and hidden["suppressed"].item()


def test_totals_of_everybody_are_not_hidden_for_the_sake_of_a_part() -> None:
    """45 events of 120 people: 3 came after the horizon, 1 in a quarter; what goes is the part, not the total."""
    tenths = [1, 2, 2, 4, 6, 6, 4, 5, 4, 8]
    found = [
        Estimate("person_time", n=120, events=45, estimate=480.0),
        Estimate("rate", "mace", n=120, events=45, estimate=94.0),
        Estimate("rmst", "mace", "overall", level="6.0", n=120, events=45, estimate=4.5),
        Estimate("observed_expected", "mace", "clinical", "", "held-out", "6.0", n=120, events=42, estimate=1.04),
    ]
    for term, events in (("ef", [18, 11, 15, 1]), ("mass", [11, 11, 9, 14])):
        found += [
            Estimate("rmst", "mace", "quantile", term, f"Q{k + 1}", "6.0", n=30, events=e, estimate=4.0)
            for k, e in enumerate(events)
        ]
    found += [
        Estimate("calibration", "mace", "clinical", group=str(k + 1), n=12, events=e, estimate=0.3)
        for k, e in enumerate(tenths)
    ]
    released = suppressed(table_of(found), min_cell=10)
    assert released["events"].to_list()[:4] == [45, 45, 45, None]
    assert released["estimate"].to_list()[:3] == [480.0, 94.0, 4.5]
    assert released.filter(term="ef")["estimate"].to_list() == [4.0, 4.0, 4.0, None]
    assert released.filter(term="mass")["estimate"].to_list() == [4.0, 4.0, None, 4.0]


def curve(*points: tuple[int, int], model: tuple[str, str, str] = ("overall", "", "")) -> list[Estimate]:
    """Points at 0, 1, 2... of people at risk and events until then."""
    size = points[0][0]
    return [
        Estimate("kaplan_meier", "mace", *model, str(k), n=n, events=e, estimate=1 - e / size, se=0.01234)
        for k, (n, e) in enumerate(points)
    ]


def test_a_curve_stops_where_few_remain_and_has_points_only_where_enough_events_came() -> None:
    released = suppressed(table_of(curve((500, 0), (480, 4), (450, 20), (423, 25), (380, 60), (9, 60))), min_cell=10)
    assert released["level"].to_list() == ["0", "1", "2", "3", "4"]
    assert released["events"].to_list() == [0, None, 20, None, 60]
    assert released["n"].to_list() == [500, 480, 450, 420, 380]  # at the ticks of the axis, each rounded
    assert released["estimate"].is_null().to_list() == released["suppressed"].to_list() == [False, True] * 2 + [False]
    many = suppressed(table_of(curve(*((5000 - 10 * k, 4 * k) for k in range(100)))), min_cell=10)
    assert {float(t) for t in many.filter(suppressed=True)["level"]} == {20.0, 40.0, 50.0, 80.0}  # 60 has events enough
    end = suppressed(table_of(curve((500, 0), (400, 50), (300, 95), (100, 100), (50, 100))), min_cell=10)
    assert end["events"].to_list() == [0, 50, None, 100, 100]


def test_a_lost_point_does_not_tell_whether_an_event_came() -> None:
    """The first event comes after 2: no point before the tenth tells that, nor when it came."""
    early, late = ((500, 0), (490, 1), (480, 1), (470, 12)), ((500, 0), (490, 0), (480, 0), (470, 12))
    shown = [suppressed(table_of(curve(*points)), min_cell=10) for points in (early, late)]
    assert shown[0].equals(shown[1]) and shown[0]["events"].to_list() == [0, None, None, 12]


def test_curves_of_parts_are_rounded_to_ten_of_everybody() -> None:
    whole = curve((1000, 0), (900, 100), (800, 173))
    parts = [
        *curve((600, 0), (533, 67), (477, 113), model=("group", "sex", "sex=F")),
        *curve((400, 0), (367, 33), (323, 60), model=("group", "sex", "sex=M")),
    ]
    released = suppressed(table_of([*whole, *parts]), min_cell=10)
    assert released["events"].to_list() == [0, 100, 173, *[None] * 6]
    assert not released["suppressed"].any()
    assert released["n"].to_list() == [1000, 900, 800, 600, 530, 480, 400, 370, 320]
    assert released["estimate"].to_list()[:3] == [1.0, 0.9, 1 - 0.173]
    assert released["estimate"].to_list()[3:] == [1.0, 0.89, 0.81, 1.0, 0.92, 0.85]
    assert set(released["se"].to_list()[3:]) == {0.02}


def test_a_quantile_lies_on_lines_through_the_released_points() -> None:
    points = curve((500, 0), (480, 20), (450, 45), (420, 61), (380, 80))  # 5, 10, 12 and 16 %
    quantiles = [
        Estimate("survival_quantile", "mace", "overall", level=level, n=500, events=80, estimate=2.7)
        for level in ("0.1", "0.5")
    ]
    released = suppressed(table_of([*points, *quantiles]), min_cell=10).filter(analysis="survival_quantile")
    assert released["estimate"].to_list() == [2.3, None] and not released["suppressed"].any()  # 91 % at 2, 87.8 at 3
    few = [replace(row, model="group", term="site", group="site=a", n=5, events=0) for row in quantiles]
    hidden = suppressed(table_of([*points, *few]), min_cell=10).filter(analysis="survival_quantile")
    assert hidden["suppressed"].all() and not hidden["estimate"].is_not_null().any()


def test_follow_up_is_in_a_round_unit() -> None:
    rows = [
        Estimate("person_time", n=2000, events=300, estimate=12_400.0, unit="years"),
        Estimate("follow_up", term="median", n=2000, estimate=6.2341, lower=6.1987, upper=6.3012, unit="years"),
    ]
    released = suppressed(table_of(rows), min_cell=10)
    assert released.select("estimate", "lower", "upper").row(1) == (6.2, 6.1, 6.3)


def evaluated(n: int, events: int, *, bias: float = 1.0) -> pl.DataFrame:
    """600 people, of whom so many women have a value: its bias with Student's limits, and a share with Wilson's."""
    whole = table_of([Estimate("rate", "mace", group=group, n=size) for group, size in (("", 600), ("sex=F", 320))])
    mean = mean_interval(np.linspace(-5.0, 5.0, n) + bias)
    share = wilson(events, n)
    about = Estimate("agreement", model="bias", term="ef", group="sex=F", n=n)
    rows = [
        replace(about, estimate=bias, lower=bias + mean.lower - mean.estimate, upper=mean.upper, p=mean.p, q=mean.p),
        replace(about, model="sd", estimate=2.9),
        Estimate(
            "classification", model="accuracy", term="head", group="sex=F", n=n, events=events,
            estimate=share.estimate, lower=share.lower, upper=share.upper,
        ),
    ]  # fmt: skip
    return pl.concat([whole, table_of(rows)])


@pytest.mark.parametrize("n", [95, 152, 317])
@pytest.mark.parametrize("without", [0, None])
def test_limits_and_p_do_not_tell_how_many_people_they_are_of(n: int, without: int | None) -> None:
    """Whoever knows all of the program and all else of the people tries each number of people out."""

    def numbers(n: int) -> pl.DataFrame:
        table = evaluated(n, n if without is None else 0)
        return suppressed(table, min_cell=10).filter(pl.col("analysis").is_in(["agreement", "classification"]))

    shown = numbers(n)
    assert shown["n"].unique().to_list() == [{95: 100, 152: 150, 317: 320}[n]] and set(shown["rounded"]) == {10}
    exact = evaluated(n, 0).filter(analysis="agreement", model="bias")
    (released,) = shown.filter(model="bias").to_dicts()
    assert released["lower"] <= exact["lower"].item() and released["upper"] >= exact["upper"].item()
    assert released["p"] == released["q"] == (0.01 if n == 95 else 0.001) > exact["p"].item()
    possible = [m for m in range(n - 30, min(n + 30, 320)) if numbers(m).equals(shown)]
    assert n in possible and len(possible) >= 3


def test_a_curve_without_its_counts_is_no_table_of_ours() -> None:
    with pytest.raises(ValueError, match="kaplan_meier"):
        suppressed(table_of([Estimate("kaplan_meier", level="1", n=50, estimate=0.5)]), min_cell=10)


@LAWS
@given(st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=2, max_size=6))
def test_cells_of_a_table_with_both_margins(table: list[list[int]]) -> None:
    """Rows and columns add up; the check is by singular values, not as in the program."""
    counts = np.array(table)
    cells = Cells()
    lines: list[tuple[Any, list[Any]]] = []
    for axis, line in ((0, counts), (1, counts.T)):
        for k, values in enumerate(line):
            place: Callable[[int], tuple[int, int]] = (lambda j, k=k: (k, j)) if axis == 0 else (lambda j, k=k: (j, k))  # type: ignore[misc]
            parts = [cells.add(("cell", *place(j)), int(v)) for j, v in enumerate(values)]
            lines.append((cells.add(("line", axis, k), int(values.sum())), parts))
    for total, parts in lines:
        cells.add_sum(total, parts)
    hidden = sorted(cells.hidden(min_cell=MIN_CELL))
    matrix = np.array([[float(key in parts) - float(key == total) for key in hidden] for total, parts in lines])
    _, s, v = np.linalg.svd(matrix, full_matrices=True)
    free = v[(s > 1e-9).sum() :]
    small = [k for k, key in enumerate(hidden) if cells.values[key] < MIN_CELL]
    assert not small or np.all(np.abs(free[:, small]).max(axis=0, initial=0.0) > 1e-9)
