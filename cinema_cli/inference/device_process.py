"""The one process that owns the device: loads the weights once and answers the study processes, in batches."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from typing import Any

import numpy as np

from cinema_cli.domain.errors import CinemaError, FaultElsewhereError, StudyError, fault_words
from cinema_cli.inference.batching import Arrays, Batch, Request
from cinema_cli.inference.device_desk import Desk
from cinema_cli.inference.device_messages import DeviceSetup, Halved, receive_request, send_answers
from cinema_cli.io.cache import keep_batch_size, known_batch_size
from cinema_cli.io.processes import end_with_parent

BROKEN = 70  # exit code of a process whose device broke


def serve(setup: DeviceSetup, parent: Connection) -> None:
    """Load the networks, tell `parent` (EngineFacts, or the error that was met), then answer until it says stop."""
    end_with_parent()
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the run itself ends this process, after the studies
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
    _calculate(networks, setup, desk, parent)
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


def _calculate(networks: Any, setup: DeviceSetup, desk: Desk, parent: Connection) -> None:
    """Answer until the desk closes: on a CPU each processor a batch of its own, where networks are small enough.

    A network calculates more in the same time so than with several threads that wait for each other, and its sums do
    not depend on the number of processors.
    """
    import torch

    calculator = _Calculator(networks, setup, desk, parent)
    if networks.side_by_side:
        torch.set_num_threads(1)
        desk.work.lanes = setup.threads
    lanes = [threading.Thread(target=calculator.run, name="cinema-lane") for _ in range(1, desk.work.lanes)]
    for lane in lanes:
        lane.start()
    calculator.run()
    for lane in lanes:
        lane.join()


class _Calculator:
    """Takes batch after batch, in each thread that uses the device."""

    def __init__(self, networks: Any, setup: DeviceSetup, desk: Desk, parent: Connection) -> None:
        self._networks, self._setup, self._desk, self._parent = networks, setup, desk, parent
        self.work, self._sizing = desk.work, threading.Lock()

    def run(self) -> None:
        """Until the desk closes."""
        with contextlib.suppress(EOFError):
            while True:
                self._answer(self._desk.take(self._size))

    def _answer(self, batch: Batch) -> None:
        try:
            with self._desk.counted(batch):
                answers = self._networks.call(batch.call, batch.arrays())
            self._desk.give(batch, {name: values[: batch.n_items] for name, values in answers.items()})
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
        with self._sizing:
            if size < self.work.sizes[network]:  # else other batches of the larger size still stood in line
                self.work.sizes[network] = size
                self._parent.send(Halved(network, size))
        self._let_go()
        self._desk.again(batch, most=size)

    def _size(self, request: Request) -> int | None:
        """Items of a network that go through together, which is measured when it is first asked; None where it fails
        at that."""
        network = request.call.network
        with self._sizing:
            try:
                if network not in self.work.sizes:
                    size = self._setup.batch_size or self._measured(request)
                    self.work.sizes[network] = max(1, size >> self._setup.halvings)
                return self.work.sizes[network]
            except Exception as error:
                if self._is_broken(error):
                    os._exit(BROKEN)
                request.fail(self._said(error))
                return None

    def _measured(self, request: Request) -> int:
        from cinema_cli.inference.batch_size import USUAL, measured_size

        if self._setup.deterministic:
            return USUAL
        facts = self._networks.facts
        use = next(use for use in facts.uses if request.call.network.startswith(use.name))
        threads = 1 if self.work.lanes > 1 else self._setup.threads
        of = f"{facts.device_words}, threads {threads}, {facts.precision}, {use.name} {use.setup[:12]}"
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
            request = receive_request(connection)
            done = threading.Event()
            request.done = _sets(done)
            desk.add(request)
            while not done.wait(1.0):
                if connection.poll():  # it says nothing while it waits: it is gone
                    raise EOFError
            send_answers(connection, request)
            request = None
    if request is not None:
        desk.drop(request)
    connection.close()


def _sets(event: threading.Event) -> Callable[[Request], None]:
    return lambda request: event.set()
