"""Who is compared with whom: one row a person of the phenotype table, with what another file says of them."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from cinema_cli.analysis.fairness.derived import with_derived
from cinema_cli.analysis.survival.columns import PARTICIPANT_NAMES, PARTICIPANT_WORDS
from cinema_cli.analysis.survival.flow import FlowStep, kept, left_out
from cinema_cli.analysis.survival.joining import matched_ids
from cinema_cli.analysis.survival.reading import (
    FIRST_ROW,
    Cells,
    Source,
    as_numbers,
    as_text,
    read_phenotypes,
    read_source,
)
from cinema_cli.domain.errors import ConfigError, InputError
from cinema_cli.io.ledger import Status

KEY = "_key"  # which participant, without prefix
_PERSON, _VISIT, _ROW = "_person", "_visit", "_row"
_PLACES = {KEY: pl.String, "place": pl.Int64}
SESSION = "session_id"


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """One row a person, also of those whose study failed."""

    rows: pl.DataFrame  # KEY and every column of the tables
    flow: tuple[FlowStep, ...]
    notes: tuple[str, ...] = ()
    further: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_PLACES))  # other ids of these people

    @property
    def n(self) -> int:
        """People."""
        return self.rows.height

    def has(self, name: str) -> bool:
        """Whether something of that name is known of people."""
        return name in self.rows.columns and name != KEY

    def column(self, name: str) -> pl.Series:
        """A column. Raises ConfigError where there is none of that name."""
        if not self.has(name):
            known = [column for column in self.rows.columns if not column.startswith("_")]
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"no column {name} in what is known of people (there are {', '.join(known[:30])})",
                hint=f"Is {near[0]} meant?" if near else "Hand in a table that has it with --people.",
                code="fairness_columns",
            )
        return self.rows[name]

    def at(self, keys: pl.Series) -> pl.Series:
        """Position of each of some keys (without prefix) among the people; null where it is none."""
        places = self.rows.select(KEY, pl.int_range(pl.len(), dtype=pl.Int64).alias("place")).extend(self.further)
        return pl.DataFrame({KEY: keys}).join(places, on=KEY, how="left", maintain_order="left")["place"]

    def persons(self, keys: pl.Series) -> pl.Series:
        """The key that the person of each key has among the rows; keys of nobody here as they are."""
        places = self.at(keys)
        return self.rows[KEY].gather(places.fill_null(0)).zip_with(places.is_not_null(), keys).alias(KEY)


def read_people(
    source: Path,
    people: Path | None = None,
    *,
    age_bands: Sequence[float] = (),
    id_column: str = "",
    cluster: str = "",
    hash_key: bytes | None = None,
) -> People:
    """People of an output folder (or a table of phenotypes), with the columns of `people` before those of the folder.

    `age_bands`: ages in years that bands begin with; none: decades. `id_column` counts in tables that have it;
    `cluster`: the column of persons where one may have several ids. `hash_key`: with which ids of the folder were
    hashed. Of several visits of a person the first stands for all. Raises InputError, ConfigError.
    """
    own = read_phenotypes(source)
    other = None if people is None else read_people_table(people)
    flow, notes = [kept("rows of the phenotype table", own.cells.height)], list[str]()
    visits = _keyed(own, id_column)
    _refuse_twice(visits.with_columns(_visit(visits)), [KEY, _VISIT], own.name)
    visits = _reached(visits, flow)
    if other is not None:
        visits = _with_others(visits, own, _keyed(other, id_column), other.name, notes, hash_key=hash_key)
    visits = visits.with_columns(_person(visits, cluster))
    rows = _first_visits(visits, flow)
    places = rows.select(_PERSON, pl.int_range(pl.len(), dtype=pl.Int64).alias("place"))
    others = visits.unique(KEY).join(rows, on=KEY, how="anti").join(places, on=_PERSON, how="inner").select(*_PLACES)
    rows = with_derived(rows.drop(_PERSON, _ROW), age_bands)
    return People(rows, (*flow, kept("people compared", rows.height)), tuple(notes), others)


def keys_of(ids: pl.Series) -> pl.Series:
    """Participants as text without prefix."""
    return as_text(ids).str.strip_prefix("sub-").alias(KEY)


def _keyed(source: Source, id_column: str) -> pl.DataFrame:
    """The cells with row numbers and ids without prefix. Raises ConfigError where a table or a row has none."""
    named = (id_column,) if source.has(id_column) else PARTICIPANT_NAMES
    name = next((name for name in named if source.has(name)), "")
    if not name:
        raise no_participants(source, PARTICIPANT_WORDS)
    table = source.cells.with_row_index(_ROW, offset=FIRST_ROW).with_columns(keys_of(source.cells[name]))
    Cells(table, {name: (source.name, _ROW)}).refuse(
        name, table[KEY].is_null(), says="is empty", hint="Fill it in.", code="fairness_ids"
    )
    return table


def read_people_table(path: Path) -> Source:
    """The table given to --people. Raises InputError, ConfigError."""
    return read_source(path, called="table of people", option="--people", code="people")


def no_participants(source: Source, name: str) -> ConfigError:
    """The error of a table without the column of participants."""
    return ConfigError(
        f"{source.name} has no column {name} (it has {', '.join(source.names[:30])})",
        hint="Name the column of participants with --id-column.",
        code="fairness_columns",
    )


def _refuse_twice(table: pl.DataFrame, on: Sequence[str], called: str) -> None:
    """Raise ConfigError where a participant, or a visit, has several rows."""
    Cells(table, {KEY: (called, _ROW)}).refuse(
        KEY,
        table.select(pl.struct(on).is_duplicated()).to_series(),
        says="{} has several rows",
        hint="One row a participant, or a visit with session_id.",
        code="fairness_twice",
        called="participant",
    )


def _person(visits: pl.DataFrame, cluster: str) -> pl.Series:
    """Who each row is of: by `cluster` where that is known, else by the participant. Raises ConfigError."""
    if not cluster:
        return visits[KEY].alias(_PERSON)
    who = as_text(People(visits, ()).column(cluster))
    return pl.select(pl.coalesce(pl.format("{}: {}", pl.lit(cluster), who), visits[KEY])).to_series().alias(_PERSON)


def _reached(rows: pl.DataFrame, flow: list[FlowStep]) -> pl.DataFrame:
    """Without studies that no run has come to: nothing is known of how they end."""
    if "status" not in rows.columns or not set(rows["status"].drop_nulls()) <= set(Status):
        return rows
    reached = rows.filter(pl.col("status") != Status.NOT_RUN)
    if reached.is_empty():
        raise InputError("no study has been analysed yet", hint="Run `cinema analyse` first.", code="nobody")
    if reached.height < rows.height:
        flow.append(left_out("study not reached yet", rows.height - reached.height))
    return reached


def _first_visits(visits: pl.DataFrame, flow: list[FlowStep]) -> pl.DataFrame:
    """One row a person: of the first visit."""
    if visits[_PERSON].n_unique() == visits.height:
        return visits
    order = visits.with_columns(_visit(visits), pl.int_range(visits.height).alias("_place"))
    order = order.sort(pl.col(_VISIT).str.len_chars(), _VISIT, maintain_order=True)  # 2 before 10
    first = order.unique(_PERSON, keep="first", maintain_order=True).sort("_place").drop(_VISIT, "_place")
    flow.append(left_out("later visit of the same participant", visits.height - first.height))
    return first


def _visit(rows: pl.DataFrame) -> pl.Series:
    """Sessions without prefix; empty where a table has none."""
    named = as_text(rows[SESSION]) if SESSION in rows.columns else pl.Series([""] * rows.height, dtype=pl.String)
    return named.str.strip_prefix("ses-").alias(_VISIT)


def _with_others(
    rows: pl.DataFrame, own: Source, said: pl.DataFrame, called: str, notes: list[str], *, hash_key: bytes | None
) -> pl.DataFrame:
    """The columns of another table too, by visit where that has several of a person; its cells come first."""
    said = said.with_columns(matched_ids(said[KEY], known=rows[KEY], hash_key=hash_key))
    on = [KEY]
    if said[KEY].is_duplicated().any() and SESSION in said.columns and SESSION in rows.columns:
        rows, said, on = rows.with_columns(_visit(rows)), said.with_columns(_visit(said)), [KEY, _VISIT]
    _refuse_twice(said, on, called)
    n_without = rows.join(said, on=on, how="anti")[KEY].n_unique()
    if n_without == rows[KEY].n_unique():
        raise InputError(
            f"no participant of {own.name} is in {called}",
            hint="A prefix sub- does not matter, leading zeros do; --id-column names the column of participants.",
            code="nobody_matches",
        )
    if n_without:
        notes.append(f"participants of {own.name} without a row in {called}: {n_without}")
    places = said.select(*on, pl.int_range(pl.len(), dtype=pl.Int64).alias("_place"))
    at = rows.select(on).join(places, on=on, how="left", maintain_order="left")["_place"]
    ours = {name for name in (KEY, SESSION, _VISIT, _ROW, *PARTICIPANT_NAMES) if name in rows.columns}
    theirs = said.select(pl.exclude(ours).gather(at))
    cells = (_first_known(one, rows[one.name], one.name) if one.name in rows.columns else one for one in theirs)
    return rows.with_columns(cells).drop(_VISIT, strict=False)


def _first_known(one: pl.Series, other: pl.Series, name: str) -> pl.Series:
    if other.dtype.is_numeric():
        return as_numbers(one).fill_null(other.cast(pl.Float64)).alias(name)
    return as_text(one).fill_null(as_text(other)).alias(name)
