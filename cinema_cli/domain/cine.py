"""A cine acquisition in memory: pixels with millimetres and milliseconds attached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]

MAX_OFF_GRID = 0.2  # of a step: a slice further than this from its place on an even grid does not stand on it


class View(StrEnum):
    """The planes of a cine study."""

    SAX = "sax"
    LAX_2C = "lax_2c"
    LAX_3C = "lax_3c"
    LAX_4C = "lax_4c"

    @property
    def words(self) -> str:
        """The view in words: `short axis`, `2-chamber long axis`."""
        return "short axis" if self is View.SAX else f"{self.value[4]}-chamber long axis"


class Label(IntEnum):
    """What a mask's values mean, everywhere in cinema (order of CineMA and ACDC)."""

    BACKGROUND = 0
    RV = 1
    MYO = 2
    LV = 3


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a series or study that a reader should know: a stable code and a sentence."""

    code: str
    sentence: str


def grid_places(positions_mm: NDArray[np.float64], *, step_mm: float) -> NDArray[np.intp] | None:
    """Places (slice,) of slices, in order along the normal, on an even grid from the first on: 0, 1, 3 beside a gap.

    None where a slice lies further than MAX_OFF_GRID from a place, or two share one.
    """
    if len(positions_mm) < 2:
        return np.zeros(len(positions_mm), np.intp)
    if not step_mm > 0:
        return None
    steps = (positions_mm - positions_mm[0]) / np.copysign(step_mm, positions_mm[-1] - positions_mm[0])
    places: NDArray[np.intp] = np.rint(steps).astype(np.intp)
    fit = (np.abs(steps - places) <= MAX_OFF_GRID).all() and (np.diff(places) > 0).all()
    return places if fit else None


@dataclass(frozen=True, slots=True, eq=False)
class GridFile:
    """A NIfTI file that images of a cine come from: masks go back onto its grid."""

    name: str  # of the mask, without `_dseg.nii.gz`
    header: bytes  # of labels on the same grid, as `io.nifti_head` makes it
    slice_axis: int  # of the file
    items: NDArray[np.intp]  # (frame, slice): number of the image in the file, frame by frame; -1 where it is elsewhere


@dataclass(frozen=True, slots=True, eq=False)
class Cine:
    """One view over the cardiac cycle.

    `pixels` is float32 (frame, slice, row, column) in modality units, slices ordered base to apex for the short axis
    whenever the patient axes are known. Coordinates are DICOM patient coordinates (LPS, mm).
    """

    view: View
    pixels: NDArray[np.float32]  # (frame, slice, row, column)
    pixel_spacing_mm: tuple[float, float]  # (between rows, between columns), as DICOM PixelSpacing
    slice_spacing_mm: float  # centre to centre along the normal; of one slice the thickness, 1 where that is unknown
    thickness_mm: float | None
    origins_mm: NDArray[np.float64]  # (slice, 3): centre of the first pixel of each slice
    row_direction: NDArray[np.float64]  # (3,): unit vector along which the column index grows
    column_direction: NDArray[np.float64]  # (3,): unit vector along which the row index grows
    times_ms: NDArray[np.float64]  # (frame,): since the R wave or the first frame
    cycle_ms: float | None  # R-R interval; None where the headers do not say
    series_uids: tuple[str, ...]
    notes: tuple[Note, ...] = ()
    known_frames: Mapping[str, int] = field(default_factory=dict)  # "ed", "es" -> frame, where names of files say it
    files: tuple[GridFile, ...] = ()  # none where it comes from DICOM

    @property
    def n_frames(self) -> int:
        """Moments of the cycle."""
        return int(self.pixels.shape[0])

    @property
    def n_slices(self) -> int:
        """Positions along the normal."""
        return int(self.pixels.shape[1])

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing in array order (slice, row, column)."""
        return (self.slice_spacing_mm, *self.pixel_spacing_mm)

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in millilitres, from the source spacing."""
        depth, row, column = self.spacing_mm
        return depth * row * column / 1000.0

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit normal of the planes: row direction x column direction."""
        return np.cross(self.row_direction, self.column_direction)

    @property
    def slice_places(self) -> NDArray[np.intp]:
        """(slice,): place of each slice on an even grid of slices, where missing ones leave theirs empty.

        One after the other where the slices fit no such grid.
        """
        places = self._grid_places
        return np.arange(self.n_slices) if places is None else places

    @property
    def affine_lps(self) -> NDArray[np.float64]:
        """4x4: (column, row, place of the slice, 1) -> patient millimetres (LPS), see `slice_places`.

        Places are `slice_spacing_mm` apart; where the slices fit no even grid, as far as these are in the mean.
        """
        matrix = np.eye(4)
        matrix[:3, 0] = self.row_direction * self.pixel_spacing_mm[1]
        matrix[:3, 1] = self.column_direction * self.pixel_spacing_mm[0]
        if self.n_slices > 1:
            span = self.origins_mm[-1] - self.origins_mm[0]
            mean = self._grid_places is None
            matrix[:3, 2] = span / (self.n_slices - 1 if mean else abs(span @ self.normal) / self.slice_spacing_mm)
        else:
            matrix[:3, 2] = self.normal * self.slice_spacing_mm
        matrix[:3, 3] = self.origins_mm[0]
        return matrix

    @property
    def _grid_places(self) -> NDArray[np.intp] | None:
        return grid_places(self.origins_mm @ self.normal, step_mm=self.slice_spacing_mm)


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What the headers say about the person and the machine, nothing that identifies; None where unknown."""

    sex: str | None = None  # "M" or "F"
    age_years: float | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    vendor: str | None = None
    scanner: str | None = None
    field_strength_t: float | None = None
    study_date: str | None = None  # ISO date, only where valid


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a view has no cine though a series shows it: the reason for which the likeliest one was rejected."""

    code: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True, eq=False)
class CineStudy:
    """One visit of one participant: its cines by view."""

    participant_id: str  # with the `sub-` prefix
    session_id: str  # with the `ses-` prefix
    study_uid: str
    cines: Mapping[View, Cine]
    facts: StudyFacts = field(default_factory=StudyFacts)
    notes: tuple[Note, ...] = ()
    refused: Mapping[View, Refusal] = field(default_factory=dict)
