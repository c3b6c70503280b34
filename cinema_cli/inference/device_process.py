"""The one process that owns the device: loads the weights once and answers the study processes, in batches."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from typing import Any

import numpy as np

from cinema_cli.domain.errors import CinemaError, FaultElsewhereError, StudyError, fault_words
from cinema_cli.inference.batching import Arrays, Batch, Call, Line, Request
from cinema_cli.io.cache import keep_batch_size, known_batch_size
from cinema_cli.io.processes import end_with_parent

BROKEN = 70  # exit code of a process whose device broke


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """What the process is started with."""

    address: str  # where studies ask
    key: bytes  # without which nobody is answered
    heads: tuple[str, ...]
    device: str
    precision: str
    threads: int  # of a CPU
    batch_size: int | None  # None: measured
    deterministic: bool


@dataclass(frozen=True, slots=True)
class Halved:
    """Said where a batch had no room on the device."""

    network: str
    size: int  # from now on


@dataclass(slots=True)
class Work:
    """What the device did so far, in wall seconds since it was ready; sent when asked."""

    busy_s: float = 0.0
    first_at: float | None = None  # when it was first busy, and last
    last_at: float = 0.0
    n_batches: int = 0
    n_items: int = 0
    n_shared: int = 0  # batches with items of several studies
    sizes: dict[str, int] = field(default_factory=dict)  # network -> items together

    @property
    def busy_pct(self) -> float | None:
        """Share of the time from the first to the last batch that was calculated, percent."""
        span = self.last_at - (self.first_at or 0.0)
        return round(100.0 * self.busy_s / span, 1) if self.first_at is not None and span > 0 else None


def serve(setup: DeviceSetup, parent: Connection) -> None:
    """Load the networks, tell `parent` (EngineFacts, or the error that was met), then answer until it says stop."""
    end_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the run itself ends this process, after the studies
    try:
        _configure(setup)
        from cinema_cli.inference.networks import Networks

        networks = Networks(setup.heads, device=setup.device, precision=setup.precision)
        listener = Listener(setup.address, authkey=setup.key, backlog=64)
        parent.send(networks.facts)
    except Exception as error:
        parent.send(error)
        return
    desk = Desk()
    for work, name in ((_accept, "cinema-accept"), (_listen, "cinema-parent")):
        arguments = (desk, listener) if work is _accept else (desk, parent)
        threading.Thread(target=work, args=arguments, name=name, daemon=True).start()
    _Calculator(networks, setup, desk, parent).run()
    with contextlib.suppress(OSError):
        listener.close()


def _configure(setup: DeviceSetup) -> None:
    """Number of threads, and the same sums in the same order where that is asked for."""
    os.environ["OMP_NUM_THREADS"] = str(1 if setup.deterministic else setup.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin take the processors that studies need
    if setup.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    torch.set_num_threads(1 if setup.deterministic else setup.threads)
    if setup.deterministic and (torch.cuda.is_available() or torch.backends.mps.is_available()):
        torch.use_deterministic_algorithms(True)  # loads torch's compiler, seconds: a processor's one thread needs none
        torch.backends.cudnn.benchmark = False


class Desk:
    """Where requests come in and batches are taken; several threads use it."""

    def __init__(self) -> None:
        self.work = Work()
        self._line, self._fresh = Line(), list[Request]()
        self._change = threading.Condition()
        self._closed = False

    def add(self, request: Request) -> None:
        """A study asks something."""
        with self._change:
            self._fresh.append(request)
            self._change.notify()

    def drop(self, request: Request) -> None:
        """Nobody waits for it any more."""
        with self._change:
            self._line.drop(request)
            self._fresh = [other for other in self._fresh if other is not request]

    def close(self) -> None:
        """No more batches."""
        with self._change:
            self._closed = True
            self._change.notify()

    def fresh(self) -> list[Request]:
        """Wait until there is work; requests that came since the last time. Raises EOFError once it is closed."""
        with self._change:
            while not (self._fresh or self._line or self._closed):
                self._change.wait()
            if self._closed:
                raise EOFError
            some, self._fresh = self._fresh, []
            return some

    def wait_for(self, request: Request, *, most: int) -> None:
        """Let a request stand in line."""
        with self._change:
            self._line.add(request, most=most)

    def again(self, batch: Batch, *, most: int) -> None:
        """Let a batch stand in line again, in smaller parts."""
        with self._change:
            self._line.again(batch, most=most)

    def next(self) -> Batch | None:
        """The batch whose turn it is; None where nobody waits."""
        with self._change:
            return self._line.next() if self._line else None


class _Calculator:
    """Takes batch after batch, in the thread that uses the device."""

    def __init__(self, networks: Any, setup: DeviceSetup, desk: Desk, parent: Connection) -> None:
        self._networks, self._setup, self._desk, self._parent = networks, setup, desk, parent
        self.work = desk.work

    def run(self) -> None:
        """Until the desk closes."""
        with contextlib.suppress(EOFError):
            while True:
                for request in self._desk.fresh():
                    try:
                        self._desk.wait_for(request, most=self._size(request))
                    except Exception as error:
                        request.fail(self._said(error))
                if batch := self._desk.next():
                    self._answer(batch)

    def _answer(self, batch: Batch) -> None:
        try:
            with self._busy(batch):
                answers = self._networks.call(batch.call, batch.arrays())
            batch.give({name: values[: batch.n_items] for name, values in answers.items()})
        except Exception as error:
            if self._is_too_large(error) and batch.slots > 1:
                self._halve(batch)
                return
            if self._is_broken(error):
                os._exit(BROKEN)  # those who wait notice it, and the run starts another process
            said = self._said(error)
            for request, _, _ in batch.parts:
                self._desk.drop(request)
                request.fail(said)

    def _halve(self, batch: Batch) -> None:
        network, size = batch.call.network, batch.slots // 2
        if size < self.work.sizes[network]:  # else other batches of the larger size still stood in line
            self.work.sizes[network] = size
            self._parent.send(Halved(network, size))
        self._let_go()
        self._desk.again(batch, most=size)

    def _size(self, request: Request) -> int:
        """Items of a network that go through together, which is measured when it is first asked."""
        network = request.call.network
        if network not in self.work.sizes:
            self.work.sizes[network] = self._setup.batch_size or self._measured(request)
        return self.work.sizes[network]

    def _measured(self, request: Request) -> int:
        from cinema_cli.inference.batch_size import USUAL, measured_size

        if self._setup.deterministic:
            return USUAL
        facts = self._networks.facts
        use = next(use for use in facts.uses if request.call.network.startswith(use.name))
        of = f"{facts.device_words}, {self._setup.threads} threads, {facts.precision}, {use.name} {use.setup[:12]}"
        if known := known_batch_size(of):
            return known
        one = {name: values[:1] for name, values in request.arrays.items()}
        size = measured_size(lambda n: self._networks.call(request.call, _times(one, n)), too_large=self._is_too_large)
        self._let_go()
        keep_batch_size(of, size)
        return size

    def _said(self, error: Exception) -> Exception:
        """An error as it can be told to another process."""
        if isinstance(error, CinemaError):
            return error
        if self._is_too_large(error):
            hint = "Free memory on the device, or use --precision bf16 or --device cpu."
            return StudyError("the device has no memory for one image", stage="device", code="no_room", hint=hint)
        return FaultElsewhereError(fault_words(error))

    @staticmethod
    def _is_broken(error: Exception) -> bool:
        from cinema_cli.inference.devices import is_broken

        return is_broken(error)

    @staticmethod
    def _is_too_large(error: Exception) -> bool:
        from cinema_cli.inference.devices import is_too_large

        return is_too_large(error)

    def _let_go(self) -> None:
        """Give memory back that no tensor uses."""
        import torch

        if self._networks.device.type == "cuda":
            torch.cuda.empty_cache()

    @contextlib.contextmanager
    def _busy(self, batch: Batch) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            now, work = time.monotonic(), self.work
            work.busy_s, work.last_at = work.busy_s + now - began, now
            work.first_at = work.first_at if work.first_at is not None else began
            work.n_batches, work.n_items = work.n_batches + 1, work.n_items + batch.n_items
            work.n_shared += len({id(request) for request, _, _ in batch.parts}) > 1


def _times(one: Arrays, n: int) -> Arrays:
    return {name: np.concatenate([values] * n) for name, values in one.items()}


def _accept(desk: Desk, listener: Listener) -> None:
    """Answer everyone who knows the key, each in a thread of its own."""
    while True:
        try:
            connection = listener.accept()
        except (AuthenticationError, EOFError, ConnectionError):
            continue
        except OSError:
            return
        threading.Thread(target=_attend, args=(desk, connection), name="cinema-study", daemon=True).start()


def _listen(desk: Desk, parent: Connection) -> None:
    """What the run's own process asks: how much was done, or to stop."""
    with contextlib.suppress(EOFError, OSError):
        while parent.recv() == "work":
            parent.send(desk.work)
    desk.close()


