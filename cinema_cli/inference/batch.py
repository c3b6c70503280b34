"""A whole cohort: each study given to a study process; one bad study is one row, never the end of the run."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from cinema_cli.domain.errors import CinemaError, ExitCode
from cinema_cli.inference.memory import Budget
from cinema_cli.inference.plan import Planned, done_meanwhile
from cinema_cli.inference.remote import DeviceLostError
from cinema_cli.inference.study_processes import Died, Report, Studies
from cinema_cli.inference.study_work import StudyWork, Writing, work_of, write_record
from cinema_cli.inference.worker import Finished, Stopped
from cinema_cli.io.clinical import ClinicalFacts
from cinema_cli.io.ledger import Failure, Status, StudyIds, read_record

PROCESS_DIED = "process_died"  # code of a failure
MOST_TRIES = 2  # of a study in which the device died: it may be what killed it
_STOPPED = (
    "not reached: the run stopped after too many failures (--max-failures)",
    "Mend what failed, or allow more failures, and run the same command again.",
)
_INTERRUPTED = ("interrupted: the run was stopped while it was in work", "Run the same command again: it goes on.")
_DIED_HINT = "Try again with --retry-failed; if memory ran out, with fewer --jobs or a smaller --mem-gb."


@dataclass(frozen=True, slots=True)
class StudyEvent:
    """One study finished: for progress and logs."""

    position: int  # from 1
    total: int
    participant_id: str
    session_id: str
    seconds: float  # from when it was given to a process
    n_failed: int  # so far in this run
    failure: Failure | None = None
    trace: str = ""  # of an error, or the file it is about: for the eyes of the person who runs it
    stages: dict[str, float] = field(default_factory=dict)  # wall seconds
    peak_bytes: int = 0  # of the process that did it, so far


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did."""

    n_studies: int
    n_run: int
    n_skipped: int
    n_failed: int  # studies of the cohort whose record is a failure, also from earlier runs
    n_flagged: int  # analysed studies with a flagged check
    n_left: int  # not reached because of --max-failures
    seconds: float
    n_elsewhere: int = 0  # in work at another run, or done there since this one was planned
    peak_bytes: int = 0  # of the study process that used most

    @property
    def exit_code(self) -> ExitCode:
        """DONE, or SOME_FAILED where a study of the cohort has no result."""
        return ExitCode.SOME_FAILED if self.n_failed or self.n_left else ExitCode.DONE


class Claims(Protocol):
    """Which run has a study in work, where several share a folder."""

    def take(self, study: StudyIds, *, n_after: int) -> bool:
        """Whether it is this run's now; `n_after` more are still to begin."""

    def give_back(self, study: StudyIds) -> None:
        """It is done."""


class Revivable(Protocol):
    """What answers the study processes: it can die and come back."""

    def revive(self) -> bool:
        """Start it again if it is dead; whether it was. Raises UnavailableError where that is of no use."""


@dataclass(frozen=True, slots=True)
class How:
    """How a run goes on."""

    studies: Studies
    writing: Writing
    budget: Budget
    claims: Claims
    device: Revivable | None = None
    max_failures: int | None = None
    begins: Callable[[int, StudyWork], object] | None = None  # told the number (from 1) of a study that is given
    progress: Callable[[StudyEvent], object] | None = None
    waits: Callable[[], object] = bool  # called every second or so, also where no study ends


def run_cohort(planned: Sequence[Planned], *, clinical: ClinicalFacts, how: How) -> RunSummary:
    """Do every planned study that is to run, several at a time, and record it.

    What goes wrong with a study becomes its record; an earlier result stays until its study is done again. Where the
    run itself ends (a signal, a full disk, no device), studies in work that have no result are recorded as interrupted.
    Raises OutputError where nothing can be written, UnavailableError where there is no device any more.
    """
    run = _Run(planned, clinical, how)
    with run.stopped_well():
        while run.goes_on():
            run.give()
            if how.studies.in_work or not how.studies.n_free:
                for report in how.studies.wait():
                    run.take(report)
                how.waits()
    return run.summary()


