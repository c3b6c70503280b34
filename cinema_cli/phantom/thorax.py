"""A thorax drawn at random along the heart's own axis, with look-alikes of ventricles in it: for training only.

No patient looks like this. A network that has seen it does not rely on where organs usually lie; phantom.body is what
they look like.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.phantom.anatomy import Array, Heart, Ventricles, activation
from cinema_cli.phantom.tissue import Tissue, sample_noise_at
from cinema_cli.phantom.ventricles import Scene, paint_ventricles, polar


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Sizes and places of what lies around the heart; mm in heart coordinates."""

    body_centre: tuple[float, float]
    body_radii: tuple[float, float]
    body_lean: tuple[float, float]  # how much nearer the chest wall is at the apex: mm per mm of height, along x and y
    skin_fat: float
    chest_muscle: float
    diaphragm: float  # y of its dome below the heart
    diaphragm_slope: tuple[float, float]  # along x, along h
    liver_edge: float  # x where the liver ends
    stomach: tuple[float, float, float, float]  # centre x, y, h and radius
    spleen: tuple[float, float, float]  # centre x, y and radius
    fat: float  # mean thickness of the pericardial fat
    atrium: tuple[float, float, float]  # centre x, y of the LA and its radius
    right_atrium: tuple[float, float, float]
    aorta: tuple[float, float, float]  # centre x, y and radius of the root
    outflow: tuple[float, float, float]  # pulmonary trunk
    descending: tuple[float, float, float]
    cava: tuple[float, float, float]
    decoys: tuple[tuple[float, float, float, float, float, float], ...] = ()  # x, y, h, radius, wall, kind


def sample_surroundings(rng: np.random.Generator, heart: Heart, *, n_decoys: int = 0) -> Surroundings:
    """Draw the thorax around `heart`."""
    u = rng.uniform
    right = -(heart.radius + heart.wall + heart.rv_width)
    below = heart.radius + heart.wall

    def decoy() -> tuple[float, float, float, float, float, float]:
        return (u(-110, 110), u(-110, 110), u(-30, heart.length), u(4, 30), u(1.0, 9.0), float(rng.integers(3)))

    return Surroundings(
        body_centre=(u(-20, 40), u(-20, 40)),
        body_radii=(u(105, 170), u(85, 135)),
        body_lean=(u(-0.2, 0.6), u(-0.7, 0.1)),
        skin_fat=float(np.clip(rng.gamma(3, 5), 3, 45)),
        chest_muscle=u(6, 18),
        diaphragm=below + u(0, 26),
        diaphragm_slope=(u(-0.25, 0.45), u(-0.05, 0.55)),
        liver_edge=u(-30, 45),
        stomach=(u(10, 70), below + u(15, 60), u(-30, heart.length), u(12, 38)),
        spleen=(u(50, 110), below + u(0, 60), u(18, 40)),
        fat=float(np.clip(rng.gamma(2.0, 2.2) - 1.5, 0.0, 14)),
        atrium=(u(-8, 14), u(4, 20), u(18, 32)),
        right_atrium=(0.62 * right + u(-8, 8), u(8, 30), u(18, 34)),
        aorta=(u(-22, -8), u(-14, 2), u(11, 17)),
        outflow=(u(-34, -8), u(-48, -28), u(10, 16)),
        descending=(u(15, 70), u(35, 75), u(8, 14)),
        cava=(u(-85, -45), u(35, 60), u(8, 15)),
        decoys=tuple(decoy() for _ in range(n_decoys)),
    )  # fmt: skip


def _inside(x: Array, y: Array, centre: tuple[float, float], radius: float | Array) -> NDArray[np.bool_]:
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2


def thorax_tissues(scene: Scene, around: Surroundings, points: Array, phase: float) -> NDArray[np.uint8]:
    """Tissue codes (…,) at points (…, 3) = (x, y, h) mm in heart coordinates, at `phase` of the cycle."""
    state = Ventricles(scene.heart, activation(scene.heart, phase))
    fine = sample_noise_at(scene.noise[0], points, cell_mm=3.5)
    coarse = sample_noise_at(scene.noise[1], points, cell_mm=11.0)
    x, y, height = points[..., 0], points[..., 1], points[..., 2]
    out = _thorax(around, x, y, height, fine, coarse)
    _paint_fat(out, around, state, points, coarse)
    _paint_base(out, around, state, x, y, height)
    paint_ventricles(out, scene, state, points)
    return out


