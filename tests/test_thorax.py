"""Tissues: what is counted in them is what the closed-form surfaces say, here and in the upright body."""

import numpy as np
import pytest

from cinema_cli.domain.cine import Label
from cinema_cli.phantom.anatomy import Condition, at_phase, volumes
from cinema_cli.phantom.body import moving_part, moving_tissues, sample_body, still_tissues
from cinema_cli.phantom.planes import sample_placement
from cinema_cli.phantom.population import sample_heart
from cinema_cli.phantom.thorax import sample_surroundings, thorax_tissues
from cinema_cli.phantom.tissue import LABEL_OF, Tissue
from cinema_cli.phantom.ventricles import Scene, paint_ventricles, sample_scene

STEP_MM = 1.7


def _grid(length: float, reach: float) -> np.ndarray:
    across = np.arange(-reach, reach, STEP_MM, dtype=np.float32)
    along = np.arange(-25.0, length + 14.0, STEP_MM, dtype=np.float32)
    return np.stack(np.meshgrid(across, across, along, indexing="ij"), axis=-1)


def tissues(scene: Scene, points: np.ndarray, phase: float) -> np.ndarray:
    """Tissues in a random thorax, always the same one for a heart."""
    rng = np.random.default_rng(scene.heart.seed)
    return thorax_tissues(scene, sample_surroundings(rng, scene.heart, n_decoys=3), points, phase)


@pytest.mark.parametrize("condition", [Condition.HEALTHY, Condition.RV_DISEASE])
def test_counted_voxels_agree_with_integrals(condition: Condition) -> None:
    rng = np.random.default_rng(5)
    heart = sample_heart(rng, condition, size=0.8)
    scene = sample_scene(rng, heart)
    points = _grid(heart.length, heart.radius + heart.wall + heart.rv_width + 8.0)
    for phase in (0.0, heart.systole):
        codes = np.zeros(points.shape[:-1], np.uint8)
        paint_ventricles(codes, scene, at_phase(heart, phase), points)
        counts = np.bincount(LABEL_OF[codes].ravel(), minlength=4) * STEP_MM**3 / 1000.0
        true = volumes(at_phase(heart, phase))
        assert counts[Label.LV] == pytest.approx(true.lv_ml, rel=0.025)
        assert counts[Label.MYO] == pytest.approx(true.myo_ml, rel=0.025)
        assert counts[Label.RV] == pytest.approx(true.rv_ml, rel=0.025)


@pytest.mark.parametrize("phase", [0.0, 0.35, 0.8])
def test_the_upright_body_has_the_same_ventricles(phase: float) -> None:
    rng = np.random.default_rng(8)
    heart = sample_heart(rng, Condition.INFARCTED)
    scene = sample_scene(rng, heart)
    body = sample_body(rng, scene, sample_placement(rng))
    points = _grid(heart.length, 90.0)[::2, ::2, ::3]
    codes = still_tissues(body, points)
    assert not LABEL_OF[codes].any()  # without its heart the body has no labels
    part = moving_part(body, points, codes)
    codes[part.where] = moving_tissues(body, part, phase)
    expected = LABEL_OF[tissues(scene, points, phase)]
    assert expected.any()
    np.testing.assert_array_equal(LABEL_OF[codes], expected)


def test_the_heart_lies_inside_the_chest() -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        heart = sample_heart(rng, list(Condition)[seed % 5])
        body = sample_body(rng, sample_scene(rng, heart), sample_placement(rng))
        points = _grid(heart.length, 80.0)[::4, ::4, ::4]
        ventricles = LABEL_OF[tissues(body.scene, points, 0.0)] > 0
        around = still_tissues(body, points)[ventricles]
        assert not np.isin(around, [Tissue.AIR, Tissue.SKIN_FAT]).any()


def test_tissues_are_deterministic() -> None:
    def draw() -> np.ndarray:
        rng = np.random.default_rng(2)
        scene = sample_scene(rng, sample_heart(rng, Condition.DILATED))
        return tissues(scene, _grid(60.0, 60.0)[::2, ::2, ::4], 0.2)

    np.testing.assert_array_equal(draw(), draw())
