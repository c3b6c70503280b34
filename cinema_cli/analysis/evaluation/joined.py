"""Rows of two tables of the same studies side by side, whoever is in one of them only included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from cinema_cli.analysis.evaluation.people import participant_column
from cinema_cli.analysis.survival.joining import matched_ids
from cinema_cli.analysis.survival.reading import FIRST_ROW, Cells, Source, as_text
from cinema_cli.domain.errors import InputError

KEY, VISIT = "_key", "_visit"  # participant and session without prefix
FRAME = "frame"
IDS = ("participant_id", "session_id")
_ROW = "_row"
_SHOWN = 3


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """One row a study (and frame), ours or theirs or both; a note for each thing settled without being asked."""

    rows: pl.DataFrame  # participant_id, session_id as in our table, [frame], `p:<column>`, `r:<name>`
    notes: tuple[str, ...]


def joined(
    ours: Source,
    theirs: Source,
    *,
    predicted: Sequence[str],
    true: Mapping[str, str],
    id_column: str = "",
    hash_key: bytes | None = None,
    by_frame: bool = False,
) -> Joined:
    """Columns `predicted` of ours, `true` of theirs (name -> column) by participant and session, cells as they stand.

    Where neither table has two rows of one participant, sessions are not looked at; where theirs has no session, it is
    about the first one. Ids match as in `survival.joining`. Raises InputError where nobody is in both tables,
    ConfigError where a study has two rows.
    """
    left, right = _keyed(ours, id_column), _keyed(theirs, id_column)
    right = right.with_columns(matched_ids(right[KEY], known=left[KEY], hash_key=hash_key))
    _refuse_strangers(left, right, ours, theirs)
    frame, notes = [FRAME] * by_frame, []
    on = [KEY, *frame]
    if ours.has(IDS[1]) and (_has_twice(left, on) or _has_twice(right, on)):
        if theirs.has(IDS[1]):
            on = [KEY, VISIT, *frame]
        else:
            left = _first_visits(left)
            notes.append(f"{theirs.name} has no sessions: it is taken to be about the first of each participant")
    for table, source in ((left, ours), (right, theirs)):
        _refuse_twice(table, on, source)
    sides = (
        left.select(*on, "_named", "_session", *(pl.col(name).alias(f"p:{name}") for name in predicted)),
        right.select(
            *on,
            _their_name=pl.col("_named"),
            _their_session=pl.col("_session"),
            **{f"r:{name}": pl.col(column) for name, column in true.items()},
        ),
    )
    both = sides[0].join(sides[1], on=on, how="full", coalesce=True, nulls_equal=True, maintain_order="left_right")
    prefixed = left["_named"].str.starts_with("sub-").any()
    others = pl.format("sub-{}", pl.col(KEY)) if prefixed else pl.col("_their_name")
    rows = both.select(
        pl.coalesce("_named", others).alias(IDS[0]),
        pl.coalesce("_session", "_their_session").fill_null("").alias(IDS[1]),
        *frame,
        pl.col("^[pr]:.*$"),
    )
    return Joined(rows, tuple(notes))


def _keyed(source: Source, id_column: str) -> pl.DataFrame:
    """The cells with row numbers, ids and sessions as they stand and without prefix; rows without an id are refused."""
    participant = participant_column(source, asked=id_column if source.has(id_column) else "")
    table = source.cells.with_row_index(_ROW, offset=FIRST_ROW)
    named = as_text(table[participant])
    Cells(table, {participant: (source.name, _ROW)}).refuse(
        participant, named.is_null(), says="is empty", hint="Fill it in.", code="evaluation_ids"
    )
    session = (
        as_text(table[IDS[1]]) if source.has(IDS[1]) else pl.repeat(None, table.height, dtype=pl.String, eager=True)
    )
    return table.with_columns(
        named.alias("_named"),
        session.alias("_session"),
        named.str.strip_prefix("sub-").alias(KEY),
        session.str.strip_prefix("ses-").alias(VISIT),
    )


def _has_twice(table: pl.DataFrame, on: Sequence[str]) -> bool:
    return bool(table.select(pl.struct(on).is_duplicated().any()).item())


def _first_visits(table: pl.DataFrame) -> pl.DataFrame:
    """All rows of the first visit of each participant."""
    visit = pl.col(VISIT)
    ordered = table.sort(visit.str.len_chars(), visit, maintain_order=True)  # 2 before 10
    first = ordered.select(KEY, VISIT).unique(KEY, keep="first", maintain_order=True)
    return table.join(first, on=[KEY, VISIT], how="semi", nulls_equal=True, maintain_order="left")


def _refuse_twice(table: pl.DataFrame, on: Sequence[str], source: Source) -> None:
    Cells(table, {KEY: (source.name, _ROW)}).refuse(
        KEY,
        table.select(pl.struct(on).is_duplicated()).to_series(),
        says="{} has several rows",
        hint="One row a participant, or one a session with session_id.",
        code="evaluation_twice",
        called="participant",
    )


def _refuse_strangers(left: pl.DataFrame, right: pl.DataFrame, ours: Source, theirs: Source) -> None:
    if left[KEY].is_in(right[KEY].implode()).any():
        return
    shown = [", ".join(table["_named"].unique(maintain_order=True).head(_SHOWN)) for table in (left, right)]
    raise InputError(
        f"no participant is in both tables: {ours.name} has {shown[0]}, {theirs.name} has {shown[1]}",
        hint="Name the right column of ids with --id-column; a prefix sub- does not matter, leading zeros do.",
        code="nobody_matches",
    )