def _thorax(a: Surroundings, x: Array, y: Array, height: Array, fine: Array, coarse: Array) -> NDArray[np.uint8]:
    """Everything but the heart and the vessels at its base."""
    lean = np.clip(height, -40.0, 120.0) - 60.0
    bx = (x - a.body_centre[0] - a.body_lean[0] * lean) / a.body_radii[0]
    by = (y - a.body_centre[1] - a.body_lean[1] * lean) / a.body_radii[1]
    depth = (1.0 - (np.abs(bx) ** 2.4 + np.abs(by) ** 2.4) ** (1 / 2.4)) * min(a.body_radii)  # mm under the skin
    out = np.full(x.shape, Tissue.LUNG, np.uint8)
    out[(fine > 1.9) & (coarse > 0.2)] = Tissue.LUNG_VESSEL
    dome = a.diaphragm + a.diaphragm_slope[0] * x + a.diaphragm_slope[1] * (height - 40.0) + (x - 10.0) ** 2 / 260.0
    below = y > dome + 1.5 * coarse
    out[below] = Tissue.ABDOMINAL_FAT
    liver = below & (x < a.liver_edge + 5.0 * coarse)
    out[liver] = Tissue.LIVER
    out[liver & (coarse > 1.5)] = Tissue.LIVER_VESSEL
    out[below & _inside(x, y, a.spleen[:2], a.spleen[2] + 3.0 * coarse)] = Tissue.SPLEEN
    sx, sy, sh, sr = a.stomach
    belly: Array = sr * np.sqrt(np.clip(1.0 - ((height - sh) / (2.2 * sr)) ** 2, 0.0, 1.0)) + 2.5 * coarse
    out[below & _inside(x, y, (sx, sy), belly)] = Tissue.STOMACH_WALL
    out[below & _inside(x, y, (sx, sy), np.maximum(belly - 3.5 - 1.2 * fine, 0.0))] = Tissue.STOMACH_CONTENT
    for dx, dy, dh, radius, thickness, kind in a.decoys:
        size = radius * np.sqrt(np.clip(1.0 - ((height - dh) / (2.0 * radius + 8.0)) ** 2, 0.0, 1.0)) + coarse
        outer = _inside(x, y, (dx, dy), size)
        out[outer] = Tissue.DECOY_BRIGHT if kind == 0 else Tissue.DECOY_DARK
        if kind == 2:
            out[_inside(x, y, (dx, dy), np.maximum(size - thickness, 0.0))] = Tissue.DECOY_BRIGHT
    out[_inside(x, y, a.descending[:2], a.descending[2] + 1.5)] = Tissue.VESSEL_WALL
    out[_inside(x, y, a.descending[:2], a.descending[2])] = Tissue.ARTERIAL_BLOOD
    cava = _inside(x, y, a.cava[:2], a.cava[2])
    out[cava] = Tissue.ATRIAL_BLOOD
    wall = depth < a.skin_fat + a.chest_muscle + 1.5 * coarse
    out[wall] = Tissue.MUSCLE
    rib = wall & (np.sin(np.arctan2(by, bx) * 14.0 + height / 18.0) > 0.45) & (depth > a.skin_fat + 2.0)
    out[rib] = Tissue.BONE
    out[depth < a.skin_fat + coarse] = Tissue.SKIN_FAT
    out[depth < 0.0] = Tissue.AIR
    return out


def _paint_fat(out: NDArray[np.uint8], a: Surroundings, state: Ventricles, points: Array, coarse: Array) -> None:
    """Fat around the ventricles and the vessels at their base."""
    radius, angle, height = polar(points)
    epi = state.epi(angle, height)
    outer = state.rv_outer(angle, height, epi)
    edge = outer + np.where(outer > epi, np.float32(state.heart.rv_wall), np.float32(0.0))
    apical = 1.0 + 0.8 * np.clip(1.0 - height / 40.0, 0.0, 1.5)
    fat = np.maximum(a.fat * apical * (1.0 + 0.7 * coarse + 0.6 * np.cos(angle - 4.2)), 0.0)
    within = (height > -state.apex_wall - fat) & (height < state.top() + 45.0)
    sac = np.where(height > state.base - 4.0, np.maximum(edge + fat, 34.0 + 4.0 * coarse), edge + fat)
    out[within & (radius < sac)] = Tissue.PERICARDIAL_FAT


def _paint_base(out: NDArray[np.uint8], a: Surroundings, state: Ventricles, x: Array, y: Array, height: Array) -> None:
    """Atria, aortic root and pulmonary trunk above the valve planes."""
    above = height - state.base
    rv_above = height - state.rv_top()
    for (cx, cy, size), up in ((a.right_atrium, rv_above), (a.atrium, above)):
        dome = size * np.sqrt(np.clip(1.0 - ((up - 0.8 * size) / (1.15 * size)) ** 2, 0.0, 1.0))
        room = (up > 0.0) & (dome > 0.0)
        out[room & _inside(x, y, (cx, cy), dome + 2.0)] = Tissue.VESSEL_WALL
        out[room & _inside(x, y, (cx, cy), dome)] = Tissue.ATRIAL_BLOOD
    trunk = rv_above - state.infundibulum
    for (cx, cy, size), up, lean in ((a.outflow, trunk, 0.35), (a.aorta, above, -0.1)):
        at = (x - lean * np.clip(up, 0.0, None), y)
        tube = (up > 0.0) & (up < 60.0)
        out[tube & _inside(*at, (cx, cy), size + 1.8)] = Tissue.VESSEL_WALL
        out[tube & _inside(*at, (cx, cy), size)] = Tissue.ARTERIAL_BLOOD
