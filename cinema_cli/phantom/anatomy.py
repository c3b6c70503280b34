"""A parametric, beating, bi-ventricular heart: surfaces in closed form, so volumes and mass are known.

Heart coordinates (mm): h runs along the LV long axis from the endocardial apex (0) to the mitral plane at ED; x points
from the septum to the lateral wall, y from the anterior to the inferior wall. In a short-axis image seen from the apex
x is to the right and y is down. The apex stays in place, the base descends (MAPSE). All surfaces are polar about the
long axis, r(angle, h), angle 0 = lateral, pi/2 = inferior, pi = septal, 3 pi/2 = anterior.

Sizes are drawn from ranges that hold the published adult ones: volumes, mass and EF of Petersen et al., J Cardiovasc
Magn Reson 2017;19:18 (UK Biobank); wall thickness, MAPSE and TAPSE of Kawel-Boehm et al., J Cardiovasc Magn Reson
2020;22:87; patient groups after the ACDC definitions (Bernard et al., IEEE Trans Med Imaging 2018;37:2514: DCM has an
EF under 40 %, HCM a wall over 15 mm, RV disease a volume over 110 ml/m2).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def _float32(values: NDArray[Any]) -> Array:
    """As float32: NumPy widens where a Python float meets a double."""
    narrow: Array = values.astype(np.float32, copy=False)
    return narrow


MYOCARDIAL_DENSITY_G_ML = 1.05
OUTFLOW_ANGLE = 4.2  # where the RV's outflow tract begins: in front, towards the septum
_CORNER = 3.0  # how sharply the flat sides of the RV meet its free wall


class Condition(StrEnum):
    """Groups of hearts."""

    HEALTHY = "healthy"
    DILATED = "dilated"
    HYPERTROPHIC = "hypertrophic"
    INFARCTED = "infarcted"
    RV_DISEASE = "rv_disease"


@dataclass(frozen=True, slots=True)
class Heart:
    """Parameters of one heart. Lengths in mm at ED, fractions in 0..1, angles in radians."""

    condition: Condition
    length: float  # endocardial apex to mitral plane
    radius: float  # largest endocardial radius
    profile: float  # exponent of the long-axis profile: 2 = ellipsoid, more = blunter
    basal_narrowing: float  # share by which the cavity narrows at the mitral plane
    ovality: float  # second harmonic of the outline
    ovality_angle: float
    wall: float  # mean wall thickness
    septal_bulge: float  # extra septal thickness relative to `wall`
    bulge_angle: float
    apical_thinning: float
    outline: tuple[float, ...]  # cos/sin of harmonics 3 and 4 of the outline, relative to the radius
    septal_flattening: float  # D-shape of a loaded RV
    radial_scale: float  # endocardial radius at ES / ED far from the apex
    apical_closure: float  # further narrowing of the ES cavity towards the apex
    descent: float  # MAPSE
    infarct: float  # 0 none .. 1 akinetic
    infarct_angle: float
    infarct_height: float  # relative height of its centre
    infarct_width: float  # radians
    rv_width: float  # septum to free wall, at the base
    rv_angle: float  # half of the angle that the RV covers at the base
    rv_tilt: float  # where the RV is widest, relative to the septum (radians)
    rv_outflow: float  # how far the RV turns towards the anterior side where its outflow tract begins (radians)
    rv_apex: float  # relative height of the RV apex
    rv_round: float  # exponent of the free wall: smaller = boxier
    rv_diaphragm: tuple[float, float]  # the flat inferior side: its direction, distance relative to the LV's outside
    rv_sternum: tuple[float, float]  # the flat anterior side, likewise
    rv_scale: float  # RV width at ES / ED
    rv_above: float  # how far the tricuspid plane lies above the mitral plane
    rv_infundibulum: float  # how far the outflow tract, in front, reaches above the tricuspid plane
    rv_descent: float  # TAPSE
    rv_wall: float
    systole: float  # share of the cycle from ED to ES
    kick: float  # share of filling by the atrial contraction
    wobble: float = 0.0  # twist at ES, radians
    papillary: tuple[float, ...] = field(default=(0.7, 5.0, 2.0, 5.0))  # angle, radius, angle, radius
    trabeculation: float = 0.5
    rim: float = 1.4  # fine trabeculae that line every wall, and the pericardium: dark, but not counted as wall
    outflow: tuple[float, float, float] = (3.6, 0.6, 10.0)  # opening to the aorta: direction, half width, depth
    seed: int = 0


def activation(heart: Heart, phase: float) -> float:
    """Contraction, 0 (ED) .. 1 (ES), at `phase` in 0..1: ejection, rapid filling, diastasis, atrial kick."""
    phase = phase % 1.0
    s = heart.systole
    if phase <= s:
        return float(0.5 - 0.5 * np.cos(np.pi * (phase / s)))
    rest = (phase - s) / (1.0 - s)
    early = 1.0 / (1.0 + np.exp((rest - 0.22) / 0.06))
    late = 1.0 / (1.0 + np.exp((rest - 0.86) / 0.03))
    start, end = 1.0 / (1.0 + np.exp(-0.22 / 0.06)), 1.0 / (1.0 + np.exp(0.14 / 0.03))
    filling = (1.0 - heart.kick) * early / start + heart.kick * (late - end) / (1.0 - end)
    return float(np.clip(filling, 0.0, 1.0))


def _bump(angle: Array, centre: float, width: float) -> Array:
    """Smooth bump of height 1 around `centre`, periodic."""
    return _float32(np.exp((np.cos(angle - centre) - 1.0) / width**2))


def _endo_ed(heart: Heart, angle: Array, u: Array) -> Array:
    """Endocardial radius at ED, mm; `u` is the relative height (0 apex, 1 base)."""
    v = np.clip(1.0 - u, 0.0, 1.0)
    long_axis = np.sqrt(np.clip(1.0 - v**heart.profile, 0.0, 1.0))
    long_axis = long_axis * (1.0 - heart.basal_narrowing * np.clip((u - 0.7) / 0.3, 0.0, 1.0) ** 2)
    c3, s3, c4, s4 = heart.outline
    shape = (
        1.0
        + heart.ovality * np.cos(2 * (angle - heart.ovality_angle))
        + c3 * np.cos(3 * angle)
        + s3 * np.sin(3 * angle)
        + c4 * np.cos(4 * angle)
        + s4 * np.sin(4 * angle)
        - heart.septal_flattening * _bump(angle, np.pi, 0.6)
    )
    return _float32(heart.radius * long_axis * shape)


def _wall_ed(heart: Heart, angle: Array, u: Array) -> Array:
    """Wall thickness at ED, mm."""
    bulge = 1.0 + heart.septal_bulge * _bump(angle, heart.bulge_angle, 0.8) * np.clip(u * 3.0, 0.0, 1.0)
    apical = 1.0 - heart.apical_thinning * np.clip(1.0 - u / 0.4, 0.0, 1.0)
    scar = 1.0 - 0.3 * heart.infarct * _scar(heart, angle, u)
    return _float32(heart.wall * bulge * apical * scar)


def _scar(heart: Heart, angle: Array, u: Array) -> Array:
    """Weight of the infarct at a wall point, 0..1."""
    along = np.exp(-(((u - heart.infarct_height) / 0.3) ** 2))
    return _float32(_bump(angle, heart.infarct_angle, heart.infarct_width) * along)


@dataclass(frozen=True, slots=True)
class Ventricles:
    """Surfaces of a heart at one moment. `base` is the height of the mitral plane now, `active` the contraction."""

    heart: Heart
    active: float

    @property
    def base(self) -> float:
        """Height of the mitral plane, mm."""
        return self.heart.length - self.heart.descent * self.active

    @property
    def apex_wall(self) -> float:
        """Thickness of the apical cap, mm."""
        h = self.heart
        return h.wall * (1.0 - h.apical_thinning)

    def endo(self, angle: Array, height: Array) -> Array:
        """Endocardial radius in mm; 0 below the apex and where the cavity has closed (under 1.5 mm)."""
        h = self.heart
        u = np.clip(height / self.base, 0.0, 1.0).astype(np.float32)
        scale = h.radial_scale * (1.0 - h.apical_closure * np.clip(1.0 - u / 0.6, 0.0, 1.0) ** 1.5)
        if h.infarct:
            scale = scale + (1.0 - scale) * h.infarct * _scar(h, angle, u)
        radius = _endo_ed(h, angle, u) * (1.0 - self.active * (1.0 - scale))
        return _float32(np.where((radius < 1.5) | (height < 0.0), 0.0, radius))

    def epi(self, angle: Array, height: Array) -> Array:
        """Epicardial radius in mm. Each piece of wall keeps its volume: it thickens as it shortens."""
        h = self.heart
        stretch = h.length / self.base
        u = np.clip(height / self.base, 0.0, 1.0).astype(np.float32)
        endo_ed = _endo_ed(h, angle, u)
        outer_ed = np.maximum(endo_ed + _wall_ed(h, angle, u), self._floor(u))
        area = (outer_ed**2 - endo_ed**2) * stretch  # twice the wall's area per radian
        radius = np.sqrt(self.endo(angle, np.maximum(height, 0.0)) ** 2 + area)
        cap = np.sqrt(np.clip(1.0 - (np.minimum(height, 0.0) / self.apex_wall) ** 2, 0.0, 1.0))
        return _float32(radius * cap)

    def _floor(self, u: Array) -> Array:
        """Least epicardial radius near the apex: a rounded tip instead of a needle."""
        return _float32(self.heart.wall * 1.5 * np.sqrt(np.clip(u + 0.35, 0.0, 1.0)))

    def rv_top(self) -> float:
        """Height of the tricuspid plane, mm."""
        h = self.heart
        return h.length + h.rv_above - h.rv_descent * self.active

    def top(self) -> float:
        """Height of the highest part of both ventricles, mm."""
        return max(self.base, self.rv_top() + self.heart.rv_infundibulum)

    def rv_roof(self, angle: Array) -> Array:
        """Height where the RV ends, mm: the tricuspid plane; higher in front, where the pulmonary valve lies."""
        return _float32(self.rv_top() + self.heart.rv_infundibulum * _bump(angle, OUTFLOW_ANGLE, 0.4))

    def rv_outer(self, angle: Array, height: Array, epi: Array) -> Array:
        """Distance of the RV free wall's inside from the long axis, mm; equals `epi` where there is no RV."""
        h = self.heart
        top = self.rv_roof(angle)
        low = h.rv_apex * h.length
        t = np.clip((height - low) / (top - low), 0.0, 1.0)
        grow = t**0.55 * (1.0 - 0.15 * np.clip((t - 0.75) / 0.25, 0.0, 1.0) ** 2)
        turn = h.rv_outflow * np.clip((t - 0.4) / 0.6, 0.0, 1.0) ** 2
        half = h.rv_angle * (0.45 + 0.55 * np.sqrt(t)) * (1.0 + 0.25 * turn)
        off = np.angle(np.exp(1j * (angle - np.pi - turn))).astype(np.float32)
        lean = off - h.rv_tilt * np.clip(1.0 - (off / half) ** 2, 0.0, 1.0)
        crescent = np.clip(np.cos(0.5 * np.pi * np.clip(lean / half, -1.0, 1.0)), 0.0, 1.0) ** h.rv_round
        width = h.rv_width * grow * crescent * (1.0 - self.active * (1.0 - h.rv_scale))
        inside = (height >= low) & (height <= top) & (np.abs(off) < half)
        thinness = np.maximum(width, 1e-3) ** -_CORNER
        outside = np.float32(h.radius + h.wall)
        for direction, distance in (h.rv_diaphragm, h.rv_sternum):  # the RV rests on the diaphragm and on the sternum
            facing = np.cos(angle - direction)
            room = np.maximum(distance * outside / np.maximum(facing, 0.05) - epi, 1.0)
            thinness += np.where(facing > 0.05, room**-_CORNER, 0.0)
        outer = epi + np.where(inside, thinness ** (-1.0 / _CORNER), 0.0)
        return _float32(outer)


