"""Speed and memory of a scan: against pydicom, by one process and several, with an index again, and with a new study.

python bench/scan.py COHORT [--full COHORT] [--files 100000] [--jobs 2] [--out FILE]
COHORT is of `cinema simulate --small -N 20` (125 files a study), that of --full of `cinema simulate -N 3` (400).
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
from provenance import peak_mib, provenance

from cinema_cli.io.headers import read_headers
from cinema_cli.io.index import CohortIndex, scan

UID = re.compile(rb"(2\.25\.\d)\d\d(?=\d{20})")  # two digits of a simulated UID, which give way to a number
ID = re.compile(rb"SIM(?=\d{4})")
ROUNDS = 5


def make_copies(cohort: Path, out: Path, *, n_files: int) -> int:
    """Copies of a small cohort, each with ids of its own of the same length, up to `n_files`; how many there are."""
    sources = [(path.relative_to(cohort), path.read_bytes()) for path in sorted(cohort.rglob("*.dcm"))]
    done = 0
    for copy in range(-(-n_files // len(sources))):
        for relative, content in sources[: n_files - done]:
            own = UID.sub(rb"\g<1>%02d" % copy, ID.sub(b"S%02d" % copy, content))
            path = out / f"{copy:02d}" / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(own)
            done += 1
    return done


def cpu_s() -> float:
    """Processor seconds of this process and those it started that have ended."""
    return sum(os.times()[:4])


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds by the clock, of processors, and of these what this process took itself."""
    clock, cpu, own = time.perf_counter(), cpu_s(), time.process_time()
    work()
    took = (time.perf_counter() - clock, cpu_s() - cpu, time.process_time() - own)
    return dict(zip(("s", "cpu_s", "own_cpu_s"), (round(seconds, 3) for seconds in took), strict=True))


def with_free_processors_s(run: dict[str, Any], *, jobs: int) -> float:
    """Seconds of a scan over several processes where each has a processor for itself: at most, as if this process never
    worked at the same time as the others."""
    own, of_all = float(run["own_cpu_s"]), float(run["cpu_s"])
    return own + (of_all - own) / jobs


def against_pydicom(cohort: Path) -> dict[str, Any]:
    """Files a second of processor time, one process, in turns: pydicom, our headers, and a whole scan."""
    files = [path for path in sorted(cohort.rglob("*.dcm")) if path.is_file()]

    def plain() -> None:
        for path in files:
            pydicom.dcmread(path, stop_before_pixels=True)

    works = {
        "pydicom": plain,
        "headers": lambda: read_headers(cohort, jobs=1),
        "scan": lambda: scan(cohort, jobs=1),
    }
    best = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            best[name] = min(best[name], timed(work)["cpu_s"])
    rates = {f"{name}_files_per_cpu_s": round(len(files) / seconds) for name, seconds in best.items()}
    ratios = {f"{name}_to_pydicom": round(best["pydicom"] / best[name], 2) for name in ("headers", "scan")}
    return {"files": len(files), **rates, **ratios}


def one_scan(cohort: Path, index_dir: Path | None, *, jobs: int) -> dict[str, Any]:
    """Time and memory of a scan in this process, which does nothing else."""
    found: list[CohortIndex] = []
    took = timed(lambda: found.append(scan(cohort, index_dir=index_dir, jobs=jobs)))
    (index,) = found
    of_workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024  # of the largest; at least this one's
    tables = (index.series, index.stacks, index.facts, index.studies)
    n_images = int(index.studies["n_images"].sum())
    return {
        **took,
        "read": index.n_read,
        "files": index.n_files,
        "studies": index.studies.height,
        "peak_mib": peak_mib(),
        "peak_of_a_worker_mib": of_workers,
        "peak_of_all_mib": peak_mib() + jobs * of_workers,
        "tables_bytes_an_image": round(sum(table.estimated_size() for table in tables) / max(n_images, 1), 1),
        "doubt": index.doubt or index.fault,
    }


def in_own_process(cohort: Path, index_dir: Path | None, *, jobs: int) -> dict[str, Any]:
    """`one_scan` in a new process."""
    command = [sys.executable, __file__, str(cohort), "--jobs", str(jobs), "--one", str(index_dir or "-")]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def large(cohort: Path, folder: Path, *, n_files: int, jobs: int) -> dict[str, Any]:
    """Scans of many files by one process and by several; with an index, again, and with a study more."""
    tree, index_dir = folder / "cohort", folder / "index"
    n_files = make_copies(cohort, tree, n_files=n_files)
    alone, together = (in_own_process(tree, None, jobs=number) for number in (1, jobs))
    first = in_own_process(tree, index_dir, jobs=jobs)
    again = min((in_own_process(tree, index_dir, jobs=jobs) for _ in range(ROUNDS)), key=lambda run: run["s"])
    study = next(path for path in sorted(cohort.iterdir()) if path.is_dir())
    make_copies(study.parent, folder / "more", n_files=len(list(study.rglob("*.dcm"))))
    (folder / "more").rename(tree / "more")
    for path in (tree / "more").rglob("*.dcm"):
        path.write_bytes(UID.sub(rb"\g<1>99", ID.sub(b"S99", path.read_bytes().replace(b"S00", b"SIM"))))
    more = in_own_process(tree, index_dir, jobs=jobs)
    disk = sum(path.stat().st_size for path in index_dir.rglob("*") if path.is_file())
    return {
        "files": n_files,
        "jobs": jobs,
        "by_one_process": alone,
        "by_several": together,
        "speed_up_by_the_clock": round(alone["s"] / together["s"], 2),
        "computed_speed_up": {
            "with_free_processors": round(alone["cpu_s"] / with_free_processors_s(together, jobs=jobs), 2),
            "how": "not measured: from processor seconds, as if each process had a processor for itself",
        },
        "cpu_of_one_to_several": round(alone["cpu_s"] / together["cpu_s"], 2),  # 1: the work is only shared
        "first": first,
        "again": again,
        "first_to_again": round(first["s"] / again["s"], 1),
        "first_to_again_cpu": round(first["cpu_s"] / again["cpu_s"], 1),
        "with_a_new_study": more,
        "index_bytes_a_file": round(disk / n_files, 1),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--full", type=Path)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.one:
        index_dir = None if arguments.one == "-" else Path(arguments.one)
        print(json.dumps(one_scan(arguments.cohort, index_dir, jobs=arguments.jobs)))
        return
    folder = Path(tempfile.mkdtemp(prefix="cinema-bench-"))
    try:
        result = {
            "load_before": os.getloadavg()[0],
            "against_pydicom": against_pydicom(arguments.cohort),
            "against_pydicom_full_size": against_pydicom(arguments.full) if arguments.full else None,
            "large": large(arguments.cohort, folder, n_files=arguments.files, jobs=arguments.jobs),
            "load_after": os.getloadavg()[0],
            **provenance(),
        }
    finally:
        shutil.rmtree(folder)
    text = json.dumps(result, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
