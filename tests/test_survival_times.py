"""From durations, dates and a status to times and events: what is taken, and what is refused with row numbers."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.reading import Cells
from cinema_cli.analysis.survival.times import TimeUnit, read_events, read_times
from cinema_cli.domain.errors import ConfigError

LAWS = settings(max_examples=30, deadline=None, derandomize=True)


def cells(**columns: Any) -> Cells:
    table = pl.DataFrame(columns).with_row_index("row", offset=2)
    return Cells(table, {name: ("outcomes.csv", "row") for name in columns})


def refusal(asked: Columns, **columns: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        found = cells(**columns)
        if asked.time:
            read_times(found, asked, unit=None)
        read_events(found, asked)
    return caught.value.message


def test_durations_are_taken_as_they_are() -> None:
    times = read_times(cells(t=["1.5", None, "3"]), Columns(time="t"), unit=None)
    assert times.time.to_list() == [1.5, None, 3.0]
    assert times.entry is None and times.unit is TimeUnit.YEARS


@pytest.mark.parametrize(("name", "unit"), [("time_days", "days"), ("Follow_Up_Months", "months"), ("days", "years")])
def test_the_name_of_the_column_says_the_unit(name: str, unit: str) -> None:
    assert read_times(cells(**{name: ["1"]}), Columns(time=name), unit=None).unit == unit
    assert read_times(cells(**{name: ["1"]}), Columns(time=name), unit=TimeUnit.WEEKS).unit is TimeUnit.WEEKS


@LAWS
@given(
    start=st.dates(date(1940, 1, 1), date(2000, 1, 1)),
    days=st.lists(st.integers(1, 30_000), min_size=1, max_size=5),
    unit=st.sampled_from(list(TimeUnit)),
)
def test_dates_become_the_time_between_them(start: date, days: list[int], unit: TimeUnit) -> None:
    ends = [start + timedelta(days=n) for n in days]
    as_dates = read_times(cells(a=[start] * len(days), b=ends), Columns(entry="a", time="b"), unit=unit)
    as_text = read_times(
        cells(a=[f"{start}"] * len(days), b=[f"{end}T08:15:00" for end in ends]),
        Columns(entry="a", time="b"),
        unit=unit,
    )
    assert_allclose(as_dates.time.to_numpy() * unit.days, days, rtol=1e-12)
    assert as_text.time.to_list() == as_dates.time.to_list()
    assert as_dates.entry is None  # who enters at time 0 enters with everybody


def test_a_date_of_birth_makes_age_the_time_scale_with_late_entry() -> None:
    times = read_times(
        cells(born=["1950-01-01"], scan=["2015-01-01"], end=["2020-07-01"]),
        Columns(origin="born", entry="scan", time="end"),
        unit=None,
    )
    assert times.entry is not None
    assert_allclose(times.entry, [(date(2015, 1, 1) - date(1950, 1, 1)).days / 365.25])
    assert_allclose(times.time, [(date(2020, 7, 1) - date(1950, 1, 1)).days / 365.25])


def test_an_origin_alone_is_time_since_it() -> None:
    times = read_times(
        cells(a=[datetime(2020, 1, 1, 9)], b=[datetime(2020, 1, 15, 8)]),
        Columns(origin="a", time="b"),
        unit=TimeUnit.WEEKS,
    )
    assert times.entry is None and times.time.to_list() == [2.0]


def test_times_tie_as_in_r() -> None:
    """R's `timefix` (golden/statistics/r_golden.json, entry timefix): 0.1 + 0.2 and 0.3 are one time."""
    times = read_times(
        cells(t=[0.1 + 0.2, 0.3, None, 1.0], a=[0.0, 0.0, 0.0, 0.1 + 0.2]), Columns(time="t", entry="a"), unit=None
    )
    assert times.time.to_list() == [0.3, 0.3, None, 1.0]
    assert times.entry is not None and times.entry.to_list() == [0.0, 0.0, 0.0, 0.3]


