import gzip
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from cinema_cli.domain.cine import Cine, View
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.nifti import affine_ras, encode_mask, mask_path, write_mask


def test_a_mask_lies_where_the_source_lies(tmp_path: Path, oblique_cine: Cine, result: StudyResult) -> None:
    path = write_mask(mask_path(tmp_path, result, "sax"), result.masks[View.SAX], cine=oblique_cine)
    assert path == tmp_path / "sub-0001" / "ses-1" / "sub-0001_ses-1_sax_dseg.nii.gz"
    image = nib.load(path)
    data = np.asanyarray(image.dataobj)
    assert data.dtype == np.uint8 and data.shape == (6, 4, 3, 5)
    assert (data[3, 2, 1] == 3).all() and data[5, 1, 0, 2] == 1 and (data > 0).sum() == 6
    # DICOM PS3.3 C.7.6.2.1.1: column i, row j of a slice is at origin + i dx (row direction) + j dy (column direction)
    c = oblique_cine
    lps = c.origins_mm[1] + 3 * 1.5 * c.row_direction + 2 * 1.25 * c.column_direction
    for affine in (image.affine, image.get_qform(), image.get_sform()):
        np.testing.assert_allclose((affine @ [3, 2, 1, 1])[:3], lps * [-1, -1, 1], atol=1e-4)


def test_the_header_says_spacing_time_and_axes(oblique_cine: Cine, result: StudyResult) -> None:
    image = nib.Nifti1Image.from_bytes(gzip.decompress(encode_mask(result.masks[View.SAX], cine=oblique_cine)))
    np.testing.assert_allclose(image.header.get_zooms(), (1.5, 1.25, 9.0, 35.0), rtol=1e-6)
    assert image.header.get_xyzt_units() == ("mm", "msec") and float(image.header["toffset"]) == 10.0
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
    np.testing.assert_allclose(abs(np.linalg.det(affine_ras(oblique_cine)[:3, :3])), 1.25 * 1.5 * 9.0)


def test_the_same_mask_gives_the_same_bytes(oblique_cine: Cine, result: StudyResult) -> None:
    mask = result.masks[View.SAX]
    assert encode_mask(mask, cine=oblique_cine) == encode_mask(mask.copy(), cine=oblique_cine)


def test_a_mask_of_another_grid_is_refused(oblique_cine: Cine, result: StudyResult) -> None:
    with pytest.raises(ValueError, match="grid"):
        encode_mask(result.masks[View.SAX][:, :2], cine=oblique_cine)


def stack_at(cine: Cine, positions_mm: list[float], *, usual_mm: float) -> Cine:
    """The cine with slices at these positions along its normal, from base to apex against it."""
    pixels = np.zeros((5, len(positions_mm), 4, 6), np.float32)
    origins = cine.origins_mm[0] - np.array(positions_mm)[:, None] * cine.normal
    return replace(cine, pixels=pixels, origins_mm=origins, slice_spacing_mm=usual_mm)


def test_slices_beside_a_gap_lie_where_they_were_taken_and_the_volume_is_that_of_the_table(oblique_cine: Cine) -> None:
    cine = stack_at(oblique_cine, [0, 10, 20, 40, 50, 60], usual_mm=10.0)
    mask = np.zeros(cine.pixels.shape, np.uint8)
    for s in range(6):
        mask[:, s, 1, :s] = 3  # another number of voxels in each slice
    image = nib.Nifti1Image.from_bytes(gzip.decompress(encode_mask(mask, cine=cine)))
    data = np.asarray(image.dataobj)
    assert data.shape == (6, 4, 7, 5)
    filled = [0, 1, 2, 4, 5, 6]
    np.testing.assert_array_equal(data[:, :, filled, :].transpose(3, 2, 1, 0), mask)
    assert not data[:, :, 3].any()
    for place, origin in zip(filled, cine.origins_mm, strict=True):
        np.testing.assert_allclose((image.affine @ [0, 0, place, 1])[:3], origin * [-1, -1, 1], atol=1e-3)
    voxel_ml = np.prod(image.header.get_zooms()[:3]) / 1000.0
    assert np.count_nonzero(data) * voxel_ml == pytest.approx(np.count_nonzero(mask) * cine.voxel_ml, rel=1e-6)


@pytest.mark.parametrize(("last_mm", "places"), [(31.9, [0, 1, 2, 3]), (34.5, [0, 1, 2, 3]), (38.5, [0, 1, 2, 4])])
def test_a_slice_off_the_grid_by_more_than_a_fifth_of_a_step_leaves_no_place_empty(
    last_mm: float, places: list[int], oblique_cine: Cine
) -> None:
    cine = stack_at(oblique_cine, [0, 10, 20, last_mm], usual_mm=10.0)
    assert cine.slice_places.tolist() == places
    step = 10.0 if last_mm != 34.5 else last_mm / 3  # the mean where there is no grid
    assert np.linalg.norm(cine.affine_lps[:3, 2]) == pytest.approx(step)
