"""How far the work in an output folder is: what records, claims and locks say at this moment; nothing is written."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cinema_cli.io.claims import Claim, claims
from cinema_cli.io.cohort_list import cohort_standings
from cinema_cli.io.ledger import INTERRUPTED, Status
from cinema_cli.io.lock import Lock, owners
from cinema_cli.io.standings import Standing

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Overview:
    """Studies of the last scan by how they stand, who works on them, and how fast that goes.

    `n_waiting` are studies without a result that nobody has in work; those that were interrupted are among them. A
    study that is done again (--force, other weights) counts as what its record says until it is done.
    """

    n_studies: int
    n_done: int
    n_flagged: int  # of those that are done
    failed: Mapping[str, int]  # code -> studies, the most frequent first
    n_waiting: int
    n_interrupted: int
    n_left: int  # to be done by anybody: those that wait, or more where live runs do studies again, and those in work
    in_work: tuple[Claim, ...]  # of live runs
    locks: tuple[Lock, ...]
    n_last_hour: int  # studies that ended in it, with a result or not
    n_this_run: int  # the same since the oldest live run began
    run_hours: float | None  # since then; None where no run is alive

    @property
    def n_failed(self) -> int:
        """Studies that were tried and have no result."""
        return sum(self.failed.values())

    @property
    def studies_per_min(self) -> float | None:
        """Speed of the live runs together; None where there is none, or none has finished a study."""
        if not self.run_hours or not self.n_this_run:
            return None
        return self.n_this_run / (60.0 * self.run_hours)

    @property
    def eta_min(self) -> float | None:
        """Minutes until what is left is done at that speed."""
        rate = self.studies_per_min
        return None if rate is None else self.n_left / rate


def overview(out: Path, *, jobs: int = 1, now: datetime | None = None) -> Overview:
    """What can be said of the folder `out` without writing to it. `jobs`: processes, where there is much to read."""
    moment = now or datetime.now(UTC)
    held = claims(out)  # before the records: a study that ends meanwhile is counted as done
    locks = owners(out)
    standings = cohort_standings(out, jobs=jobs)
    live = [claim for claim in held if claim.alive]
    in_work = {(claim.participant_id, claim.session_id) for claim in live}
    idle = [one for one in standings if (one.participant_id, one.session_id) not in in_work]
    waiting = [one for one in idle if one.status is Status.NOT_RUN]
    left = {(c.participant_id, c.session_id) for c in held if not c.alive}
    done = [one for one in standings if one.status is Status.DONE]
    failed = Counter(one.code or "unknown" for one in standings if one.status is Status.FAILED)
    began = min((_time(lock.owner.since) for lock in locks if lock.alive and lock.owner), default=None)
    return Overview(
        n_studies=len(standings),
        n_done=len(done),
        n_flagged=sum(one.flagged for one in done),
        failed=dict(failed.most_common()),
        n_waiting=len(waiting),
        n_interrupted=sum(one.code == INTERRUPTED or (one.participant_id, one.session_id) in left for one in waiting),
        n_left=len(live) + max(len(waiting), _still_to_begin(live)),
        in_work=tuple(live),
        locks=locks,
        n_last_hour=_ended_since(moment - _HOUR, standings),
        n_this_run=0 if began is None else _ended_since(began, standings),
        run_hours=None if began is None else max(0.0, (moment - began) / _HOUR),
    )


def _still_to_begin(live: Iterable[Claim]) -> int:
    """Studies that the live runs have not begun, as each said when it last took one."""
    after: dict[str, int] = {}
    for claim in live:
        after[claim.owner.token] = min(claim.n_after, after.get(claim.owner.token, claim.n_after))
    return sum(after.values())


def _ended_since(moment: datetime, standings: Iterable[Standing]) -> int:
    since = moment.isoformat(timespec="seconds")
    return sum(one.ended >= since for one in standings if one.ended and one.status is not Status.NOT_RUN)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
