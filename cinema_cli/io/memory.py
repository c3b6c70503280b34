"""How much memory this process may use, what decided that, and how much it does use."""

import os
import re
import resource
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.io.cgroups import ControlGroup, control_groups

_ROOT = Path("/")
_KIB, _MIB, _GIB = 2**10, 2**20, 2**30
_UNITS = {"K": _KIB, "M": _MIB, "G": _GIB, "T": 2**40}
_NO_LIMIT = 2**62  # version 1 says "none" as the largest whole number of pages


@dataclass(frozen=True, slots=True)
class Limit:
    """An amount of memory in bytes, and in words what decided it."""

    bytes: int
    reason: str

    def __str__(self) -> str:
        return f"{self.bytes / _GIB:.1f} GB ({self.reason})"


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Memory of a process in bytes: now, and at most so far."""

    resident: int
    peak: int


def available_bytes() -> int:
    """Bytes that this process and its children may still take: what `memory_limit` finds."""
    return memory_limit().bytes


def memory_limit(mem_gb: float | None = None, *, root: Path = _ROOT) -> Limit:
    """The least of `mem_gb` (2**30 bytes, None: not asked for), control groups, SLURM's grant and what is free.

    Of a control group and of the machine counts what others leave; files that are only cached are free.
    """
    found = [*_granted_by_groups(root), *_granted_by_slurm(), _free(root)]
    if mem_gb is not None:
        found.append(Limit(int(mem_gb * _GIB), "--mem-gb"))
    return min(found, key=lambda limit: limit.bytes)


def process_bytes(pid: int | None = None) -> ProcessMemory | None:
    """Memory of process `pid`, or of this one; None where it is gone."""
    try:
        text = Path(f"/proc/{pid or 'self'}/status").read_text()
    except OSError:
        return None if Path("/proc/self").exists() else _asked_of_ps(pid)
    known = {name: int(kib) * _KIB for name, kib in re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", text, flags=re.MULTILINE)}
    return ProcessMemory(known["VmRSS"], known["VmHWM"]) if len(known) == 2 else None  # one that ended has neither


def go_first() -> None:
    """Where memory runs out, let the system (Linux) kill this process before those on which more depends."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def oom_kills(*, root: Path = _ROOT) -> int:
    """How many processes of this control group the kernel has killed because memory was short, so far."""
    events = {2: "memory.events", 1: "memory.oom_control"}
    counted = (group.number(events[group.version], key="oom_kill") for group in control_groups("memory", root=root))
    return next((count for count in counted if count is not None), 0)


def slurm_memory() -> int | None:
    """Bytes of memory that SLURM granted on this machine; None without SLURM, or where it grants all."""
    if (node := _slurm_bytes("SLURM_MEM_PER_NODE")) is not None:
        return node
    each = _slurm_bytes("SLURM_MEM_PER_CPU")
    counts = (os.environ.get(name, "") for name in ("SLURM_CPUS_ON_NODE", "SLURM_CPUS_PER_TASK"))
    n_cpus = next((int(text) for text in counts if text.isdigit()), 1)
    return each * n_cpus if each else None


def _granted_by_groups(root: Path) -> list[Limit]:
    limits = []
    for group in control_groups("memory", root=root):
        total = group.number({2: "memory.max", 1: "memory.limit_in_bytes"}[group.version])
        if total is not None and total < _NO_LIMIT:
            left = max(total - _in_use(group), 0)
            limits.append(Limit(left, f"left of {total / _GIB:.1f} GB of a control group"))
    return limits


def _in_use(group: ControlGroup) -> int:
    """Bytes that cannot be given back: all of the group but files that nobody has touched lately."""
    used, cached = {
        2: ("memory.current", "inactive_file"),
        1: ("memory.usage_in_bytes", "total_inactive_file"),
    }[group.version]
    return max((group.number(used) or 0) - (group.number("memory.stat", key=cached) or 0), 0)


def _granted_by_slurm() -> list[Limit]:
    granted = slurm_memory()
    return [] if granted is None else [Limit(granted, "granted by SLURM")]


def _slurm_bytes(name: str) -> int | None:
    """`4096` (MB) or `4G`; 0 is all that the machine has."""
    said = re.fullmatch(r"(\d+)([KMGT]?)B?", os.environ.get(name, "").strip().upper())
    return int(said[1]) * _UNITS[said[2] or "M"] or None if said else None


def _free(root: Path) -> Limit:
    """What the machine has left."""
    try:
        text = (root / "proc/meminfo").read_text()
        found = re.search(r"^MemAvailable:\s+(\d+) kB", text, flags=re.MULTILINE)
    except OSError:
        found = None
    if found:
        return Limit(int(found[1]) * _KIB, "free on this machine")
    return Limit(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "what this machine has")


def _asked_of_ps(pid: int | None) -> ProcessMemory | None:
    """Without /proc: the peak is known of this process only."""
    command = ["ps", "-o", "rss=", "-p", str(pid or os.getpid())]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if not said.isdigit():
        return None
    now, peak = int(said) * _KIB, 0
    if pid in (None, os.getpid()):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else _KIB)
    return ProcessMemory(now, max(now, peak))
