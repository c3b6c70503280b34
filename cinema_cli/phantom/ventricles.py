"""The beating ventricles: walls, cavities, trabeculae and papillary muscles, painted over what surrounds them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.phantom.anatomy import Array, Heart, Ventricles
from cinema_cli.phantom.tissue import Tissue, sample_noise, sample_noise_at


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A heart and the noise that gives tissues their texture."""

    heart: Heart
    noise: NDArray[np.float32]  # (3, side, side, side) smooth periodic noise, unit variance


def sample_scene(rng: np.random.Generator, heart: Heart) -> Scene:
    """`heart` with noise of its own."""
    return Scene(heart=heart, noise=sample_noise(rng))


def polar(points: Array) -> tuple[Array, Array, Array]:
    """Distance from the long axis, angle (0..2 pi) and height (each (…,)) of points (…, 3) in heart coordinates."""
    x, y = points[..., 0], points[..., 1]
    angle = np.mod(np.arctan2(y, x), np.float32(2 * np.pi)).astype(np.float32)
    return np.asarray(np.hypot(x, y), dtype=np.float32), angle, points[..., 2]


def paint_ventricles(out: NDArray[np.uint8], scene: Scene, state: Ventricles, points: Array) -> None:
    """Paint both ventricles over the tissue codes `out` (…,) at points (…, 3) in heart coordinates."""
    heart = scene.heart
    fine = sample_noise_at(scene.noise[0], points, cell_mm=3.5)
    grain = sample_noise_at(scene.noise[2], points, cell_mm=2.4)
    radius, angle, height = polar(points)
    endo, epi = state.endo(angle, height), state.epi(angle, height)
    outer = state.rv_outer(angle, height, epi)
    base, top = state.base, state.rv_top()
    septal = outer > epi
    shell = np.where(septal, np.float32(heart.rv_wall), np.float32(heart.rim))
    within = (height <= np.where(septal, state.rv_roof(angle), base)) & (height >= -state.apex_wall)
    out[within & (radius < outer + shell) & (radius >= outer)] = Tissue.RV_WALL
    in_rv = septal & (radius >= epi) & (radius < outer)
    out[in_rv] = Tissue.RV_BLOOD
    inside = np.minimum(outer - radius, radius - epi)
    lace = _lace(heart, np.where(outer - radius < radius - epi, inside, 2.0 * inside), height / top, grain)
    struts = fine > 2.0 - 1.6 * heart.rv_trabeculation * np.clip(1.4 - height / top, 0.3, 1.0)
    out[in_rv & (lace | (inside < heart.rim) | struts)] = Tissue.RV_TRABECULA
    in_lv_height = (height <= base) & (height >= -state.apex_wall)
    in_wall = in_lv_height & (radius < epi)
    out[in_wall] = Tissue.MYOCARDIUM
    towards, width, depth = heart.outflow
    tract = np.cos(angle - towards) > np.cos(width * np.clip((height - base + depth) / depth, 0.0, 1.0))
    out[in_wall & tract & (height > base - depth)] = Tissue.BASAL_WALL
    cavity = in_lv_height & (radius < endo)
    out[cavity] = Tissue.LV_BLOOD
    u = height / base
    out[cavity & (_lace(heart, endo - radius, u, grain) | (endo - radius < heart.rim))] = Tissue.PAPILLARY
    out[cavity & _papillary(heart, state, points[..., 0], points[..., 1], u, endo, fine)] = Tissue.PAPILLARY


def _lace(heart: Heart, depth: Array, u: Array, grain: Array) -> NDArray[np.bool_]:
    """Trabeculae `depth` mm inside a cavity's wall at the relative height `u`: dense at the wall, fewer further in."""
    reach = 1.0 + 7.0 * heart.trabeculation * np.clip(1.35 - u, 0.25, 1.2)
    return np.asarray((depth < reach) & (grain > -0.3 + 1.7 * depth / reach))


def _papillary(
    heart: Heart, state: Ventricles, x: Array, y: Array, u: Array, endo: Array, fine: Array
) -> NDArray[np.bool_]:
    """Where the two papillary muscles are."""
    found = np.zeros(x.shape, np.bool_)
    twist = heart.wobble * state.active
    for angle, size in ((heart.papillary[0], heart.papillary[1]), (heart.papillary[2], heart.papillary[3])):
        girth = size * np.sqrt(np.clip(1.0 - ((u - 0.42) / 0.3) ** 2, 0.0, 1.0)) * (1.0 + 0.25 * fine)
        reach = endo * np.clip(0.95 - 0.35 * (u - 0.15), 0.5, 0.95) - 0.4 * size
        at = angle + twist
        centre = (reach * np.float32(np.cos(at)), reach * np.float32(np.sin(at)))
        found |= ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 < girth**2) & (girth > 0)
    return found
