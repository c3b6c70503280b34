"""The images of a stack as frames of one cycle, with a hole wherever an image is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cinema_cli.io.passes import RELIABLE_KEYS, Columns, Run, usual_count
from cinema_cli.io.stack import Stack
from cinema_cli.io.vectors import Floats, Ints, median

MOST_UNLIKE = 0.2  # of the usual number of frames: a slice that differs by more shows moments of another length


@dataclass(frozen=True, slots=True, eq=False)
class FramePlan:
    """Which image shows which frame of which slice; -1 where there is none."""

    rows: Ints  # (slice, frame)
    later: Ints  # (slice, frame): where a moment lies between two images, the image after `rows`; else -1
    share: Floats  # (slice, frame): of `later` in what is shown, 0 to 1
    times_ms: Floats | None  # (slice, frame) trigger times, NaN where unknown; None without usable trigger times
    duplicates: int
    surplus: tuple[int, ...]  # slices with more images than the others
    unknown: tuple[int, ...]  # slices that lack frames without a sign of which: their holes stand at the end
    resampled: tuple[int, ...]  # slices whose own number of frames was brought onto the usual one
    unlike: tuple[int, ...]  # slices whose own number of frames is too different for that

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """(slice, frame) without an image."""
        return tuple((int(s), int(f)) for s, f in np.argwhere(self.rows < 0))


def plan_frames(stack: Stack, table: Columns) -> FramePlan:
    """Each slice's images as frames 0..n-1 of the cycle, with holes where an image is missing.

    The number of frames is the usual one of the slices, or larger where regular trigger times show holes in it.
    Frames are ranks within the slice, since trigger times differ between breath-holds; holes are gaps in whatever
    orders the slice. A slice that has another number of frames, and by its header all of them, covers the same cycle:
    each moment is shown by the two of its frames that lie about it.
    """
    grids = [_grid(run.times) for run in stack.runs]
    lengths = [_length(run, grid) for run, grid in zip(stack.runs, grids, strict=True)]
    usual = max(usual_count(lengths), stack.n_frames)
    usual += _missing_at_ends(stack, table, usual)
    starts = _reference_starts(stack, lengths)
    rows, later = np.full((2, len(stack.runs), usual), -1, dtype=np.int64)
    times, share = np.full(rows.shape, np.nan), np.zeros(rows.shape)
    own = [s for s, run in enumerate(stack.runs) if run.told == run.n_frames == lengths[s] != usual]
    resampled = [s for s in own if abs(lengths[s] - usual) <= MOST_UNLIKE * usual]
    unknown = []
    for s, (run, grid) in enumerate(zip(stack.runs, grids, strict=True)):
        if s in resampled:
            before, share[s] = _between(run.n_frames, usual)
            rows[s], after = run.rows[before], run.rows[(before + 1) % run.n_frames]
            later[s] = np.where(share[s] > 0, after, -1)
            continue
        where = _place(run, grid, usual, starts)
        if where is None:
            unknown.append(s)
            where = np.arange(min(run.n_frames, usual))
        rows[s, where] = run.rows[: len(where)]
        if run.sorted_by == "trigger_time_ms":
            times[s, where] = run.times[: len(where)]
    return FramePlan(
        rows,
        later,
        share,
        times if np.isfinite(times).any() else None,
        sum(run.duplicates for run in stack.runs),
        tuple(s for s, run in enumerate(stack.runs) if run.n_frames > usual and s not in own),
        tuple(unknown),
        tuple(resampled),
        tuple(s for s in own if s not in resampled),
    )


def _between(n_frames: int, usual: int) -> tuple[Ints, Floats]:
    """Which of `n_frames` frames lies before each of `usual` moments of the same cycle, which has no end, and the share
    of the next frame in a moment between the two: (usual,) each."""
    past = np.arange(usual, dtype=np.int64) * n_frames
    before: Ints = past // usual
    return before, (past % usual) / usual


def _grid(times: Floats) -> Ints | None:
    """Index of each image on the regular grid of its own times or numbers; None where these are not regular."""
    if len(times) < 4:
        return None
    step = np.diff(times)
    usual = median(step)
    multiple = np.rint(step / usual)
    if (np.abs(step - multiple * usual) > 0.25 * usual).any() or multiple.sum() > 2 * len(times):
        return None
    grid: Ints = np.r_[0, np.cumsum(np.maximum(multiple, 1))].astype(np.int64)
    return grid


def _length(run: Run, grid: Ints | None) -> int:
    """Frames of a run with its gaps; those of times of day and numbers count where CardiacNumberOfImages agrees."""
    if grid is None:
        return run.n_frames
    length = int(grid[-1]) + 1
    return length if run.sorted_by in RELIABLE_KEYS or run.told == length else run.n_frames


def _reference_starts(stack: Stack, lengths: Sequence[int]) -> Mapping[str, float]:
    """Usual first value of each reliable key in units of its step, over the slices with the most frames."""
    firsts: dict[str, list[float]] = {}
    for run, length in zip(stack.runs, lengths, strict=True):
        if length == max(lengths) and run.sorted_by in RELIABLE_KEYS:
            firsts.setdefault(run.sorted_by, []).append(run.times[0] / _step(run.times))
    return {key: median(values) for key, values in firsts.items()}


def _step(times: Floats) -> float:
    return median(np.diff(times)) if len(times) > 1 else 1.0


def _place(run: Run, grid: Ints | None, usual: int, starts: Mapping[str, float]) -> Ints | None:
    """Frame index of each image of a run; None where it lacks frames without a sign of which.

    A late start against the other slices means that the first frame lacks; times of day and numbers do not tell.
    """
    if run.n_frames >= usual:
        return np.arange(usual)
    if grid is None or grid[-1] >= usual:
        return None
    if run.sorted_by not in starts:
        return grid if grid[-1] == usual - 1 else None
    late = run.times[0] / _step(run.times) - starts[run.sorted_by]
    return grid + int(np.clip(np.rint(late), 0, usual - 1 - grid[-1]))


def _missing_at_ends(stack: Stack, table: Columns, usual: int) -> int:
    """Frames that every slice lacks at an end, by CardiacNumberOfImages where the R-R interval has room for them."""
    told = stack.runs[0].told
    alike = all(run.told == told and run.n_frames <= usual for run in stack.runs)
    if not alike or not 0 < told - usual <= usual:
        return 0
    if any(run.sorted_by not in RELIABLE_KEYS for run in stack.runs):
        return 0
    step = median([_step(run.times) for run in stack.runs])
    rows = np.concatenate([run.rows for run in stack.runs])
    interval = np.nanmedian(np.r_[table["nominal_interval_ms"][rows], -1.0])
    fits = interval > 0 and np.rint(interval / step) >= told
    return told - usual if fits else 0
