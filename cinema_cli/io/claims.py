"""A study in work belongs to one run: its claim, which holds as long as the run's lock."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.domain.errors import LockedError
from cinema_cli.io.atomic import output_errors
from cinema_cli.io.holds import Hold, Owner, as_dict, hold, holds, owner_of, utc_now
from cinema_cli.io.ledger import StudyIds
from cinema_cli.io.leftovers import clear_leftovers
from cinema_cli.io.lock import LOCK_NAME, lock_path, owners

_STUDY = "study-"


@dataclass(frozen=True, slots=True)
class Claim:
    """A study that a run has in work, or had when it died."""

    path: Path
    participant_id: str
    session_id: str
    since: str  # UTC, ISO
    owner: Owner
    alive: bool
    n_after: int  # studies that its run had still to begin then


def claim(out: Path, study: StudyIds, owner: Owner, *, n_after: int = 0) -> bool:
    """Take a study into work; False where another live run has it. Claims of dead runs do not count.

    `owner` holds the folder's lock; `n_after`: studies that its run has still to begin, which `cinema status` tells.
    Whoever gets a study looks at its record again: another run may have done it.
    Raises LockedError where the own lock is gone, OutputError.
    """
    if not lock_path(out, owner).exists():
        raise LockedError(
            f"this run no longer holds {out}: its lock was taken away",
            hint="It was silent too long, or `cinema unlock --force` was used. Run the same command again.",
            code="lock_lost",
        )
    path = _path(out, study, owner)
    prefix = _prefix(study)

    def rivals(now: float) -> list[Hold]:
        found = [one for one in holds(path.parent, prefix) if one.path != path]
        live = _live(out, now=now) if found else set()
        return [one for one in found if (by := owner_of(one.says)) and by.token in live]

    says = as_dict(owner) | {"participant_id": study.participant_id, "session_id": study.session_id}
    return not hold(path, says | {"claimed": utc_now(), "n_after": n_after}, rivals)


def release(out: Path, study: StudyIds, owner: Owner) -> None:
    """Let go of a study, after its record is written. Raises OutputError."""
    path = _path(out, study, owner)
    with output_errors(path):
        path.unlink(missing_ok=True)


def claims(out: Path, *, now: float | None = None) -> tuple[Claim, ...]:
    """Every claim, also of dead runs; nothing is written. `now`: by the disk's clock, where that is known."""
    found = list(holds(out / LOCK_NAME, _STUDY))
    live = _live(out, now=time.time() if now is None else now)
    return tuple(_seen(one, by, by.token in live) for one in found if (by := owner_of(one.says)))


def clear_claims(out: Path, *, now: float) -> int:
    """Take away claims of runs that are dead or gone, and what a killed process left half-written; how many claims.

    `now`: by the disk's clock. Raises OutputError.
    """
    folder = out / LOCK_NAME
    stale = [one.path for one in claims(out, now=now) if not one.alive]
    with output_errors(folder):
        for path in stale:
            path.unlink(missing_ok=True)
    clear_leftovers(folder)
    with suppress(OSError):  # others are in it, or it is not there
        folder.rmdir()
    return len(stale)


def _seen(one: Hold, by: Owner, alive: bool) -> Claim:
    ids = one.says["participant_id"], one.says["session_id"]
    return Claim(one.path, *ids, one.says["claimed"], by, alive, int(one.says.get("n_after", 0)))


def _live(out: Path, *, now: float) -> set[str]:
    """Tokens of the runs that live."""
    return {lock.owner.token for lock in owners(out, now=now) if lock.alive and lock.owner}


def _prefix(study: StudyIds) -> str:
    return f"{_STUDY}{study.participant_id}_{study.session_id}_"  # no id has a `_`: one is no beginning of another


def _path(out: Path, study: StudyIds, owner: Owner) -> Path:
    return out / LOCK_NAME / f"{_prefix(study)}{owner.token}.json"


@dataclass(frozen=True, slots=True)
class FolderClaims:
    """The claims of one run on the studies of an output folder."""

    out: Path
    owner: Owner

    def take(self, study: StudyIds, *, n_after: int) -> bool:
        """Whether a study is this run's now: see `claim`."""
        return claim(self.out, study, self.owner, n_after=n_after)

    def give_back(self, study: StudyIds) -> None:
        """The study is done, or left."""
        release(self.out, study, self.owner)
