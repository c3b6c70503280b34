"""Landmarks: heat maps and coordinates to points (golden: shared/golden/models/functions), on to lengths and MAPSE."""

import numpy as np
import pytest
from functions_golden import arrays, needs_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from phantom_views import blank_study, true_points
from test_published import cine_of

from cinema_cli.domain.cine import View
from cinema_cli.domain.long_axis import LongAxisPoints, distances
from cinema_cli.inference.landmarks import (
    SIGMA_PX,
    brightest_points,
    coordinate_points,
    heat_map_points,
    published_points,
)
from cinema_cli.inference.published import NetworkView, prepare
from cinema_cli.inference.way_back import points_mm
from cinema_cli.phantom.anatomy import at_phase
from cinema_cli.phantom.study import Settings, set_up


def heat_map(xy: np.ndarray, *, size: tuple[int, int] = (256, 256)) -> np.ndarray:
    """Gaussians (frame, point, x, y) as the networks were trained on, round points (frame, point, 2)."""
    away = np.indices(size) - xy[..., None, None]  # (frame, point, 2, x, y)
    return np.exp(-0.5 * (away**2).sum(axis=2) / SIGMA_PX**2)


@needs_golden
def test_the_references_own_readings_are_repeated() -> None:
    gold = arrays("landmark")
    np.testing.assert_array_equal(published_points(gold["noisy_probs"]).reshape(2, 6), gold["soft_argmax"])
    np.testing.assert_array_equal(brightest_points(gold["noisy_probs"]).reshape(2, 6), gold["argmax"])


@needs_golden
def test_targets_of_the_reference_are_read_at_their_places() -> None:
    gold = arrays("landmark")["target_heatmaps"]
    whole = heat_map_points(gold).xy
    np.testing.assert_allclose(heat_map(np.rint(whole), size=gold.shape[2:]), gold, atol=1e-5)
    np.testing.assert_allclose(whole, np.rint(whole), atol=1e-5)


@needs_golden
def test_distances_agree() -> None:
    gold = arrays("landmark")
    found = distances(gold["pred_coords"].reshape(3, 3, 2), gold["true_coords"].reshape(3, 3, 2))
    for number in (1, 2, 3):
        np.testing.assert_allclose(found[:, number - 1], gold[f"metric/distance{number}"], rtol=1e-5)
    np.testing.assert_allclose(found.mean(axis=1), gold["metric/mean_distance"], rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.floats(1.0, 62.0), st.floats(1.0, 48.0), st.floats(0.3, 1.0), st.integers(0, 99))
def test_a_noisy_peak_is_found_within_a_quarter_of_a_voxel(x: float, y: float, height: float, seed: int) -> None:
    clean = height * heat_map(np.array([[[x, y]]]), size=(64, 50))
    exact = heat_map_points(clean)
    np.testing.assert_allclose(exact.xy[0, 0], (x, y), atol=1e-6)
    noisy = np.clip(clean + np.random.default_rng(seed).normal(0.0, 0.02 * height, clean.shape), 0.0, 1.0)
    assert np.linalg.norm(heat_map_points(noisy).xy[0, 0] - (x, y)) < 0.25
    assert heat_map_points(noisy).peaks[0, 0] == pytest.approx(height, abs=0.1)


def test_maps_without_a_peak_give_their_greatest_voxel() -> None:
    ramp = np.linspace(0.0, 1.0, 200).reshape(1, 1, 20, 10)
    assert np.isfinite(heat_map_points(ramp).xy).all()
    np.testing.assert_array_equal(heat_map_points(np.zeros((1, 2, 20, 10))).xy, 0.0)
    broken = np.full((1, 1, 20, 10), np.nan)
    assert np.isfinite(heat_map_points(broken).xy).all()


def test_coordinates_are_shares_of_width_and_height() -> None:
    answers = np.array([[0.25, 0.5, 0.1, 0.2, 1.0, 0.013]], np.float32)
    found = coordinate_points(answers, size=(256, 128))
    np.testing.assert_allclose(found.xy[0], [[64.0, 64.0], [25.6, 25.6], [256.0, 1.664]], rtol=1e-6)
    cut = coordinate_points(answers, size=(256, 128), truncate=True)
    np.testing.assert_array_equal(cut.xy[0], [[64, 64], [25, 25], [256, 1]])
    assert np.isnan(found.peaks).all()


