"""Published weights on this machine: files under their published paths, each with a record of its digest and origin."""

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cinema_cli.domain.errors import ConfigError, InputError, LockedError, UnavailableError
from cinema_cli.io.atomic import output_errors, write_atomic
from cinema_cli.io.cache import cache_directory
from cinema_cli.io.hashed import digest, keep

RECORD = ".json"  # added to a file's name: the name of its record
PARTIAL = ".partial"
LEFT_BEHIND_SECONDS = 86400.0  # what is as old as this belongs to no living process
SETTING = "CINEMA_WEIGHTS_DIR"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the store and what its record says: SHA-256, bytes, origin (`hub OWNER/NAME@COMMIT` or `import`)."""

    path: Path
    name: str  # the published path: finetuned/.../acdc_sax_0.safetensors
    sha256: str
    size: int
    source: str


@dataclass(frozen=True, slots=True)
class _Record:
    sha256: str
    size: int
    source: str


def weights_directory() -> Path:
    """Where weights are kept: $CINEMA_WEIGHTS_DIR, else cinema/weights in $XDG_CACHE_HOME or ~/.cache.

    Raises ConfigError where there is neither a setting nor a home folder.
    """
    if chosen := os.environ.get(SETTING):
        return Path(chosen).absolute()
    try:
        return cache_directory() / "weights"
    except RuntimeError as error:
        raise ConfigError("this account has no home folder to keep weights in", hint=f"Set {SETTING}.") from error


def stored(name: str) -> StoredFile | None:
    """The file published as `name` and its record; None unless both are here. Raises ConfigError for a bad name."""
    path = _place(name)
    record = _read_record(path)
    return StoredFile(path, name, **asdict(record)) if record and path.is_file() else None


def stored_whole(name: str) -> StoredFile | None:
    """The file published as `name`, if it still is what was recorded: all of it is read."""
    file = stored(name)
    with contextlib.suppress(UnavailableError):
        if file:
            check_whole(file)
            return file
    return None


def check_whole(file: StoredFile) -> None:
    """Raise UnavailableError where a stored file cannot be read, or has another digest than was recorded."""
    try:
        found = digest(file.path)
    except InputError as error:
        hint = f"Check the disk, and that you may read the folder of weights ({SETTING})."
        raise UnavailableError(error.message, hint=hint, code=error.code) from error
    if found != (file.sha256, file.size):
        raise UnavailableError(
            f"{file.name} has the SHA-256 {found[0]}, but {file.sha256} was recorded when it was stored",
            hint="It was damaged or changed since: `cinema models pull` or `import` brings the files of its head anew.",
            code="wrong_digest",
        )


def every_stored() -> tuple[StoredFile, ...]:
    """All files of the store, by name."""
    root = weights_directory()
    names = (p.relative_to(root).as_posix().removesuffix(RECORD) for p in root.rglob(f"*{RECORD}"))
    return tuple(found for name in sorted(names) if _is_name(name) and (found := stored(name)))


def add(
    name: str,
    content: Path | BinaryIO,
    *,
    source: str,
    sha256: str | None = None,
    link: bool = False,
    check: Callable[[Path], None] | None = None,
) -> StoredFile:
    """Keep `content` as the file published as `name`, in place of one that was there, and write its record.

    `link`: a hard link instead of a second copy where the disk can, for files that nobody changes in place. `check`
    looks at the file before it is stored, and raises where it must not be. What other processes see is the old file,
    none, or the new one, whole. Raises UnavailableError where the digest is not `sha256`, InputError where the content
    cannot be read, OutputError where the disk is full or refuses, LockedError where another process stores something
    else under that name, ConfigError for a bad name.
    """
    path = _place(name)
    with _folder_beside(path) as folder:
        partial = folder / path.name
        with output_errors(partial, setting=SETTING):
            found, size = keep(content, partial, link=link)
        if sha256 not in (None, found):
            raise UnavailableError(
                f"{name} has the SHA-256 {found}, but {sha256} was expected",
                hint="It is damaged or another file. Nothing was stored: fetch it again.",
                code="wrong_digest",
            )
        if check:
            check(partial)
        return _publish(partial, path, StoredFile(path, name, found, size, source))


def forget(name: str) -> int | None:
    """Remove the file published as `name` and its record; its bytes, or None. Raises OutputError if refused."""
    path = _place(name)
    with output_errors(path, setting=SETTING):
        _record_path(path).unlink(missing_ok=True)  # first: without it the file counts as absent
        with contextlib.suppress(FileNotFoundError):
            size = path.stat().st_size
            path.unlink()
            return size
    return None


@contextlib.contextmanager
def _folder_beside(path: Path) -> Iterator[Path]:
    """A folder for the file until it is whole; what processes that died long ago left there is removed."""
    with output_errors(path, setting=SETTING):
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".*{PARTIAL}"):
            with contextlib.suppress(FileNotFoundError):
                if left.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(suffix=PARTIAL, prefix=".", dir=path.parent))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _publish(partial: Path, path: Path, file: StoredFile) -> StoredFile:
    """Give the partial file its name, then write its record, which never stays beside another file."""
    ours, record = partial.stat(), _Record(file.sha256, file.size, file.source)
    with output_errors(path, setting=SETTING):
        _record_path(path).unlink(missing_ok=True)
        partial.replace(path)
    write_atomic(_record_path(path), json.dumps(asdict(record)) + "\n")
    with output_errors(path, setting=SETTING):  # another process may have removed it
        there = path.stat()
    if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino) and digest(path) != (file.sha256, file.size):
        if _read_record(path) == record:  # the other process may have written its own by now
            _record_path(path).unlink(missing_ok=True)
        raise LockedError(
            f"another process stored another file as {file.name} at the same time",
            hint="Wait until it is done and run this again.",
            code="locked",
        )
    return file


def _read_record(path: Path) -> _Record | None:
    try:
        said = json.loads(_record_path(path).read_text("utf-8"))
        return _Record(sha256=str(said["sha256"]), size=int(said["size"]), source=str(said["source"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + RECORD)


def _place(name: str) -> Path:
    if not _is_name(name):
        raise ConfigError(f"{name!r} is not the path of a published file", code="bad_name")
    return weights_directory() / name


def _is_name(name: str) -> bool:
    """Whether `name` is a plain relative path: it stays in the store, and is no record, partial or hidden file."""
    parts = PurePosixPath(name).parts
    plain = bool(parts) and "/".join(parts) == name and "\0" not in name and not name.startswith("/")
    return plain and not any(part.startswith(".") for part in parts) and not name.endswith((RECORD, PARTIAL))