def at_phase(heart: Heart, phase: float) -> Ventricles:
    """The heart at `phase` in 0..1 of the cycle (0 = ED)."""
    return Ventricles(heart, activation(heart, phase))


@dataclass(frozen=True, slots=True)
class TrueVolumes:
    """Volumes of a heart at one moment, by integrating its surfaces: ml and g."""

    lv_ml: float
    rv_ml: float
    myo_ml: float

    @property
    def mass_g(self) -> float:
        """Mass of the LV myocardium."""
        return self.myo_ml * MYOCARDIAL_DENSITY_G_ML


def volumes(state: Ventricles, *, n_angles: int = 180, n_heights: int = 220) -> TrueVolumes:
    """Integrate r^2/2 over angle and height (midpoint rule)."""
    angle = ((np.arange(n_angles) + 0.5) * 2 * np.pi / n_angles).astype(np.float32)[None, :]
    bottom, top = -state.apex_wall, state.top()
    step = (top - bottom) / n_heights
    height = (bottom + (np.arange(n_heights) + 0.5) * step).astype(np.float32)[:, None]
    endo, epi = state.endo(angle, height), state.epi(angle, height)
    outer = state.rv_outer(angle, height, epi)
    cell = 0.5 * (2 * np.pi / n_angles) * step / 1000.0
    in_lv = height <= state.base
    lv = float((endo**2 * in_lv).sum(dtype=np.float64) * cell)
    wall = float(((epi**2 - endo**2) * in_lv).sum(dtype=np.float64) * cell)
    rv = float((outer**2 - epi**2).sum(dtype=np.float64) * cell)
    return TrueVolumes(lv_ml=lv, rv_ml=rv, myo_ml=wall)


