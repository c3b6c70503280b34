"""The long-axis views of a study: what heads found in them, and where the middle short-axis slice cuts them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, CineStudy, Label, View
from cinema_cli.domain.prediction import Task
from cinema_cli.domain.result import StudyResult
from cinema_cli.reports import pictures
from cinema_cli.reports.heads import HeadFacts
from cinema_cli.reports.landmarks import axis_of, moments_in, pixels_of
from cinema_cli.reports.quantities import LANDMARKS
from cinema_cli.reports.slices import levels, masks_of

SHORT_WORDS = {View.LAX_2C: "2C", View.LAX_3C: "3C", View.LAX_4C: "4C"}
TILE_PX = 228
SIDE_MM = 190.0  # holds ventricles and atria of most adults
OUTLINE_WORDS = (("lv", "LV cavity"), ("epi", "outer border of the LV myocardium"), ("rv", "RV cavity"))
AXIS_STYLES = {Task.COORDINATES: "axis-2"}  # another line where two heads look at one view
AXIS_STYLE = "axis-1"
RING_PX = 4.0
PARALLEL = 1e-3  # planes closer to parallel than this (sine of the angle) have no line worth drawing


@dataclass(frozen=True, slots=True)
class Plane:
    """One long-axis view: its pictures and what stands below them."""

    tiles: tuple[Markup, ...]
    caption: str


@dataclass(frozen=True, slots=True)
class LongAxes:
    """The long-axis views of a study, the key of their lines as (style, words), and what was done with each."""

    planes: tuple[Plane, ...]
    key: tuple[tuple[str, str], ...]
    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What heads found in a view, on its grid."""

    masks: NDArray[np.uint8] | None  # (frame, slice, row, column)
    axes: Mapping[str, NDArray[np.float64]]  # style -> (frame, point, 2): mitral, mitral, apex as row and column
    moments: tuple[int, int] | None  # frames of ED and ES

    @property
    def shown(self) -> tuple[tuple[str, int], ...]:
        """(name, frame) of the moments to draw; none where nothing was found."""
        return tuple(zip(("ED", "ES"), self.moments, strict=True)) if self.moments else ()


def long_axes(
    study: CineStudy, result: StudyResult, masks: NDArray[np.uint8] | None, *, heads: Sequence[HeadFacts]
) -> LongAxes:
    """Every long-axis cine, in the order 2C, 3C, 4C, with what heads found in it; `masks` are those of the short axis.

    A view in which something was found is drawn at ED and at ES, others at mid-cycle.
    """
    views = [view for view in SHORT_WORDS if view in study.cines]
    styles = {one.head: AXIS_STYLE for one in result.predictions}
    styles |= {head.name: AXIS_STYLES[head.task] for head in heads if head.task in AXIS_STYLES}
    found = {view: findings(study, result, view, styles=styles) for view in views}
    sax = study.cines.get(View.SAX)
    middle = None if sax is None else (sax, levels(sax, masks)[1])
    heart = None if sax is None or masks is None else heart_point(sax, masks)
    lines = {view: _cut(study.cines[view], middle) for view in views}
    planes = tuple(_plane(study.cines[view], found[view], lines[view], middle, heart) for view in views)
    ways = {styles[head.name]: head.way for head in heads if head.task in LANDMARKS and head.name in styles}
    key = tuple(_key(found.values(), lines.values(), ways))
    return LongAxes(planes, key, _sentence(found, result, heads))


def findings(study: CineStudy, result: StudyResult, view: View, *, styles: Mapping[str, str]) -> Findings:
    """Masks and landmarks of a view and the frames to show them on; `styles` are those of the heads' axes."""
    masks = masks_of(study.cines[view], result)
    said = [one for one in result.predictions if one.view is view]
    points = {styles[one.head]: px for one in said if axis_of(one) and (px := pixels_of(one)) is not None}
    axes = [axis for one in said if (axis := axis_of(one))]
    some = masks is not None or axes
    return Findings(masks, points, moments_in(study, result, view, axes) if some else None)


