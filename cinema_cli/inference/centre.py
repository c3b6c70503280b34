"""Find the heart in a short-axis stack without masks: by its motion, and by where long-axis planes cross."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cinema_cli.domain.cine import Cine

COARSE_MM = 4.0  # pixels are averaged to about this size: the centre need not be finer
SLICE_SMOOTHING_MM = 6.0  # about a wall's thickness: the two edges of a moving wall become one
HEART_SMOOTHING_MM = 28.0  # about the outer radius of an adult left ventricle
PRIOR_SIGMA = 0.3  # of the field of view: technicians put the heart near the middle
GATHER_RADIUS_MM = 60.0
MIN_SIGNAL = 1.5  # once-a-cycle change near the centre over the fastest changes, which are noise: 1 for noise alone
MIN_FRAMES_FOR_NOISE = 8  # below, there is no change fast enough to be noise alone
MIN_CROSSING_ANGLE_SINE = 0.35  # long-axis planes closer than 20 degrees to parallel do not fix a point


@dataclass(frozen=True, slots=True)
class HeartCentre:
    """Centre of the heart in source pixels; `found` is False where it is only the middle of the image."""

    row: float
    column: float
    found: bool
    sentence: str  # how it was found, or why not: goes on a sentence

    @property
    def point(self) -> tuple[float, float]:
        """(row, column)."""
        return (self.row, self.column)


def find_centre(sax: Cine, *, long_axes: Iterable[Cine] = ()) -> HeartCentre:
    """Centre of the heart in the short-axis stack, from motion and, where there are two, from long-axis planes.

    Never fails: an image that does not move yields its middle, with `found` False.
    """
    motion = centre_of_motion(sax.pixels, pixel_spacing_mm=sax.pixel_spacing_mm)
    crossing = crossing_of_planes(sax, long_axes)
    if crossing is None:
        return motion
    if not motion.found or distance_mm(motion.point, crossing, sax.pixel_spacing_mm) < GATHER_RADIUS_MM:
        return HeartCentre(*crossing, True, "where the long-axis planes cross the short-axis stack")
    return motion


def centre_of_motion(pixels: NDArray[np.float32], *, pixel_spacing_mm: tuple[float, float]) -> HeartCentre:
    """Centre of what changes once a cycle in pixels (frame, slice, row, column)."""
    rows, columns = pixels.shape[2:]
    middle = ((rows - 1) / 2, (columns - 1) / 2)
    if pixels.shape[0] < 2:
        return HeartCentre(*middle, False, "one frame shows no motion")
    factors = tuple(max(1, round(COARSE_MM / mm)) for mm in pixel_spacing_mm)
    spacing = (pixel_spacing_mm[0] * factors[0], pixel_spacing_mm[1] * factors[1])
    binned = _binned(pixels, (factors[0], factors[1]))
    motion = motion_map(binned, spacing_mm=spacing)
    weighted = ndimage.gaussian_filter(motion, [HEART_SMOOTHING_MM / mm for mm in spacing], mode="constant")
    weighted *= _prior(motion.shape)
    row, column = _gather(motion, np.unravel_index(int(weighted.argmax()), weighted.shape), spacing)
    near = _within(binned.shape[2:], (row, column), spacing, radius_mm=GATHER_RADIUS_MM / 2)
    if not weighted.max() > 0 or _signal(binned[..., near]) < MIN_SIGNAL:
        return HeartCentre(*middle, False, "nothing moves with the heart beat")
    point = ((row + 0.5) * factors[0] - 0.5, (column + 0.5) * factors[1] - 0.5)
    return HeartCentre(*point, True, "where the image changes most with the heart beat")


def motion_map(pixels: NDArray[np.float32], *, spacing_mm: tuple[float, float]) -> NDArray[np.float64]:
    """Strength of the once-a-cycle change (row, column), all slices together, of pixels (frame, slice, row, column).

    A slice counts by rank of its pixels rather than by brightness, so that no artefact or bright slice dominates.
    """
    harmonic = _harmonic(pixels, 1)  # (slice, row, column)
    sigma = [0.0, *(SLICE_SMOOTHING_MM / mm for mm in spacing_mm)]
    smooth = ndimage.gaussian_filter(harmonic, sigma)
    top = np.percentile(smooth, 98, axis=(1, 2), keepdims=True)
    base = np.percentile(smooth, 60, axis=(1, 2), keepdims=True)
    span = np.where(top > base, top - base, 1.0)
    weight = np.where(top > base, 1.0, 0.0)
    strength: NDArray[np.float64] = (weight * np.clip((smooth - base) / span, 0.0, 1.0)).mean(axis=0)
    return strength


def _harmonic(pixels: NDArray[np.float32], order: int) -> NDArray[np.float64]:
    """Size of what changes `order` times a cycle along the first axis; zero where nothing changes at all."""
    n = pixels.shape[0]
    wave = np.exp(-2j * np.pi * order * np.arange(n) / n).astype(np.complex64)
    size: NDArray[np.float64] = np.abs(np.tensordot(wave, pixels - pixels[:1], axes=1)).astype(np.float64)
    return size


def _signal(pixels: NDArray[np.float32]) -> float:
    """Once-a-cycle change of pixels (frame, ...) over that of the fastest three orders; infinite for few frames."""
    n = len(pixels)
    if n < MIN_FRAMES_FOR_NOISE:
        return float("inf")
    noise = float(np.mean([_harmonic(pixels, order).mean() for order in range((n - 1) // 2 - 2, (n - 1) // 2 + 1)]))
    beat = float(_harmonic(pixels, 1).mean())
    return beat / noise if noise > 0 else (float("inf") if beat > 0 else 0.0)


def crossing_of_planes(sax: Cine, long_axes: Iterable[Cine]) -> tuple[float, float] | None:
    """Pixel (row, column) of the middle short-axis slice nearest to all long-axis planes; None where they fix none.

    Solves, in the least-squares sense, for the point of the slice that lies on every plane: the ventricle's long axis.
    """
    planes = [(cine.normal, cine.origins_mm[len(cine.origins_mm) // 2]) for cine in long_axes]
    if len(planes) < 2:
        return None
    origin = sax.origins_mm[sax.n_slices // 2]
    steps = np.stack([sax.column_direction * sax.pixel_spacing_mm[0], sax.row_direction * sax.pixel_spacing_mm[1]])
    matrix = np.array([[normal @ steps[0], normal @ steps[1]] for normal, _ in planes])
    target = np.array([normal @ (point - origin) for normal, point in planes])
    lines = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9)
    sines = lines[:, None, 0] * lines[None, :, 1] - lines[:, None, 1] * lines[None, :, 0]
    if np.abs(sines).max() < MIN_CROSSING_ANGLE_SINE:
        return None
    row, column = np.linalg.lstsq(matrix, target, rcond=None)[0]
    inside = 0 <= row < sax.pixels.shape[2] and 0 <= column < sax.pixels.shape[3]
    return (float(row), float(column)) if inside else None


def _binned(pixels: NDArray[np.float32], factors: tuple[int, int]) -> NDArray[np.float32]:
    """Average blocks of pixels; rows and columns left over at the end are dropped."""
    frames, slices, rows, columns = pixels.shape
    r, c = min(factors[0], rows), min(factors[1], columns)
    trimmed = pixels[:, :, : rows // r * r, : columns // c * c]
    blocks = trimmed.reshape(frames, slices, rows // r, r, columns // c, c)
    binned: NDArray[np.float32] = np.nan_to_num(blocks.mean(axis=(3, 5), dtype=np.float32))
    return binned


def _prior(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A wide bell in the middle of the image."""
    bells = [np.exp(-0.5 * (np.linspace(-0.5, 0.5, n) / PRIOR_SIGMA) ** 2) for n in shape]
    return np.outer(bells[0], bells[1])


