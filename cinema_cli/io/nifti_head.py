"""The header of a NIfTI file, unrepaired: the grid that it names, and whether the file is as long as it says."""

import gzip
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np

DAMAGED = "damaged_nifti"  # code of a file that is no whole NIfTI
READ_ERRORS = (EOFError, OSError, ValueError, zlib.error)

_MOST_IMAGES = 20_000  # more is a damaged number, not an acquisition
_THICKER = 1.5  # the axis across slices has a step so much larger than the others, where it is not the last
_GEOMETRY = (  # fields of a header that say where voxels lie; free text is none of them
    "dim", "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip


class NiftiError(Exception):
    """A file that is no cine; `code` is stable."""

    def __init__(self, message: str, *, code: str) -> None:
        """`message` is a sentence without a full stop."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, eq=False)
class NiftiHead:
    """The header of a file and its grid, axes in the order of the file."""

    header: Any  # nibabel's
    shape: tuple[int, int, int]
    n_frames: int
    slice_axis: int

    @property
    def n_slices(self) -> int:
        """Images of one frame."""
        return self.shape[self.slice_axis]

    @property
    def matrix(self) -> tuple[int, int]:
        """Rows and columns of an image: the first axis that is not across slices runs along columns."""
        column, row = self.in_plane
        return self.shape[row], self.shape[column]

    @property
    def in_plane(self) -> tuple[int, int]:
        """The axes along which the column index and the row index grow."""
        first, second = (axis for axis in range(3) if axis != self.slice_axis)
        return first, second

    @property
    def geometry(self) -> bytes:
        """A header of labels on the same grid: its fields of geometry, bit by bit, and nothing else."""
        own = self.header.as_byteswapped("<")
        clean = type(own)(endianness="<")
        for name in _GEOMETRY:
            clean[name] = own[name]
        clean["dim"][0] = 4 if self.n_frames > 1 else 3
        clean["dim"][1:] = (*self.shape, self.n_frames, 1, 1, 1)
        clean.set_data_dtype(np.uint8)
        clean["cal_max"] = 3.0  # labels 0..3
        return bytes(clean.binaryblock)


def read_head(path: Path) -> NiftiHead:
    """The header of a .nii or .nii.gz; of the rest of the file only its length is looked at.

    Raises NiftiError where it is damaged or no stack of grey images, OSError where it cannot be opened.
    """
    try:
        with opened(path) as file:
            block = file.read(544)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise NiftiError("the file is no whole gzip file", code=DAMAGED) from error
    header = _header(block)
    dim = header["dim"].astype(int)
    shape = tuple(int(n) for n in dim[1 : 1 + max(0, min(dim[0], 7))])
    if len(shape) < 2 or len(shape) != dim[0] or min(shape, default=0) < 1:
        raise NiftiError("the header names no sizes of the image", code=DAMAGED)
    x, y, z, t, *more = (*shape, 1, 1)[: max(4, len(shape))]
    if any(n != 1 for n in more):
        raise NiftiError(f"the image has {len(shape)} dimensions, a cine has four", code="not_a_cine")
    if z * t > _MOST_IMAGES:
        raise NiftiError(f"the header names {z * t} images, which no cine has", code="not_a_cine")
    with suppress(nib.spatialimages.HeaderDataError, KeyError):
        kind = header.get_data_dtype()
        if kind.names is not None or kind.kind not in "iuf":
            raise NiftiError("the image is in colour or complex, not grey", code="colour")
        _check_length(path, int(header["vox_offset"]) + x * y * z * t * kind.itemsize)
        return NiftiHead(header, (x, y, z), t, _slice_axis((x, y, z), header))
    raise NiftiError("the header names no known type of numbers", code=DAMAGED)


def opened(path: Path) -> IO[bytes]:
    """A file, unpacked where it is .gz."""
    return cast(IO[bytes], gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def _header(block: bytes) -> Any:
    """nibabel's header, unchecked: its own checks repair and print."""
    sizes = {int.from_bytes(block[:4], order) for order in ("little", "big")} if len(block) >= 348 else set()
    one: Any = nib.Nifti1Header
    two: Any = nib.Nifti2Header
    if 348 in sizes and block[344:348] == b"n+1\0":
        return one(block[:348], check=False)
    if 540 in sizes and len(block) >= 540 and block[4:8] == b"n+2\0":
        return two(block[:540], check=False)
    raise NiftiError("the file has no header of a NIfTI file", code=DAMAGED)


def _check_length(path: Path, needed: int) -> None:
    """Refuse a file that was cut short; what is packed is unpacked only where its own length leaves doubt."""
    if path.name.lower().endswith(".gz"):
        with path.open("rb") as file:
            file.seek(-4, 2)
            length = int.from_bytes(file.read(4), "little")
        if length == needed % 2**32:
            return
        length = 0
        with suppress(EOFError, gzip.BadGzipFile, zlib.error), gzip.open(path) as packed:
            while length < needed and (some := packed.read(1 << 20)):
                length += len(some)
    else:
        length = path.stat().st_size
    if length < needed:
        said = f"the file was cut short: {length} bytes where the header promises {needed}"
        raise NiftiError(said, code=DAMAGED)


def _slice_axis(shape: tuple[int, int, int], header: Any) -> int:
    """The axis across slices: the one of length one, else the last, unless another has clearly thicker steps."""
    if shape.count(1) == 1:
        return shape.index(1)
    steps = np.abs(np.nan_to_num(header["pixdim"][1:4].astype(float)))
    thick = int(steps.argmax())
    others = np.delete(steps, thick)
    return thick if others.min() > 0 and steps[thick] >= _THICKER * others.max() else 2
