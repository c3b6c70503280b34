"""Where imaging planes meet, and the middle of the heart in any view from that: no mask is needed (spec 10.1)."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.domain.cine import Cine, CineStudy, View
from cinema_cli.inference.centre import HeartCentre, centre_of_motion, find_centre
from cinema_cli.inference.lattice import Floats

PARALLEL = 1e-6  # sine of an angle below which two directions are the same
MIN_ANGLE_SINE = 0.35  # planes of a study closer than 20 degrees to parallel do not fix a point: as in `centre`


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A plane in patient coordinates (LPS, mm)."""

    point_mm: Floats  # (3,): a point of it
    normal: Floats  # (3,): unit vector


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line in patient coordinates (LPS, mm)."""

    point_mm: Floats  # (3,): a point of it
    direction: Floats  # (3,): unit vector


def plane_of(cine: Cine, *, slice_index: int = 0) -> Plane:
    """The plane of one slice."""
    return Plane(cine.origins_mm[slice_index], cine.normal)


def meeting_line(a: Plane, b: Plane) -> Line | None:
    """Where two planes meet; None where they are parallel.

    Its point is the one nearest to half-way between the points of the planes.
    """
    direction = np.cross(a.normal, b.normal)
    sine = float(np.linalg.norm(direction))
    if sine < PARALLEL:
        return None
    start = (a.point_mm + b.point_mm) / 2
    normals = np.stack([a.normal, b.normal])
    lacking = np.array([a.normal @ (a.point_mm - start), b.normal @ (b.point_mm - start)])
    return Line(start + np.linalg.pinv(normals) @ lacking, direction / sine)


def meeting_point(line: Line, plane: Plane) -> Floats | None:
    """Where a line goes through a plane, (3,) in mm; None where it runs along it."""
    steepness = float(line.direction @ plane.normal)
    if abs(steepness) < PARALLEL:
        return None
    away = float((plane.point_mm - line.point_mm) @ plane.normal)
    return np.asarray(line.point_mm + line.direction * (away / steepness))


def projected(point_mm: Floats, plane: Plane) -> Floats:
    """The point of a plane nearest to `point_mm`, (3,)."""
    return np.asarray(point_mm - ((point_mm - plane.point_mm) @ plane.normal) * plane.normal)


def view_centre(study: CineStudy, view: View, *, sax_slice: int | None = None) -> HeartCentre:
    """Middle of the heart in source pixels of a view, for the crop; never fails.

    SAX: by motion and crossing planes (`find_centre`). Long axes, the first of these that there is: where 2C, 4C and
    the short-axis slice `sax_slice` meet, projected on the view; the short axis' centre, projected; motion in the view
    itself; its middle. UK Biobank, Kaggle and Rescan were cropped with the first slice (0); the middle one, ours
    unless given, is nearer to the middle of the ventricle, on which the segmentation heads' data were cropped.
    """
    cine = study.cines[view]
    if view is View.SAX:
        return find_centre(cine, long_axes=[c for v, c in study.cines.items() if v is not View.SAX])
    point = heart_point_mm(study, sax_slice=sax_slice)
    if point is not None:
        row, column = pixel_of(cine, projected(point, plane_of(cine)))
        rows, columns = cine.pixels.shape[2:]
        if 0 <= row <= rows - 1 and 0 <= column <= columns - 1:
            return HeartCentre(row, column, True, "where the heart lies in the other views")
    return centre_of_motion(cine.pixels, pixel_spacing_mm=cine.pixel_spacing_mm)


def heart_point_mm(study: CineStudy, *, sax_slice: int | None = None) -> Floats | None:
    """Middle of the heart in the patient (3,), from the short axis and the planes beside it; None without a short axis.

    None, too, where neither planes nor motion tell: the middle of an image is not the heart.
    """
    sax = study.cines.get(View.SAX)
    if sax is None:
        return None
    index = sax.n_slices // 2 if sax_slice is None else sax_slice
    crossing = _crossing_mm(study, plane_of(sax, slice_index=index))
    if crossing is not None and _is_seen(sax, index, crossing):
        return crossing
    found = find_centre(sax, long_axes=[c for v, c in study.cines.items() if v is not View.SAX])
    return pixel_mm(sax, found.point, slice_index=index) if found.found else None


def pixel_mm(cine: Cine, point: tuple[float, float], *, slice_index: int) -> Floats:
    """Patient millimetres (3,) of (row, column) in pixels of a slice."""
    down = point[0] * cine.pixel_spacing_mm[0] * cine.column_direction
    along = point[1] * cine.pixel_spacing_mm[1] * cine.row_direction
    return np.asarray(cine.origins_mm[slice_index] + down + along)


def pixel_of(cine: Cine, point_mm: Floats, *, slice_index: int = 0) -> tuple[float, float]:
    """(row, column) in pixels of a slice of the place that is nearest to a point of the patient (3,)."""
    offset = point_mm - cine.origins_mm[slice_index]
    row = float(offset @ cine.column_direction) / cine.pixel_spacing_mm[0]
    return row, float(offset @ cine.row_direction) / cine.pixel_spacing_mm[1]


def _crossing_mm(study: CineStudy, sax_plane: Plane) -> Floats | None:
    """Where the 2C, 4C and short-axis planes meet; None where one is missing or two are close to parallel."""
    two, four = study.cines.get(View.LAX_2C), study.cines.get(View.LAX_4C)
    if two is None or four is None:
        return None
    line = meeting_line(plane_of(two), plane_of(four))
    sine = float(np.linalg.norm(np.cross(two.normal, four.normal)))
    if line is None or sine < MIN_ANGLE_SINE or abs(float(line.direction @ sax_plane.normal)) < MIN_ANGLE_SINE:
        return None
    return meeting_point(line, sax_plane)


def _is_seen(sax: Cine, index: int, point_mm: Floats) -> bool:
    """Whether a point lies inside a slice's image."""
    row, column = pixel_of(sax, point_mm, slice_index=index)
    rows, columns = sax.pixels.shape[2:]
    return bool(0 <= row <= rows - 1 and 0 <= column <= columns - 1)
