"""Time and memory of a large cohort's records: how studies stand, all tables from records, status, report.

python bench/records.py [--studies 75000] [--report-of 10000] [--folder DIR] [--out FILE]

Records are made once in DIR, as a run writes them, and kept there. Each step runs in a process of its own; processor
seconds count those of its helpers too, since other work on the machine makes wall seconds longer than they need be.
"""

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from provenance import provenance

from cinema_cli import __version__
from cinema_cli.commands.cohort_files import is_current, write_cohort
from cinema_cli.commands.cohort_page import write_report
from cinema_cli.domain.checks import CHECKS
from cinema_cli.domain.cine import StudyFacts, View
from cinema_cli.domain.moments import Moments
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import Check, CheckStatus, HeadUse, Measurement, StudyResult, VolumeCurves
from cinema_cli.io import atomic
from cinema_cli.io.cohort_list import STUDY_SCHEMA, cohort_records, cohort_standings, write_studies
from cinema_cli.io.index_rows import SERIES_SCHEMA
from cinema_cli.io.ledger import Failure, record
from cinema_cli.io.overview import overview
from cinema_cli.io.processes import Team
from cinema_cli.io.processors import available_cpus
from cinema_cli.io.tables import write_notes, write_series

FRAMES = 50
AT_ONCE = 500
HEAD = HeadUse("starter_sax", "ab" * 32, "cd" * 32, "fp32")
PARTS = {"input": "ab" * 8, "measures": HEAD.name, f"weights {HEAD.name}": "ab" * 8, f"card {HEAD.name}": "cd" * 8,
         f"precision {HEAD.name}": "fp32", "setting allow_missing_frames": "0"}  # fmt: skip


def a_name(number: int) -> str:
    """A participant of the size of UK Biobank's."""
    return f"sub-{1_000_000 + number}"


