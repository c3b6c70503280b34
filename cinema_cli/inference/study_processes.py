"""The study processes of a run: each does one study at a time; one that dies is replaced, and costs its study only."""

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection as channels
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Protocol

from cinema_cli.domain.errors import UnavailableError
from cinema_cli.inference.study_work import Analyser, StudyWork, Writing, do_study
from cinema_cli.inference.worker import AtStage, Finished, Stopped, WorkerSetup, work
from cinema_cli.io.memory import oom_kills, process_bytes
from cinema_cli.io.processes import deaf_children, one_thread_each

STOP_SECONDS = 30.0  # that processes get to finish a write before they are killed
MOST_STILL_BORN = 3  # processes in a row that end before they are ready
LOOK_SECONDS = 1.0  # between looks at their memory


@dataclass(frozen=True, slots=True)
class Died:
    """A study process ended in the middle of a study."""

    stage: str
    exit_code: int  # negative: the signal that killed it
    peak_bytes: int  # the most memory it was seen to use
    out_of_memory: bool  # whether the system killed a process for memory meanwhile

    @property
    def words(self) -> str:
        """`was killed (SIGKILL) while it read the study, with 1.4 GB of memory in use`."""
        how = f"ended with exit code {self.exit_code}"
        if self.exit_code < 0:
            with contextlib.suppress(ValueError):
                how = f"was killed ({signal.Signals(-self.exit_code).name})"
        if self.out_of_memory:
            how += " because memory ran out,"
        used = f", with {self.peak_bytes / 1e9:.1f} GB of memory in use" if self.peak_bytes else ""
        return f"{how} in the stage {self.stage or 'start'}{used}"


Report = tuple[StudyWork, Finished | Stopped | Died | Exception]


class Studies(Protocol):
    """Who does the studies of a run."""

    @property
    def n_free(self) -> int:
        """How many studies can be given now."""

    @property
    def in_work(self) -> tuple[StudyWork, ...]:
        """Studies that are being done."""

    def give(self, task: StudyWork) -> None:
        """Have a study done."""

    def wait(self) -> Sequence[Report]:
        """What has become of studies; waits for one, or a while."""

    def stop(self) -> Sequence[Report]:
        """End all work now; what has become of the studies in work."""


class OneByOne:
    """Does each study in this process when it is waited for."""

    def __init__(self, engine: Analyser, writing: Writing) -> None:
        """Use a loaded engine."""
        self._engine, self._writing = engine, writing
        self._tasks: list[StudyWork] = []

    @property
    def n_free(self) -> int:
        """One at a time."""
        return 1 - len(self._tasks)

    @property
    def in_work(self) -> tuple[StudyWork, ...]:
        """The one that was given."""
        return tuple(self._tasks)

    def give(self, task: StudyWork) -> None:
        """It waits for `wait`."""
        self._tasks.append(task)

    def wait(self) -> Sequence[Report]:
        """Do it. Errors of the whole run are raised."""
        ended = do_study(self._tasks[0], self._engine, self._writing)
        memory = process_bytes()
        return [(self._tasks.pop(0), Finished(ended, memory.peak if memory else 0))]

    def stop(self) -> Sequence[Report]:
        """Nothing goes on here by itself."""
        return [(task, Stopped()) for task in self._tasks]


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    connection: Connection
    ready: bool = False
    leaving: bool = False  # it was told to stop: it takes no study any more
    task: StudyWork | None = None
    stage: str = ""
    peak_bytes: int = 0  # as last seen


