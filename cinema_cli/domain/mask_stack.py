"""Labels on a grid in space, of which each class may be known in some slices and frames only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Label


@dataclass(frozen=True, slots=True, eq=False)
class MaskStack:
    """Labels of one stack of slices, whoever drew them.

    `known` says where a class was looked for: a contour of the left ventricle in some slices says nothing of the
    others, and nothing of the right ventricle. A class that is not in it was looked for nowhere.
    """

    labels: NDArray[np.uint8]  # (frame, slice, row, column), domain.cine.Label
    affine_ras: NDArray[np.float64]  # 4x4: (column, row, slice, 1) -> millimetres (right, anterior, superior)
    known: Mapping[Label, NDArray[np.bool_]]  # class -> (frame, slice)

    @property
    def n_frames(self) -> int:
        """Moments of the cycle."""
        return int(self.labels.shape[0])

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing in array order (slice, row, column)."""
        return spacing_of(self.affine_ras)


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Lengths of an affine's steps in array order (slice, row, column), mm."""
    column, row, depth = (float(length) for length in np.linalg.norm(affine[:3, :3], axis=0))
    return depth, row, column
