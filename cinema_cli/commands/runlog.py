"""The log folder of one run: the settings that held, what happened, every message."""

import json
import platform
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from cinema_cli import __version__
from cinema_cli.commands.console import Console
from cinema_cli.io.atomic import output_errors, write_atomic

_LIBRARIES = ("numpy", "polars", "pydicom", "scipy", "torch")


@dataclass(frozen=True, slots=True)
class RunLog:
    """OUT/logs/<utc>-<id>: config.toml, run.json and log.jsonl of one run."""

    folder: Path
    started: str

    def finish(self, *, exit_code: int, facts: Mapping[str, Any]) -> None:
        """Write run.json: when, with which versions, how it ended."""
        body = {
            "version": __version__,
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "libraries": {name: _installed(name) for name in _LIBRARIES},
            "started": self.started,
            "ended": utc_now(),
            "exit_code": int(exit_code),
            **facts,
        }
        write_atomic(self.folder / "run.json", json.dumps(body, indent=2, default=str) + "\n")


def open_run(out: Path, *, settings: Mapping[str, Any], console: Console) -> RunLog:
    """Make the log folder, keep the settings in it and send the console's messages there. Raises OutputError."""
    started = utc_now()
    name = f"{started.replace('-', '').replace(':', '').split('+')[0]}Z-{secrets.token_hex(3)}"
    folder = out / "logs" / name
    write_atomic(folder / "config.toml", to_toml(settings))
    with output_errors(folder):
        console.keep_in(folder / "log.jsonl")
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
    return json.dumps(str(value), ensure_ascii=False)


def _installed(name: str) -> str:
    try:
        return installed(name)
    except PackageNotFoundError:
        return ""
