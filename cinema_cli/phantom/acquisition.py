"""How a scanner takes a cine of the phantom: gating, breath-holds, partial volume; images and labels over the cycle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.phantom.anatomy import Array, Heart, activation
from cinema_cli.phantom.body import Body, Moving, moving_part, moving_tissues, still_tissues
from cinema_cli.phantom.planes import Floats, Plane
from cinema_cli.phantom.render import Appearance, bias_field, magnitude, plane_points, signal_of
from cinema_cli.phantom.tissue import LABEL_OF, Tissue, sample_noise_at

_SUBPLANES = 3  # depths across the slice whose signals are averaged
_LEVELS = 30  # steps of contraction (0.4 mm of the base) within which two moments show the same tissues
_BLOOD = np.isin(np.arange(len(Tissue)), [Tissue.LV_BLOOD, Tissue.RV_BLOOD, Tissue.ATRIAL_BLOOD])


@dataclass(frozen=True, slots=True)
class Protocol:
    """Geometry and gating of a study's cines. Lengths in mm, times in ms."""

    shape: tuple[int, int]  # rows, columns
    pixel_mm: float
    thickness_mm: float
    step_mm: float  # centre to centre of neighbouring slices
    n_frames: int
    cycle_ms: float
    start_phase: float  # moment of the cycle (0 = ED) at which the first frame lies
    shift_mm: float = 1.5  # standard deviation of the breath-hold position in each in-plane direction


@dataclass(frozen=True, slots=True, eq=False)
class CineImages:
    """Images of one plane: magnitude (frame, row, column) relative to blood, tissue codes of the central plane."""

    signal: Array
    codes: NDArray[np.uint8]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """True labels (frame, row, column)."""
        return np.asarray(LABEL_OF[self.codes], dtype=np.uint8)


def sample_protocol(rng: np.random.Generator, *, n_frames: int | None = None, small: bool = False) -> Protocol:
    """Draw a protocol as in routine cardiac MR (SCMR: slices of 6-8 mm with gaps up to 4 mm, pixels of 1-2 mm).

    `small` makes tiny test data: 64 x 64 pixels, slices of 12 mm, 10 frames. `n_frames` overrides the number of frames.
    """
    pixel = float(rng.choice([1.4, 1.5, 1.5625, 1.6, 1.7, 1.8]))
    columns = int(rng.choice([176, 192, 208, 224]))
    rows = int(rng.choice([0.8, 0.85, 1.0]) * columns) // 8 * 8
    thickness, gap = float(rng.choice([7.0, 8.0, 8.0, 8.0])), float(rng.choice([0.0, 1.0, 2.0, 2.0]))
    frames, cycle = int(rng.choice([20, 25])), 60000.0 / float(rng.uniform(50.0, 95.0))
    early, anywhere = float(rng.uniform(-0.08, 0.06)), float(rng.uniform())
    start = anywhere if rng.uniform() < 0.25 else early
    if small:
        rows = columns = 64
        pixel, thickness, gap, frames = 3.0, 12.0, 1.0, 10
    return Protocol(
        shape=(rows, columns),
        pixel_mm=pixel,
        thickness_mm=thickness,
        step_mm=thickness + gap,
        n_frames=n_frames or frames,
        cycle_ms=cycle,
        start_phase=start % 1.0,
    )


def phases(protocol: Protocol) -> Floats:
    """Moments of the cycle (frame,) in 0..1 (0 = ED) at which the frames lie: retrospective gating, evenly spread."""
    return np.asarray((protocol.start_phase + np.arange(protocol.n_frames) / protocol.n_frames) % 1.0)


def ed_es_frames(heart: Heart, protocol: Protocol) -> tuple[int, int]:
    """Frames that lie nearest to ED and ES."""
    active = [activation(heart, float(phase)) for phase in phases(protocol)]
    return int(np.argmin(active)), int(np.argmax(active))


def breath_hold(rng: np.random.Generator, plane: Plane, protocol: Protocol) -> Plane:
    """The plane as the heart sees it in this breath-hold: moved a little in plane; the header does not know."""
    shift = rng.normal(0.0, protocol.shift_mm, 2)
    return Plane(plane.view, plane.row, plane.column, plane.centre + shift[0] * plane.row + shift[1] * plane.column)