def lvef_pct(heart: Heart) -> float:
    """True LV ejection fraction, percent."""
    ed, es = volumes(Ventricles(heart, 0.0)).lv_ml, volumes(Ventricles(heart, 1.0)).lv_ml
    return 100.0 * (ed - es) / ed


def _coarse(heart: Heart, active: float) -> TrueVolumes:
    """Volumes good enough to choose parameters by."""
    return volumes(Ventricles(heart, active), n_angles=60, n_heights=60)


def _with_lvef(heart: Heart, target_pct: float) -> Heart:
    """Let the LV contract to the EF `target_pct`, or as near as it gets."""
    ed = _coarse(heart, 0.0).lv_ml
    scale = _bisect(lambda s: 100.0 * (1.0 - _coarse(replace(heart, radial_scale=s), 1.0).lv_ml / ed) > target_pct)
    return replace(heart, radial_scale=scale)


def _with_rvef(heart: Heart, target_pct: float) -> Heart:
    """Let the RV contract to the EF `target_pct`, or as near as it gets."""
    ed = _coarse(heart, 0.0).rv_ml
    scale = _bisect(lambda s: 100.0 * (1.0 - _coarse(replace(heart, rv_scale=s), 1.0).rv_ml / ed) > target_pct)
    return replace(heart, rv_scale=scale)


