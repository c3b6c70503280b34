"""Images of a run found again by its log: DICOM and NIfTI; where they are not reachable, why."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from disk_cohort import write_heart
from numpy.testing import assert_allclose, assert_array_equal

from cinema_cli.analysis.evaluation.frames import compared_frames
from cinema_cli.analysis.evaluation.pairs import find_predictions, find_references, paired
from cinema_cli.commands import worst_images
from cinema_cli.commands.worst_images import Images
from cinema_cli.domain.errors import InputError
from cinema_cli.io.index import plan_of, scan, studies
from cinema_cli.io.label_maps import LABEL_MAPS
from cinema_cli.io.nifti import affine_ras
from cinema_cli.io.run_input import MOST_FILES, RunInput, cine_of, index_of, nifti_of, run_input
from cinema_cli.io.study import read_study


def log(out: Path, cohort: Path | None, *, n_files: int = 9, name: str = "1") -> None:
    folder = out / "logs" / name
    folder.mkdir(parents=True)
    said = "" if cohort is None else f"cohort = {json.dumps(str(cohort))}\n"
    (folder / "config.toml").write_text(said + f"work_dir = {json.dumps(str(out.parent / 'work'))}\n")
    (folder / "run.json").write_text(json.dumps({"n_files": n_files}))


def test_the_image_of_a_dicom_cohort_is_under_masks_that_were_turned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort, out, truth = (tmp_path / name for name in ("cohort", "out", "truth"))
    write_heart(cohort / "p0", "P0", slices=3)
    index = scan(cohort)
    (key,) = studies(index)
    cine = next(iter(read_study(plan_of(index, key)).cines.values()))
    log(out, cohort)
    assert_array_equal(cine_of(index_of(run_input(out)), key.participant_id, key.session_id).pixels, cine.pixels)
    with pytest.raises(InputError, match="no short-axis cine"):
        cine_of(index, "sub-nobody", "")
    mask = np.zeros(cine.pixels.shape, np.uint8)
    mask[0, :, 4:9, 5:11] = 3
    home = out / key.participant_id / key.session_id
    home.mkdir(parents=True)
    truth.mkdir()
    own, flip = affine_ras(cine), np.eye(4)
    flip[0, 0], flip[0, 3] = -1, mask.shape[3] - 1  # columns run the other way
    nib.save(nib.Nifti1Image(mask.T, own), home / f"{key.participant_id}_{key.session_id}_sax_dseg.nii.gz")
    nib.save(nib.Nifti1Image(mask.T[::-1], own @ flip), truth / f"{key.participant_id}_gt.nii.gz")
    (study,) = paired(find_predictions(out), find_references(truth))
    labels = LABEL_MAPS["cinema"]
    (frame,) = compared_frames(study, prediction_labels=labels, reference_labels=labels)
    pixels, why = Images(out).of(frame)
    assert why == "" and pixels is not None
    assert_allclose(pixels, cine.pixels[0, :, :, ::-1])
    shutil.rmtree(cohort / "p0")
    searched = list[RunInput]()
    monkeypatch.setattr(worst_images, "index_of", lambda run: searched.append(run) or index_of(run))
    images = Images(out)
    refused = [images.of(frame) for _ in range(3)]
    assert refused == [(None, refused[0][1])] * 3 and refused[0][1] and len(searched) == 1


def test_the_image_of_a_nifti_cohort_is_found_by_the_name_of_its_mask(tmp_path: Path) -> None:
    cohort = tmp_path / "cohort"
    (cohort / "deep").mkdir(parents=True)
    (cohort / "deep" / "p1_ed.nii.gz").touch()
    (cohort / "p1_ed_gt.nii.gz").touch()
    log(tmp_path / "out", cohort)
    run = run_input(tmp_path / "out")
    assert nifti_of(run, Path("p1_ed_dseg.nii.gz")) == cohort / "deep" / "p1_ed.nii.gz"
    assert nifti_of(run, Path("p2_ed_dseg.nii.gz")) is None
    (cohort / "p1_ed.nii").touch()
    assert nifti_of(run, Path("p1_ed_dseg.nii.gz")) is None  # which of the two?


def test_what_is_out_of_reach_is_said(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="do not say where"):
        run_input(out)
    log(out, None)  # ids were hashed: folders are left out
    with pytest.raises(InputError, match="do not say where"):
        run_input(out)
    log(out, tmp_path / "gone", name="2")
    with pytest.raises(InputError, match="no longer where it was"):
        run_input(out)
    log(out, tmp_path, n_files=MOST_FILES + 1, name="3")
    with pytest.raises(InputError, match="more than 100,000 files"):
        run_input(out)
