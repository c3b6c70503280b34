"""Work in pieces, spread over processes where it would take long: for the scan of a large cohort."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")

POOL_PAYS_S = 10.0  # starting processes costs about a second, several on a busy machine


def each(work: Callable[[Piece], Result], pieces: Sequence[Piece], *, jobs: int) -> Iterator[Result]:
    """Results in order: in this process while that is quick, over `jobs` processes where the rest would take long."""
    started = time.perf_counter()
    for done, piece in enumerate(pieces):
        if jobs > 1 and done and len(pieces) - done > 1:
            remaining_s = (time.perf_counter() - started) / done * (len(pieces) - done)
            if remaining_s > POOL_PAYS_S:
                with ProcessPoolExecutor(min(jobs, len(pieces) - done), mp_context=get_context("spawn")) as pool:
                    with _deaf_children(), _one_thread_each():
                        results = pool.map(work, pieces[done:])
                    yield from results
                return
        yield work(piece)


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
