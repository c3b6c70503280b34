"""The text of a cohort's SLURM jobs: a scan, an array of shards, a merge, and what submits the three."""

import math
import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.domain.array_size import ArraySize
from cinema_cli.domain.errors import UsageError
from cinema_cli.io.atomic import write_atomic

SCAN, ARRAY, MERGE, SUBMIT = "scan.sh", "array.sh", "merge.sh", "submit.sh"
TERM_SECONDS = 120  # before its time limit a task is told to end: for the write in hand
DEAD_SECONDS = 150  # after so much silence a task that was killed on another machine is known to be dead
_WORD = re.compile(r"[^\s'\"\\#]+")
_PATTERN = re.compile(r"[%\\\x00-\x1f\x7f]")  # SLURM reads these in the name of a log file


@dataclass(frozen=True, slots=True)
class Resources:
    """What each job asks for; texts as SLURM takes them, empty: the site's default."""

    cpus: int
    memory: str
    time: str = ""  # of a task; empty: from the array's size
    gpus: str = ""  # of a task
    partition: str = ""
    account: str = ""
    qos: str = ""
    array_limit: int | None = None  # tasks at once
    extra: tuple[str, ...] = ()  # more options of sbatch, a line each


@dataclass(frozen=True, slots=True)
class Surroundings:
    """How a job finds the program: the folder that relative paths start from, what is loaded first, its words."""

    folder: Path
    program: tuple[str, ...]
    modules: tuple[str, ...] = ()
    prelude: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """What is done: paths are absolute, options are those of `cinema analyse`, `scan` and `merge`."""

    cohort: Path
    out: Path
    scratch: Path
    analyse: tuple[str, ...] = ()
    scan: tuple[str, ...] = ()
    merge: tuple[str, ...] = ()


def write_scripts(
    folder: Path, work: Work, size: ArraySize, *, resources: Resources, surroundings: Surroundings
) -> tuple[Path, ...]:
    """Write the four scripts into `folder`, which only this user may enter; what submits the others is the last.

    Raises UsageError for words that SLURM would take for something else, OutputError.
    """
    if _PATTERN.search(str(folder)):
        hint = "Name another folder with --scripts, without %, backslash and control characters."
        raise UsageError(f"SLURM cannot write log files into {folder}", hint=hint, code="bad_scripts")
    texts = {
        SCAN: scan_script(work, size, resources=resources, surroundings=surroundings),
        ARRAY: array_script(work, size, resources=resources, surroundings=surroundings),
        MERGE: merge_script(work, size, resources=resources, surroundings=surroundings),
        SUBMIT: submit_script(folder),
    }
    paths = tuple(write_atomic(folder / name, os.fsencode(text)) for name, text in texts.items())
    folder.chmod(0o700)  # logs may name participants
    (folder / "logs").mkdir(exist_ok=True)
    return paths


def scan_script(work: Work, size: ArraySize, *, resources: Resources, surroundings: Surroundings) -> str:
    """The job that reads every header once, into the index that the tasks share."""
    words = ["scan", *_places(work), *work.scan]
    ending = f"""\
code=0
{_command(surroundings, words)} || code=$?
[ "$code" -ne 3 ] || exit 0 # some folders could not be read: the table says which, the others are analysed
exit "$code"
"""
    own = ["--output=logs/scan-%j.log", f"--time={time_text(size.scan_hours)}"]
    return _script("cinema-scan", own, ending, resources=resources, surroundings=surroundings)


def array_script(work: Work, size: ArraySize, *, resources: Resources, surroundings: Surroundings) -> str:
    """The job array; the number of shards stands in it, so that any of its tasks can be submitted again alone."""
    words = ["analyse", *_places(work), *work.analyse, "--shard"]
    ending = f"""\
# in place of this shell, so that SLURM's signal before the time limit reaches the program
exec {_command(surroundings, words)} "$SLURM_ARRAY_TASK_ID/{size.n_tasks}"
"""
    limit = f"%{resources.array_limit}" if resources.array_limit else ""
    own = ["--output=logs/array-%A_%a.log", f"--array=0-{size.n_tasks - 1}{limit}"]
    own += [f"--signal=B:TERM@{TERM_SECONDS}", f"--time={resources.time or time_text(size.limit_hours)}"]
    own += [f"--gpus={_word('--gpus', resources.gpus)}"] if resources.gpus else []
    return _script("cinema-array", own, ending, resources=resources, surroundings=surroundings)


