"""The long axis that landmark heads found in a view: its points on the image, its length, the frames to show it on."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import CineStudy, View
from cinema_cli.domain.long_axis import LongAxisPoints
from cinema_cli.domain.prediction import Prediction
from cinema_cli.domain.result import StudyResult

POINTS = ("mitral_1", "mitral_2", "apex")


def pixels_of(said: Prediction) -> NDArray[np.float64] | None:
    """Points (frame, 3, 2) as row and column of the image; None where the head finds no landmarks or found none."""
    return _points(said, ("row_px", "column_px"))


def axis_of(said: Prediction) -> LongAxisPoints | None:
    """The same points in mm; None where there are none or no frame has all three."""
    points = _points(said, ("x_mm", "y_mm", "z_mm"))
    return None if points is None or not np.isfinite(points).all(axis=(1, 2)).any() else LongAxisPoints(points)


def moments_in(
    study: CineStudy, result: StudyResult, view: View, axes: Iterable[LongAxisPoints] = ()
) -> tuple[int, int] | None:
    """Frames of `view` at ED and ES: as found in the study, else the longest and shortest of the first of `axes`."""
    moments = result.moments
    if moments and moments.view in study.cines and view in study.cines:
        if max(moments.ed_frame, moments.es_frame) < study.cines[moments.view].n_frames:
            return moments.frames(study, view)
        return None
    return next((axis.extreme_frames for axis in axes), None)


def _points(said: Prediction, axes: tuple[str, ...]) -> NDArray[np.float64] | None:
    """(frame, point, axis) from the columns of the frames."""
    columns = [[f"{said.head}_{point}_{axis}" for axis in axes] for point in POINTS]
    if not all(name in said.frames for several in columns for name in several):
        return None
    return np.stack([np.stack([said.frames[name] for name in several], axis=-1) for several in columns], axis=1)
