"""The published preprocessing: golden values of the reference (CineMA 1.0.0, shared/golden/models/functions), laws."""

import dataclasses
import hashlib

import numpy as np
import pytest
from functions_golden import arrays, needs_golden, said
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.domain.cine import Cine, Label, View
from cinema_cli.domain.volumes import volume_ml
from cinema_cli.inference.lattice import lattice_of, linear, nearest, resampled, taps
from cinema_cli.inference.published import (
    Edge,
    NetworkView,
    grey_bytes,
    min_max,
    pad_end,
    prepare,
    sample,
    window_start,
)

OBLIQUE_ROW = np.array([0.712, 0.701, -0.034]) / np.linalg.norm([0.712, 0.701, -0.034])
OBLIQUE_COLUMN = np.cross(np.cross(OBLIQUE_ROW, [-0.308, 0.268, -0.913]), OBLIQUE_ROW)
OBLIQUE_COLUMN /= np.linalg.norm(OBLIQUE_COLUMN)


def cine_of(
    pixels: np.ndarray,
    *,
    view: View = View.SAX,
    pixel_mm: tuple[float, float] = (1.4, 1.7),
    slice_mm: float = 8.0,
    row: np.ndarray = OBLIQUE_ROW,
    column: np.ndarray = OBLIQUE_COLUMN,
    origin: tuple[float, float, float] = (-40.0, 60.0, 25.0),
    places: np.ndarray | None = None,
    reverse: bool = False,
) -> Cine:
    """A cine of pixels (frame, slice, row, column) on an oblique stack, slices at `places` along the normal."""
    at = np.arange(pixels.shape[1]) if places is None else places
    normal = np.cross(row, column) * (-1 if reverse else 1)
    return Cine(
        view=view, pixels=pixels.astype(np.float32), pixel_spacing_mm=pixel_mm, slice_spacing_mm=slice_mm,
        thickness_mm=slice_mm, origins_mm=np.array(origin) + at[:, None] * slice_mm * normal, row_direction=row,
        column_direction=column, times_ms=np.arange(len(pixels)) * 40.0, cycle_ms=None, series_uids=("1.2",),
    )  # fmt: skip


def golden_cine() -> Cine:
    """The oblique int16 volume of the golden files as a cine of one frame: (x, y, z) -> (frame, slice, row, column)."""
    gold = arrays("preprocess")
    direction, spacing = gold["direction"].reshape(3, 3), gold["spacing"]
    return cine_of(
        gold["image"].transpose(2, 1, 0)[None], pixel_mm=(spacing[1], spacing[0]), slice_mm=spacing[2],
        row=direction[:, 0], column=direction[:, 1], origin=tuple(gold["origin"]),
    )  # fmt: skip


def golden_view() -> NetworkView:
    """The golden volume prepared as the reference does, round the middle of its LV's bounding box."""
    cine, gold = golden_cine(), arrays("preprocess")
    grid = lattice_of(cine)
    small = resampled(grid, (1.0, 1.0, 10.0), published_origin=True)
    middle = (gold["bbox_min"] + gold["bbox_max"] - 1) / 2  # the golden maximum is exclusive
    x, y, _ = grid.index(small.point_mm(middle))
    return prepare(cine, centre=(y, x), published_origin=True)


@needs_golden
def test_resampling_agrees_with_the_reference() -> None:
    gold, told = arrays("preprocess"), said("preprocess")
    grid = resampled(lattice_of(golden_cine()), (1.0, 1.0, 10.0), published_origin=True)
    assert list(grid.size) == told["resampled_size"] and list(grid.spacing_mm) == told["resampled_spacing"]
    np.testing.assert_allclose(grid.origin_mm, told["resampled_origin"], atol=1e-9)
    image = sample(golden_cine(), 0, onto=grid, truncate=True)[::4, ::4]
    np.testing.assert_array_equal(image, gold["resampled_image"])  # truncated, not rounded


@needs_golden
def test_labels_are_resampled_as_the_reference_does() -> None:
    gold, grid = arrays("preprocess"), lattice_of(golden_cine())
    onto = resampled(grid, (1.0, 1.0, 10.0), published_origin=True)
    labels, first = gold["label"], grid.index(onto.origin_mm)
    for axis in range(3):
        at = first[axis] + np.arange(onto.size[axis]) * onto.spacing_mm[axis] / grid.spacing_mm[axis]
        labels = nearest(labels, taps(at, count=grid.size[axis]), axis=axis)
    np.testing.assert_array_equal(labels, gold["resampled_label"])


