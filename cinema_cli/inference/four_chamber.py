"""Clean labels of a four-chamber view: one wall and one cavity, those beside the right ventricle (spec 12)."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cinema_cli.domain.cine import Label

SPECK = 0.1  # of the largest part: smaller parts are never kept, however near


def keep_beside_rv(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels (..., row, column) with one part of MYO and one of LV an image: the nearest to the RV, which stays whole.

    Distance is in city blocks, parts hang together by edges or corners; of parts equally near, the largest. This is
    what the reference means: as coded, it keeps the last part in reading order, and fails where there is no RV. Without
    RV, the largest part is kept. Parts below a tenth of the largest are specks, nearness or not: ours.
    """
    flat = labels.reshape(-1, *labels.shape[-2:])
    return np.stack([_image(image) for image in flat]).reshape(labels.shape)


def _image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rv = image == Label.RV
    away = ndimage.distance_transform_cdt(~rv, metric="taxicab") if rv.any() else np.zeros(image.shape, np.int32)
    kept = image.copy()
    for label in (Label.MYO, Label.LV):
        parts, count = ndimage.label(image == label, structure=np.ones((3, 3)))
        if count > 1:
            numbers = np.arange(1, count + 1)
            size = ndimage.sum_labels(np.ones(image.shape), parts, numbers)
            distance = np.where(size < SPECK * size.max(), np.inf, ndimage.minimum(away, parts, numbers))
            best = numbers[np.lexsort((-size, distance))[0]]
            kept[(parts > 0) & (parts != best)] = Label.BACKGROUND
    return kept
