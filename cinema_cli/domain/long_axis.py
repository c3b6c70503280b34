"""Long-axis function from landmarks: length of the ventricle, its shortening, and how far the mitral valve moves."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LongAxisPoints:
    """Two points of the mitral annulus and the apex of one long-axis view, in every frame."""

    points_mm: Floats  # (frame, 3, 3): annulus, annulus, apex; patient coordinates (LPS, mm)

    def __post_init__(self) -> None:
        """Refuse what is not three points a frame in space or in a plane."""
        if self.points_mm.ndim != 3 or self.points_mm.shape[1] != 3 or self.points_mm.shape[2] not in (2, 3):
            raise ValueError(f"three landmarks a frame are needed, not an array of shape {self.points_mm.shape}")

    @property
    def annulus_mm(self) -> Floats:
        """(frame, 3): middle of the mitral annulus."""
        return np.asarray(self.points_mm[:, :2].mean(axis=1))

    @property
    def lengths_mm(self) -> Floats:
        """(frame,): from the middle of the mitral annulus to the apex; NaN where a point is missing (spec 13)."""
        return np.asarray(np.linalg.norm(self.annulus_mm - self.points_mm[:, 2], axis=-1))

    @property
    def extreme_frames(self) -> tuple[int, int]:
        """Frames of the longest and the shortest ventricle: the reference's ED and ES of a long-axis view.

        Raises ValueError where no frame has all three points.
        """
        lengths = self.lengths_mm
        if not np.isfinite(lengths).any():
            raise ValueError("no frame has both mitral points and the apex")
        return int(np.nanargmax(lengths)), int(np.nanargmin(lengths))

    def shortening_pct(self, *, ed_frame: int, es_frame: int) -> float:
        """Longitudinal shortening from ED to ES, percent of the length at ED; NaN where a point is missing.

        At `extreme_frames` this is what the reference calls GLS: a change of a straight length, not strain (spec 13).
        """
        lengths = self.lengths_mm
        return float(100.0 * (lengths[ed_frame] - lengths[es_frame]) / lengths[ed_frame])

    def mapse_mm(self, *, ed_frame: int, es_frame: int) -> float:
        """Mitral annular plane systolic excursion: mean way of both points towards the apex, mm; NaN if one is missing.

        Measured along the long axis at ED, as M-mode does (Lang et al., Eur Heart J Cardiovasc Imaging 2015;16:233), so
        that sideways movement does not count. Negative where the annulus moves away from the apex.
        """
        axis = self.points_mm[ed_frame, 2] - self.annulus_mm[ed_frame]
        moved = self.annulus_mm[es_frame] - self.annulus_mm[ed_frame]
        return float(moved @ axis / np.linalg.norm(axis))

    def annular_displacement_mm(self, *, ed_frame: int, es_frame: int) -> float:
        """Mean distance that the mitral points move between two frames, in any direction, mm.

        At `extreme_frames`, this is what the reference plots as MAPSE (spec 13).
        """
        return float(distances(self.points_mm[ed_frame, :2], self.points_mm[es_frame, :2]).mean())


def distances(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Euclidean distances (...,) between points (..., 2 or 3), in their unit."""
    return np.asarray(np.linalg.norm(a - b, axis=-1))
