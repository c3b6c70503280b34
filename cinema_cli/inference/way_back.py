"""From the networks' grid back to the source: labels on its voxels, points in patient millimetres."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cinema_cli.domain.cine import Cine
from cinema_cli.inference.lattice import Floats, Taps, lattice_of, linear, nearest, taps
from cinema_cli.inference.published import NetworkView, slice_depths_mm

TIE = 1e-3  # pixels by which the nearest voxel's own label is deeper: it decides where two labels are even
FAR = 1e6  # pixels: the depth inside a label that fills, or is not on, a slice
BORDER = 4  # pixels round what is labelled, within which outlines are looked for


def labels_on_source(view: NetworkView, labels: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Labels (frame, slice, row, column) on the source of labels (frame, x, y[, z]), by their shapes.

    Between two of the network's slices an outline lies between theirs (Raya and Udupa, IEEE Trans Med Imaging
    1990;9:32): picking the nearer slice would count some of them twice. A label ends half-way to a slice without it.
    """
    classes = np.arange(max(2, int(labels.max()) + 1))
    return np.stack([_shapes_on_source(view, _unpadded(view, frame[None])[0], classes) for frame in labels])


def points_mm(view: NetworkView, points: NDArray[np.floating], *, z: float = 0.0) -> Floats:
    """Patient millimetres (..., 3) of points (..., 2), x and y in voxels of the network's input, on its slice `z`.

    Whole numbers are centres of voxels: a heat map's peak and the coordinates' targets count in this way.
    """
    xyz = np.concatenate([points, np.full((*points.shape[:-1], 1), z)], axis=-1)
    return view.lattice.point_mm(xyz)


def pixels_of(cine: Cine, points_mm: Floats) -> Floats:
    """Fractional (..., 3) slice, row and column, in voxels of the first slice's grid, of points (..., 3) in mm."""
    return lattice_of(cine).index(points_mm)[..., ::-1]


def _unpadded(view: NetworkView, values: NDArray[np.generic]) -> Floats:
    """(class, x, y, z) without the padding at the end. Raises ValueError where the array is smaller than the grid."""
    array: Floats = np.asarray(values).astype(np.float64)
    array = array[..., None] if view.is_flat and array.ndim == 3 else array
    if array.ndim != 4 or any(n < m for n, m in zip(array.shape[1:], view.lattice.size, strict=True)):
        raise ValueError(f"an answer of shape {array.shape} does not cover the grid {view.lattice.size}")
    x, y, z = view.lattice.size
    return array[:, :x, :y, :z]


def _shapes_on_source(view: NetworkView, labels: Floats, classes: NDArray[np.integer]) -> NDArray[np.uint8]:
    """One frame's labels (x, y, z) -> (slice, row, column), by the depth of each place inside each label's outline."""
    shape = view.cine.pixels.shape[1:]
    found = np.zeros(shape, np.uint8)
    where = np.argwhere(labels.any(axis=2))
    if not len(where):
        return found
    low = np.maximum(where.min(axis=0) - BORDER, 0)
    high = np.minimum(where.max(axis=0) + BORDER + 1, labels.shape[:2])
    boxed = labels[low[0] : high[0], low[1] : high[1]]
    box = view.lattice.window((int(low[0]), int(low[1]), 0), (boxed.shape[0], boxed.shape[1], boxed.shape[2]))
    ones = boxed == classes[:, None, None, None]  # (class, x, y, z)
    depths = _between_slices(_depth_inside(ones), ones, _slice_taps(view))
    for k, (x, y) in enumerate(_pixel_taps(replace(view, lattice=box))):
        rows, columns = np.flatnonzero(y.inside), np.flatnonzero(x.inside)
        sharp = np.where(depths[..., k] > 0, TIE, 0.0)
        here = linear(linear(depths[..., k], x.of(columns), axis=1), y.of(rows), axis=2)
        here += nearest(nearest(sharp, x.of(columns), axis=1), y.of(rows), axis=2).astype(np.float64)
        found[k, rows[:, None], columns] = classes[here.argmax(axis=0)].T
    return found


def _depth_inside(ones: NDArray[np.bool_]) -> Floats:
    """Pixels to the outline, slice by slice, of masks (class, x, y, z): positive inside, negative outside."""
    depths = np.where(ones, FAR, -FAR)
    for label, z in zip(*np.nonzero(ones.any(axis=(1, 2)) & ~ones.all(axis=(1, 2))), strict=True):
        mask = ones[label, ..., z]
        outside = ndimage.distance_transform_edt(~mask)
        depths[label, ..., z] = ndimage.distance_transform_edt(mask) - outside
    return depths


def _between_slices(depths: Floats, ones: NDArray[np.bool_], along: Taps) -> Floats:
    """Depths (class, x, y, z) at places along z: mixed where both neighbours show the label, else the nearer's.

    Mixed outlines are too small wherever size changes; each is moved until its area lies between its neighbours' too.
    """
    areas = ones.sum(axis=(1, 2))  # (class, z)
    both = (areas[:, along.low] > 0) & (areas[:, along.high] > 0)  # (class, place)
    share = np.where(both, along.fraction, np.rint(along.fraction))
    mixed = np.asarray(
        (1.0 - share)[:, None, None] * depths[..., along.low] + share[:, None, None] * depths[..., along.high]
    )
    wanted = np.rint((1.0 - share) * areas[:, along.low] + share * areas[:, along.high]).astype(np.intp)
    for label, place in zip(*np.nonzero((wanted > 0) & (wanted < ones[0, ..., 0].size)), strict=True):
        area, image = int(wanted[label, place]), mixed[label, ..., place]
        deepest = np.sort(image, axis=None)[::-1]
        image -= (deepest[area - 1] + deepest[area]) / 2
    return mixed


def _slice_taps(view: NetworkView) -> Taps:
    """Where the source's slices lie among the network's; what rounding of the size left out reads the last."""
    depths = slice_depths_mm(view.cine, view.lattice) / view.lattice.spacing_mm[2]
    return taps(np.clip(depths, 0.0, view.lattice.size[2] - 1.0), count=view.lattice.size[2])


def _pixel_taps(view: NetworkView) -> list[tuple[Taps, Taps]]:
    """For each slice of the source, where its columns and rows lie among the network's x and y."""
    grid, lattice = lattice_of(view.cine), view.lattice
    found = []
    for origin in view.cine.origins_mm:
        first = lattice.index(replace(grid, origin_mm=origin).origin_mm)
        x = first[0] + np.arange(grid.size[0]) * grid.spacing_mm[0] / lattice.spacing_mm[0]
        y = first[1] + np.arange(grid.size[1]) * grid.spacing_mm[1] / lattice.spacing_mm[1]
        found.append((taps(x, count=lattice.size[0]), taps(y, count=lattice.size[1])))
    return found