def a_result(number: int) -> StudyResult:
    """What the analysis of a study of 50 frames yields: every phenotype and check, all curves; numbers are drawn."""
    luck = np.random.default_rng(number)
    times = np.arange(FRAMES) * (900.0 + luck.normal(0.0, 60.0)) / FRAMES
    beat = 0.5 + 0.5 * np.cos(2 * np.pi * np.arange(FRAMES) / FRAMES)
    lv = 70.0 + luck.normal(80.0, 15.0) * beat + luck.normal(0.0, 1.0, FRAMES)
    measured = [Measurement(p.name, float(luck.normal(100.0, 20.0))) for p in PHENOTYPES]
    whole = {"ed_frame": 0.0, "es_frame": float(FRAMES // 2)}
    measured = [dataclasses.replace(m, value=whole.get(m.name, m.value)) for m in measured]
    if number % 5 == 0:
        measured[10] = Measurement(measured[10].name, None, "no height and weight of the person are known")
    checks = [Check(name, CheckStatus.PASS, said, float(luck.normal(50.0, 9.0))) for name, said in CHECKS.items()]
    if number % 10 == 0:
        checks[2] = dataclasses.replace(checks[2], status=CheckStatus.FLAG)
    curves = VolumeCurves(times, lv, lv * 1.1, 90.0 + luck.normal(0.0, 1.0, FRAMES), lv)
    facts = StudyFacts(
        "F" if number % 2 else "M", 40.0 + number % 40, 171.5, 70.2, "Siemens", "Aera", 1.5, "2016-05-04"
    )
    return StudyResult(
        a_name(number), "ses-2", f"1.2.3.{number}", facts, tuple(measured), tuple(checks), curves, {},
        Moments(View.SAX, 0, FRAMES // 2), (HEAD,), seconds={"read": 1.2, "segment": 4.1, "measure": 0.2, "write": 0.3},
    )  # fmt: skip


def make_some(out: Path, numbers: range) -> int:
    """Records of some studies; every 50th has failed."""
    atomic.os.fsync = lambda _: None  # type: ignore[assignment] # here, what is lost is made again
    for number in numbers:
        outcome: StudyResult | Failure = a_result(number)
        if number % 50 == 0:
            outcome = Failure(a_name(number), "ses-2", "read", "one_slice", "only 1 slice", "See `cinema scan`.")
        record(
            out, outcome, f"{number:064x}", version=__version__, wrote_masks=True, parts=PARTS, memory_mib=512,
            files={f"{a_name(number)}_ses-2_sax_dseg.nii.gz": 50_000},
        )  # fmt: skip
    return len(numbers)


def make(out: Path, n_studies: int) -> None:
    """A folder as a run leaves it; one study in a thousand has no record yet. Nothing is done where it is there."""
    rows = [{"participant_id": a_name(n), "session_id": "ses-2", "digest": f"{n:064x}"} for n in range(n_studies)]
    if not write_studies(out, pl.DataFrame(rows, schema=STUDY_SCHEMA)):
        return
    ids = [{name: row[name] for name in ("participant_id", "session_id")} | {"verdict": "used"} for row in rows]
    write_series(out, pl.DataFrame(ids * 12, schema=SERIES_SCHEMA).sort("participant_id"))
    columns = ("participant_id", "session_id", "code", "sentence")
    write_notes(out, pl.DataFrame(schema=dict.fromkeys(columns, pl.String)))
    stops = range(AT_ONCE, n_studies + 1, AT_ONCE)
    kept = [range(stop - AT_ONCE, stop - (stop % 1000 == 0)) for stop in stops]
    with Team(available_cpus()) as team:
        for _ in team.each(partial(make_some, out), kept, total=len(kept)):
            pass


def tables(out: Path, jobs: int) -> int:
    """All tables of the cohort, no report."""
    (out / "report.html").unlink(missing_ok=True)
    records = cohort_records(out, jobs=jobs)
    write_cohort(out, records, columns=(), embedded=False, report=False, jobs=jobs)
    return records.n_studies


def nothing_new(out: Path, jobs: int) -> bool:
    """What a run with nothing to do asks of the records at its end."""
    return is_current(out, cohort_standings(out, jobs=jobs))


STEPS: dict[str, Callable[[Path, int], object]] = {
    "standings": lambda out, jobs: len(cohort_standings(out, jobs=jobs)),
    "tables": tables,
    "nothing_new": nothing_new,
    "status": lambda out, jobs: overview(out, jobs=jobs).n_done,
    "report": lambda out, jobs: write_report(out, cohort_records(out, jobs=jobs)).stat().st_size,
}


def step(name: str, out: Path) -> dict[str, object]:
    """One step in this process: what it gave, seconds and memory."""
    began, before = time.perf_counter(), os.times()
    gave = STEPS[name](out, available_cpus())
    after, wall_s = os.times(), time.perf_counter() - began
    status = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))  # ru_maxrss has the parent's
    helper = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "gave": gave,
        "wall_s": round(wall_s, 1),
        "processor_s": round(sum(after[:4]) - sum(before[:4]), 1),
        "of_which_in_helpers_s": round(sum(after[2:4]) - sum(before[2:4]), 1),
        "peak_mib": round(own / 1024),
        "peak_of_a_helper_mib": round(helper / 1024),
    }


def measured(name: str, out: Path) -> dict[str, Any]:
    """One step in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--step", name, "--folder", out], check=True, capture_output=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=75_000)
    parser.add_argument("--report-of", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "cinema-records")
    parser.add_argument("--step", choices=list(STEPS), help="one step alone, over DIR as it is")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(step(arguments.step, arguments.folder)))
        return
    large, small = (arguments.folder / str(n) for n in (arguments.studies, arguments.report_of))
    make(large, arguments.studies)
    make(small, arguments.report_of)
    one = next(large.glob("sub-*1/ses-*/status.json"))
    result = {
        "studies": arguments.studies,
        "record_bytes": one.stat().st_size,
        **{name: measured(name, large) for name in ("standings", "tables", "nothing_new", "status")},
        f"of_{arguments.report_of}": {name: measured(name, small) for name in STEPS},
        "load_average": os.getloadavg()[0],
        **provenance(),
    }
    text = json.dumps(result, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