def _plane(
    cine: Cine,
    found: Findings,
    line: NDArray[np.float64] | None,
    middle: tuple[Cine, int] | None,
    heart: NDArray[np.float64] | None,
) -> Plane:
    """The pictures of one view."""
    heart = heart_point(cine, found.masks) if heart is None and found.masks is not None else heart
    crop = _crop(cine, heart)
    window = pictures.grey_window(cine, crop)
    s, name = cine.n_slices // 2, cine.view.words
    cut = {} if line is None else {"cut": [in_tile(line, cine, crop)]}
    said = "" if line is None or middle is None else f", cut by short-axis slice {middle[1] + 1}"
    tiles = []
    for moment, frame in found.shown or (("", cine.n_frames // 2),):
        grey = pictures.tile(cine.pixels[frame, s], cine, crop, window=window, size_px=TILE_PX)
        drawn = cut | _outlines(found, cine, crop, frame=frame, slice_index=s)
        at = f"{moment}, frame {frame}" if moment else f"frame {frame}"
        alt = f"{name.capitalize()}, {at}{said}"
        label = f"{SHORT_WORDS[cine.view]} {moment}".rstrip()
        tiles.append(pictures.tile_svg(grey, drawn, label=label, alt=alt))
    frames = ", ".join(f"{moment} frame {frame}" for moment, frame in found.shown)
    return Plane(tuple(tiles), f"{name}, {frames or f'frame {cine.n_frames // 2}'}")


def _outlines(
    found: Findings, cine: Cine, crop: pictures.Crop, *, frame: int, slice_index: int
) -> dict[str, list[NDArray[np.float64]]]:
    """Contours and long axes of one frame as lines of its tile, by style."""
    mask = None if found.masks is None else found.masks[frame, slice_index]
    lines = {} if mask is None else pictures.outlines(mask, cine, crop, size_px=TILE_PX)
    for style, points in found.axes.items():
        ends = in_tile(points[frame], cine, crop)
        if np.isfinite(ends).all():
            lines[style] = [np.stack([ends[:2].mean(axis=0), ends[2]]), *map(_ring, ends)]
    return lines


def _ring(centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """A small circle round a point of a tile."""
    turns = np.linspace(0.0, 2 * np.pi, 13)
    return np.asarray(centre + RING_PX * np.stack([np.cos(turns), np.sin(turns)], axis=1))


def _cut(cine: Cine, middle: tuple[Cine, int] | None) -> NDArray[np.float64] | None:
    return None if middle is None else cut_line(cine, cine.n_slices // 2, *middle)


def _key(
    found: Iterable[Findings], lines: Iterable[NDArray[np.float64] | None], ways: Mapping[str, str]
) -> Iterable[tuple[str, str]]:
    """(style, words) of every kind of line that is drawn; `ways` say by style how landmarks were found."""
    several = list(found)
    if any(one.masks is not None for one in several):
        yield from OUTLINE_WORDS
    for style in dict.fromkeys(style for one in several for style in one.axes):
        yield style, f"mitral valve, apex and long axis by {ways.get(style, 'a head')}"
    if any(line is not None for line in lines):
        yield "cut", "where the middle short-axis slice cuts the plane"


def _sentence(found: Mapping[View, Findings], result: StudyResult, heads: Sequence[HeadFacts]) -> str:
    """Which views were measured on, looked at by a head, or neither."""
    answered = {one.head for one in result.predictions if one.study or one.frames}
    looked = {view for head in heads if head.name in answered for view in head.views}
    looked |= {View(name) for one in result.embeddings for name in one.vectors if name in set(View)}
    drawn = [view for view, one in found.items() if one.shown]
    seen = [view for view in found if view in looked and view not in drawn]
    rest = [view for view in found if view not in drawn and view not in seen]
    if not drawn and not seen:
        return "Found and shown so that you can see what each was taken for; they are not measured."
    said = [f"Drawn with what heads found at end-diastole and end-systole: {_names(drawn)}."] if drawn else []
    said += [f"Looked at by heads that outline nothing: {_names(seen)}."] if seen else []
    return " ".join([*said, *([f"Shown only, not measured: {_names(rest)}."] if rest else [])])


def _names(views: Iterable[View]) -> str:
    return ", ".join(view.words for view in views)


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


def in_tile(points: NDArray[np.float64], cine: Cine, crop: pictures.Crop) -> NDArray[np.float64]:
    """(row, column) points of a plane as (x, y) points of its tile."""
    scale = np.array(cine.pixel_spacing_mm) * TILE_PX / crop.side_mm
    return np.asarray(((points - np.array(crop.centre)) * scale + TILE_PX / 2)[:, ::-1])
