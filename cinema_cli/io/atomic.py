"""Writes files whole or not at all: beside, flushed to disk, renamed."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from cinema_cli.domain.errors import OutputError
from cinema_cli.io.leftovers import half_written

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}


def write_atomic(path: Path, content: bytes | str) -> Path:
    """Write `content` (text as UTF-8) to `path`, making its folders; readers see the old file or the new one.

    A link stays, and so does what is no file: pipes and devices are written to. Raises OutputError where the disk is
    full or refuses.
    """
    data = content.encode() if isinstance(content, str) else content
    return stream_atomic(path, lambda file: file.write(data))


def stream_atomic(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    """The same for content that `write` gives piece by piece."""
    if is_stream(path):
        with output_errors(path), path.open("wb") as stream:
            write(stream)
        return path
    if path.is_symlink():
        path = path.resolve()
    beside = half_written(path)
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
    return path


def is_stream(path: Path) -> bool:
    """Whether there is a pipe or device of that name."""
    return path.is_fifo() or path.is_char_device()


@contextlib.contextmanager
def output_errors(path: Path, *, setting: str = "--out") -> Iterator[None]:
    """Turn an operating-system error while writing `path` into an OutputError that says what to do.

    `setting` is what decides the folder.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # who reads has enough: no error
    except OSError as error:
        sentence = f"cannot write {path}: {os.strerror(error.errno) if error.errno else error}"
        if error.errno in _FULL:
            raise OutputError(
                sentence, hint="Free some space and run the same command again: what is finished is kept.", code="full"
            ) from error
        hint = f"Choose a folder that you may write with {setting}." if error.errno in _REFUSED else "Check the disk."
        if error.errno in _IN_THE_WAY:
            hint = f"There is a file where a folder should be, or the other way round: choose another {setting}."
        raise OutputError(sentence, hint=hint, code="cannot_write") from error
