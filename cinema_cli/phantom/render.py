"""From tissue to a bSSFP-like magnitude image: signal, partial volume, bias field, blur and Rician noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cinema_cli.phantom.anatomy import Array
from cinema_cli.phantom.tissue import Tissue, sample_noise_at
from cinema_cli.phantom.ventricles import Scene

# Relative bSSFP signal (blood = 1): mean and standard deviation between people. T2/T1 orders them: fluid, fat and
# blood bright, liver and spleen medium, muscle and myocardium dark, lung and air black.
_SIGNAL: dict[Tissue, tuple[float, float]] = {
    Tissue.AIR: (0.01, 0.01),
    Tissue.LUNG: (0.06, 0.04),
    Tissue.LUNG_VESSEL: (0.7, 0.25),
    Tissue.RV_BLOOD: (0.97, 0.07),
    Tissue.RV_TRABECULA: (0.55, 0.15),
    Tissue.MYOCARDIUM: (0.33, 0.1),
    Tissue.LV_BLOOD: (1.0, 0.0),
    Tissue.PAPILLARY: (0.42, 0.1),
    Tissue.RV_WALL: (0.38, 0.1),
    Tissue.ATRIAL_BLOOD: (0.95, 0.1),
    Tissue.ARTERIAL_BLOOD: (0.97, 0.12),
    Tissue.VESSEL_WALL: (0.35, 0.12),
    Tissue.PERICARDIAL_FAT: (0.95, 0.3),
    Tissue.LIVER: (0.4, 0.12),
    Tissue.LIVER_VESSEL: (0.65, 0.2),
    Tissue.STOMACH_WALL: (0.4, 0.12),
    Tissue.STOMACH_CONTENT: (0.55, 0.4),
    Tissue.ABDOMINAL_FAT: (1.0, 0.3),
    Tissue.SPLEEN: (0.55, 0.15),
    Tissue.MUSCLE: (0.3, 0.08),
    Tissue.BONE: (0.5, 0.25),
    Tissue.SKIN_FAT: (1.3, 0.35),
    Tissue.DECOY_BRIGHT: (0.9, 0.3),
    Tissue.DECOY_DARK: (0.35, 0.15),
    Tissue.BASAL_WALL: (0.6, 0.25),
}


_FAT = [Tissue.PERICARDIAL_FAT, Tissue.ABDOMINAL_FAT, Tissue.SKIN_FAT]


@dataclass(frozen=True, slots=True)
class Appearance:
    """How one acquisition looks; signals relative to LV blood, lengths in mm."""

    signal: tuple[float, ...]  # one a Tissue; negative where it is out of phase with water
    texture: float  # relative amplitude of tissue texture
    flow: float  # darkening of blood by flow, 0..1
    bias: tuple[float, ...]  # 5 coefficients of a quadratic log field, per 100 mm
    blur_mm: float  # standard deviation of the in-plane point spread
    noise: float  # standard deviation of each of the two channels, relative to blood
    gamma: float


def sample_appearance(rng: np.random.Generator, *, randomise: float = 0.0) -> Appearance:
    """Draw an appearance; `randomise` in 0..1 widens every range beyond what scanners show (training only)."""
    wide = 1.0 + 1.2 * randomise
    signal = np.array([rng.normal(mean, sd * wide) for mean, sd in _SIGNAL.values()])
    signal = np.clip(signal, 0.0, 2.2)
    myocardium = float(np.clip(signal[Tissue.MYOCARDIUM], 0.12, 0.68))
    signal[Tissue.MYOCARDIUM] = myocardium
    signal[Tissue.RV_WALL] = myocardium * rng.uniform(0.9, 1.25)
    signal[Tissue.PAPILLARY] = myocardium + rng.uniform(-0.05, 0.5) * (1.0 - myocardium)  # blood between its strands
    signal[Tissue.RV_TRABECULA] = myocardium + rng.uniform(0.0, 0.6) * (1.0 - myocardium)
    signal[Tissue.RV_BLOOD] = max(signal[Tissue.RV_BLOOD], myocardium * 1.5)
    if rng.uniform() < 0.75:  # at the usual repetition times fat and water have opposite phase: dark lines between them
        signal[_FAT] *= -1.0
    return Appearance(
        signal=tuple(float(v) for v in signal),
        texture=float(rng.uniform(0.02, 0.08 * wide)),
        flow=float(rng.uniform(0.0, 0.18 * wide)),
        bias=tuple(float(v) for v in rng.normal(0.0, 0.22 * wide, 5)),
        blur_mm=float(rng.uniform(0.6, 1.2 + 0.6 * randomise)),
        noise=float(rng.uniform(0.01, 0.04 + 0.06 * randomise)),
        gamma=float(np.exp(rng.normal(0.0, 0.05 + 0.15 * randomise))),
    )


def plane_points(origin: Array, row_direction: Array, column_direction: Array, *, shape: tuple[int, int],
                 spacing_mm: tuple[float, float]) -> Array:  # fmt: skip
    """Points (row, column, 3) of an image plane in heart coordinates.

    `row_direction` is the unit vector along which columns grow, `column_direction` that along which rows grow, as in
    DICOM; `spacing_mm` is (between rows, between columns).
    """
    rows = np.arange(shape[0], dtype=np.float32)[:, None, None] * spacing_mm[0]
    columns = np.arange(shape[1], dtype=np.float32)[None, :, None] * spacing_mm[1]
    return np.asarray(origin + columns * row_direction + rows * column_direction, dtype=np.float32)


def signal_of(codes: NDArray[np.uint8], scene: Scene, points: Array, look: Appearance, *, phase: float) -> Array:
    """Noise-free signal (…,) of tissue codes at points (…, 3)."""
    image = np.asarray(look.signal, np.float32)[codes]
    image = image * (1.0 + look.texture * sample_noise_at(scene.noise[2], points, cell_mm=3.0))
    if look.flow:
        blood = (codes == Tissue.LV_BLOOD) | (codes == Tissue.RV_BLOOD) | (codes == Tissue.ATRIAL_BLOOD)
        drift = np.array([17.0, -11.0, 23.0], np.float32) * np.float32(phase)
        swirl = sample_noise_at(scene.noise[1], points + drift, cell_mm=14.0)
        image = np.where(blood, image * (1.0 - look.flow * np.clip(swirl, 0.0, 2.5)), image)
    return np.asarray(image, dtype=np.float32)


def bias_field(points: Array, look: Appearance) -> Array:
    """Receive sensitivity (…,) at points (…, 3)."""
    x, y = points[..., 0] / 100.0, points[..., 1] / 100.0
    b = look.bias
    return np.asarray(np.exp(b[0] * x + b[1] * y + b[2] * x * x + b[3] * y * y + b[4] * x * y), dtype=np.float32)


def magnitude(signal: Array, look: Appearance, rng: np.random.Generator, *, pixel_mm: tuple[float, float]) -> Array:
    """Blur in plane (last two axes), add Rician noise, apply gamma: what the scanner stores, relative to blood."""
    sigma = [0.0] * (signal.ndim - 2) + [look.blur_mm / pixel_mm[0], look.blur_mm / pixel_mm[1]]
    smooth = gaussian_filter(signal, sigma, mode="nearest", truncate=3.0)
    real = smooth + look.noise * rng.standard_normal(smooth.shape, dtype=np.float32)
    imaginary = look.noise * rng.standard_normal(smooth.shape, dtype=np.float32)
    return np.asarray(np.sqrt(real**2 + imaginary**2) ** look.gamma, dtype=np.float32)
