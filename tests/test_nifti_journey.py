"""`cinema infer` on NIfTI: the same heart as DICOM, as a cine and as single frames, and real ED/ES files."""

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import polars as pl
import pytest
from nifti_factory import write_cine
from said_reasons import reasons_of

from cinema_cli.commands.app import run
from cinema_cli.domain.cine import Cine, View
from cinema_cli.io.index import plan_of, scan, studies
from cinema_cli.io.study import read_study

ACDC = Path(os.environ.get("CINEMA_ACDC", "/work/shared/data/acdc-validation"))
VOLUMES = ("lvedv_ml", "lvesv_ml", "lvef_pct", "lvm_g", "rvedv_ml", "rvesv_ml", "rvef_pct")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made person as DICOM, and the same heart as NIfTI under other names."""
    root = tmp_path_factory.mktemp("nifti") / "in"
    how = ["--small", "--participants", "1", "--seed", "1", "--views", "sax", "--labels", "-q"]
    assert run(["simulate", str(root), *how]) == 0
    cine, (ed, es) = heart(root), moments(root)
    write_cine(root / "sub-cine/ses-2/sub-cine_ses-2_sax.nii.gz", cine, step=float(np.diff(cine.times_ms).mean()))
    write_cine(root / "sub-flip/sub-flip_sax.nii.gz", cine, flips=(0, 2), axes=(1, 0, 2))
    for name, frame in (("ed", ed), ("es", es)):
        write_cine(root / f"frames/pair_{name}.nii.gz", cine, frames=frame)
    write_cine(root / "frames/pair_ed_gt.nii.gz", cine, frames=ed)
    write_cine(root / "frames/late_es.nii", cine, frames=es)
    write_cine(root / "frames/some_frame.nii", cine, frames=es)
    (root / "frames/bad_ed.nii.gz").write_bytes(b"junk")
    return root


@pytest.fixture(scope="module")
def out(cohort: Path) -> Path:
    target = cohort.with_name("out")
    assert run(["infer", str(cohort), "--out", str(target), "-q"]) == 3  # one failed
    return target


def heart(root: Path) -> Cine:
    index = scan(root, jobs=1)
    return read_study(plan_of(index, studies(index)[0])).cines[View.SAX]


def moments(root: Path) -> tuple[int, int]:
    """ED and ES of the truth: largest and smallest LV."""
    truth = np.asarray(nib.load(next((root / "labels").glob("*_sax_dseg.nii.gz"))).dataobj)
    lv = (truth == 3).sum(axis=(0, 1, 2))
    return int(lv.argmax()), int(lv.argmin())


def row_of(out: Path, who: str) -> dict[str, object]:
    return pl.read_parquet(out / "phenotypes.parquet").filter(participant_id=who).row(0, named=True)


def mask_of(out: Path, who: str, name: str, session: str = "ses-1") -> np.ndarray:
    return np.asarray(nib.load(out / who / session / f"{name}_dseg.nii.gz").dataobj)


def test_a_cine_gives_what_its_dicom_gives(out: Path) -> None:
    dicom, nifti, flipped = (row_of(out, who) for who in ("sub-SIM0001", "sub-cine", "sub-flip"))
    for name in VOLUMES:
        assert nifti[name] == pytest.approx(dicom[name], rel=1e-4)
        assert flipped[name] == pytest.approx(dicom[name], rel=1e-4)
    assert nifti["session_id"] == "ses-2" and nifti["heart_rate_bpm"] == pytest.approx(dicom["heart_rate_bpm"], rel=0.1)
    assert flipped["heart_rate_bpm"] is None and "the headers give no R-R" in reasons_of(flipped)["heart_rate_bpm"]
    source = mask_of(out, "sub-SIM0001", "sub-SIM0001_ses-1_sax")
    np.testing.assert_array_equal(mask_of(out, "sub-cine", "sub-cine_ses-2_sax", "ses-2"), source)


def test_ed_and_es_files_give_the_volumes_of_these_frames(cohort: Path, out: Path) -> None:
    pair, cine = row_of(out, "sub-pair"), row_of(out, "sub-cine")
    assert (pair["ed_frame"], pair["es_frame"], pair["status"]) == (0, 1, "done")
    whole = mask_of(out, "sub-cine", "sub-cine_ses-2_sax", "ses-2")
    voxel_ml = pair["lvedv_ml"] / (mask_of(out, "sub-pair", "pair_ed") == 3).sum()
    for column, name, frame in zip(("lvedv_ml", "lvesv_ml"), ("ed", "es"), moments(cohort), strict=True):
        mask = mask_of(out, "sub-pair", f"pair_{name}")
        assert pair[column] == pytest.approx((mask == 3).sum() * voxel_ml)
        # the head sees two frames of the cycle instead of all: nearly the same contours
        assert pair[column] == pytest.approx((whole[..., frame] == 3).sum() * voxel_ml, rel=0.15)
    assert pair["lvef_pct"] == pytest.approx(cine["lvef_pct"], abs=8)
    assert pair["qc_enough_frames"] == "not_run"


def test_a_single_frame_tells_no_moment_that_its_name_does_not_say(out: Path) -> None:
    late, some = row_of(out, "sub-late"), row_of(out, "sub-some")
    assert late["lvesv_ml"] > 0 and late["lvedv_ml"] is late["lvm_g"] is late["lvef_pct"] is None
    assert "no frame is known to show end-diastole" in reasons_of(late)["lvedv_ml"]
    assert all(some[name] is None for name in VOLUMES) and (mask_of(out, "sub-some", "some_frame") == 3).any()


def test_bad_files_and_labels_have_rows_with_reasons(out: Path) -> None:
    series = pl.read_parquet(out / "series.parquet")
    said = series.filter(verdict="rejected", transfer_syntax="NIfTI").select("participant_id", "reason_code").rows()
    assert sorted(said) == [("sub-bad", "damaged_nifti"), ("sub-pair", "label_map")]
    failure = pl.read_csv(out / "failures.csv").row(0, named=True)
    assert failure["participant_id"] == "sub-bad" and "gzip" in failure["reason"]


def test_the_study_page_is_made(out: Path) -> None:
    for who in ("sub-pair", "sub-late", "sub-some"):
        assert (out / who / "ses-1" / "study.html").stat().st_size > 10_000


def test_analyse_does_what_is_new_and_makes_the_report(cohort: Path, out: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in out.glob("sub-*/ses-*/status.json")}
    write_cine(cohort / "frames/late_ed.nii", heart(cohort), frames=moments(cohort)[0])
    assert run(["analyse", str(cohort), "--out", str(out), "-q"]) == 3
    done = [path for path, when in before.items() if path.stat().st_mtime_ns != when]
    assert [path.parts[-3] for path in done] == ["sub-late"]
    assert row_of(out, "sub-late")["lvef_pct"] == pytest.approx(row_of(out, "sub-pair")["lvef_pct"])
    assert (out / "report.html").is_file()


@pytest.mark.skipif(not ACDC.is_dir(), reason=f"the labelled ACDC patients are not at {ACDC}")
def test_two_acdc_patients_by_one_command(tmp_path: Path) -> None:
    people = sorted({path.name.split("_")[0] for path in ACDC.glob("*_ed.nii.gz")})[:2]
    for person in people:
        for path in ACDC.glob(f"{person}_*.nii.gz"):
            (tmp_path / "in").mkdir(exist_ok=True)
            shutil.copy(path, tmp_path / "in")
    assert run(["infer", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "-q"]) == 0
    for person in people:
        row = row_of(tmp_path / "out", f"sub-{person}")
        assert row["lvedv_ml"] > row["lvesv_ml"] > 0 and row["lvm_g"] > 0
        for moment in ("ed", "es"):
            truth = nib.load(ACDC / f"{person}_{moment}_gt.nii.gz")
            mask = nib.load(tmp_path / f"out/sub-{person}/ses-1/{person}_{moment}_dseg.nii.gz")
            assert mask.shape == truth.shape and mask.affine.tobytes() == truth.affine.tobytes()
            a, b = (np.asarray(image.dataobj) == 3 for image in (mask, truth))
            assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.85
