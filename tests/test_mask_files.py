from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cinema_cli.domain.cine import Cine, Label, View
from cinema_cli.domain.errors import InputError
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.label_maps import LABEL_MAPS, label_map
from cinema_cli.io.mask_files import read_mask
from cinema_cli.io.nifti import affine_ras, write_mask

ACDC = LABEL_MAPS["acdc"]


def saved(path: Path, values: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """An array (column, row, slice, frame) as NIfTI."""
    nib.save(nib.Nifti1Image(values, np.diag([1.2, 1.4, 10.0, 1.0]) if affine is None else affine), path)
    return path


def test_what_this_program_writes_it_reads(tmp_path: Path, oblique_cine: Cine, result: StudyResult) -> None:
    path = write_mask(tmp_path / "a_dseg.nii.gz", result.masks[View.SAX], cine=oblique_cine)
    read = read_mask(path, labels=LABEL_MAPS["cinema"])
    np.testing.assert_array_equal(read.labels, result.masks[View.SAX])
    np.testing.assert_allclose(read.affine_ras, affine_ras(oblique_cine), atol=1e-5)
    np.testing.assert_allclose(read.spacing_mm, oblique_cine.spacing_mm, rtol=1e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_axes_and_labels_of_others(tmp_path: Path, kind: type, ending: str) -> None:
    values = np.zeros((4, 3, 2), kind)  # (column, row, slice)
    values[3, 1, 0], values[0, 2, 1] = 1, 3
    read = read_mask(saved(tmp_path / f"p_gt.{ending}", values), labels=LABEL_MAPS["mnms"])
    assert read.labels.shape == (1, 2, 3, 4) and read.spacing_mm == pytest.approx((10.0, 1.4, 1.2))
    assert read.labels[0, 0, 1, 3] == Label.LV and read.labels[0, 1, 2, 0] == Label.RV
    assert set(read.known) == {Label.RV, Label.MYO, Label.LV} and read.known[Label.RV].all()


def test_of_a_cine_only_frames_with_labels_are_known(tmp_path: Path) -> None:
    values = np.zeros((4, 3, 2, 5), np.uint8)
    values[1, 1, :, [0, 3]] = 3
    known = read_mask(saved(tmp_path / "p.nii", values), labels=label_map("3=lv")).known
    assert set(known) == {Label.LV} and known[Label.LV].tolist() == [
        [True] * 2,
        *[[False] * 2] * 2,
        [True] * 2,
        [False] * 2,
    ]
    assert read_mask(saved(tmp_path / "empty.nii", values * 0), labels=ACDC).known[Label.LV].all()


def test_one_slice_without_an_axis_of_its_own_and_axes_of_one(tmp_path: Path) -> None:
    flat = np.ones((4, 3), np.uint8)
    assert read_mask(saved(tmp_path / "flat.nii", flat), labels=ACDC).labels.shape == (1, 1, 3, 4)
    assert read_mask(saved(tmp_path / "five.nii", flat.reshape(4, 3, 1, 1, 1)), labels=ACDC).labels.shape == (
        1,
        1,
        3,
        4,
    )
    with pytest.raises(InputError, match="axes"):
        read_mask(saved(tmp_path / "vectors.nii", np.ones((4, 3, 2, 1, 3), np.uint8)), labels=ACDC)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x1f\x8b\x08\x00broken"])
def test_what_is_no_nifti_is_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("p.nii", "p.nii.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name} cannot be read as NIfTI"):
            read_mask(tmp_path / name, labels=ACDC)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.nii.gz", np.random.default_rng(0).integers(0, 4, (30, 30, 8)).astype(np.uint8))
    (tmp_path / "cut.nii.gz").write_bytes(whole.read_bytes()[:1500])
    with pytest.raises(InputError, match="cannot be read"):
        read_mask(tmp_path / "cut.nii.gz", labels=ACDC)


def test_a_grid_without_a_place_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "p.nii", np.ones((2, 2, 2), np.uint8))
    whole = bytearray(path.read_bytes())
    whole[312:328] = bytes(16)  # srow_z
    path.write_bytes(whole)
    with pytest.raises(InputError, match="where its voxels lie"):
        read_mask(path, labels=ACDC)
