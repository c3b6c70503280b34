"""Images of a study to parts: one orientation, matrix and kind each, with their slices' images in time order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.io.dicom_values import image_kind

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]  # the instance columns of one study, as arrays

SAME_DIRECTION_DEG = 1.0  # planes closer than this are parallel; scanners repeat the prescription to rounding
SAME_POSITION_MM = 0.5  # image origins closer than this are one slice; the thinnest cine slices are several mm apart
MIN_STACK_SLICES = 3  # fewer parallel planes are single views, not a stack
MIN_FRAMES = 8
"""A cine needs this many frames: with fewer, at 60 beats a minute, they lie over 125 ms apart. The isovolumic
relaxation, in which the ventricle is smallest, lasts some 70 to 90 ms in healthy adults (EAE/ASE 2009,
doi:10.1093/ejechocard/jep007), so that end-systole would often fall between two frames."""

TIME_KEYS = ("trigger_time_ms", "temporal_position", "acquisition_time_s", "content_time_s", "instance_number")
RELIABLE_KEYS = TIME_KEYS[:2]  # these tell a duplicate from a neighbour; the others only order images
_TIMES_OF_DAY = TIME_KEYS[2:4]  # they tick within a breath-hold: of use only where they differ in every image
_DAY_S, _LONGEST_VISIT_S = 86400.0, 6 * 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One pass through the cycle at one position: the images of one slice, in time order."""

    part: int  # index of the Part that it comes from
    position_mm: float  # of the image origin along the part's normal
    origin_mm: Floats  # (3,)
    rows: Ints  # (frame,): rows of the study's table
    times: Floats  # (frame,): ms for times, else in the unit of the key
    sorted_by: str  # one of TIME_KEYS; empty where nothing orders the images
    duplicates: int  # further images at a time that is already taken
    unplaced: int  # further images that lack the key
    latest_s: float  # time of day of the last image, above 86400 after midnight; -inf where unknown

    @property
    def n_frames(self) -> int:
        """Images of the pass."""
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Images of one series that share orientation, matrix, spacing and kind."""

    index: int
    series_uid: str
    series_number: int | None
    rows: Ints  # all images, copies included
    row_direction: Floats  # (3,)
    column_direction: Floats  # (3,)
    shape: tuple[int, int]  # (rows, columns)
    spacing_mm: tuple[float, float]  # (between rows, between columns)
    thickness_mm: float | None
    copies: int  # files that repeat a SOP instance
    runs: tuple[Run, ...]  # by position; empty where `defect` is set
    defect: str = ""  # why the images have no place in space: a reason code

    @property
    def normal(self) -> Floats:
        """Unit normal of the planes, (3,)."""
        return np.cross(self.row_direction, self.column_direction)

    @property
    def n_slices(self) -> int:
        """Distinct positions along the normal."""
        positions = [run.position_mm for run in self.runs]
        return sum(1 for a, b in pairwise([-np.inf, *positions]) if b - a > SAME_POSITION_MM)

    @property
    def n_frames(self) -> int:
        """The usual number of images a slice."""
        return usual_count([run.n_frames for run in self.runs])

    @property
    def sorted_by(self) -> str:
        """The key that orders most of its runs, of equals the least trustworthy; empty where nothing does."""
        keys = [run.sorted_by for run in self.runs]
        return max(set(keys), key=lambda key: (keys.count(key), (*TIME_KEYS, "").index(key)), default="")


def usual_count(counts: Sequence[int]) -> int:
    """Most frequent count; of equally frequent ones the largest. 0 for none."""
    return max(set(counts), key=lambda c: (counts.count(c), c)) if counts else 0


def to_columns(instances: pl.DataFrame) -> Columns:
    """Instance rows of a study as arrays; missing numbers become NaN, and times of day go on after midnight."""
    table = {name: instances[name].to_numpy() for name in instances.columns}
    return table | {name: _past_midnight(table[name].astype(float)) for name in _TIMES_OF_DAY}


def _past_midnight(times_s: Floats) -> Floats:
    """Times of day, s, those of a visit's second day above 86400: a visit lasts hours, its pause is the daytime."""
    known = np.unique(times_s[np.isfinite(times_s)])
    pauses = np.diff(known)
    if len(pauses) == 0 or pauses.max() < _DAY_S - _LONGEST_VISIT_S:
        return times_s
    return np.where(times_s <= known[pauses.argmax()], times_s + _DAY_S, times_s)


