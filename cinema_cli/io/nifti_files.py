"""NIfTI cines and single frames as rows of the instance table and as pixels; of headers only numbers are believed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from cinema_cli.io.folders import LATEST_NS
from cinema_cli.io.keywords import keyword
from cinema_cli.io.nifti_head import NiftiError, NiftiHead, opened, read_head
from cinema_cli.io.nifti_names import NiftiName, read_name, stem_of
from cinema_cli.io.parts import MIN_STACK_SLICES
from cinema_cli.io.views import CARDINAL_WITHIN_DEG

Row = dict[str, Any]
Floats = NDArray[np.float64]

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SPACING_MM = (0.2, 10.0)  # between pixels; outside, a header is in another unit or holds nonsense
_SLICES_MM = (0.5, 40.0)  # between slices
_AGREE = 0.02  # sizes of the affine and of pixdim that differ by more contradict each other
_SQUARE = 0.02  # cosine of two axes of a grid above which it is sheared
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units, spatial part: unknown counts as mm
_MS = {8: 1000.0, 16: 1.0, 24: 0.001}  # temporal part: s, ms, us


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
    with opened(path) as file:
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
