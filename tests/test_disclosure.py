"""Disclosure control: an attacker who solves every sum of the released table learns no small count."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.analysis.disclosure.cells import Cells
from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.survival.table_one import table_one

MIN_CELL = 10
NUMBERS = ["n", "events", "estimate", "lower", "upper", "se", "p", "q"]
LAWS = settings(max_examples=30, deadline=None, derandomize=True)
Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass
class Attacker:
    """Knows counts as sums over kinds of people, however many there are of each kind."""

    known: list[Vector]  # each (kinds,): which of them a count holds

    def computes(self, wanted: Sequence[Vector]) -> list[bool]:
        """Which counts follow from those that he knows, by any sum and difference of them."""
        if not self.known:
            return [False] * len(wanted)
        _, s, basis = np.linalg.svd(np.array(self.known), full_matrices=False)
        basis = basis[s > 1e-9 * s[0]]
        return [bool(np.abs(basis.T @ (basis @ cell) - cell).max() < 1e-8) for cell in wanted]


def kinds(**values: Sequence[Any]) -> pl.DataFrame:
    """One person of every kind that could be."""
    names = list(values)
    schema = {name: pl.DataFrame({name: values[name]}).schema[name] for name in names}
    return pl.DataFrame(list(product(*values.values())), schema=schema, orient="row")


SEX, SITE, SMOKER = ["F", "M", None], ["a", "b", "c", "d"], ["no", "past", "now", None]


def people(seed: int, n: int) -> pl.DataFrame:
    """People with a small site, rare categories and a few missing values."""
    rng = np.random.default_rng(seed)

    def some(choices: Sequence[str | None], shares: Sequence[float]) -> pl.Series:
        places = rng.choice(len(choices), n, p=np.array(shares) / sum(shares))
        return pl.Series([choices[k] for k in places], dtype=pl.String)

    return pl.DataFrame(
        {
            "sex": some(SEX, [40, 60, rng.choice([0, 1, 5])]),
            "site": some(SITE, [50, 30, rng.choice([1, 4, 10]), rng.choice([1, 3, 10])]),
            "smoker": some(SMOKER, [70, 20, 3, 4]),
            "ef": pl.Series(rng.normal(60, 9, n)).set(pl.Series(rng.random(n) < 0.03), None),
            "event": (rng.random(n) < rng.choice([0.05, 0.2])).astype(int),
            "bin": rng.integers(0, 12, n),
        }
    )


def members(rows: pl.DataFrame, group: str) -> Vector:
    if not group:
        return np.ones(rows.height)
    column, _, level = group.partition("=")
    return (rows[column] == level).fill_null(False).to_numpy().astype(float)


def known_of(rows: pl.DataFrame, column: str) -> Vector:
    return rows[column].is_not_null().to_numpy().astype(float)


GROUPS = ("", "sex=F", "sex=M", "site=a", "site=b", "site=c", "site=d")


def table_of_people(rows: pl.DataFrame) -> pl.DataFrame:
    """Flow, rates, Table 1 and models of made-up people, as the sections make them."""
    event = rows["event"].to_numpy().astype(float)
    found = [
        Estimate("flow", term="rows", level="kept", n=rows.height + 53),
        Estimate("flow", term="no outcome", level="left out", n=50),
        Estimate("flow", term="age missing", level="left out", n=3),
        Estimate("flow", term="analysed", level="kept", n=rows.height),
    ]
    for group in GROUPS:
        who = members(rows, group)
        n, events = int(who.sum()), int((who * event).sum())
        if n:
            found.append(Estimate("person_time", group=group, n=n, events=events, estimate=7.5 * n))
            found.append(Estimate("rate", outcome="mace", group=group, n=n, events=events, estimate=events / n))
    found += table_one(rows, ["smoker", "ef", "sex"], ["sex", "site"])
    for model, names in (("unadjusted", ["ef"]), ("adjusted", ["ef", "smoker"])):
        whole = np.prod([known_of(rows, name) for name in names], axis=0)
        found.append(_cox("ef", "", model, whole, event))
        if model == "adjusted":
            found += [
                _cox(f"smoker={v}", "ef", model, whole * members(rows, f"smoker={v}"), event) for v in ("now", "past")
            ]
    return table_of(found)


def _cox(term: str, group: str, model: str, who: Vector, event: Vector) -> Estimate:
    return Estimate(
        "cox",
        "mace",
        model,
        term,
        group,
        n=int(who.sum()),
        events=int((who * event).sum()),
        estimate=1.2,
        se=0.1,
        p=0.1,
    )


def what_rows_say(table: pl.DataFrame, rows: pl.DataFrame) -> Iterator[Vector]:
    """Every count that a reader takes from a table of `table_of_people`, as whom it counts."""
    event = rows["event"].to_numpy().astype(float)
    for row in table.iter_rows(named=True):
        who = members(rows, row["group"]) if row["analysis"] not in ("flow", "cox") and row["model"] != "smd" else None
        if row["analysis"] in ("rate", "person_time"):
            assert who is not None
            if row["n"] is not None:
                yield who
            if row["events"] is not None:
                yield who * event
        elif row["analysis"] == "cox":
            whole = known_of(rows, "ef") * (known_of(rows, "smoker") if row["model"] == "adjusted" else 1.0)
            inside = whole * (members(rows, row["term"]) if "=" in row["term"] else 1.0)
            if row["n"] is not None:
                yield inside
            if row["events"] is not None:
                yield inside * event
        elif row["analysis"] == "kaplan_meier":  # its first and last points
            assert who is not None
            if row["n"] is not None and row["level"] == "0.0":
                yield who
            if row["events"] is not None and row["level"] == "12.0":
                yield who * event
        elif row["analysis"] == "table_one":
            yield from _said_of_variable(row, rows, who)


def _said_of_variable(row: dict[str, Any], rows: pl.DataFrame, who: Vector | None) -> Iterator[Vector]:
    term, model, estimate = row["term"], row["model"], row["estimate"]
    if model == "smd":
        column = known_of(rows, row["group"])
        if row["n"] is not None:
            yield column * known_of(rows, term)
        return
    assert who is not None
    if not term:
        if estimate is not None:
            yield who
        return
    known = who * known_of(rows, term)
    if row["n"] is not None:
        yield who if model.startswith("missing") else known
    if estimate is not None and model == "count":
        yield who * members(rows, f"{term}={row['level']}")
    if estimate is not None and model == "missing":
        yield who - known
    if estimate is not None and model == "percent":
        yield known  # with the count


def cells_of(rows: pl.DataFrame) -> Iterator[tuple[str, Vector]]:
    """Every count that the tables are about, large or small."""
    event = rows["event"].to_numpy().astype(float)
    for group in GROUPS:
        who = members(rows, group)
        wanted = {"people": who, "events": who * event, "without event": who * (1.0 - event)}
        for variable in ("smoker", "ef", "sex"):
            if variable != group.partition("=")[0]:
                wanted[f"{variable} missing"] = who * (1.0 - known_of(rows, variable))
                wanted[f"{variable} known"] = who * known_of(rows, variable)
        for smoker in ("no", "past", "now"):
            wanted[smoker] = who * members(rows, f"smoker={smoker}")
        for name, cell in wanted.items():
            yield f"{name} of {group or 'all'}", cell
    whole = known_of(rows, "ef") * known_of(rows, "smoker")
    for smoker in ("no", "past", "now"):
        for name, cell in (("", whole), (" with event", whole * event)):
            yield f"{smoker} in the model{name}", cell * members(rows, f"smoker={smoker}")


def learned(released: pl.DataFrame, rows: pl.DataFrame) -> list[str]:
    """Small counts that an attacker computes from a released table."""
    everybody = kinds(sex=SEX, site=SITE, smoker=SMOKER, ef=[60.0, None], event=[0, 1])
    attacker = Attacker(list(what_rows_say(released, everybody)))
    cells = [
        (name, kind) for (name, who), (_, kind) in zip(cells_of(rows), cells_of(everybody), strict=True) if small(who)
    ]
    return [
        name for (name, _), found in zip(cells, attacker.computes([kind for _, kind in cells]), strict=True) if found
    ]


def small(who: Vector) -> bool:
    return bool(0 < who.sum() < MIN_CELL)


@LAWS
@given(st.integers(0, 10_000), st.sampled_from([60, 150, 400, 1500]))
def test_no_small_count_of_people_can_be_computed(seed: int, n: int) -> None:
    rows = people(seed, n)
    released = suppressed(pl.concat([table_of_people(rows), curves(rows)]), min_cell=MIN_CELL)
    assert not any(small(who) for who in what_rows_say(released, rows))
    assert learned(released, rows) == []


def test_the_attacker_is_a_good_one() -> None:
    """From a table that lacks only the rows with small counts he learns some of them."""
    rows = people(1, 400)
    table = table_of_people(rows)
    counts = [any(small(who) for who in what_rows_say(table[k], rows)) for k in range(table.height)]
    assert learned(table.filter(~pl.Series(counts)), rows)


def test_what_is_large_everywhere_stays_as_it_is() -> None:
    rows = people(3, 300)
    large = pl.concat([rows.with_columns(pl.lit(k).alias("copy")) for k in range(20)])
    assert not any(small(who) for _, who in cells_of(large))
    table = table_of_people(large).filter(pl.col("analysis") != "flow")  # 3 people of it lack their age
    assert suppressed(table, min_cell=MIN_CELL).equals(table)
    few = table_of_people(rows)
    assert suppressed(few, min_cell=1).equals(few)


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
    assert released.select(pl.exclude(*NUMBERS, "suppressed")).equals(table.select(pl.exclude(*NUMBERS, "suppressed")))


def test_a_step_of_the_flow_is_not_given_away_by_the_steps_around_it() -> None:
    def flow(*left: int) -> pl.DataFrame:
        steps = [Estimate("flow", term="rows", level="kept", n=1000 + sum(left))]
        steps += [Estimate("flow", term=f"reason {k}", level="left out", n=n) for k, n in enumerate(left)]
        return table_of(
            [*steps, Estimate("flow", term="analysed", level="kept", n=1000), Estimate("rate", n=1000, events=90)]
        )

    assert suppressed(flow(3, 40, 200), min_cell=10)["n"].to_list() == [1243, None, None, 200, 1000, 1000]
    assert suppressed(flow(3), min_cell=10)["n"].to_list() == [None, None, 1000, 1000]
    assert suppressed(flow(3, 4, 80), min_cell=10)["n"].to_list() == [1087, None, None, None, 1000, 1000]
    assert suppressed(flow(0, 30), min_cell=10)["n"].to_list() == [1030, 0, 30, 1000, 1000]


def test_the_mean_of_a_small_group_does_not_follow_from_the_others() -> None:
    rng = np.random.default_rng(5)
    sites = ["a"] * 200 + ["b"] * 100 + ["c"] * 4
    rows = pl.DataFrame({"ef": rng.normal(60, 9, 304), "site": sites})
    released = suppressed(table_of(table_one(rows, ["ef"], ["site"])), min_cell=10)
    means = dict(released.filter(model="mean").select("group", "estimate").iter_rows())
    assert means["site=c"] is None and means["site=b"] is None and means["site=a"] is not None
    assert released.filter(model="smd")["estimate"].to_list() == [None]
    counts = dict(released.filter(term="", model="count").select("group", "n").iter_rows())
    assert counts == {"": 304, "site=a": 200, "site=b": None, "site=c": None}


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


def curves(rows: pl.DataFrame, analysis: str = "kaplan_meier") -> pl.DataFrame:
    """Curves at 12 times of people who leave in one of 12 intervals."""
    found = []
    for group in GROUPS:
        column = group.partition("=")[0]
        for time in range(13):
            at_risk, until = at(rows, group, time)
            found.append(
                Estimate(
                    analysis,
                    "mace",
                    "group" if group else "overall",
                    column,
                    group,
                    str(float(time)),
                    n=int(at_risk.sum()),
                    events=int(until.sum()),
                    estimate=0.9,
                )
            )
    return table_of(found)


def at(rows: pl.DataFrame, group: str, time: int) -> tuple[Vector, Vector]:
    """Who of a group is at risk just before a time, and who had the event until then."""
    who, when = members(rows, group), rows["bin"].to_numpy()
    return who * (when >= time), who * (when < time) * rows["event"].to_numpy()


@LAWS
@given(st.integers(0, 10_000), st.sampled_from([150, 400, 1500]))
def test_no_small_step_of_a_curve_can_be_computed(seed: int, n: int) -> None:
    """Of at risk, and of events from any time to any other, in each group and in everybody."""
    rows = people(seed, n)
    released = suppressed(curves(rows), min_cell=MIN_CELL)
    for column, levels in (("sex", SEX), ("site", SITE)):  # the curves of a figure, with everybody's
        everybody = kinds(**{column: levels}, event=[0, 1], bin=range(12))
        groups = [group for group in GROUPS if not group or group.startswith(column)]
        known = []
        for row in released.filter(pl.col("group").is_in(groups)).iter_rows(named=True):
            at_risk, until = at(everybody, row["group"], int(float(row["level"])))
            known += [at_risk] * (row["n"] is not None) + [until] * (row["events"] is not None)
        steps = [
            (step, kind)
            for group in groups
            for (step, who), (_, kind) in zip(steps_of(rows, group), steps_of(everybody, group), strict=True)
            if small(who)
        ]
        computed = Attacker(known).computes([kind for _, kind in steps])
        assert [step for (step, _), found in zip(steps, computed, strict=True) if found] == []


def steps_of(rows: pl.DataFrame, group: str) -> Iterator[tuple[str, Vector]]:
    """Who is at risk at each time, and who had the event between any two."""
    for start in range(13):
        at_risk, before = at(rows, group, start)
        yield f"{group} at risk at {start}", at_risk
        for end in range(start + 1, 13):
            yield f"{group} from {start} to {end}", at(rows, group, end)[1] - before


def test_a_curve_stops_where_few_remain_and_skips_small_steps() -> None:
    def curve(*points: tuple[int, int]) -> pl.DataFrame:
        return table_of(
            Estimate("kaplan_meier", "mace", "overall", level=str(k), n=n, events=e, estimate=1 - 0.1 * k, se=0.01)
            for k, (n, e) in enumerate(points)
        )

    released = suppressed(curve((500, 0), (480, 4), (450, 20), (420, 25), (380, 60), (9, 60)), min_cell=10)
    assert released["level"].to_list() == ["0", "1", "2", "3", "4"]
    assert released["events"].to_list() == [0, None, 20, None, 60]
    assert released["estimate"].is_null().to_list() == released["suppressed"].to_list()
    leaving = suppressed(curve((500, 0), (497, 0), (480, 0), (460, 15)), min_cell=10)
    assert leaving["n"].to_list() == [500, None, 480, None]  # 5 of the last 20 left without the event
    assert leaving["estimate"].null_count() == 0
    end = suppressed(curve((500, 0), (400, 50), (300, 95), (100, 100)), min_cell=10)
    assert end["events"].to_list() == [0, 50, None, 100]


def test_what_one_curve_hides_the_others_of_the_same_people_hide_too() -> None:
    rows = people(8, 400)
    both = pl.concat([curves(rows), curves(rows.with_columns(pl.lit(0).alias("event")), "cumulative_incidence")])
    released = suppressed(both, min_cell=MIN_CELL)
    hidden = {
        analysis: set(
            released.filter(pl.col("analysis") == analysis, pl.col("estimate").is_null())
            .select("group", "level")
            .rows()
        )
        for analysis in ("kaplan_meier", "cumulative_incidence")
    }
    assert hidden["kaplan_meier"] and hidden["kaplan_meier"] == hidden["cumulative_incidence"]


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