def _bisect(too_strong: Callable[[float], bool]) -> float:
    """Contraction scale in 0.15..1 at which `too_strong` changes from true to false."""
    low, high = 0.15, 1.0
    for _ in range(12):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if too_strong(middle) else (low, middle)
    return 0.5 * (low + high)


@dataclass(frozen=True, slots=True)
class _Group:
    """Ranges (low, high) from which a group's hearts are drawn."""

    edv_ml: tuple[float, float]
    ef_pct: tuple[float, float]
    wall_mm: tuple[float, float]
    rv_ml: tuple[float, float]
    rvef_pct: tuple[float, float]


_GROUPS: dict[Condition, _Group] = {
    Condition.HEALTHY: _Group((90, 210), (52, 72), (4.5, 9.5), (100, 240), (46, 68)),
    Condition.DILATED: _Group((190, 400), (10, 42), (4.5, 10.0), (110, 280), (18, 58)),
    Condition.HYPERTROPHIC: _Group((85, 200), (50, 80), (8.5, 15.0), (80, 200), (45, 72)),
    Condition.INFARCTED: _Group((110, 300), (22, 52), (4.5, 10.0), (80, 220), (35, 65)),
    Condition.RV_DISEASE: _Group((70, 200), (42, 68), (4.0, 8.5), (190, 400), (8, 45)),
}


def _uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(rng.uniform(*limits))


def sample_heart(rng: np.random.Generator, condition: Condition, *, size: float = 1.0) -> Heart:
    """Draw a heart of the group `condition`; `size` scales its volumes (body size)."""
    group = _GROUPS[condition]
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
        rv_above=float(rng.uniform(-2, 8)),
        rv_infundibulum=float(rng.uniform(0, 22)),
        rv_descent=_uniform(rng, (6, 18) if loaded else (12, 24)),
        rv_wall=float(rng.uniform(1.5, 7.0) if loaded else rng.uniform(1.0, 3.0)),
        systole=float(rng.uniform(0.3, 0.42)),
        kick=float(rng.uniform(0.1, 0.35)),
        wobble=float(rng.normal(0.12, 0.05)),
        papillary=(
            float(rng.normal(-0.75, 0.25)), float(rng.uniform(3.0, 8.0)),
            float(rng.normal(1.45, 0.3)), float(rng.uniform(3.0, 8.0)),
        ),
        trabeculation=float(rng.uniform(0.1, 1.3)),
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
