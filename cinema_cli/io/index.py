"""A folder of DICOM to an index of its cines: one row a series with verdict and reason, and the plan of every frame."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

import polars as pl

from cinema_cli.domain.errors import ConfigError
from cinema_cli.io import explain as explaining
from cinema_cli.io.assembled import Rules
from cinema_cli.io.cohort_index import (
    CohortIndex,
    StudyKey,
    StudyPlan,
    of_study,
    plan_of,
    studies,
    study_digest,
    study_digests,
)
from cinema_cli.io.folders import FileTree, check_folder, list_files
from cinema_cli.io.header_parts import header_parts
from cinema_cli.io.headers import problem_table
from cinema_cli.io.id_mapping import Mapping as IdMapping
from cinema_cli.io.id_units import DIRECTORY
from cinema_cli.io.identity import assign_ids, id_rule, keyed_hash
from cinema_cli.io.index_rows import KEY_SCHEMA, SERIES_SCHEMA
from cinema_cli.io.index_store import DamagedError, Found, IndexStore, Shelved, load, open_index
from cinema_cli.io.instances import IS_IMAGE
from cinema_cli.io.keywords import read_views_file, unused_overrides
from cinema_cli.io.nifti_names import NIFTI_STUDY
from cinema_cli.io.problems import check_any, lost_folders
from cinema_cli.io.processes import Team
from cinema_cli.io.processors import available_cpus
from cinema_cli.io.study_tables import StudyTables, assemble_all, recalled

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

_ATTEMPTS = 3  # another scan may change the index meanwhile
_NOT_WRITTEN = "a file cannot be written"
_PLACE = pl.concat_str("path", "member", separator="/", ignore_nulls=True)  # of an image, an archive being a folder
Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class _Options:
    """What is asked of a scan, read and checked."""

    rule: str | IdMapping
    hash_key: bytes | None
    named: Mapping[str, str]  # by the views file
    allow_missing_frames: int
    state: str  # the same for the same options and contents of files


def scan(
    root: Path,
    *,
    id_from: str | Path = "auto",
    hash_key: bytes | None = None,
    views_file: Path | None = None,
    allow_missing_frames: int = 0,
    jobs: int | None = None,
    index_dir: Path | None = None,
    fresh: bool = False,
    progress: Told | None = None,
) -> CohortIndex:
    """Index the cines of a folder tree by geometry and time; nothing is written, except in `index_dir`.

    With `index_dir`, which should be outside of the tree, headers are kept there, and only those of files and archives
    are read that are new since or have another size or time of change; with `fresh`, all are read again. The result is
    the same. `progress(what, done, total)` counts "files found", "files" that are read, then "studies" that are put in
    order. With `hash_key` the facts keep the year of a study only; uids stay, see `io.identity.without_links`, and the
    views file may name series by them or by their hashes. Raises InputError where there is no folder, no DICOM image or
    no MR image, ConfigError for a bad views or mapping file.
    """
    options = _options(id_from, hash_key, views_file, allow_missing_frames)
    check_folder(root)
    told = progress or (lambda what, done, total: None)
    tree = list_files(root.resolve(), progress=lambda found: told("files found", found, 0))
    store, fault = _store(index_dir, root=root, fresh=fresh)
    work = partial(_indexed, root, tree, options, jobs=jobs or available_cpus(), told=told)
    for _ in range(_ATTEMPTS if store else 0):
        try:
            return work(store, "")
        except DamagedError:
            fault = "other scans change the index all the time"
    return work(None, fault)


def check_files(*, id_from: str | Path, views_file: Path | None) -> None:
    """Raise ConfigError where `scan` would for these files, which takes no time: before a log could quote them."""
    id_rule(id_from)
    if views_file:
        read_views_file(views_file)


def _options(
    id_from: str | Path, hash_key: bytes | None, views_file: Path | None, allow_missing_frames: int
) -> _Options:
    """The options, and what tells them from others. Raises ConfigError."""
    named = read_views_file(views_file) if views_file else {}
    rule = id_rule(id_from)
    targets = sorted(rule.targets.items()) if isinstance(rule, IdMapping) else rule
    said = repr((targets, hash_key, sorted(named.items()), allow_missing_frames))
    state = blake2b(said.encode(), digest_size=8).hexdigest()
    return _Options(rule, hash_key, named, allow_missing_frames, state)


def _store(index_dir: Path | None, *, root: Path, fresh: bool) -> tuple[IndexStore | None, str]:
    """The index, or why there is none although one was asked for."""
    if index_dir is None:
        return None, ""
    try:
        return open_index(index_dir, root=root, fresh=fresh), ""
    except OSError as error:
        return None, error.strerror or "no reason given"


def _indexed(
    root: Path, tree: FileTree, options: _Options, store: IndexStore | None, fault: str, *, jobs: int, told: Told
) -> CohortIndex:
    """Index of a tree: all from an earlier scan where nothing has changed. Raises DamagedError where another scan
    changes the index meanwhile, and what `scan` raises."""
    found = store.found(options.state) if store else None
    before = recalled(found, store) if found and store else None
    hidden = options.hash_key is not None
    if found and before and found.tree == tree.digest() and before.studies.equals(found.tables["studies"]):
        return _cohort_index(root, before, found, hidden=hidden, store=store, fault=fault)
    with Team(jobs) as team:
        parts = header_parts(tree, root=root.resolve(), store=store, team=team, progress=partial(told, "files"))
        problems = problem_table([*tree.problems, *parts.problems])
        check_any(set(parts.summary["modality"]), problems, n_files=parts.n_opened + tree.n_hidden)
        overrides, unused = _overrides(options, parts.parts)
        ids, notes = _ids(parts.summary, options)
        tables = assemble_all(
            ids, parts.parts, rules=Rules(overrides, options.allow_missing_frames, hidden),
            before=before, folder=store.images if store else None, team=team, progress=partial(told, "studies"),
        )  # fmt: skip
    lost = lost_folders(problems, parts.summary.select(_PLACE).to_series())
    now = Found(
        tree=tree.digest(),
        tables=tables.kept() | {"problems": problems, "notes": notes},
        images=tuple(table.name for table in tables.images if isinstance(table, Path)),
        facts={"n_files": parts.n_opened, "unused_overrides": unused, "lost_folders": lost},
    )
    fault = _keep(store, options.state, now, complete=parts.are_kept and tables.are_kept) if store else fault
    return _cohort_index(root, tables, now, hidden=hidden, n_read=parts.n_read, store=store, fault=fault)


def _ids(summary: pl.DataFrame, options: _Options) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The summary of all images with UNITS_SCHEMA, and notes on participants."""
    summary = _without_lone_labels(summary)
    ids = assign_ids(summary.with_columns(in_header="study_uid"), id_from=options.rule, hash_key=options.hash_key)
    own = ids.instances.with_columns(own_study_uid="study_uid", study_uid="in_header", directory=DIRECTORY)
    return own, ids.notes


