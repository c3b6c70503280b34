"""10,000 tiny studies: scan, scan again, plan and tables, nothing to do, status, report; times and memory.

python bench/ten_thousand.py [--studies 10000] [--folder DIR] [--out FILE]

100 studies are simulated (`cinema simulate --small`, short axis) and copied with ids of their own. One of them is
analysed; its result, with each study's ids and digest, becomes the record of every study, so that the runs after it
find nothing left to do. Masks are left out.
"""

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

from programs import cinema, last_run, simulated, write
from provenance import provenance
from scan import make_copies

from cinema_cli import __version__
from cinema_cli.commands.study_pages import StudyPages
from cinema_cli.inference.device import DeviceOptions, running_device
from cinema_cli.inference.engine_facts import EngineFacts
from cinema_cli.inference.local_engine import load_engine
from cinema_cli.inference.plan import Opened, Planned, RunSettings, StudyInput, plan
from cinema_cli.inference.study_work import Writing, work_of, write_record
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.index import plan_of, scan, studies, study_digests
from cinema_cli.io.index_store import index_folder
from cinema_cli.io.ledger import study_folder
from cinema_cli.io.study import read_study

HEAD = ("--head", "starter_sax")


def facts_of_starter() -> EngineFacts:
    """As a run has them."""
    with running_device(DeviceOptions(heads=("starter_sax",))) as device:
        return device.facts


def planned_studies(cohort: Path, out: Path, work: Path) -> Iterator[Planned]:
    """Every study as the main job plans it."""
    index = scan(cohort, index_dir=index_folder(cohort, work_dir=work, out=out))
    settings = RunSettings(__version__, results={"allow_missing_frames": "0"}, write_masks=False)
    inputs = []
    for key, digest in study_digests(index, studies(index)).items():

        def opened(key: Any = key) -> Opened:
            found = plan_of(index, key)
            return Opened(lambda: read_study(found), found.series)

        inputs.append(StudyInput(key.participant_id, key.session_id, digest, opened))
    none: Any = MappingProxyType({})
    yield from plan(inputs, out=out, heads=facts_of_starter().uses, clinical=none, settings=settings)


def record_all(cohort: Path, out: Path, work: Path) -> dict[str, Any]:
    """A record, a page and a thumbnail for every study, as if it had been analysed."""
    engine, none = load_engine(["starter_sax"]), MappingProxyType({})
    writing, n, result, pages = Writing(out, __version__, write_masks=False), 0, None, {}
    for item in planned_studies(cohort, out, work):
        task = work_of(item, none)  # type: ignore[arg-type]
        if result is None:
            study = task.read()
            result = engine.analyse(study)
            pages = StudyPages((), ())(study, result, task.series)
        ids = {"participant_id": task.participant_id, "session_id": task.session_id, "facts": task.facts}
        for name, content in pages.items():
            write_atomic(study_folder(out, task) / name, content)
        write_record(task, dataclasses.replace(result, **ids, masks={}), writing)
        n += 1
    return {"recorded": n}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="Where all lies [default: made and removed].")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = asked.folder or Path(name)
        base = simulated(folder / "base", 100, "--small", "--views", "sax")
        n_files = len(list(base.rglob("*.dcm")))
        cohort, out, work = folder / "cohort", folder / "out", folder / "work"
        if not cohort.exists():
            make_copies(base, cohort, n_files=n_files * asked.studies // 100)
        result: dict[str, Any] = {"studies": asked.studies, "files": n_files * asked.studies // 100}
        result["scan"] = cinema("scan", cohort, "-w", work, "-o", folder / "series.parquet")
        result["scan_again"] = cinema("scan", cohort, "-w", work, "-o", folder / "series.parquet")
        began = time.perf_counter()
        result |= record_all(cohort, out, work)
        result["records_written_s"] = round(time.perf_counter() - began, 1)
        analyse = ("analyse", cohort, "-o", out, "-w", work, "--no-masks", *HEAD)
        result["tables_and_report"] = cinema(*analyse) | {"n_run": last_run(out)["counts"]["n_run"]}
        result["nothing_to_do"] = cinema(*analyse) | {"n_run": last_run(out)["counts"]["n_run"]}
        result["status"] = cinema("status", out, "--json")
        result["report"] = cinema("report", out)
        result["report_mb"] = round((out / "report.html").stat().st_size / 1e6, 1)
        write({**result, **provenance()}, asked.out)


if __name__ == "__main__":
    main()