def split_parts(table: Columns) -> tuple[Part, ...]:
    """Images of one study by series, orientation, matrix, spacing and kind, in an order that files cannot change."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    orientation = _orientation_labels(table)
    for i, key in enumerate(_part_keys(table, orientation)):
        groups.setdefault(key, []).append(i)
    ordered = sorted(groups.items(), key=lambda item: tuple(str(k).zfill(12) for k in item[0]))
    parts = [_part(n, np.array(rows, dtype=np.int64), table, TIME_KEYS) for n, (_, rows) in enumerate(ordered)]
    keys = _trusted_keys(parts, table)
    return tuple(
        part if all(run.sorted_by in keys for run in part.runs) else _part(part.index, part.rows, table, keys)
        for part in parts
    )


def _trusted_keys(parts: Sequence[Part], table: Columns) -> tuple[str, ...]:
    """TIME_KEYS without those that run against the trigger times of a cine of the study: they order nothing."""
    timed = [run.rows for part in parts for run in part.runs if run.n_frames >= MIN_FRAMES and is_evenly_timed(run)]
    against = {key for key in TIME_KEYS for rows in timed if (np.diff(table[key][rows].astype(float)) < 0).any()}
    return tuple(key for key in TIME_KEYS if key in RELIABLE_KEYS or key not in against)


def is_evenly_timed(run: Run) -> bool:
    """Whether trigger times order the images and are a cine's: each step within 25% of the usual one."""
    steps = np.diff(run.times)
    return run.sorted_by == TIME_KEYS[0] and bool((np.abs(steps - np.median(steps)) <= 0.25 * np.median(steps)).all())


def _part_keys(table: Columns, orientation: Ints) -> list[tuple[Any, ...]]:
    """What images must share to be of one part; images without pixels or place are apart."""
    whole = np.isfinite(np.stack([table[f"position_{c}"].astype(float) for c in "xyz"])).all(axis=0)
    whole &= np.array([bool(p) for p in table["has_pixels"]])
    spacing = [np.nan_to_num(np.round(table[f"{k}_spacing_mm"].astype(float), 3), nan=-1.0) for k in ("row", "column")]
    kind = [image_kind(text) for text in table["image_type"]]
    number = np.nan_to_num(table["series_number"].astype(float), nan=-1.0).astype(int)
    return [
        (
            number[i],
            table["series_uid"][i] or "",
            orientation[i],
            table["rows"][i],
            table["columns"][i],
            spacing[0][i],
            spacing[1][i],
            kind[i],
            bool(whole[i]),
        )
        for i in range(len(kind))
    ]


def _orientation_labels(table: Columns) -> Ints:
    """Same label where both image axes agree within SAME_DIRECTION_DEG; -1 without a usable orientation."""
    axes = np.stack([table[f"{k}_{c}"].astype(float) for k in ("row", "column") for c in "xyz"], axis=1)
    length = np.stack([np.linalg.norm(axes[:, :3], axis=1), np.linalg.norm(axes[:, 3:], axis=1)])
    usable = (np.abs(length - 1) < 0.01).all(axis=0) & (np.abs((axes[:, :3] * axes[:, 3:]).sum(axis=1)) < 0.01)
    labels = np.full(len(axes), -1, dtype=np.int64)
    if usable.any():
        unique, inverse = np.unique(np.round(axes[usable], 4), axis=0, return_inverse=True)
        labels[usable] = _cluster(unique, 2 * np.sin(np.radians(SAME_DIRECTION_DEG) / 2))[inverse.ravel()]
    return labels


