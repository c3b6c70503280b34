"""A beating annulus with known volumes, and a head that reads it by its grey values: for tests without a network."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, CineStudy, StudyFacts, View
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.preprocess import Grid

GREY = np.array([0.0, 0.5, 0.25, 1.0], np.float32)  # background, RV, MYO, LV
USUAL_ROW = np.array([0.712, 0.701, -0.034])
USUAL_COLUMN = np.array([-0.308, 0.268, -0.913])


def disk_masks(
    *,
    n_frames: int = 20,
    n_slices: int = 8,
    shape: tuple[int, int] = (128, 128),
    spacing_mm: tuple[float, float] = (1.5, 1.5),
    centre_mm: tuple[float, float] = (95.0, 95.0),
    ed_radius_mm: float = 26.0,
    shortening: float = 0.3,
    ed_frame: int = 0,
) -> NDArray[np.uint8]:
    """Labels (frame, slice, row, column): LV disk in a MYO ring, RV crescent on its left; muscle area is constant."""
    rows = np.arange(shape[0])[:, None] * spacing_mm[0] - centre_mm[0]
    columns = np.arange(shape[1])[None, :] * spacing_mm[1] - centre_mm[1]
    distance = np.hypot(rows, columns)
    masks = np.zeros((n_frames, n_slices, *shape), np.uint8)
    for f in range(n_frames):
        beat = 0.5 - 0.5 * np.cos(2 * np.pi * (f - ed_frame) / n_frames)
        for s in range(n_slices):
            taper = np.sqrt(max(0.05, 1 - (s / n_slices) ** 2))
            ed = ed_radius_mm * taper
            endo = ed * (1 - shortening * beat)
            epi = np.sqrt(endo**2 + (ed + 9.0) ** 2 - ed**2)
            rv = np.hypot(rows * 0.9, columns + epi * 0.9) < epi
            image = masks[f, s]
            image[rv] = 1
            image[distance < epi] = 2
            image[distance < endo] = 3
    return masks


def disk_study(
    masks: NDArray[np.uint8],
    *,
    spacing_mm: tuple[float, float] = (1.5, 1.5),
    slice_mm: float = 8.0,
    row_direction: NDArray[np.float64] = USUAL_ROW,
    column_direction: NDArray[np.float64] = USUAL_COLUMN,
    facts: StudyFacts | None = None,
    cycle_ms: float | None = 900.0,
) -> CineStudy:
    """The masks painted as a cine of a study, whose slices go from base to apex."""
    pixels = GREY[masks] * 400.0
    normal = np.cross(row_direction, column_direction)
    apexwards = -normal if normal @ np.array([-0.64, 0.64, 0.4]) > 0 else normal
    origins = np.arange(masks.shape[1])[:, None] * slice_mm * apexwards[None, :]
    sax = Cine(
        view=View.SAX, pixels=pixels.astype(np.float32), pixel_spacing_mm=spacing_mm, slice_spacing_mm=slice_mm,
        thickness_mm=slice_mm, origins_mm=origins, row_direction=row_direction, column_direction=column_direction,
        times_ms=np.arange(len(masks)) * 45.0, cycle_ms=cycle_ms, series_uids=("1.2.3",),
    )  # fmt: skip
    return CineStudy("sub-1", "ses-1", "1.2", {View.SAX: sax}, facts or StudyFacts())


@dataclass(frozen=True)
class GreyHead:
    """Labels each pixel by the nearest grey value; remembers nothing, knows no hearts."""

    grid: Grid = field(default_factory=lambda: Grid(128, 1.5))
    use: HeadUse = field(default_factory=lambda: HeadUse("grey", "0" * 64))
    precision: str = "fp32"

    def probabilities(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Softmax of minus the distance to each class's grey."""
        distance = np.abs(frames[:, :, None] - GREY[None, None, :, None, None])
        weight = np.exp(-40.0 * distance)
        return (weight / weight.sum(axis=2, keepdims=True)).astype(np.float32)

    def look_again(
        self, frames: NDArray[np.float32], first: NDArray[np.float32], chosen: Sequence[int]
    ) -> NDArray[np.float32]:
        """It sees the same again."""
        return first[list(chosen)]
