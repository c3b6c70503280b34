"""Connected pieces of masks, in all dimensions or image by image: the heaviest, their outline, holes and hull."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]  # (..., row, column); (frame, slice, row, column) where images are told apart
Weights = NDArray[np.floating]

IN_PLANE = np.zeros((3, 3, 3, 3), np.bool_)  # four neighbours inside an image, none across slices or frames
IN_PLANE[1, 1] = ndimage.generate_binary_structure(2, 1)
HAIR = 1e-6  # pixels by which a pixel on an edge of a hull may lie outside it by rounding


def all_but_heaviest(mask: Mask, weights: Weights | None = None) -> Mask:
    """Pixels outside the heaviest piece, connected in as many dimensions as there are.

    `weights` (pixel,) are those of the mask's pixels, in order; without them the largest piece is kept.
    """
    pieces, n = ndimage.label(mask)
    if n < 2:
        return np.zeros_like(mask)
    heaviest = 1 + np.bincount(pieces[mask], weights=weights, minlength=n + 1)[1:].argmax()
    return np.asarray(mask & (pieces != heaviest))


def all_but_heaviest_each(mask: Mask, weights: Weights) -> Mask:
    """The same in each image of a mask (frame, slice, row, column) by itself."""
    pieces, n = ndimage.label(mask, IN_PLANE)
    heavy = np.bincount(pieces[mask], weights=weights, minlength=n + 1)
    kept = np.zeros(n + 1, np.bool_)
    for first, end in _ranges(pieces):
        if end > first:
            kept[first + heavy[first:end].argmax()] = True
    return np.asarray(mask & ~kept[pieces])


def followed(mask: Mask) -> Mask:
    """In each frame, the one piece an image that continues its neighbour's, from a start on to both ends.

    The start is a third of the way through the slices that show something, and its largest piece. A slice whose pieces
    all lie more than two pixels from the one before is left out.
    """
    pieces, n = ndimage.label(mask, IN_PLANE)
    sizes, kept = np.bincount(pieces[mask], minlength=n + 1), np.zeros(n + 1, np.bool_)
    ranges = np.array(_ranges(pieces)).reshape(*mask.shape[:2], 2)
    for images, places in zip(pieces, ranges, strict=True):
        shown = np.flatnonzero(places[:, 1] > places[:, 0])
        if not len(shown):
            continue
        start = shown[len(shown) // 3]
        first, end = places[start]
        largest = first + sizes[first:end].argmax()
        kept[largest] = True
        for way in (shown[shown > start], shown[shown < start][::-1]):
            before = images[start] == largest
            for position in way:
                overlap = np.bincount(images[position][grown(grown(before))])
                overlap[:1] = 0
                if overlap.any():
                    kept[overlap.argmax()] = True
                    before = images[position] == overlap.argmax()
    return np.asarray(kept[pieces])


def mostly(mask: Mask, inside: Mask, share: float) -> Mask:
    """The pieces of each image of `mask` of which at least `share` lies `inside`."""
    pieces, n = ndimage.label(mask, IN_PLANE)
    sizes = np.bincount(pieces[mask], minlength=n + 1)
    taken = np.bincount(pieces[mask & inside], minlength=n + 1) >= share * sizes
    taken[0] = False
    return np.asarray(taken[pieces])


def holes(mask: Mask, *, largest_px: float) -> Mask:
    """Pieces of at most so many pixels that each image of a mask encloses."""
    pieces, n = ndimage.label(~mask, IN_PLANE)
    inside = np.ones(n + 1, np.bool_)
    inside[0] = False
    for border in (pieces[..., 0, :], pieces[..., -1, :], pieces[..., 0], pieces[..., -1]):
        inside[border] = False
    enclosed = inside[pieces]
    sizes = np.bincount(pieces[enclosed], minlength=n + 1)
    return np.asarray(enclosed & (sizes <= largest_px)[pieces])


def grown(mask: Mask) -> Mask:
    """A mask with the four neighbours of each pixel in its image."""
    wider = mask.copy()
    wider[..., 1:, :] |= mask[..., :-1, :]
    wider[..., :-1, :] |= mask[..., 1:, :]
    wider[..., 1:] |= mask[..., :-1]
    wider[..., :-1] |= mask[..., 1:]
    return wider


def inner(mask: Mask) -> Mask:
    """A mask without the pixels that have one of four neighbours outside it, or outside the image."""
    padded = np.pad(mask, [(0, 0)] * (mask.ndim - 2) + [(1, 1), (1, 1)])
    return np.asarray(~grown(~padded)[..., 1:-1, 1:-1])


def hull(image: Mask) -> Mask:
    """Convex hull of the pixels of an image (row, column); the image itself where they lie on one line."""
    rows = np.flatnonzero(image.any(axis=1))
    left = image[rows].argmax(axis=1)
    right = image.shape[1] - 1 - image[rows, ::-1].argmax(axis=1)
    if _on_one_line(np.concatenate([rows, rows]), np.concatenate([left, right])):
        return image
    at, columns = np.arange(rows[0], rows[-1] + 1), np.arange(image.shape[1])
    low = np.interp(at, *_chain(zip(rows.tolist(), left.tolist(), strict=True)))
    high = -np.interp(at, *_chain(zip(rows.tolist(), (-right).tolist(), strict=True)))
    inside = np.zeros_like(image)
    inside[at] = (columns >= low[:, None] - HAIR) & (columns <= high[:, None] + HAIR)
    return inside


def _ranges(pieces: NDArray[np.integer]) -> list[tuple[int, int]]:
    """First and end (last + 1) of the numbers of each image's pieces, which `label` counts image after image."""
    ends = np.maximum.accumulate(pieces.max(axis=(2, 3)).ravel()) + 1
    return list(zip([1, *ends[:-1].tolist()], ends.tolist(), strict=True))


def _on_one_line(rows: NDArray[np.integer], columns: NDArray[np.integer]) -> bool:
    """Whether points lie on one line."""
    down, across = rows - rows[0], columns - columns[0]
    far = int((np.abs(down) + np.abs(across)).argmax())
    return not (down * across[far] != across * down[far]).any()


def _chain(points: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Corners of the lower hull of points (row, column) in order of rows (Andrew, Inf Process Lett 1979;9:216)."""
    rows: list[int] = []
    columns: list[int] = []
    for row, column in points:
        while len(rows) > 1 and (rows[-1] - rows[-2]) * (column - columns[-2]) <= (columns[-1] - columns[-2]) * (
            row - rows[-2]
        ):
            rows.pop()
            columns.pop()
        rows.append(row)
        columns.append(column)
    return rows, columns