def _cluster(points: Floats, tolerance: float) -> Ints:
    """Greedy labels of sorted points: each joins the first centre within `tolerance`."""
    labels = np.full(len(points), -1, dtype=np.int64)
    for label in range(len(points)):
        free = np.flatnonzero(labels < 0)
        if len(free) == 0:
            break
        labels[free[np.linalg.norm(points[free] - points[free[0]], axis=1) <= tolerance]] = label
    return labels


def _part(index: int, rows: Ints, table: Columns, keys: Sequence[str]) -> Part:
    first = rows[0]
    number = float(table["series_number"][first]) if table["series_number"][first] is not None else np.nan
    axes = np.array([[np.median(table[f"{k}_{c}"][rows].astype(float)) for c in "xyz"] for k in ("row", "column")])
    spacing = tuple(float(table[f"{k}_spacing_mm"][first] or np.nan) for k in ("row", "column"))
    defect = _defect(rows, axes, spacing, table)
    kept = _without_copies(rows, table)
    thick = table["thickness_mm"][rows].astype(float)
    thick = thick[np.isfinite(thick)]
    return Part(
        index=index,
        series_uid=table["series_uid"][first] or "",
        series_number=None if np.isnan(number) else int(number),
        rows=rows,
        row_direction=axes[0] / (1.0 if defect else float(np.linalg.norm(axes[0]))),
        column_direction=axes[1] / (1.0 if defect else float(np.linalg.norm(axes[1]))),
        shape=_matrix(first, table),
        spacing_mm=(spacing[0], spacing[1]),
        thickness_mm=float(np.median(thick)) if len(thick) else None,
        copies=len(rows) - len(kept),
        runs=() if defect else _runs(index, kept, axes, table, keys),
        defect=defect,
    )


def _matrix(row: np.int64, table: Columns) -> tuple[int, int]:
    """Rows and columns of an image; 0 where the header does not say."""
    rows, columns = (int(np.nan_to_num(float(table[name][row] or 0))) for name in ("rows", "columns"))
    return rows, columns


def _defect(rows: Ints, axes: Floats, spacing: tuple[float, ...], table: Columns) -> str:
    """Why images cannot be placed in space: a reason code, or empty."""
    if not np.array([bool(p) for p in table["has_pixels"][rows]]).all():
        return "no_pixels"
    origin = np.stack([table[f"position_{c}"][rows].astype(float) for c in "xyz"])
    length = np.linalg.norm(axes, axis=1)
    if not np.isfinite(origin).all() or not (np.abs(length - 1) < 0.01).all():
        return "no_geometry"
    if not all(np.isfinite(s) and s > 0 for s in spacing):
        return "bad_spacing"
    return ""


def _without_copies(rows: Ints, table: Columns) -> Ints:
    """One row for each SOP instance, frame, place and time: a second file of the same image is only a copy."""
    names = ("frame_item", "position_x", "position_y", "position_z", "trigger_time_ms", "temporal_position")
    numbers = np.stack([np.nan_to_num(table[n][rows].astype(float), nan=-9e9) for n in names], axis=1)
    seen: dict[tuple[Any, ...], int] = {}
    for i in sorted(range(len(rows)), key=lambda i: str(table["path"][rows[i]])):
        uid = table["sop_uid"][rows[i]]
        seen.setdefault((uid if uid else f"row {i}", *numbers[i]), i)
    return rows[np.sort(np.fromiter(seen.values(), dtype=np.int64))]


def _runs(part: int, rows: Ints, axes: Floats, table: Columns, keys: Sequence[str]) -> tuple[Run, ...]:
    """Images at each place, in the order of the best of `keys` there, repeated passes apart."""
    origin = np.stack([table[f"position_{c}"][rows].astype(float) for c in "xyz"], axis=1)
    unique, inverse = np.unique(np.round(origin, 2), axis=0, return_inverse=True)
    place = _cluster(unique, SAME_POSITION_MM)[inverse.ravel()]
    normal = np.cross(axes[0], axes[1])
    runs = [
        run
        for label in np.unique(place)
        for member in _by_acquisition(rows[place == label], table)
        for run in _runs_at(part, member, normal, table, keys)
    ]
    return tuple(sorted(runs, key=lambda r: (round(r.position_mm, 1), -r.n_frames, r.latest_s, *r.origin_mm)))