class StudyProcesses:
    """`count` processes that do studies at the same time."""

    def __init__(self, setup: WorkerSetup, *, count: int) -> None:
        """Start them; they load while the run goes on."""
        self._setup, self._oom_kills = setup, oom_kills()
        self._workers = [self._started() for _ in range(count)]
        self._looked_at, self._n_still_born = 0.0, 0

    @property
    def n_free(self) -> int:
        """Processes without a study."""
        return sum(worker.task is None and not worker.leaving for worker in self._workers)

    @property
    def in_work(self) -> tuple[StudyWork, ...]:
        """Studies that are being done."""
        return tuple(worker.task for worker in self._workers if worker.task)

    @property
    def pids(self) -> tuple[int, ...]:
        """Numbers of the processes, as the system has them."""
        return tuple(worker.process.pid or 0 for worker in self._workers)

    def give(self, task: StudyWork) -> None:
        """Have a study done by a free process, one that is ready first."""
        free = [worker for worker in self._workers if worker.task is None and not worker.leaving]
        worker = next((worker for worker in free if worker.ready), free[0])
        worker.task, worker.stage = task, ""
        with contextlib.suppress(OSError):  # it died meanwhile, which `wait` will find
            worker.connection.send(task)

    def wait(self) -> Sequence[Report]:
        """What has become of studies; waits for news of a process, a second at most.

        Raises UnavailableError where processes do not start.
        """
        by_connection = {worker.connection: worker for worker in self._workers}
        by_end = {worker.process.sentinel: worker for worker in self._workers}
        ready = channels.wait([*by_connection, *by_end], timeout=LOOK_SECONDS)
        self._look()
        reports = [report for one in ready if one in by_connection for report in self._heard(by_connection[one])]
        for one in ready:
            if one in by_end and by_end[one] in self._workers:
                reports += self._buried(by_end[one])
        return reports

    def stop(self) -> Sequence[Report]:
        """Have every process finish the write in hand and end; what has become of their studies."""
        reports: list[Report] = []
        for worker in self._workers:
            worker.process.terminate()
        until = time.monotonic() + STOP_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            if task := worker.task:
                reports += list(self._heard(worker)) or [(task, Stopped())]
            worker.connection.close()
        self._workers = []
        return reports

    def _started(self) -> _Worker:
        here, there = channels.Pipe()
        process = get_context("spawn").Process(target=work, args=(there, self._setup), name="cinema-study", daemon=True)
        with deaf_children(), one_thread_each():
            process.start()
        there.close()
        return _Worker(process, here)

    def _heard(self, worker: _Worker) -> Iterator[Report]:
        """Everything that a process has said so far."""
        with contextlib.suppress(EOFError, OSError):
            while worker.connection.poll():
                said = worker.connection.recv()
                if said is None:
                    worker.ready, self._n_still_born = True, 0
                elif isinstance(said, AtStage):
                    worker.stage, worker.peak_bytes = said.stage, max(worker.peak_bytes, said.bytes)
                elif worker.task:
                    task, worker.task = worker.task, None
                    worker.leaving = isinstance(said, Stopped)
                    yield task, said

    def _buried(self, worker: _Worker) -> Iterator[Report]:
        """A process has ended: what it last said, or that it died; another one takes its place."""
        yield from self._heard(worker)
        worker.process.join()
        died = Died(worker.stage, worker.process.exitcode or 0, worker.peak_bytes, oom_kills() > self._oom_kills)
        self._oom_kills = oom_kills()
        worker.connection.close()
        if not worker.ready:
            self._still_born(died)
        self._workers[self._workers.index(worker)] = self._started()
        if worker.task:
            yield worker.task, died if worker.ready else Stopped()

    def _still_born(self, died: Died) -> None:
        """A process ended before it took a study, which is not to blame. Raises UnavailableError if that goes on."""
        self._n_still_born += 1
        if self._n_still_born > MOST_STILL_BORN:
            hint = "Memory may be short: try fewer --jobs; `cinema doctor` tells more."
            said = f"processes for studies do not start: the last one {died.words}"
            raise UnavailableError(said, hint=hint, code="no_process")

    def _look(self) -> None:
        """How much memory each process uses, now and then."""
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        for worker in self._workers:
            if worker.task and worker.process.pid and (memory := process_bytes(worker.process.pid)):
                worker.peak_bytes = max(worker.peak_bytes, memory.resident)


def study_processes(setup: WorkerSetup, count: int) -> Studies:
    """The processes of a run."""
    return StudyProcesses(setup, count=count)
