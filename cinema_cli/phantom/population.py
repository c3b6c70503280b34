"""Hearts as populations have them: healthy, dilated, hypertrophic, infarcted, with a diseased right ventricle.

Sizes are drawn from ranges that hold the published adult ones: volumes, mass and EF of Petersen et al., J Cardiovasc
Magn Reson 2017;19:18 (UK Biobank); wall thickness, MAPSE and TAPSE of Kawel-Boehm et al., J Cardiovasc Magn Reson
2020;22:87; patient groups after the ACDC definitions (Bernard et al., IEEE Trans Med Imaging 2018;37:2514: DCM has an
EF under 40 %, HCM a wall over 15 mm, RV disease a volume over 110 ml/m2).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cinema_cli.phantom.anatomy import Condition, Heart, TrueVolumes, Ventricles, volumes

_STRONGEST = 0.15  # scale of a radius at ES over that at ED: no muscle shortens further


@dataclass(frozen=True, slots=True)
class Group:
    """Ranges (low, high) from which a group's hearts are drawn."""

    edv_ml: tuple[float, float]
    ef_pct: tuple[float, float]
    wall_mm: tuple[float, float]
    rv_ml: tuple[float, float]
    rvef_pct: tuple[float, float]


GROUPS: dict[Condition, Group] = {
    Condition.HEALTHY: Group((90, 210), (52, 72), (4.5, 9.5), (100, 240), (46, 68)),
    Condition.DILATED: Group((190, 400), (10, 42), (4.5, 10.0), (110, 280), (18, 58)),
    Condition.HYPERTROPHIC: Group((85, 200), (50, 80), (8.5, 15.0), (80, 200), (45, 72)),
    Condition.INFARCTED: Group((110, 300), (22, 52), (4.5, 10.0), (80, 220), (35, 65)),
    Condition.RV_DISEASE: Group((70, 200), (42, 68), (4.0, 8.5), (190, 400), (8, 45)),
}


def _uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(rng.uniform(*limits))


def sample_heart(rng: np.random.Generator, condition: Condition, *, size: float = 1.0) -> Heart:
    """Draw a heart of the group `condition`; `size` scales its volumes (body size)."""
    group = GROUPS[condition]
    edv = _uniform(rng, group.edv_ml) * size
    slenderness = rng.normal(3.3, 0.35) if condition is not Condition.DILATED else rng.normal(2.9, 0.3)
    slenderness = float(np.clip(slenderness, 2.2, 4.2))
    radius = float((edv * 1000.0 / (slenderness * 2.2)) ** (1 / 3))
    loaded = condition is Condition.RV_DISEASE
    hyper = condition is Condition.HYPERTROPHIC
    infarcted = condition is Condition.INFARCTED
    wall = _uniform(rng, group.wall_mm)
    heart = Heart(
        condition=condition,
        length=radius * slenderness,
        radius=radius,
        profile=float(rng.uniform(1.9, 3.0)),
        basal_narrowing=float(rng.uniform(0.0, 0.2)),
        ovality=float(np.clip(abs(rng.normal(0, 0.05)), 0, 0.14)),
        ovality_angle=float(rng.uniform(0, np.pi)),
        wall=wall,
        septal_bulge=float(rng.uniform(0.2, min(1.3, 26.0 / wall - 1.0))) if hyper else float(rng.uniform(-0.1, 0.35)),
        bulge_angle=float(np.pi + rng.normal(0.2, 0.7)),
        apical_thinning=float(rng.uniform(-0.4, 0.2)) if hyper else float(rng.uniform(0.0, 0.5)),
        outline=tuple(float(v) for v in rng.normal(0, 0.015, 4)),
        septal_flattening=float(rng.uniform(0.0, 0.5)) if loaded else float(max(0.0, rng.normal(0, 0.04))),
        radial_scale=0.7,
        apical_closure=float(rng.uniform(0.1, 0.7)) if hyper else float(rng.uniform(0.0, 0.45)),
        descent=_uniform(rng, (4, 10) if condition is Condition.DILATED else (7, 16)),
        infarct=float(rng.uniform(0.4, 1.0)) if infarcted else 0.0,
        infarct_angle=float(rng.uniform(0, 2 * np.pi)),
        infarct_height=float(rng.uniform(0.1, 0.8)),
        infarct_width=float(rng.uniform(0.4, 0.9)),
        rv_width=30.0,
        rv_angle=float(rng.uniform(1.25, 1.85) if loaded else rng.uniform(1.05, 1.6)),
        rv_tilt=float(rng.normal(0.05, 0.18)),
        rv_outflow=float(rng.uniform(0.0, 0.75)),
        rv_apex=float(rng.uniform(-0.15, 0.1) if loaded else rng.uniform(-0.08, 0.14)),
        rv_round=float(rng.uniform(0.35, 0.75)),
        rv_diaphragm=(float(rng.normal(1.95, 0.2)), float(rng.uniform(1.1, 1.7) + 0.35 * loaded)),
        rv_sternum=(float(rng.normal(4.05, 0.25)), float(rng.uniform(1.15, 1.9) + 0.35 * loaded)),
        rv_scale=0.6,
        rv_above=float(rng.uniform(-5, 5)),
        rv_infundibulum=float(rng.uniform(0, 22)),
        rv_descent=_uniform(rng, (8, 20) if loaded else (15, 27)),
        rv_wall=float(rng.uniform(1.5, 7.0) if loaded else rng.uniform(1.0, 3.0)),
        systole=float(rng.uniform(0.3, 0.42)),
        kick=float(rng.uniform(0.1, 0.35)),
        wobble=float(rng.normal(0.12, 0.05)),
        papillary=(
            float(rng.normal(-0.75, 0.25)), float(rng.uniform(3.0, 8.0)),
            float(rng.normal(1.45, 0.3)), float(rng.uniform(3.0, 8.0)),
        ),
        trabeculation=float(rng.uniform(0.1, 1.3)),
        rv_trabeculation=float(rng.uniform(0.0, 1.0)),
        rim=float(rng.uniform(0.8, 2.8)),
        outflow=(float(rng.normal(3.7, 0.4)), float(rng.uniform(0.0, 1.3)), float(rng.uniform(4.0, 20.0))),
        seed=int(rng.integers(2**31)),
    )  # fmt: skip
    heart = _with_volume(heart, edv)
    heart = _with_lvef(heart, _uniform(rng, group.ef_pct))
    heart = _with_rv_volume(heart, _uniform(rng, group.rv_ml) * size)
    return _with_rvef(heart, _uniform(rng, group.rvef_pct))


