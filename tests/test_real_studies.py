"""The whole program on two real studies with expert contours (Sunnybrook Cardiac Data, CC0; not in the repository)."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

SCD = Path(os.environ.get("CINEMA_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data" / "scd"
pytestmark = pytest.mark.skipif(not SCD.is_dir(), reason=f"the Sunnybrook studies are not at {SCD}")


def fingerprint(folder: Path) -> str:
    """Digest of names, sizes, times and contents below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        digest.update(f"{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of `cinema analyse` on both studies, with no options but where to write."""
    folder = tmp_path_factory.mktemp("scd") / "out"
    before = fingerprint(SCD / "dicom")
    run = subprocess.run(
        [sys.executable, "-m", "cinema_cli", "analyse", str(SCD / "dicom"), "-o", str(folder)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert fingerprint(SCD / "dicom") == before, "the input was changed"
    return folder


def reference() -> dict[str, dict[str, str]]:
    with (SCD / "reference.csv").open() as stream:
        return {row["patient"]: row for row in csv.DictReader(stream)}


def test_both_stacks_are_found_and_localizers_rejected(out: Path) -> None:
    series = pl.read_parquet(out / "series.parquet")
    used = series.filter(pl.col("verdict") == "used").sort("slices", descending=True)
    assert used.select("slices", "frames", "view").rows() == [(12, 20, "sax"), (10, 20, "sax")]
    rejected = series.filter(pl.col("verdict") == "rejected")
    assert rejected.height > 0
    assert rejected["reason"].str.len_chars().min() > 10  # type: ignore[operator]


@pytest.mark.parametrize("patient", ["SCD0000101", "SCD0000301"])
def test_volumes_and_frames_agree_with_the_expert(out: Path, patient: str) -> None:
    expert = reference()[patient]
    found = pl.read_parquet(out / "phenotypes.parquet").filter(pl.col("participant_id") == f"sub-{patient}")
    row = found.row(0, named=True)
    assert row["lvedv_ml"] == pytest.approx(float(expert["edv_ml"]), rel=0.15)
    assert row["lvesv_ml"] == pytest.approx(float(expert["esv_ml"]), rel=0.15)
    assert row["lvef_pct"] == pytest.approx(float(expert["ef"]), abs=6.0)
    n_frames = int(expert["frames"])
    for moment in ("ed", "es"):
        wanted = int(expert[f"{moment}_frame"]) - 1  # the reference counts from 1
        apart = abs(row[f"{moment}_frame"] - wanted) % n_frames
        assert min(apart, n_frames - apart) <= 1, (moment, row[f"{moment}_frame"], wanted)


def test_nothing_identifying_is_written(out: Path) -> None:
    text = "\n".join(
        path.read_text("utf-8", errors="ignore") for path in out.rglob("*") if path.suffix in {".json", ".csv", ".html"}
    )
    assert "SC-HF" not in text  # the original names stand in the headers' PatientName
    records = list(out.rglob("status.json"))
    assert len(records) == 2
    assert all("patient_name" not in json.loads(p.read_text("utf-8")) for p in records)
