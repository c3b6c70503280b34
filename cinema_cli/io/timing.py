"""Moments of the cycle and the R-R interval of a stack, from whatever the headers tell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Note
from cinema_cli.io.frames import FramePlan
from cinema_cli.io.passes import Columns
from cinema_cli.io.stack import Stack
from cinema_cli.io.vectors import median

Floats = NDArray[np.float64]

CYCLE_MS = (300.0, 2200.0)  # R-R intervals of 27 to 200 beats a minute; others are placeholders
STEP_MS = (5.0, 150.0)  # a cine's time between frames: finer is not acquired, coarser is no cine


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """Time of each frame after the first, (frame,), and the R-R interval; None where the headers do not say."""

    times_ms: Floats
    cycle_ms: float | None
    source: str
    notes: tuple[Note, ...]


def time_stack(stack: Stack, plan: FramePlan, table: Columns) -> Timing:
    """Times averaged over slices: trigger times; else a time step that fills the R-R interval; else a guess, said."""
    n_frames = plan.rows.shape[1]
    told = told_cycle_ms(plan.rows[plan.rows >= 0], table)
    notes: list[Note] = []
    step = None
    if plan.times_ms is not None:
        times = _mean_times(plan.times_ms)
        step = (times[-1] - times[0]) / max(n_frames - 1, 1)
    if step is not None and STEP_MS[0] <= step <= STEP_MS[1]:
        if told is not None and times[-1] - times[0] > 1.5 * told:
            notes.append(
                Note("several_cycles", f"frames span {times[-1] - times[0]:.0f} ms, an R-R interval {told:.0f} ms")
            )
        cycle = told if told is not None and told >= 0.95 * (n_frames - 1) * step else n_frames * step
        plausible = CYCLE_MS[0] <= cycle <= CYCLE_MS[1]
        return Timing(np.asarray(times - times[0]), cycle if plausible else None, "trigger_time", tuple(notes))
    step, source = told_step_ms(np.concatenate([run.rows for run in stack.runs]), table, n_frames)
    if step is None:
        notes.append(
            Note("time_unknown", "the headers tell no times: a cycle of 1000 ms is assumed for plots; no rates")
        )
        return Timing(np.arange(n_frames, dtype=np.float64) * 1000.0 / n_frames, None, "assumed", tuple(notes))
    notes.append(Note("time_from_" + source, f"no usable trigger times: {step:.1f} ms a frame from {source}"))
    cycle = told or n_frames * step
    return Timing(
        np.arange(n_frames, dtype=np.float64) * step,
        cycle if CYCLE_MS[0] <= cycle <= CYCLE_MS[1] else None,
        source,
        tuple(notes),
    )


def _mean_times(times_ms: Floats) -> Floats:
    """Mean over slices of trigger times (slice, frame); holes of all slices by interpolation."""
    counts = np.isfinite(times_ms).sum(axis=0)
    mean = np.where(counts > 0, np.nansum(times_ms, axis=0) / np.maximum(counts, 1), np.nan)
    frames = np.arange(len(mean))
    known = counts > 0
    if known.all():
        return np.asarray(mean, dtype=float)
    slope, start = np.polyfit(frames[known], mean[known], 1)
    line = start + slope * frames
    inside = (frames > frames[known][0]) & (frames < frames[known][-1])
    filled = np.where(inside, np.interp(frames, frames[known], mean[known]), line)
    return np.asarray(np.where(known, mean, filled), dtype=float)


def told_cycle_ms(rows: NDArray[np.int64], table: Columns) -> float | None:
    """Median R-R interval by NominalInterval, else by HeartRate; None where implausible or absent."""
    for name in ("nominal_interval_ms", "heart_rate_bpm"):
        values = table[name][rows]
        values = values[np.isfinite(values) & (values > 0)]
        values = values if name == "nominal_interval_ms" else 60000.0 / values
        values = values[(values >= CYCLE_MS[0]) & (values <= CYCLE_MS[1])]
        if len(values):
            return median(values)
    return None


def told_step_ms(rows: NDArray[np.int64], table: Columns, n_frames: int) -> tuple[float | None, str]:
    """Time between the frames of images without trigger times, ms, and the header that tells it."""
    if (told := told_cycle_ms(rows, table)) is not None:
        return told / n_frames, "rr_interval"
    repetition = table["repetition_time_ms"][rows]
    if np.isfinite(repetition).any():
        step = float(np.nanmedian(repetition))
        # Siemens writes the time between frames of a segmented cine as RepetitionTime; others write the true TR (3 ms)
        if 15.0 <= step <= STEP_MS[1] and CYCLE_MS[0] <= step * n_frames <= CYCLE_MS[1]:
            return step, "repetition_time"
    return None, ""
