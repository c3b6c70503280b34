"""Work in pieces, spread over processes where it would take long: for the scan of a large cohort."""

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")

POOL_PAYS_S = 10.0  # starting processes costs about a second, several on a busy machine
_AHEAD = 3  # pieces a process that wait for it


def each(
    work: Callable[[Piece], Result], pieces: Iterable[Piece], *, total: int, jobs: int
) -> Generator[Result, None, None]:
    """Results of `total` pieces in order: in this process while that is quick, over `jobs` processes where the rest
    would take long. A piece is asked for when its turn is near, so that not all are in memory at once."""
    started = time.perf_counter()
    waiting = iter(pieces)
    for done in range(total):
        if jobs > 1 and done and total - done > 1:
            remaining_s = (time.perf_counter() - started) / done * (total - done)
            if remaining_s > POOL_PAYS_S:
                yield from _over_processes(work, waiting, jobs=min(jobs, total - done))
                return
        yield work(next(waiting))


def _over_processes(
    work: Callable[[Piece], Result], pieces: Iterator[Piece], *, jobs: int
) -> Generator[Result, None, None]:
    running: deque[Future[Result]] = deque()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_end_with_parent) as pool:
        try:
            for piece in pieces:
                with _deaf_children(), _one_thread_each():
                    running.append(pool.submit(work, piece))
                if len(running) > _AHEAD * jobs:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def _end_with_parent() -> None:
    """In a process of the pool: end when the one that started it is killed, instead of waiting for work for ever."""
    threading.Thread(target=_watch_parent, name="cinema-parent", daemon=True).start()


def _watch_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that start here never see Ctrl-C, which is for this one to handle: they would only print traces."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it; here it only waits
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _one_thread_each() -> Iterator[None]:
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
