"""A study in memory: the right pixels at the right place and time, and a reason where that cannot be."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dicom_factory import HEART_CENTRE, TO_APEX, truncate, write_lax, write_localizer, write_sax
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, RLELossless

from cinema_cli.domain.cine import CineStudy, View
from cinema_cli.domain.errors import StudyError
from cinema_cli.inference.published import prepare
from cinema_cli.inference.way_back import labels_on_source
from cinema_cli.io.index import plan_of, scan, studies, study_digest
from cinema_cli.io.nifti import encode_mask
from cinema_cli.io.study import fill_missing, read_study


def read(root: Path, **options: Any) -> CineStudy:
    index = scan(root, jobs=1, **options)
    (key,) = studies(index)
    return read_study(plan_of(index, key))


def test_pixels_places_and_times(tmp_path: Path) -> None:
    write_sax(tmp_path, slices=5, frames=10, spacing=(3.0, 2.0), slice_spacing=9.0, cycle_ms=800.0, shuffle=4)
    study = read(tmp_path)
    cine = study.cines[View.SAX]
    assert cine.pixels.dtype == np.float32
    assert cine.pixels.shape == (10, 5, 32, 32)
    assert cine.spacing_mm == pytest.approx((9.0, 3.0, 2.0))
    np.testing.assert_allclose(cine.times_ms, np.arange(10) * 80.0)
    assert cine.cycle_ms == pytest.approx(800.0)
    towards = (cine.origins_mm[-1] - cine.origins_mm[0]) / 36.0
    np.testing.assert_allclose(towards, TO_APEX, atol=1e-3)
    centre = cine.affine_lps @ [15.5, 15.5, 2.0, 1.0]
    np.testing.assert_allclose(centre[:3], HEART_CENTRE, atol=0.05)
    blood = (cine.pixels == 900.0).sum(axis=(1, 2, 3))
    assert blood.argmax() == 0 and 3 <= blood.argmin() <= 6
    assert (study.facts.sex, study.facts.age_years, study.facts.vendor) == ("F", 63.0, "Siemens")


def test_the_same_study_in_any_container(tmp_path: Path) -> None:
    write_sax(tmp_path / "plain", slices=4)
    write_sax(tmp_path / "many", slices=4, layout="series_per_slice", shuffle=1, extension="")
    write_sax(tmp_path / "enhanced", slices=4, style="enhanced")
    write_sax(tmp_path / "rle", slices=4, transfer_syntax=RLELossless, rescale=(2.0, -10.0))
    plain = read(tmp_path / "plain").cines[View.SAX]
    for name in ("many", "enhanced"):
        np.testing.assert_array_equal(read(tmp_path / name).cines[View.SAX].pixels, plain.pixels)
    rescaled = read(tmp_path / "rle").cines[View.SAX]
    np.testing.assert_allclose(rescaled.pixels, 2.0 * plain.pixels - 10.0)


def test_instance_numbers_that_run_backwards_change_nothing(tmp_path: Path) -> None:
    def turned(dataset: Any, s: int, f: int) -> None:
        dataset.InstanceNumber = 1000 - dataset.InstanceNumber

    write_sax(tmp_path / "a", slices=4)
    write_sax(tmp_path / "b", slices=4, edit=turned)
    np.testing.assert_array_equal(
        read(tmp_path / "a").cines[View.SAX].pixels, read(tmp_path / "b").cines[View.SAX].pixels
    )


def test_a_missing_frame_is_interpolated_between_its_neighbours(tmp_path: Path) -> None:
    write_sax(tmp_path / "whole", slices=3)
    write_sax(tmp_path / "hole", slices=3, missing={(1, 0), (2, 5)})
    with pytest.raises(StudyError) as refused:
        read(tmp_path / "hole")
    assert (refused.value.stage, refused.value.code) == ("stack", "missing_frames")
    write_lax(tmp_path / "hole", "lax_4c")
    beside = read(tmp_path / "hole")
    assert set(beside.cines) == {View.LAX_4C} and set(beside.refused) == {View.SAX}
    why = beside.refused[View.SAX]
    assert why.code == "missing_frames" and "--allow-missing-frames 2" in why.reason and "/10 COHORT" in why.hint
    whole, filled = (
        read(tmp_path / "whole").cines[View.SAX],
        read(tmp_path / "hole", allow_missing_frames=2).cines[View.SAX],
    )
    np.testing.assert_allclose(filled.pixels[0, 1], (whole.pixels[9, 1] + whole.pixels[1, 1]) / 2)
    np.testing.assert_allclose(filled.pixels[5, 2], (whole.pixels[4, 2] + whole.pixels[6, 2]) / 2)
    assert [note.code for note in filled.notes] == ["interpolated_frames"]


def of_nine(image: Any, s: int, f: int) -> None:
    """The middle of three slices has nine frames by its header, the others ten."""
    image.CardiacNumberOfImages = 9 if s == 1 else 10


def test_a_slice_with_its_own_number_of_frames_is_interpolated_over_the_cycle(tmp_path: Path) -> None:
    write_sax(tmp_path / "whole", slices=3)
    write_sax(tmp_path / "own", slices=3, missing={(1, 9)}, edit=of_nine)
    whole, own = (read(tmp_path / name).cines[View.SAX] for name in ("whole", "own"))
    frames = whole.pixels[:9, 1]
    for moment in range(10):
        past = moment * 9 / 10  # frames of nine since the first; the first follows the last
        before, share = int(past), past % 1
        expected = (1 - share) * frames[before] + share * frames[(before + 1) % 9]
        np.testing.assert_allclose(own.pixels[moment, 1], expected, rtol=1e-5)
    np.testing.assert_array_equal(own.pixels[:, [0, 2]], whole.pixels[:, [0, 2]])
    assert [note.code for note in own.notes] == ["resampled_frames"]


def test_both_images_of_a_moment_between_them_count_in_the_digest_and_may_be_cut_short(tmp_path: Path) -> None:
    paths = write_sax(tmp_path, slices=3, missing={(1, 9)}, edit=of_nine)
    index = scan(tmp_path)
    (key,) = studies(index)
    shown = index.images.filter(slice_index=1)
    assert shown["path"].n_unique() == 9 and shown.height == 19  # the first moment is that of the first image
    assert shown.group_by("frame_index").agg(pl.col("weight").sum())["weight"].to_list() == [1.0] * 10
    last = paths[18]  # of nine: it is shown only together with others
    os.utime(last, ns=(1, 1))
    assert study_digest(scan(tmp_path), key) != study_digest(index, key)
    truncate(last, drop_bytes=500)
    cut = scan(tmp_path, allow_missing_frames=2).images.filter(slice_index=1)
    assert cut.filter("interpolated")["frame_index"].to_list() == [8, 9] and cut.height == 8 * 2 + 2 - 1


def test_a_stack_acquired_again_a_little_farther_has_the_same_extent(tmp_path: Path) -> None:
    def farther(image: Any, s: int, f: int) -> None:
        image.ImagePositionPatient = [
            f"{float(x) + 3.0 * along:.8g}" for x, along in zip(image.ImagePositionPatient, TO_APEX, strict=True)
        ]
        image.AcquisitionTime = "120000"

    write_sax(tmp_path / "first", slices=4, study_uid="1.2.3", layout="series_per_slice")
    write_sax(
        tmp_path / "again", slices=4, study_uid="1.2.3", layout="series_per_slice", series_number=40, edit=farther
    )
    cine = read(tmp_path).cines[View.SAX]
    assert (cine.n_slices, cine.slice_spacing_mm) == (4, pytest.approx(10.0, abs=1e-3))
    assert [(note.code, note.sentence) for note in cine.notes] == [
        ("repeats_ignored", "4 slices were acquired again: the most complete acquisition, then the latest was used")
    ]


def test_two_holes_in_a_row_are_filled_in_proportion() -> None:
    pixels = np.arange(6, dtype=np.float32).reshape(1, 6, 1, 1)
    present = np.array([[True, True, False, False, True, True]])
    np.testing.assert_allclose(fill_missing(pixels * present[..., None, None], present), pixels, atol=1e-6)


def test_no_cine_and_damaged_pixels_are_reasons(tmp_path: Path) -> None:
    write_localizer(tmp_path / "scout")
    with pytest.raises(StudyError) as none:
        read(tmp_path / "scout")
    assert (none.value.stage, none.value.code) == ("stack", "localizer")
    paths = write_sax(tmp_path / "cut", slices=3)
    truncate(paths[7], drop_bytes=500)
    with pytest.raises(StudyError) as cut:
        read(tmp_path / "cut")
    assert (cut.value.stage, cut.value.code) == ("stack", "truncated")
    assert "--explain sub-P001/ses-1/10 COHORT" in cut.value.hint and "Copy the files again" in cut.value.hint


def test_an_image_that_cannot_be_decoded_is_named_without_its_folder(tmp_path: Path) -> None:
    paths = write_sax(tmp_path / "Smith_John_1960", slices=3, transfer_syntax=JPEG2000Lossless)
    content = paths[14].read_bytes()
    start = content.index(b"\xff\x4f\xff\x51")
    paths[14].write_bytes(content[:start] + b"\0" * 60 + content[start + 60 :])
    with pytest.raises(StudyError) as caught:
        read(tmp_path)
    assert caught.value.message.startswith("the pixels of sax (series 10) slice 2 frame 5 cannot be decoded")
    assert "Smith" not in caught.value.message + caught.value.hint
    assert caught.value.__notes__ == [f"file: {paths[14]}"]  # what -v shows


def test_a_long_axis_view_without_trigger_times(tmp_path: Path) -> None:
    write_lax(tmp_path, "lax_4c", trigger_times=None, cycle_ms=1000.0)
    cine = read(tmp_path).cines[View.LAX_4C]
    np.testing.assert_allclose(cine.times_ms, np.arange(10) * 100.0)
    assert cine.n_slices == 1
    assert cine.slice_spacing_mm == pytest.approx(6.0)


def test_a_long_axis_of_unknown_thickness_can_be_looked_at_and_labelled(tmp_path: Path) -> None:
    for path in write_lax(tmp_path, "lax_4c"):
        image = dcmread(path)
        image.SliceThickness = None
        image.save_as(path)
    four = read(tmp_path).cines[View.LAX_4C]
    seen = prepare(four, centre=(20.0, 20.0))
    assert seen.images.any()
    labels = labels_on_source(seen, np.ones((four.n_frames, *seen.lattice.size[:2]), np.uint8))
    assert encode_mask(labels, cine=four)