def merge_script(work: Work, size: ArraySize, *, resources: Resources, surroundings: Surroundings) -> str:
    """The job that makes tables and report of what all tasks recorded."""
    merge = _command(surroundings, ["merge", str(work.out), *work.merge])
    ending = f"""\
code=0
{merge} || code=$?
[ "$code" -eq 75 ] || exit "$code"
sleep {DEAD_SECONDS} # a task that was killed just now seems alive until it was silent so long
exec {merge}
"""
    own = ["--output=logs/merge-%j.log", f"--time={time_text(size.merge_hours)}"]
    return _script("cinema-merge", own, ending, resources=resources, surroundings=surroundings)


def submit_script(folder: Path) -> str:
    """What submits the three; its own options go to the array, so `bash submit.sh --array=2` does one task again."""
    return f"""\
#!/bin/bash
set -euo pipefail
folder={shlex.quote(str(folder))}
jobs=()
trap '[ "${{#jobs[@]}}" -eq 0 ] || scancel "${{jobs[@]}}"' ERR # all three or none
submit() {{ sbatch --parsable --chdir="$folder" "$@" | cut -d ';' -f 1; }}
scan=$(submit "$folder/{SCAN}")
jobs+=("$scan")
array=$(submit --dependency="afterok:$scan" --kill-on-invalid-dep=yes "$@" "$folder/{ARRAY}")
jobs+=("$array")
merge=$(submit --dependency="afterany:$array" "$folder/{MERGE}")
printf '%s\\n' "scan $scan" "array $array" "merge $merge"
"""


def time_text(hours: float) -> str:
    """Hours as a time limit, rounded up to minutes: `5:30:00`, `1-02:00:00`."""
    minutes = math.ceil(round(hours * 60, 6))
    days, rest = divmod(minutes, 24 * 60)
    return f"{days}-{rest // 60:02}:{rest % 60:02}:00" if days else f"{rest // 60}:{rest % 60:02}:00"


def _script(name: str, own: Sequence[str], ending: str, *, resources: Resources, surroundings: Surroundings) -> str:
    places = {"partition": resources.partition, "account": resources.account, "qos": resources.qos}
    lines = [f"--job-name={name}", *own, "--open-mode=append", "--requeue", f"--cpus-per-task={resources.cpus}"]
    lines += [f"--mem={_word('--mem', resources.memory)}"]
    lines += [f"--{option}={_word(f'--{option}', value)}" for option, value in places.items() if value]
    lines += [_extra(line) for line in resources.extra]  # the last of two wins
    header = "".join(f"#SBATCH {line}\n" for line in lines)
    modules = "".join(f"module load {shlex.quote(module)}\n" for module in surroundings.modules)
    loaded = modules + (surroundings.prelude.rstrip("\n") + "\n" if surroundings.prelude else "")
    loaded = f"set +u # what sites load is seldom written for it\n{loaded}set -u\n" if loaded else ""
    start = f"cd {shlex.quote(str(surroundings.folder))}"
    return f"#!/bin/bash\n{header}set -euo pipefail\n{start}\n{loaded}{ending}"


def _places(work: Work) -> list[str]:
    return [str(work.cohort), "--out", str(work.out), "--work-dir", str(work.scratch)]


def _command(surroundings: Surroundings, words: Sequence[str]) -> str:
    return shlex.join([*surroundings.program, *words])


def _word(option: str, value: str) -> str:
    if not _WORD.fullmatch(value):
        raise UsageError(f"{option} {value!r} is not one word", hint="Give it as SLURM takes it.", code="bad_resource")
    return value


def _extra(line: str) -> str:
    if not line.startswith("-") or "\n" in line or "\r" in line:
        hint = "One option of sbatch each, such as --sbatch '--constraint=a100'."
        raise UsageError(f"--sbatch {line!r} is no option on one line", hint=hint, code="bad_resource")
    return line
