"""What this machine grants and has: processors, memory, open files, shared memory, R, a plausible clock."""

import os
import resource
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from cinema_cli.domain.finding import Finding, State
from cinema_cli.io.memory import memory_limit
from cinema_cli.io.processors import processor_limit

_GIB = 2**30
LEAST_MEMORY_BYTES = 2 * _GIB  # the program with its networks holds 0.6 GB before the first study
LEAST_OPEN_FILES = 256
LEAST_SHARED_BYTES = 64 * 2**20  # what containers give where nobody asked for more
_SLURM = ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_CPUS_ON_NODE", "SLURM_MEM_PER_NODE")
_PLAUSIBLE = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def check_limits() -> list[Finding]:
    """Processors, memory, open files, shared memory and what a scheduler says, each with what decided it."""
    return [_processors(), _memory(), _open_files(), *_shared_memory(), *_scheduler()]


def check_clock(now: datetime | None = None) -> Finding:
    """Whether the time can be true: records, locks and logs of several machines are compared by it."""
    now = now or datetime.now(UTC)
    said = now.isoformat(timespec="seconds")
    if _PLAUSIBLE[0] < now < _PLAUSIBLE[1]:
        return Finding("clock", State.OK, said, facts={"utc": said})
    return Finding("clock", State.WARN, f"{said} cannot be true", "Set the clock of this machine.", {"utc": said})


def check_r() -> Finding:
    """Whether R is here and starts: tables are made to be read by it, the program itself does not need it."""
    hint = "Only needed to read the tables with R: https://www.r-project.org"
    if not (program := shutil.which("Rscript")):
        return Finding("R", State.WARN, "Rscript is not on the PATH", hint, {"version": None})
    try:
        done = subprocess.run(
            [program, "-e", "cat(as.character(getRversion()))"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("R", State.WARN, f"Rscript does not run: {type(error).__name__}", hint, {"version": None})
    if done.returncode:
        return Finding("R", State.WARN, f"Rscript ended with {done.returncode}", hint, {"version": None})
    return Finding("R", State.OK, done.stdout.strip(), facts={"version": done.stdout.strip()})


def _processors() -> Finding:
    found = processor_limit()
    return Finding("processors", State.OK, str(found), facts={"count": found.count, "decided_by": found.reason})


def _memory() -> Finding:
    found = memory_limit()
    facts = {"bytes": found.bytes, "decided_by": found.reason}
    if found.bytes < LEAST_MEMORY_BYTES:
        hint = f"{LEAST_MEMORY_BYTES // _GIB} GB are needed: close other programs, or ask the scheduler for more."
        return Finding("memory", State.WARN, str(found), hint, facts)
    return Finding("memory", State.OK, str(found), facts=facts)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = soft == resource.RLIM_INFINITY
    said, facts = "unlimited" if unlimited else str(soft), {"soft": soft, "hard": hard}
    if not unlimited and soft < LEAST_OPEN_FILES:
        return Finding("open files", State.WARN, said, f"`ulimit -n {LEAST_OPEN_FILES}` before a run.", facts)
    return Finding("open files", State.OK, said, facts=facts)


def _shared_memory(folder: Path = Path("/dev/shm")) -> list[Finding]:
    """Through which processes hand each other images; systems other than Linux have no such folder."""
    if not folder.is_dir():
        return []
    found = os.statvfs(folder)
    size, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
    said, facts = f"{free / 2**20:.0f} of {size / 2**20:.0f} MB free", {"bytes": size, "free_bytes": free}
    if free < LEAST_SHARED_BYTES:
        return [Finding("shared memory", State.WARN, said, "Containers: --shm-size 1g, or --ipc host.", facts)]
    return [Finding("shared memory", State.OK, said, facts=facts)]


def _scheduler() -> list[Finding]:
    found = {name: os.environ[name] for name in _SLURM if name in os.environ}
    said = ", ".join(f"{name}={value}" for name, value in found.items())
    return [Finding("scheduler", State.OK, said, facts=found)] if found else []
