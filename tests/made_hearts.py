"""Hearts as labels that anybody can draw: ellipsoids with a wall, moved and swollen as told."""

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Label

SPACING_MM = (10.0, 1.4, 1.2)  # (slice, row, column)


def a_heart(
    shape: tuple[int, int, int] = (8, 48, 56), *, shift_mm: float = 0.0, size: float = 1.0
) -> NDArray[np.uint8]:
    """Labels (slice, row, column) of a left ventricle with its wall and a right one beside, moved along the rows."""
    z, y, x = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * step for n, step in zip(shape, SPACING_MM, strict=True)), indexing="ij"
    )
    y = y - shift_mm

    def ball(radius: float, height: float, column: float = 0.0) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = ((x - column) ** 2 + y**2) / (radius * size) ** 2 + (z / height) ** 2 < 1
        return inside

    labels = np.zeros(shape, np.uint8)
    for label, where in ((Label.RV, ball(14, 34, -14)), (Label.MYO, ball(17, 36)), (Label.LV, ball(11, 32))):
        labels[where] = label
    return labels
