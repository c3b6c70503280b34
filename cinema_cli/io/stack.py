"""Parts to stacks: which series are slices of one acquisition, which were acquired again, and which slices lack."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cinema_cli.io.parts import MIN_STACK_SLICES, SAME_DIRECTION_DEG, Part
from cinema_cli.io.passes import Run, usual_count
from cinema_cli.io.spares import Aside, Spare, choose_runs
from cinema_cli.io.sweeps import OVERLAP
from cinema_cli.io.vectors import Floats, median, medians

LV_AXIS_LPS: Floats = np.array([0.6, -0.6, -0.5]) / np.linalg.norm([0.6, -0.6, -0.5])
"""Base to apex in patient coordinates: left, anterior, inferior. Measured on the two SCD stacks (0.67, -0.67, -0.32),
(0.63, -0.66, -0.41) and one M&Ms-2 heart (0.56, -0.77, -0.30); hearts vary by some 30 degrees about it."""

_SAME_DIRECTION = np.cos(np.radians(SAME_DIRECTION_DEG))
_SAME_SPACING_MM = 1e-3  # between pixels
_SAME_SLICE = 0.45  # of the slice spacing: runs closer than this show one slice
_FARTHEST_NEIGHBOUR = 3.5  # slice spacings: farther away it is another place, not a gap


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Parallel slices that are one acquisition, joined from the parts of one or several series."""

    parts: tuple[Part, ...]  # those that gave at least one run, or only spares
    runs: tuple[Run, ...]  # by position, base to apex in a usual chest
    spares: tuple[Spare, ...]

    @property
    def lead(self) -> Part:
        """The part of the first slice: geometry is read from it."""
        return next(part for part in self.parts if part.index == self.runs[0].part)

    @property
    def positions_mm(self) -> Floats:
        """Slice positions along the normal towards the apex, (slice,)."""
        return np.array([run.position_mm for run in self.runs])

    @property
    def spacing_mm(self) -> float | None:
        """Usual distance between neighbouring slices; None for a single slice."""
        return round(median(np.diff(self.positions_mm)), 4) if len(self.runs) > 1 else None

    @property
    def thickness_mm(self) -> float | None:
        """Slice thickness of the first slice's series; None where the headers do not say."""
        return self.lead.thickness_mm

    @property
    def n_frames(self) -> int:
        """The usual number of images a slice."""
        return usual_count([run.n_frames for run in self.runs])

    @property
    def centre_mm(self) -> Floats:
        """Centre of the stack's field of view in patient coordinates, (3,)."""
        lead = self.lead
        origins = np.array([run.origin_mm for run in self.runs])
        across = lead.row_direction * lead.spacing_mm[1] * (lead.shape[1] - 1) / 2
        down = lead.column_direction * lead.spacing_mm[0] * (lead.shape[0] - 1) / 2
        centre: Floats = (origins.min(axis=0) + origins.max(axis=0)) / 2 + across + down
        return centre


def to_apex(normal: Floats) -> Floats:
    """The normal's direction that points from base to apex in a usual chest."""
    return normal if normal @ LV_AXIS_LPS >= 0 else -normal


def join_parts(parts: Sequence[Part], *, preferred: Collection[int] = ()) -> tuple[Stack, ...]:
    """Parts that are slices of one acquisition as stacks; fewer than MIN_STACK_SLICES positions stay single views.

    Only parts with the same orientation, matrix and spacing are joined, whatever their series or frame of reference.
    Slices of `preferred` parts, by index, win over others.
    """
    groups: list[list[Part]] = []
    for part in parts:
        if not part.runs:
            continue
        home = next((g for g in groups if are_parallel(g[0], part)), None)
        if home is None:
            groups.append([part])
        else:
            home.append(part)
    return tuple(stack for group in groups for stack in _stacks(group, preferred))


def are_parallel(a: Part, b: Part) -> bool:
    """Whether slices of two parts can be of one stack: same directions, matrix and pixel spacing."""
    if not have_same_grid(a, b):
        return False
    return bool(min(a.row_direction @ b.row_direction, a.column_direction @ b.column_direction) >= _SAME_DIRECTION)


def have_same_grid(a: Part, b: Part) -> bool:
    """Whether two parts have the same matrix and pixel spacing."""
    pairs = zip(a.spacing_mm, b.spacing_mm, strict=True)
    return a.shape == b.shape and all(abs(own - other) <= _SAME_SPACING_MM for own, other in pairs)


