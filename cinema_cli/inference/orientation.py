"""Turn short-axis images to the usual display, seen from the apex with the anterior wall up, and back again."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine

T = TypeVar("T", bound=np.generic)

# Mean of the usual short-axis display in patient coordinates (LPS): to the right of the image lies the patient's left
# and back, downwards lie the feet and a little left; away from the viewer lies the base (right, back and head).
RIGHTWARDS = np.array([0.70, 0.70, 0.0]) / np.linalg.norm([0.70, 0.70, 0.0])
DOWNWARDS = np.array([-0.30, 0.30, -0.90]) / np.linalg.norm([-0.30, 0.30, -0.90])
BASEWARDS = np.cross(RIGHTWARDS, DOWNWARDS)
MAX_TILT_COSINE = 0.5  # more than 60 degrees from the usual short axis: the axes are not to be trusted


@dataclass(frozen=True, slots=True)
class Turn:
    """How to turn source images (..., slice, row, column): swap rows and columns, then reverse axes."""

    swap: bool = False
    reverse_rows: bool = False
    reverse_columns: bool = False
    reverse_slices: bool = False

    def apply(self, images: NDArray[T]) -> NDArray[T]:
        """Source (..., slice, row, column) -> usual display."""
        turned = np.swapaxes(images, -1, -2) if self.swap else images
        return turned[(..., *self._steps())]

    def undo(self, images: NDArray[T]) -> NDArray[T]:
        """Usual display (..., slice, row, column) -> source."""
        turned = images[(..., *self._steps())]
        return np.swapaxes(turned, -1, -2) if self.swap else turned

    def pair(self, values: tuple[float, float]) -> tuple[float, float]:
        """Reorder something that goes with (row, column), such as the pixel spacing."""
        return (values[1], values[0]) if self.swap else values

    def point(self, source: tuple[float, float], *, shape: tuple[int, int]) -> tuple[float, float]:
        """Source (row, column) -> the same point in turned images of `shape` (row, column)."""
        row, column = self.pair(source)
        return (
            shape[0] - 1 - row if self.reverse_rows else row,
            shape[1] - 1 - column if self.reverse_columns else column,
        )

    def _steps(self) -> tuple[slice, slice, slice]:
        flags = (self.reverse_slices, self.reverse_rows, self.reverse_columns)
        return (
            slice(None, None, -1 if flags[0] else 1),
            slice(None, None, -1 if flags[1] else 1),
            slice(None, None, -1 if flags[2] else 1),
        )


def axes_are_usual(sax: Cine) -> bool:
    """Whether the patient axes are those that a short axis has in people lying in a scanner."""
    return abs(float(sax.normal @ BASEWARDS)) >= MAX_TILT_COSINE


def usual_display(sax: Cine) -> Turn:
    """The turn, of eight, that brings rows and columns nearest to the usual display; slices from base to apex.

    No turn where the patient axes cannot be those of a short axis: phantoms, missing or anonymised geometry.
    """
    if not axes_are_usual(sax):
        return Turn()
    right, down = sax.row_direction, sax.column_direction  # along which columns and rows grow
    best = Turn()
    best_score = -np.inf
    for swap in (False, True):
        along_row, along_column = (down, right) if swap else (right, down)
        across, downwards = float(along_row @ RIGHTWARDS), float(along_column @ DOWNWARDS)
        if abs(across) + abs(downwards) > best_score:
            best_score = abs(across) + abs(downwards)
            best = Turn(swap, reverse_rows=downwards < 0, reverse_columns=across < 0)
    base_to_apex = float((sax.origins_mm[-1] - sax.origins_mm[0]) @ BASEWARDS) <= 0
    return Turn(best.swap, best.reverse_rows, best.reverse_columns, reverse_slices=not base_to_apex)


@dataclass(frozen=True, slots=True, eq=False)
class DisplayStack:
    """Short-axis images in the usual display, base to apex, and how they were turned."""

    images: NDArray[np.float32]  # (frame, slice, row, column), a view of the source
    spacing_mm: tuple[float, float, float]  # (slice, row, column)
    turn: Turn

    @property
    def pixel_spacing_mm(self) -> tuple[float, float]:
        """Between rows, between columns of the turned images."""
        return self.spacing_mm[1:]


def display_stack(sax: Cine) -> DisplayStack:
    """The cine's images turned to the usual display."""
    turn = usual_display(sax)
    return DisplayStack(turn.apply(sax.pixels), (sax.slice_spacing_mm, *turn.pair(sax.pixel_spacing_mm)), turn)
