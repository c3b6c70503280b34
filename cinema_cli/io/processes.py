"""Work in pieces, spread over processes where it would take long: scans and statistics of large cohorts."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self, TypeVar

from cinema_cli.domain.errors import UnavailableError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

POOL_PAYS_S = 2.0  # starting processes costs about half a second, more on a busy machine
_AHEAD = 3  # pieces a process that wait for it


class Team:
    """Processes that begin when they pay and then do one kind of work after another; leaving it ends them."""

    def __init__(self, jobs: int) -> None:
        """`jobs`: how many processes work at most; with 1 all is done in this one."""
        self.jobs = jobs
        self._pool: ProcessPoolExecutor | None = None
        self._alive: Connection | None = None  # while it is open, the processes live

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the processes, at once where this one was stopped or failed: nobody waits for what they do."""
        if self._pool is None or self._alive is None:
            return
        if kind is not None:
            self._alive.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._alive.close()

    def each(
        self, work: Callable[[Piece], Result], pieces: Iterable[Piece], *, total: int
    ) -> Generator[Result, None, None]:
        """Results in order: in this process while that is quick, over several where the rest of about `total` pieces
        would take long. A piece is asked for when its turn is near, so that not all are in memory at once.

        Raises UnavailableError where a process was killed.
        """
        started = time.perf_counter()
        waiting = iter(pieces)
        for done, piece in enumerate(waiting if self._pool is None else (), start=1):
            yield work(piece)
            left = total - done
            remaining_s = (time.perf_counter() - started) / done * left
            if self.jobs > 1 and left > 1 and remaining_s > POOL_PAYS_S:
                break
        yield from self._over_processes(work, waiting)

    def _over_processes(
        self, work: Callable[[Piece], Result], pieces: Iterator[Piece]
    ) -> Generator[Result, None, None]:
        running: deque[Future[Result]] = deque()
        try:
            for piece in pieces:
                with deaf_children(), one_thread_each():
                    running.append(self._started().submit(work, piece))
                if len(running) > _AHEAD * self.jobs:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        except BrokenProcessPool as error:
            hint = "Run it again; where memory is short, with fewer --jobs."
            said = "a process that did a part of the work was killed"
            raise UnavailableError(said, hint=hint, code="worker_died") from error

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = get_context("spawn")
            heard, self._alive = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(
                self.jobs, mp_context=context, initializer=_end_when_closed, initargs=(heard,)
            )
        return self._pool


def _end_when_closed(alive: Connection) -> None:
    """In a process of a team: end when the one that started it closes the pipe, ends or is killed."""

    def watch() -> None:
        with suppress(EOFError, OSError):
            alive.recv()
        os._exit(1)

    threading.Thread(target=watch, name="cinema-parent", daemon=True).start()


def end_with_parent() -> None:
    """In a process that was started: end when the one that did is killed, instead of waiting for work for ever."""
    threading.Thread(target=_watch_parent, name="cinema-parent", daemon=True).start()


def _watch_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


@contextmanager
def deaf_children() -> Iterator[None]:
    """Processes that start here never see Ctrl-C, which is for this one to handle: they would only print traces."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would let the signal in again, were it the first to start
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it; here it only waits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that start here calculate with one thread: there is one process a processor already."""
    names = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
