"""A study process: takes one study after another, and says what it is doing, so that its death costs one study only."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from cinema_cli.inference.study_work import RUN_ERRORS, Analyser, Ended, StudyWork, Writing, do_study
from cinema_cli.io.memory import go_first, process_bytes
from cinema_cli.io.processes import end_with_parent

LAST_STAGE = "write"  # which a signal does not cut short: the atomic write in hand is finished


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a study process is started with."""

    engine: Callable[[], Analyser]
    writing: Writing


@dataclass(frozen=True, slots=True)
class AtStage:
    """Said where a stage begins."""

    stage: str
    bytes: int  # of memory in use


@dataclass(frozen=True, slots=True)
class Finished:
    """Said of a study that has its record."""

    ended: Ended
    peak_bytes: int  # the most memory that this process ever used


@dataclass(frozen=True, slots=True)
class Stopped:
    """Said of a study that the run's end cut short; it has no new record."""


class _StopError(BaseException):
    """The run ends: unwinds from whatever is done."""


def work(connection: Connection, setup: WorkerSetup) -> None:
    """Do the studies that come, until the other side closes. What concerns the whole run is sent as what it is."""
    end_with_parent()
    go_first()
    for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C and a closed terminal are for the run itself to handle
        signal.signal(number, signal.SIG_IGN)
    bell = _Bell()
    with contextlib.suppress(EOFError, OSError, _StopError):
        engine = setup.engine()
        connection.send(None)  # ready
        while True:
            task: StudyWork = connection.recv()
            connection.send(_done(task, engine, setup.writing, bell, connection))
            if bell.rung:
                return


def _done(
    task: StudyWork, engine: Analyser, writing: Writing, bell: "_Bell", connection: Connection
) -> Finished | Stopped | Exception:
    def at(stage: str) -> None:
        bell.deaf = stage == LAST_STAGE
        memory = process_bytes()
        connection.send(AtStage(stage, memory.resident if memory else 0))

    try:
        with bell.heard():
            ended = do_study(task, engine, writing, at=at)
        memory = process_bytes()
        return Finished(ended, memory.peak if memory else 0)
    except RUN_ERRORS as error:
        return error
    except _StopError:
        return Stopped()


class _Bell:
    """SIGTERM as the sign to stop: at once while a study is read and looked at, after its write otherwise."""

    def __init__(self) -> None:
        self.rung, self.deaf, self._in_study = False, False, False
        signal.signal(signal.SIGTERM, self._ring)

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """While a study is done."""
        self._in_study, self.deaf = True, False
        try:
            yield
        finally:
            self._in_study = False

    def _ring(self, number: int, frame: object) -> None:
        if self.rung:  # told twice, perhaps while it ends already
            return
        self.rung = True
        if not (self._in_study and self.deaf):
            raise _StopError
