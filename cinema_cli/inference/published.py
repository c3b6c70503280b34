"""What the published networks see: a cine on their grid round the heart, grey values scaled as in their training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, View
from cinema_cli.inference.lattice import Floats, Lattice, Taps, lattice_of, linear, resampled, taps

Float32 = NDArray[np.float32]
Bytes = NDArray[np.uint8]

LOW_PERCENTILE, HIGH_PERCENTILE = 0.95, 99.5  # spec 10.1; 0.95 as published, though 5 may have been meant
MOST_GREY = 255.0
ROUNDING = 1e-6  # voxels: a centre that came by way of millimetres still falls on the voxel meant


@dataclass(frozen=True, slots=True)
class ViewFormat:
    """The grid that a published network takes for a view: voxels along (x, y, z) and their distances in mm."""

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float]  # (x, y)
    depth_mm: float | None  # between slices; None keeps that of the source


SAX_FORMAT = ViewFormat((192, 192, 16), (1.0, 1.0), 10.0)
LAX_FORMAT = ViewFormat((256, 256, 1), (1.0, 1.0), None)


def format_of(view: View) -> ViewFormat:
    """The published size and spacing of a view (spec, section 0)."""
    return SAX_FORMAT if view is View.SAX else LAX_FORMAT


class Edge(StrEnum):
    """What a window does at the border of the image."""

    STAY = "stay"  # it is moved back inside: ACDC, M&Ms, M&Ms2, on which most heads were fine-tuned
    LEAVE = "leave"  # it leaves the image, zeros beyond: UK Biobank, Kaggle, Rescan


def window_start(centre: float, *, size: int, window: int, edge: Edge = Edge.STAY) -> int:
    """First voxel of a window of `window` voxels round `centre` (fractional) on an axis of `size` voxels (spec 10.1).

    STAY starts at ceil(centre - window / 2), moved inside, and leaves a short axis whole; LEAVE at
    centre - (window - 1) / 2 without its decimals, and may be negative.
    """
    if edge is Edge.LEAVE:
        return int(round(centre - (window - 1) / 2, 6))
    return min(max(0, ceil(centre - window / 2 - ROUNDING)), max(0, size - window))


def grey_bytes(image: NDArray[np.generic]) -> Bytes:
    """One frame's voxels (any shape) as 0..255: percentiles 0.95 and 99.5 to 0 and 255, decimals dropped (spec 10.1).

    Z-normalised between clipping and scaling, as published, for the last bit's sake. A constant image, NaN in the
    reference, becomes zeros; values that are not finite count as zero.
    """
    values = np.nan_to_num(np.asarray(image, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    values = np.clip(values, *np.percentile(values, (LOW_PERCENTILE, HIGH_PERCENTILE)))
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    if not spread > 0 or not values.max() > values.min():
        return np.zeros(values.shape, np.uint8)
    normal = (values - values.mean()) / spread
    unit = (normal - normal.min()) / (normal.max() - normal.min())
    grey: Bytes = np.trunc(MOST_GREY * unit).astype(np.uint8)
    return grey


def min_max(values: NDArray[np.generic]) -> Float32:
    """Everything in the array (any shape) scaled to 0..1 together, float32; a constant array becomes zeros (10.2)."""
    array = np.asarray(values, np.float32)
    low, high = array.min(), array.max()
    if not high > low:
        return np.zeros_like(array)
    scaled: Float32 = (array - low) / (high - low)
    return scaled


def pad_end(values: Float32, size: Sequence[int]) -> Float32:
    """Zeros at the end of the last axes, until they are at least of `size`; longer ones stay."""
    lead = values.ndim - len(size)
    after = [max(0, target - n) for target, n in zip(size, values.shape[lead:], strict=True)]
    return np.pad(values, [(0, 0)] * lead + [(0, n) for n in after])


@dataclass(frozen=True, slots=True, eq=False)
class NetworkView:
    """A view of a study on the networks' grid, before padding, and where that grid lies."""

    cine: Cine  # what it was made of
    lattice: Lattice  # of `images`
    format: ViewFormat
    frames: tuple[int, ...]  # of the cine, in the order of `images`
    images: Bytes  # (frame, x, y, z); z is 1 for a long-axis view

    @property
    def is_flat(self) -> bool:
        """Whether the network takes it in two dimensions."""
        return self.cine.view is not View.SAX

    def each_frame(self, part: slice = slice(None)) -> Float32:
        """(frame, 1, x, y[, z]): each frame scaled to 0..1 on its own and padded: segmentation, landmarks."""
        return np.stack([self._input(image[None]) for image in self.images[part]])

    def together(self, frames: Sequence[int]) -> Float32:
        """(1, frame, x, y[, z]): frames of the cine as channels, in this order, scaled together: ED, then ES.

        Raises ValueError for a frame that was not prepared.
        """
        return self._input(self.images[[self.frames.index(frame) for frame in frames]])[None]

    def _input(self, images: Bytes) -> Float32:
        scaled = min_max(images)  # (channel, x, y, z)
        return pad_end(scaled[..., 0], self.format.size[:2]) if self.is_flat else pad_end(scaled, self.format.size)


