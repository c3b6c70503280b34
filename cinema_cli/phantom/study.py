"""One participant's visit: the series that are taken, their images and their truth, written as DICOM."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, View
from cinema_cli.io.dicom_writer import SeriesHeader, SeriesImages, Visit, make_uid, write_series
from cinema_cli.io.nifti import write_mask
from cinema_cli.io.vendors import Kind
from cinema_cli.phantom.acquisition import (
    Protocol,
    acquire_cine,
    acquire_still,
    breath_hold,
    ed_es_frames,
    phases,
    sample_protocol,
    t1_map,
    velocity_phase,
)
from cinema_cli.phantom.anatomy import Array
from cinema_cli.phantom.body import Body, sample_body
from cinema_cli.phantom.cohort import Participant, sample_participant, stream
from cinema_cli.phantom.habits import Habits, sample_habits, sample_visit
from cinema_cli.phantom.planes import Landmark, Plane, landmarks, lax_plane, sample_placement, sax_stack
from cinema_cli.phantom.render import Appearance, sample_appearance
from cinema_cli.phantom.ventricles import sample_scene

_MOST = 4095.0  # 12 bits are stored
_STREAMS = {View.SAX: 20, View.LAX_2C: 21, View.LAX_3C: 22, View.LAX_4C: 23}
_ORDER = (View.LAX_2C, View.LAX_4C, View.LAX_3C, View.SAX)  # in which views are taken
_VENC_CM_S = 150.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What a cohort is made with; the same settings give the same files."""

    seed: int
    small: bool = False
    views: tuple[View, ...] = tuple(View)
    frames: int | None = None
    labels: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Setup:
    """Everything of a study before any image is drawn."""

    person: Participant
    settings: Settings
    body: Body
    protocol: Protocol
    look: Appearance
    habits: Habits
    visit: Visit
    planes: dict[View, list[Plane]]  # base first

    def rng(self, *parts: int) -> np.random.Generator:
        """Random stream of one piece of this study."""
        return stream(self.settings.seed, self.person.number, *parts)

    @property
    def ed_es_frames(self) -> tuple[int, int]:
        """Frames of the cines nearest to ED and ES."""
        return ed_es_frames(self.person.heart, self.protocol)

    @property
    def landmarks(self) -> list[Landmark]:
        """True landmarks, in patient coordinates."""
        cut = [planes[0] for planes in self.planes.values()]
        return landmarks(self.person.heart, cut, self.body.place)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One series to be written: header, planes in the order of acquisition, what it is."""

    header: SeriesHeader
    planes: tuple[Plane, ...]
    slices: tuple[int, ...]  # number of each plane within its view, base = 0
    protocol: Protocol
    view: View | None  # None: not a cine of the heart


def set_up(number: int, settings: Settings) -> Setup:
    """Draw participant `number` (from 1) of a cohort and how they are examined."""
    seed = settings.seed
    person = sample_participant(seed, number)
    habits = sample_habits(stream(seed, number, 10), person.vendor)
    protocol = sample_protocol(stream(seed, number, 13), n_frames=settings.frames, small=settings.small)
    planes = {}
    for view in settings.views:
        rng = stream(seed, number, 16, _STREAMS[view])
        planes[view] = (
            sax_stack(rng, person.heart, step_mm=protocol.step_mm)
            if view is View.SAX
            else [lax_plane(rng, person.heart, view)]
        )
    return Setup(
        person=person,
        settings=settings,
        body=sample_body(
            stream(seed, number, 19),
            sample_scene(stream(seed, number, 11), person.heart),
            sample_placement(stream(seed, number, 12)),
        ),
        protocol=protocol,
        look=sample_appearance(stream(seed, number, 14)),
        habits=habits,
        visit=sample_visit(stream(seed, number, 15), person, has_body_size=habits.has_body_size),
        planes=planes,
    )


def plan_series(setup: Setup) -> list[Series]:
    """The series of a study, in the order in which they are taken; no image is drawn yet."""
    found: list[Series] = []
    if setup.habits.has_localizer:
        found.append(_localizer(setup))
    for view in _ORDER:
        if view in setup.planes:
            found += _cines(setup, view)
    if setup.habits.has_flow:
        found += _flow(setup)
    if setup.habits.has_t1_map:
        found.append(_t1_map(setup))
    numbered = []
    for number, series in enumerate(found, start=1):
        uid = make_uid("series", setup.visit.study_uid, series.header.kind, series.view, series.slices)
        header = replace(series.header, number=number, after_s=20 + 25 * number, series_uid=uid)
        numbered.append(replace(series, header=header))
    return numbered


def write_study(folder: Path, setup: Setup, *, labels_folder: Path | None = None) -> None:
    """Draw and write every series of a study under `folder`; true labels as NIfTI into `labels_folder`.

    Raises OutputError where the disk is full or refuses.
    """
    masks: dict[View, list[tuple[Series, NDArray[np.uint8]]]] = {}
    for series in plan_series(setup):
        images, labels = _draw(setup, series)
        write_series(folder / f"S{series.header.number:03d}", visit=setup.visit, header=series.header, images=images)
        if series.view is not None and labels_folder is not None:
            masks.setdefault(series.view, []).append((series, labels))
    if labels_folder is not None:
        for view, parts in masks.items():
            path = labels_folder / f"{setup.person.participant_id}_{view}_dseg.nii.gz"
            mask, cine = _true_labels(setup, view, parts)
            write_mask(path, mask, cine=cine)


def _cines(setup: Setup, view: View) -> list[Series]:
    """One series, or one a slice."""
    habits, planes = setup.habits, setup.planes[view]
    order = list(range(len(planes)))
    if view is View.SAX and habits.apex_first:
        order.reverse()
    alone = habits.series_per_slice and view is View.SAX
    groups = [[k] for k in order] if alone else [order]
    return [
        Series(
            header=_header(setup, Kind.CINE, habits.cine_name(view, position=position), slope=habits.slope),
            planes=tuple(planes[k] for k in group),
            slices=tuple(group),
            protocol=setup.protocol,
            view=view,
        )
        for position, group in enumerate(groups, start=1)
    ]


def _header(setup: Setup, kind: Kind, description: str, *, slope: float | None = None) -> SeriesHeader:
    habits = setup.habits
    cine = kind is Kind.CINE
    return SeriesHeader(
        series_uid="",
        number=0,
        kind=kind,
        description=description,
        after_s=0,
        enhanced=habits.enhanced and cine,
        frame_major=habits.frame_major,
        has_trigger_times=habits.has_trigger_times,
        syntax=habits.syntax if cine else "plain",
        rescale_slope=slope,
    )


def _localizer(setup: Setup) -> Series:
    """Three still orthogonal planes of the patient through the heart."""
    x, y, z = np.eye(3)
    centre = np.array([0.0, 0.0, 0.6 * setup.person.heart.length])
    axes = setup.body.place.axes
    planes = tuple(Plane(View.SAX, axes @ row, axes @ column, centre) for row, column in ((x, y), (x, -z), (y, -z)))
    size, pixel = (64, 5.5) if setup.settings.small else (160, 2.4)
    protocol = replace(setup.protocol, shape=(size, size), pixel_mm=pixel, thickness_mm=8.0, step_mm=8.0, n_frames=1)
    header = _header(setup, Kind.LOCALIZER, setup.habits.other_name("localizer"))
    return Series(header, planes, (0, 1, 2), protocol, None)


def _level(setup: Setup, height: float) -> Plane:
    return Plane(View.SAX, np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]), np.array([-10.0, 0.0, height]))


def _flow(setup: Setup) -> list[Series]:
    """Magnitude and velocity of the aorta above the heart: looks like a cine, is none."""
    plane = _level(setup, setup.person.heart.length + 28.0)
    protocol = replace(setup.protocol, pixel_mm=setup.protocol.pixel_mm * 1.15, thickness_mm=6.0, step_mm=6.0)
    name = setup.habits.other_name("flow")
    kinds = ((Kind.FLOW_MAGNITUDE, name), (Kind.FLOW_PHASE, f"{name}_P" if name else ""))
    return [Series(_header(setup, kind, text), (plane,), (0,), protocol, None) for kind, text in kinds]


def _t1_map(setup: Setup) -> Series:
    """Still short-axis maps at three heights."""
    length = setup.person.heart.length
    planes = tuple(_level(setup, share * length) for share in (0.75, 0.5, 0.25))
    protocol = replace(setup.protocol, step_mm=0.25 * length, n_frames=1)
    return Series(_header(setup, Kind.T1_MAP, setup.habits.other_name("t1_map")), planes, (0, 1, 2), protocol, None)


def _draw(setup: Setup, series: Series) -> tuple[SeriesImages, NDArray[np.uint8]]:
    """Pixels of a series with where and when they lie, and its true labels (frame, slice, row, column)."""
    kind, gated = series.header.kind, series.protocol.n_frames > 1
    drawn, labels, cycles = [], [], []
    for plane, index in zip(series.planes, series.slices, strict=True):
        purpose = _STREAMS[series.view] if series.view else 30 + list(Kind).index(kind)
        rng = setup.rng(17, purpose, index)
        cycles.append(setup.protocol.cycle_ms * float(rng.normal(1.0, 0.02)))
        held = breath_hold(rng, plane, series.protocol)
        pixels, mask = _draw_plane(setup, series, held, rng)
        drawn.append(pixels)
        labels.append(mask)
    place = setup.body.place
    origins = [p.origin(shape=series.protocol.shape, pixel_mm=series.protocol.pixel_mm) for p in series.planes]
    images = SeriesImages(
        pixels=np.stack(drawn, axis=1),
        origins_mm=place.to_patient(np.stack(origins)),
        rows=np.stack([place.turn(p.row) for p in series.planes]),
        columns=np.stack([place.turn(p.column) for p in series.planes]),
        pixel_mm=series.protocol.pixel_mm,
        thickness_mm=series.protocol.thickness_mm,
        step_mm=series.protocol.step_mm,
        cycle_ms=np.array(cycles) if gated else None,
        delay_ms=float(setup.rng(18).uniform(0.0, 20.0)),
    )
    return images, np.stack(labels, axis=1)


def _draw_plane(
    setup: Setup, series: Series, plane: Plane, rng: np.random.Generator
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Stored values (frame, row, column) and labels of one plane."""
    kind = series.header.kind
    if series.protocol.n_frames == 1:
        still = acquire_still(setup.body, plane, series.protocol, setup.look, rng)
        values = t1_map(still, rng) if kind is Kind.T1_MAP else still.signal * setup.habits.brightness
        return _stored(values), still.labels
    moments = phases(series.protocol)
    cine = acquire_cine(setup.body, plane, series.protocol, setup.look, rng, moments=moments)
    if kind is Kind.FLOW_PHASE:
        speed = velocity_phase(cine, rng, moments=moments, systole=setup.person.heart.systole, venc_cm_s=_VENC_CM_S)
        return _stored((speed + 1.0) * 0.5 * _MOST), cine.labels
    return _stored(cine.signal * setup.habits.brightness), cine.labels


