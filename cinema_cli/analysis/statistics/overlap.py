"""How far two masks overlap: Dice, intersection over union, volumes, and what an empty mask means for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, prod

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Labels = NDArray[np.integer]

# Nested regions of scar data sets, each all that lies inside it: as the paper scores them.
EMIDEC: Mapping[str, tuple[int, ...]] = {"cavity": (1,), "myo": (2, 3, 4), "infarct": (3, 4), "no_reflow": (4,)}
MYOPS: Mapping[str, tuple[int, ...]] = {"rv": (1,), "lv": (2,), "myo": (3, 4, 5), "oedema": (4, 5), "scar": (5,)}


@dataclass(frozen=True, slots=True)
class Overlap:
    """Voxels of a predicted and a reference mask, and of both.

    Without a reference there is no Dice and no IoU (NaN), whatever was predicted: nothing could have been found. A
    reference that was missed altogether has 0. Both are the paper's rule for hearts; for scars (EMIDEC, MyoPS) it
    counts a region that is empty in both masks as 1, which rewards a data set for its healthy hearts: not done here.
    """

    n_prediction: int
    n_reference: int
    n_both: int
    voxel_ml: float

    @property
    def dice(self) -> float:
        """2 |P and R| / (|P| + |R|); NaN where the reference is empty."""
        return 2.0 * self.n_both / (self.n_prediction + self.n_reference) if self.n_reference else nan

    @property
    def iou(self) -> float:
        """|P and R| / |P or R| (Jaccard); NaN where the reference is empty."""
        return self.n_both / (self.n_prediction + self.n_reference - self.n_both) if self.n_reference else nan

    @property
    def prediction_ml(self) -> float:
        """Volume that was predicted, ml."""
        return self.n_prediction * self.voxel_ml

    @property
    def reference_ml(self) -> float:
        """True volume, ml."""
        return self.n_reference * self.voxel_ml

    @property
    def volume_error_ml(self) -> float:
        """Predicted less true volume, ml; known for empty masks too."""
        return self.prediction_ml - self.reference_ml


def overlap(prediction: Bools, reference: Bools, *, spacing_mm: Sequence[float]) -> Overlap:
    """Overlap of two masks of one shape whose voxels have `spacing_mm` along its axes. Raises ValueError."""
    if prediction.shape != reference.shape or prediction.ndim != len(spacing_mm):
        raise ValueError(f"masks of {prediction.shape} and {reference.shape} with spacing {tuple(spacing_mm)}")
    n_prediction, n_reference, n_both = map(int, map(np.count_nonzero, (prediction, reference, prediction & reference)))
    return Overlap(n_prediction, n_reference, n_both, voxel_ml=prod(spacing_mm) / 1000.0)


def overlaps(
    prediction: Labels, reference: Labels, *, classes: Mapping[str, Sequence[int]], spacing_mm: Sequence[float]
) -> dict[str, Overlap]:
    """Overlap of each class of two label arrays (slice, row, column): the voxels that have any of its labels.

    `spacing_mm` is (slice, row, column). Classes may share labels: EMIDEC and MYOPS are nested.
    """
    return {
        name: overlap(np.isin(prediction, labels), np.isin(reference, labels), spacing_mm=spacing_mm)
        for name, labels in classes.items()
    }