def _without_lone_labels(summary: pl.DataFrame) -> pl.DataFrame:
    """The summary without NIfTI labels of visits that have no NIfTI image: masks beside a cohort are no study."""
    nifti = pl.col("study_uid").fill_null("").str.starts_with(NIFTI_STUDY)
    labels = nifti & (pl.col("modality") == "SEG")
    seen = summary.filter(nifti & (pl.col("modality") == "MR"))["study_uid"].unique()
    return summary.filter(~labels.fill_null(value=False) | pl.col("study_uid").is_in(seen.implode()))


def _overrides(options: _Options, parts: Iterable[Shelved]) -> tuple[dict[str, str], tuple[str, ...]]:
    """What the views file says by uid, and what of it fits no series. Raises ConfigError, DamagedError."""
    if not options.named:
        return {}, ()
    names = ["series_uid", "series_description", "frame_item"]
    named = pl.concat([load(part, names).filter(IS_IMAGE).drop("frame_item").unique() for part in parts])
    overrides = _by_uid(options.named, named["series_uid"].drop_nulls().unique(), hash_key=options.hash_key)
    return overrides, unused_overrides(overrides, named)


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


def _keep(store: IndexStore, name: str, found: Found, *, complete: bool) -> str:
    """Keep what was found for the next scan; why that cannot be, empty where it can."""
    if not complete:
        return _NOT_WRITTEN
    try:
        store.keep_found(name, found)
    except OSError as error:
        return error.strerror or _NOT_WRITTEN
    return ""


def _cohort_index(
    root: Path,
    tables: StudyTables,
    found: Found,
    *,
    hidden: bool,
    store: IndexStore | None,
    fault: str,
    n_read: int = 0,
) -> CohortIndex:
    return CohortIndex(
        root=root,
        series=tables.series,
        image_parts=tables.image_parts,
        stacks=tables.stacks,
        facts=tables.facts,
        studies=tables.studies.select(*KEY_SCHEMA, "digest", "n_images", "n_bytes"),
        problems=found.tables["problems"],
        notes=found.tables["notes"],
        unused_overrides=tuple(found.facts["unused_overrides"]),
        lost_folders=tuple(found.facts["lost_folders"]),
        n_files=found.facts["n_files"],
        n_read=n_read,
        doubt=store.doubt if store else "",
        fault=fault,
        hides_names=hidden,
    )


def explain(index: CohortIndex, query: str) -> tuple[str, ...]:
    """The story of one series, found by its uid, the end of it, or its number; InputError where there is none."""
    return explaining.tell(index.series, query)
