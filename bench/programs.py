"""Programs run and measured as a whole: wall seconds, processor seconds, memory of the largest process, exit code."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def cinema(*words: object, env: dict[str, str] | None = None) -> dict[str, Any]:
    """`cinema WORDS`, measured; what it says goes nowhere, unless it fails in an unexpected way."""
    command = [sys.executable, "-m", "cinema_cli", *map(str, words)]
    began = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | (env or {}), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    code = process.returncode = os.waitstatus_to_exitcode(status)
    if code not in (0, 3):
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{said}")
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mib": round(usage.ru_maxrss / 1024),  # of the main process, or of a child that ended, whichever is larger
        "exit_code": code,
    }


def last_run(out: Path) -> dict[str, Any]:
    """run.json of the latest run in an output folder."""
    path = sorted(out.glob("logs/*/run.json"))[-1]
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write(result: dict[str, Any], out: Path | None) -> None:
    """Print a result as JSON, and keep it where that is wanted."""
    text = json.dumps(result, indent=1)
    if out:
        out.write_text(text + "\n", encoding="utf-8")
    print(text)


def simulated(folder: Path, n_studies: int, *options: str) -> Path:
    """A simulated cohort, made unless it is there."""
    if not folder.exists():
        cinema("simulate", folder, "-N", n_studies, "--seed", 1, "--jobs", 0, *options)
    return folder
