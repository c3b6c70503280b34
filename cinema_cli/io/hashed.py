"""Files and their SHA-256: of what lies there, and of what is copied or linked, flushed to disk."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cinema_cli.domain.errors import InputError

CHUNK_BYTES = 4 * 2**20

Digest = tuple[str, int]
"""Hexadecimal SHA-256 and size in bytes."""


def digest(path: Path) -> Digest:
    """SHA-256 and size of a file. Raises InputError, which names it without its folders, where it cannot be read."""
    state, size = hashlib.sha256(), 0
    with _reading(path) as stream:
        for chunk in _chunks(stream):
            state.update(chunk)
            size += len(chunk)
    return state.hexdigest(), size


def keep(content: Path | BinaryIO, path: Path, *, link: bool) -> Digest:
    """Copy `content` to the new file `path`, or hard-link it where that is asked for and the disk can.

    Raises InputError where the content cannot be read, OSError where the file cannot be written.
    """
    if not isinstance(content, Path):
        return _copy(content, path)
    if link and _linked(content, path):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return digest(path)
    with _reading(content) as stream:
        return _copy(stream, path)


def _linked(content: Path, path: Path) -> bool:
    """Whether `path` is a hard link to `content` now: not to another disk, nor on one that knows no links."""
    try:
        path.hardlink_to(content.resolve())
    except OSError:
        path.unlink(missing_ok=True)  # a network disk may have made the link and lost the answer
        return False
    return True


def _copy(stream: BinaryIO, path: Path) -> Digest:
    state, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        for chunk in _chunks(stream):
            state.update(chunk)
            size += file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return state.hexdigest(), size


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[BufferedReader]:
    """The file, open. Raises InputError where that is refused."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise _unreadable(path.name, error) from error
    with stream:
        yield stream


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """What is left in the stream. Raises InputError where the disk does not give it."""
    try:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
    except OSError as error:
        raise _unreadable(PurePosixPath(str(getattr(stream, "name", "the content"))).name, error) from error


def _unreadable(name: str, error: OSError) -> InputError:
    reason = os.strerror(error.errno) if error.errno else error
    return InputError(f"cannot read {name}: {reason}", hint="Check the path and the disk.", code="cannot_read")
