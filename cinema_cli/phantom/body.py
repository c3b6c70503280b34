"""The body around a heart that lies in a patient: chest, lungs, diaphragm, organs; atria and great vessels that move.

The body stands upright in patient coordinates, so that short-axis and long-axis views and localizers show what they
show in life.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.phantom.anatomy import Array, Ventricles, activation
from cinema_cli.phantom.planes import Floats, Placement
from cinema_cli.phantom.tissue import Tissue, sample_noise_at
from cinema_cli.phantom.ventricles import Scene, paint_ventricles

Codes = NDArray[np.uint8]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A heart in a patient. Lengths in mm; `centre`, heights and organs in patient coordinates (LPS)."""

    scene: Scene
    place: Placement
    centre: tuple[float, float]  # of the torso: left, posterior
    radii: tuple[float, float]
    skin_fat: float
    chest_muscle: float
    diaphragm: float  # height of its middle
    domes: tuple[float, float]  # how much higher the right and the left dome are
    liver_end: float  # how far to the left the liver goes
    stomach: tuple[float, float, float, float]  # centre and radius
    spine: float  # radius of a vertebra
    fat: float  # epicardial fat
    left_atrium: tuple[float, float, float, float]  # x, y (heart coordinates), radius, height above the valve at ED
    right_atrium: tuple[float, float]  # radius, height above the valve at ED
    aorta: float  # radius of the root
    trunk: float  # radius of the pulmonary trunk


def sample_body(rng: np.random.Generator, scene: Scene, place: Placement) -> Body:
    """Draw a torso into which the heart fits: just behind the chest wall, on the diaphragm."""
    heart = scene.heart
    radii = (float(rng.uniform(150, 185)), float(rng.uniform(100, 125)))
    skin, muscle = float(np.clip(rng.gamma(3, 4), 4, 30)), float(rng.uniform(8, 15))
    fat = float(np.clip(rng.gamma(2.0, 1.8), 1.0, 9.0))
    surface = _surface(scene, place, fat=fat)
    across = float(rng.normal(0.0, 4.0))
    return Body(
        scene=scene,
        place=place,
        centre=(across, _behind(surface, across, radii, wall=skin + muscle + float(rng.uniform(3, 8)))),
        radii=radii,
        skin_fat=skin,
        chest_muscle=muscle,
        diaphragm=float(np.percentile(surface[:, 2], 12)) + float(rng.uniform(-4, 6)),
        domes=(float(rng.uniform(10, 30)), float(rng.uniform(-8, 12))),
        liver_end=float(place.apex_mm[0] + rng.uniform(-40, 0)),
        stomach=(
            float(rng.uniform(70, 95)),
            float(rng.uniform(-30, 10)),
            float(rng.uniform(-55, -35)),
            float(rng.uniform(24, 38)),
        ),
        spine=float(rng.uniform(17, 22)),
        fat=fat,
        left_atrium=(
            float(rng.uniform(2, 7)),
            float(rng.uniform(4, 12)),
            float(np.clip(rng.normal(24, 2.5), 19, 34)) * (1.15 if heart.radius > 30 else 1.0),
            float(rng.uniform(40, 52)),
        ),
        right_atrium=(float(np.clip(rng.normal(24, 3), 18, 34)), float(rng.uniform(40, 52))),
        aorta=float(rng.uniform(11.5, 15.5)),
        trunk=float(rng.uniform(10.5, 14.5)),
    )


def _surface(scene: Scene, place: Placement, *, fat: float) -> Floats:
    """Points (n, 3) on the outside of the heart at ED, in patient coordinates."""
    heart = scene.heart
    state = Ventricles(heart, 0.0)
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False, dtype=np.float32)[None, :]
    height = np.linspace(-state.apex_wall, heart.length, 16, dtype=np.float32)[:, None]
    out = state.rv_outer(angle, height, state.epi(angle, height)) + heart.rv_wall + fat
    points = np.stack([out * np.cos(angle), out * np.sin(angle), np.broadcast_to(height, out.shape)], axis=-1)
    return place.to_patient(points.reshape(-1, 3).astype(np.float64))