def _with_volume(heart: Heart, edv_ml: float) -> Heart:
    """Scale length and radius so that the ED volume is `edv_ml`."""
    for _ in range(3):
        scale = (edv_ml / _coarse(heart, 0.0).lv_ml) ** (1 / 3)
        heart = replace(heart, length=heart.length * scale, radius=heart.radius * scale)
    return heart


def _with_rv_volume(heart: Heart, rv_ml: float) -> Heart:
    """Scale the RV's width so that its ED volume is `rv_ml` (bounded: 14 to 85 mm)."""
    for _ in range(8):
        now = _coarse(heart, 0.0).rv_ml
        width = float(np.clip(heart.rv_width * (rv_ml / max(now, 1.0)) ** 0.8, 14.0, 85.0))
        heart = replace(heart, rv_width=width)
    return heart


def _coarse(heart: Heart, active: float) -> TrueVolumes:
    """Volumes good enough to choose parameters by."""
    return volumes(Ventricles(heart, active), n_angles=60, n_heights=60)


def _with_lvef(heart: Heart, target_pct: float) -> Heart:
    """Let the LV contract to the EF `target_pct`; a scar too wide for that is made narrower."""

    def ef_pct(radial_scale: float) -> float:
        contracted = _coarse(replace(heart, radial_scale=radial_scale), 1.0)
        return 100.0 * (1.0 - contracted.lv_ml / _coarse(heart, 0.0).lv_ml)

    while heart.infarct and heart.infarct_width > 0.1 and ef_pct(_STRONGEST) < target_pct:
        heart = replace(heart, infarct_width=0.8 * heart.infarct_width)
    return replace(heart, radial_scale=_bisect(lambda scale: ef_pct(scale) > target_pct))


def _with_rvef(heart: Heart, target_pct: float) -> Heart:
    """Let the RV contract to the EF `target_pct`, or as near as it gets."""
    ed = _coarse(heart, 0.0).rv_ml
    scale = _bisect(lambda s: 100.0 * (1.0 - _coarse(replace(heart, rv_scale=s), 1.0).rv_ml / ed) > target_pct)
    return replace(heart, rv_scale=scale)


def _bisect(too_strong: Callable[[float], bool]) -> float:
    """Contraction scale in _STRONGEST..1 at which `too_strong` changes from true to false."""
    low, high = _STRONGEST, 1.0
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if too_strong(middle) else (low, middle)
    return 0.5 * (low + high)
