"""Whether a folder takes what a run does there: room, whole files, renames, and a clock like ours."""

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from cinema_cli.domain.errors import OutputError
from cinema_cli.domain.finding import Finding, State
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.disk import STUDY_FILES, free_space

FEW_BYTES = 2 * 10**9  # some 2,000 studies
FEW_FILES = 2_000 * STUDY_FILES
MOST_SKEW_S = 30.0  # clocks of disk and machine: a quarter of the silence after which a run counts as dead


def check_folder(folder: Path, *, name: str, setting: str) -> list[Finding]:
    """Room in a folder and whether it can be written; `name` says what it is for, `setting` what decides it.

    It is made if missing, and taken away again. What is tried is taken away in any case.
    """
    try:
        with _made(folder), _trial(folder) as place:
            return [_room(folder, name=name, setting=setting), *_tried(place, name=name, setting=setting)]
    except (OSError, OutputError) as error:
        cause = error.__cause__ if isinstance(error, OutputError) else error
        said = f"cannot be written: {os.strerror(getattr(cause, 'errno', None) or errno.EIO)}"
        return [Finding(f"{name} write test", State.FAIL, said, f"Choose a folder that you may write with {setting}.")]


def _room(folder: Path, *, name: str, setting: str) -> Finding:
    free = free_space(folder)
    files = "" if free.files is None else f", room for {free.files} files"
    said = f"{free.bytes / 1e9:.1f} GB free{files}"
    facts = {"bytes": free.bytes, "files": free.files}
    if free.bytes < FEW_BYTES or (free.files is not None and free.files < FEW_FILES):
        return Finding(f"{name} disk", State.WARN, said, f"Little for a large cohort: free some, or {setting}.", facts)
    return Finding(f"{name} disk", State.OK, said, facts=facts)


def _tried(place: Path, *, name: str, setting: str) -> Iterator[Finding]:
    write_atomic(place / "whole", b"x" * 65536)
    (place / "whole").rename(place / "renamed")
    if (place / "renamed").read_bytes() != b"x" * 65536:
        yield Finding(f"{name} write test", State.FAIL, "what was written is not what is read", "Check the disk.")
        return
    try:
        os.link(place / "renamed", place / "linked")
        links = "hard link"
    except OSError:
        links = "no hard links (none are needed)"
    yield Finding(
        f"{name} write test", State.OK, f"whole files, rename, {links}", facts={"links": links == "hard link"}
    )
    yield _skew(place, name=name, setting=setting)


def _skew(place: Path, *, name: str, setting: str) -> Finding:
    """The disk's clock against this machine's: a network disk has the clock of its server."""
    before = time.time()
    (place / "now").touch()
    after = time.time()
    stamp = (place / "now").stat().st_mtime
    skew = stamp - after if stamp > after else min(stamp - before, 0.0)
    facts = {"seconds": round(skew, 3)}
    said = (
        f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
        if abs(skew) > 1
        else "as this machine's"
    )
    if abs(skew) > MOST_SKEW_S:
        hint = "Set both clocks by NTP: which files are new, and whether a run is alive, is told by them."
        return Finding(f"{name} clock", State.WARN, said, hint, facts)
    return Finding(f"{name} clock", State.OK, said, facts=facts)


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """The folder, and those above it, for a while."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir()


@contextlib.contextmanager
def _trial(folder: Path) -> Iterator[Path]:
    """A hidden folder in it that goes with all that is in it."""
    place = folder / f".cinema-doctor-{secrets.token_hex(4)}"
    place.mkdir()
    try:
        yield place
    finally:
        for path in place.iterdir():
            path.unlink(missing_ok=True)
        place.rmdir()