def _depth(x: Array | Floats, y: Array | Floats, centre: tuple[float, float], radii: tuple[float, float]) -> Floats:
    """Distance under the skin, about, mm."""
    right, back = np.abs(x - centre[0]) / radii[0], np.abs(y - centre[1]) / radii[1]
    return np.asarray((1.0 - (right**2.5 + back**2.5) ** (1 / 2.5)) * min(radii))


def _behind(surface: Floats, across: float, radii: tuple[float, float], *, wall: float) -> float:
    """The torso's centre (posterior axis) at which the heart lies `wall` under the skin in front."""
    tries = np.linspace(-90.0, 60.0, 151)
    least = [_depth(surface[:, 0], surface[:, 1], (across, float(c)), radii).min() for c in tries]
    deep = np.flatnonzero(np.array(least) >= wall)
    return float(tries[deep[-1]] if deep.size else tries[int(np.argmax(least))])


def still_tissues(body: Body, points: Array) -> Codes:
    """Tissue codes (…,) of what does not move at points (…, 3) in heart coordinates."""
    patient = points @ body.place.axes.astype(np.float32) + body.place.apex_mm.astype(np.float32)
    x, y, z = patient[..., 0], patient[..., 1], patient[..., 2]
    fine = sample_noise_at(body.scene.noise[0], points, cell_mm=3.5)
    coarse = sample_noise_at(body.scene.noise[1], points, cell_mm=11.0)
    depth = _depth(x, y, body.centre, body.radii) + coarse
    out = np.full(x.shape, Tissue.LUNG, np.uint8)
    out[(fine > 1.9) & (coarse > 0.2)] = Tissue.LUNG_VESSEL
    behind = np.abs((y - body.centre[1] - 10.0) / (0.62 * body.radii[1])) ** 2
    out[behind + ((x - body.centre[0] - 8.0) / (22.0 + 4.0 * coarse)) ** 2 < 1.0] = Tissue.PERICARDIAL_FAT
    _paint_belly(body, out, x, y, z, depth, fine, coarse)
    _paint_back(body, out, x, y, z)
    wall = depth < body.skin_fat + body.chest_muscle
    out[wall] = Tissue.MUSCLE
    ribs = np.sin((z + 0.35 * np.abs(x - body.centre[0]) - 0.25 * y) / 4.3) > 0.35
    out[wall & ribs & (depth > body.skin_fat + 3.0) & (np.abs(x) > 22.0)] = Tissue.BONE
    out[wall & (np.abs(x - body.centre[0]) < 16.0) & (y < body.centre[1]) & (depth > body.skin_fat + 1.0)] = Tissue.BONE
    out[depth < body.skin_fat] = Tissue.SKIN_FAT
    out[depth < 0.0] = Tissue.AIR
    return out


def _paint_belly(
    body: Body, out: Codes, x: Array, y: Array, z: Array, depth: Floats, fine: Array, coarse: Array
) -> None:
    """Below the diaphragm: liver, stomach, spleen, fat."""
    right = body.domes[0] * np.exp(-(((x + 70.0) / 55.0) ** 2))
    left = body.domes[1] * np.exp(-(((x - 90.0) / 45.0) ** 2))
    rim = np.clip(1.0 - depth / 60.0, 0.0, 1.0) ** 2
    below = z < body.diaphragm + right + left - 55.0 * rim
    out[below] = Tissue.ABDOMINAL_FAT
    liver = below & (x < body.liver_end - 0.5 * np.maximum(y - body.centre[1], 0.0) + 4.0 * coarse)
    out[liver] = Tissue.LIVER
    out[liver & (coarse > 1.6)] = Tissue.LIVER_VESSEL
    spleen = ((x - 105.0) / 32.0) ** 2 + ((y - body.centre[1] - 45.0) / 30.0) ** 2 < 1.0
    out[below & spleen] = Tissue.SPLEEN
    sx, sy, sz, radius = body.stomach
    away = np.sqrt((x - sx) ** 2 + (y - body.centre[1] - sy) ** 2 + (0.8 * (z - body.diaphragm - sz)) ** 2)
    away = away - 2.0 * coarse
    out[below & (away < radius)] = Tissue.STOMACH_WALL
    out[below & (away < radius - 3.5 - fine)] = Tissue.STOMACH_CONTENT


