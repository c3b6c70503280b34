"""What the files of a cohort said, in parts that need not be in memory: read now, or known from an earlier scan."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import compress, islice
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.io.folders import FileState, FileTree, Problem
from cinema_cli.io.header_rows import read_files
from cinema_cli.io.headers import SALT, counts, problems_of, read_all
from cinema_cli.io.id_units import DIRECTORY, UNIT
from cinema_cli.io.index_store import DamagedError, IndexStore, Shelved, load, shelve
from cinema_cli.io.instances import IS_IMAGE, READ_SCHEMA
from cinema_cli.io.processes import Team

# Images alike in these are one row of a summary; `archive` is where they lie, if they lie in one.
ALIKE = (*UNIT, "archive", "study_date", "sex", "age_years", "modality")
_LISTED = ("path", "listed_size", "listed_mtime_ns")
_ROW = (*_LISTED, "member", "frame_item")
_COLUMNS = (*_ROW, "sop_uid", "code", "sentence", *(name for name in ALIKE if name not in ("directory", "archive")))
_LISTED_AT_ONCE = 100_000  # files
_SMALL_ROWS = 512  # parts of fewer rows are put together, or a year of nightly scans would leave hundreds
_MOST_SMALL = 16
_MOST_ROWS = 8192  # of parts that are put together

Keys = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class HeaderParts:
    """Every image frame of a tree: `parts` have the rows (READ_SCHEMA), `summary` what tells participants apart."""

    parts: tuple[Shelved, ...]
    summary: (
        pl.DataFrame
    )  # ALIKE, a `path` and `member`, least `sop_uid`; `images`, their `state`, and the `part` they are in
    problems: tuple[Problem, ...]
    n_opened: int  # files that were looked into, those in archives too
    n_read: int  # files and archives that no earlier scan had read

    @property
    def are_kept(self) -> bool:
        """Whether the next scan will find all of them."""
        return all(isinstance(part, Path) for part in self.parts)


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """What is kept in memory of a part."""

    summary: pl.DataFrame
    problems: tuple[Problem, ...]
    n_files: int


@dataclass(slots=True)
class _Parts:
    """Parts found so far."""

    shelved: list[Shelved] = field(default_factory=list)
    told: list[_Told] = field(default_factory=list)

    def add(self, part: Shelved, told: _Told) -> None:
        self.shelved.append(part)
        self.told.append(told)

    def summary(self) -> pl.DataFrame:
        none = _told(pl.DataFrame(schema=READ_SCHEMA)).summary
        own = [told.summary for told in self.told]
        return pl.concat([table.with_columns(part=pl.lit(n, pl.Int64)) for n, table in enumerate([*own, none])])


def header_parts(
    tree: FileTree,
    *,
    root: Path,
    store: IndexStore | None,
    team: Team,
    progress: Callable[[int, int], None] | None = None,
) -> HeaderParts:
    """What the files of the tree say; only those that the index does not know are read, and it keeps what they say.

    Raises DamagedError where another scan changes the index at the same time.
    """
    parts = _Parts()
    known = np.zeros(tree.n_files, np.bool_) if store is None else _known(tree, store, parts)
    unknown = compress(tree.files(), ~known)
    n_read = len(known) - int(known.sum())
    folder, salt = (store.headers, store.salt) if store else (None, SALT)
    work = partial(_read_part, root=root, salt=salt, folder=folder)
    for part, told in read_all(work, unknown, total=n_read, team=team, progress=progress):
        parts.add(part, told)
    problems = tuple(problem for told in parts.told for problem in told.problems)
    n_opened = sum(told.n_files for told in parts.told)
    return HeaderParts(tuple(parts.shelved), parts.summary(), problems, n_opened, n_read)


def _read_part(files: Sequence[FileState], *, root: Path, salt: bytes, folder: Path | None) -> tuple[Shelved, _Told]:
    table = read_files(files, root=root, salt=salt)
    return shelve(table, folder), _told(table)


def _told(table: pl.DataFrame) -> _Told:
    state = pl.struct(*_ROW).hash().bitwise_xor()  # whatever the order of rows
    own = {"path": pl.col("path").first(), "member": pl.col("member").first(), "sop_uid": pl.col("sop_uid").min()}
    archive = pl.when(pl.col("member").is_not_null()).then("path")
    person = pl.col("person_key").cast(pl.String)
    images = table.lazy().filter(IS_IMAGE).with_columns(person, directory=DIRECTORY, archive=archive)
    summary = images.group_by(*ALIKE).agg(**own, images=pl.len(), state=state).collect()
    return _Told(summary, tuple(problems_of(table)), counts(table)[0])


def _known(tree: FileTree, store: IndexStore, parts: _Parts) -> NDArray[np.bool_]:
    """Take from the index the parts that tell of files as they are now; which files these are, in order of the tree.

    Parts that also tell of files that have changed or are gone are written again without these.
    """
    files = _Files(_listed_keys(tree))
    small: list[tuple[Path, NDArray[np.bool_], _Told]] = []
    stale: list[tuple[Path, NDArray[np.bool_]]] = []
    for path in sorted(store.headers.glob("[!.]*.parquet")):
        try:
            table = load(path, _COLUMNS)
        except DamagedError:
            continue
        live = files.claim(table)
        if not live.all():
            stale.append((path, live))
        elif table.height < _SMALL_ROWS:
            small.append((path, live, _told(table)))
        else:
            parts.add(path, _told(table))
    if len(small) > _MOST_SMALL:
        stale += [(path, live) for path, live, _ in small]
        small.clear()
    for path, _, told in small:
        parts.add(path, told)
    for part, told in _rewritten(stale, store):
        parts.add(part, told)
    return files.claimed()


class _Files:
    """The files of a tree by their keys, and of which of them parts tell."""

    def __init__(self, keys: Keys) -> None:
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        self._claimed = np.zeros(len(keys), np.bool_)

    def claim(self, table: pl.DataFrame) -> NDArray[np.bool_]:
        """Which rows tell of a file as it is now, and of one that no table claimed before."""
        own = _keys(table)
        if not len(self._keys):
            return np.zeros(len(own), np.bool_)
        at = np.minimum(np.searchsorted(self._keys, own), len(self._keys) - 1)
        live: NDArray[np.bool_] = (self._keys[at] == own) & ~self._claimed[at]
        self._claimed[at[live]] = True
        return live

    def claimed(self) -> NDArray[np.bool_]:
        """Whether a table claimed each file, in their order."""
        known = np.zeros(len(self._keys), np.bool_)
        known[self._order] = self._claimed
        return known


def _rewritten(stale: Sequence[tuple[Path, NDArray[np.bool_]]], store: IndexStore) -> Iterator[tuple[Shelved, _Told]]:
    """Parts with those rows of others that are still true; the others go."""
    written: list[Shelved] = []
    waiting: list[pl.DataFrame] = []
    for number, (path, live) in enumerate(stale, start=1):
        waiting.append(load(path).filter(live))
        if number < len(stale) and sum(table.height for table in waiting) < _MOST_ROWS:
            continue
        rows = pl.concat(waiting)
        waiting.clear()
        if rows.height:
            written.append(shelve(rows, store.headers))
            yield written[-1], _told(rows)
    if all(
        isinstance(part, Path) for part in written
    ):  # else the disk is full, and what is there is better than nothing
        for path, _ in stale:
            if path not in written:
                path.unlink(missing_ok=True)


def _listed_keys(tree: FileTree) -> Keys:
    """`_keys` of all files, in order; their paths are in memory some at a time."""
    keys, files = [np.empty(0, np.uint64)], tree.files()
    while some := list(islice(files, _LISTED_AT_ONCE)):
        keys.append(
            _keys(pl.DataFrame(some, schema=dict.fromkeys(_LISTED, pl.Int64) | {"path": pl.String}, orient="row"))
        )
    return np.concatenate(keys)


def _keys(table: pl.DataFrame) -> Keys:
    """What tells a file, as it is now, from every other: 64 bits of path, size and time of change."""
    return table.select(pl.struct(*_LISTED).hash()).to_series().to_numpy()
