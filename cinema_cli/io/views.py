"""Which view a stack shows, or why it is no cine of the heart: by words in the headers, by time and by geometry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from cinema_cli.domain.cine import View
from cinema_cli.io.parts import MIN_STACK_SLICES, Part
from cinema_cli.io.stack import LV_AXIS_LPS, Stack, are_parallel, extends_on_another_grid, to_apex
from cinema_cli.io.vectors import Floats, cross, length

SAX_WITHIN_DEG = 45.0  # a stack's normal lies this near to LV_AXIS_LPS in a short axis; long-axis planes lie near 90
CARDINAL_WITHIN_DEG = 8.0  # nearer than this to a body axis: a plain axial, coronal or sagittal stack
DOUBTFUL = 0.6  # confidence below which a view is doubtful
ANOTHER_GRID = "another_grid"  # reason code of slices that only their matrix or spacing keeps out of the stack
AXIS_IN_PLANE_DEG = 30.0  # a long-axis plane holds the LV axis within this angle
CENTRE_WITHIN_MM = 60.0  # and passes this near to the centre of the short-axis stack

LAX_ANGLES_DEG: Mapping[View, float] = {View.LAX_4C: 20.0, View.LAX_2C: 90.0, View.LAX_3C: 145.0}
"""Direction in which a long-axis plane cuts the short axis, seen from the apex, counter-clockwise from the lateral
side with superior up. The AHA 17-segment circle (Cerqueira 2002) puts the walls that the views cut at 30/210 (4C:
anterolateral, inferoseptal), 90/270 (2C: anterior, inferior) and 150/330 (3C: anteroseptal, inferolateral); the 4C
plane is turned a little towards the RV's acute margin (20 degrees measured on the M&Ms-2 heart)."""


@dataclass(frozen=True, slots=True)
class ViewGuess:
    """A view with the rule that found it; without a view, the reason code and sentence."""

    view: View | None
    rule: str
    confidence: float  # ordinal from 0 to 1, not a probability
    code: str = ""
    sentence: str = ""
    forced: bool = False  # by the user's own list


def classify(stacks: Sequence[Stack], words: Sequence[str | None]) -> tuple[ViewGuess, ...]:
    """View of each stack of one study; `words` are the recognised keywords, one a stack, None where there are none."""
    guesses = [
        _classify_stack(s, w) if len(s.runs) >= MIN_STACK_SLICES else None for s, w in zip(stacks, words, strict=True)
    ]
    sax = [s for s, g in zip(stacks, guesses, strict=True) if g is not None and g.view is View.SAX]
    reference = max(sax, key=lambda s: (len(s.runs), s.n_frames), default=None)
    single = [i for i, g in enumerate(guesses) if g is None]
    angles = _joint_views([stacks[i] for i in single], reference)
    for i, by_geometry in zip(single, angles, strict=True):
        guesses[i] = _classify_single(stacks[i], words[i], by_geometry, reference)
    return tuple(g for g in guesses if g is not None)


def _classify_stack(stack: Stack, word: str | None) -> ViewGuess:
    """View of several parallel slices in time: the short axis, unless words and geometry say otherwise."""
    off = _angle_deg(stack.lead.normal, LV_AXIS_LPS)
    near = min(_angle_deg(stack.lead.normal, axis) for axis in np.eye(3))
    body = ("sagittal", "coronal", "axial")[int(np.argmax(np.abs(stack.lead.normal)))]
    if word == View.SAX:
        confidence = 0.95 if off <= SAX_WITHIN_DEG else 0.5
        said = "" if off <= SAX_WITHIN_DEG else f"; but its normal is {off:.0f} degrees off the usual LV axis"
        return ViewGuess(
            View.SAX, f"description says short axis, {len(stack.runs)} parallel slices in time{said}", confidence
        )
    if near <= CARDINAL_WITHIN_DEG or word == "axial":
        return ViewGuess(
            None, "geometry", 0.8, "body_axis_stack", f"a stack of {body} planes through the chest, not the short axis"
        )
    if off > SAX_WITHIN_DEG + 10:
        return ViewGuess(
            None,
            "geometry",
            0.6,
            "not_short_axis",
            f"parallel slices whose normal is {off:.0f} degrees off the usual LV axis",
        )
    confidence = 0.85 if off <= SAX_WITHIN_DEG else 0.5
    other = word in LAX_ANGLES_DEG  # a long-axis view needs no stack across the ventricle: the name is wrong
    seen = f"{len(stack.runs)} parallel slices in time, normal {off:.0f} degrees off the usual LV axis"
    return ViewGuess(
        View.SAX,
        f"geometry: {seen}" + (f"; but its description says {word}" if other else ""),
        min(confidence, 0.7) if other else confidence,
    )


def _angle_deg(a: Floats, b: Floats) -> float:
    """Angle between two undirected lines, degrees 0..90."""
    return float(np.degrees(np.arccos(min(float(abs(a @ b)) / (length(a) * length(b)), 1.0))))


def lies_across(normal: Floats) -> bool:
    """Whether a plane cuts the ventricle across, as the short axis does."""
    return _angle_deg(normal, LV_AXIS_LPS) <= SAX_WITHIN_DEG


def is_short_axis_slice(part: Part, parts: Sequence[Part]) -> bool:
    """Whether a part is of a stack across the ventricle, whatever its description says."""
    slices = sum(other.n_slices for other in parts if other.runs and are_parallel(other, part))
    return bool(part.runs) and slices >= MIN_STACK_SLICES and lies_across(part.normal)