def _paint_back(body: Body, out: Codes, x: Array, y: Array, z: Array) -> None:
    """Spine with its muscles, descending aorta, inferior vena cava."""
    back = body.centre[1] + body.radii[1] - body.skin_fat - 28.0
    beside = ((x - body.centre[0]) / 52.0) ** 2 + ((y - back - 10.0) / 26.0) ** 2 < 1.0
    out[beside] = Tissue.MUSCLE
    vertebra = (x - body.centre[0]) ** 2 + (y - back + 12.0) ** 2 < body.spine**2
    out[vertebra] = Tissue.BONE
    out[vertebra & (np.mod(z, 32.0) < 6.0)] = Tissue.VESSEL_WALL  # discs
    at = (x - body.centre[0] - 24.0) ** 2 + (y - back + 34.0) ** 2
    out[at < 12.5**2] = Tissue.VESSEL_WALL
    out[at < 11.0**2] = Tissue.ARTERIAL_BLOOD


@dataclass(frozen=True, slots=True, eq=False)
class Moving:
    """Points (n, 3) at which tissue may change over the cycle, and what holds there at every moment."""

    where: Bools  # (…,): which of the points asked for these are
    points: Array
    still: Codes  # (n,)
    coarse: Array  # (n,) noise
    near: Bools  # (n,): may be ventricle or the fat on it


def moving_part(body: Body, points: Array, still: Codes) -> Moving:
    """The points among `points` (…, 3) that the beating heart can reach; `still` (…,) is what lies there without it."""
    heart = body.scene.heart
    state = Ventricles(heart, 0.0)  # at ED the heart is largest and reaches highest
    top = state.top()
    height, radius = points[..., 2], np.hypot(points[..., 0], points[..., 1])
    near = (height > -state.apex_wall - 2.0 * body.fat - 6.0) & (height < top + 14.0) & (radius < 140.0)
    reach = _outside(state, points[near])[0] + 2.4 * body.fat + 9.0
    near[near] = radius[near] < reach
    above = (height > min(state.base - heart.descent, state.rv_top() - heart.rv_descent) - 2.0) & (radius < 95.0)
    where = near | (above & (height < top + 60.0))
    inside = points[where]
    coarse = sample_noise_at(body.scene.noise[1], inside, cell_mm=11.0)
    return Moving(where=where, points=inside, still=still[where], coarse=coarse, near=near[where])


def moving_tissues(body: Body, part: Moving, phase: float) -> Codes:
    """Tissue codes (n,) at the points of `part` at `phase` of the cycle."""
    scene = body.scene
    state = Ventricles(scene.heart, activation(scene.heart, phase))
    out = part.still.copy()
    close = part.points[part.near]
    fat = out[part.near]
    _paint_fat(body, fat, state, close, part.coarse[part.near])
    out[part.near] = fat
    _paint_atria(body, out, state, part.points, closed=phase % 1.0 < scene.heart.systole)
    near = out[part.near]
    paint_ventricles(near, scene, state, close)
    out[part.near] = near
    return out


def _outside(state: Ventricles, points: Array) -> tuple[Array, Array]:
    """Distance (…,) of the outside of the ventricles from the long axis at each point's angle; the angles."""
    angle = np.mod(np.arctan2(points[..., 1], points[..., 0]), np.float32(2 * np.pi)).astype(np.float32)
    level = np.maximum(points[..., 2], np.float32(0.0))
    epi = state.epi(angle, level)
    outer = state.rv_outer(angle, level, epi)
    return outer + np.where(outer > epi + 0.1, np.float32(state.heart.rv_wall), np.float32(0.0)), angle