def _runs_at(part: int, rows: Ints, normal: Floats, table: Columns, keys: Sequence[str]) -> list[Run]:
    """Passes through the cycle at one place; images that lack the key of the others are counted with the first."""
    key = _time_key(rows, table, keys)
    placed = rows[np.isfinite(table[key][rows].astype(float))] if key else rows
    runs: list[Run] = []
    for chosen, duplicates in _passes(placed, key, table):
        origin = np.array([np.median(table[f"position_{c}"][chosen].astype(float)) for c in "xyz"])
        times = table[key][chosen].astype(float) if key else np.arange(len(chosen), dtype=np.float64)
        times = times * (1000.0 if key in _TIMES_OF_DAY else 1.0)
        unplaced = 0 if runs else len(rows) - len(placed)
        latest = _latest(chosen, table)
        runs.append(Run(part, float(origin @ normal), origin, chosen, times, key, duplicates, unplaced, latest))
    return runs


def _latest(rows: Ints, table: Columns) -> float:
    """Last time of day among the images, s; acquisition time if there is one, else content time."""
    for name in _TIMES_OF_DAY:
        values = table[name][rows].astype(float)
        if np.isfinite(values).any():
            return float(np.nanmax(values))
    return -np.inf


def _time_key(rows: Ints, table: Columns, keys: Sequence[str]) -> str:
    """The most trustworthy of `keys` that tells the images of one place apart; empty where none does.

    Most images must carry it. Values may repeat (duplicates, repeated passes), but not times of day.
    """
    for key in keys:
        values = table[key][rows].astype(float)
        known = np.isfinite(values).sum()
        distinct = len(np.unique(np.round(values[np.isfinite(values)], 3)))
        repeats = known > len(rows) / 2 and distinct >= max(min(2, len(rows)), known / 4)
        if distinct == len(rows) or (repeats and key not in _TIMES_OF_DAY):
            return key
    return TIME_KEYS[-1] if len(rows) == 1 else ""


def _passes(rows: Ints, key: str, table: Columns) -> list[tuple[Ints, int]]:
    """Images of one place as passes through the cycle, each (rows in time order, number of duplicates left out)."""
    uid = np.argsort(np.argsort(np.array([str(u) for u in table["sop_uid"][rows]])))
    if not key:
        return [(rows[np.argsort(uid)], 0)]
    values = np.round(table[key][rows].astype(float), 3)
    tie = [np.nan_to_num(table[name][rows].astype(float)) for name in (*_TIMES_OF_DAY, "instance_number")]
    order = np.lexsort((uid, tie[2], tie[1], tie[0], values))
    ordered, sorted_values = rows[order], values[order]
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_values) > 0])
    counts = np.diff(np.r_[starts, len(rows)])
    if counts.min() > 1 and len(starts) >= MIN_FRAMES:  # every moment is there several times: repeated passes
        return [(ordered[starts + k], int((counts - counts.min()).sum()) if k == 0 else 0) for k in range(counts.min())]
    latest = starts + counts - 1  # of images of one moment the last acquired
    return [(ordered[latest], len(rows) - len(starts))]


def _by_acquisition(rows: Ints, table: Columns) -> list[Ints]:
    """Passes that AcquisitionNumber tells apart: only where each of its values has a cine's worth of images."""
    numbers = np.nan_to_num(table["acquisition_number"][rows].astype(float), nan=-1.0)
    values, counts = np.unique(numbers, return_counts=True)
    if len(values) > 1 and counts.min() >= max(MIN_FRAMES, counts.max() / 2):
        return [rows[numbers == v] for v in values]
    return [rows]