def cut_angle_deg(normal: Floats, axis: Floats) -> float:
    """Direction 0..180 in which a plane cuts the short axis (see LAX_ANGLES_DEG); `axis` points base to apex.

    Where that axis is that of the body (no heart lies so, but a stack that is called one may), anterior takes the place
    of superior.
    """
    axial = _angle_deg(axis, np.array([0.0, 0.0, 1.0])) <= CARDINAL_WITHIN_DEG
    above = np.array([0.0, -1.0, 0.0]) if axial else np.array([0.0, 0.0, 1.0])
    up = above - axis * (above @ axis)
    up /= length(up)
    line = cross(normal, axis)
    return float(np.degrees(np.arctan2(line @ up, line @ cross(up, axis))) % 180.0)


@dataclass(frozen=True, slots=True)
class _Cut:
    """How a single plane lies to the short axis."""

    view: View | None
    angle_deg: float
    deviation_deg: float  # from the middle of the view's sector
    problem: str  # why it is no long-axis plane


def _joint_views(singles: Sequence[Stack], sax: Stack | None) -> list[_Cut]:
    """Views of single planes by geometry, those that differ decided together so that two planes get two views."""
    axis = to_apex(sax.lead.normal) if sax is not None else LV_AXIS_LPS
    angles = [cut_angle_deg(s.lead.normal, axis) for s in singles]
    problems = [_not_long_axis(s, axis, sax) for s in singles]
    planes: list[float] = []  # one angle for each distinct plane; repeats of a plane lie within 15 degrees
    for angle, problem in sorted(zip(angles, problems, strict=True)):
        if not problem and all(_turn(angle, p) > 15.0 for p in planes):
            planes.append(angle)
    views = tuple(LAX_ANGLES_DEG)
    if len(planes) <= len(views):
        choice = min(
            permutations(views, len(planes)),
            key=lambda c: sum(_turn(p, LAX_ANGLES_DEG[v]) ** 2 for p, v in zip(planes, c, strict=True)),
        )
    else:
        choice = tuple(min(views, key=lambda v: _turn(p, LAX_ANGLES_DEG[v])) for p in planes)
    cuts = []
    for angle, problem in zip(angles, problems, strict=True):
        if problem or not planes:
            cuts.append(_Cut(None, angle, 90.0, problem))
            continue
        view = choice[int(np.argmin([_turn(angle, p) for p in planes]))]
        cuts.append(_Cut(view, angle, _turn(angle, LAX_ANGLES_DEG[view]), ""))
    return cuts


def _turn(a: float, b: float) -> float:
    """Smallest turn between two undirected directions, degrees 0..90."""
    return abs((a - b + 90.0) % 180.0 - 90.0)


def _not_long_axis(stack: Stack, axis: Floats, sax: Stack | None) -> str:
    """Why a plane is no long-axis plane of the LV; empty where it may be one."""
    tilt = 90.0 - _angle_deg(stack.lead.normal, axis)
    if tilt > AXIS_IN_PLANE_DEG:
        return f"the plane is {tilt:.0f} degrees off the LV long axis"
    if sax is not None:
        distance = abs(float((sax.centre_mm - stack.centre_mm) @ stack.lead.normal))
        if distance > CENTRE_WITHIN_MM:
            return f"the plane passes {distance:.0f} mm beside the short-axis stack"
    return ""


def another_grid(stack: Stack, sax: Stack) -> ViewGuess:
    """What becomes of slices that lie beside a short-axis stack of another matrix or spacing."""
    (rows, columns), (height, width) = stack.lead.shape, stack.lead.spacing_mm
    own = f"{rows} x {columns} pixels of {height:g} x {width:g} mm"
    (rows, columns), (height, width) = sax.lead.shape, sax.lead.spacing_mm
    said = f"parallel to the short-axis stack but of another matrix or spacing: {own}, not"
    return ViewGuess(None, "geometry", 0.8, ANOTHER_GRID, f"{said} {rows} x {columns} of {height:g} x {width:g} mm")


def _classify_single(stack: Stack, word: str | None, cut: _Cut, sax: Stack | None) -> ViewGuess:
    """View of a single plane: by its description, checked by geometry; by geometry alone without one."""
    has_sax = sax is not None
    against = "against the SAX stack" if has_sax else "in patient axes"
    seen = f"cuts the short axis at {cut.angle_deg:.0f} degrees {against}" if not cut.problem else cut.problem
    named = View.LAX_3C if word == "lvot" else View(word) if word in set(View) else None
    if named not in LAX_ANGLES_DEG and sax is not None and extends_on_another_grid(stack, sax):
        return another_grid(stack, sax)
    if named is View.SAX or (named is None and cut.problem and 90 - _angle_deg(stack.lead.normal, LV_AXIS_LPS) > 60):
        return ViewGuess(
            None,
            "description" if named else "geometry",
            0.8,
            "too_few_slices",
            f"a short-axis slice without parallel neighbours; a volume needs at least {MIN_STACK_SLICES}",
        )
    if named is not None:
        turn = _turn(cut.angle_deg, LAX_ANGLES_DEG[named])
        agrees = not cut.problem and (cut.view is named or turn <= 25.0)
        confidence = (0.95 if has_sax else 0.85) if agrees else 0.5
        confidence -= 0.2 if word == "lvot" else 0.0
        said = "geometry agrees" if agrees else "geometry speaks against it"
        return ViewGuess(named, f"description says {named.value}, {said}: {seen}", round(confidence, 2))
    if cut.view is None or word == "axial":
        return ViewGuess(None, "geometry", 0.6, "unknown_view", f"a single-plane cine that is no standard view: {seen}")
    confidence = max(0.4, 0.85 - cut.deviation_deg / 100.0) - (0.0 if has_sax else 0.2)
    return ViewGuess(cut.view, f"geometry: {seen}", round(confidence, 2))
