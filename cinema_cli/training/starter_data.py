"""Endless synthetic short-axis stacks with labels: what the starter head learns from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from torch.utils.data import IterableDataset, get_worker_info

from cinema_cli.domain.cine import Label
from cinema_cli.inference.preprocess import Grid, normalise, with_cycle
from cinema_cli.phantom.anatomy import Array, Condition, Heart
from cinema_cli.phantom.body import moving_part, moving_tissues, sample_body, still_tissues
from cinema_cli.phantom.planes import sample_placement
from cinema_cli.phantom.population import sample_heart
from cinema_cli.phantom.render import Appearance, bias_field, magnitude, sample_appearance
from cinema_cli.phantom.thorax import sample_surroundings, thorax_tissues
from cinema_cli.phantom.tissue import LABEL_OF, Tissue, sample_noise_at
from cinema_cli.phantom.ventricles import sample_scene

GRID = Grid(size_px=128, spacing_mm=1.5)
CYCLE_PERCENTILES = (90.0, 10.0)
MARGIN_PX = 8  # drawn on every side, so that warping does not pull in empty borders
MAX_SLICES = 16

_MIX = {
    Condition.HEALTHY: 0.25,
    Condition.DILATED: 0.2,
    Condition.HYPERTROPHIC: 0.2,
    Condition.INFARCTED: 0.12,
    Condition.RV_DISEASE: 0.23,
}
_UP = np.array([0.0, 0.0, 1.0], np.float32)
_BLOOD = np.isin(np.arange(len(Tissue)), [Tissue.LV_BLOOD, Tissue.RV_BLOOD, Tissue.ATRIAL_BLOOD])


@dataclass(frozen=True, slots=True, eq=False)
class TissueStack:
    """One heart at ED, ES and perhaps a moment between, cut into slices: tissue codes (moment, depth, slice, y, x).

    Each slice is looked up at two depths.

    `points` (y, x, 3) are the in-plane places in heart coordinates of the first slice, for the bias field.
    """

    codes: NDArray[np.uint8]
    points: Array


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Slices of several stacks end to end: images (slice, channel, y, x) in 0..1, labels (slice, y, x), slices a stack.

    Channels are those of `with_cycle`.
    """

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    counts: tuple[int, ...]


def sample_tissue_stack(rng: np.random.Generator) -> TissueStack:
    """Draw a heart, what surrounds it, moments of the cycle and a stack of planes, and look up the tissues.

    Most hearts lie in an upright body (phantom.body); the others in a thorax drawn at random along the heart's own axis
    with look-alikes of ventricles in it (phantom.thorax), which no body would show.
    """
    condition = list(_MIX)[rng.choice(len(_MIX), p=list(_MIX.values()))]
    heart = sample_heart(rng, condition, size=float(rng.uniform(0.75, 1.15)))
    if rng.uniform() < 0.5:  # the free wall moves less: how much of an RV's work is done by its base, varies
        heart = replace(heart, rv_scale=float(rng.uniform(heart.rv_scale, 1.0)))
    phases = (0.0, heart.systole, float(rng.uniform()))[: 2 + (rng.uniform() < 0.5)]
    scene = sample_scene(rng, heart)
    points, thickness = _stack_points(rng, heart)
    bend = float(rng.choice([0.0, 2.0, 3.5, 5.0]))
    aside = [bend * sample_noise_at(n, points, cell_mm=45.0) for n in scene.noise[:2]]
    bent = np.asarray(points + np.stack([*aside, np.zeros_like(aside[0])], axis=-1), dtype=np.float32)
    deep = bent + np.array([-thickness / 4, thickness / 4], np.float32)[:, None, None, None, None] * _UP
    if rng.uniform() < 0.6:
        body = sample_body(rng, scene, sample_placement(rng))
        still = still_tissues(body, deep)
        part = moving_part(body, deep, still)
        codes = np.stack([still] * len(phases))
        for moment, phase in zip(codes, phases, strict=True):
            moment[part.where] = moving_tissues(body, part, phase)
    else:
        around = sample_surroundings(rng, heart, n_decoys=int(rng.integers(0, 6)))
        codes = np.stack([thorax_tissues(scene, around, deep, phase) for phase in phases])
    return TissueStack(codes=codes, points=points[0])


