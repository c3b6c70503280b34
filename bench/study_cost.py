"""CPU seconds and memory of one full-size study by stage, beside those of an earlier checkout in the same run, as JSON.

    python bench/study_cost.py [--before FOLDER] [--studies N] [--out FILE]

FOLDER holds the sources of an earlier commit (`git archive COMMIT | tar -x -C FOLDER`). Studies are simulated; both
codes read the same, the first study warms up and is not counted. CPU time: a busy machine does not change it much.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provenance import ROOT, provenance

ROOT_OF_CODE = Path(os.environ.get("STUDY_COST_CODE", ROOT))


def costs(cohort: Path) -> dict[str, float]:
    """Mean CPU seconds of a study by stage, and the peak of this process's memory in MiB."""
    from cinema_cli.io.index import of_study, plan_of, scan, studies
    from cinema_cli.io.nifti import encode_mask
    from cinema_cli.io.study import read_study
    from cinema_cli.reports.study import render_study, thumbnail

    spent: dict[str, float] = defaultdict(float)

    def timed(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **named: Any) -> Any:
            start = time.process_time()
            try:
                return work(*args, **named)
            finally:
                spent[stage] += time.process_time() - start

        return run

    local = (ROOT_OF_CODE / "cinema_cli" / "inference" / "local_engine.py").is_file()
    engine = importlib.import_module(f"cinema_cli.inference.{'local_engine' if local else 'chosen'}").load_engine(
        ["starter_sax"]
    )
    head = engine._segmenter._head
    head.answer = timed("network", head.answer)
    index = scan(cohort, jobs=1)
    keys = studies(index)
    for key in keys:
        study = timed("read", read_study)(plan_of(index, key))
        result = timed("analyse", engine.analyse)(study)
        series = of_study(index, "series", key)
        timed("pages", render_study)(study, result, version="-", generated="-", series=series)
        timed("pages", thumbnail)(study, result)
        for view, mask in result.masks.items():
            timed("masks", encode_mask)(mask, cine=study.cines[view])
        if key == keys[0]:
            spent.clear()  # imports and caches
    spent["post_process_and_measure"] = spent.pop("analyse") - spent["network"]
    mean = {stage: round(seconds / (len(keys) - 1), 3) for stage, seconds in sorted(spent.items())}
    return mean | {"peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def measured(code: Path, cohort: Path) -> dict[str, float]:
    """The same of the code in a folder, in a process of its own, single-threaded as a study process is."""
    alone = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "CINEMA_WEIGHTS_DIR": str(cohort / "no weights")}
    env = os.environ | alone | {"STUDY_COST_CODE": str(code), "PYTHONPATH": f"{code}:{code / 'models'}"}
    command = [sys.executable, __file__, "--one", str(cohort)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--studies", type=int, default=4)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(costs(arguments.one)))
        return
    with tempfile.TemporaryDirectory() as folder:
        cohort = Path(folder) / "cohort"
        simulate = ["-m", "cinema_cli", "simulate", str(cohort), "-N", str(arguments.studies), "--seed", "1", "--quiet"]
        subprocess.run([sys.executable, *simulate], check=True)
        result: dict[str, object] = {"cpu_seconds_a_study": {"now": measured(ROOT, cohort)}}
        if arguments.before:
            result["cpu_seconds_a_study"] |= {"before": measured(arguments.before, cohort)}  # type: ignore[operator]
    text = json.dumps(result | {"studies_counted": arguments.studies - 1, **provenance()}, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
