"""Images of a study to parts: one orientation, matrix and kind each, with their slices' images in time order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Any

import numpy as np
import polars as pl

from cinema_cli.io.dicom_values import image_kind
from cinema_cli.io.passes import (
    MIN_FRAMES,
    RELIABLE_KEYS,
    SAME_POSITION_MM,
    TIME_KEYS,
    TIMES_OF_DAY,
    Columns,
    Run,
    cluster,
    is_evenly_timed,
    runs_of,
    usual_count,
)
from cinema_cli.io.vectors import Floats, Ints, cross, distinct_rows, filled, length, median, medians

SAME_DIRECTION_DEG = 1.0  # planes closer than this are parallel; scanners repeat the prescription to rounding
MIN_STACK_SLICES = 3  # fewer parallel planes are single views, not a stack
_DAY_S, _LONGEST_VISIT_S = 86400.0, 6 * 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Images of one series that share orientation, matrix, spacing and kind."""

    index: int
    series_uid: str
    series_number: int | None
    rows: Ints  # all images, copies included
    row_direction: Floats  # (3,)
    column_direction: Floats  # (3,)
    normal: Floats  # (3,): unit normal of the planes
    shape: tuple[int, int]  # (rows, columns)
    spacing_mm: tuple[float, float]  # (between rows, between columns)
    thickness_mm: float | None
    copies: int  # files that repeat a SOP instance
    runs: tuple[Run, ...]  # by position; empty where `defect` is set
    defect: str = ""  # why the images have no place in space: a reason code

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


def to_columns(instances: pl.DataFrame) -> Columns:
    """Images of a study as arrays; missing numbers become NaN, and times of day go on after midnight.

    `origin_mm` (image, 3) and `axes` (image, 6) are position and orientation as one array each.
    """
    kinds = instances.schema
    table = {name: instances[name].to_numpy() for name in kinds}
    table |= {name: values.astype(np.float64) for name, values in table.items() if kinds[name].is_numeric()}
    table |= {name: _past_midnight(table[name]) for name in TIMES_OF_DAY}
    table["has_pixels"] = table["has_pixels"].astype(np.bool_)
    table["origin_mm"] = np.stack([table[f"position_{c}"] for c in "xyz"], axis=1)
    table["axes"] = np.stack([table[f"{k}_{c}"] for k in ("row", "column") for c in "xyz"], axis=1)
    return table


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
    moments = np.stack([table[key] for key in TIME_KEYS])
    falls = [np.any(np.diff(moments[:, rows]) < 0, axis=1).tolist() for rows in timed]
    against = {key for falling in falls for key in compress(TIME_KEYS, falling)}
    return tuple(key for key in TIME_KEYS if key in RELIABLE_KEYS or key not in against)


def _part_keys(table: Columns, orientation: Ints) -> list[tuple[Any, ...]]:
    """What images must share to be of one part; images without pixels or place are apart."""
    whole = np.isfinite(table["origin_mm"]).all(axis=1) & table["has_pixels"]
    spacing = [filled(table[f"{k}_spacing_mm"].round(3), with_=-1.0) for k in ("row", "column")]
    number = filled(table["series_number"], with_=-1.0).astype(int)
    numbers = (number, orientation, table["rows"], table["columns"], *spacing, whole)
    uids = [uid or "" for uid in table["series_uid"]]
    kinds = map(image_kind, table["image_type"])
    first, *others, last = (values.tolist() for values in numbers)
    return list(zip(first, uids, *others, kinds, last, strict=True))


def _orientation_labels(table: Columns) -> Ints:
    """Same label where both image axes agree within SAME_DIRECTION_DEG; -1 without a usable orientation."""
    axes = table["axes"]
    lengths = np.stack([np.linalg.norm(axes[:, :3], axis=1), np.linalg.norm(axes[:, 3:], axis=1)])
    usable = (np.abs(lengths - 1) < 0.01).all(axis=0) & (np.abs((axes[:, :3] * axes[:, 3:]).sum(axis=1)) < 0.01)
    labels = np.full(len(axes), -1, dtype=np.int64)
    if usable.any():
        unique, which = distinct_rows(np.round(axes[usable], 4))
        labels[usable] = cluster(unique, 2 * np.sin(np.radians(SAME_DIRECTION_DEG) / 2))[which]
    return labels


def _part(index: int, rows: Ints, table: Columns, keys: Sequence[str]) -> Part:
    first = rows[0]
    number = table["series_number"][first]
    axes = medians(table["axes"][rows]).reshape(2, 3)
    spacing = tuple(float(table[f"{k}_spacing_mm"][first] or np.nan) for k in ("row", "column"))
    defect = _defect(rows, axes, spacing, table)
    row, column = axes if defect else (axis / length(axis) for axis in axes)
    kept = _without_copies(rows, table)
    thick = table["thickness_mm"][rows]
    thick = thick[np.isfinite(thick)]
    return Part(
        index=index,
        series_uid=table["series_uid"][first] or "",
        series_number=None if np.isnan(number) else int(number),
        rows=rows,
        row_direction=row,
        column_direction=column,
        normal=cross(row, column),
        shape=_matrix(first, table),
        spacing_mm=(spacing[0], spacing[1]),
        thickness_mm=median(thick) if len(thick) else None,
        copies=len(rows) - len(kept),
        runs=() if defect else runs_of(index, kept, axes, table, keys),
        defect=defect,
    )


def _matrix(row: np.int64, table: Columns) -> tuple[int, int]:
    """Rows and columns of an image; 0 where the header does not say."""
    rows, columns = (float(table[name][row]) for name in ("rows", "columns"))
    return 0 if np.isnan(rows) else int(rows), 0 if np.isnan(columns) else int(columns)


def _defect(rows: Ints, axes: Floats, spacing: tuple[float, ...], table: Columns) -> str:
    """Why images cannot be placed in space: a reason code, or empty."""
    if not table["has_pixels"][rows].all():
        return "no_pixels"
    if not np.isfinite(table["origin_mm"][rows]).all() or not all(abs(length(axis) - 1) < 0.01 for axis in axes):
        return "no_geometry"
    if not all(np.isfinite(s) and s > 0 for s in spacing):
        return "bad_spacing"
    return ""


def _without_copies(rows: Ints, table: Columns) -> Ints:
    """One row for each SOP instance, frame, place and time: a second file of the same image is only a copy, and so is
    one in an archive beside the file that was unpacked from it."""
    images = set(zip(table["sop_uid"][rows], table["frame_item"][rows].tolist(), strict=True))
    if len(images) == len(rows) and not any(uid is None for uid, _ in images):
        return rows
    names = ("frame_item", "position_x", "position_y", "position_z", "trigger_time_ms", "temporal_position")
    numbers = np.stack([filled(table[n][rows], with_=-9e9) for n in names], axis=1)
    seen: dict[tuple[Any, ...], int] = {}
    places = [
        (member is not None, str(path), str(member))
        for path, member in zip(*(table[n][rows] for n in ("path", "member")), strict=True)
    ]
    for i in sorted(range(len(rows)), key=places.__getitem__):
        uid = table["sop_uid"][rows[i]]
        seen.setdefault((uid if uid else f"row {i}", *numbers[i]), i)
    return rows[np.sort(np.fromiter(seen.values(), dtype=np.int64))]
