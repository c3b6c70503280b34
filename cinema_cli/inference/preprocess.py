"""What the networks see: a square grid in millimetres round the heart, scaled to [0, 1], and the way back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

LOW_PERCENTILE, HIGH_PERCENTILE = 1.0, 99.0  # of all frames and slices of a crop together; fat and flow above are cut


@dataclass(frozen=True, slots=True)
class Grid:
    """Square image that a head expects: side in pixels and the distance between pixels."""

    size_px: int
    spacing_mm: float

    @property
    def side_mm(self) -> float:
        """Extent of the square, from edge to edge of its pixels."""
        return self.size_px * self.spacing_mm


def to_grid(
    images: NDArray[np.generic], *, pixel_spacing_mm: tuple[float, float], centre: tuple[float, float], grid: Grid
) -> Float32:
    """Resample images (..., row, column) onto `grid` around `centre`, (row, column) in pixels, which may be fractional.

    Linear interpolation whose triangle widens to the grid's spacing where the source is finer, so that nothing is
    skipped; zero outside the image. Returns float32 (..., size, size).
    """
    rows, columns = (
        _weights(target=grid.size_px, source=images.shape[axis], step=grid.spacing_mm / pixel_spacing_mm[axis],
                 first=centre[axis] - _middle(grid) * grid.spacing_mm / pixel_spacing_mm[axis])
        for axis in (-2, -1)
    )  # fmt: skip
    return _separable(images, rows, columns)


@dataclass(frozen=True, slots=True, eq=False)
class SourceWindow:
    """The part of a source that a box of the grid reaches, and what brings probabilities there.

    The inverse of `to_grid`: linear; what lies outside the grid is background (class 0).
    """

    where: tuple[slice, slice]  # rows and columns of the source
    rows: Float32  # (row of the part, row of the box): weights
    columns: Float32  # (column of the part, column of the box)
    outside: Float32  # (row, column): share of each pixel that lies outside the grid

    def bring(self, probabilities: Float32) -> Float32:
        """Probabilities (class, ..., row, column) of the box -> those of the part; they sum to one as they did."""
        values = _separable(probabilities, self.rows, self.columns)
        values[0] += self.outside
        return values


def source_window(
    *,
    source_shape: tuple[int, ...],
    pixel_spacing_mm: tuple[float, float],
    centre: tuple[float, float],
    grid: Grid,
    box: tuple[slice, slice],
) -> SourceWindow:
    """The way back from a box of the grid, whose middle lies at `centre`, (row, column) in pixels of the source.

    `source_shape` is (..., row, column).
    """
    rows, columns = (
        _weights(target=source_shape[axis], source=grid.size_px, step=pixel_spacing_mm[axis] / grid.spacing_mm,
                 first=_middle(grid) - centre[axis] * pixel_spacing_mm[axis] / grid.spacing_mm)
        for axis in (-2, -1)
    )  # fmt: skip
    (top, bottom), (left, right) = (_span(w[:, part].any(axis=1)) for w, part in zip((rows, columns), box, strict=True))
    rows, columns = rows[top:bottom], columns[left:right]
    outside = 1.0 - np.outer(rows.sum(axis=1), columns.sum(axis=1)).astype(np.float32)
    return SourceWindow((slice(top, bottom), slice(left, right)), rows[:, box[0]], columns[:, box[1]], outside)


def normalise(stack: Float32) -> Float32:
    """Scale intensities to [0, 1]: clipped to percentiles 1 and 99 of everything in the array (any shape), together.

    One scale for all frames and slices of a crop keeps the contrast between them. A constant array becomes zeros;
    values that are not finite count as zero.
    """
    values = np.nan_to_num(stack.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = np.percentile(values, (LOW_PERCENTILE, HIGH_PERCENTILE)).astype(np.float32)
    if not high > low:
        return np.zeros_like(values)
    scaled: Float32 = np.clip((values - low) / (high - low), np.float32(0.0), np.float32(1.0))
    return scaled


def with_cycle(frames: Float32, percentiles: tuple[float, ...]) -> Float32:
    """Each image with what its place shows over the cycle: (frame, slice, row, column) -> (frame, slice, channel, ...).

    Channels are the image and the `percentiles` over frames: where these are bright and dark, something moves. Atria
    grow while ventricles shrink, which no single image shows.
    """
    if not percentiles:
        return frames[:, :, None]
    over = np.percentile(frames, percentiles, axis=0).astype(np.float32)  # (percentile, slice, row, column)
    around = np.broadcast_to(over.swapaxes(0, 1), (len(frames), *over.swapaxes(0, 1).shape))
    return np.concatenate([frames[:, :, None], around], axis=2)


def _middle(grid: Grid) -> float:
    """Index of the grid's centre, half-way between pixels for an even size."""
    return (grid.size_px - 1) / 2


def _weights(*, target: int, source: int, first: float, step: float) -> Float32:
    """Matrix (target, source) of a triangle kernel: target i samples the source at `first + i * step`.

    The kernel is one source pixel wide, or one step where the step is larger; its weights sum to one inside the image
    and fade to zero within a kernel's width outside it.
    """
    width = max(1.0, step)
    at = first + step * np.arange(target)
    margin = int(np.ceil(width)) + 1
    index = np.arange(-margin, source + margin)
    near = np.clip(at, -margin, source - 1 + margin)  # far outside, only the padding is in reach
    weights = np.clip(1.0 - np.abs(index[None, :] - near[:, None]) / width, 0.0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    inside: Float32 = weights[:, margin : margin + source].astype(np.float32)
    return inside


def _span(used: NDArray[np.bool_] | np.bool_) -> tuple[int, int]:
    """First and end (last + 1) of what is used; both 0 for nothing."""
    at = np.flatnonzero(used)
    return (int(at[0]), int(at[-1]) + 1) if len(at) else (0, 0)


def _separable(images: NDArray[np.generic], rows: Float32, columns: Float32) -> Float32:
    """Apply one matrix along the rows and one along the columns of (..., row, column)."""
    resampled: Float32 = np.matmul(np.matmul(rows, np.ascontiguousarray(images, np.float32)), columns.T)
    return resampled
