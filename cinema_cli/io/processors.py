"""How many processors this process may use: what was granted counts, not what the machine has."""

import os
from pathlib import Path


def available_cpus() -> int:
    """Cores this process may use: affinity, cgroup quota and SLURM's grant, whichever is least."""
    grants = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if slurm.isdigit() and int(slurm) > 0:
        grants.append(int(slurm))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        grants.append(max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup v2, or no limit ("max")
        pass
    return min(grants)
