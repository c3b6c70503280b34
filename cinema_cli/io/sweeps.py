"""Parallel slices to acquisitions: which of them were made together, and how far apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cinema_cli.io.parts import MIN_STACK_SLICES, Part
from cinema_cli.io.passes import SAME_POSITION_MM, Run
from cinema_cli.io.vectors import median

OVERLAP = 0.75  # of the slice thickness: slices that lie closer than this show the same muscle twice
ON_GRID = 0.2  # of the slice spacing: so far a slice may lie off a whole number of spacings
_ROUNDING = 0.05  # of the slice spacing: so far prescribed slices lie off their positions
_MOST = 0.6  # share of slices on a grid from which it is one
_ONE_DISTANCE = 0.1  # distances that differ by less than this share are one

Sweep = list[Run]  # slices of one acquisition, no two of them at one position


def find_sweeps(parts: Mapping[int, Part], runs: Sequence[Run]) -> tuple[list[Sweep], float]:
    """All runs of parallel parts (by index) as acquisitions, and the usual slice spacing, mm; 0 where there is none.

    `position_mm` of all runs are along one normal. Slices of one series stay together unless they repeat positions.
    """
    thickness = median([part.thickness_mm or 0.0 for part in parts.values()])
    units = [unit for part in parts.values() for unit in _units([r for r in runs if r.part == part.index], thickness)]
    return _split(sorted(units, key=lambda unit: (-len(unit), order_of(unit[0], parts))), thickness)


def order_of(run: Run, parts: Mapping[int, Part]) -> tuple[Any, ...]:
    """Order of acquisition as far as the headers tell."""
    number = parts[run.part].series_number
    return (run.latest_s, -1 if number is None else number, parts[run.part].series_uid, *run.origin_mm)


def _units(runs: Sequence[Run], thickness_mm: float) -> list[Sweep]:
    """Slices of one part that belong together: by AcquisitionNumber where each has a stack's worth, and by position."""
    if len(runs) == 1:
        return [list(runs)]
    numbers = [run.acquisition for run in runs]
    several = len(set(numbers)) > 1 and min(map(numbers.count, numbers)) >= MIN_STACK_SLICES
    groups = [[r for r in runs if not several or r.acquisition == n] for n in sorted(set(numbers) if several else {0})]
    ordered = [sorted(group, key=lambda r: (r.latest_s, r.acquisition, *r.origin_mm)) for group in groups]
    return [unit for group in ordered for unit in _split([[run] for run in group], thickness_mm)[0]]


def _split(units: Sequence[Sweep], thickness_mm: float) -> tuple[list[Sweep], float]:
    """Units as acquisitions, and the slice spacing, mm; 0 where slices lie so unevenly that none tells them apart."""
    positions = [run.position_mm for unit in units for run in unit]
    grid = _grid_mm(positions, thickness_mm)
    sweeps = _gather(units, grid, thickness_mm)
    n_places = 1 + int((np.diff(np.sort(positions)) > SAME_POSITION_MM).sum())
    regular = sum(len(sweep) for sweep in sweeps if _is_regular(sweep))
    if max(map(len, sweeps)) >= _MOST * n_places or regular >= _MOST * len(positions):
        return sweeps, grid
    return _gather(units, 0.0, thickness_mm), 0.0


def _grid_mm(positions_mm: Sequence[float], thickness_mm: float) -> float:
    """The slice spacing: that distance at which most positions have another one.

    It is right where two acquisitions lie interleaved, since each repeats its own spacing. Where slices are missing, a
    whole part of it may be nearly as frequent: then that is the spacing, unless slices would overlap. 0 where all lie
    at one place.
    """
    places = np.unique(np.round(positions_mm, 1))
    apart = places[None, :] - places[:, None]
    distances = np.unique(np.round(apart[apart > SAME_POSITION_MM], 1))
    if len(distances) == 0:
        return 0.0
    counts = {mm: int((np.abs(apart - mm) <= _ONE_DISTANCE * mm).any(axis=1).sum()) for mm in distances.tolist()}
    usual = max(counts, key=lambda mm: (counts[mm], mm >= OVERLAP * thickness_mm, -mm))
    frequent = [mm for mm, n in counts.items() if n >= _MOST * counts[usual] and mm >= OVERLAP * thickness_mm > 0]
    finest = min([usual, *(mm for mm in frequent if mm < usual and _off_whole(usual / mm) <= _ROUNDING)])
    return median(apart[np.abs(apart - finest) <= _ONE_DISTANCE * finest])


def _off_whole(steps: float) -> float:
    """How far a number of spacings lies off a whole one, of which there is at least one."""
    return abs(steps - max(round(steps), 1))


def _is_regular(sweep: Sweep) -> bool:
    """Whether slices, enough for a stack, lie as a scanner prescribes them: whole spacings apart, to rounding."""
    gaps = np.diff(np.sort([run.position_mm for run in sweep]))
    usual = median(gaps)
    even = all(_off_whole(float(gap / usual)) <= _ROUNDING for gap in gaps)
    return even and len(sweep) >= MIN_STACK_SLICES


def _gather(units: Sequence[Sweep], grid: float, thickness_mm: float) -> list[Sweep]:
    """Units, in order, joined where they continue the grid of another and repeat no slice: with the nearest in time."""
    sweeps: list[Sweep] = []
    for unit in units:
        apart = OVERLAP * thickness_mm if len(unit) >= MIN_STACK_SLICES else 0.0
        homes = [sweep for sweep in sweeps if all(_continues(run, sweep, grid, apart) for run in unit)]
        home = min(homes, key=lambda sweep: _seconds_apart(sweep[-1], unit[0]), default=None)
        if home is None:
            sweeps.append(list(unit))
        else:
            home += unit
    return sweeps


def _continues(run: Run, sweep: Sweep, grid: float, apart_mm: float) -> bool:
    """Whether a run lies a whole number of spacings, and at least `apart_mm`, from the nearest slice of a sweep."""
    distance = min(abs(run.position_mm - other.position_mm) for other in sweep)
    if grid == 0.0 or distance <= SAME_POSITION_MM:
        return distance > max(apart_mm, SAME_POSITION_MM)
    return distance >= apart_mm and _off_whole(distance / grid) <= ON_GRID


def _seconds_apart(a: Run, b: Run) -> float:
    return 0.0 if a.latest_s == b.latest_s else abs(a.latest_s - b.latest_s)
