"""Where the heart is: by motion, by crossing planes, on painted and on real images."""

import dataclasses
from pathlib import Path

import nibabel
import numpy as np
import pytest
from disk_hearts import disk_masks, disk_study

from cinema_cli.domain.cine import Cine, View
from cinema_cli.inference.centre import centre_of_motion, crossing_of_planes, find_centre

ACDC = Path("/work/shared/data/acdc-validation")


def sax_of(**kwargs: object) -> Cine:
    return disk_study(disk_masks(**kwargs)).cines[View.SAX]  # type: ignore[arg-type]


@pytest.mark.parametrize("centre_mm", [(95.0, 95.0), (60.0, 130.0)])
def test_a_beating_disk_in_noise_is_found(centre_mm: tuple[float, float]) -> None:
    sax = sax_of(centre_mm=centre_mm, n_frames=12)
    noise = np.random.default_rng(0).normal(0, 40, sax.pixels.shape).astype(np.float32)
    bright = np.zeros_like(noise)
    bright[:, :, :, -9:] = 3000  # a still, bright stripe of fat
    found = find_centre(dataclasses.replace(sax, pixels=sax.pixels + noise + bright))
    assert found.found
    assert np.hypot(found.row * 1.5 - centre_mm[0], found.column * 1.5 - centre_mm[1]) < 20  # RV too


def test_still_and_single_frames_give_the_middle_and_say_so() -> None:
    still = np.repeat(sax_of(n_frames=1).pixels, 6, axis=0)
    for pixels in (still, still[:1], np.zeros((4, 2, 30, 40), np.float32)):
        found = centre_of_motion(pixels, pixel_spacing_mm=(1.5, 1.5))
        assert not found.found and found.sentence
        assert found.point == ((pixels.shape[2] - 1) / 2, (pixels.shape[3] - 1) / 2)


def test_noise_alone_is_no_heart() -> None:
    noise = np.random.default_rng(1).normal(100, 10, (20, 8, 128, 128)).astype(np.float32)
    assert not centre_of_motion(noise, pixel_spacing_mm=(1.5, 1.5)).found


def long_axis(sax: Cine, view: View, in_plane: np.ndarray, point: np.ndarray) -> Cine:
    """A plane through `point` that holds the stack's normal and the direction `in_plane`."""
    return dataclasses.replace(
        sax, view=view, row_direction=in_plane, column_direction=sax.normal, origins_mm=point[None, :] - 90 * in_plane
    )


def test_two_long_axis_planes_fix_the_centre_and_parallel_ones_do_not() -> None:
    sax = sax_of(n_frames=4)
    r, c = sax.row_direction, sax.column_direction
    point = sax.origins_mm[0] + 40 * 1.5 * c + 70 * 1.5 * r
    two = long_axis(sax, View.LAX_2C, (r + c) / np.sqrt(2), point)
    four = long_axis(sax, View.LAX_4C, r, point)
    np.testing.assert_allclose(crossing_of_planes(sax, [two, four]), (40, 70), atol=1.0)
    assert crossing_of_planes(sax, [two, two]) is None
    assert crossing_of_planes(sax, [four]) is None


@pytest.mark.skipif(not ACDC.is_dir(), reason="real hearts for validation are not on this machine")
@pytest.mark.parametrize("patient", ["patient001", "patient041", "patient086"])
def test_real_hearts_lie_within_the_crop(patient: str) -> None:
    images = [nibabel.load(ACDC / f"{patient}_{moment}.nii.gz") for moment in ("ed", "es")]
    truth = np.asarray(nibabel.load(ACDC / f"{patient}_ed_gt.nii.gz").dataobj).transpose(2, 1, 0)
    mm = float(images[0].header.get_zooms()[0])
    pixels = np.stack([np.asarray(i.dataobj).transpose(2, 1, 0) for i in images]).astype(np.float32)
    found = centre_of_motion(pixels, pixel_spacing_mm=(mm, mm))
    where = np.argwhere(truth >= 2).mean(axis=0)[1:]
    assert found.found and mm * np.hypot(found.row - where[0], found.column - where[1]) < 25
