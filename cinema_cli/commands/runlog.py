"""The log folder of one run: the settings that held, what happened, every message."""

import contextlib
import json
import platform
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cinema_cli import __version__
from cinema_cli.commands.console import Console
from cinema_cli.commands.ending import exit_code_of
from cinema_cli.domain.errors import CinemaError, ExitCode, OutputError
from cinema_cli.io.atomic import output_errors, write_atomic
from cinema_cli.io.names import printable

_LIBRARIES = ("numpy", "polars", "pydicom", "scipy", "torch")


@dataclass(frozen=True, slots=True)
class RunLog:
    """OUT/logs/<utc>-<id>: config.toml, run.json and log.jsonl of one run."""

    folder: Path
    started: str
    facts: dict[str, Any] = field(default_factory=dict)  # known so far

    def finish(self, *, exit_code: int, facts: Mapping[str, Any]) -> None:
        """Write run.json: when, with which versions, how it ended, and all facts told so far. Raises OutputError."""
        self.facts.update(facts)
        body = {
            "version": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "libraries": {name: _installed(name) for name in _LIBRARIES},
            "started": self.started,
            "ended": utc_now(),
            "exit_code": int(exit_code),
            **self.facts,
        }
        write_atomic(self.folder / "run.json", json.dumps(body, indent=2, default=str) + "\n")

    def discard(self) -> None:
        """Take the log folder away again, and `logs` if it was the first."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.parent.rmdir()


@contextlib.contextmanager
def logged_run(
    out: Path, *, settings: Mapping[str, Any], console: Console, remark: str = "", hidden: Mapping[str, str]
) -> Iterator[RunLog]:
    """A run's log; where an error or a signal ends the run, run.json has its exit code too.

    Only a first run that finds no input leaves nothing behind. `remark` and `hidden`: see `open_run`.
    """
    log = open_run(out, settings=settings, console=console, remark=remark, hidden=hidden)
    try:
        yield log
    except BaseException as error:
        code = exit_code_of(error)
        if code is ExitCode.NO_INPUT and not _was_used(out):
            log.discard()
        else:
            reason = error.code if isinstance(error, CinemaError) else type(error).__name__
            with contextlib.suppress(OutputError):  # on a full disk the first error is the one to be heard
                log.finish(exit_code=code, facts={"ended_by": reason})
        raise


def _was_used(out: Path) -> bool:
    """Whether an earlier run left something in the output folder."""
    return sum(1 for _ in out.glob("logs/*")) > 1 or any(out.glob("sub-*"))


def open_run(
    out: Path,
    *,
    settings: Mapping[str, Any],
    console: Console,
    remark: str = "",
    hidden: Mapping[str, str] = MappingProxyType({}),
) -> RunLog:
    """Make the log folder, keep the settings in it and send the console's messages there. Raises OutputError.

    `remark` heads the settings; `hidden` texts do not get into the messages, see `Console.keep_in`.
    """
    started = utc_now()
    name = f"{started.replace('-', '').replace(':', '').split('+')[0]}Z-{secrets.token_hex(3)}"
    folder = out / "logs" / name
    write_atomic(folder / "config.toml", (f"# {remark}\n" if remark else "") + to_toml(settings))
    with output_errors(folder):
        console.keep_in(folder / "log.jsonl", hidden=hidden)
    return RunLog(folder, started)


def to_toml(settings: Mapping[str, Any]) -> str:
    """A flat table of settings as TOML that --config reads again; what is None is left out."""
    lines = [f"{name} = {_toml(value)}" for name, value in settings.items() if value is not None]
    return "\n".join(lines) + "\n"


def utc_now() -> str:
    """Now, as an ISO text to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, bool | int | float) or value is None:
        return json.dumps(value)
    return json.dumps(printable(str(value)), ensure_ascii=False)


def _installed(name: str) -> str:
    try:
        return installed(name)
    except PackageNotFoundError:
        return ""
