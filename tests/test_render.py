"""Images: blood brighter than muscle, noise as asked for, partial volume, the still body drawn once like each time."""

from dataclasses import replace

import numpy as np
import pytest

from cinema_cli.domain.cine import Label, View
from cinema_cli.phantom.acquisition import Protocol, acquire_cine, ed_es_frames, phases
from cinema_cli.phantom.anatomy import Condition
from cinema_cli.phantom.body import Body, sample_body
from cinema_cli.phantom.planes import lax_plane, sample_placement, sax_stack
from cinema_cli.phantom.population import sample_heart
from cinema_cli.phantom.render import magnitude, sample_appearance
from cinema_cli.phantom.ventricles import sample_scene

PROTOCOL = Protocol((72, 72), 2.2, 8.0, 9.0, 6, 900.0, 0.1)


def _body(seed: int = 1) -> Body:
    rng = np.random.default_rng(seed)
    return sample_body(rng, sample_scene(rng, sample_heart(rng, Condition.HEALTHY)), sample_placement(rng))


def test_blood_is_brighter_than_muscle() -> None:
    rng = np.random.default_rng(0)
    body = _body()
    plane = sax_stack(rng, body.scene.heart, step_mm=9.0)[4]
    cine = acquire_cine(body, plane, PROTOCOL, sample_appearance(rng), rng, moments=np.array([0.0]))
    assert np.median(cine.signal[cine.labels == Label.LV]) > 1.4 * np.median(cine.signal[cine.labels == Label.MYO])


@pytest.mark.parametrize("view", [View.LAX_2C, View.LAX_3C, View.LAX_4C])
def test_long_axis_views_show_what_they_are_named_after(view: View) -> None:
    rng = np.random.default_rng(3)
    body = _body(4)
    cine = acquire_cine(
        body, lax_plane(rng, body.scene.heart, view), PROTOCOL, sample_appearance(rng), rng, moments=phases(PROTOCOL)
    )
    areas = np.stack([(cine.labels == label).sum(axis=(1, 2)) for label in Label], axis=-1)
    assert cine.signal.shape == (6, 72, 72)
    assert (areas[:, Label.LV] > 100).all()
    assert (areas[:, Label.MYO] > 60).all()
    if view is View.LAX_4C:
        assert (areas[:, Label.RV] > 100).all()
    ed, es = ed_es_frames(body.scene.heart, PROTOCOL)
    assert areas[ed, Label.LV] > areas[es, Label.LV]


def test_what_lies_far_from_the_heart_does_not_move() -> None:
    rng = np.random.default_rng(3)
    body = _body()
    plane = sax_stack(rng, body.scene.heart, step_mm=9.0)[4]
    look = replace(sample_appearance(rng), noise=0.0)
    cine = acquire_cine(body, plane, PROTOCOL, look, rng, moments=phases(PROTOCOL))
    spread = np.ptp(cine.signal, axis=0)
    assert spread[:4].max() < 1e-5
    assert spread[36 - 8 : 36 + 8, 36 - 8 : 36 + 8].max() > 0.2


def test_noise_has_the_asked_strength_where_there_is_signal() -> None:
    rng = np.random.default_rng(1)
    look = replace(sample_appearance(rng), noise=0.03, gamma=1.0)
    flat = np.full((200, 200), 0.8, np.float32)
    noisy = magnitude(flat, look, rng, pixel_mm=(1.5, 1.5))
    assert noisy.std() == pytest.approx(0.03, rel=0.1)
    assert noisy.mean() == pytest.approx(0.8, abs=0.005)


def test_a_thick_slice_blurs_the_apex() -> None:
    """Partial volume: near the apex a thick slice mixes cavity, muscle and what lies below."""
    rng = np.random.default_rng(2)
    body = _body()
    look = replace(sample_appearance(rng), noise=0.0, flow=0.0, texture=0.0)
    plane = sax_stack(rng, body.scene.heart, step_mm=9.0)[0]
    apical = replace(plane, centre=np.array([0.0, 0.0, 3.0]))
    thin, thick = (
        acquire_cine(body, apical, replace(PROTOCOL, thickness_mm=t), look, rng, moments=np.array([0.0])).signal
        for t in (0.1, 16.0)
    )
    assert np.abs(thick - thin).max() > 0.15
