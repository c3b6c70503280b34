"""The device process as a run sees it: started once, asked for what it loaded, started again should it die."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection as channels
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from cinema_cli.domain.errors import UnavailableError
from cinema_cli.inference.device_messages import DeviceSetup, Halved, Work
from cinema_cli.inference.device_process import serve
from cinema_cli.inference.engine_facts import EngineFacts
from cinema_cli.inference.remote import RemoteEngine
from cinema_cli.io.memory import process_bytes
from cinema_cli.io.processes import deaf_children

MOST_STARTS = 10  # a device that dies more often is not going to live
STOP_SECONDS = 10.0
_PREFIX = "cinema-run-"


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """What was asked for."""

    heads: tuple[str, ...] = ()  # empty: all whose weights are here
    device: str = "auto"
    precision: str = "auto"
    threads: int = 1
    batch_size: int | None = None  # None: measured
    deterministic: bool = False


class Device:
    """A device process, which loads its networks while the run does other things."""

    def __init__(self, options: DeviceOptions, folder: Path) -> None:
        """Start it; its socket lies in `folder`."""
        heads = (options.heads, options.device, options.precision, options.threads)
        limits = (options.batch_size, options.deterministic)
        self._setup = DeviceSetup(str(folder / "device"), secrets.token_bytes(32), *heads, *limits)
        self._n_starts, self.halved = 0, list[Halved]()
        self.deaths: list[int | None] = []  # exit codes of those that died
        self._facts: EngineFacts | None = None
        self._process, self._channel = self._started()

    @property
    def facts(self) -> EngineFacts:
        """What it has loaded; waits for it. Raises what it met: UnavailableError, ConfigError, UsageError."""
        if self._facts is None:
            self._facts = self._loaded()
        return self._facts

    def check(self) -> None:
        """Raise what it met, if it has said so by now."""
        if self._facts is None and self._channel.poll():
            self._facts = self._loaded()

    @property
    def engine(self) -> RemoteEngine:
        """What makes an engine in a study process."""
        return RemoteEngine(self.facts, self._setup.address, self._setup.key)

    @property
    def peak_bytes(self) -> int:
        """The most memory that it ever used; of the machine's, not a GPU's."""
        memory = process_bytes(self._process.pid)
        return memory.peak if memory else 0

    def work(self) -> Work:
        """What it has done so far; nothing where it is gone."""
        with contextlib.suppress(EOFError, OSError):
            if self._facts is None:
                return Work()
            self._channel.send("work")
            while isinstance(said := self._channel.recv(), Halved):
                self.halved.append(said)
            if isinstance(said, Work):
                return said
        return Work()

    def news(self) -> Sequence[Halved]:
        """Batches that were halved since the last time."""
        with contextlib.suppress(EOFError, OSError):
            while self._channel.poll():
                said = self._channel.recv()
                self.halved += [said] if isinstance(said, Halved) else []
        new, self.halved = self.halved, []
        return new

    def revive(self) -> bool:
        """Start it again if it is dead, with smaller batches: those may have killed it. Whether it was dead.

        Raises UnavailableError where it died too often.
        """
        self._process.join(1.0)  # whoever lost it may have noticed before the system says so
        if self._process.is_alive():
            return False
        code = self._process.exitcode
        if self._n_starts >= MOST_STARTS:
            hint = "Memory may be short: try --batch-size 1 or --precision bf16; `cinema doctor` tells more."
            said = f"the process that runs the networks died {self._n_starts} times (exit code {code})"
            raise UnavailableError(said, hint=hint, code="device_died")
        size = self._setup.batch_size
        self._setup = replace(self._setup, batch_size=max(1, size // 2) if size else 1)
        Path(self._setup.address).unlink(missing_ok=True)
        self._channel.close()
        self.deaths.append(code)
        self._process, self._channel = self._started()
        self._facts = self._loaded()
        return True

    def stop(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._channel.send("stop")
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._channel.close()

    def _started(self) -> tuple[BaseProcess, Connection]:
        self._n_starts += 1
        here, there = channels.Pipe()
        spawn = get_context("spawn")
        process = spawn.Process(target=serve, args=(self._setup, there), name="cinema-device", daemon=True)
        with deaf_children():
            process.start()
        there.close()
        return process, here

    def _loaded(self) -> EngineFacts:
        """Wait for what it says of the networks. Raises what it met."""
        try:
            said = self._channel.recv()
        except EOFError:
            self._process.join()
            said = UnavailableError(
                f"the process that runs the networks ended with exit code {self._process.exitcode} while it loaded",
                hint="Memory may be short; `cinema doctor` tells more.",
                code="device_died",
            )
        if isinstance(said, EngineFacts):
            return said
        self._process.join(STOP_SECONDS)
        raise said


def _sweep() -> None:
    """Take away the folders of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).split("-")[0]
        if number.isdecimal() and not Path(f"/proc/{number}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays: it may not be removed


@contextlib.contextmanager
def running_device(options: DeviceOptions) -> Iterator[Device]:
    """A device process for as long as the block lasts."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))  # short, as names of sockets must be
    try:
        device = Device(options, folder)
        try:
            yield device
        finally:
            device.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