def _stack_points(rng: np.random.Generator, heart: Heart) -> tuple[Array, float]:
    """Points (slice, y, x, 3) of a stack of planes from above the base to below the apex; its slice thickness, mm."""
    size = GRID.size_px + 2 * MARGIN_PX
    zoomed = GRID.spacing_mm * float(np.exp(rng.normal(0.0, 0.08)))
    step = float(rng.uniform(5.0, 12.0))
    thickness = float(rng.uniform(5.0, min(step + 0.1, 10.0)))
    turn = rng.normal(0.0, 0.35) if rng.uniform() < 0.96 else rng.uniform(-np.pi, np.pi)
    across = np.array([np.cos(turn), np.sin(turn), 0.0], np.float32)
    down = np.array([-np.sin(turn), np.cos(turn), 0.0], np.float32)
    if rng.uniform() < 0.02:
        across = -across
    middle = np.clip(rng.normal(0.0, 10.0, 2), -28, 28) - np.array([0.3 * heart.rv_width, 0.0])
    shear = rng.normal(0.0, 0.09, 2)
    top = heart.length + float(rng.uniform(-4.0, 26.0))
    bottom = -heart.wall - float(rng.uniform(-14.0, 24.0))
    n_slices = int(np.clip(round((top - bottom) / step), 3, MAX_SLICES))
    index = (np.arange(size, dtype=np.float32) - (size - 1) / 2.0) * np.float32(zoomed)
    plane = index[None, :, None] * across + index[:, None, None] * down
    centres = np.zeros((n_slices, 3), np.float32)
    centres[:, 2] = top - step * np.arange(n_slices)
    centres[:, :2] = middle + shear * (centres[:, 2:] - heart.length / 2) + rng.normal(0.0, 1.3, (n_slices, 2))
    return np.asarray(plane + centres[:, None, None, :], dtype=np.float32), thickness


def _labels(codes: NDArray[np.uint8], rng: np.random.Generator, *, least_px: int = 25) -> NDArray[np.uint8]:
    """Labels (slice, y, x): those of the depth that shows less heart; tiny apical tips are left out.

    A slice of whose two depths one shows no LV counts as the LV's every other time: readers do not agree on these.
    """
    labels: NDArray[np.uint8] = LABEL_OF[codes]
    heart, ventricle = (np.count_nonzero(labels > least, axis=(2, 3)) for least in (0, Label.RV))  # (depth, slice)
    order = heart + labels[0, 0].size * (ventricle > 0) * rng.choice([-1, 1], len(heart[0]))
    chosen: NDArray[np.uint8] = np.stack([labels[depth, k] for k, depth in enumerate(order.argmin(axis=0))])
    for k in range(len(chosen)):
        ventricle = chosen[k] > Label.RV
        if np.count_nonzero(ventricle) < least_px:
            chosen[k][ventricle] = 0
    return chosen


def _texture(rng: np.random.Generator, shape: tuple[int, ...], cells: int) -> Array:
    """Smooth random field (slice, y, x) of unit variance with about `cells` features across."""
    coarse = rng.standard_normal((shape[0], cells, cells)).astype(np.float32)
    smooth = F.interpolate(torch.from_numpy(coarse)[:, None], shape[1:], mode="bilinear", align_corners=True)
    return np.asarray(smooth[:, 0].numpy())


def _warp(rng: np.random.Generator, size: int) -> Array:
    """Smooth random displacement: source (y, x) coordinates (2, size, size) inside a picture with margins."""
    field = np.stack([gaussian_filter(rng.standard_normal((size, size)).astype(np.float32), 18.0) for _ in range(2)])
    field *= rng.uniform(0.0, 3.5) / (field.std() + 1e-6)
    scale = np.exp(rng.normal(0.0, 0.06, 2))
    angle = rng.normal(0.0, 0.12)
    centred = np.mgrid[:size, :size].astype(np.float32) - (size - 1) / 2.0
    turned = np.stack(
        [
            scale[0] * (np.cos(angle) * centred[0] - np.sin(angle) * centred[1]),
            scale[1] * (np.sin(angle) * centred[0] + np.cos(angle) * centred[1]),
        ]
    )
    return np.asarray(turned + field + (size - 1) / 2.0 + MARGIN_PX, dtype=np.float32)


