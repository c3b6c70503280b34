"""Images of one place as passes through the cycle: which header times order them, what is a repetition or duplicate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinema_cli.io.vectors import Floats, Ints, cross, distinct_rows, filled, median, medians

Columns = dict[str, NDArray[Any]]  # the images of one study, see `parts.to_columns`

SAME_POSITION_MM = 0.5  # image origins closer than this are one slice; the thinnest cine slices are several mm apart
MIN_FRAMES = 8
"""A cine needs this many frames: with fewer, at 60 beats a minute, they lie over 125 ms apart. The isovolumic
relaxation, in which the ventricle is smallest, lasts some 70 to 90 ms in healthy adults (EAE/ASE 2009,
doi:10.1093/ejechocard/jep007), so that end-systole would often fall between two frames."""

TIME_KEYS = ("trigger_time_ms", "temporal_position", "acquisition_time_s", "content_time_s", "instance_number")
RELIABLE_KEYS = TIME_KEYS[:2]  # these tell a duplicate from a neighbour; the others only order images
TIMES_OF_DAY = TIME_KEYS[2:4]  # they tick within a breath-hold: of use only where they differ in every image


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
    told: int  # CardiacNumberOfImages, where all images agree on it; else 0
    acquisition: float  # smallest AcquisitionNumber of the images; -1 where unknown

    @property
    def n_frames(self) -> int:
        """Images of the pass."""
        return len(self.rows)


def usual_count(counts: Sequence[int]) -> int:
    """Most frequent count; of equally frequent ones the largest. 0 for none."""
    return max(set(counts), key=lambda c: (counts.count(c), c)) if counts else 0


def is_evenly_timed(run: Run) -> bool:
    """Whether trigger times order the images and are a cine's: each step within 25% of the usual one."""
    if run.sorted_by != TIME_KEYS[0]:
        return False
    steps = np.diff(run.times)
    usual = median(steps)
    return bool((np.abs(steps - usual) <= 0.25 * usual).all())


def runs_of(part: int, rows: Ints, axes: Floats, table: Columns, keys: Sequence[str]) -> tuple[Run, ...]:
    """Images at each place, in the order of the best of `keys` there, repeated passes apart."""
    unique, which = distinct_rows(table["origin_mm"][rows].round(2))
    place = cluster(unique, SAME_POSITION_MM)[which]
    normal = cross(axes[0], axes[1])
    runs = [
        run
        for label in range(place.max() + 1)
        for member in _by_acquisition(rows[place == label], table)
        for run in _runs_at(part, member, normal, table, keys)
    ]
    return tuple(sorted(runs, key=lambda r: (round(r.position_mm, 1), -r.n_frames, r.latest_s, *r.origin_mm)))


def _runs_at(part: int, rows: Ints, normal: Floats, table: Columns, keys: Sequence[str]) -> list[Run]:
    """Passes through the cycle at one place; images that lack the key of the others are counted with the first."""
    key = _time_key(rows, table, keys)
    placed = rows[np.isfinite(table[key][rows])] if key else rows
    runs: list[Run] = []
    for chosen, duplicates in _passes(placed, key, table):
        origin = medians(table["origin_mm"][chosen])
        times = table[key][chosen] if key else np.arange(len(chosen), dtype=np.float64)
        runs.append(
            Run(
                part=part,
                position_mm=float(origin @ normal),
                origin_mm=origin,
                rows=chosen,
                times=times * (1000.0 if key in TIMES_OF_DAY else 1.0),
                sorted_by=key,
                duplicates=duplicates,
                unplaced=0 if runs else len(rows) - len(placed),
                latest_s=_latest(chosen, table),
                told=_told(chosen, table),
                acquisition=float(filled(table["acquisition_number"][chosen], with_=-1.0).min()),
            )
        )
    return runs


def _told(rows: Ints, table: Columns) -> int:
    """Frames of the cycle by CardiacNumberOfImages; 0 where the images do not agree, or do not say."""
    values = table["n_cardiac_images"][rows]
    return int(values[0]) if (values == values[0]).all() else 0


def _latest(rows: Ints, table: Columns) -> float:
    """Last time of day among the images, s; acquisition time if there is one, else content time."""
    for name in TIMES_OF_DAY:
        latest = float(np.fmax.reduce(table[name][rows]))
        if not np.isnan(latest):
            return latest
    return -np.inf


def _time_key(rows: Ints, table: Columns, keys: Sequence[str]) -> str:
    """The most trustworthy of `keys` that tells the images of one place apart; empty where none does.

    Most images must carry it. Values may repeat (duplicates, repeated passes), but not times of day.
    """
    for key in keys:
        values = table[key][rows]
        values = values[np.isfinite(values)]
        known, distinct = len(values), len(set(np.round(values, 3).tolist()))
        repeats = known > len(rows) / 2 and distinct >= max(min(2, len(rows)), known / 4)
        if distinct == len(rows) or (repeats and key not in TIMES_OF_DAY):
            return key
    return TIME_KEYS[-1] if len(rows) == 1 else ""


def _passes(rows: Ints, key: str, table: Columns) -> list[tuple[Ints, int]]:
    """Images of one place as passes through the cycle, each (rows in time order, number of duplicates left out)."""
    if not key:
        return [(rows[_order_of_uids(rows, table)], 0)]
    values = np.round(table[key][rows], 3)
    order = np.argsort(values)
    if (np.diff(values[order]) > 0).all():
        return [(rows[order], 0)]
    uid = np.argsort(_order_of_uids(rows, table))
    tie = [filled(table[name][rows], with_=0.0) for name in (*TIMES_OF_DAY, "instance_number")]
    order = np.lexsort((uid, tie[2], tie[1], tie[0], values))
    ordered, sorted_values = rows[order], values[order]
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_values) > 0])
    counts = np.diff(np.r_[starts, len(rows)])
    if counts.min() > 1 and len(starts) >= MIN_FRAMES:  # every moment is there several times: repeated passes
        return [(ordered[starts + k], int((counts - counts.min()).sum()) if k == 0 else 0) for k in range(counts.min())]
    latest = starts + counts - 1  # of images of one moment the last acquired
    return [(ordered[latest], len(rows) - len(starts))]


def _order_of_uids(rows: Ints, table: Columns) -> Ints:
    return np.argsort(np.array([str(uid) for uid in table["sop_uid"][rows]]))


def _by_acquisition(rows: Ints, table: Columns) -> list[Ints]:
    """Passes that AcquisitionNumber tells apart: only where each of its values has a cine's worth of images."""
    numbers = filled(table["acquisition_number"][rows], with_=-1.0)
    if (numbers == numbers[0]).all():
        return [rows]
    values, counts = np.unique(numbers, return_counts=True)
    if counts.min() >= max(MIN_FRAMES, counts.max() / 2):
        return [rows[numbers == v] for v in values]
    return [rows]


def cluster(points: Floats, tolerance: float) -> Ints:
    """Greedy labels of sorted points: each joins the first centre within `tolerance`."""
    labels = np.full(len(points), -1, dtype=np.int64)
    for label in range(len(points)):
        free = np.flatnonzero(labels < 0)
        if len(free) == 0:
            break
        labels[free[np.linalg.norm(points[free] - points[free[0]], axis=1) <= tolerance]] = label
    return labels
