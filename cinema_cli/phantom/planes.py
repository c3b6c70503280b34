"""Where the heart lies in the patient and how imaging planes cut it: short-axis stack, long-axis views, landmarks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import View
from cinema_cli.phantom.anatomy import Heart, Ventricles, at_phase

Floats = NDArray[np.float64]

# Unit vector from base to apex and towards the lateral wall in DICOM patient coordinates (left, posterior, superior).
_TO_APEX = np.array([0.6, -0.6, -0.5])
_LATERAL = np.array([0.71, 0.70, -0.03])

# Degrees from lateral towards anterior of one of the two walls that a view shows: inferoseptal and anterolateral (4C),
# inferior and anterior (2C), inferolateral and anteroseptal (3C); segments: Cerqueira et al., Circulation 2002;105:539.
_ANGLE_DEG = {View.LAX_4C: 30.0, View.LAX_2C: 90.0, View.LAX_3C: 150.0}


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Rigid transform from heart coordinates (x, y, h; see anatomy.py) to patient coordinates (LPS); both in mm."""

    axes: Floats  # (3, 3): its rows are the heart's x, y and h axes
    apex_mm: Floats  # (3,): the endocardial apex

    def to_patient(self, points: Floats) -> Floats:
        """Patient coordinates (…, 3) of points (…, 3) in heart coordinates."""
        return np.asarray(points @ self.axes + self.apex_mm)

    def turn(self, direction: Floats) -> Floats:
        """Patient direction (3,) of a direction (3,) in heart coordinates."""
        return np.asarray(direction @ self.axes)


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """One imaging plane in heart coordinates. `row` is the unit vector along which the column index grows."""

    view: View
    row: Floats
    column: Floats
    centre: Floats  # middle of the image, mm

    @property
    def normal(self) -> Floats:
        """Unit normal: row x column."""
        return np.cross(self.row, self.column)

    def origin(self, *, shape: tuple[int, int], pixel_mm: float) -> Floats:
        """Centre of the first pixel (3,) of an image of `shape` (rows, columns) around the plane's centre."""
        half_rows, half_columns = (shape[0] - 1) / 2.0 * pixel_mm, (shape[1] - 1) / 2.0 * pixel_mm
        return np.asarray(self.centre - self.row * half_columns - self.column * half_rows)


@dataclass(frozen=True, slots=True)
class Landmark:
    """A named point of a heart at end-diastole (`ed`) or end-systole (`es`), in patient coordinates (LPS, mm)."""

    name: str
    moment: str
    point_mm: tuple[float, float, float]