@needs_golden
def test_the_window_round_the_left_ventricle_agrees() -> None:
    gold, told = arrays("preprocess"), said("preprocess")
    for (lowest, beyond, size, window), (lower, upper) in said("center_crop_1d"):
        start = window_start((lowest + beyond - 1) / 2, size=size, window=window)
        assert (start, max(0, size - start - window)) == (lower, upper)
    view = golden_view()
    assert list(view.lattice.size) == told["cropped_size"]
    np.testing.assert_allclose(view.lattice.origin_mm, told["cropped_origin"], atol=1e-9)
    cropped = gold["resampled_label"][tuple(slice(n, n + 192) for n in gold["crop_lower"][:2])]
    np.testing.assert_array_equal(cropped, gold["cropped_label"])
    for label in (Label.RV, Label.MYO, Label.LV):
        assert volume_ml(cropped, label=label, voxel_ml=0.01) == pytest.approx(said("volumes")[label.name], abs=1e-9)


@needs_golden
def test_a_window_that_leaves_the_image_agrees() -> None:
    cine, told = golden_cine(), said("crop_xy_3d")
    whole = resampled(lattice_of(cine), (1.0, 1.0, 10.0), published_origin=True)
    window = whole.window((*told["origin_indices"], 0), (*told["slice_size"], whole.size[2]))
    assert list(window.size) == told["out_size"]
    np.testing.assert_allclose(window.origin_mm, told["out_origin"], atol=1e-9)
    image = sample(cine, 0, onto=window, truncate=True)[::4, ::4]
    np.testing.assert_array_equal(image, arrays("crop_xy")["out"])  # zeros outside


@needs_golden
def test_grey_values_and_the_network_input_agree_to_the_bit() -> None:
    gold, stats = arrays("preprocess"), said("preprocess")["net_input_stats"]
    view = golden_view()
    np.testing.assert_array_equal(view.images[0], gold["uint8"])
    np.testing.assert_allclose(view.images[0, ::4, ::4] / 255.0, gold["normalised"], atol=1 / 255)  # decimals dropped
    fed = view.each_frame()
    assert fed.shape == (1, *stats["shape"]) and str(fed.dtype) == stats["dtype"]
    np.testing.assert_array_equal(fed[0, :, ::4, ::4], gold["network_input"])
    assert hashlib.sha256(fed.tobytes()).hexdigest() == stats["sha256_f32"]


@needs_golden
def test_scaling_of_constant_and_of_paired_images_agrees() -> None:
    constant = np.array(said("scale_intensity_const")["out"])
    np.testing.assert_array_equal(min_max(np.full(constant.shape, 3.0)), constant)
    pair = np.array(said("scale_intensity_two_channel")["out"])  # six decimals were kept
    raw = np.stack([np.arange(16), 10 * np.arange(16)]).reshape(pair.shape)
    np.testing.assert_allclose(min_max(raw), pair, atol=1e-6)


def test_leaving_and_staying_windows() -> None:
    assert window_start(3.0, size=300, window=192) == 0 and window_start(299.0, size=300, window=192) == 108
    assert window_start(10.0, size=300, window=192, edge=Edge.LEAVE) == -85  # -85.5 without its decimals
    assert window_start(20.0, size=100, window=192) == 0


def test_bytes_of_constant_broken_and_scaled_images() -> None:
    assert grey_bytes(np.full((4, 5, 1), 7.0)).max() == 0
    image = np.random.default_rng(0).gamma(2.0, 100.0, (30, 30, 3))
    assert grey_bytes(image).min() == 0 and grey_bytes(image).max() == 255
    differ = np.abs(grey_bytes(image).astype(int) - grey_bytes(image * 3.0 + 40.0))
    assert differ.max() <= 1 and (differ > 0).mean() < 1e-3
    image[0, 0, 0] = np.nan
    assert np.isfinite(min_max(grey_bytes(image))).all()


def test_padding_is_at_the_end_and_never_cuts() -> None:
    padded = pad_end(np.ones((2, 3, 5), np.float32), (4, 4))
    assert padded.shape == (2, 4, 5) and padded[:, :3].all() and not padded[:, 3:].any()


def test_ed_and_es_are_scaled_together_and_in_their_order() -> None:
    pixels = np.random.default_rng(1).gamma(2.0, 50.0, (5, 4, 60, 70))
    view = prepare(cine_of(pixels), centre=(30.0, 35.0), frames=(1, 4))
    pair = view.together((4, 1))
    assert pair.shape == (1, 2, 192, 192, 16) and pair.dtype == np.float32
    np.testing.assert_array_equal(pair[0, 0, : view.lattice.size[0], : view.lattice.size[1], : view.lattice.size[2]],
                                  min_max(view.images[[1, 0]])[0])  # fmt: skip
    with pytest.raises(ValueError):
        view.together((0, 4))


