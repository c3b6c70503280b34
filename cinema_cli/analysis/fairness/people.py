"""Who is compared with whom: one row a person of the phenotype table, with what another file says of them."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import polars as pl

from cinema_cli.analysis.statistics.group_means import FEWEST
from cinema_cli.analysis.survival.columns import AGES, PARTICIPANT_NAMES
from cinema_cli.analysis.survival.flow import FlowStep, kept, left_out
from cinema_cli.analysis.survival.reading import Source, as_numbers, as_text, read_phenotypes, read_source
from cinema_cli.domain.errors import ConfigError, InputError
from cinema_cli.io.identity import keyed_hash
from cinema_cli.io.ledger import Status

KEY = "_key"  # who, without prefix
SESSION = "session_id"
AGE_BAND, BMI, FLAGGED = "age_band", "bmi", "flagged_checks"  # made here where the tables lack them
QC = "qc_"
FLAG = ("flag", "fail")  # verdicts of a check that is not passed
_DECADE = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """One row a person, also of those whose study failed."""

    rows: pl.DataFrame  # KEY and every column of the tables
    flow: tuple[FlowStep, ...]
    notes: tuple[str, ...] = ()

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
            known = [column for column in self.rows.columns if column != KEY]
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"no column {name} in what is known of people (there are {', '.join(known[:30])})",
                hint=f"Is {near[0]} meant?" if near else "Hand in a table that has it with --people.",
                code="fairness_columns",
            )
        return self.rows[name]

    def at(self, keys: pl.Series) -> pl.Series:
        """Position of each of some keys (without prefix) among the people; null where it is none."""
        places = pl.DataFrame({KEY: self.rows[KEY], "place": range(self.n)}, schema_overrides={"place": pl.Int64})
        return pl.DataFrame({KEY: keys}).join(places, on=KEY, how="left", maintain_order="left")["place"]


def read_people(
    source: Path, people: Path | None = None, *, age_bands: Sequence[float] = (), hash_key: bytes | None = None
) -> People:
    """People of an output folder (or a table of phenotypes), with the columns of `people` before those of the folder.

    `age_bands`: ages in years that bands begin with; none: decades. `hash_key`: with which ids of the folder were
    hashed. Raises InputError, ConfigError.
    """
    own = read_phenotypes(source)
    flow = [kept("rows of the phenotype table", own.cells.height)]
    rows = _first_visits(_reached(_keyed(own), flow), flow)
    notes: tuple[str, ...] = ()
    if people is not None:
        other = read_source(people, called="table of people", option="--people", code="people")
        rows, notes = _with_others(rows, own, other, hash_key)
    return People(_derived(rows, age_bands), (*flow, kept("people compared", rows.height)), notes)


def keys_of(ids: pl.Series) -> pl.Series:
    """Participants as text without prefix."""
    return as_text(ids).str.strip_prefix("sub-").alias(KEY)


def _keyed(source: Source) -> pl.DataFrame:
    name = next((name for name in PARTICIPANT_NAMES if source.has(name)), "")
    if not name:
        raise ConfigError(
            f"{source.name} has no column {' or '.join(PARTICIPANT_NAMES)} (it has {', '.join(source.names[:30])})",
            hint="One row a participant is read.",
            code="fairness_columns",
        )
    return source.cells.with_columns(keys_of(source.cells[name])).filter(pl.col(KEY).is_not_null())


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


def _first_visits(rows: pl.DataFrame, flow: list[FlowStep]) -> pl.DataFrame:
    if rows[KEY].n_unique() == rows.height:
        return rows
    visit = (
        as_text(rows[SESSION]).str.strip_prefix("ses-") if SESSION in rows.columns else pl.Series([""] * rows.height)
    )
    order = rows.with_columns(visit.alias("_visit"), pl.int_range(rows.height).alias("_place"))
    order = order.sort(pl.col("_visit").str.len_chars(), "_visit", maintain_order=True)  # 2 before 10
    first = order.unique(KEY, keep="first", maintain_order=True).sort("_place").drop("_visit", "_place")
    flow.append(left_out("later visit of the same participant", rows.height - first.height))
    return first


def _with_others(
    rows: pl.DataFrame, own: Source, other: Source, hash_key: bytes | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The columns of another table too; where both have one, its cells first."""
    said = _keyed(other)
    if hash_key is not None:
        said = said.with_columns(_hashed(said[KEY], rows[KEY], hash_key))
    if said[KEY].n_unique() < said.height:
        twice = said.filter(pl.col(KEY).is_duplicated())[KEY][0]
        raise ConfigError(
            f"{other.name} has several rows for participant {twice!r}",
            hint="One row a participant.",
            code="fairness_twice",
        )
    matched = rows.join(said, on=KEY, how="left", suffix="_said", maintain_order="left")
    n_matched = rows[KEY].is_in(said[KEY].implode()).sum()
    if not n_matched:
        raise InputError(
            f"no participant of {own.name} is in {other.name}",
            hint="A prefix sub- does not matter, leading zeros do.",
            code="nobody_matches",
        )
    both = [name for name in said.columns if name in rows.columns and name not in (KEY, SESSION, *PARTICIPANT_NAMES)]
    matched = matched.with_columns(_first_known(matched[f"{name}_said"], matched[name], name) for name in both)
    dropped = [name for name in matched.columns if name.endswith("_said")]
    notes = (f"participants of {own.name} without a row in {other.name}: {rows.height - n_matched}",)
    return matched.drop(dropped), notes if n_matched < rows.height else ()


