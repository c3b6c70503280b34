"""What a scan found of a cohort, study by study; images of all studies need not be in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

from cinema_cli.domain.cine import Note
from cinema_cli.domain.errors import InputError
from cinema_cli.io.index_rows import IMAGES_SCHEMA, KEY_SCHEMA
from cinema_cli.io.index_store import DamagedError, Shelved, load

TableName = Literal["series", "images", "stacks", "facts"]
_IN_MEMORY = ("series", "stacks", "facts")


@dataclass(frozen=True, slots=True, order=True)
class StudyKey:
    """One visit of one participant."""

    participant_id: str
    session_id: str
    study_uid: str


Place = tuple[int, int, int]
"""Table, first row in it, number of rows."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageParts:
    """The planned images of every study, in tables of some studies each."""

    tables: tuple[Shelved, ...]  # IMAGES_SCHEMA
    places: Mapping[StudyKey, Place]
    latest: dict[int, pl.DataFrame] = field(default_factory=dict, repr=False)  # the table that was asked for last

    def of(self, key: StudyKey) -> pl.DataFrame:
        """Images of one study; no rows where it has none. Raises InputError where the index was removed meanwhile."""
        if key not in self.places:
            return pl.DataFrame(schema=IMAGES_SCHEMA)
        table, start, length = self.places[key]
        return self._table(table).slice(start, length)

    def whole(self) -> pl.DataFrame:
        """Images of all studies, in order of studies: 70 bytes an image."""
        return pl.concat([pl.DataFrame(schema=IMAGES_SCHEMA), *(self.of(key) for key in sorted(self.places))])

    def _table(self, number: int) -> pl.DataFrame:
        table = self.latest.get(number)
        if table is None:
            try:
                table = load(self.tables[number])
            except DamagedError as error:
                hint = "Run the same command again: it makes what is missing anew."
                raise InputError("the index of the cohort was removed", hint=hint, code="no_index") from error
            self.latest.clear()
            self.latest[number] = table
        return table


@dataclass(frozen=True, slots=True, eq=False)
class CohortIndex:
    """What a scan found; paths are relative to `root`, tables in order of participant, session and study."""

    root: Path
    series: pl.DataFrame  # SERIES_SCHEMA
    image_parts: ImageParts  # every frame of every chosen stack
    stacks: pl.DataFrame  # STACKS_SCHEMA: geometry, times and notes of every chosen stack
    facts: pl.DataFrame  # FACTS_SCHEMA: one row a study
    studies: pl.DataFrame  # KEY_SCHEMA, `digest`, `n_images`, `n_bytes`: one row a study
    problems: pl.DataFrame  # path, code, sentence: files that could not be read
    notes: pl.DataFrame  # participant_id, session_id, code, sentence
    unused_overrides: tuple[str, ...] = ()  # keys of the views file that fit no series
    lost_folders: tuple[str, ...] = ()  # in which no DICOM file could be read: who is in them is not known
    n_files: int = 0  # that were looked into, now or by an earlier scan
    n_read: int = 0  # files and archives that no earlier scan had read
    doubt: str = ""  # why what earlier scans found was not used, where that is to be said
    fault: str = ""  # why the next scan will not know what this one found
    hides_names: bool = False  # whether ids are hashed
    places: Mapping[str, Mapping[StudyKey, tuple[int, int]]] = field(init=False, repr=False)  # where a study's rows are

    def __post_init__(self) -> None:
        """Find the rows of every study once: a search a study would grow with the square of the cohort."""
        object.__setattr__(self, "places", {name: _places(getattr(self, name)) for name in _IN_MEMORY})

    @property
    def images(self) -> pl.DataFrame:
        """IMAGES_SCHEMA of all studies, which for a large cohort is large: see `of_study`."""
        return self.image_parts.whole()


@dataclass(frozen=True, slots=True, eq=False)
class StudyPlan:
    """All that an index knows of one study, small enough to be sent to another process."""

    root: Path
    key: StudyKey
    series: pl.DataFrame  # SERIES_SCHEMA
    stacks: pl.DataFrame  # STACKS_SCHEMA: one row a view
    images: pl.DataFrame  # IMAGES_SCHEMA
    facts: pl.DataFrame  # FACTS_SCHEMA: one row
    notes: tuple[Note, ...] = ()  # doubts about the participant
    hides_names: bool = False  # whether ids are hashed, so that no name of a file may be told


def studies(index: CohortIndex) -> tuple[StudyKey, ...]:
    """Every study of the cohort, also those without a usable cine, in order."""
    return tuple(StudyKey(*row) for row in index.facts.select(*KEY_SCHEMA).sort(*KEY_SCHEMA).iter_rows())


def of_study(index: CohortIndex, table: TableName, key: StudyKey) -> pl.DataFrame:
    """Rows of one study of a table of the index; no rows where it has none."""
    if table == "images":
        return index.image_parts.of(key)
    start, length = index.places[table].get(key, (0, 0))
    rows: pl.DataFrame = getattr(index, table)
    return rows.slice(start, length)


def plan_of(index: CohortIndex, key: StudyKey) -> StudyPlan:
    """What the index knows of one study."""
    series, stacks, images, facts = (of_study(index, name, key) for name in ("series", "stacks", "images", "facts"))
    mine = index.notes.filter(pl.col("participant_id") == key.participant_id)
    mine = mine.filter(pl.col("session_id").is_null() | (pl.col("session_id") == key.session_id))
    notes = tuple(Note(code, sentence) for code, sentence in mine.select("code", "sentence").iter_rows())
    return StudyPlan(index.root, key, series, stacks, images, facts, notes, hides_names=index.hides_names)


def study_digest(index: CohortIndex, key: StudyKey) -> str:
    """SHA-256 over the planned files of a study (path, size, change time) and how they become cines."""
    return study_digests(index, [key])[key]


def study_digests(index: CohortIndex, keys: Sequence[StudyKey]) -> dict[StudyKey, str]:
    """`study_digest` of many studies."""
    known = {StudyKey(*row[:3]): row[3] for row in index.studies.select(*KEY_SCHEMA, "digest").iter_rows()}
    return {key: known[key] for key in keys}


def _places(table: pl.DataFrame) -> dict[StudyKey, tuple[int, int]]:
    """First row and number of rows of each study; the rows of a study stand together."""
    keys = table.lazy().select(pl.col(*KEY_SCHEMA).cast(pl.String)).with_row_index("start")
    groups = keys.group_by(*KEY_SCHEMA).agg(pl.col("start").min(), pl.len()).collect()
    return {StudyKey(*row[:3]): (row[3], row[4]) for row in groups.iter_rows()}
