"""Laws of the beating heart: mass is kept, fractions are fractions, groups are what they are called."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.phantom.anatomy import Condition, Ventricles, activation, at_phase, lvef_pct, volumes
from cinema_cli.phantom.population import sample_heart

EF_PCT = {  # as phantom.population states them
    Condition.HEALTHY: (52, 72), Condition.DILATED: (10, 42), Condition.HYPERTROPHIC: (50, 80),
    Condition.INFARCTED: (22, 52), Condition.RV_DISEASE: (42, 68),
}  # fmt: skip
seeds = st.integers(0, 2**31)
conditions = st.sampled_from(list(Condition))
HEART = sample_heart(np.random.default_rng(7), Condition.HEALTHY)


@settings(max_examples=8, deadline=None)
@given(seed=seeds, condition=conditions)
def test_mass_is_kept_from_ed_to_es(seed: int, condition: Condition) -> None:
    heart = sample_heart(np.random.default_rng(seed), condition)
    ed, es = volumes(at_phase(heart, 0.0)), volumes(at_phase(heart, heart.systole))
    assert es.mass_g == pytest.approx(ed.mass_g, rel=0.01)


@settings(max_examples=8, deadline=None)
@given(seed=seeds, condition=conditions)
def test_both_ventricles_eject_a_share_of_their_volume(seed: int, condition: Condition) -> None:
    heart = sample_heart(np.random.default_rng(seed), condition)
    ed, es = volumes(Ventricles(heart, 0.0)), volumes(Ventricles(heart, 1.0))
    assert 0.0 < lvef_pct(heart) < 100.0
    assert 0.0 < es.lv_ml < ed.lv_ml
    assert 0.0 < es.rv_ml < ed.rv_ml


@settings(max_examples=8, deadline=None)
@given(phase=st.floats(-3.0, 3.0))
def test_activation_is_periodic_and_within_ed_and_es(phase: float) -> None:
    heart = HEART
    assert activation(heart, phase) == pytest.approx(activation(heart, phase + 1.0), abs=1e-5)
    assert 0.0 <= activation(heart, phase) <= 1.0
    assert activation(heart, 0.0) == pytest.approx(0.0, abs=1e-9)
    assert activation(heart, heart.systole) == pytest.approx(1.0)


def test_a_seed_gives_the_same_heart() -> None:
    def draw(seed: int) -> object:
        return sample_heart(np.random.default_rng(seed), Condition.DILATED)

    assert draw(3) == draw(3)
    assert draw(3) != draw(4)


def test_size_scales_volumes() -> None:
    small, large = (
        [volumes(Ventricles(sample_heart(np.random.default_rng(s), Condition.HEALTHY, size=size), 0.0)).lv_ml
         for s in range(2)]
        for size in (0.8, 1.0)
    )  # fmt: skip
    assert np.mean(small) == pytest.approx(0.8 * np.mean(large), rel=0.03)


def test_groups_fulfil_their_definitions() -> None:
    """ACDC's definitions (Bernard et al., IEEE TMI 2018;37:2514): DCM EF < 40 %, HCM wall > 15 mm, RV > 110 ml/m2."""
    hearts = {c: [sample_heart(np.random.default_rng(s), c) for s in range(24)] for c in Condition}
    drawn = {c: [lvef_pct(h) for h in group] for c, group in hearts.items()}
    for condition, (least, most) in EF_PCT.items():
        assert all(least - 0.5 < ef < most + 0.5 for ef in drawn[condition]), condition
    ef = {c: np.mean(values) for c, values in drawn.items()}
    rv = {c: np.mean([volumes(Ventricles(h, 0.0)).rv_ml for h in group]) for c, group in hearts.items()}
    thickest = {c: np.mean([_thickest_mm(h) for h in group]) for c, group in hearts.items()}
    assert max(ef[Condition.DILATED], ef[Condition.INFARCTED]) < 40.0 < 52.0 < ef[Condition.HEALTHY]
    assert 52.0 < ef[Condition.HEALTHY] < 72.0
    assert thickest[Condition.HYPERTROPHIC] > 15.0 > thickest[Condition.HEALTHY]
    assert rv[Condition.RV_DISEASE] / 1.9 > 110.0 > rv[Condition.HEALTHY] / 1.9  # body surface of 1.9 m2


def _thickest_mm(heart: object) -> float:
    state = Ventricles(heart, 0.0)  # type: ignore[arg-type]
    angle = np.linspace(0, 2 * np.pi, 90, dtype=np.float32)[None, :]
    height = (np.linspace(0.2, 0.9, 20, dtype=np.float32) * np.float32(state.base))[:, None]
    return float((state.epi(angle, height) - state.endo(angle, height)).max())