def _hashed(keys: pl.Series, known: pl.Series, hash_key: bytes) -> pl.Series:
    """Ids as the folder has them: as they are, or hashed with or without their prefix."""
    there = set(known)
    forms = ([key, keyed_hash(key, hash_key), keyed_hash(f"sub-{key}", hash_key)] for key in keys)
    return pl.Series(KEY, [next((form for form in of_one if form in there), of_one[0]) for of_one in forms])


def _first_known(one: pl.Series, other: pl.Series, name: str) -> pl.Series:
    if other.dtype.is_numeric():
        return as_numbers(one).fill_null(other.cast(pl.Float64)).alias(name)
    return as_text(one).fill_null(as_text(other)).alias(name)


def _derived(rows: pl.DataFrame, age_bands: Sequence[float]) -> pl.DataFrame:
    made: dict[str, pl.Series] = {}
    age = next((name for name in AGES if name in rows.columns), "")
    if age:
        made[AGE_BAND] = _bands(as_numbers(rows[age]), age_bands)
    if {"height_cm", "weight_kg"} <= set(rows.columns):
        height, weight = as_numbers(rows["height_cm"]), as_numbers(rows["weight_kg"])
        made[BMI] = weight / (height / 100.0) ** 2
    checks = [name for name in rows.columns if name.startswith(QC)]
    if checks:
        flags = rows.select(pl.sum_horizontal(pl.col(name).is_in(FLAG).fill_null(value=False) for name in checks))
        known = rows.select(pl.any_horizontal(pl.col(name).is_not_null() for name in checks)).to_series()
        made[FLAGGED] = flags.to_series().cast(pl.Float64).set(~known, None)
    return rows.with_columns(values.alias(name) for name, values in made.items() if name not in rows.columns)


def _bands(ages: pl.Series, starts: Sequence[float]) -> pl.Series:
    """Ages in years as `50 to 59`, in decades or between given ages."""
    edges = list(starts) or _decades(ages)
    words: Mapping[int, str] = {
        0: f"under {edges[0]:g}",
        **{k: f"{low:g} to {high - 1:g}" for k, (low, high) in enumerate(pairwise(edges), 1)},
        len(edges): f"{edges[-1]:g} and over",
    }
    place = sum((ages >= edge).cast(pl.Int64) for edge in edges)
    assert isinstance(place, pl.Series)
    return place.replace_strict(dict(words), return_dtype=pl.String)


def _decades(ages: pl.Series) -> list[float]:
    """Where bands begin: few people at either end are one band with the next decade, for they could not be shown."""
    known = ages.drop_nulls()
    if known.is_empty():
        return [_DECADE]
    lowest, highest = (float(v) // _DECADE * _DECADE for v in (known.min(), known.max()))  # type: ignore[arg-type]
    edges = [lowest + _DECADE * k for k in range(round((highest - lowest) / _DECADE) + 2)]
    if len(edges) > 3 and (known >= edges[-2]).sum() < FEWEST:
        edges = edges[:-2]
        while len(edges) > 2 and (known >= edges[-1]).sum() < FEWEST:
            edges.pop()
    if len(edges) > 3 and (known < edges[1]).sum() < FEWEST:
        edges = edges[2:]
        while len(edges) > 2 and (known < edges[0]).sum() < FEWEST:
            edges.pop(0)
    return edges
