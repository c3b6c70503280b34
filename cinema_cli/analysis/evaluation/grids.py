"""One mask on the grid of another: turned and flipped where that is all that differs, refused where it is not."""

from functools import partial
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.errors import InputError
from cinema_cli.domain.mask_stack import MaskStack, spacing_of

Floats = NDArray[np.float64]
_Voxel = TypeVar("_Voxel", np.uint8, np.float32)
OTHER_GRID = "other_grid"  # code of what is refused
MAX_APART = 0.1  # of a voxel, at the corners: what affines of one grid differ by when they were written twice
MAX_STEP = 0.02  # of a voxel's step: more is another spacing, also where there is one slice


def labels_on(reference: MaskStack, stack: MaskStack) -> NDArray[np.uint8]:
    """Labels (frame, slice, row, column) of `stack` with axes in the order and direction of `reference`.

    Raises InputError with the code OTHER_GRID where voxels do not meet: another shape, spacing, place or angle.
    """
    return values_on(reference.affine_ras, reference.labels.shape[1:], stack.labels, stack.affine_ras)


def values_on(affine: Floats, shape: tuple[int, ...], values: NDArray[_Voxel], own_affine: Floats) -> NDArray[_Voxel]:
    """Voxels (frame, slice, row, column) that stand by `own_affine`, on the grid of `shape` (slice, row, column).

    Raises InputError as `labels_on`.
    """
    to_own = np.linalg.inv(own_affine) @ affine  # voxel (column, row, slice, 1) -> voxel
    turn = np.rint(to_own[:3, :3]).astype(np.int64)
    size, wanted = values.shape[:0:-1], shape[::-1]
    axes = np.abs(turn).argmax(axis=0)  # of `values`, for each axis that is wanted
    refused = partial(_refused, affine, shape, values.shape[1:], own_affine)
    if sorted(axes) != [0, 1, 2] or (np.abs(turn).sum(axis=0) != 1).any() or tuple(size[a] for a in axes) != wanted:
        raise refused()
    flipped = turn[axes, range(3)] < 0
    corners = np.array(list(product(*((0, n - 1) for n in wanted))))
    met = np.empty(corners.shape)
    met[:, axes] = np.where(flipped, np.array(wanted) - 1 - corners, corners)
    apart = np.abs(corners @ to_own[:3, :3].T + to_own[:3, 3] - met)
    if apart.max() > MAX_APART or np.abs(to_own[:3, :3] - turn).max() > MAX_STEP:
        raise refused()
    turned = np.flip(values.T.transpose(*axes, 3), axis=tuple(np.flatnonzero(flipped)))
    return np.ascontiguousarray(turned.T)


def _refused(affine: Floats, shape: tuple[int, ...], own_shape: tuple[int, ...], own_affine: Floats) -> InputError:
    """Says the first thing that differs."""
    sizes = [" x ".join(map(str, one)) for one in (own_shape, shape)]
    spacings = [" x ".join(f"{mm:.3g}" for mm in spacing_of(one)) for one in (own_affine, affine)]
    if sorted(own_shape) != sorted(shape):
        said = f"the prediction has {sizes[0]} voxels (slice, row, column), the reference {sizes[1]}"
    elif spacings[0] != spacings[1]:
        said = f"voxels of the prediction are {spacings[0]} mm (slice, row, column), of the reference {spacings[1]} mm"
    else:
        apart = _centres_apart((affine, shape), (own_affine, own_shape))
        said = f"the prediction stands elsewhere in space than the reference (centres {apart:.1f} mm apart)"
    return InputError(said, hint="Masks are compared on one grid: resample neither, or both.", code=OTHER_GRID)


def _centres_apart(*grids: tuple[Floats, tuple[int, ...]]) -> float:
    centres = [affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2) + affine[:3, 3] for affine, shape in grids]
    return float(np.linalg.norm(centres[0] - centres[1]))
