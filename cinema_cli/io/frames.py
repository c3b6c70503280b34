"""The images of a stack as frames of one cycle, with a hole wherever an image is missing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cinema_cli.io.parts import RELIABLE_KEYS, Columns, Floats, Ints, Run, usual_count
from cinema_cli.io.stack import Stack


@dataclass(frozen=True, slots=True, eq=False)
class FramePlan:
    """Which image shows which frame of which slice; -1 where there is none."""

    rows: Ints  # (slice, frame)
    times_ms: Floats | None  # (slice, frame) trigger times, NaN where missing; None without usable trigger times
    duplicates: int
    surplus: tuple[int, ...]  # slices with more images than the others

    @property
    def missing(self) -> tuple[tuple[int, int], ...]:
        """(slice, frame) without an image."""
        return tuple((int(s), int(f)) for s, f in np.argwhere(self.rows < 0))


def plan_frames(stack: Stack, table: Columns) -> FramePlan:
    """Each slice's images as frames 0..n-1 of the cycle, with holes where an image is missing.

    The number of frames is the usual one of the slices, or larger where regular trigger times show holes in it.
    Frames are ranks within the slice, since trigger times differ between breath-holds.
    """
    by_index = {part.index: part for part in stack.parts}
    timed = all(by_index[run.part].sorted_by == "trigger_time_ms" for run in stack.runs)
    regular = all(by_index[run.part].sorted_by in RELIABLE_KEYS for run in stack.runs)
    slots = [_slots(run.times) if regular else np.arange(run.n_frames) for run in stack.runs]
    usual = usual_count([int(s[-1]) + 1 for s in slots])
    usual = max(usual, stack.n_frames) + _missing_at_ends(stack, table, usual)
    rows = np.full((len(stack.runs), usual), -1, dtype=np.int64)
    times = np.full(rows.shape, np.nan)
    reference = _reference_start(stack, slots) if timed else 0.0
    for s, (run, slot) in enumerate(zip(stack.runs, slots, strict=True)):
        where = _place(run, slot, usual, reference if timed else None)
        rows[s, where], times[s, where] = run.rows[: len(where)], run.times[: len(where)]
    surplus = tuple(s for s, run in enumerate(stack.runs) if run.n_frames > usual)
    return FramePlan(rows, times if timed else None, sum(r.duplicates for r in stack.runs), surplus)


def _slots(times: Floats) -> Ints:
    """Index of each image on the regular grid of its own times; plain ranks where the times are not regular."""
    ranks = np.arange(len(times))
    if len(times) < 4:
        return ranks
    step = np.diff(times)
    usual = float(np.median(step))
    multiple = np.rint(step / usual)
    if usual <= 0 or (np.abs(step - multiple * usual) > 0.25 * usual).any() or multiple.sum() > 2 * len(times):
        return ranks
    slots: Ints = np.r_[0, np.cumsum(np.maximum(multiple, 1))].astype(np.int64)
    return slots


def _reference_start(stack: Stack, slots: Sequence[Ints]) -> float:
    """Usual first trigger time in units of the time step, over the slices with the most images."""
    longest = max(len(s) for s in slots)
    firsts = [r.times[0] / _step(r.times) for r, s in zip(stack.runs, slots, strict=True) if len(s) == longest]
    return float(np.median(firsts))


def _step(times: Floats) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 and np.median(np.diff(times)) > 0 else 1.0


def _place(run: Run, slot: Ints, usual: int, reference: float | None) -> Ints:
    """Frame index of each image of a run; a late start against the other slices means that the first frame lacks."""
    shift = 0
    if reference is not None and run.n_frames < usual:
        shift = int(
            np.clip(np.rint(run.times[0] / _step(run.times) - reference), 0, usual - 1 - min(slot[-1], usual - 1))
        )
    where: Ints = slot + shift
    if where[-1] < usual:
        return where
    return np.arange(min(run.n_frames, usual))


def _missing_at_ends(stack: Stack, table: Columns, usual: int) -> int:
    """Frames that every slice lacks at an end, by CardiacNumberOfImages where the R-R interval has room for them."""
    rows = np.concatenate([run.rows for run in stack.runs])
    told = np.unique(np.nan_to_num(table["n_cardiac_images"][rows].astype(float)))
    if len(told) != 1 or not 0 < told[0] - usual <= usual or any(r.n_frames > usual for r in stack.runs):
        return 0
    step = np.median([_step(run.times) for run in stack.runs])
    interval = np.nanmedian(np.r_[table["nominal_interval_ms"][rows].astype(float), -1.0])
    fits = interval > 0 and np.rint(interval / step) >= told[0]
    return int(told[0] - usual) if fits else 0
