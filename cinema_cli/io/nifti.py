"""Masks as NIfTI on the source grid, slices that are missing left empty, the same bytes every time."""

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Cine, GridFile
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


def encode_on_file(mask: NDArray[np.uint8], file: GridFile) -> bytes:
    """The labels (frame, slice, row, column) of the images of a NIfTI file as .nii.gz bytes, on the file's own grid.

    Its shape and every field of its header that says where voxels lie are those of the file; images that the cine
    does not use stay empty.
    """
    kind: Any = nib.Nifti1Image if len(file.header) == nib.Nifti1Header.sizeof_hdr else nib.Nifti2Image
    header = kind.header_class(file.header)
    labels = np.zeros(header.get_data_shape(), np.uint8)
    whole = labels.reshape((*labels.shape[:3], -1))  # a view: (x, y, z, frame)
    n_slices = labels.shape[file.slice_axis]
    for frame, place in np.argwhere(file.items >= 0):
        own, k = divmod(int(file.items[frame, place]), n_slices)
        np.moveaxis(whole[..., own], file.slice_axis, 2)[:, :, k] = mask[frame, place].T
    image = kind(labels, None, header)
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)


def mask_path(out: Path, result: StudyResult, view: str) -> Path:
    """Where the mask of a view lies: OUT/sub-x/ses-y/sub-x_ses-y_<view>_dseg.nii.gz."""
    name = f"{result.participant_id}_{result.session_id}_{view}_dseg.nii.gz"
    return study_folder(out, result) / name


def write_masks(out: Path, result: StudyResult, cine: Cine) -> None:
    """Write the mask of a view of a study: of NIfTI beside its names, NAME_dseg.nii.gz each. Raises OutputError."""
    mask = result.masks[cine.view]
    for file in cine.files:
        write_atomic(study_folder(out, result) / f"{file.name}_dseg.nii.gz", encode_on_file(mask, file))
    if not cine.files:
        write_mask(mask_path(out, result, cine.view), mask, cine=cine)


def write_mask(path: Path, mask: NDArray[np.uint8], *, cine: Cine) -> Path:
    """Write a label mask (frame, slice, row, column) of `cine`, whole or not at all. Raises OutputError."""
    return write_atomic(path, encode_mask(mask, cine=cine))
