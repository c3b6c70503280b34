"""One slice for each position of a stack, of all that were acquired, and why the others are left aside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from cinema_cli.io.parts import MIN_STACK_SLICES, Part
from cinema_cli.io.passes import SAME_POSITION_MM, Run, usual_count
from cinema_cli.io.sweeps import ON_GRID, Sweep, find_sweeps, order_of

NEARLY_ALL_SLICES = 0.8  # a complete stack replaces a damaged one only if it has at least this share of its slices


class Aside(StrEnum):
    """Why a stack does without a slice."""

    AGAIN = "repeated"  # it was acquired again
    OFF_GRID = "off_grid"  # it lies between the positions of the stack
    BESIDE = "beside"  # its field of view lies elsewhere in the plane


@dataclass(frozen=True, slots=True, eq=False)
class Spare:
    """A run that a stack could do without."""

    run: Run
    kept: Run  # the run that has the position, or the nearest one
    why: Aside


def choose_runs(
    parts: Mapping[int, Part], runs: Sequence[Run], preferred: Collection[int]
) -> tuple[list[Run], list[Spare]]:
    """One run a position, in order of position, of all runs of parallel parts (by index), and those left aside.

    `position_mm` of all runs are along one normal. The best acquisition (see `_rank`) wins as a whole, and others only
    fill positions that it lacks, in its field of view. Slices that were acquired again alone, and all where the best
    lacks frames itself, compete for their position (see `_priority`).
    """
    if len(runs) == 1:
        return list(runs), []
    usual = usual_count([run.n_frames for run in runs])
    sweeps, grid = find_sweeps(parts, runs)
    most = max(len(sweep) for sweep in sweeps)
    best, *others = sorted(sweeps, key=lambda sweep: _rank(sweep, parts, preferred, most), reverse=True)
    grid = max(grid, _smallest_gap_mm(best))
    whole = {id(run) for sweep in others for run in sweep if _is_of_a_stack(run, sweep, most)}
    pixel = max(parts[best[0].part].spacing_mm) if len(best) > 1 else np.inf
    contenders = [r for sweep in others for r in sweep if id(r) not in whole or not _is_complete(best)]
    kept = []
    for place in best:
        rivals = [r for r in contenders if _is_at(r, place, grid) and _beside_mm(r, place, parts) <= pixel]
        kept.append(max([place, *rivals], key=lambda run: _priority(run, parts[run.part], preferred, usual)))
    spares = []
    for run in [r for sweep in (best, *others) for r in sweep if not any(r is k for k in kept)]:
        nearest = min(kept, key=lambda k: abs(k.position_mm - run.position_mm))
        free = abs(nearest.position_mm - run.position_mm) > max((1 - ON_GRID) * grid, SAME_POSITION_MM)
        beside = _beside_mm(run, nearest, parts) > pixel
        if free and not (beside and id(run) in whole):
            kept.append(run)
        elif id(run) in whole:
            spares.append(Spare(run, nearest, Aside.AGAIN))
        elif not _is_at(run, nearest, grid):
            spares.append(Spare(run, nearest, Aside.OFF_GRID))
        else:
            spares.append(Spare(run, nearest, Aside.BESIDE if beside else Aside.AGAIN))
    return sorted(kept, key=lambda run: run.position_mm), spares


def _is_of_a_stack(run: Run, sweep: Sweep, most: int) -> bool:
    """Whether a run is of a whole stack, and no slice that was acquired again alone."""
    of_its_part = sum(other.part == run.part for other in sweep)
    return of_its_part >= MIN_STACK_SLICES or (
        len(sweep) >= MIN_STACK_SLICES and len(sweep) >= NEARLY_ALL_SLICES * most
    )


def _is_complete(sweep: Sweep) -> bool:
    usual = usual_count([run.n_frames for run in sweep])
    return all(run.n_frames in (usual, run.told) and not run.unplaced for run in sweep)


def _rank(sweep: Sweep, parts: Mapping[int, Part], preferred: Collection[int], most: int) -> tuple[Any, ...]:
    """Of acquisitions what the user named, then nearly all slices with all frames, then the most, then the latest."""
    frames = usual_count([run.n_frames for run in sweep])
    return (
        any(run.part in preferred for run in sweep),
        len(sweep) >= NEARLY_ALL_SLICES * most,
        _is_complete(sweep),
        len(sweep),
        frames,
        max(order_of(run, parts) for run in sweep),
    )


def _priority(run: Run, part: Part, preferred: Collection[int], usual: int) -> tuple[Any, ...]:
    """Of runs at one position what the user named, then the most complete, then the latest."""
    number = -1 if part.series_number is None else part.series_number
    return (
        run.part in preferred,
        min(run.n_frames, usual),
        -abs(run.n_frames - usual),
        -run.duplicates,
        part.n_slices,
        run.latest_s,
        number,
        part.series_uid,
        *run.origin_mm,
    )


def _is_at(run: Run, place: Run, grid: float) -> bool:
    """Whether two runs show one position along the normal."""
    return abs(run.position_mm - place.position_mm) <= max(ON_GRID * grid, SAME_POSITION_MM)


def _beside_mm(run: Run, place: Run, parts: Mapping[int, Part]) -> float:
    """Distance between the first pixels of two runs within the plane."""
    part = parts[place.part]
    away = run.origin_mm - place.origin_mm
    return float(np.hypot(away @ part.row_direction, away @ part.column_direction))


def _smallest_gap_mm(sweep: Sweep) -> float:
    return float(np.diff(np.sort([run.position_mm for run in sweep])).min()) if len(sweep) > 1 else 0.0
