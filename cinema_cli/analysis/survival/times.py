"""From durations or dates and a status to times, entries and events, or a refusal that names the rows."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import polars as pl

from cinema_cli.analysis.statistics.outcome import CENSORED, COMPETING, EVENT
from cinema_cli.analysis.statistics.rounding import rounded_times
from cinema_cli.analysis.survival.columns import COMPETING_CODE, Columns
from cinema_cli.analysis.survival.reading import Cells, is_numeric
from cinema_cli.domain.errors import ConfigError

_LIKE_A_DATE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_ISO = r"^\d{4}-\d{2}-\d{2}(?:[T ].*)?$"
_BEFORE = "Leave out whoever had the event before the beginning, and say so."
_LATE = "Someone is at risk from the entry on, until the time: correct the row, or leave it out."
_CODES = "Write 1 for the event and 0 for a censored time."
_TRUTH = {"true": "1", "false": "0"}


class TimeUnit(StrEnum):
    """Units of time of a report."""

    YEARS = "years"
    MONTHS = "months"
    WEEKS = "weeks"
    DAYS = "days"

    @property
    def days(self) -> float:
        """Its length; a year has 365.25 days."""
        return {"years": 365.25, "months": 365.25 / 12.0, "weeks": 7.0, "days": 1.0}[self.value]


@dataclass(frozen=True, slots=True, eq=False)
class Times:
    """Time to the event or the end, and when people entered; null where it is not known."""

    time: pl.Series  # Float64
    entry: pl.Series | None  # None: everybody is there from time 0
    unit: TimeUnit


def read_times(cells: Cells, columns: Columns, *, unit: TimeUnit | None) -> Times:
    """Times in `unit`: durations as they are; of dates the time since `entry`, or since `origin` with a late entry.

    They are rounded so that those tie which differ by rounding errors alone, as in R. Without a unit that of the
    column's name (`time_days`) holds, else years. Cells that are neither are refused, and times not above 0 or not
    above their entry. Raises ConfigError where columns do not go together.
    """
    unit = unit or next((one for one in TimeUnit if columns.time.lower().endswith(f"_{one}")), TimeUnit.YEARS)
    if _holds_dates(cells, columns.time):
        return _of_dates(cells, columns, unit)
    if columns.origin:
        raise ConfigError(
            f"{columns.time} holds numbers, so that {columns.origin} cannot be its origin",
            hint="--origin goes with dates; numbers that count from birth need --entry alone.",
            code="survival_time",
        )
    return _durations(cells, columns, unit)


def _durations(cells: Cells, columns: Columns, unit: TimeUnit) -> Times:
    time = cells.numbers(columns.time)
    time = cells.accepted(
        columns.time, time, time <= 0, says="is {}, a time is above 0", hint=_BEFORE, code="survival_time"
    )
    if not columns.entry:
        (time,) = _rounded(time)
        return Times(time, None, unit)
    if _holds_dates(cells, columns.entry):
        raise ConfigError(
            f"{columns.time} holds numbers and {columns.entry} dates",
            hint="Give both as dates, or both as numbers in one unit.",
            code="survival_time",
        )
    time, entry = _rounded(time, cells.numbers(columns.entry))
    entry = _in_between(cells, columns, entry, early=entry < 0, start="time 0", end=time)
    return Times(time, entry, unit)


def _in_between(
    cells: Cells, columns: Columns, entry: pl.Series, *, early: pl.Series, start: str, end: pl.Series
) -> pl.Series:
    """Entries, of which none may be `early`, before `start`, nor at the end or after it."""
    late = {"hint": _LATE, "code": "survival_time"}
    entry = cells.accepted(columns.entry, entry, early, says=f"is {{}}, before {start}", **late)
    return cells.accepted(columns.entry, entry, entry >= end, says=f"is {{}}, not before {columns.time}", **late)


def _of_dates(cells: Cells, columns: Columns, unit: TimeUnit) -> Times:
    start = columns.origin or columns.entry
    if not start:
        raise ConfigError(
            f"{columns.time} holds dates, which need a beginning",
            hint="Name the column of dates on which people entered with --entry, or that of births with --origin.",
            code="survival_time",
        )
    end, origin = _dates(cells, columns.time), _dates(cells, start)
    end = cells.accepted(
        columns.time, end, end <= origin, says=f"is {{}}, not after {start}", hint=_BEFORE, code="survival_time"
    )
    time = _length(origin, end, unit)
    if not (columns.origin and columns.entry):
        (time,) = _rounded(time)
        return Times(time, None, unit)
    entered = _dates(cells, columns.entry)
    entered = _in_between(cells, columns, entered, early=entered < origin, start=start, end=end)
    time, entry = _rounded(time, _length(origin, entered, unit))
    return Times(time, entry, unit)


def _rounded(*columns: pl.Series) -> list[pl.Series]:
    """Columns of times that tie, with each other too, where R lets them tie."""
    whole = pl.concat(columns)
    known = whole.is_not_null()
    values = np.full(len(whole), np.nan)
    if known.any():
        values[known] = rounded_times(whole.drop_nulls().to_numpy())
    return [pl.Series(part).fill_nan(None) for part in np.split(values, len(columns))]


def _length(start: pl.Series, end: pl.Series, unit: TimeUnit) -> pl.Series:
    return (end - start).dt.total_days().cast(pl.Float64) / unit.days


def _holds_dates(cells: Cells, name: str) -> bool:
    """Whether a column holds dates, also such as are not well written."""
    column = cells.table[name]
    if column.dtype.is_temporal():
        return True
    return column.dtype == pl.String and not is_numeric(column) and bool(column.str.contains(_LIKE_A_DATE).any())


def _dates(cells: Cells, name: str) -> pl.Series:
    """A column of dates; other cells are refused."""
    column = cells.table[name]
    if column.dtype.is_temporal():
        return column.cast(pl.Date)
    text = column.cast(pl.String)
    days = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
    bad = text.is_not_null() & (days.is_null() | ~text.str.contains(_ISO))
    cells.refuse(name, bad, says="is {}, not a date", hint="Write dates as 2019-05-31.", code="survival_time")
    return days


def read_events(cells: Cells, columns: Columns) -> pl.Series:
    """0 censored, 1 the event, 2 the competing one (int), null where it is not known.

    Where both columns say that something happened the event counts: the time is said to be that of the event. Any
    other coding is refused.
    """
    status = _status(cells, columns.event)
    if columns.competing != COMPETING_CODE:
        cells.refuse(
            columns.event,
            status == COMPETING,
            says="is {}",
            hint="`--competing 2` says that 2 is a competing event; else write 1 for the event, 0 for a censored time.",
            code="survival_status",
        )
    if not columns.competing_column:
        return status
    other = _status(cells, columns.competing_column)
    cells.refuse(
        columns.competing_column, other == COMPETING, says="is {}, not 0 or 1", hint=_CODES, code="survival_status"
    )
    said = pl.DataFrame({"status": status, "other": other})
    return said.select(
        pl.when(pl.col("status") == CENSORED).then(pl.col("other") * COMPETING).otherwise(pl.col("status"))
    ).to_series()


def _status(cells: Cells, name: str) -> pl.Series:
    """A column of 0, 1 and 2; other numbers are refused, and 1 and 2 where they look like 0 and 1."""
    column = cells.table[name]
    if column.dtype == pl.String:
        lower = column.str.to_lowercase()
        cells = replace(cells, table=cells.table.with_columns(lower.replace(_TRUTH).alias(name)))
    values = cells.numbers(name)
    values = cells.accepted(
        name,
        values,
        ~values.is_in([float(code) for code in (CENSORED, EVENT, COMPETING)]),
        says="is {}, not 0 or 1",
        hint=_CODES,
        code="survival_status",
    )
    if values.min() == EVENT and values.max() == COMPETING:
        cells.refuse(
            name,
            values == COMPETING,
            says="is {}: without any 0 it may be coded 1 and 2 for 0 and 1",
            hint="Write 1 for the event and 0 for a censored time (where 2 is the event: subtract 1).",
            code="survival_status",
        )
    return values.cast(pl.Int64)
