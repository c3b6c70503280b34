"""Who holds what in a shared folder, told by small files that need nothing of a file system but names and times.

Each holder writes a file of its own, whose name no other ever has, and then looks at those of the others: of two that
come at once at least one sees the other and withdraws. So nothing is ever taken over by name, and the file of a dead
holder can be taken away by anybody at any time. `flock` is not used: some network disks grant it to everybody.
"""

import contextlib
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from random import uniform
from time import sleep
from typing import Any

from cinema_cli.io.atomic import output_errors
from cinema_cli.io.leftovers import disk_time, half_written
from cinema_cli.io.process_names import DEAD_AFTER_SECONDS, began, machine

_TRIES = 6
_SETTLED_SECONDS = 1.0  # after which a rival is not just about to look around and withdraw
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Owner:
    """A run: where it is, since when, and a random token that names it."""

    host: str
    pid: int
    began: str  # when the process began, in kernel ticks: tells it from a later one of the same number
    machine: str  # where a process number means this process: boot of the machine and space of process numbers
    token: str
    since: str  # UTC, ISO
    shard: str = ""  # `i/n`; empty for a run over everything

    @property
    def words(self) -> str:
        """`node17, process 4711, shard 1/4, since 2026-01-02T03:04:05+00:00`."""
        shard = f", shard {self.shard}" if self.shard else ""
        return f"{self.host}, process {self.pid}{shard}, since {self.since}"


@dataclass(frozen=True, slots=True)
class Hold:
    """One file that says who holds something."""

    path: Path
    says: Mapping[str, Any]  # empty where it cannot be read
    mtime: float  # by the disk's clock


def this_process(*, shard: str = "") -> Owner:
    """This process as an owner, with a new token."""
    return Owner(
        socket.gethostname(), os.getpid(), began(os.getpid()), machine(), secrets.token_hex(8), utc_now(), shard
    )


def owner_of(says: Mapping[str, Any]) -> Owner | None:
    """The owner that a file names; None where it names none."""
    try:
        return Owner(**{f.name: says[f.name] for f in fields(Owner)})
    except KeyError:
        return None


def is_alive(owner: Owner | None, *, silent_s: float) -> bool:
    """Whether an owner lives: its process, where that can be looked for, else its last sign of life."""
    if owner is not None and owner.machine and owner.machine == machine():
        return bool(began(owner.pid)) and began(owner.pid) == owner.began
    return silent_s < DEAD_AFTER_SECONDS


def hold(path: Path, says: Mapping[str, Any], rivals: Callable[[float], list[Hold]]) -> list[Hold]:
    """Write `path`, a name that nobody else has, unless others hold the same; those who do, none where it is ours.

    `rivals(now)`: the live holders of the same thing, `now` by the disk's clock. Raises OutputError.
    """
    found: list[Hold] = []
    for number in range(_TRIES):
        if number:
            sleep(uniform(0.02, 0.2))  # perhaps both withdrew: who looks again first has it
        with output_errors(path):
            try:
                now = _place(path, says)
                found = rivals(now)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            if not found:
                return []
            path.unlink(missing_ok=True)
        if all(now - rival.mtime > _SETTLED_SECONDS for rival in found):
            break
    return found


def holds(folder: Path, prefix: str) -> Iterator[Hold]:
    """The files below `folder` whose names begin with `prefix`."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if name.startswith(prefix) and name.endswith(_SUFFIX):
            path = folder / name
            with contextlib.suppress(FileNotFoundError):  # released just now
                yield Hold(path, _read(path), path.stat().st_mtime)


def disk_now(folder: Path) -> float:
    """Now, by the clock of the disk that `folder` is on. Raises OutputError."""
    with output_errors(folder):
        return disk_time(folder)


def utc_now() -> str:
    """Now, as an ISO text to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _place(path: Path, says: Mapping[str, Any]) -> float:
    """Write a file that is whole as soon as it is seen; its time."""
    beside = half_written(path)
    for _ in range(_TRIES):
        path.parent.mkdir(exist_ok=True)
        try:
            beside.write_text(json.dumps(says))
            beside.rename(path)
            return path.stat().st_mtime
        except FileNotFoundError:  # another run took the empty folder away
            continue
        finally:
            beside.unlink(missing_ok=True)
    raise FileNotFoundError(2, "no folder for locks", str(path.parent))


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError):
        return {}


def as_dict(owner: Owner) -> dict[str, Any]:
    """What a file says of its owner."""
    return asdict(owner)
