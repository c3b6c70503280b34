"""Masks of any program read from NIfTI: onto our axes, in our labels, with where they stand in space."""

from pathlib import Path
from typing import Any
from zlib import error as ZlibError

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from cinema_cli.domain.errors import InputError
from cinema_cli.domain.mask_stack import MaskStack
from cinema_cli.io.label_maps import LabelMap, relabelled

MASK_SUFFIXES = (".nii.gz", ".nii")


def read_mask(path: Path, *, labels: LabelMap) -> MaskStack:
    """A mask with axes (column, row, slice) or (column, row, slice, frame); its numbers mean what `labels` says.

    Every class of `labels` counts as looked for in every slice of frames that have any label: in a cine of which some
    frames are labelled the others are not known (a file without any label is known to be empty).
    Raises InputError: not readable, other axes, labels that are not known.
    """
    try:
        image: Any = nib.load(path)  # of several classes, which have this in common
        values = np.asanyarray(image.dataobj)
        affine = np.asarray(image.affine, np.float64)
    except (OSError, EOFError, ValueError, ZlibError, ImageFileError) as error:
        raise InputError(f"{path.name} cannot be read as NIfTI ({type(error).__name__})", code="unreadable") from error
    while values.ndim > 4 and values.shape[-1] == 1:
        values = values[..., 0]
    if not 2 <= values.ndim <= 4 or not values.size:
        raise InputError(f"{path.name} has axes {values.shape}, not (column, row, slice, frame)", code="axes")
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise InputError(f"{path.name} does not say where its voxels lie", code="affine")
    placed = values.reshape(values.shape + (1,) * (4 - values.ndim)).T  # (frame, slice, row, column)
    mask = np.ascontiguousarray(relabelled(placed, labels, where=path.name))
    drawn = np.array([frame.any() for frame in mask])
    looked = np.tile(drawn | (not drawn.any()), (mask.shape[1], 1)).T
    return MaskStack(mask, affine, dict.fromkeys(labels.classes, looked))
