"""From the networks' grid back to the source: round trips on oblique, off-centre, uneven stacks; points to a hair."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_published import cine_of

from cinema_cli.domain.cine import View
from cinema_cli.inference.lattice import lattice_of, nearest, taps
from cinema_cli.inference.published import NetworkView, prepare
from cinema_cli.inference.way_back import (
    labels_on_source,
    pixels_of,
    points_mm,
)

ACDC = Path("/work/shared/data/acdc-validation")


def ball_on(points: np.ndarray, centre: np.ndarray, radius: float, normal: np.ndarray) -> np.ndarray:
    """Labels (...) at points (..., 3) in mm: a cavity (3) in a wall (2) with a right ventricle (1) beside it."""
    away = np.linalg.norm(points - centre, axis=-1)
    beside = np.cross(normal, [0.3, 0.5, 0.8])
    right = np.linalg.norm(points - centre - 1.3 * radius * beside / np.linalg.norm(beside), axis=-1) < 0.9 * radius
    return np.where(away < 0.7 * radius, 3, np.where(away < radius, 2, np.where(right, 1, 0))).astype(np.uint8)


def voxels_mm(view: NetworkView) -> np.ndarray:
    """Patient millimetres (x, y, z, 3) of the network's voxels."""
    return view.lattice.point_mm(np.moveaxis(np.indices(view.lattice.size), 0, -1).astype(float))


def pixels_mm(view: NetworkView) -> np.ndarray:
    """Patient millimetres (slice, row, column, 3) of the source's pixels, slice by slice."""
    cine = view.cine
    rows, columns = np.mgrid[: cine.pixels.shape[2], : cine.pixels.shape[3]][..., None]
    row_mm, column_mm = cine.pixel_spacing_mm
    plane = rows * row_mm * cine.column_direction + columns * column_mm * cine.row_direction
    return cine.origins_mm[:, None, None] + plane


