"""Tissues of the phantom, the labels they count as, and the noise that gives them texture."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from cinema_cli.domain.cine import Label
from cinema_cli.phantom.anatomy import Array


class Tissue(IntEnum):
    """Tissues of the phantom. The order is that of signal tables in render.py."""

    AIR = 0
    LUNG = 1
    LUNG_VESSEL = 2
    RV_BLOOD = 3
    RV_TRABECULA = 4
    MYOCARDIUM = 5
    LV_BLOOD = 6
    PAPILLARY = 7
    RV_WALL = 8
    ATRIAL_BLOOD = 9
    ARTERIAL_BLOOD = 10
    VESSEL_WALL = 11
    PERICARDIAL_FAT = 12
    LIVER = 13
    LIVER_VESSEL = 14
    STOMACH_WALL = 15
    STOMACH_CONTENT = 16
    ABDOMINAL_FAT = 17
    SPLEEN = 18
    MUSCLE = 19
    BONE = 20
    SKIN_FAT = 21
    DECOY_BRIGHT = 22
    DECOY_DARK = 23
    BASAL_WALL = 24  # of the LV, where the outflow tract begins: counted as myocardium, seldom dark


LABEL_OF = np.zeros(len(Tissue), np.uint8)
LABEL_OF[[Tissue.RV_BLOOD, Tissue.RV_TRABECULA]] = Label.RV
LABEL_OF[[Tissue.MYOCARDIUM, Tissue.BASAL_WALL]] = Label.MYO
LABEL_OF[[Tissue.LV_BLOOD, Tissue.PAPILLARY]] = Label.LV

NOISE_SIDE = 40  # cells of the periodic noise cube


def sample_noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth periodic noise fields (3, side, side, side) with zero mean and unit variance."""
    fields = []
    for _ in range(3):
        field = gaussian_filter(rng.standard_normal((NOISE_SIDE,) * 3).astype(np.float32), 1.0, mode="wrap")
        fields.append((field - field.mean()) / field.std())
    return np.stack(fields).astype(np.float32)


def sample_noise_at(noise: NDArray[np.float32], points: Array, *, cell_mm: float) -> Array:
    """Noise (…,) at points (…, 3), features of about `cell_mm`."""
    coordinates = np.moveaxis(points, -1, 0) / np.float32(cell_mm)
    return np.asarray(map_coordinates(noise, coordinates, order=1, mode="grid-wrap", output=np.float32))