def extends_on_another_grid(stack: Stack, sax: Stack) -> bool:
    """Whether a stack holds slices, next to `sax` and none of its own, that only their matrix or spacing keeps out."""
    normal = to_apex(sax.lead.normal)
    cosine = abs(float(normal @ stack.lead.normal))
    if have_same_grid(stack.lead, sax.lead) or cosine < _SAME_DIRECTION:
        return False
    own, usual = np.array([run.origin_mm @ normal for run in sax.runs]), sax.spacing_mm or 0.0
    nearest = [float(np.abs(own - run.origin_mm @ normal).min()) for run in stack.runs]
    return min(nearest) > _SAME_SLICE * usual and min(nearest) <= _FARTHEST_NEIGHBOUR * usual


def _stacks(group: Sequence[Part], preferred: Collection[int]) -> list[Stack]:
    """Stacks of one group of parallel parts."""
    by_index = {part.index: part for part in group}
    normal = to_apex(group[0].normal)
    runs = [replace(run, position_mm=float(run.origin_mm @ normal)) for part in group for run in part.runs]
    kept, spares = choose_runs(by_index, runs, preferred)
    stacks = []
    for members in _contiguous(kept):
        mine = [spare for spare in spares if any(spare.kept is run for run in members)]
        if _is_stack(members, by_index):
            stacks.append(_stack(members, mine, by_index))
            continue
        again = [spare for spare in mine if spare.why is Aside.AGAIN]
        alone = [*members, *(spare.run for spare in mine if spare not in again)]  # single views have no grid to lie off
        stacks += [_stack([run], [spare for spare in again if spare.kept is run], by_index) for run in alone]
    return stacks


def _stack(runs: Sequence[Run], spares: Sequence[Spare], parts: Mapping[int, Part]) -> Stack:
    used = {run.part for run in runs} | {spare.run.part for spare in spares}
    return Stack(tuple(parts[i] for i in sorted(used)), tuple(runs), tuple(spares))


def _is_stack(runs: Sequence[Run], parts: Mapping[int, Part]) -> bool:
    """Whether parallel slices are one stack: a few series of one slice along the LV axis are repeats of a view."""
    if len(runs) < MIN_STACK_SLICES:
        return False
    lone = len({run.part for run in runs}) == len(runs) <= 4
    return not lone or abs(float(parts[runs[0].part].normal @ LV_AXIS_LPS)) > 0.5


def _contiguous(runs: Sequence[Run]) -> list[list[Run]]:
    """Cut where slices of different series lie more than three spacings apart: that is another place, not a gap."""
    gaps = np.diff([run.position_mm for run in runs])
    usual = median(gaps) if len(gaps) else 0.0
    pieces: list[list[Run]] = [[runs[0]]]
    for gap, before, run in zip(gaps, runs[:-1], runs[1:], strict=True):
        if gap > _FARTHEST_NEIGHBOUR * usual and before.part != run.part and len(gaps) > 1:
            pieces.append([])
        pieces[-1].append(run)
    return pieces


def beside_mm(stack: Stack) -> Floats:
    """How far each slice's field of view lies beside the others' in the plane, (slice,), beyond a steady drift.

    Origins of an oblique stack drift along a straight line; a step or a slice off that line is a field of view that
    was moved. Distances are from the slice that most others agree with.
    """
    positions = stack.positions_mm
    if len(positions) == 1:
        return np.zeros(1)
    axes = np.stack([stack.lead.row_direction, stack.lead.column_direction], axis=1)
    origins = np.array([run.origin_mm for run in stack.runs]) @ axes  # (slice, 2)
    drift = medians(np.diff(origins, axis=0) / np.diff(positions)[:, None])
    origins = origins - positions[:, None] * drift
    apart = np.linalg.norm(origins[:, None] - origins[None], axis=2)
    usual: Floats = apart[medians(apart.T).argmin()]
    return usual


def overlaps_unevenly(stack: Stack) -> bool:
    """Whether slices lie much closer than they are thick, and unevenly: no one acquisition is made so."""
    spacing, thickness = stack.spacing_mm, stack.thickness_mm
    near = spacing is not None and thickness is not None and spacing < OVERLAP * thickness
    return near and uneven_spacing_mm(stack) is not None


def missing_slices(stack: Stack) -> int:
    """Positions without images between the first and the last slice."""
    spacing = stack.spacing_mm
    if spacing is None:
        return 0
    steps = np.maximum(np.rint(np.diff(stack.positions_mm) / spacing), 1)
    return int((steps - 1).sum())


def uneven_spacing_mm(stack: Stack) -> tuple[float, float] | None:
    """(smallest, largest) distance between neighbours where one is no whole multiple of the usual spacing (20%)."""
    spacing = stack.spacing_mm
    if spacing is None:
        return None
    gaps = np.diff(stack.positions_mm)
    off = np.abs(gaps / spacing - np.maximum(np.rint(gaps / spacing), 1))
    return (float(gaps.min()), float(gaps.max())) if (off > 0.2).any() else None
