"""A folder of DICOM to an index of its cines: one row a series with verdict and reason, and the plan of every frame."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import polars as pl

from cinema_cli.domain.cine import Note
from cinema_cli.domain.errors import ConfigError
from cinema_cli.io import explain as explaining
from cinema_cli.io.assembly import assemble
from cinema_cli.io.facts import FACTS_SCHEMA, study_facts, year_only
from cinema_cli.io.folders import check_folder
from cinema_cli.io.headers import plain, read_headers
from cinema_cli.io.identity import assign_ids, id_rule, keyed_hash
from cinema_cli.io.index_rows import (
    IMAGES_SCHEMA,
    KEY_SCHEMA,
    SERIES_SCHEMA,
    STACKS_SCHEMA,
    image_rows,
    series_rows,
    stack_row,
)
from cinema_cli.io.keywords import read_views_file, unused_overrides
from cinema_cli.io.problems import check_any, lost_folders
from cinema_cli.io.processes import each
from cinema_cli.io.processors import available_cpus
from cinema_cli.io.truncated import without_spoilt_copies

__all__ = [
    "SERIES_SCHEMA",
    "CohortIndex",
    "StudyKey",
    "StudyPlan",
    "check_files",
    "explain",
    "of_study",
    "plan_of",
    "scan",
    "studies",
    "study_digest",
    "study_digests",
]

TableName = Literal["series", "images", "stacks", "facts"]
_STUDIES_AT_ONCE = 256  # bounds the memory of digests
_ASSEMBLED_AT_ONCE = 32  # studies that a process puts in order at a time
_Tables = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]  # series, images, stacks, facts


@dataclass(frozen=True, slots=True, order=True)
class StudyKey:
    """One visit of one participant."""

    participant_id: str
    session_id: str
    study_uid: str


@dataclass(frozen=True, slots=True, eq=False)
class CohortIndex:
    """What a scan found; paths are relative to `root`, tables in order of participant, session and study."""

    root: Path
    series: pl.DataFrame  # SERIES_SCHEMA
    images: pl.DataFrame  # IMAGES_SCHEMA: every frame of every chosen stack
    stacks: pl.DataFrame  # STACKS_SCHEMA: geometry, times and notes of every chosen stack
    facts: pl.DataFrame  # FACTS_SCHEMA: one row a study
    problems: pl.DataFrame  # path, code, sentence: files that could not be read
    notes: pl.DataFrame  # participant_id, session_id, code, sentence
    unused_overrides: tuple[str, ...] = ()  # keys of the views file that fit no series
    lost_folders: tuple[str, ...] = ()  # in which no DICOM file could be read: who is in them is not known
    n_files: int = 0  # that were looked into
    places: Mapping[str, Mapping[StudyKey, tuple[int, int]]] = field(init=False, repr=False)  # where a study's rows are

    def __post_init__(self) -> None:
        """Find the rows of every study once: a search a study would grow with the square of the cohort."""
        object.__setattr__(self, "places", {name: _places(getattr(self, name)) for name in get_args(TableName)})


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


def scan(
    root: Path,
    *,
    id_from: str | Path = "auto",
    hash_key: bytes | None = None,
    views_file: Path | None = None,
    allow_missing_frames: int = 0,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> CohortIndex:
    """Index the cines of a folder tree by geometry and time; nothing is written.

    `progress(what, done, total)` counts "files" that are read, then "studies" that are put in order.
    With `hash_key` the facts keep the year of a study only; uids stay, see `io.identity.without_links`, and the views
    file may name series by them or by their hashes. Raises InputError where there is no folder, no DICOM image or no
    MR image, ConfigError for a bad views or mapping file.
    """
    named = read_views_file(views_file) if views_file else {}
    rule = id_rule(id_from)
    check_folder(root)
    n_jobs = jobs or available_cpus()
    headers = read_headers(root, jobs=n_jobs, progress=partial(progress, "files") if progress else None)
    check_any(headers.instances, headers.problems, n_files=headers.n_files)
    problems, n_opened = headers.problems, headers.n_opened
    overrides = _by_uid(named, headers.instances["series_uid"].drop_nulls().unique(), hash_key=hash_key)
    ids = assign_ids(headers.instances, id_from=rule, hash_key=hash_key)
    del headers  # by far the largest table, of which `ids` has a copy
    index = build_index(
        root, ids.instances, problems, ids.notes, overrides, allow_missing_frames, jobs=n_jobs,
        progress=partial(progress, "studies") if progress else None,
    )  # fmt: skip
    index = replace(index, unused_overrides=unused_overrides(overrides, ids.instances), n_files=n_opened)
    return index if hash_key is None else replace(index, facts=year_only(index.facts))


def check_files(*, id_from: str | Path, views_file: Path | None) -> None:
    """Raise ConfigError where `scan` would for these files, which takes no time: before a log could quote them."""
    id_rule(id_from)
    if views_file:
        read_views_file(views_file)


def _by_uid(overrides: Mapping[str, str], uids: Iterable[str], *, hash_key: bytes | None) -> dict[str, str]:
    """What the views file says by uid where it names a series by the hash that the tables have. Raises ConfigError
    where it names one series both ways and contradicts itself."""
    raw = {} if hash_key is None else {keyed_hash(uid, hash_key): uid.strip().lower() for uid in uids}
    by_uid: dict[str, str] = {}
    for name, view in overrides.items():
        if by_uid.setdefault(raw.get(name, name), view) != view:
            said = "two lines of the views file name one series, by uid and by hash, and contradict each other"
            raise ConfigError(said, hint="Leave one line for each series.", code="views_file")
    return by_uid


def build_index(
    root: Path,
    instances: pl.DataFrame,
    problems: pl.DataFrame,
    notes: pl.DataFrame,
    overrides: Mapping[str, str],
    allow_missing_frames: int,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> CohortIndex:
    """Index of instances that carry participant and session ids, some studies at a time, perhaps in processes of their
    own; `progress(done, total)` counts studies."""
    rows = _rows_by_study(instances)
    starts = range(0, len(rows), _ASSEMBLED_AT_ONCE)
    pieces = ([instances[one] for one in rows[start : start + _ASSEMBLED_AT_ONCE]] for start in starts)
    work = partial(_tables, overrides=overrides, allow_missing_frames=allow_missing_frames)
    found: list[_Tables] = []
    for number, tables in enumerate(each(work, pieces, total=len(starts), jobs=jobs), start=1):
        found.append(tables)
        if progress:
            progress(min(number * _ASSEMBLED_AT_ONCE, len(rows)), len(rows))
    series, images, stacks, facts = (pl.concat(parts) for parts in zip(work([]), *found, strict=True))
    lost = lost_folders(problems, instances)
    return CohortIndex(root, series, images, stacks, facts, problems, notes, lost_folders=lost)


def _rows_by_study(instances: pl.DataFrame) -> pl.Series:
    """Rows of each study, in order of participant, session and study; ids that are absent count as empty text."""
    keys = instances.lazy().select(pl.col(*KEY_SCHEMA).fill_null("")).with_row_index("row")
    return keys.group_by(*KEY_SCHEMA).agg("row").sort(*KEY_SCHEMA).collect()["row"]


def _tables(studies: Sequence[pl.DataFrame], *, overrides: Mapping[str, str], allow_missing_frames: int) -> _Tables:
    """Series, images, stacks and facts of some studies."""
    series: list[dict[str, Any]] = []
    stacks: list[dict[str, Any]] = []
    facts: list[dict[str, Any]] = []
    images: list[pl.DataFrame] = [pl.DataFrame(schema=IMAGES_SCHEMA)]
    for unsorted in studies:
        images_once = without_spoilt_copies(plain(unsorted).with_columns(pl.col(*KEY_SCHEMA).fill_null("")))
        table = images_once.sort(
            "sop_uid", "frame_item", "position_z", "trigger_time_ms", "path", "member"
        )  # not as files lie
        key = table.select(*KEY_SCHEMA).row(0, named=True)
        study = assemble(table, overrides=overrides, allow_missing_frames=allow_missing_frames)
        series += [key | row for row in series_rows(study)]
        stacks += [key | stack_row(c, study.timings[view], study) for view, c in study.chosen.items()]
        images += [image_rows(key, view, c, table) for view, c in study.chosen.items()]
        facts.append(key | study_facts(table))
    return (
        pl.DataFrame(series, schema=SERIES_SCHEMA),
        pl.concat(images),
        pl.DataFrame(stacks, schema=STACKS_SCHEMA),
        pl.DataFrame(facts, schema={**KEY_SCHEMA, **FACTS_SCHEMA}),
    )


def studies(index: CohortIndex) -> tuple[StudyKey, ...]:
    """Every study of the cohort, also those without a usable cine, in order."""
    return tuple(StudyKey(*row) for row in index.facts.select(*KEY_SCHEMA).sort(*KEY_SCHEMA).iter_rows())


def of_study(index: CohortIndex, table: TableName, key: StudyKey) -> pl.DataFrame:
    """Rows of one study of a table of the index; no rows where it has none."""
    start, length = index.places[table].get(key, (0, 0))
    rows: pl.DataFrame = getattr(index, table)
    return rows.slice(start, length)


def plan_of(index: CohortIndex, key: StudyKey) -> StudyPlan:
    """What the index knows of one study."""
    series, stacks, images, facts = (of_study(index, name, key) for name in ("series", "stacks", "images", "facts"))
    mine = index.notes.filter(pl.col("participant_id") == key.participant_id)
    mine = mine.filter(pl.col("session_id").is_null() | (pl.col("session_id") == key.session_id))
    notes = tuple(Note(code, sentence) for code, sentence in mine.select("code", "sentence").iter_rows())
    return StudyPlan(index.root, key, series, stacks, images, facts, notes)


def _places(table: pl.DataFrame) -> dict[StudyKey, tuple[int, int]]:
    """First row and number of rows of each study; the rows of a study stand together."""
    keys = table.lazy().select(pl.col(*KEY_SCHEMA).cast(pl.String)).with_row_index("start")
    groups = keys.group_by(*KEY_SCHEMA).agg(pl.col("start").min(), pl.len()).collect()
    return {StudyKey(*row[:3]): (row[3], row[4]) for row in groups.iter_rows()}


def explain(index: CohortIndex, query: str) -> tuple[str, ...]:
    """The story of one series, found by its uid, the end of it, or its number; InputError where there is none."""
    return explaining.tell(index.series, query)


def study_digest(index: CohortIndex, key: StudyKey) -> str:
    """SHA-256 over the planned files of a study (path, size, change time) and how they become cines."""
    return study_digests(index, [key])[key]


def study_digests(index: CohortIndex, keys: Sequence[StudyKey]) -> dict[StudyKey, str]:
    """`study_digest` of many studies, for which whole pieces of the image table are written out at once."""
    digests = {}
    for start in range(0, len(keys), _STUDIES_AT_ONCE):
        some = keys[start : start + _STUDIES_AT_ONCE]
        plans = _plans(pl.concat([of_study(index, "images", key) for key in some]))
        for key in some:
            rest = [of_study(index, table, key).to_dicts() for table in ("stacks", "facts")]
            text = json.dumps([plans.get(key, ""), rest])
            digests[key] = hashlib.sha256(text.encode()).hexdigest()
    return digests


def _plans(images: pl.DataFrame) -> dict[StudyKey, str]:
    """Rows of each study as one text; they are in the order of views, slices and frames, whatever that of files."""
    place = pl.concat_str("path", "member", separator="\0", ignore_nulls=True)
    cells = [
        (place if name == "path" else pl.col(name)).cast(pl.String).fill_null("")
        for name in IMAGES_SCHEMA
        if name not in (*KEY_SCHEMA, "member")
    ]
    lines = images.select(pl.col(*KEY_SCHEMA).cast(pl.String), line=pl.concat_str(cells, separator="\t"))
    texts = lines.group_by(*KEY_SCHEMA, maintain_order=True).agg(pl.col("line").str.join("\n"))
    return {StudyKey(*row[:3]): row[3] for row in texts.iter_rows()}