def _paint_fat(body: Body, out: Codes, state: Ventricles, points: Array, coarse: Array) -> None:
    """Epicardial fat over the ventricles, rounded below the apex, thick in the groove between atria and ventricles."""
    radius, height = np.hypot(points[..., 0], points[..., 1]), points[..., 2]
    outer, angle = _outside(state, points)
    fat = np.maximum(body.fat * (1.0 + 0.6 * coarse + 0.5 * np.cos(angle - 4.2)), 0.0)
    tip = state.apex_wall + np.float32(body.fat)
    cap = np.sqrt(np.clip(1.0 - (np.minimum(height, 0.0) / tip) ** 2, 0.0, 1.0))
    groove = 5.0 * np.clip(1.0 - ((height - state.base + 2.0) / 12.0) ** 2, 0.0, 1.0)
    fades = np.clip(1.0 - (height - state.base) / 12.0, 0.0, 1.0)
    reach = (outer + fat) * cap * np.where(height > state.base, fades**0.3, 1.0) + groove * (fades > 0)
    top = state.top() + 12.0
    out[(radius < reach) & (height > -tip) & (height < top)] = Tissue.PERICARDIAL_FAT


def _paint_atria(body: Body, out: Codes, state: Ventricles, points: Array, *, closed: bool) -> None:
    """Atria whose roofs stay while their floors move with the valves; aortic root, pulmonary trunk, valves."""
    x, y, height = points[..., 0], points[..., 1], points[..., 2]
    heart = state.heart
    west = np.full(1, np.pi, np.float32)
    low = np.full(1, min(heart.length, state.rv_top()) - 6.0, np.float32)
    septal = state.epi(west, low)
    middle = 0.5 * float(septal[0] + state.rv_outer(west, low, septal)[0])
    left, right = body.left_atrium, body.right_atrium
    rooms = (
        ((-middle - 3.0, 12.0, right[0], right[1]), state.rv_top(), heart.rv_above + heart.length),
        (left, state.base, heart.length),
    )
    for (cx, cy, size, tall), floor, level in rooms:
        up = height - floor
        half = (level + tall - floor) / 1.6  # the roof stays at `level + tall`
        wide = size * (0.94 + 0.16 * state.active)
        girth = wide * np.sqrt(np.clip(1.0 - ((up - 0.6 * half) / half) ** 2, 0.0, 1.0))
        away = np.hypot((x - cx) / 1.1, y - cy)
        room = (up > 0.0) & (girth > 0.0)
        fat = room & (away < girth + 5.0)
        out[fat & np.isin(out, [Tissue.LUNG, Tissue.LUNG_VESSEL])] = Tissue.PERICARDIAL_FAT
        out[room & (away < girth + 2.0)] = Tissue.VESSEL_WALL
        out[room & (away < girth)] = Tissue.ATRIAL_BLOOD
        if closed:
            out[room & (up < 2.0) & (away < girth)] = Tissue.VESSEL_WALL
    tubes = (
        ((-20.0, -38.0), (0.35, 0.1), body.trunk, height - state.rv_top() - state.infundibulum),
        ((-14.0, -8.0), (-0.1, -0.42), body.aorta, height - state.base),
    )
    for (cx, cy), (lean_x, lean_y), size, up in tubes:
        rise = np.clip(up, 0.0, None)
        away = np.hypot(x - cx - lean_x * rise, y - cy - lean_y * rise)
        tube = (up > 0.0) & (up < 58.0)
        out[tube & (away < size + 4.0) & np.isin(out, [Tissue.LUNG, Tissue.LUNG_VESSEL])] = Tissue.PERICARDIAL_FAT
        out[tube & (away < size + 1.8)] = Tissue.VESSEL_WALL
        out[tube & (away < size)] = Tissue.ARTERIAL_BLOOD
        if not closed:
            out[tube & (up < 2.0) & (away < size)] = Tissue.VESSEL_WALL
