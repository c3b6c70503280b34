"""What earlier scans of a cohort found, kept on disk: it saves time, and whatever is damaged or lost is read again.

Tables lie in files named by a digest of their content: they are never changed, so that a scan that is killed, or two at
once, spoil nothing; what a finished scan found is one JSON file that names its tables.
"""

import json
import os
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli.domain.errors import UsageError
from cinema_cli.io.cache import cache_directory

Shelved = Path | pl.DataFrame
"""A table in the index, or, where there is none or it cannot be written, in memory."""

_ABOUT = "index.json"
_MOST_RESULTS = 6  # one for each choice of ids and views: the latest
_UNUSED_S = 7 * 86400.0  # other runs may still read a table that this one does not need
_ERRORS = (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError)


class DamagedError(Exception):
    """A table of the index is gone or not what was written."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a scan found, as it is kept."""

    tree: str  # state of the tree that it saw
    tables: Mapping[str, pl.DataFrame]
    images: tuple[str, ...]  # names of tables of images
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IndexStore:
    """The index of one cohort."""

    folder: Path
    salt: bytes  # of person keys, which must compare with those of files read before
    doubt: str = ""  # why what was there before is not used

    @property
    def headers(self) -> Path:
        """Where what files said lies, in any number of tables; with another salt, elsewhere."""
        return self.folder / f"headers-{_digest(self.salt)[:8]}"

    @property
    def images(self) -> Path:
        """Where plans of studies lie."""
        return self.folder / "images"

    def found(self, name: str) -> Found | None:
        """What a scan found that was kept under this name; None where there is none or it is damaged."""
        path = self._result(name)
        try:
            kept = json.loads(path.read_text("utf-8"))
            tables = {table: load(self.folder / "tables" / file) for table, file in kept["tables"].items()}
            os.utime(path)
            return Found(kept["tree"], tables, tuple(kept["images"]), kept["facts"])
        except (DamagedError, *_ERRORS):
            return None

    def keep_found(self, name: str, found: Found) -> None:
        """Keep what a scan found. Raises OSError where the disk refuses."""
        files = {table: _write(self.folder / "tables", frame).name for table, frame in found.tables.items()}
        kept = {"tree": found.tree, "tables": files, "images": found.images, "facts": found.facts}
        _replace(self._result(name), json.dumps(kept).encode())
        with suppress(*_ERRORS):  # another run may tidy up at the same time
            self._tidy_up()

    def _result(self, name: str) -> Path:
        return self.folder / f"found-{name}.json"

    def _tidy_up(self) -> None:
        """Remove results that newer ones took the place of, and tables that none has needed for long."""
        results = sorted(self.folder.glob("found-*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        needed = {path.name for path in self.headers.iterdir()}
        for path in results[:_MOST_RESULTS]:
            kept = json.loads(path.read_text("utf-8"))
            needed |= {*kept["images"], *kept["tables"].values()}
        for path in results[_MOST_RESULTS:]:
            path.unlink(missing_ok=True)
        for path in _tables(self.folder):
            if path.name not in needed and time.time() - path.stat().st_mtime > _UNUSED_S:
                path.unlink(missing_ok=True)


def index_folder(cohort: Path, *, work_dir: Path | None, out: Path | None = None) -> Path | None:
    """Where the index of a cohort lies: in `work_dir`, else in this user's cache; None for one inside the cohort.

    Raises UsageError for a `work_dir` inside of the cohort, or inside of `out`, where what headers say must not be.
    """
    try:
        place = (work_dir or cache_directory()).resolve()
    except RuntimeError:
        return None
    for folder, what in ((cohort, "input"), (out, "output")):
        if folder is not None and place.is_relative_to(folder.resolve()):
            if work_dir is None:
                return None
            said = f"the work folder {work_dir} lies inside the {what} {folder}"
            raise UsageError(said, hint="Choose a folder outside.", code="work_dir_inside")
    digest = blake2b(os.fsencode(cohort.resolve()), digest_size=8).hexdigest()
    return place / f"index-{digest}"


def open_index(folder: Path, *, root: Path, fresh: bool = False) -> IndexStore:
    """The index of the cohort `root` in `folder`; an empty one where there is none, where it is of another version or
    another folder, or cannot be read. Raises OSError where it cannot be written."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    store = _opened(folder, root=root, fresh=fresh)
    for path in (store.headers, store.images, folder / "tables"):
        path.mkdir(mode=0o700, exist_ok=True)
    return store


def _opened(folder: Path, *, root: Path, fresh: bool) -> IndexStore:
    expected = {"version": _version(), "root": blake2b(os.fsencode(root.resolve()), digest_size=16).hexdigest()}
    about, doubt = _read_about(folder / _ABOUT)
    if about is not None and {name: about.get(name) for name in expected} == expected and not fresh:
        with suppress(ValueError, TypeError, KeyError):
            return IndexStore(folder, bytes.fromhex(about["salt"]))
        doubt = "it is damaged"
    if about is not None and not doubt and not fresh:
        doubt = "it is of another version" if about.get("root") == expected["root"] else "it is of another folder"
    _clear(folder)
    salt = secrets.token_bytes(16)
    _replace(folder / _ABOUT, json.dumps({**expected, "salt": salt.hex()}).encode())
    return IndexStore(folder, salt, doubt)


def _read_about(path: Path) -> tuple[dict[str, Any] | None, str]:
    """What the index says of itself, and why it says nothing where it should."""
    try:
        about = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError):
        return None, "it is damaged"
    return (about, "") if isinstance(about, dict) else (None, "it is damaged")


def _clear(folder: Path) -> None:
    """Forget what was read; tables of images stay for runs that are at work."""
    for path in (folder / _ABOUT, *folder.glob("found-*.json"), *folder.glob("headers-*/*.parquet")):
        path.unlink(missing_ok=True)


def _tables(folder: Path) -> Iterator[Path]:
    """Every table of an index, and what was left of writing one."""
    return folder.glob("*/*.parquet")


@cache
def _version() -> str:
    """Of everything that decides what is read and found: this floor's own code, and who writes the tables."""
    state = blake2b(pl.__version__.encode(), digest_size=16)
    for name in ("io", "domain"):
        for path in sorted((Path(__file__).parents[1] / name).glob("*.py")):
            state.update(path.read_bytes())
    return state.hexdigest()


def shelve(table: pl.DataFrame, folder: Path | None) -> Shelved:
    """Put a table into a folder of the index; the table itself without one, or where that cannot be written."""
    if folder is None:
        return table
    try:
        return _write(folder, table)
    except OSError:
        return table


def load(shelved: Shelved, columns: Collection[str] | None = None) -> pl.DataFrame:
    """A table, or some columns of it. Raises DamagedError where its file is gone or not what was written."""
    names = None if columns is None else list(columns)
    if isinstance(shelved, pl.DataFrame):
        return shelved if names is None else shelved.select(names)
    try:
        return pl.read_parquet(BytesIO(_content(shelved)), columns=names)
    except _ERRORS as error:
        raise DamagedError(shelved.name) from error


def is_whole(path: Path) -> bool:
    """Whether a table of the index is what was written; it is marked as needed."""
    try:
        os.utime(path)
        _content(path)
    except (DamagedError, OSError):
        return False
    return True


def _content(path: Path) -> bytes:
    """What was written; a file that has something else goes, since it is in the way of what is to be written again."""
    content = path.read_bytes()
    if _digest(content) != path.stem:
        path.unlink(missing_ok=True)
        raise DamagedError(path.name)
    return content


def _write(folder: Path, table: pl.DataFrame) -> Path:
    buffer = BytesIO()
    table.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
    content = buffer.getvalue()
    path = folder / f"{_digest(content)}.parquet"
    try:
        os.utime(path)  # it is there, and needed again
    except OSError:
        _replace(path, content)
    return path


def _replace(path: Path, content: bytes) -> None:
    """Write beside and rename, for this user's eyes only; not flushed, since what is damaged is noticed."""
    beside = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