def prepare(
    cine: Cine,
    *,
    centre: tuple[float, float],
    frames: Sequence[int] | None = None,
    edge: Edge = Edge.STAY,
    published_origin: bool = False,
) -> NetworkView:
    """A cine resampled and cropped round `centre`, (row, column) in source pixels, as the published data were (10.1).

    SAX to 1 x 1 x 10 mm and 192 x 192, all slices; long axes to 1 x 1 mm and 256 x 256. `frames`: all unless given.
    Grey values are scaled frame by frame. `published_origin`: see `lattice.resampled`. Rows, columns and slices keep
    their directions: images as the scanner shows them, slices from base to apex, as the published data are.
    """
    shape = format_of(cine.view)
    source = lattice_of(cine)
    depth = source.spacing_mm[2] if shape.depth_mm is None else shape.depth_mm
    whole = resampled(source, (*shape.spacing_mm, depth), published_origin=published_origin)
    middle = whole.index(source.point_mm(np.array([centre[1], centre[0], 0.0])))
    start, size = [0, 0], list(whole.size)
    for axis in (0, 1):
        n, window = whole.size[axis], shape.size[axis]
        start[axis] = window_start(float(middle[axis]), size=n, window=window, edge=edge)
        size[axis] = window if edge is Edge.LEAVE else min(n, window)
    lattice = whole.window((start[0], start[1], 0), (size[0], size[1], size[2]))
    chosen = tuple(range(cine.n_frames)) if frames is None else tuple(frames)
    is_whole = all(bool((frame == np.trunc(frame)).all()) for frame in cine.pixels)  # of the cine, whatever is chosen
    images = (sample(cine, f, onto=lattice, truncate=is_whole) for f in chosen)
    return NetworkView(cine, lattice, shape, chosen, np.stack([grey_bytes(image) for image in images]))


def sample(cine: Cine, frame: int, *, onto: Lattice, truncate: bool = False) -> Floats:
    """One frame of a cine on `onto`, which shares its axes: (x, y, z), linear, zero outside.

    Slices are taken where they lie: one that is missing is bridged by its neighbours, one that is shifted in plane is
    put right. `truncate` drops decimals, as the reference does where pixels are whole numbers (spec 10.1).
    """
    slices = np.stack([
        linear(linear(cine.pixels[frame, k].T, x, axis=0), y, axis=1)  # (row, column) -> (x, y)
        for k, (x, y) in enumerate(in_plane_taps(cine, onto))
    ], axis=-1)  # fmt: skip
    image = linear(slices, _depth_taps(cine, onto), axis=2)
    return np.trunc(image) if truncate else image


def in_plane_taps(cine: Cine, onto: Lattice) -> list[tuple[Taps, Taps]]:
    """For each slice of the cine, where the x and y of `onto` lie among its columns and rows."""
    grid = lattice_of(cine)
    columns, rows = grid.size[:2]
    found = []
    for origin in cine.origins_mm:
        first = replace(grid, origin_mm=origin).index(onto.origin_mm)  # of `onto`, in pixels of this slice
        x = first[0] + np.arange(onto.size[0]) * onto.spacing_mm[0] / grid.spacing_mm[0]
        y = first[1] + np.arange(onto.size[1]) * onto.spacing_mm[1] / grid.spacing_mm[1]
        found.append((taps(x, count=columns), taps(y, count=rows)))
    return found


def slice_depths_mm(cine: Cine, lattice: Lattice) -> Floats:
    """Distance (slice,) of each slice from the origin of `lattice` along its z axis."""
    return np.asarray((cine.origins_mm - lattice.origin_mm) @ lattice.axes[:, 2])


def _depth_taps(cine: Cine, onto: Lattice) -> Taps:
    """Where the z of `onto` lie among the slices of the cine, by millimetres."""
    depths, step = slice_depths_mm(cine, onto), cine.slice_spacing_mm
    wanted = np.arange(onto.size[2]) * onto.spacing_mm[2]
    at = np.interp(wanted, depths, np.arange(cine.n_slices, dtype=float))
    at += np.minimum(0.0, wanted - depths[0]) / step + np.maximum(0.0, wanted - depths[-1]) / step
    return taps(at, count=cine.n_slices)
