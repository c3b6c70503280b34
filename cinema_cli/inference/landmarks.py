"""From the landmark networks' answers to points: heat maps and coordinates, in voxels of the input (x, y)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.inference.lattice import Floats

BETA = 1000.0  # of the published soft-argmax
HAIR = 1e-5  # voxels: float32's rounding of such a mean
SIGMA_PX = 3.0  # of the Gaussians that the heat maps were trained on (spec 11)
REACH_PX = 4  # round the peak: where such a Gaussian is above 0.4 and its logarithm a parabola
FITS = 4  # rounds: the fit moves where noise, not the summit, was greatest
LEAST = 1e-6  # probability below which a voxel counts as this
FLATTEST = 1e-3  # curvature of the logarithm, per voxel^2, below which there is no summit: 1 / sigma^2 is 0.11


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Landmarks in voxels of the network's input, which count from the centre of the first."""

    xy: Floats  # (frame, point, 2)
    peaks: Floats  # (frame, point): greatest probability of each map, 0..1; NaN where the network gives coordinates


def heat_map_points(maps: NDArray[np.floating]) -> Points:
    """Landmarks of heat maps (frame, point, x, y) of probabilities (after the sigmoid), finer than a voxel.

    A Gaussian round the greatest value: its logarithm is a parabola, fitted with the squared probabilities as weights.
    The published soft-argmax with beta 1000 is no finer than a voxel, as neighbours of a peak weigh e^-50, and drops
    its decimals: 0.6 voxels off on average in noisy Gaussians, this 0.05. `published_points` is kept to compare.
    """
    values = np.nan_to_num(np.asarray(maps, np.float64))
    xy = np.array([[_peak(values[f, p]) for p in range(values.shape[1])] for f in range(values.shape[0])])
    return Points(xy.reshape(*values.shape[:2], 2), values.max(axis=(2, 3)))


def published_points(maps: NDArray[np.floating]) -> NDArray[np.int64]:
    """The reference's landmarks (frame, point, 2): soft-argmax with beta 1000 of each axis, decimals dropped (spec 11).

    What lies a hair below a whole number is that number, as in the reference's float32.
    """
    values = np.asarray(maps, np.float64)
    frames, points, width, height = values.shape
    scaled = BETA * values.reshape(frames, points, -1)
    weight = np.exp(scaled - scaled.max(axis=-1, keepdims=True)).reshape(values.shape)
    weight /= weight.sum(axis=(2, 3), keepdims=True)
    x, y = weight.sum(axis=3) @ np.arange(width), weight.sum(axis=2) @ np.arange(height)
    return np.trunc(np.stack([x, y], axis=-1) + HAIR).astype(np.int64)


def brightest_points(maps: NDArray[np.floating]) -> NDArray[np.int64]:
    """The place of the greatest value (frame, point, 2) of each map (frame, point, x, y).

    The reference's other reading: kept because its golden values are repeated by it; no head is read so.
    """
    flat = np.asarray(maps).reshape(*maps.shape[:2], -1).argmax(axis=-1)
    return np.stack(np.divmod(flat, maps.shape[3]), axis=-1).astype(np.int64)


def coordinate_points(answers: NDArray[np.floating], *, size: tuple[int, int], truncate: bool = False) -> Points:
    """Landmarks of a coordinate network's answers (frame, 6): x1, y1, x2, y2, x3, y3 as shares of (width, height).

    `size` is that of the input, 256 x 256. The reference's example drops decimals; `truncate` does.
    """
    shares = np.asarray(answers, np.float64)
    xy = shares.reshape(len(shares), -1, 2) * np.array(size, float)
    xy = np.trunc(xy) if truncate else xy
    return Points(xy, np.full(xy.shape[:2], np.nan))


def _peak(image: Floats) -> Floats:
    """Middle (2,) of the Gaussian round the greatest value of an image (x, y); that voxel where none fits."""
    top = np.array(np.unravel_index(int(image.argmax()), image.shape))
    summit = top.astype(np.float64)
    for _ in range(FITS):
        at = np.clip(np.rint(summit).astype(np.intp), 0, np.array(image.shape) - 1)
        shift = _parabola(image, at)
        if shift is None or np.abs(at + shift - top).max() > REACH_PX:
            return top.astype(np.float64)
        summit = at + shift
        if np.abs(shift).max() <= 0.5:
            break
    return summit


def _parabola(image: Floats, at: NDArray[np.intp]) -> Floats | None:
    """Way (2,) from voxel `at` to the summit of the parabola through the logarithms round it; None without summit."""
    low = np.maximum(at - REACH_PX, 0)
    part = image[low[0] : at[0] + REACH_PX + 1, low[1] : at[1] + REACH_PX + 1]
    x, y = (grid - middle for grid, middle in zip(np.indices(part.shape), at - low, strict=True))
    weight = np.clip(part, LEAST, None)
    terms = np.stack([np.ones(part.shape), x, y, -0.5 * (x**2 + y**2)], axis=-1) * weight[..., None]
    fit = np.linalg.lstsq(terms.reshape(-1, 4), (np.log(weight) * weight).ravel(), rcond=None)[0]
    return np.asarray(fit[1:3] / fit[3]) if fit[3] > FLATTEST else None
