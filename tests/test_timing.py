"""Times of frames and the R-R interval from headers that say much, little or nonsense; and facts of the person."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from instance_rows import lax, sax, table

from cinema_cli.domain.cine import View
from cinema_cli.io.assembly import assemble
from cinema_cli.io.facts import normal_vendor, study_facts, valid_date
from cinema_cli.io.index_rows import series_rows
from cinema_cli.io.timing import Timing


def timing(**values: Any) -> Timing:
    rows = lax(90.0, **values)
    return assemble(table(rows), overrides={}, allow_missing_frames=0).timings[View.LAX_2C]


def test_the_nominal_interval_is_the_cycle_and_times_start_at_zero() -> None:
    found = timing(frames=20, step_ms=40.0, nominal_interval_ms=830.0)
    np.testing.assert_allclose(found.times_ms, np.arange(20) * 40.0)
    assert found.cycle_ms == 830.0


@pytest.mark.parametrize(
    "values", [{"nominal_interval_ms": 0.0}, {"nominal_interval_ms": 500.0}, {"heart_rate_bpm": 300.0}, {}]
)
def test_an_interval_that_cannot_be_is_replaced_by_frames_times_step(values: dict[str, float]) -> None:
    assert timing(frames=20, step_ms=40.0, **values).cycle_ms == pytest.approx(800.0)


def test_the_heart_rate_tells_the_cycle_where_the_interval_is_absent() -> None:
    assert timing(frames=20, step_ms=40.0, heart_rate_bpm=72.0).cycle_ms == pytest.approx(60000 / 72)


def test_without_trigger_times_the_interval_is_divided() -> None:
    found = timing(frames=20, trigger_time_ms=None, nominal_interval_ms=900.0)
    assert found.times_ms[1] == pytest.approx(45.0)
    assert (found.cycle_ms, found.source) == (900.0, "rr_interval")


def test_a_siemens_repetition_time_is_the_time_between_frames() -> None:
    found = timing(frames=25, trigger_time_ms=None, repetition_time_ms=36.0)
    assert (found.times_ms[1], found.cycle_ms) == (36.0, 900.0)
    assert [note.code for note in found.notes] == ["time_from_repetition_time"]


@pytest.mark.parametrize(
    ("values", "step"),
    [({"nominal_interval_ms": 900.0}, 45.0), ({"repetition_time_ms": 36.0}, 36.0), ({"repetition_time_ms": 3.2}, None)],
)
def test_the_series_table_has_the_step_that_is_known_without_triggers(
    values: dict[str, float], step: float | None
) -> None:
    rows = table(lax(90.0, frames=20, trigger_time_ms=None, **values))
    (row,) = series_rows(assemble(rows, overrides={}, allow_missing_frames=0))
    assert row["time_step_ms"] == step


def test_slices_with_trigger_times_tell_the_times_of_those_without() -> None:
    rows = [r | ({"trigger_time_ms": None} if ".5.1." in r["sop_uid"] else {}) for r in sax(5)]
    found = assemble(table(rows), overrides={}, allow_missing_frames=0).timings[View.SAX]
    assert found.source == "trigger_time"
    assert found.times_ms[1] == pytest.approx(40.0, rel=0.02)


def test_a_true_repetition_time_says_nothing_about_frames() -> None:
    found = timing(frames=25, trigger_time_ms=None, repetition_time_ms=3.2)
    assert found.cycle_ms is None
    assert [note.code for note in found.notes] == ["time_unknown"]


def test_frames_over_two_beats_are_said() -> None:
    found = timing(frames=40, step_ms=40.0, nominal_interval_ms=800.0)
    assert [note.code for note in found.notes] == ["several_cycles"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SIEMENS", "Siemens"),
        ("Siemens Healthineers", "Siemens"),
        ("GE MEDICAL SYSTEMS", "GE"),
        ("Philips Medical Systems", "Philips"),
        ("TOSHIBA_MEC", "Canon"),
        ("Image Works", "other"),
        (" ", None),
        (None, None),
    ],
)
def test_vendors_have_one_name(text: str | None, name: str | None) -> None:
    assert normal_vendor(text) == name


@pytest.mark.parametrize(
    ("text", "day"), [("20240229", "2024-02-29"), ("20120000", None), ("00000000", None), ("", None)]
)
def test_only_days_of_the_calendar_are_dates(text: str, day: str | None) -> None:
    assert valid_date(text) == day


def test_implausible_facts_are_unknown() -> None:
    rows = table(lax(90.0, age_years=0.0, height_cm=1.7, weight_kg=0.0, sex="O", field_strength_t=1.5))
    facts = study_facts(rows)
    assert [facts[k] for k in ("age_years", "height_cm", "weight_kg", "sex")] == [None] * 4
    assert facts["field_strength_t"] == 1.5
    mostly = rows.with_columns(sex=pl.when(pl.int_range(pl.len()) < 7).then(pl.lit("F")).otherwise(pl.lit("M")))
    assert study_facts(mostly)["sex"] == "F"