@pytest.mark.parametrize(
    ("asked", "columns", "says"),
    [
        (Columns(time="t", entry="a"), {"t": [0.1 + 0.2], "a": [0.3]}, "row 2: a is 0.3, not before t"),
        (Columns(time="t", event="e"), {"t": ["1", "0", "2"]}, "row 3: t is '0', a time is above 0"),
        (
            Columns(time="t", event="e"),
            {"t": ["-1"] * 9},
            "rows 2, 3, 4, 5, 6 and 4 more: t is '-1', a time is above 0",
        ),
        (Columns(time="t", event="e"), {"t": ["1", "later"]}, "row 3: t is 'later', not a number"),
        (Columns(time="t", event="e"), {"t": ["1", "inf"]}, "row 3: t is 'inf'"),
        (Columns(time="t", entry="a"), {"t": ["1", "2"], "a": ["0", "2"]}, "row 3: a is '2', not before t"),
        (Columns(time="t", entry="a"), {"t": ["1", "2"], "a": ["-1", "0"]}, "row 2: a is '-1', before time 0"),
        (Columns(time="t", entry="a"), {"t": ["1"], "a": ["2020-01-01"]}, "t holds numbers and a dates"),
        (Columns(time="t", origin="o"), {"t": ["1"], "o": ["2020-01-01"]}, "t holds numbers, so that o cannot be"),
        (Columns(time="t"), {"t": ["2020-01-01"]}, "t holds dates, which need a beginning"),
        (
            Columns(time="t", entry="a"),
            {"t": ["2020-01-01", "31/05/2019"], "a": ["2019-01-01"] * 2},
            "row 3: t is '31/05/2019', not a date",
        ),
        (
            Columns(time="t", entry="a"),
            {"t": ["2020-01-01", "2019-02-30"], "a": ["2019-01-01"] * 2},
            "row 3: t is '2019-02-30', not a date",
        ),
        (
            Columns(time="t", entry="a"),
            {"t": ["2020-01-01"], "a": ["2020-01-01"]},
            "row 2: t is '2020-01-01', not after a",
        ),
        (
            Columns(time="t", entry="a", origin="o"),
            {"t": ["2020-01-01"], "a": ["1949-12-31"], "o": ["1950-01-01"]},
            "row 2: a is '1949-12-31', before o",
        ),
        (
            Columns(time="t", entry="a", origin="o"),
            {"t": ["2020-01-01"], "a": ["2020-01-01"], "o": ["1950-01-01"]},
            "row 2: a is '2020-01-01', not before t",
        ),
    ],
)
def test_what_is_no_time_is_refused_with_its_rows(asked: Columns, columns: dict[str, list[Any]], says: str) -> None:
    assert says in refusal(asked, **columns)


def test_the_hint_says_how_dates_are_written() -> None:
    with pytest.raises(ConfigError) as caught:
        read_times(cells(t=["31.05.2019"], a=["1.1.2019"]), Columns(time="t", entry="a"), unit=None)
    assert "2019-05-31" in caught.value.hint


@pytest.mark.parametrize(
    "column",
    [
        ["0", "1", None],
        [0, 1, None],
        [0.0, 1.0, None],
        [False, True, None],
        ["False", "true", None],
        ["0.0", "1", None],
    ],
)
def test_a_status_may_be_written_in_several_ways(column: list[Any]) -> None:
    assert read_events(cells(e=column), Columns(event="e")).to_list() == [0, 1, None]


@pytest.mark.parametrize("unit", [["1", "1"], ["0", "0"]])
def test_one_status_for_all_is_taken(unit: list[str]) -> None:
    assert read_events(cells(e=unit), Columns(event="e")).to_list() == [int(word) for word in unit]


@pytest.mark.parametrize(
    ("asked", "columns", "says"),
    [
        (Columns(event="e"), {"e": ["1", "2", "1"]}, "row 3: e is '2': without any 0 it may be coded 1 and 2"),
        (Columns(event="e"), {"e": ["0", "2", "1"]}, "row 3: e is '2'"),
        (Columns(event="e"), {"e": ["0", "3", "1", "-1"]}, "rows 3, 5: e is '3', not 0 or 1"),
        (Columns(event="e"), {"e": ["0", "0.5"]}, "row 3: e is '0.5', not 0 or 1"),
        (Columns(event="e"), {"e": ["0", "dead"]}, "row 3: e is 'dead', not a number"),
        (Columns(event="e", competing="c"), {"e": ["0", "1"], "c": ["0", "2"]}, "row 3: c is '2', not 0 or 1"),
        (Columns(event="e", competing="c"), {"e": ["0", "2"], "c": ["0", "0"]}, "row 3: e is '2'"),
    ],
)
def test_another_coding_is_refused_with_its_rows(asked: Columns, columns: dict[str, list[str]], says: str) -> None:
    assert says in refusal(asked, **columns)


def test_a_competing_event_is_a_value_or_a_column() -> None:
    assert read_events(cells(e=["0", "1", "2"]), Columns(event="e", competing="2")).to_list() == [0, 1, 2]
    both = cells(e=["0", "1", "0", "1", None, "0"], c=["0", "0", "1", "1", "1", None])
    assert read_events(both, Columns(event="e", competing="c")).to_list() == [0, 1, 2, 1, None, None]


@LAWS
@given(st.permutations(list(range(6))))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    time, event = np.array(["1", "2.5", "3", "4", "5", "7"]), np.array(["0", "1", "2", "1", "0", "1"])
    asked = Columns(time="t", event="e", competing="2")
    straight, turned = cells(t=time, e=event), cells(t=time[order], e=event[order])
    assert read_times(turned, asked, unit=None).time.to_list() == [float(word) for word in time[order]]
    assert read_events(turned, asked).to_list() == read_events(straight, asked).gather(order).to_list()
