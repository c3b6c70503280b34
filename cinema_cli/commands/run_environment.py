"""What run.json says of where a run took place: machine, what it was granted, settings of the environment, memory."""

import os
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from multiprocessing import active_children
from typing import Any

from cinema_cli import __version__
from cinema_cli.io.memory import memory_limit, process_bytes
from cinema_cli.io.processors import processor_limit

_LIBRARIES = ("nibabel", "numpy", "polars", "pydicom", "pylibjpeg", "safetensors", "scipy", "torch")
_SLURM = (
    "SLURM_JOB_ID SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_MAX "
    "SLURM_ARRAY_TASK_COUNT SLURM_ARRAY_TASK_STEP SLURM_RESTART_COUNT SLURM_NNODES SLURM_NTASKS SLURM_PROCID "
    "SLURM_CPUS_ON_NODE SLURM_CPUS_PER_TASK SLURM_MEM_PER_NODE SLURM_MEM_PER_CPU SLURM_GPUS_ON_NODE"
)
_OURS = (
    "CINEMA_DEVICE CINEMA_PRECISION CINEMA_BATCH_SIZE CINEMA_JOBS CINEMA_MEM_GB CINEMA_SHARD CINEMA_SEED "
    "CINEMA_DETERMINISTIC CINEMA_MAX_FAILURES CINEMA_RETRY_FAILED CINEMA_FORCE CINEMA_NO_MASKS"
)
_OTHERS = "CUDA_VISIBLE_DEVICES OPENBLAS_NUM_THREADS MKL_NUM_THREADS POLARS_MAX_THREADS HF_HUB_OFFLINE"
VARIABLES = frozenset(f"{_SLURM} {_OURS} {_OTHERS}".split())
"""Environment variables that are written down, and every OMP_*: numbers and words, never a path, id or token."""


def program_facts(libraries: Sequence[str] = _LIBRARIES) -> dict[str, Any]:
    """Versions of the program and of what it stands on."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libraries": {name: _installed(name) for name in libraries},
    }


def environment_facts(*, named: bool, variables: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Where a run begins: host (only where `named`), processors and memory with what decided them, `VARIABLES`."""
    cpus, memory = processor_limit(), memory_limit()
    kept = sorted(name for name in variables if name in VARIABLES or name.startswith("OMP_"))
    return {
        **({"host": platform.node()} if named else {}),
        "cpus": {"count": cpus.count, "decided_by": cpus.reason},
        "memory": {"gb": round(memory.bytes / 2**30, 2), "decided_by": memory.reason},
        "variables": {name: variables[name] for name in kept if os.path.sep not in variables[name]},
    }


def peak_memory_gb() -> dict[str, float]:
    """The most memory that this process has held, and that one of its children has, in 2**30 bytes."""
    unit = 1 if sys.platform == "darwin" else 2**10
    own, ended = (resource.getrusage(who).ru_maxrss * unit for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    live = [memory.peak for child in active_children() if (memory := process_bytes(child.pid))]
    return {"main": round(own / 2**30, 3), "largest_child": round(max([ended, *live]) / 2**30, 3)}


def _installed(name: str) -> str:
    try:
        return installed(name)
    except PackageNotFoundError:
        return ""
