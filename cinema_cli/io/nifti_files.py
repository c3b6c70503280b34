"""NIfTI cines and single frames as rows of the instance table and as pixels; of headers only numbers are believed."""

import gzip
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cinema_cli.io.folders import LATEST_NS
from cinema_cli.io.keywords import keyword
from cinema_cli.io.nifti_names import NiftiName, read_name, stem_of
from cinema_cli.io.parts import MIN_STACK_SLICES
from cinema_cli.io.views import CARDINAL_WITHIN_DEG

Row = dict[str, Any]
Floats = NDArray[np.float64]
DAMAGED = "damaged_nifti"  # code of a file that is no whole NIfTI
READ_ERRORS = (EOFError, OSError, ValueError, zlib.error)

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MOST_IMAGES = 20_000  # more is a damaged number, not an acquisition
_SPACING_MM = (0.2, 10.0)  # between pixels; outside, a header is in another unit or holds nonsense
_SLICES_MM = (0.5, 40.0)  # between slices
_AGREE = 0.02  # sizes of the affine and of pixdim that differ by more contradict each other
_SQUARE = 0.02  # cosine of two axes of a grid above which it is sheared
_THICKER = 1.5  # the axis across slices has a step so much larger than the others, where it is not the last
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units, spatial part: unknown counts as mm
_MS = {8: 1000.0, 16: 1.0, 24: 0.001}  # temporal part: s, ms, us
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
        with _opened(path) as file:
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


def rows_of_file(path: Path, relative: str) -> list[Row]:
    """Rows of INSTANCE_SCHEMA of a file; one alone, with a `refusal`, where it holds labels or cannot be used.

    Raises OSError where it cannot be opened.
    """
    name, state = read_name(relative), path.stat()
    shared: Row = {
        "path": relative, "frame_item": 0, "n_file_frames": 1, "modality": "MR", "transfer_syntax": "NIfTI",
        "sop_uid": f"nifti.{name.folder}/{stem_of(relative)}", "study_uid": name.study_uid,
        "patient_id": name.participant, "velocity_encoded": False, "has_pixels": True, "moment": name.moment,
        "file_size": state.st_size, "mtime_ns": min(state.st_mtime_ns, LATEST_NS),
    }  # fmt: skip
    if name.is_labels:
        said = "label_map: labels by the name of the file (gt, dseg, seg, mask ...), which are never read as images"
        uid = name.series_uid(f"labels {stem_of(relative)}")
        return [shared | {"series_uid": uid, "modality": "SEG", "refusal": said}]
    try:
        head = read_head(path)
        return _images(shared, name, head)
    except NiftiError as error:
        row = shared | {"series_uid": name.series_uid(f"refused {stem_of(relative)}"), "has_pixels": False}
        problem = {"code": error.code, "sentence": f"The file cannot be used: {error}."}
        return [row | problem | {"refusal": f"{error.code}: {error}"}]


