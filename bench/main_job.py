"""Time and memory of `cinema analyse` and `cinema scan` on the two Sunnybrook studies, as JSON.

    python bench/main_job.py [FOLDER] [--out FILE]

Reading headers is compared with a plain `pydicom.dcmread(stop_before_pixels=True)` loop in the same run: machines are
noisy, ratios are not.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import pydicom
from provenance import ROOT, provenance

from cinema_cli.io.headers import read_headers


def timed_analyse(cohort: Path, out: Path) -> dict[str, float]:
    """Wall seconds, exit code and peak memory (MiB, of the largest process) of one run."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "cinema_cli", "analyse", str(cohort), "-o", str(out), "--quiet"]
    alone = os.environ | {"CINEMA_WEIGHTS_DIR": str(out.with_name("no weights"))}  # the starter, whatever was pulled
    code = subprocess.run(command, check=False, env=alone).returncode
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024.0
    return {"seconds": round(time.perf_counter() - start, 2), "exit_code": code, "peak_mib": round(peak)}


def scan_speed(cohort: Path) -> dict[str, float]:
    """Files a second of our header reader and of pydicom, both warm, one process, best of three."""
    files = [path for path in cohort.rglob("*") if path.is_file()]

    def plain() -> None:
        for path in files:
            pydicom.dcmread(path, stop_before_pixels=True)

    rates = {}
    for name, read in (("pydicom", plain), ("cinema", lambda: read_headers(cohort, jobs=1))):
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            read()
            seconds.append(time.perf_counter() - start)
        rates[f"{name}_files_per_s"] = round(len(files) / min(seconds))
    return rates | {"ratio": round(rates["cinema_files_per_s"] / rates["pydicom_files_per_s"], 2)}


def against_expert(out: Path, reference: Path) -> list[dict[str, object]]:
    """LVEDV, LVESV, LVEF, ED and ES of each study beside the expert's."""
    expert = pl.read_csv(reference).with_columns(participant_id=pl.format("sub-{}", pl.col("patient")))
    found = pl.read_parquet(out / "phenotypes.parquet")
    columns = ["lvedv_ml", "lvesv_ml", "lvef_pct", "ed_frame", "es_frame", "lvm_g", "rvedv_ml", "rvef_pct"]
    both = found.select("participant_id", *columns).join(
        expert.select(
            "participant_id",
            "edv_ml",
            "esv_ml",
            "ef",
            expert_ed=pl.col("ed_frame") - 1,
            expert_es=pl.col("es_frame") - 1,  # the reference counts from 1
        ),
        on="participant_id",
    )
    return both.with_columns(
        lvedv_error_pct=100 * (pl.col("lvedv_ml") / pl.col("edv_ml") - 1),
        lvesv_error_pct=100 * (pl.col("lvesv_ml") / pl.col("esv_ml") - 1),
        lvef_error=pl.col("lvef_pct") - pl.col("ef"),
    ).to_dicts()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT.parent / "shared" / "data" / "scd")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"no Sunnybrook studies at {arguments.folder}: nothing measured", file=sys.stderr)
        return
    cohort = arguments.folder / "dicom"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        result: dict[str, object] = {"first_run": timed_analyse(cohort, out), "second_run": timed_analyse(cohort, out)}
        result["studies"] = against_expert(out, arguments.folder / "reference.csv")
    result |= {"scan": scan_speed(cohort), **provenance()}
    text = json.dumps(result, indent=1)
    if arguments.out:
        arguments.out.write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
