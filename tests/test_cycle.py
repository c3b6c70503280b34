"""ED and ES on volume curves: clean, shifted, noisy, partial, short."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.inference.cycle import find_frames, is_periodic, smooth_curve, unimodality, volume_curves
from cinema_cli.phantom.anatomy import Condition, activation
from cinema_cli.phantom.population import sample_heart

HEART = sample_heart(np.random.default_rng(5), Condition.HEALTHY)


def beat(n: int, *, ed: int = 0, edv: float = 150.0, esv: float = 60.0) -> np.ndarray:
    """A volume curve: systole in 35% of the cycle, rapid filling, diastasis, atrial kick."""
    phase = ((np.arange(n) - ed) / n) % 1.0
    points = [(0, 1.0), (0.05, 0.97), (0.35, 0.0), (0.55, 0.72), (0.8, 0.8), (0.95, 0.99), (1.0, 1.0)]
    return esv + (edv - esv) * np.interp(phase, *zip(*points, strict=True))


@settings(max_examples=40, deadline=None)
@given(st.integers(16, 50), st.integers(0, 49))
def test_ed_and_es_are_found_wherever_the_cycle_starts(n: int, ed: int) -> None:
    found = find_frames(beat(n, ed=ed % n))

    def off(a: int, b: float) -> float:
        return abs((a - b + n / 2) % n - n / 2)

    assert off(found.ed_frame, ed % n) <= max(1, 0.05 * n)
    assert off(found.es_frame, ed % n + 0.35 * n) <= max(1, 0.04 * n)
    assert found.unimodality > 0.85


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 19), st.integers(0, 19))
def test_rolling_the_frames_rolls_the_answer(shift: int, seed: int) -> None:
    curve = beat(20) + np.random.default_rng(seed).normal(0, 1.5, 20)
    plain, rolled = find_frames(curve), find_frames(np.roll(curve, shift))
    assert rolled.ed_frame == (plain.ed_frame + shift) % 20
    assert rolled.es_frame == (plain.es_frame + shift) % 20


def test_one_wild_frame_does_not_become_ed_or_es() -> None:
    curve = beat(25)
    for frame, wild in ((15, 260.0), (3, 5.0), (20, 0.0)):
        broken = curve.copy()
        broken[frame] = wild
        found = find_frames(broken)
        assert found.ed_frame in (0, 1, 24) and found.es_frame in (8, 9, 10)


@pytest.mark.parametrize("kick", [0.0, 0.05, 0.1, 0.2, 0.35])
def test_ed_is_the_end_of_filling_with_and_without_an_atrial_kick(kick: float) -> None:
    """Without a kick, as in atrial fibrillation, the ventricle is nearly full long before it contracts."""
    rng = np.random.default_rng(3)
    for n in (16, 20, 25, 30, 50):
        heart = replace(HEART, kick=kick, systole=float(rng.uniform(0.3, 0.42)))
        phases = (rng.uniform() + np.arange(n) / n) % 1.0
        volume = 160.0 - 90.0 * np.array([activation(heart, float(p)) for p in phases])
        found = find_frames(volume + rng.normal(0.0, 0.9, n))
        for frame, moment in ((found.ed_frame, 0.0), (found.es_frame, heart.systole)):
            true = int(np.argmin(np.abs((phases - moment + 0.5) % 1.0 - 0.5)))
            assert abs((frame - true + n // 2) % n - n // 2) <= 1, (n, moment)


def test_of_a_few_frames_that_cannot_be_told_apart_ed_is_the_last_and_es_the_middle() -> None:
    short = np.array([99.9, 80.0, 60.0, 80.0, 99.8, 100.0])  # too few frames to smooth: the plateau is 4, 5, 0
    assert find_frames(short).ed_frame == 0
    assert find_frames(np.roll(short, 2)).ed_frame == 2
    even = np.array([99.0, 80.0, 60.0, 60.1, 80.0, 99.1])
    assert (find_frames(even).ed_frame, find_frames(even).es_frame) == (0, 2)


def test_part_of_a_cycle_is_not_wrapped() -> None:
    curve = beat(30)[:14]  # systole only: starts at ED, ends while filling
    assert not is_periodic(curve)
    found = find_frames(curve)
    assert found.ed_frame <= 1 and found.es_frame in (10, 11)


@pytest.mark.parametrize(("curve", "ed", "es"), [([70, 120], 1, 0), ([80, 150, 90], 1, 0), ([5.0], 0, 0)])
def test_few_frames_are_taken_as_they_are(curve: list[float], ed: int, es: int) -> None:
    found = find_frames(np.array(curve, float))
    assert (found.ed_frame, found.es_frame) == (ed, es)


def test_a_constant_curve_and_no_curve() -> None:
    found = find_frames(np.full(20, 80.0))
    assert found.ed_frame == found.es_frame and found.unimodality == 1.0
    with pytest.raises(ValueError, match="at least one"):
        find_frames(np.array([]))


def test_smoothing_keeps_parabolas_and_the_size_of_the_beat() -> None:
    parabola = (np.arange(40) - 18.0) ** 2
    np.testing.assert_allclose(smooth_curve(parabola)[8:-8], parabola[8:-8], atol=1e-6)
    assert np.ptp(smooth_curve(beat(25))) > 0.9 * np.ptp(beat(25))


def test_unimodality_tells_one_beat_from_two() -> None:
    assert unimodality(beat(30)) > 0.95
    assert unimodality(np.cos(np.arange(30) * 4 * np.pi / 30)) == pytest.approx(0.5, abs=0.02)


def test_curves_count_voxels() -> None:
    masks = np.zeros((3, 2, 4, 4), np.uint8)
    masks[0, :, :2] = 3
    masks[1, 0, :2] = 2
    masks[2, 0, 0, 0] = 1
    curves = volume_curves(masks, voxel_ml=0.5, times_ms=np.arange(3.0))
    assert curves.lv_ml.tolist() == [8, 0, 0] and curves.myo_ml.tolist() == [0, 4, 0]
    assert curves.rv_ml.tolist() == [0, 0, 0.5]
