"""Who works in an output folder: one run, or several that each do a shard; a lock heals when its owner is dead."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.domain.errors import LockedError
from cinema_cli.domain.shard import Shard
from cinema_cli.io.atomic import output_errors
from cinema_cli.io.holds import Hold, Owner, as_dict, hold, holds, is_alive, owner_of, this_process
from cinema_cli.io.leftovers import clear_leftovers

LOCK_NAME = ".cinema.lock"  # the folder of locks and claims in an output folder
BEAT_SECONDS = 10.0
_RUN = "run-"


@dataclass(frozen=True, slots=True)
class Lock:
    """A run's lock as others see it."""

    path: Path
    owner: Owner | None  # None where the file cannot be read
    silent_s: float  # since its last heartbeat
    alive: bool

    @property
    def token(self) -> str:
        """What names the run."""
        return self.path.stem.removeprefix(_RUN)

    @property
    def words(self) -> str:
        """Who holds it."""
        return self.owner.words if self.owner else "an unknown machine"


@contextlib.contextmanager
def run_lock(out: Path, *, shard: Shard | None = None, beat_seconds: float = BEAT_SECONDS) -> Iterator[Owner]:
    """Hold the output folder `out` for this process; released however the block ends.

    Without `shard` alone; with one beside runs that do other shards. The folder is made if missing, and taken away
    again if nothing was written into it. Raises LockedError where a live run is in the way.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    owner = this_process(shard=str(shard or ""))
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(lock_path(out, owner), stop, beat_seconds), name="cinema-lock")
    beat.daemon = True
    try:
        _acquire(out, owner)
        clear_leftovers(out)
        beat.start()
        yield owner
    finally:
        stop.set()
        if beat.is_alive():
            beat.join()
        with contextlib.suppress(OSError):
            take_away(out, owner.token)
            for folder in (out / LOCK_NAME, *made):  # the deepest first; one with others' files stays, and those above
                folder.rmdir()


def owners(out: Path, *, now: float | None = None) -> tuple[Lock, ...]:
    """Locks of live and dead runs; nothing is written. `now`: by the disk's clock, where that is known."""
    time_s = time.time() if now is None else now
    return tuple(_seen(one, now=time_s) for one in holds(out / LOCK_NAME, _RUN))


def lock_path(out: Path, owner: Owner) -> Path:
    """Where the lock of a run lies."""
    return out / LOCK_NAME / f"{_RUN}{owner.token}.json"


def take_away(out: Path, token: str) -> int:
    """Remove the lock of a run and its claims; how many files that were."""
    named = list((out / LOCK_NAME).glob(f"*{token}.json"))
    for path in sorted(named, reverse=True):  # claims ("study-") go before the lock ("run-") that they hold by
        path.unlink(missing_ok=True)
    return len(named)


def _acquire(out: Path, owner: Owner) -> None:
    path = lock_path(out, owner)
    in_the_way: list[Lock] = []

    def rivals(now: float) -> list[Hold]:
        others = [one for one in holds(path.parent, _RUN) if one.path != path]
        in_the_way.clear()
        for other in others:
            lock = _seen(other, now=now)
            if not lock.alive:
                take_away(out, lock.token)
            elif _conflict(owner, lock.owner):
                in_the_way.append(lock)
        return [other for other in others if any(lock.path == other.path for lock in in_the_way)]

    if hold(path, as_dict(owner), rivals):
        more = f" and {len(in_the_way) - 1} more" if len(in_the_way) > 1 else ""
        raise LockedError(
            f"another run works on {out} ({in_the_way[0].words}{more})",
            hint=f"Wait for it. `cinema status {out}` says what it does, `cinema unlock {out}` whether it still lives.",
            code="locked",
        )


def _conflict(one: Owner, other: Owner | None) -> bool:
    """Whether two runs may not work side by side: they may where each does a shard, and not the same."""
    return other is None or not one.shard or not other.shard or one.shard == other.shard


def _seen(one: Hold, *, now: float) -> Lock:
    owner, silent_s = owner_of(one.says), max(0.0, now - one.mtime)
    return Lock(one.path, owner, silent_s, is_alive(owner, silent_s=silent_s))


def _beat(path: Path, stop: threading.Event, every: float) -> None:
    while not stop.wait(every):
        with contextlib.suppress(OSError):  # taken away by `cinema unlock --force`: the next claim says so
            os.utime(path)
