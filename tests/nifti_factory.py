"""NIfTI files written for tests, from cines, in every way that grids are stored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine
from cinema_cli.io.nifti import affine_ras


def write_cine(
    path: Path,
    cine: Cine,
    *,
    frames: Sequence[int] | int | None = None,
    axes: tuple[int, int, int] = (0, 1, 2),
    flips: tuple[int, ...] = (),
    step: float | None = None,
    units: str = "msec",
    kind: Any = nib.Nifti1Image,
    forms: tuple[int, int] = (1, 1),
    affine: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Write frames of a cine (one number: a 3-D file), its axes stored in another order or reversed; what was written.

    `step`: time between frames in `units`; `forms`: codes of sform and qform.
    """
    data = cine.pixels if frames is None else cine.pixels[np.atleast_1d(frames)]
    stored, matrix = data.T, affine_ras(cine) if affine is None else affine  # (column, row, slice, frame)
    for axis in flips:
        turn = np.eye(4)
        turn[axis, axis], turn[axis, 3] = -1.0, stored.shape[axis] - 1
        stored, matrix = np.flip(stored, axis), matrix @ turn
    stored = stored.transpose(*axes, 3)
    matrix = matrix[:, [*axes, 3]]
    stored = stored[..., 0] if isinstance(frames, int) else stored
    stored = np.asarray(stored, np.float32)
    image = kind(stored, matrix)
    image.set_sform(matrix, code=forms[0])
    image.set_qform(matrix, code=forms[1])
    header = image.header
    header["descrip"], header["aux_file"], header["intent_name"] = b"Doe^Jane 1960", b"/home/doe", b"secret"
    if stored.ndim == 4:
        header["pixdim"][4] = 1.0 if step is None else step
        header.set_xyzt_units("mm", "unknown" if step is None else units)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return stored
