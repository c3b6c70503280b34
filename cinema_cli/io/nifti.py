"""Masks as NIfTI on the source grid, slices that are missing left empty, the same bytes every time."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.ledger import study_folder

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_ras(cine: Cine) -> NDArray[np.float64]:
    """4x4: (column, row, place of the slice, 1) -> millimetres in NIfTI's axes (right, anterior, superior)."""
    return _LPS_TO_RAS @ cine.affine_lps


def encode_mask(mask: NDArray[np.uint8], *, cine: Cine) -> bytes:
    """A label mask (frame, slice, row, column) of `cine` as .nii.gz bytes, axes (column, row, place, frame).

    Slices stand at their `slice_places`: where one is missing in the stack, one is empty in the file.
    Raises ValueError where the mask does not stand on the grid of `cine`.
    """
    if mask.shape != cine.pixels.shape:
        raise ValueError(f"mask of shape {mask.shape} does not stand on the grid {cine.pixels.shape}")
    frames, _, rows, columns = mask.shape
    places = cine.slice_places
    placed = np.zeros((frames, int(places[-1]) + 1, rows, columns), np.uint8).T  # in the order of the file
    placed[:, :, places] = mask.T
    affine = affine_ras(cine)
    image = nib.Nifti1Image(placed, affine)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    times = cine.times_ms
    step = float(np.median(np.diff(times))) if times.size > 1 else 0.0
    image.header.set_zooms((*image.header.get_zooms()[:3], step))
    image.header.set_xyzt_units("mm", "msec")
    image.header["toffset"] = float(times[0]) if times.size else 0.0
    image.header["cal_max"] = 3.0  # labels 0..3
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def mask_path(out: Path, result: StudyResult, view: str) -> Path:
    """Where the mask of a view lies: OUT/sub-x/ses-y/sub-x_ses-y_<view>_dseg.nii.gz."""
    name = f"{result.participant_id}_{result.session_id}_{view}_dseg.nii.gz"
    return study_folder(out, result) / name


def write_mask(path: Path, mask: NDArray[np.uint8], *, cine: Cine) -> Path:
    """Write a label mask (frame, slice, row, column) of `cine`, whole or not at all. Raises OutputError."""
    return write_atomic(path, encode_mask(mask, cine=cine))
