"""Studies a minute of the pipeline, against one study at a time: in a process of the same code, and a process a study.

python bench/pipeline.py [--studies 12] [--small 30] [--flat 50 500] [--out FILE]

Cohorts are simulated with the starter head's views. `busy_pct` is the share of the time between the first and the last
batch in which the device calculated. Nothing else should run on the machine.
"""

import argparse
import tempfile
import time
from pathlib import Path
from types import MappingProxyType
from typing import Any

from programs import cinema, last_run, simulated, write
from provenance import provenance

from cinema_cli.commands.studies_run import failure_page
from cinema_cli.commands.study_pages import StudyPages
from cinema_cli.inference.batch import How, RunSummary, run_cohort
from cinema_cli.inference.local_engine import load_engine
from cinema_cli.inference.memory import Budget
from cinema_cli.inference.plan import Opened, RunSettings, StudyInput, plan
from cinema_cli.inference.study_processes import OneByOne
from cinema_cli.inference.study_work import Writing
from cinema_cli.io.index import plan_of, scan, studies
from cinema_cli.io.ledger import StudyIds
from cinema_cli.io.study import read_study

HEAD = ("--head", "starter_sax")


class Alone:
    """Nobody else is at work."""

    def take(self, study: StudyIds, *, n_after: int) -> bool:
        """Always."""
        return True

    def give_back(self, study: StudyIds) -> None:
        """Nothing to do."""


def one_at_a_time(cohort: Path, out: Path) -> dict[str, float]:
    """The same work in one process, study after study, the network with all processors; weights are loaded once."""
    index = scan(cohort)

    def opened(key: Any) -> Opened:
        found = plan_of(index, key)
        return Opened(lambda: read_study(found), found.series)

    engine = load_engine(["starter_sax"])
    inputs = [StudyInput(k.participant_id, k.session_id, "d", lambda k=k: opened(k)) for k in studies(index)]
    none: Any = MappingProxyType({})
    planned = plan(inputs, out=out, heads=engine.heads, clinical=none, settings=RunSettings(version="0"))
    writing = Writing(out, "0", write_masks=True, pages=StudyPages((), ()), failure_page=failure_page)
    began = time.perf_counter()
    how = How(OneByOne(engine, writing), writing, Budget(2**40), Alone())
    summary: RunSummary = run_cohort(planned, clinical=none, how=how)
    seconds = time.perf_counter() - began
    return {"studies": summary.n_run, "seconds": round(seconds, 1), "per_min": round(60 * summary.n_run / seconds, 2)}


def a_process_a_study(cohort: Path, folder: Path, *, n_studies: int) -> dict[str, float]:
    """`cinema analyse` for each study alone, as systems do that load their weights anew each time."""
    people = sorted(path.name for path in cohort.iterdir() if path.is_dir())[:n_studies]
    seconds = 0.0
    for name in people:
        ran = cinema("analyse", cohort / name, "-o", folder / name, "-w", folder / "work", *HEAD)
        seconds += ran["seconds"]
    return {"studies": len(people), "seconds": round(seconds, 1), "per_min": round(60 * len(people) / seconds, 2)}


def pipeline(cohort: Path, out: Path, *options: object) -> dict[str, Any]:
    """`cinema analyse`: the whole program, and its part from the first study to the last."""
    ran = cinema("analyse", cohort, "-o", out, "-w", out.with_name(f"{out.name}-work"), *HEAD, *options)
    run = last_run(out)
    n_run = run["counts"]["n_run"]
    return {
        "studies": n_run,
        **ran,
        "per_min": round(60 * n_run / ran["seconds"], 2),
        "studies_s": run["seconds"],
        "studies_per_min": round(60 * n_run / run["seconds"], 2),
        "networks": run["networks"],
        "peak_memory_mib": run["peak_memory_mib"],
        "device": run["device"],
    }


def compared(cohort: Path, folder: Path, *, n_alone: int) -> dict[str, Any]:
    """The three ways to the same tables."""
    together = pipeline(cohort, folder / "pipeline")
    alone = one_at_a_time(cohort, folder / "alone")
    each = a_process_a_study(cohort, folder / "each", n_studies=n_alone)
    return {
        "pipeline": together,
        "one_at_a_time": alone,
        "a_process_a_study": each,
        "to_one_at_a_time": round(together["studies_per_min"] / alone["per_min"], 2),
        "to_a_process_a_study": round(together["per_min"] / each["per_min"], 2),
    }


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=12)
    parser.add_argument("--small", type=int, default=30)
    parser.add_argument("--flat", type=int, nargs="*", default=[50, 500])
    parser.add_argument("--folder", type=Path, help="Where cohorts are kept [default: made and removed].")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, kept = Path(name), asked.folder or Path(name) / "cohorts"
        if asked.studies:
            full = simulated(kept / f"full-{asked.studies}", asked.studies)
            result["full_size"] = compared(full, folder / "full", n_alone=min(4, asked.studies))
        if asked.small:
            small = simulated(kept / f"small-{asked.small}", asked.small, "--small")
            result["small"] = compared(small, folder / "small", n_alone=min(6, asked.small))
        for n in asked.flat:
            tiny = simulated(kept / f"tiny-{n}", n, "--small", "--views", "sax")
            result.setdefault("memory", {})[n] = pipeline(tiny, folder / f"tiny-{n}")
    write({**result, **provenance()}, asked.out)


if __name__ == "__main__":
    main()
