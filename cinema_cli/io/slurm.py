"""What SLURM's own programs say and do: how large an array may be, and the submission of jobs."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from cinema_cli.domain.errors import UnavailableError

USUAL_ARRAY_SIZE = 1001  # SLURM's own default
_ASK_SECONDS = 10.0  # it retries for a minute where it finds no configuration


def max_array_size() -> int:
    """How many tasks one array may have (MaxArraySize); SLURM's default where it cannot be asked."""
    try:
        done = subprocess.run(
            ["scontrol", "show", "config"], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return USUAL_ARRAY_SIZE
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout, re.MULTILINE)
    return int(found[1]) if found and int(found[1]) > 0 else USUAL_ARRAY_SIZE


def submit(script: Path, *options: str) -> tuple[dict[str, str], Sequence[str]]:
    """Run the script that submits; numbers of its jobs by name, and what SLURM remarked.

    Raises UnavailableError where there is no SLURM, or where it refuses, in its own words.
    """
    if shutil.which("sbatch") is None:
        hint = f"On a machine that has it: bash {script}"
        raise UnavailableError("there is no sbatch on this machine: nothing was submitted", hint=hint, code="no_slurm")
    done = subprocess.run(["bash", str(script), *options], capture_output=True, text=True, check=False)
    remarks = [line for line in done.stderr.splitlines() if line.strip()]
    if done.returncode:
        said = "; ".join(remarks) or f"sbatch ended with {done.returncode}"
        hint = f"Nothing is left in the queue. Give other options, or change the scripts and run: bash {script}"
        raise UnavailableError(f"SLURM refuses: {said}", hint=hint, code="slurm_refused")
    return dict(line.split(" ", 1) for line in done.stdout.splitlines()), remarks
