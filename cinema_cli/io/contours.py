"""Experts' contours as text (Sunnybrook): found, filled, and placed on the images that they were drawn on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, Label, View
from cinema_cli.domain.errors import InputError
from cinema_cli.domain.mask_stack import MaskStack
from cinema_cli.io.headers import read_headers
from cinema_cli.io.mask_images import FrameImage
from cinema_cli.io.nifti import affine_ras
from cinema_cli.io.pixels import read_frames

_FILE = re.compile(r"(?i)IM-\d+-(\d+)-([io])contour-\w+\.txt")
_NOBODY = re.compile(r"(?i)[io]-contours?|contours?([-_]\w+)?|\w+-expert")  # folders that are not named after a person
# The first pixel's centre is 1 1: shifted by this the contours of SCD0000101 and SCD0000301 lie on the edges in their
# images (best shift of 38 contours: 1.1 pixels each way, standard error 0.15); with the line itself inside, the filled
# contours have the volumes of the data set's own table.
_FIRST_PIXEL = 1.0
_PLACE = ("position_x", "position_y", "position_z")
_ROW, _COLUMN = (tuple(f"{way}_{axis}" for axis in "xyz") for way in ("row", "column"))
_PLANE = (*_ROW, *_COLUMN, "row_spacing_mm", "column_spacing_mm", "rows", "columns")
_SAME_PLACE_MM = 0.1
_SAME_PLANE = 1e-3  # cosines and mm: what headers round off


@dataclass(frozen=True, slots=True)
class ContourFiles:
    """The contours of one person: file of each InstanceNumber, within the cavity (i) and around the muscle (o)."""

    inner: Mapping[int, Path]
    outer: Mapping[int, Path]


def contour_folders(root: Path) -> dict[str, Path]:
    """Person -> folder below (or at) `root` that holds his contours, in order of names."""
    people: dict[str, Path] = {}
    for path in sorted(root.rglob("*.txt")):
        if _FILE.fullmatch(path.name):
            whose = next((p for p in path.parents if not _NOBODY.fullmatch(p.name)), path.parent)
            people.setdefault(whose.name, whose)
    return people


def contour_files(folder: Path) -> ContourFiles:
    """The contours below one person's folder."""
    found: dict[str, dict[int, Path]] = {"i": {}, "o": {}}
    for path in sorted(folder.rglob("*.txt")):
        if named := _FILE.fullmatch(path.name):
            found[named[2].lower()][int(named[1])] = path
    return ContourFiles(found["i"], found["o"])


def images_of(person: str, roots: tuple[Path, ...]) -> Path | None:
    """The folder named after a person, at or up to two levels below one of `roots`, that holds something but contours.

    None where there is none.
    """
    for root in roots:
        for folder in (root / person, *sorted(root.glob(f"*/{person}"))):
            if folder.is_dir() and not contour_folders(folder):
                return folder
    return None


def read_contours(folder: Path, *, images: Path) -> MaskStack:
    """Contours of one person as masks on the grid of the DICOM images below `images` that they were drawn on.

    The cavity of a slice is LV, what lies between both contours is MYO. Known are only slices that have the contours;
    of the RV nothing is. Frames are counted by InstanceNumber within a slice.
    Raises InputError: no contours, no series with their images, images that are no cine of parallel slices.
    """
    files = contour_files(folder)
    cine, at, _ = _drawn_on(images, {*files.inner, *files.outer}, person=folder.name)
    places = cine.slice_places
    labels = np.zeros((cine.n_frames, int(places[-1]) + 1, *cine.pixels.shape[2:]), np.uint8)
    known = {label: np.zeros(labels.shape[:2], np.bool_) for label in (Label.MYO, Label.LV)}
    for number, path in files.inner.items():
        frame, place = at[number][0], places[at[number][1]]
        cavity = filled(read_points(path), shape=labels.shape[2:])
        if number in files.outer:
            labels[frame, place][filled(read_points(files.outer[number]), shape=labels.shape[2:])] = Label.MYO
            known[Label.MYO][frame, place] = True
        labels[frame, place][cavity] = Label.LV
        known[Label.LV][frame, place] = True
    return MaskStack(labels, affine_ras(cine), known)


def contoured_frame(folder: Path, *, images: Path, frame: int) -> FrameImage:
    """The images of one frame of the cine that contours were drawn on, on the grid of `read_contours`.

    Raises InputError as `read_contours`, StudyError where an image cannot be decoded.
    """
    files = contour_files(folder)
    cine, at, rows = _drawn_on(images, {*files.inner, *files.outer}, person=folder.name)
    here = [number for number, (of_frame, _) in at.items() if of_frame == frame]
    mine = rows.filter(pl.col("instance_number").is_in(here))
    pixels = np.zeros((int(cine.slice_places[-1]) + 1, *cine.pixels.shape[2:]), np.float32)
    decoded = read_frames(images, [*mine.select("path", "member", "frame_item").iter_rows()])
    for number, values in zip(mine["instance_number"].to_list(), decoded, strict=True):
        pixels[cine.slice_places[at[number][1]]] = values
    return FrameImage(pixels, affine_ras(cine))


