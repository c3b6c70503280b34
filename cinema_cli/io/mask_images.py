"""Images to show masks on: that which lies beside a mask under the same name, without the word for labels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import error as ZlibError

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from cinema_cli.domain.errors import InputError
from cinema_cli.io.nifti_names import NiftiName, is_nifti, read_name


@dataclass(frozen=True, slots=True, eq=False)
class FrameImage:
    """One frame of an image in space."""

    pixels: NDArray[np.float32]  # (slice, row, column)
    affine_ras: NDArray[np.float64]  # 4x4: (column, row, slice, 1) -> millimetres (right, anterior, superior)


def image_beside(mask: Path) -> Path | None:
    """`patient001_ed.nii.gz` for `patient001_ed_gt.nii.gz`; None where there is not exactly one."""
    wanted = _said(read_name(mask.name))
    others = [path for path in mask.parent.iterdir() if path != mask and is_nifti(path.name)]
    named = [(path, read_name(path.name)) for path in others]
    found = [path for path, name in named if not name.is_labels and _said(name) == wanted]
    return found[0] if len(found) == 1 else None


def read_frame(path: Path, *, frame: int = 0) -> FrameImage:
    """One frame of an image, in the order of the file. Raises InputError where it is no image of so many frames."""
    try:
        image: Any = nib.load(path)  # of several classes, which have this in common
        values = np.asanyarray(image.dataobj, dtype=np.float32)
        affine = np.asarray(image.affine, np.float64)
    except (OSError, EOFError, ValueError, ZlibError, ImageFileError) as error:
        raise InputError(f"{path.name} cannot be read as NIfTI ({type(error).__name__})", code="unreadable") from error
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    shown = values[..., frame] if values.ndim == 4 and frame < values.shape[3] else values
    if shown.ndim != 3 or (values.ndim == 3 and frame) or not np.isfinite(shown).all():
        raise InputError(f"{path.name} is no image of frame {frame}", code="no_image")
    return FrameImage(np.ascontiguousarray(shown.T), affine)


def _said(name: NiftiName) -> tuple[object, ...]:
    return name.participant, name.session, name.moment, name.number, name.words
