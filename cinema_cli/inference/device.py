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
from pathlib import Path

from cinema_cli.domain.errors import UnavailableError
from cinema_cli.inference.device_messages import DeviceSetup, Halved, Work
from cinema_cli.inference.device_process import serve
from cinema_cli.inference.engine_facts import EngineFacts
from cinema_cli.inference.remote import RemoteEngine
from cinema_cli.io.memory import process_bytes
from cinema_cli.io.process_names import began, machine, machine_mark
from cinema_cli.io.processes import deaf_children

MOST_STARTS = 10  # a device that dies more often is not going to live
STOP_SECONDS = 10.0
_LONGEST_FOLDER = 50  # bytes: the name of a socket may have 103 on some systems


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """What was asked for."""

    heads: tuple[str, ...] = ()  # empty: all whose weights are here
    device: str = "auto"
    precision: str = "auto"
    threads: int = 1
    batch_size: int | None = None  # None: measured
    deterministic: bool = False


@dataclass(frozen=True, slots=True)
class Restarted:
    """The device process died, and another one took its place."""

    exit_code: int | None  # of the one that died; negative: the signal that killed it
    n_deaths: int  # so far: batches are halved for each


class Device:
    """A device process, which loads its networks while the run does other things."""

    def __init__(self, options: DeviceOptions, folder: Path) -> None:
        """`start` starts it; its socket lies in `folder`."""
        heads = (options.heads, options.device, options.precision, options.threads)
        limits = (options.batch_size, options.deterministic)
        self._setup = DeviceSetup(str(folder / "device"), secrets.token_bytes(32), *heads, *limits)
        self.n_starts, self._news = 0, list[Halved | Restarted]()
        self._work_before, self._work = Work(), Work()  # of processes that died, of this one when it was last asked
        self._facts: EngineFacts | None = None
        self._make()

    def start(self) -> None:
        """Let it load."""
        self.n_starts += 1
        with deaf_children():
            self._process.start()
        self._its_channel.close()

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
        """What it has done so far; of processes that are gone what they had done when last asked, here or by `news`."""
        with contextlib.suppress(EOFError, OSError):
            if self._facts is not None:
                self._channel.send("work")
                while isinstance(said := self._channel.recv(), Halved):
                    self._news.append(said)
                self._work = said
        return self._work_before.then(self._work)

    def news(self) -> Sequence[Halved | Restarted]:
        """What went wrong since the last time, and was mended."""
        self.work()
        new, self._news = self._news, []
        return new

    def revive(self) -> bool:
        """Start it again if it is dead, with smaller batches: those may have killed it. Whether it was dead.

        Raises UnavailableError where it died too often.
        """
        self._process.join(1.0)  # whoever lost it may have noticed before the system says so
        if self._process.is_alive():
            return False
        code = self._process.exitcode
        if self.n_starts >= MOST_STARTS:
            hint = "Memory may be short: try --batch-size 1 or --precision bf16; `cinema doctor` tells more."
            said = f"the process that runs the networks died {self.n_starts} times (exit code {code})"
            raise UnavailableError(said, hint=hint, code="device_died")
        self._setup = replace(self._setup, halvings=self.n_starts)
        Path(self._setup.address).unlink(missing_ok=True)
        self._channel.close()
        self._make()
        self.start()
        self._facts = self._loaded()
        self._news.append(Restarted(code, self.n_starts - 1))
        return True

    def stop(self) -> None:
        """End it: at once where it still loads, as nobody has asked it anything yet."""
        if self._process.pid is None:
            return
        if self._facts is None:
            self._process.kill()
        with contextlib.suppress(OSError):
            self._channel.send("stop")
        self._process.join(STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._channel.close()

    def _make(self) -> None:
        """A process that has not begun."""
        self._facts = None
        self._work_before, self._work = self._work_before.then(self._work), Work()
        self._channel, self._its_channel = channels.Pipe()
        arguments = (self._setup, self._its_channel)
        self._process = get_context("spawn").Process(target=serve, args=arguments, name="cinema-device", daemon=True)

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


def _short_folder() -> Path:
    """Where sockets are made: for temporary files, unless its name is too long."""
    usual = tempfile.gettempdir()
    return Path(usual if len(os.fsencode(usual)) <= _LONGEST_FOLDER else "/tmp")


def _sweep() -> None:
    """Take away the folders of runs that were killed."""
    for folder in _short_folder().glob(f"{_prefix()}*-*") if machine() else ():
        number = folder.name.removeprefix(_prefix()).split("-")[0]
        if number.isdecimal() and not began(int(number)):
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays: it may not be removed


def _prefix() -> str:
    """What names of folders begin with where a number of a process means one of ours: /tmp may be shared."""
    return f"cinema-run-{machine_mark()}-"


@contextlib.contextmanager
def running_device(options: DeviceOptions) -> Iterator[Device]:
    """A device process for as long as the block lasts."""
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_prefix()}{os.getpid()}-", dir=_short_folder()))
    try:
        device = Device(options, folder)
        try:
            device.start()
            yield device
        finally:
            device.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