def ball_there_and_back(
    *, pixel_mm: tuple[float, float], slice_mm: float, reverse: bool = False, aside: float = 0.0, deep_mm: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of labels 1, 2, 3: ml on the network's grid, ml on the source, mm moved in plane and across; overlap."""
    cine = cine_of(np.zeros((1, 16, 96, 110)), pixel_mm=pixel_mm, slice_mm=slice_mm, reverse=reverse)
    view = prepare(cine, centre=(48.0 + aside, 55.0 - aside))
    source = pixels_mm(view)
    centre = source[7, 48, 55] + 0.37 * cine.row_direction + (aside + deep_mm) * cine.normal
    labels, truth = (ball_on(points, centre, 34.0, cine.normal) for points in (voxels_mm(view), source))
    back = labels_on_source(view, labels[None])[0]
    assert back.shape == truth.shape and back.dtype == np.uint8
    there = np.array([np.count_nonzero(labels == k) * 0.01 for k in (1, 2, 3)])
    here = np.array([np.count_nonzero(back == k) * cine.voxel_ml for k in (1, 2, 3)])
    moved = [source[back == k].mean(axis=0) - voxels_mm(view)[labels == k].mean(axis=0) for k in (1, 2, 3)]
    alike = 2 * np.count_nonzero((back == truth) & (truth > 0)) / (np.count_nonzero(back) + np.count_nonzero(truth))
    along = np.array(moved) @ cine.normal
    aside_mm = np.linalg.norm(np.array(moved) - along[:, None] * cine.normal, axis=1)
    return there, here, np.stack([aside_mm, np.abs(along)]), np.array(alike)


@settings(max_examples=10, deadline=None)
@given(
    st.tuples(st.floats(1.0, 2.0), st.floats(1.0, 2.0)), st.floats(6.0, 10.0), st.booleans(), st.floats(-8.0, 8.0)
)  # fmt: skip
def test_what_lies_in_the_patient_comes_back_where_it_lies(
    pixel_mm: tuple[float, float], slice_mm: float, reverse: bool, aside: float
) -> None:
    """Known balls on the network's voxels return to the source's; an end may fall on either side of a slice."""
    there, here, moved, alike = ball_there_and_back(pixel_mm=pixel_mm, slice_mm=slice_mm, reverse=reverse, aside=aside)
    assert moved[0].max() < 1.0 and moved[1].max() < slice_mm / 2 and alike > 0.8
    np.testing.assert_allclose(here, there, rtol=0.25)


def test_volumes_are_kept_on_average() -> None:
    """Over where the slices happen to lie, no label gains or loses."""
    for slice_mm in (6.0, 8.0, 9.5):
        ratios = []
        for deep_mm in np.arange(0.0, 40.0, 4.3):
            there, here, _, _ = ball_there_and_back(pixel_mm=(1.6, 1.6), slice_mm=slice_mm, deep_mm=float(deep_mm) - 20)
            ratios.append(here / there)
        np.testing.assert_allclose(np.mean(ratios, axis=0), 1.0, atol=0.05)


def test_labels_of_cylinders_keep_their_volume_closely() -> None:
    """Without ends between slices only in-plane resampling is left: areas within 1%, also on coarse pixels."""
    for pixel_mm, slice_mm in (((2.0, 2.0), 10.0), ((1.3, 1.7), 7.0), ((0.9, 0.9), 5.0)):
        cine = cine_of(np.zeros((1, 8, 120, 120)), pixel_mm=pixel_mm, slice_mm=slice_mm)
        view = prepare(cine, centre=(55.3, 61.8))
        x, y = np.mgrid[: view.lattice.size[0], : view.lattice.size[1]]
        disk = np.hypot(x - view.lattice.size[0] / 2.1, y - view.lattice.size[1] / 1.9)
        labels = np.where(disk < 25, 3, np.where(disk < 34, 2, 0))[..., None] * np.ones(view.lattice.size[2], int)
        back = labels_on_source(view, labels[None].astype(np.uint8))
        for label in (2, 3):
            area = np.count_nonzero(back == label) / 8 * pixel_mm[0] * pixel_mm[1]
            assert area == pytest.approx(np.count_nonzero(labels[..., 0] == label), rel=0.01)


def test_padding_is_dropped_and_what_is_too_small_refused() -> None:
    cine = cine_of(np.zeros((1, 9, 240, 260)), pixel_mm=(1.2, 1.1))
    view = prepare(cine, centre=(60.0, 200.0))
    x, y, z = view.lattice.size
    padded = np.full((1, 192, 192, 16), 3, np.uint8)
    padded[:, :x, :y, :z] = 0
    assert padded.any() and not labels_on_source(view, padded).any()
    with pytest.raises(ValueError, match="does not cover"):
        labels_on_source(view, padded[:, : x - 1])


def test_every_slice_is_reached_though_sizes_are_rounded() -> None:
    for slice_mm in (5.4, 6.0, 8.9, 10.0, 12.0):
        cine = cine_of(np.zeros((1, 9, 60, 60)), slice_mm=slice_mm, pixel_mm=(1.5, 1.5))
        view = prepare(cine, centre=(30.0, 30.0))
        full = np.full((1, *view.lattice.size), 3, np.uint8)
        assert (labels_on_source(view, full) == 3)[:, :, 1:-1, 1:-1].all(), slice_mm


def test_a_single_slice_goes_and_returns() -> None:
    for view_name, slice_mm in ((View.SAX, 6.0), (View.SAX, 14.0), (View.LAX_4C, 8.0)):
        cine = cine_of(1.0 + np.indices((70, 80)).sum(axis=0)[None, None], view=view_name, slice_mm=slice_mm)
        view = prepare(cine, centre=(35.0, 40.0))
        assert view.lattice.size[2] == 1 and view.images.max() == 255
        labels = np.full((1, *view.lattice.size), 2, np.uint8)
        assert (labels_on_source(view, labels)[:, :, 1:-1, 1:-1] == 2).all()


def test_slices_shifted_in_plane_and_missing_get_their_own_labels() -> None:
    cine = cine_of(np.zeros((1, 6, 90, 90)), pixel_mm=(1.5, 1.5), places=np.array([0, 1, 2, 4, 5, 6]))
    cine.origins_mm[2] += 6.0 * cine.row_direction  # four columns
    view = prepare(cine, centre=(45.0, 45.0))
    disk = np.hypot(*(np.mgrid[:135, :135] - 66.0)) < 30
    labels = np.repeat(np.where(disk, 3, 0)[None, :, :, None], view.lattice.size[2], axis=3).astype(np.uint8)
    back = labels_on_source(view, labels)[0]
    assert back.shape == (6, 90, 90)
    columns = [np.argwhere(image == 3)[:, 1].mean() for image in back]
    np.testing.assert_allclose(np.array(columns) - columns[0], [0, 0, -4, 0, 0, 0], atol=0.05)


@settings(max_examples=20, deadline=None)
@given(
    st.tuples(st.floats(0.8, 2.2), st.floats(0.8, 2.2)), st.floats(20.0, 230.0), st.floats(20.0, 230.0), st.booleans()
)  # fmt: skip
def test_a_point_returns_to_its_millimetres(
    pixel_mm: tuple[float, float], row: float, column: float, is_published: bool
) -> None:
    """Whatever the window and whichever origin: a point of the patient has one place."""
    cine = cine_of(np.zeros((1, 1, 256, 256)), view=View.LAX_4C, pixel_mm=pixel_mm)
    view = prepare(cine, centre=(row, column), published_origin=is_published)
    mm = lattice_of(cine).point_mm(np.array([column + 0.31, row - 0.17, 0.0]))
    x, y, z = view.lattice.index(mm)
    back = points_mm(view, np.array([[x, y]]), z=z)[0]
    np.testing.assert_allclose(back, mm, atol=1e-9)
    np.testing.assert_allclose(pixels_of(cine, back), [0.0, row - 0.17, column + 0.31], atol=1e-9)


@pytest.mark.skipif(not ACDC.is_dir(), reason="real hearts for validation are not on this machine")
@pytest.mark.parametrize(("patient", "least_dice"), [("patient001", 0.999), ("patient081", 0.78)])
def test_expert_masks_go_to_the_networks_grid_and_return(patient: str, least_dice: float) -> None:
    """Stacks of 10 mm come back voxel by voxel; of 17 slices of 5 mm the network sees every other, so less returns."""
    image = nibabel.load(ACDC / f"{patient}_ed_gt.nii.gz")
    expert = np.asarray(image.dataobj).astype(np.uint8).transpose(2, 1, 0)
    column_mm, row_mm, slice_mm = (float(mm) for mm in image.header.get_zooms()[:3])
    cine = cine_of(expert[None], pixel_mm=(row_mm, column_mm), slice_mm=slice_mm)
    middle = np.argwhere(expert == 3).mean(axis=0)
    view, grid = prepare(cine, centre=(middle[1], middle[2])), lattice_of(cine)
    labels, first = expert.T, grid.index(view.lattice.origin_mm)
    for axis in range(3):
        at = first[axis] + np.arange(view.lattice.size[axis]) * view.lattice.spacing_mm[axis] / grid.spacing_mm[axis]
        labels = nearest(labels, taps(at, count=grid.size[axis]), axis=axis)
    back = labels_on_source(view, labels[None])[0]
    for label in (1, 2, 3):
        found, true = back == label, expert == label
        assert 2 * np.count_nonzero(found & true) / (np.count_nonzero(found) + np.count_nonzero(true)) > least_dice
        assert np.count_nonzero(found) / np.count_nonzero(true) == pytest.approx(1.0, abs=0.05)


def test_a_bright_point_is_seen_where_it_lies_within_a_voxel() -> None:
    """A blob painted at a fractional place of an oblique image: the network's image has it at that patient place."""
    rows, columns = np.mgrid[:220, :240]
    for row, column in ((61.37, 170.81), (150.5, 90.25)):
        blob = np.exp(-0.5 * (((rows - row) * 1.4) ** 2 + ((columns - column) * 1.7) ** 2) / 4.0**2)
        cine = cine_of(1000 * blob[None, None], view=View.LAX_2C)
        view = prepare(cine, centre=(100.0, 120.0))
        image = view.each_frame()[0, 0].astype(float)
        image[image < 0.1] = 0
        seen = np.array([(image * grid).sum() for grid in np.indices(image.shape)]) / image.sum()
        true = lattice_of(cine).point_mm(np.array([column, row, 0.0]))
        assert np.linalg.norm(points_mm(view, seen[None])[0] - true) < 0.15