def test_lengths_shortening_and_excursion_by_hand() -> None:
    ed = np.array([[-15.0, 0.0, 0.0], [15.0, 0.0, 0.0], [0.0, 0.0, 100.0]])
    es = ed + np.array([[3.0, 0.0, 14.0], [3.0, 0.0, 14.0], [0.0, 0.0, 2.0]])
    points = LongAxisPoints(np.stack([es, ed, (ed + es) / 2]))
    longest, shortest = points.extreme_frames
    assert (longest, shortest) == (1, 0)
    length = np.hypot(3.0, 88.0)
    np.testing.assert_allclose(points.lengths_mm, [length, 100.0, np.hypot(1.5, 94.0)])
    assert points.shortening_pct(ed_frame=1, es_frame=0) == pytest.approx(100.0 - length)
    assert points.mapse_mm(ed_frame=1, es_frame=0) == pytest.approx(14.0)  # sideways movement does not count
    displaced = points.annular_displacement_mm(ed_frame=1, es_frame=0)
    assert displaced == pytest.approx(np.hypot(3.0, 14.0))  # as the reference plots it
    assert points.mapse_mm(ed_frame=0, es_frame=1) < 0
    assert points.annular_displacement_mm(ed_frame=0, es_frame=1) == pytest.approx(displaced)


def test_missing_points_are_missing_numbers() -> None:
    points = np.zeros((3, 3, 3))
    points[:, 2, 2] = (90.0, 80.0, 85.0)
    points[1, 0] = np.nan
    found = LongAxisPoints(points)
    assert np.isnan(found.lengths_mm[1]) and found.extreme_frames == (0, 2)
    assert np.isnan(found.mapse_mm(ed_frame=0, es_frame=1)) and np.isnan(found.shortening_pct(ed_frame=0, es_frame=1))
    with pytest.raises(ValueError, match="no frame"):
        _ = LongAxisPoints(np.full((2, 3, 3), np.nan)).extreme_frames
    with pytest.raises(ValueError, match="three landmarks"):
        LongAxisPoints(np.zeros((3, 2, 3)))


def seen_points(view: NetworkView, mm: np.ndarray) -> np.ndarray:
    """Points (frame, point, 3) in mm as a perfect heat map network and the way back give them."""
    return points_mm(view, heat_map_points(heat_map(view.lattice.index(mm)[..., :2])).xy)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("view", [View.LAX_4C, View.LAX_2C])
def test_a_synthetic_hearts_excursion_comes_through_images_and_back(number: int, view: View) -> None:
    """From true landmarks over the network's voxels, heat maps and millimetres to MAPSE: the descent of the base."""
    setup = set_up(number, Settings(seed=7))
    cine = blank_study(setup).cines[view]
    rows, columns = cine.pixels.shape[2:]
    network = prepare(cine, centre=(rows / 2, columns / 2))
    true = true_points(setup, view)  # (ED and ES, point, 3)
    in_plane = true - ((true - cine.origins_mm[0]) @ cine.normal)[..., None] * cine.normal
    seen = seen_points(network, in_plane)
    np.testing.assert_allclose(seen, in_plane, atol=1e-3)
    found = LongAxisPoints(seen)
    heart = setup.person.heart
    ed, es = at_phase(heart, 0.0), at_phase(heart, heart.systole)
    assert found.mapse_mm(ed_frame=0, es_frame=1) == pytest.approx(ed.base - es.base, abs=1.0)
    assert found.lengths_mm[0] == pytest.approx(ed.base, rel=0.06)  # the plane may pass beside the apex
    assert found.extreme_frames == (0, 1)


def test_the_references_pixel_millimetres_are_ours_on_its_grid() -> None:
    """Lengths in voxels of 1 mm (the reference) are lengths in the patient, whatever the plane."""
    view = prepare(cine_of(np.zeros((1, 1, 200, 200)), view=View.LAX_4C), centre=(100.0, 90.0))
    xy = np.array([[[50.0, 40.0], [80.0, 44.0], [70.0, 140.0]]])
    flat, deep = LongAxisPoints(xy), LongAxisPoints(points_mm(view, xy))
    np.testing.assert_allclose(flat.lengths_mm, deep.lengths_mm)
