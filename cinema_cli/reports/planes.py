"""The long-axis views of a study as stills, with the line where the middle short-axis slice cuts them."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, CineStudy, Label, View
from cinema_cli.reports import pictures
from cinema_cli.reports.slices import levels

VIEW_WORDS = {
    View.SAX: "short axis",
    View.LAX_2C: "2-chamber long axis",
    View.LAX_3C: "3-chamber long axis",
    View.LAX_4C: "4-chamber long axis",
}
SHORT_WORDS = {View.LAX_2C: "2C", View.LAX_3C: "3C", View.LAX_4C: "4C"}
TILE_PX = 228
SIDE_MM = 190.0  # holds ventricles and atria of most adults
PARALLEL = 1e-3  # planes closer to parallel than this (sine of the angle) have no line worth drawing


@dataclass(frozen=True, slots=True)
class PlaneStill:
    """One long-axis view: its picture and what stands below it."""

    picture: Markup
    caption: str
    cut: bool  # the line of the short-axis slice is drawn


def long_axis_planes(study: CineStudy, masks: NDArray[np.uint8] | None) -> list[PlaneStill]:
    """A mid-cycle still of every long-axis cine, in the order 2C, 3C, 4C; `masks` are those of the short axis."""
    sax = study.cines.get(View.SAX)
    middle = None if sax is None else levels(sax, masks)[1]
    heart = None if sax is None or masks is None else heart_point(sax, masks)
    stills = []
    for view, short in SHORT_WORDS.items():
        cine = study.cines.get(view)
        if cine is None:
            continue
        crop = _crop(cine, heart)
        s, frame = cine.n_slices // 2, cine.n_frames // 2
        window = pictures.grey_window(cine, crop)
        grey = pictures.tile(cine.pixels[frame, s], cine, crop, window=window, size_px=TILE_PX)
        line = None if sax is None or middle is None else cut_line(cine, s, sax, middle)
        lines = {} if line is None else {"cut": [_in_tile(line, cine, crop)]}
        alt = f"{VIEW_WORDS[view].capitalize()}, frame {frame}"
        alt += "" if line is None or middle is None else f", cut by short-axis slice {middle + 1}"
        picture = pictures.tile_svg(grey, lines, label=short, alt=alt)
        stills.append(PlaneStill(picture, f"{VIEW_WORDS[view]}, frame {frame}", line is not None))
    return stills


def heart_point(sax: Cine, masks: NDArray[np.uint8]) -> NDArray[np.float64] | None:
    """Centre of the labelled left ventricle in patient mm (3,); None where nothing is labelled."""
    s, rows, columns = np.nonzero((masks >= Label.MYO).any(axis=0))
    if not len(s):
        return None
    down = rows.mean() * sax.pixel_spacing_mm[0] * sax.column_direction
    across = columns.mean() * sax.pixel_spacing_mm[1] * sax.row_direction
    point: NDArray[np.float64] = sax.origins_mm[s].mean(axis=0) + down + across
    return point


def cut_line(cine: Cine, slice_index: int, other: Cine, other_slice: int) -> NDArray[np.float64] | None:
    """Where the plane of `other`'s slice crosses a slice of `cine`: two (row, column) points on the field's border.

    The stretch outside the other slice's own field is left out. None where the planes are parallel or do not meet.
    """
    origin = cine.origins_mm[slice_index]
    along = np.stack([cine.column_direction * cine.pixel_spacing_mm[0], cine.row_direction * cine.pixel_spacing_mm[1]])
    slope = along @ other.normal  # mm off the other plane for a step in row, in column
    off = float((origin - other.origins_mm[other_slice]) @ other.normal)
    if np.hypot(*(slope / np.array(cine.pixel_spacing_mm))) < PARALLEL:
        return None
    direction = np.array([-slope[1], slope[0]]) / np.hypot(*slope)
    start = -off * slope / (slope @ slope)
    seen = _inside(start, direction, np.array(cine.pixels.shape[2:]) - 0.5)
    if seen is None:
        return None
    in_other = np.stack([other.column_direction, other.row_direction]) / np.array(other.pixel_spacing_mm)[:, None]
    other_start = in_other @ (origin + start @ along - other.origins_mm[other_slice])
    own = _inside(other_start, in_other @ (direction @ along), np.array(other.pixels.shape[2:]) - 0.5)
    if own is None or max(seen[0], own[0]) >= min(seen[1], own[1]):
        return None
    ends = np.array([max(seen[0], own[0]), min(seen[1], own[1])])
    line: NDArray[np.float64] = start + ends[:, None] * direction
    return line


def _inside(
    start: NDArray[np.float64], direction: NDArray[np.float64], size: NDArray[np.float64]
) -> tuple[float, float] | None:
    """Stretch of start + t direction inside the box from -0.5 to `size`, as (t, t); None where it misses."""
    low, high = -np.inf, np.inf
    for a, d, end in zip(start, direction, size, strict=True):
        if abs(d) < 1e-9:
            if not -0.5 <= a <= end:
                return None
            continue
        near, far = sorted(((-0.5 - a) / d, (end - a) / d))
        low, high = max(low, near), min(high, far)
    return (float(low), float(high)) if low < high else None


def _crop(cine: Cine, heart: NDArray[np.float64] | None) -> pictures.Crop:
    """The square round the heart's centre seen in this plane; the whole field where it is not known or not in it."""
    whole = pictures.heart_crop(cine, None)
    if heart is None or whole.side_mm <= SIDE_MM:
        return whole
    apart = heart - cine.origins_mm[cine.n_slices // 2]
    row = float(apart @ cine.column_direction) / cine.pixel_spacing_mm[0]
    column = float(apart @ cine.row_direction) / cine.pixel_spacing_mm[1]
    inside = 0 <= row < cine.pixels.shape[2] and 0 <= column < cine.pixels.shape[3]
    return pictures.Crop((row, column), SIDE_MM) if inside else whole


def _in_tile(line: NDArray[np.float64], cine: Cine, crop: pictures.Crop) -> NDArray[np.float64]:
    """(row, column) points of a plane as (x, y) points of its tile."""
    scale = np.array(cine.pixel_spacing_mm) * TILE_PX / crop.side_mm
    points: NDArray[np.float64] = ((line - np.array(crop.centre)) * scale + TILE_PX / 2)[:, ::-1]
    return points