def _attend(desk: Desk, connection: Connection) -> None:
    """Take one study process's requests, one at a time, and send the answers."""
    request: Request | None = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            request = _received(connection)
            done = threading.Event()
            request.done = _sets(done)
            desk.add(request)
            while not done.wait(1.0):
                if connection.poll():  # it says nothing while it waits: it is gone
                    raise EOFError
            _send(connection, request)
            request = None
    if request is not None:
        desk.drop(request)
    connection.close()


def _sets(event: threading.Event) -> Callable[[Request], None]:
    return lambda request: event.set()


def _received(connection: Connection) -> Request:
    call, names = connection.recv()
    return Request(call, {name: receive_array(connection) for name in names})


def _send(connection: Connection, request: Request) -> None:
    if request.error is not None:
        connection.send(request.error)
        return
    connection.send(tuple(request.answers))
    for values in request.answers.values():
        send_array(connection, values)


def ask(connection: Connection, call: Call, arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
    """From the other side: what a network answers. Raises what it met there, EOFError or OSError where it is gone."""
    connection.send((call, tuple(arrays)))
    for values in arrays.values():
        send_array(connection, values)
    said = connection.recv()
    if isinstance(said, Exception):
        raise said
    return {name: receive_array(connection) for name in said}


def send_array(connection: Connection, values: np.ndarray[Any, Any]) -> None:
    """Its type and shape, then its bytes."""
    whole = np.ascontiguousarray(values)
    connection.send((whole.dtype.str, whole.shape))
    connection.send_bytes(whole.reshape(-1).view(np.uint8).data if whole.size else b"")


def receive_array(connection: Connection) -> np.ndarray[Any, Any]:
    """The array that was sent."""
    kind, shape = connection.recv()
    values = np.empty(shape, np.dtype(kind))
    if values.size:
        connection.recv_bytes_into(values.reshape(-1).view(np.uint8).data)
    else:
        connection.recv_bytes()
    return values
