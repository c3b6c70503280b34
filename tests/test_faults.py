"""What happens to cohorts: kill -9 at any moment, decoders that crash, broken studies among many. The head is made."""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from disk_cohort import write_heart

from cinema_cli.io.ledger import read_records

PROGRAM = [sys.executable, str(Path(__file__).with_name("disk_cohort.py"))]
TABLES = ("phenotypes.csv", "phenotypes.parquet", "curves.parquet", "qc.csv", "failures.csv", "series.csv")


def analyse(cohort: Path, out: Path, *options: str, env: dict[str, str] | None = None) -> str:
    """A whole run by processes of its own; what it says, its exit code before it."""
    words = [*PROGRAM, "0", "analyse", str(cohort), "-o", str(out), "-w", f"{out}-work", *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | (env or {}))
    return f"{done.returncode}\n{done.stderr}"


def same_tables(one: Path, other: Path) -> None:
    for name in TABLES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    masks = sorted(path.relative_to(one) for path in one.rglob("*_dseg.nii.gz"))
    assert masks == sorted(path.relative_to(other) for path in other.rglob("*_dseg.nii.gz"))
    assert all((one / path).read_bytes() == (other / path).read_bytes() for path in masks)


def children_of(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


@pytest.mark.slow
def test_kill_at_ten_random_moments_changes_no_table(tmp_path: Path) -> None:
    """Of the run itself, or of one of its study processes; what was in work is done again, nothing else."""
    cohort, luck = tmp_path / "cohort", random.Random(4)
    for number in range(6):
        write_heart(cohort / f"p{number}", f"P{number}")
    assert analyse(cohort, tmp_path / "whole").startswith("0\n")
    out, kept = tmp_path / "killed", 0
    for number in range(10):
        command = [*PROGRAM, "0.3", "analyse", str(cohort), "-o", str(out), "-w", f"{out}-work", "--jobs", "2"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            until = time.monotonic() + luck.uniform(0.2, 5.0)
            while time.monotonic() < until and process.poll() is None:
                time.sleep(0.02)
            victims = children_of(process.pid) if number % 3 == 2 else []
            with contextlib.suppress(ProcessLookupError):
                os.kill(luck.choice(victims) if victims else process.pid, signal.SIGKILL)
            if victims:
                process.wait(timeout=120)
        done = [record for record in read_records(out) if record.status == "done"]
        assert len(done) >= kept  # what was finished stays finished
        kept = len(done)
    said = analyse(cohort, out, "--retry-failed")
    assert said.startswith("0\n"), said
    same_tables(tmp_path / "whole", out)
    assert not [path for path in out.rglob(".*") if path.name.endswith(".part") or path.name == ".cinema.lock"]


def test_a_decoder_that_crashes_costs_one_study(tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    for number in range(3):
        write_heart(cohort / f"p{number}", f"P{number}")
    said = analyse(cohort, tmp_path / "out", env={"CRASHING_DECODER": "P1"})
    assert said.startswith("3\n"), said
    rows = {r["participant_id"]: r for r in pl.read_csv(tmp_path / "out" / "failures.csv").iter_rows(named=True)}
    assert list(rows) == ["sub-P1"] and rows["sub-P1"]["code"] == "process_died" and rows["sub-P1"]["stage"] == "read"
    assert re.search(r"was killed \(SIGSEGV\) in the stage read, with 0\.\d GB of memory", rows["sub-P1"]["reason"])
    assert pl.read_csv(tmp_path / "out" / "phenotypes.csv")["status"].to_list() == ["done", "failed", "done"]


STUDY = "1.2.3.4.5.60000"
UID = re.compile(rb"((?:2\.25\.\d|1\.2\.3\.4\.5\.\d+)\d*?)\d{4}(?!\d)")


def copies(cohort: Path, n_studies: int) -> None:
    """Many studies from one, each with an id and uids of its own, of the same length."""
    images = [path.read_bytes() for path in write_heart(cohort.with_name("one"), "P0000", slices=3, study_uid=STUDY)]
    for number in range(n_studies):
        folder = cohort / f"{number:04d}"
        folder.mkdir(parents=True)
        for place, content in enumerate(images):
            own = UID.sub(rb"\g<1>%04d" % number, content.replace(b"P0000", b"P%04d" % number))
            (folder / f"{place}.dcm").write_bytes(own)


def spoil(folder: Path, kind: int) -> None:
    """One of five things that go wrong."""
    images = sorted(folder.iterdir())
    if kind == 0:
        for path in images:
            path.write_bytes(path.read_bytes()[:200])
    elif kind == 1:
        for path in images:
            path.write_bytes(path.read_bytes()[:-100])
    elif kind == 2:
        for path in images[3:]:
            path.unlink()
    elif kind == 3:
        for path in images:
            path.write_bytes(b"not DICOM")
    else:
        for path in images:
            path.write_bytes(path.read_bytes().replace(b"MR", b"CT"))


@pytest.mark.slow
def test_five_hundred_studies_of_which_one_in_twenty_is_broken(tmp_path: Path) -> None:
    cohort, out = tmp_path / "cohort", tmp_path / "out"
    copies(cohort, 500)
    broken = [f"{number:04d}" for number in range(0, 500, 20)]
    for place, name in enumerate(broken):
        spoil(cohort / name, place % 5)
    said = analyse(cohort, out, "--no-masks", "--id-from", "folder", "--log-format", "json")
    assert said.startswith("3\n"), said[-2000:]
    table = pl.read_csv(out / "phenotypes.csv", infer_schema_length=None)
    good = table.filter(status="done")
    assert good.height == 475 and not set(good["participant_id"]) & {f"sub-{name}" for name in broken}
    assert good["lvedv_ml"].null_count() == 0 and good["lvedv_ml"].n_unique() == 1  # copies of one heart
    unread = {f"sub-{name}" for k, name in enumerate(broken) if k % 5 in (0, 3)}  # nothing in them could be read
    listed = set(table["participant_id"])
    assert table.height == 500 - len(unread - listed)
    assert {f"sub-{name}" for name in broken} - listed <= unread
    failed = table.filter(pl.col("status") != "done")
    assert failed["reasons"].str.starts_with("all: ").all()
    events = [json.loads(line) for line in said.splitlines()[1:] if line.startswith("{")]
    assert [e["exit_code"] for e in events if e.get("event") == "run_ended"] == [3]
    assert analyse(cohort, out, "--no-masks", "--id-from", "folder", "-q").startswith("3\n")