def _gather(
    motion: NDArray[np.float64], start: tuple[np.intp, ...], spacing: tuple[float, float]
) -> tuple[float, float]:
    """Centre of gravity of the motion round a point, until it stays (mean shift)."""
    rows, columns = np.ogrid[: motion.shape[0], : motion.shape[1]]
    row, column = float(start[0]), float(start[1])
    for _ in range(20):
        weight = motion * _within(motion.shape, (row, column), spacing, radius_mm=GATHER_RADIUS_MM)
        total = float(weight.sum())
        if total <= 0:
            break
        new_row, new_column = float((weight * rows).sum() / total), float((weight * columns).sum() / total)
        moved = np.hypot(new_row - row, new_column - column)
        row, column = new_row, new_column
        if moved < 0.1:
            break
    return row, column


def _within(
    shape: tuple[int, ...], point: tuple[float, float], spacing: tuple[float, float], *, radius_mm: float
) -> NDArray[np.bool_]:
    """Pixels (row, column) nearer to a point than a radius."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    near: NDArray[np.bool_] = np.hypot((rows - point[0]) * spacing[0], (columns - point[1]) * spacing[1]) < radius_mm
    return near


def distance_mm(a: tuple[float, float], b: tuple[float, float], spacing: tuple[float, float]) -> float:
    """Distance in mm of two points (row, column) in pixels."""
    return float(np.hypot((a[0] - b[0]) * spacing[0], (a[1] - b[1]) * spacing[1]))