def read_items(path: Path, items: Sequence[int]) -> dict[int, NDArray[np.float32]]:
    """Images (row, column) of a file by number, slices of a frame together: scaled, one frame in memory at a time.

    Raises NiftiError, OSError, EOFError, ValueError, zlib.error where the file cannot be read.
    """
    head = read_head(path)
    slope, intercept = head.header.get_slope_inter()
    kind = head.header.get_data_dtype()
    size = kind.itemsize * int(np.prod(head.shape))
    wanted: dict[int, list[int]] = {}
    for item in items:
        wanted.setdefault(item // head.n_slices, []).append(item)
    found = {}
    with _opened(path) as file:
        for frame in sorted(wanted):
            file.seek(int(head.header["vox_offset"]) + frame * size)
            volume = np.frombuffer(file.read(size), kind).reshape(head.shape, order="F")
            for item in wanted[frame]:
                image = np.take(volume, item % head.n_slices, axis=head.slice_axis).T.astype(np.float32)
                if slope is not None and (slope, intercept) != (1.0, 0.0):
                    image = image * np.float32(slope) + np.float32(intercept or 0.0)
                if not np.isfinite(image).all():
                    raise ValueError("values that are not finite")
                found[item] = np.ascontiguousarray(image)
    return found


def _opened(path: Path) -> IO[bytes]:
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


def _images(shared: Row, name: NiftiName, head: NiftiHead) -> list[Row]:
    """A row for each image. Raises NiftiError where the header gives no usable grid."""
    affine = _affine(head)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    column, row = head.in_plane
    directions, steps = (affine[:3, :3] / steps).T, np.round(steps, 5)  # float32: 1.2500001
    oriented = _is_oriented(np.cross(directions[column], directions[row]))
    across, origin = affine[:3, head.slice_axis], affine[:3, 3]
    if not oriented:  # in the order of the file: base first, as LV_AXIS_LPS points to falling z
        directions = np.zeros((3, 3))
        directions[column], directions[row] = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)
        across, origin = np.array([0.0, 0.0, -steps[head.slice_axis]]), np.zeros(3)
    is_cine = head.n_frames > 1
    step = _step_ms(head.header) if is_cine else None
    refusal = None
    if not is_cine and name.moment is None:
        refusal = "single_frame: one 3-D image whose name says neither ed, es nor frame: not a cine"
    described = name.words
    if head.n_slices >= MIN_STACK_SLICES and keyword(described) in (None, "cine"):
        described = f"{described} sax".strip()
    shared = shared | {
        "series_uid": name.series_uid("cine" if is_cine else "frames" if name.moment else stem_of(shared["path"])),
        "series_description": described, "n_file_frames": head.n_frames * head.n_slices, "oriented": oriented,
        "moment": None if is_cine else name.moment, "rows": head.matrix[0], "columns": head.matrix[1],
        "row_spacing_mm": steps[row], "column_spacing_mm": steps[column], "thickness_mm": steps[head.slice_axis],
        "refusal": refusal,
        **{f"row_{c}": v for c, v in zip("xyz", directions[column].tolist(), strict=True)},
        **{f"column_{c}": v for c, v in zip("xyz", directions[row].tolist(), strict=True)},
    }  # fmt: skip
    return [
        shared
        | {"frame_item": t * head.n_slices + k, "temporal_position": t + 1 if is_cine else name.number}
        | {"trigger_time_ms": None if step is None else t * step}
        | {f"position_{c}": v for c, v in zip("xyz", (origin + k * across).tolist(), strict=True)}
        for t in range(head.n_frames)
        for k in range(head.n_slices)
    ]


def _affine(head: NiftiHead) -> Floats:
    """4x4, LPS mm. Raises NiftiError where it is absent, contradicts pixdim or is that of no grid."""
    header = head.header
    scale = _MM.get(int(header["xyzt_units"]) & 7, 1.0)
    sizes = header["pixdim"][1:4].astype(float) * scale
    codes = int(header["sform_code"]) > 0, int(header["qform_code"]) > 0
    if not np.isfinite(sizes).all() or (sizes <= 0).any() or (not any(codes) and (sizes == 1.0).all()):
        raise NiftiError(f"the header gives no voxel size: pixdim is {_words(sizes)}", code="bad_spacing")
    try:
        with np.errstate(all="ignore"):
            affine = np.diag([scale, scale, scale, 1.0]) @ header.get_best_affine()
    except (ValueError, nib.spatialimages.HeaderDataError) as error:
        raise NiftiError("the qform of the header is no rotation", code="no_geometry") from error
    matrix = affine[:3, :3]
    if not np.isfinite(affine).all() or not (lengths := np.linalg.norm(matrix, axis=0)).all():
        raise NiftiError("the affine of the header holds zeros or no numbers", code="no_geometry")
    if (np.abs(lengths - sizes) > _AGREE * sizes).any():
        said = f"the affine says voxels of {_words(lengths)} mm, pixdim {_words(sizes)} mm: volumes would be a guess"
        raise NiftiError(said, code="bad_spacing")
    cosines = (matrix / lengths).T @ (matrix / lengths) - np.eye(3)
    if np.abs(cosines).max() > _SQUARE:
        raise NiftiError("the affine of the header is sheared: its axes are not at right angles", code="no_geometry")
    in_plane = lengths[list(head.in_plane)]
    deep = lengths[head.slice_axis]
    low, high = _SPACING_MM
    if not ((in_plane >= low) & (in_plane <= high)).all() or not _SLICES_MM[0] <= deep <= _SLICES_MM[1]:
        raise NiftiError(f"voxels of {_words(lengths)} mm are not those of a cine", code="bad_spacing")
    return np.asarray(_RAS_TO_LPS @ affine)


def _words(sizes: Floats) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)


def _is_oriented(normal: Floats) -> bool:
    """Whether the planes' direction can be true of a heart: along an axis of the body none is, and programs that
    do not know it write the axes of the file."""
    return bool(np.abs(normal).max() < np.cos(np.radians(CARDINAL_WITHIN_DEG)))


def _step_ms(header: Any) -> float | None:
    """Time between frames; None where the header names no unit, or one second, which is what stands for nothing."""
    unit, step = int(header["xyzt_units"]) & 0x38, float(header["pixdim"][4])
    if unit not in _MS or not np.isfinite(step) or step <= 0 or (unit == 8 and step == 1.0):
        return None
    return step * _MS[unit]
