"""One run at a time in an output folder: a lock with a heartbeat, which heals when its owner is dead."""

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from cinema_cli.domain.errors import LockedError
from cinema_cli.io.atomic import output_errors

LOCK_NAME = ".cinema.lock"
BEAT_SECONDS = 10.0
DEAD_AFTER_SECONDS = 120.0  # of silence, for an owner on another machine


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lock: machine, process, when that process began (kernel ticks), and a random token."""

    host: str
    pid: int
    began: str
    token: str


@contextlib.contextmanager
def run_lock(out: Path, *, beat_seconds: float = BEAT_SECONDS) -> Iterator[Owner]:
    """Hold the output folder `out` for this process; released however the block ends.

    The folder is made if missing, and taken away again if nothing was written into it. `flock` is not used: some
    network disks grant it to everybody. Raises LockedError where a live run holds it.
    """
    path = out / LOCK_NAME
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    owner = Owner(socket.gethostname(), os.getpid(), _began(os.getpid()), secrets.token_hex(8))
    _acquire(path, owner)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, owner, stop, beat_seconds), name="cinema-lock", daemon=True)
    beat.start()
    try:
        yield owner
    finally:
        stop.set()
        beat.join()
        if read_owner(path) == owner:
            with contextlib.suppress(OSError):
                path.unlink()
                for folder in made:  # the deepest first; one that is not empty stays, and so do those above it
                    folder.rmdir()


def read_owner(path: Path) -> Owner | None:
    """The owner that the lock file `path` names; None where there is none or it cannot be read."""
    try:
        return Owner(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _acquire(path: Path, owner: Owner) -> None:
    for _ in range(5):
        if _create(path, owner):
            return
        holder = read_owner(path)
        if _is_alive(path, holder):
            where = f"{holder.host}, process {holder.pid}" if holder else "an unknown machine"
            raise LockedError(
                f"another run works on {path.parent} ({where})",
                hint=f"Wait for it. If it died on a machine that cannot be asked, delete {path}.",
                code="locked",
            )
        _remove_dead(path, holder)
    raise LockedError(f"another run took the lock of {path.parent}", hint="Wait for it.", code="locked")


def _create(path: Path, owner: Owner) -> bool:
    """Whether the lock is now ours: a full file is linked to its name, which fails where the name is taken."""
    beside = path.with_name(f"{path.name}.{owner.token}")
    with output_errors(path):
        beside.write_text(json.dumps(asdict(owner)))
        try:
            os.link(beside, path)
        except FileExistsError:
            return False
        finally:
            beside.unlink(missing_ok=True)
    return True


def _remove_dead(path: Path, holder: Owner | None) -> None:
    """Take a dead lock away; put it back where another run was quicker and the lock is now its own."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.dead")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    if read_owner(aside) != holder:
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)
    aside.unlink(missing_ok=True)


def _is_alive(path: Path, holder: Owner | None) -> bool:
    if holder is not None and holder.host == socket.gethostname():
        return bool(_began(holder.pid)) and _began(holder.pid) == holder.began
    try:
        probe = path.with_name(f"{path.name}.{secrets.token_hex(4)}.now")  # the disk's clock, not ours
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
        return now - path.stat().st_mtime < DEAD_AFTER_SECONDS
    except FileNotFoundError:
        return False


def _began(pid: int) -> str:
    """When process `pid` began, in kernel ticks: tells it from a later one of the same number; empty if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        if Path("/proc/self").exists():
            return ""
        try:  # no /proc (macOS): the number alone
            os.kill(pid, 0)
        except ProcessLookupError:
            return ""
        except PermissionError:
            return "unknown"
        return "unknown"
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _beat(path: Path, owner: Owner, stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        if read_owner(path) == owner:
            with contextlib.suppress(OSError):
                os.utime(path)
