"""How far the surfaces of two masks lie apart, in millimetres: 95 % Hausdorff and average surface distance."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.statistics.overlap import Bools

TAIL = 95.0  # percent of a surface that lies nearer to the other one than its 95 % Hausdorff distance


@dataclass(frozen=True, slots=True)
class SurfaceDistance:
    """Distances between the surfaces of two masks, mm; NaN where a mask is empty and so has no surface.

    A surface is the voxels of a mask of which at least one of the six neighbours is outside, also beyond the edge of
    the image. A distance is that of a surface voxel's centre to the nearest one of the other surface. Each surface has
    its own percentile (linear between values); the larger of the two counts, as in the paper (MONAI).
    """

    hd95_mm: float  # larger of both surfaces' 95th percentiles
    asd_mm: float  # mean over the voxels of both surfaces: average symmetric surface distance
    hd_mm: float  # largest


def surface(mask: Bools) -> Bools:
    """Voxels of a mask (slice, row, column) that have a neighbour outside it: of six, beyond the edge is outside."""
    padded = np.pad(mask, 1)
    inner = mask.copy()
    for axis in range(mask.ndim):
        for shift in (slice(None, -2), slice(2, None)):
            inner &= padded[tuple(shift if axis == k else slice(1, -1) for k in range(mask.ndim))]
    return mask & ~inner


def bounds(mask: NDArray[np.generic]) -> tuple[slice, ...]:
    """The box that holds everything but zero in an array; empty slices where there is nothing."""
    box = []
    for axis in range(mask.ndim):
        places = np.flatnonzero(mask.any(axis=tuple(k for k in range(mask.ndim) if k != axis)))
        box.append(slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0))
    return tuple(box)


def surface_distance(prediction: Bools, reference: Bools, *, spacing_mm: Sequence[float]) -> SurfaceDistance:
    """Distances between two masks (slice, row, column) of one shape with `spacing_mm` (slice, row, column).

    Distances are exact: a distance transform of the box that holds both. Raises ValueError for unlike shapes.
    """
    if prediction.shape != reference.shape or prediction.ndim != len(spacing_mm):
        raise ValueError(f"masks of {prediction.shape} and {reference.shape} with spacing {tuple(spacing_mm)}")
    box = bounds(prediction | reference)
    surfaces = [surface(mask[box]) for mask in (prediction, reference)]
    if not all(one.any() for one in surfaces):
        return SurfaceDistance(nan, nan, nan)
    here, there = (_distances(a, b, spacing_mm) for a, b in (surfaces, surfaces[::-1]))
    return SurfaceDistance(
        hd95_mm=float(max(np.percentile(here, TAIL), np.percentile(there, TAIL))),
        asd_mm=float((here.sum() + there.sum()) / (here.size + there.size)),
        hd_mm=float(max(here.max(), there.max())),
    )


def _distances(here: Bools, there: Bools, spacing_mm: Sequence[float]) -> Floats:
    """From each voxel of a surface to the nearest of the other, mm."""
    from scipy.ndimage import distance_transform_edt

    distances: Floats = distance_transform_edt(~there, sampling=spacing_mm)[here]
    return distances