def filled(points: NDArray[np.float64], *, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels (row, column) whose centre lies in or on a closed line of points (point, 2) as (column, row), from 0."""
    rows, columns = shape
    (x0, y0), (x1, y1) = points.T[:, None], np.roll(points, -1, axis=0).T[:, None]  # each (1, point)
    row = np.arange(rows)[:, None]
    crosses = (y0 <= row) != (y1 <= row)  # (row, point)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x0 + (row - y0) * (x1 - x0) / (y1 - y0)
    flips = np.zeros((rows, columns + 1), np.int64)
    where = np.nonzero(crosses)
    np.add.at(flips, (where[0], np.clip(np.ceil(at[where]), 0, columns).astype(np.int64)), 1)
    inside: NDArray[np.bool_] = flips.cumsum(axis=1)[:, :columns] % 2 > 0
    on = points[(points % 1 == 0).all(axis=1)].astype(np.int64)
    on = on[((on >= 0) & (on < (columns, rows))).all(axis=1)]
    inside[on[:, 1], on[:, 0]] = True
    return inside


def read_points(path: Path) -> NDArray[np.float64]:
    """(point, 2): column and row of each point of a contour, the first pixel's centre at 0 0. Raises InputError."""
    try:
        points = np.array([line.split()[:2] for line in path.read_text("ascii").splitlines() if line.strip()], float)
    except (OSError, ValueError) as error:
        raise InputError(f"{path.name} is not a list of points", code="contour") from error
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3 or not np.isfinite(points).all():
        raise InputError(f"{path.name} is not a list of points", code="contour")
    return points - _FIRST_PIXEL


def _drawn_on(images: Path, numbers: set[int], *, person: str) -> tuple[Cine, dict[int, tuple[int, int]], pl.DataFrame]:
    """The cine (without pixels) that has images of these numbers, frame and slice of each number, and their headers."""
    if not numbers:
        raise InputError(f"there are no contours of {person}", code="contour")
    found = read_headers(images, jobs=1).instances.drop_nulls(["instance_number", "series_uid", *_PLACE, *_PLANE])
    numbered = found.group_by("series_uid").agg("instance_number", n=pl.len()).sort("n", "series_uid", descending=True)
    for uid, own, _ in numbered.iter_rows():
        if numbers <= set(own):
            return _cine(found.filter(series_uid=uid), person=person)
    raise InputError(f"no series below {images} has the images that the contours of {person} are of", code="no_images")


def _cine(images: pl.DataFrame, *, person: str) -> tuple[Cine, dict[int, tuple[int, int]], pl.DataFrame]:
    images = images.unique("instance_number", keep="first", maintain_order=True).sort("instance_number")
    plane = images.select(_PLANE).to_numpy()
    first = images.row(0, named=True)
    row, column = (np.array([first[name] for name in names]) for names in (_ROW, _COLUMN))
    origins = images.select(_PLACE).to_numpy()
    along = origins @ np.cross(row, column)
    order = np.argsort(along, kind="stable")
    starts = np.r_[True, np.diff(along[order]) > _SAME_PLACE_MM]
    slices = np.empty(len(along), np.int64)
    slices[order] = np.cumsum(starts) - 1
    frames = np.array([np.count_nonzero(slices[:k] == place) for k, place in enumerate(slices)])
    counts = np.bincount(slices)
    if not np.allclose(plane, plane[0], rtol=0, atol=_SAME_PLANE) or len(set(counts)) > 1:
        raise InputError(
            f"the contours of {person} were drawn on images that are no cine of even slices", code="no_cine"
        )
    at = along[order][starts]
    step = float(np.median(np.diff(at))) if len(at) > 1 else first["thickness_mm"] or 1.0
    cine = Cine(
        view=View.SAX,
        pixels=np.broadcast_to(np.float32(0), (int(counts[0]), len(counts), first["rows"], first["columns"])),
        pixel_spacing_mm=(first["row_spacing_mm"], first["column_spacing_mm"]),
        slice_spacing_mm=step,
        thickness_mm=first["thickness_mm"],
        origins_mm=origins[order][starts],
        row_direction=row,
        column_direction=column,
        times_ms=np.arange(counts[0], dtype=np.float64),
        cycle_ms=None,
        series_uids=(),
    )
    where = zip(frames.tolist(), slices.tolist(), strict=True)
    return cine, dict(zip(images["instance_number"].to_list(), where, strict=True)), images