def test_a_long_axis_view_is_flat_and_keeps_its_depth() -> None:
    view = prepare(cine_of(np.random.default_rng(2).random((3, 1, 200, 220)), view=View.LAX_4C), centre=(90.0, 100.0))
    assert view.each_frame().shape == (3, 1, 256, 256) and view.together((0, 2)).shape == (1, 2, 256, 256)
    assert view.lattice.spacing_mm == (1.0, 1.0, 8.0) and view.lattice.size[2] == 1


@settings(max_examples=6, deadline=None)
@given(
    st.tuples(st.floats(0.8, 2.2), st.floats(0.8, 2.2)), st.floats(5.0, 12.0), st.booleans(),
    st.floats(0.0, 1.0), st.floats(0.0, 1.0),
)  # fmt: skip
def test_a_ramp_in_the_patient_is_sampled_where_it_lies(
    pixel_mm: tuple[float, float], slice_mm: float, reverse: bool, down: float, right: float
) -> None:
    """A field that is linear in patient millimetres reads the same at the network's voxels: nothing is misplaced."""
    shape, slope = (3, 140, 150), np.array([0.7, -1.1, 0.4])
    blank = cine_of(np.zeros((1, *shape)), pixel_mm=pixel_mm, slice_mm=slice_mm, reverse=reverse)
    source = lattice_of(blank)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in source.size), indexing="ij"), axis=-1).astype(float)
    field = (source.point_mm(index) @ slope).transpose(2, 1, 0)  # (slice, row, column)
    cine = dataclasses.replace(blank, pixels=field[None].astype(np.float32))
    for edge in Edge:
        view = prepare(cine, centre=(down * 139, right * 149), edge=edge)
        image = sample(cine, 0, onto=view.lattice)
        where = np.stack(np.meshgrid(*(np.arange(n) for n in view.lattice.size), indexing="ij"), axis=-1).astype(float)
        points = view.lattice.point_mm(where)
        at = source.index(points)
        inside = ((at >= 0) & (at <= np.array(source.size) - 1)).all(axis=-1)
        assert inside.any()
        np.testing.assert_allclose(image[inside], (points @ slope)[inside], atol=1e-3)


def test_ours_covers_the_stack_and_the_reference_origin_does_not() -> None:
    source = lattice_of(cine_of(np.zeros((1, 9, 120, 130)), slice_mm=6.0))
    for published in (False, True):
        grid = resampled(source, (1.0, 1.0, 10.0), published_origin=published)
        corner = source.index(grid.point_mm(np.array([-0.5, -0.5, -0.5])))
        assert bool(np.allclose(corner, -0.5, atol=1e-9)) is not published


def test_a_missing_slice_is_bridged_and_a_shifted_one_put_right() -> None:
    rows, columns = np.mgrid[:80, :90]
    field = np.stack([3.0 * columns - 2.0 * rows + 50.0 * k for k in range(7)])
    full = cine_of(field[None], slice_mm=5.0)
    gap = cine_of(field[None][:, [0, 1, 2, 4, 5, 6]], slice_mm=5.0, places=np.array([0, 1, 2, 4, 5, 6]))
    grid = resampled(lattice_of(full), (1.0, 1.0, 10.0))
    assert lattice_of(gap).size == lattice_of(full).size
    np.testing.assert_allclose(sample(gap, 0, onto=grid), sample(full, 0, onto=grid), atol=1e-6)
    moved = full.origins_mm.copy()
    moved[3] += 4 * full.pixel_spacing_mm[1] * full.row_direction
    pixels = full.pixels.copy()
    pixels[0, 3] += 12.0  # four columns along the ramp
    shifted = dataclasses.replace(full, origins_mm=moved, pixels=pixels)
    middle = (slice(10, -10), slice(5, -5))
    np.testing.assert_allclose(
        sample(shifted, 0, onto=grid)[middle], sample(full, 0, onto=grid)[middle], atol=1e-3
    )


def test_half_a_voxel_outside_reads_the_border_and_beyond_reads_zero() -> None:
    at = taps(np.array([-0.6, -0.5, 0.25, 2.5, 2.51]), count=3)
    np.testing.assert_allclose(linear(np.array([4.0, 8.0, 6.0]), at, axis=0), [0, 4, 5, 6, 0])
    np.testing.assert_allclose(nearest(np.array([4.0, 8.0, 6.0]), at, axis=0), [0, 4, 4, 6, 0])
