"""A parametric, beating, bi-ventricular heart: surfaces in closed form, so volumes and mass are known.

Heart coordinates (mm): h runs along the LV long axis from the endocardial apex (0) to the mitral plane at ED; x points
from the septum to the lateral wall, y from the anterior to the inferior wall. In a short-axis image seen from the apex
x is to the right and y is down. The apex stays in place, the base descends (MAPSE). All surfaces are polar about the
long axis, r(angle, h), angle 0 = lateral, pi/2 = inferior, pi = septal, 3 pi/2 = anterior.
"""

from dataclasses import dataclass, field
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
    rv_above: float  # how far the tricuspid plane lies above the mitral plane: in most hearts it lies below
    rv_infundibulum: float  # how far the outflow tract, in front, reaches above the tricuspid plane
    rv_descent: float  # TAPSE
    rv_wall: float
    systole: float  # share of the cycle from ED to ES
    kick: float  # share of filling by the atrial contraction
    wobble: float = 0.0  # twist at ES, radians
    papillary: tuple[float, ...] = field(default=(0.7, 5.0, 2.0, 5.0))  # angle, radius, angle, radius
    trabeculation: float = 0.5
    rv_trabeculation: float = 0.5  # 0 smooth .. 1 struts through the whole apical half of the cavity
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
        return max(self.base, self.rv_top() + self.infundibulum)

    @property
    def infundibulum(self) -> float:
        """Length of the outflow tract now, mm: it shortens by half."""
        return self.heart.rv_infundibulum * (1.0 - 0.5 * self.active)

    def rv_roof(self, angle: Array) -> Array:
        """Height where the RV ends, mm: the tricuspid plane; higher in front, where the pulmonary valve lies."""
        return _float32(self.rv_top() + self.infundibulum * _bump(angle, OUTFLOW_ANGLE, 0.4))

    def rv_outer(self, angle: Array, height: Array, epi: Array) -> Array:
        """Distance of the RV free wall's inside from the long axis, mm; equals `epi` where there is no RV."""
        h = self.heart
        top = self.rv_roof(angle)
        low = h.rv_apex * h.length
        t = np.clip((height - low) / (top - low), 0.0, 1.0)
        grow = t**0.55 * (1.0 - 0.15 * np.clip((t - 0.75) / 0.25, 0.0, 1.0) ** 2)
        turn = h.rv_outflow * np.clip((t - 0.4) / 0.6, 0.0, 1.0) ** 2
        half = h.rv_angle * (0.45 + 0.55 * np.sqrt(t)) * (1.0 + 0.25 * turn)
        off = np.mod(angle - turn, np.float32(2 * np.pi)) - np.float32(np.pi)  # from the RV's middle, -pi .. pi
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