def _stored(values: Array) -> NDArray[np.uint16]:
    return np.clip(np.rint(values), 0, _MOST).astype(np.uint16)


def _true_labels(
    setup: Setup, view: View, parts: Sequence[tuple[Series, NDArray[np.uint8]]]
) -> tuple[NDArray[np.uint8], Cine]:
    """Labels (frame, slice, row, column) of a view, base first, and the grid on which they stand."""
    by_slice = {k: mask[:, i] for series, mask in parts for i, k in enumerate(series.slices)}
    mask = np.stack([by_slice[k] for k in sorted(by_slice)], axis=1)
    protocol, place, planes = setup.protocol, setup.body.place, setup.planes[view]
    origins = np.stack([p.origin(shape=protocol.shape, pixel_mm=protocol.pixel_mm) for p in planes])
    cine = Cine(
        view=view,
        pixels=np.broadcast_to(np.float32(0.0), mask.shape),
        pixel_spacing_mm=(protocol.pixel_mm, protocol.pixel_mm),
        slice_spacing_mm=protocol.step_mm,
        thickness_mm=protocol.thickness_mm,
        origins_mm=place.to_patient(origins),
        row_direction=place.turn(planes[0].row),
        column_direction=place.turn(planes[0].column),
        times_ms=np.arange(protocol.n_frames) * protocol.cycle_ms / protocol.n_frames,
        cycle_ms=protocol.cycle_ms,
        series_uids=tuple(series.header.series_uid for series, _ in parts),
    )
    return mask, cine
