"""The worst cases: a page of its own among the data of single people, with pictures and links to study pages."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cinema_cli.reports.evaluation.facts import EvaluationFacts, WorstCase


def comparison_picture(
    pixels: NDArray[np.float32] | None,
    prediction: NDArray[np.uint8],
    reference: NDArray[np.uint8],
    *,
    pixel_spacing_mm: tuple[float, float],
) -> str:
    """Data URI of the slice where two masks of one frame differ most: prediction left, reference right.

    All are (slice, row, column) of one grid; without pixels the contours lie on black. Labels: 1 RV, 2 MYO, 3 LV.
    """
    return ""


def render_worst(worst: Sequence[WorstCase], facts: EvaluationFacts) -> str:
    """The page `individual/worst.html`: cases in the order given, never to be released."""
    return ""