class _Run:
    """What has become of the studies so far."""

    def __init__(self, planned: Sequence[Planned], clinical: ClinicalFacts, how: How) -> None:
        self._planned, self._clinical, self._how = planned, clinical, how
        self._todo = deque(item for item in planned if item.runs)
        self._total = len(self._todo)
        self._given: dict[tuple[str, str], tuple[Planned, float]] = {}
        self._tries: dict[tuple[str, str], int] = {}
        self._suspects: set[tuple[str, str]] = set()
        self._began = time.perf_counter()
        self._n_run = self._n_failed = self._n_flagged = self._n_elsewhere = self._peak = 0
        self._done: set[tuple[str, str]] = set()

    def goes_on(self) -> bool:
        """Whether anything is in work or can still be given."""
        return bool(self._given) or (bool(self._todo) and not self._too_many_failures())

    def give(self) -> None:
        """Give as many studies as processes are free and memory allows."""
        how = self._how
        while self._todo and how.studies.n_free and not self._too_many_failures():
            need = self._todo[0].study.n_bytes
            if self._given and self._suspects & {_ids(self._todo[0].study), *self._given}:
                return  # one in which the device died is tried alone, so that no other is taken for what killed it
            if not how.budget.allows(need, beside=[work.n_bytes for work in how.studies.in_work]):
                return
            item = self._todo.popleft()
            if not how.claims.take(item.study, n_after=len(self._todo)):
                self._n_elsewhere += 1
                continue
            if done_meanwhile(item, out=how.writing.out):
                how.claims.give_back(item.study)
                self._n_elsewhere += 1
                continue
            work = work_of(item, self._clinical)
            self._given[_ids(work)] = (item, time.perf_counter())
            if how.begins:
                how.begins(self._n_run + len(self._given), work)
            how.studies.give(work)

    def take(self, report: Report) -> None:
        """Record what has become of a study. Raises errors that concern the whole run."""
        work, said = report
        if isinstance(said, Died):
            failure = work.failure(said.stage or "start", PROCESS_DIED, f"its process {said.words}", _DIED_HINT)
            self._recorded(work, failure, peak=said.peak_bytes)
        elif isinstance(said, DeviceLostError):
            self._device_lost(work)
        elif isinstance(said, Stopped):
            self._again(work)
        elif isinstance(said, Finished):
            ended = said.ended
            self._finished(work, ended.failure, said.peak_bytes, trace=ended.trace, stages=dict(ended.seconds))
            self._n_flagged += ended.flagged
        else:
            raise said

    def summary(self) -> RunSummary:
        """The numbers; studies that were not reached get their record first."""
        for item in self._todo if self._too_many_failures() else ():
            self._not_reached(item, *_STOPPED, code="not_reached")
        before = [item.known for item in self._planned if item.known and _ids(item.study) not in self._done]
        return RunSummary(
            n_studies=len(self._planned),
            n_run=self._n_run,
            n_skipped=len(self._planned) - self._total,
            n_failed=self._n_failed + sum(known.status is Status.FAILED for known in before),
            n_flagged=self._n_flagged + sum(known.flagged for known in before),
            n_left=len(self._todo),
            seconds=time.perf_counter() - self._began,
            n_elsewhere=self._n_elsewhere,
            peak_bytes=self._peak,
        )

    @contextmanager
    def stopped_well(self) -> Iterator[None]:
        """However the block ends, no study stays in work, and none without a record."""
        try:
            yield
        except BaseException:
            self._how.studies.stop()
            for item, _ in self._given.values():
                with suppress(CinemaError):  # what ended the run is what is to be heard
                    self._not_reached(item, *_INTERRUPTED, code="interrupted")
                with suppress(CinemaError):
                    self._how.claims.give_back(item.study)
            raise
        self._how.studies.stop()

    def _device_lost(self, work: StudyWork) -> None:
        """The device died under a study: start it again, and try the study once more."""
        if self._how.device is None:
            raise DeviceLostError
        self._how.device.revive()
        self._suspects.add(_ids(work))
        tries = self._tries[_ids(work)] = self._tries.get(_ids(work), 1) + 1
        if tries <= MOST_TRIES:
            self._again(work)
            return
        said = "the process that runs the networks died twice while it worked on this study"
        self._recorded(work, work.failure("segment", "device_died", said, _DIED_HINT), peak=0)

    def _again(self, work: StudyWork) -> None:
        item, _ = self._given.pop(_ids(work))
        self._how.claims.give_back(work)
        self._todo.appendleft(item)

    def _recorded(self, work: StudyWork, failure: Failure, *, peak: int) -> None:
        """Write the record of a study whose process could not."""
        write_record(work, failure, self._how.writing)
        self._finished(work, failure, peak, trace="", stages={})

    def _finished(
        self, work: StudyWork, failure: Failure | None, peak: int, *, trace: str, stages: dict[str, float]
    ) -> None:
        _, began = self._given.pop(_ids(work))
        self._how.claims.give_back(work)
        self._done.add(_ids(work))
        self._suspects.discard(_ids(work))
        self._n_run, self._n_failed = self._n_run + 1, self._n_failed + (failure is not None)
        self._peak = max(self._peak, peak)
        self._how.budget.learn(work.n_bytes, peak)
        if self._how.progress:
            seconds = time.perf_counter() - began
            where = (self._n_run, self._total, work.participant_id, work.session_id)
            self._how.progress(StudyEvent(*where, seconds, self._n_failed, failure, trace, stages, peak))

    def _not_reached(self, item: Planned, reason: str, hint: str, *, code: str) -> None:
        """Record that a study has no result, unless the disk has a record of it: an earlier one, one that its process
        has just written, or another run's."""
        if read_record(self._how.writing.out, item.study) is not None:
            return
        work = work_of(item, self._clinical)
        write_record(work, work.failure("run", code, reason, hint, status=Status.NOT_RUN), self._how.writing)

    def _too_many_failures(self) -> bool:
        most = self._how.max_failures
        return most is not None and self._n_failed > most


def _ids(study: StudyIds) -> tuple[str, str]:
    return study.participant_id, study.session_id
