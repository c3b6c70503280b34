"""Half-written files and folders: named by the process that writes them, so that those of killed ones are known."""

import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path

from cinema_cli.io.process_names import DEAD_AFTER_SECONDS, began, machine

_SHOWN = 50  # letters of a name that stand in that of its half: together they are no longer than a name may be
_NAME = re.compile(r"\..+\.(?P<machine>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{8}\.part")


def half_written(path: Path) -> Path:
    """A name beside `path` for what this process has not finished yet: hidden, and used by nobody else."""
    return path.with_name(f".{path.name[:_SHOWN]}.{_here()}-{os.getpid()}-{secrets.token_hex(4)}.part")


def clear_leftovers(folder: Path) -> int:
    """Take away what killed processes left half-written in `folder`, not in those below; how many.

    A process of this machine is dead when it is gone, one elsewhere when its file is silent for 2 minutes.
    """
    n_gone = 0
    with suppress(OSError):  # no folder, or no right to look: nothing is cleared
        for entry in os.scandir(folder):
            if (named := _NAME.fullmatch(entry.name)) and _is_dead(entry, named):
                with suppress(OSError):
                    shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else Path(entry.path).unlink()
                    n_gone += 1
    return n_gone


def _is_dead(entry: "os.DirEntry[str]", named: re.Match[str]) -> bool:
    if machine() and named["machine"] == _here():
        return not began(int(named["pid"]))
    with suppress(FileNotFoundError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > DEAD_AFTER_SECONDS
    return False


@cache
def _here() -> str:
    return blake2b(machine().encode(), digest_size=4).hexdigest()
