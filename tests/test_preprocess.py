"""Resampling to the head's grid and back, and intensity scaling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.inference.preprocess import Grid, normalise, source_window, to_grid, with_cycle


def disk(
    *, shape: tuple[int, int], spacing: tuple[float, float], centre: tuple[float, float], radius_mm: float
) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    distance = np.hypot((rows - centre[0]) * spacing[0], (columns - centre[1]) * spacing[1])
    return (distance < radius_mm).astype(np.float32)


def test_identity_when_grid_and_pixels_agree() -> None:
    image = np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)
    same = to_grid(image, pixel_spacing_mm=(1.5, 1.5), centre=(15.5, 15.5), grid=Grid(32, 1.5))
    assert same.dtype == np.float32
    np.testing.assert_allclose(same, image, atol=1e-6)


def test_a_linear_ramp_is_sampled_exactly() -> None:
    rows, columns = np.mgrid[:80, :90].astype(np.float32)
    ramp = 3.0 * rows + 2.0 * columns
    grid = Grid(16, 2.0)
    sampled = to_grid(ramp, pixel_spacing_mm=(0.8, 1.25), centre=(40.25, 41.5), grid=grid)
    offset = (np.arange(16) - 7.5) * 2.0
    expected = 3.0 * (40.25 + offset / 0.8)[:, None] + 2.0 * (41.5 + offset / 1.25)[None, :]
    np.testing.assert_allclose(sampled, expected, rtol=0.004)


def test_finer_source_is_averaged_not_skipped() -> None:
    checkers = (np.indices((120, 120)).sum(axis=0) % 2).astype(np.float32)
    sampled = to_grid(checkers, pixel_spacing_mm=(0.5, 0.5), centre=(59.5, 59.5), grid=Grid(20, 2.0))
    np.testing.assert_allclose(sampled, 0.5, atol=0.02)


def test_outside_the_image_is_zero_and_far_away_too() -> None:
    image = np.ones((20, 20), np.float32)
    sampled = to_grid(image, pixel_spacing_mm=(1.0, 1.0), centre=(0.0, 0.0), grid=Grid(20, 1.0))
    assert sampled[0, 0] == 0 and sampled[15, 15] == pytest.approx(1.0)
    assert to_grid(image, pixel_spacing_mm=(1.0, 1.0), centre=(500.0, -500.0), grid=Grid(8, 1.0)).max() == 0


def test_back_and_forth_keeps_a_disk_and_probabilities_sum_to_one() -> None:
    shape, spacing, centre = (90, 110), (1.3, 1.1), (41.3, 60.8)
    truth = disk(shape=shape, spacing=spacing, centre=centre, radius_mm=30)
    grid = Grid(64, 1.6)
    there = to_grid(np.stack([1 - truth, truth]), pixel_spacing_mm=spacing, centre=centre, grid=grid)
    everything = (slice(0, 64), slice(0, 64))
    window = source_window(source_shape=shape, pixel_spacing_mm=spacing, centre=centre, grid=grid, box=everything)
    back = np.stack([np.ones(shape), np.zeros(shape)])
    back[(slice(None), *window.where)] = window.bring(there)
    np.testing.assert_allclose(back.sum(axis=0), 1.0, atol=1e-5)
    found = back[1] > 0.5
    assert 2 * (found * truth).sum() / (found.sum() + truth.sum()) > 0.98


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.7, 4.0), st.floats(-30.0, 60.0))
def test_the_way_back_of_a_box_is_that_of_the_grid_where_the_rest_is_background(
    seed: int, mm: float, row: float
) -> None:
    rng = np.random.default_rng(seed)
    grid, whole = Grid(24, 1.5), (slice(0, 24), slice(0, 24))
    (top, bottom), (left, right) = (np.sort(rng.choice(25, 2, replace=False)) for _ in range(2))
    box, known = (slice(top, bottom), slice(left, right)), np.zeros((2, 24, 24), np.float32)
    known[0] = 1.0
    known[1][box] = rng.random((bottom - top, right - left), dtype=np.float32)
    known[0] -= known[1]
    back = []
    for part in (whole, box):
        window = source_window(
            source_shape=(30, 20), pixel_spacing_mm=(mm, 1.1), centre=(row, 9.0), grid=grid, box=part
        )
        back.append(np.zeros((30, 20)))
        back[-1][window.where] = window.bring(known[(slice(None), *part)])[1]
    np.testing.assert_allclose(back[0], back[1], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.6, 3.0), st.floats(0.6, 3.0), st.floats(-4, 4), st.floats(-4, 4))
def test_area_in_millimetres_is_kept(row_mm: float, column_mm: float, d_row: float, d_column: float) -> None:
    shape = (int(160 / row_mm), int(160 / column_mm))
    centre = (shape[0] / 2 + d_row, shape[1] / 2 + d_column)
    truth = disk(shape=shape, spacing=(row_mm, column_mm), centre=centre, radius_mm=35)
    grid = Grid(96, 1.25)
    sampled = to_grid(truth, pixel_spacing_mm=(row_mm, column_mm), centre=centre, grid=grid)
    area = float(sampled.sum()) * grid.spacing_mm**2
    assert area == pytest.approx(float(truth.sum()) * row_mm * column_mm, rel=0.02)


def test_normalise_is_joint_bounded_and_ignores_gain_and_offset() -> None:
    stack = np.random.default_rng(1).gamma(2.0, 50.0, size=(4, 3, 16, 16)).astype(np.float32)
    scaled = normalise(stack)
    assert scaled.dtype == np.float32 and scaled.shape == stack.shape
    assert scaled.min() == 0 and scaled.max() == 1
    np.testing.assert_allclose(normalise(stack * 7 + 100), scaled, atol=1e-4)
    brighter = stack.copy()
    brighter[0] *= 2
    assert normalise(brighter)[0].mean() > normalise(brighter)[1].mean() * 1.3  # frames keep their relation


def test_normalise_survives_constant_and_broken_values() -> None:
    assert normalise(np.full((2, 1, 4, 4), 9, np.float32)).max() == 0
    broken = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    broken[0, 0, 0, :2] = np.nan, np.inf
    assert np.isfinite(normalise(broken)).all()


def test_a_still_heart_shows_the_same_image_in_every_channel() -> None:
    frames = np.repeat(np.random.default_rng(2).random((1, 3, 4, 5), dtype=np.float32), 6, axis=0)
    seen = with_cycle(frames, (90.0, 10.0))
    assert seen.shape == (6, 3, 3, 4, 5)
    for channel in range(3):
        np.testing.assert_allclose(seen[:, :, channel], frames, atol=1e-6)


def test_channels_are_the_image_and_the_percentiles_over_frames() -> None:
    frames = np.random.default_rng(3).random((11, 2, 4, 5), dtype=np.float32)
    seen = with_cycle(frames, (100.0, 50.0, 0.0))
    np.testing.assert_array_equal(seen[:, :, 0], frames)
    for channel, of in ((1, np.max), (2, np.median), (3, np.min)):
        np.testing.assert_allclose(seen[4, :, channel], of(frames, axis=0), atol=1e-6)
    assert with_cycle(frames, ()).shape == (11, 2, 1, 4, 5)