def _warped(images: Array, source: Array) -> Array:
    """Images (moment, slice, y, x) seen through the coordinates (2, y, x) of `source`; linear, borders go on."""
    sides = np.array(images.shape[2:], np.float32)[:, None, None]
    grid = torch.from_numpy((2.0 * source / (sides - 1.0) - 1.0)[::-1].copy()).movedim(0, -1)[None]
    flat = torch.from_numpy(images.reshape(1, -1, *images.shape[2:]))
    seen = F.grid_sample(flat, grid, padding_mode="border", align_corners=True)
    return np.asarray(seen.reshape(*images.shape[:2], *source.shape[1:]).numpy())


def _signal(stack: TissueStack, moments: Sequence[int], look: Appearance, rng: np.random.Generator) -> Array:
    """Noise-free images (moment, slice, y, x): tissue signals, texture, flow, bias field, brightness of each slice."""
    signal = np.asarray(look.signal, np.float32)
    codes = stack.codes[list(moments)]
    images = 0.5 * (signal[codes[:, 0]] + signal[codes[:, 1]])
    shape = images.shape[1:]
    images *= (1.0 + look.texture * _texture(rng, shape, 48)) * bias_field(stack.points, look)
    images *= rng.normal(1.0, 0.06, (len(images[0]), 1, 1)).astype(np.float32)
    for image, tissue in zip(images, codes[:, 0], strict=True):
        image *= np.where(_BLOOD[tissue], 1.0 - look.flow * np.clip(_texture(rng, shape, 12), 0.0, 2.5), 1.0)
    return np.asarray(images, dtype=np.float32)


def picture(stack: TissueStack, rng: np.random.Generator) -> tuple[Array, NDArray[np.uint8]]:
    """Images (slice, channel, y, x) in 0..1 and labels (slice, y, x) of one moment of a stack, as a scanner might.

    Appearance and warp are random. ED and ES stand for the rest of the cycle, which one stack in four lacks; its
    percentiles vary, and noise spreads them, as they do over the frames of a cine.
    """
    moment = int(rng.choice([0, 1, len(stack.codes) - 1], p=[0.3, 0.35, 0.35]))
    others = [] if rng.uniform() < 0.25 else [m for m in range(2) if m != moment]
    look = sample_appearance(rng, randomise=float(rng.choice([0.2, 0.6, 1.0])))
    images, labels = _signal(stack, [moment, *others], look, rng), _labels(stack.codes[moment], rng)
    source = _warp(rng, GRID.size_px)
    images = _warped(images, source)
    labels = np.stack([map_coordinates(s, source, order=0, mode="nearest") for s in labels])
    images = magnitude(images, look, rng, pixel_mm=(GRID.spacing_mm, GRID.spacing_mm))
    if rng.uniform() < 0.3:
        inside = _field_of_view(rng)
        images *= inside
        labels[:, ~inside] = 0
    high = float(rng.uniform(85.0, 100.0))
    seen = with_cycle(normalise(images), (high, 100.0 - high))[0]
    seen[:, 1:] += look.noise * rng.uniform(0.0, 1.0) * np.array([1.0, -1.0], np.float32)[:, None, None]
    return np.clip(seen, 0.0, 1.0), labels


def _field_of_view(rng: np.random.Generator) -> NDArray[np.bool_]:
    """Pixels (y, x) that are left where the source image ends on one side."""
    seen = np.ones((GRID.size_px, GRID.size_px), np.bool_)
    width = int(rng.integers(4, 28))
    seen[-width:] = False
    return np.rot90(seen, int(rng.integers(4)))


class SyntheticStacks(IterableDataset[Batch]):
    """Batches without end. Each worker keeps `pool` stacks and draws `fresh` of every batch's stacks anew."""

    def __init__(self, *, seed: int, stacks: int, pool: int = 96, fresh: float = 0.12) -> None:
        super().__init__()
        self.seed, self.stacks, self.pool, self.fresh = seed, stacks, pool, fresh

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        torch.set_num_threads(1)
        kept: list[TissueStack] = []
        while True:
            pictures = []
            for _ in range(self.stacks):
                if len(kept) < 8 or rng.uniform() < self.fresh:
                    kept.append(sample_tissue_stack(rng))
                    if len(kept) > self.pool:
                        kept.pop(int(rng.integers(self.pool // 2)))
                    pictures.append(picture(kept[-1], rng))
                else:
                    pictures.append(picture(kept[int(rng.integers(len(kept)))], rng))
            yield Batch(
                images=np.concatenate([image for image, _ in pictures]),
                labels=np.concatenate([labels for _, labels in pictures]),
                counts=tuple(len(image) for image, _ in pictures),
            )
