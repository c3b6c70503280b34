"""The image that a mask was drawn on, where it lies beside it under the same name without the word for labels."""

from pathlib import Path
from zlib import error as ZlibError

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from cinema_cli.io.nifti_names import NiftiName, is_nifti, read_name


def image_beside(mask: Path) -> Path | None:
    """`patient001_ed.nii.gz` for `patient001_ed_gt.nii.gz`; None where there is not exactly one."""
    wanted = _said(read_name(mask.name))
    others = [path for path in mask.parent.iterdir() if path != mask and is_nifti(path.name)]
    named = [(path, read_name(path.name)) for path in others]
    found = [path for path, name in named if not name.is_labels and _said(name) == wanted]
    return found[0] if len(found) == 1 else None


def frame_pixels(path: Path) -> NDArray[np.float32] | None:
    """An image of one frame as (slice, row, column), in the order of the file; None where it is no such image."""
    try:
        values = np.asanyarray(nib.load(path).dataobj, dtype=np.float32)  # type: ignore[attr-defined]
    except (OSError, EOFError, ValueError, ZlibError, ImageFileError):
        return None
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    return np.ascontiguousarray(values.T) if values.ndim == 3 and np.isfinite(values).all() else None


def _said(name: NiftiName) -> tuple[object, ...]:
    return name.participant, name.session, name.moment, name.number, name.words
