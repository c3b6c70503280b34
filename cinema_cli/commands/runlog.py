"""The log folder of one run: the settings that held, what happened, every message."""

import contextlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cinema_cli import __version__
from cinema_cli.commands.console import Console
from cinema_cli.commands.ending import exit_code_of
from cinema_cli.commands.events import Event
from cinema_cli.commands.run_environment import environment_facts, peak_memory_gb, program_facts
from cinema_cli.domain.errors import CinemaError, ExitCode, OutputError
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.names import printable


@dataclass(frozen=True, slots=True)
class RunLog:
    """OUT/logs/<utc>-<id>: config.toml, run.json and log.jsonl of one run."""

    folder: Path
    started: str
    console: Console
    facts: dict[str, Any] = field(default_factory=dict)  # known so far

    def finish(self, *, exit_code: int, facts: Mapping[str, Any]) -> None:
        """Write run.json: when, where, with which versions, how it ended, and all facts told so far.

        `warnings` are marks by which the next run knows what was said. Raises OutputError.
        """
        self.facts.update(facts, exit_code=int(exit_code))
        body = {
            **program_facts(),
            "started": self.started,
            "ended": utc_now(),
            **self.facts,
            "peak_memory_gb": peak_memory_gb(),
            "warnings": self.console.marks(self.console.warned),
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
    """A run's log, told to be `run_started` and `run_ended`; where an error or a signal ends it, run.json has that too.

    Only a first run that finds no input, no device or weights, or too little space, leaves nothing behind. For the rest
    see `open_run`.
    """
    log = open_run(out, settings=settings, console=console, remark=remark, hidden=hidden)
    began = time.monotonic()
    facts = {name: log.facts[name] for name in ("cpus", "memory")}
    console.event(Event.RUN_STARTED, run=log.folder.name, version=__version__, **facts)
    code = ExitCode.DONE
    try:
        yield log
        code = ExitCode(log.facts.get("exit_code", code))
    except BaseException as error:
        code = exit_code_of(error)
        reason = error.code if isinstance(error, CinemaError) else type(error).__name__
        nothing_done = code in (ExitCode.NO_INPUT, ExitCode.UNAVAILABLE) or reason == "no_space"
        if nothing_done and not _was_used(out):
            log.discard()
        else:
            with contextlib.suppress(OutputError):  # on a full disk the first error is the one to be heard
                log.finish(exit_code=code, facts={"ended_by": reason})
        raise
    finally:
        seconds = round(time.monotonic() - began, 1)
        console.event(Event.RUN_ENDED, exit_code=int(code), seconds=seconds, memory_gb=peak_memory_gb())


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
    started, hashed = utc_now(), bool(settings.get("hash_ids"))
    name = f"{started.replace('-', '').replace(':', '').split('+')[0]}Z-{secrets.token_hex(3)}"
    folder = out / "logs" / name
    write_atomic(folder / "config.toml", (f"# {remark}\n" if remark else "") + to_toml(settings))
    console.keep_in(folder / "log.jsonl", hidden=hidden, known=_last_warnings(out), nameless=hashed)
    return RunLog(folder, started, console, facts=environment_facts(named=not hashed))


def _last_warnings(out: Path) -> list[str]:
    """Marks of what the last run warned of that came to its end."""
    for path in sorted(out.glob("logs/*/run.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True):
        try:
            log = json.loads(path.read_text(encoding="utf-8"))
            if log["exit_code"] in (ExitCode.DONE, ExitCode.SOME_FAILED, ExitCode.GATE_NOT_MET):
                return [str(mark) for mark in log["warnings"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return []


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
