"""One mask on the grid of another: turned and flipped where that is all that differs, refused where it is not."""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.errors import InputError
from cinema_cli.domain.mask_stack import MaskStack, spacing_of

OTHER_GRID = "other_grid"  # code of what is refused
MAX_APART = 0.1  # of a voxel, at the corners: what affines of one grid differ by when they were written twice
MAX_STEP = 0.02  # of a voxel's step: more is another spacing, also where there is one slice


def labels_on(reference: MaskStack, stack: MaskStack) -> NDArray[np.uint8]:
    """Labels (frame, slice, row, column) of `stack` with axes in the order and direction of `reference`.

    Raises InputError with the code OTHER_GRID where voxels do not meet: another shape, spacing, place or angle.
    """
    to_stack = np.linalg.inv(stack.affine_ras) @ reference.affine_ras  # voxel (column, row, slice, 1) -> voxel
    turn = np.rint(to_stack[:3, :3]).astype(np.int64)
    size, wanted = stack.labels.shape[:0:-1], reference.labels.shape[:0:-1]
    axes = np.abs(turn).argmax(axis=0)  # of `stack`, for each axis of `reference`
    if sorted(axes) != [0, 1, 2] or (np.abs(turn).sum(axis=0) != 1).any() or tuple(size[a] for a in axes) != wanted:
        raise _refused(reference, stack)
    flipped = turn[axes, range(3)] < 0
    corners = np.array(list(product(*((0, n - 1) for n in wanted))))
    met = np.empty(corners.shape)
    met[:, axes] = np.where(flipped, np.array(wanted) - 1 - corners, corners)
    apart = np.abs(corners @ to_stack[:3, :3].T + to_stack[:3, 3] - met)
    if apart.max() > MAX_APART or np.abs(to_stack[:3, :3] - turn).max() > MAX_STEP:
        raise _refused(reference, stack)
    turned = np.flip(stack.labels.T.transpose(*axes, 3), axis=tuple(np.flatnonzero(flipped)))
    return np.ascontiguousarray(turned.T)


def _refused(reference: MaskStack, stack: MaskStack) -> InputError:
    """Says the first thing that differs."""
    sizes = [" x ".join(map(str, one.labels.shape[1:])) for one in (stack, reference)]
    spacings = [" x ".join(f"{mm:.3g}" for mm in spacing_of(one.affine_ras)) for one in (stack, reference)]
    if sorted(stack.labels.shape[1:]) != sorted(reference.labels.shape[1:]):
        said = f"the prediction has {sizes[0]} voxels (slice, row, column), the reference {sizes[1]}"
    elif spacings[0] != spacings[1]:
        said = f"voxels of the prediction are {spacings[0]} mm (slice, row, column), of the reference {spacings[1]} mm"
    else:
        said = f"the prediction stands elsewhere in space than the reference ({_centres_apart(reference, stack)})"
    return InputError(said, hint="Masks are compared on one grid: resample neither, or both.", code=OTHER_GRID)


def _centres_apart(reference: MaskStack, stack: MaskStack) -> str:
    centres = [
        one.affine_ras[:3, :3] @ ((np.array(one.labels.shape[:0:-1]) - 1) / 2) + one.affine_ras[:3, 3]
        for one in (stack, reference)
    ]
    return f"centres {np.linalg.norm(centres[0] - centres[1]):.1f} mm apart"
