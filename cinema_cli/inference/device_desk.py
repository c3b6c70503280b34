"""Where requests to the device come in and batches are taken; several threads use it."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from cinema_cli.inference.batching import Arrays, Batch, Line, Request
from cinema_cli.inference.device_messages import Work


class Desk:
    """Requests in line, answers on their way back, and what was done so far."""

    def __init__(self) -> None:
        self.work = Work()
        self._line, self._fresh = Line(), list[Request]()
        self._change, self._giving = threading.Condition(), threading.Lock()
        self._closed, self._n_busy, self._busy_since = False, 0, 0.0

    def add(self, request: Request) -> None:
        """A study asks something."""
        with self._change:
            self._fresh.append(request)
            self._change.notify_all()

    def drop(self, request: Request) -> None:
        """Nobody waits for it any more."""
        with self._change:
            self._line.drop(request)
            self._fresh = [other for other in self._fresh if other is not request]

    def close(self) -> None:
        """No more batches."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def take(self, size: Callable[[Request], int | None]) -> Batch:
        """Wait for the batch whose turn it is; new requests stand in line first, in batches of their `size` (None:
        they are not to be answered). Raises EOFError once the desk is closed."""
        while True:
            with self._change:
                while not (self._fresh or self._line or self._closed):
                    self._change.wait()
                if self._closed:
                    raise EOFError
                if not self._fresh:
                    return self._line.next()
                request = self._fresh.pop(0)
            if (most := size(request)) is not None:
                with self._change:
                    self._line.add(request, most=most)
                    self._change.notify_all()

    def again(self, batch: Batch, *, most: int) -> None:
        """Let a batch stand in line again, in smaller parts."""
        with self._change:
            self._line.again(batch, most=most)
            self._change.notify_all()

    def give(self, batch: Batch, answers: Arrays) -> None:
        """Hand answers out; lanes do so one after another, as they may have parts of one request."""
        with self._giving:
            batch.give(answers)

    @contextlib.contextmanager
    def counted(self, batch: Batch) -> Iterator[None]:
        """A batch is calculated in the block: how long that took, alone and beside others."""
        work = self.work
        with self._giving:
            began = time.monotonic()
            work.first_at = began if work.first_at is None else work.first_at
            self._busy_since = self._busy_since if self._n_busy else began
            self._n_busy += 1
        try:
            yield
        finally:
            with self._giving:
                work.last_at = now = time.monotonic()
                work.lanes_s += now - began
                self._n_busy -= 1
                work.busy_s += 0.0 if self._n_busy else now - self._busy_since
                work.n_batches, work.n_items = work.n_batches + 1, work.n_items + batch.n_items
                work.n_shared += len({id(request) for request, _, _ in batch.parts}) > 1
