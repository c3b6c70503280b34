"""Half-written files and folders: named by the process that writes them, so that those of killed ones are known."""

import os
import re
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from cinema_cli.io.process_names import DEAD_AFTER_SECONDS, began, machine, machine_mark

_SHOWN = 50  # letters of a name that stand in that of its half: together they are no longer than a name may be
_NAME = re.compile(r"\..+\.(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}\.part")


def half_written(path: Path) -> Path:
    """A name beside `path` for what this process has not finished yet: hidden, and used by nobody else."""
    return path.with_name(f".{path.name[:_SHOWN]}.{machine_mark()}-{os.getpid()}-{secrets.token_hex(4)}.part")


def clear_leftovers(folder: Path) -> int:
    """Take away what killed processes left half-written in `folder`, not in those below; how many.

    A process of this machine is dead when it is gone, one elsewhere when what it writes is silent for 2 minutes, by the
    clock of the disk.
    """
    n_gone = 0
    with suppress(OSError):  # no folder, or no right to look: nothing is cleared
        for path in [folder / entry.name for entry in os.scandir(folder) if _NAME.fullmatch(entry.name)]:
            if _is_dead(path):
                with suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                    n_gone += 1
    return n_gone


def disk_time(folder: Path) -> float:
    """Now, by the clock of the disk that `folder` is on: this machine's may be another. Raises OSError."""
    probe = half_written(folder / "now")
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _is_dead(path: Path) -> bool:
    """Whether nobody writes `path`, which has a name of our making, any more. Raises OSError where nothing is to be
    written beside it."""
    named = _NAME.fullmatch(path.name)
    if named and machine() and named["machine"] == machine_mark():
        return not began(int(named["pid"]))
    now = disk_time(path.parent)
    with suppress(FileNotFoundError):  # finished just now
        return now - max(one.lstat().st_mtime for one in (path, *path.rglob("*"))) > DEAD_AFTER_SECONDS
    return False