def _rotation(axis: Floats, angle: float) -> Floats:
    """Matrix (3, 3) that turns column vectors by `angle` radians about the unit vector `axis` (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross))


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))


def sample_placement(rng: np.random.Generator) -> Placement:
    """Draw how the heart lies: the usual oblique axis, turned by some 8 degrees, near the middle of the chest."""
    up = -_unit(_TO_APEX)
    lateral = _unit(_LATERAL - (_LATERAL @ up) * up)
    axes = np.stack([lateral, np.cross(up, lateral), up])
    turn = _rotation(_unit(rng.normal(size=3)), float(rng.normal(0.0, 0.14)))
    return Placement(axes=axes @ turn.T, apex_mm=np.array([60.0, -65.0, -20.0]) + rng.normal(0.0, 12.0, 3))


def sax_stack(
    rng: np.random.Generator, heart: Heart, *, step_mm: float, margin_mm: tuple[float, float] = (1.0, 7.0)
) -> list[Plane]:
    """Parallel short-axis planes, base first, `step_mm` apart, from above both valve planes to below the apex.

    Planned on the long axis with an error of some 3 degrees; turned in plane as patients' stacks are.
    """
    state = Ventricles(heart, 0.0)
    top = state.top() + float(rng.uniform(*margin_mm))
    bottom = -state.apex_wall - float(rng.uniform(*margin_mm))
    count = int(np.ceil((top - bottom) / step_mm))
    tilt = _rotation(np.array([1.0, 0.0, 0.0]), float(rng.normal(0.0, 0.05)))
    tilt = _rotation(np.array([0.0, 1.0, 0.0]), float(rng.normal(0.0, 0.05))) @ tilt
    turn = tilt @ _rotation(np.array([0.0, 0.0, 1.0]), float(rng.normal(0.0, 0.25)))
    row, column, normal = turn[:, 0], turn[:, 1], turn[:, 2]
    aside = rng.normal(0.0, 7.0, 2)
    middle = np.array([aside[0] - 0.3 * heart.rv_width, aside[1], 0.5 * (top + bottom)])
    offsets = (np.arange(count) - (count - 1) / 2.0) * step_mm
    return [Plane(View.SAX, row, column, middle - normal * offset) for offset in offsets]


def lax_plane(rng: np.random.Generator, heart: Heart, view: View) -> Plane:
    """The plane of a long-axis view: along the long axis, near its anatomical angle, the usual side up."""
    angle = np.deg2rad(_ANGLE_DEG[view] + float(rng.normal(0.0, 5.0)))
    wall = np.array([np.cos(angle), -np.sin(angle), 0.0])
    axis = np.array([0.0, 0.0, 1.0])
    # 4C: apex up, RV on the left. 2C and 3C: apex on the left, anterior wall or septum up.
    row, column = (wall, axis) if view is View.LAX_4C else (axis, -wall)
    normal = np.cross(row, column)
    turn = _rotation(normal, float(rng.normal(0.0, 0.25)))
    aside = normal * float(rng.normal(0.0, 1.5)) + wall * float(rng.normal(0.0, 6.0))
    if view is View.LAX_4C:
        aside = aside - wall * 0.3 * heart.rv_width
    centre = aside + axis * (0.62 * heart.length + float(rng.normal(0.0, 6.0)))
    return Plane(view, turn @ row, turn @ column, centre)


def landmarks(heart: Heart, planes: list[Plane], place: Placement) -> list[Landmark]:
    """Apex, mitral points of each long-axis plane, tricuspid points of the 4C, RV insertions; ED and ES."""
    found: list[Landmark] = []
    for moment, phase in (("ed", 0.0), ("es", heart.systole)):
        state = at_phase(heart, phase)
        named = {"apex_endo": np.zeros(3), "apex_epi": np.array([0.0, 0.0, -state.apex_wall])}
        named |= _insertions(state)
        for plane in planes:
            if plane.view is not View.SAX:
                named |= _valve_points(state, plane)
        found += [
            Landmark(name, moment, (float(at[0]), float(at[1]), float(at[2])))
            for name, at in ((name, place.to_patient(point)) for name, point in named.items())
        ]
    return found


def _insertions(state: Ventricles) -> dict[str, Floats]:
    """Where the RV meets the LV at mid-height, on the epicardium: anterior and inferior."""
    height = 0.5 * state.base
    angle = np.linspace(0.0, 2.0 * np.pi, 1440, endpoint=False, dtype=np.float32)
    at = np.full_like(angle, height)
    epi = state.epi(angle, at)
    touching = np.flatnonzero(state.rv_outer(angle, at, epi) > epi + 1.0)
    if touching.size == 0:
        return {}
    ends = {"rv_insertion_inferior": touching[0], "rv_insertion_anterior": touching[-1]}
    return {
        name: np.array([epi[k] * np.cos(angle[k]), epi[k] * np.sin(angle[k]), height], float)
        for name, k in ends.items()
    }


def _valve_points(state: Ventricles, plane: Plane) -> dict[str, Floats]:
    """Ends of the mitral (and in the 4C the tricuspid) plane in a long-axis view, numbered along the wall direction."""
    flat = plane.normal * np.array([1.0, 1.0, 0.0])
    wall = _unit(np.cross(np.array([0.0, 0.0, 1.0]), flat))
    t = np.linspace(-140.0, 140.0, 5601)
    found: dict[str, Floats] = {}
    for valve, height in (("mitral", state.base), ("tricuspid", state.rv_top())):
        line = t[:, None] * wall + _unit(flat) * float(plane.centre @ _unit(flat))
        radius = np.hypot(line[:, 0], line[:, 1]).astype(np.float32)
        angle = np.mod(np.arctan2(line[:, 1], line[:, 0]), 2 * np.pi).astype(np.float32)
        at = np.full_like(radius, height - 0.01)
        epi = state.epi(angle, at)
        inside = radius < state.endo(angle, at)
        if valve == "tricuspid":
            inside = (radius >= epi) & (radius < state.rv_outer(angle, at, epi))
        if (plane.view is not View.LAX_4C and valve == "tricuspid") or not inside.any():
            continue
        for number, k in enumerate((np.flatnonzero(inside)[0], np.flatnonzero(inside)[-1]), start=1):
            found[f"{valve}_{plane.view.value.removeprefix('lax_')}_{number}"] = np.array([*line[k, :2], height])
    return found