def acquire_cine(
    body: Body, plane: Plane, protocol: Protocol, look: Appearance, rng: np.random.Generator, *, moments: Floats
) -> CineImages:
    """Images of `plane` at the `moments` (frame,) of the cycle.

    Only where the heart can be are tissues looked up for each frame; the rest of the body is drawn once.
    """
    heart = body.scene.heart
    points = _points(plane, protocol)
    depths = (np.arange(_SUBPLANES) - (_SUBPLANES - 1) / 2.0) / _SUBPLANES * protocol.thickness_mm
    deep = points + depths.astype(np.float32)[:, None, None, None] * plane.normal.astype(np.float32)
    codes = still_tissues(body, deep)
    signal = signal_of(codes, body.scene, deep, look, phase=0.0)
    part = moving_part(body, deep, codes)
    texture = 1.0 + look.texture * sample_noise_at(body.scene.noise[2], part.points, cell_mm=3.0)
    bias = bias_field(points, look)
    seen: dict[tuple[int, bool], NDArray[np.uint8]] = {}
    images, centres = [], []
    for moment in (float(m) for m in moments):
        level = (round(activation(heart, moment) * _LEVELS), moment % 1.0 < heart.systole)
        if level not in seen:
            seen[level] = moving_tissues(body, part, moment)
        codes[part.where] = seen[level]
        signal[part.where] = _blood_flow(seen[level], part, body.scene.noise[1], look, phase=moment) * texture
        images.append(magnitude(signal.mean(axis=0) * bias, look, rng, pixel_mm=(protocol.pixel_mm,) * 2))
        centres.append(codes[_SUBPLANES // 2].copy())
    return CineImages(np.stack(images), np.stack(centres))


def _blood_flow(codes: NDArray[np.uint8], part: Moving, noise: Array, look: Appearance, *, phase: float) -> Array:
    """Signal (n,) of the moving part: that of the tissues, blood darkened in swirls that drift over the cycle."""
    signal = np.asarray(look.signal, np.float32)[codes]
    blood = np.flatnonzero(_BLOOD[codes])
    drift = np.asarray([17.0 * phase, -11.0 * phase, 23.0 * phase], np.float32)
    swirl = sample_noise_at(noise, part.points[blood] + drift, cell_mm=14.0)
    signal[blood] *= 1.0 - look.flow * np.clip(swirl, 0.0, 2.5)
    return signal


def acquire_still(
    body: Body, plane: Plane, protocol: Protocol, look: Appearance, rng: np.random.Generator
) -> CineImages:
    """One frame of `plane` in diastasis, as localizers and maps are taken."""
    return acquire_cine(body, plane, protocol, look, rng, moments=np.array([0.75]))


def _points(plane: Plane, protocol: Protocol) -> Array:
    """Heart coordinates (row, column, 3) of the pixels."""
    return plane_points(
        plane.origin(shape=protocol.shape, pixel_mm=protocol.pixel_mm).astype(np.float32),
        plane.row.astype(np.float32),
        plane.column.astype(np.float32),
        shape=protocol.shape,
        spacing_mm=(protocol.pixel_mm, protocol.pixel_mm),
    )


def velocity_phase(
    images: CineImages, rng: np.random.Generator, *, moments: Floats, systole: float, venc_cm_s: float = 150.0
) -> Array:
    """Through-plane velocity image (frame, row, column) in -1..1 of `venc_cm_s`: plug flow, noise in air."""
    ejection = np.where(moments < systole, np.sin(np.pi * moments / systole), 0.0)
    arteries = images.codes == Tissue.ARTERIAL_BLOOD
    speed = np.where(arteries, (110.0 * ejection)[:, None, None], 0.0) / venc_cm_s
    spread = 0.02 / np.maximum(images.signal, 0.03)
    noisy = speed + spread * rng.standard_normal(speed.shape)
    return np.asarray(np.clip(noisy, -1.0, 1.0), dtype=np.float32)


# Native T1 at 1.5 T, ms: myocardium 950-1000, blood 1500-1600, fat 250-350 (Messroghli et al., JCMR 2017;19:75).
_T1_MS = {
    Tissue.MYOCARDIUM: 980.0,
    Tissue.PAPILLARY: 1000.0,
    Tissue.RV_WALL: 990.0,
    Tissue.LV_BLOOD: 1560.0,
    Tissue.RV_BLOOD: 1540.0,
    Tissue.RV_TRABECULA: 1250.0,
    Tissue.ATRIAL_BLOOD: 1550.0,
    Tissue.ARTERIAL_BLOOD: 1560.0,
    Tissue.PERICARDIAL_FAT: 300.0,
    Tissue.ABDOMINAL_FAT: 300.0,
    Tissue.SKIN_FAT: 280.0,
    Tissue.LIVER: 580.0,
    Tissue.SPLEEN: 1050.0,
    Tissue.MUSCLE: 930.0,
}


def t1_map(images: CineImages, rng: np.random.Generator) -> Array:
    """T1 in ms (frame, row, column) of the tissues seen, with noise; lung and air are nonsense, as in real maps."""
    table = np.full(len(Tissue), 900.0, np.float32)
    for tissue, value in _T1_MS.items():
        table[tissue] = value
    values = table[images.codes] + 35.0 * rng.standard_normal(images.codes.shape)
    empty = np.isin(images.codes, [Tissue.AIR, Tissue.LUNG])
    return np.asarray(np.where(empty, rng.uniform(0.0, 3000.0, values.shape), values), dtype=np.float32)
