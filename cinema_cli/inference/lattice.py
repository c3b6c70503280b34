"""Regular grids in the patient, in the networks' axis order (x, y, z): where a voxel lies, and what lies on a voxel."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine

Floats = NDArray[np.float64]
Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Voxels x * y * z along orthonormal axes; x runs along an image's row (columns), y down its columns (rows).

    Coordinates are DICOM patient coordinates (LPS, mm). z runs as the slices do, so the axes may be left-handed.
    """

    size: tuple[int, int, int]  # voxels along (x, y, z)
    spacing_mm: Triple  # (x, y, z)
    origin_mm: Floats  # (3,): centre of voxel (0, 0, 0)
    axes: Floats  # (3, 3): its columns are the unit vectors of x, y and z

    def point_mm(self, index: Floats) -> Floats:
        """Patient millimetres (..., 3) of voxel coordinates (..., 3), which may be fractional."""
        return np.asarray(self.origin_mm + (np.asarray(index) * self.spacing_mm) @ self.axes.T)

    def index(self, point_mm: Floats) -> Floats:
        """Fractional voxel coordinates (..., 3) of patient millimetres (..., 3): the inverse of `point_mm`."""
        return np.asarray(((np.asarray(point_mm) - self.origin_mm) @ self.axes) / self.spacing_mm)

    def window(self, start: tuple[int, int, int], size: tuple[int, int, int]) -> "Lattice":
        """The `size` voxels from voxel `start` on, which may lie outside."""
        return replace(self, size=size, origin_mm=self.point_mm(np.array(start, float)))


def lattice_of(cine: Cine) -> Lattice:
    """The grid of a cine's voxels, its slices spread evenly between the first and the last; a missing one counts."""
    across = (cine.origins_mm[-1] - cine.origins_mm[0]) @ cine.normal
    rows, columns = cine.pixels.shape[2:]
    depth = 1 + round(abs(float(across)) / cine.slice_spacing_mm) if cine.n_slices > 1 else 1
    normal = -cine.normal if across < 0 else cine.normal
    return Lattice(
        size=(columns, rows, depth),
        spacing_mm=(cine.pixel_spacing_mm[1], cine.pixel_spacing_mm[0], cine.slice_spacing_mm),
        origin_mm=cine.origins_mm[0],
        axes=np.stack([cine.row_direction, cine.column_direction, normal], axis=1),
    )


def resampled(source: Lattice, spacing_mm: Triple, *, published_origin: bool = False) -> Lattice:
    """The grid of another spacing that covers the same space, edge on edge at the first voxel.

    Size is round(size * spacing / new spacing), half to even. The reference shifts the origin by half the difference of
    the spacings along the *patient's* axes, whatever the direction of the image (spec 10.1): the same for an image that
    lies along them, a needless shift of what is covered otherwise. `published_origin` repeats it, to compare.
    """
    old, new = np.array(source.spacing_mm), np.array(spacing_mm)
    x, y, z = (max(1, round(float(n))) for n in np.array(source.size) * old / new)
    shift = 0.5 * (new - old)
    origin = source.origin_mm + (shift if published_origin else source.axes @ shift)
    return Lattice(size=(x, y, z), spacing_mm=spacing_mm, origin_mm=origin, axes=source.axes)


@dataclass(frozen=True, slots=True, eq=False)
class Taps:
    """For each place along an axis, its two neighbours there and how far it is from the lower to the upper one."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    fraction: Floats  # 0..1
    inside: NDArray[np.bool_]  # not further than half a voxel outside; others read zero

    def of(self, places: NDArray[np.intp]) -> "Taps":
        """Those of some places only."""
        return Taps(self.low[places], self.high[places], self.fraction[places], self.inside[places])


def taps(at: Floats, *, count: int) -> Taps:
    """Neighbours of fractional places `at` (n,) among `count` samples; up to half a sample outside, the last counts."""
    reach = 0.5 + 1e-9  # an edge on an edge is inside, whatever the rounding
    inside = (at >= -reach) & (at <= count - 1 + reach)
    within = np.clip(at, 0.0, count - 1.0)
    low = np.floor(within).astype(np.intp)
    return Taps(low, np.minimum(low + 1, count - 1), within - low, inside)


def linear(values: NDArray[np.generic], along: Taps, *, axis: int) -> Floats:
    """Values resampled along one axis, linearly, float64; zero outside."""
    shape = [1] * values.ndim
    shape[axis] = len(along.low)
    fraction, inside = along.fraction.reshape(shape), along.inside.reshape(shape)
    low, high = np.take(values, along.low, axis=axis), np.take(values, along.high, axis=axis)
    return np.asarray(inside * ((1.0 - fraction) * low + fraction * high), np.float64)


def nearest(values: NDArray[np.generic], along: Taps, *, axis: int) -> NDArray[np.generic]:
    """Values of the nearest samples along one axis (half-way: the later one); zero outside."""
    picked = np.take(values, np.where(along.fraction >= 0.5, along.high, along.low), axis=axis)
    shape = [1] * values.ndim
    shape[axis] = len(along.low)
    return np.asarray(np.where(along.inside.reshape(shape), picked, np.zeros((), values.dtype)))
