"""How many processors this process may use: what was granted counts, not what the machine has."""

import os
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.io.cgroups import ControlGroup, control_groups

_ROOT = Path("/")


@dataclass(frozen=True, slots=True)
class Processors:
    """A number of processors, and in words what decided it."""

    count: int
    reason: str

    def __str__(self) -> str:
        return f"{self.count} ({self.reason})"


def available_cpus() -> int:
    """Processors this process may use: what `processor_limit` finds."""
    return processor_limit().count


def processor_limit(*, root: Path = _ROOT) -> Processors:
    """The least of affinity, quotas of control groups and SLURM's grant; at least one."""
    if hasattr(os, "sched_getaffinity"):
        found = [Processors(len(os.sched_getaffinity(0)), "this process may run on")]
    else:
        found = [Processors(os.cpu_count() or 1, "this machine has")]
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        granted = os.environ.get(name, "")
        if granted.isdigit() and int(granted) > 0:
            found.append(Processors(int(granted), name))
    shares = (_quota(group) for group in control_groups("cpu", root=root))
    found += [Processors(max(1, int(share)), f"{share:g} granted by a control group") for share in shares if share]
    return min(found, key=lambda processors: processors.count)


def _quota(group: ControlGroup) -> float | None:
    """Processors that a group grants, in whole and parts; None for no limit."""
    if group.version == 1:
        quota, period = group.number("cpu.cfs_quota_us"), group.number("cpu.cfs_period_us")
        return quota / period if quota and period and quota > 0 else None
    try:
        quota_us, period_us = (group.folder / "cpu.max").read_text().split()
        return int(quota_us) / int(period_us)
    except (OSError, ValueError, ZeroDivisionError):  # no limit ("max"), or the top group, which has no such file
        return None
