"""Pixels of chosen frames as modality values, each file decoded once."""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cinema_cli.domain.errors import StudyError
from cinema_cli.io.dicom_file import TRUNCATED_PIXELS, read_instances
from cinema_cli.io.dicom_header import BrokenFileError, NotDicomError
from cinema_cli.io.names import to_path, to_text

Frame = NDArray[np.float32]

_NAMED_BY = "(-v --retry-failed names the file)"
_COPY_HINT = f"The copy may be incomplete: copy the study and run again {_NAMED_BY}."


def read_frames(root: Path, rows: Sequence[tuple[str, int]], *, names: Sequence[str] = ()) -> list[Frame]:
    """Frames named by (path under `root`, 0-based frame in the file), in the order asked, each (row, column) float32.

    Paths are as `io.names` writes them. Values are rescaled to modality units (PS3.3 C.11.1) and bright means more
    signal (MONOCHROME1 is turned round).
    `names` is what errors call each frame (default: "image 1", "image 2"): the name of a file may be that of a person,
    so it stands only in a note of the exception, for the eyes of whoever runs this.
    Raises `StudyError` (stage `read`) with code `vanished`, `unreadable`, `truncated_pixels`, `colour` or
    `undecodable`.
    """
    wanted: dict[str, list[int]] = defaultdict(list)
    shown: dict[str, str] = {}
    for number, (path, item) in enumerate(rows):
        shown.setdefault(path, names[number] if names else f"image {number + 1}")
        if item not in wanted[path]:
            wanted[path].append(item)
    found = {path: _read_file(root / to_path(path), items, shown=shown[path]) for path, items in wanted.items()}
    return [found[path][item] for path, item in rows]


def frame_shape(frames: Iterable[Frame]) -> tuple[int, int]:
    """(rows, columns) that all frames share. Raises `StudyError` (code `unequal_sizes`) where they differ."""
    shapes = sorted({(int(frame.shape[0]), int(frame.shape[1])) for frame in frames})
    if len(shapes) != 1:
        listed = ", ".join(f"{rows} x {columns}" for rows, columns in shapes) or "none at all"
        raise StudyError(
            f"images of one stack have different sizes: {listed}",
            stage="read",
            code="unequal_sizes",
            hint="Two acquisitions may share one series: see `cinema scan --explain`.",
        )
    return shapes[0]


def _read_file(path: Path, items: Sequence[int], *, shown: str) -> dict[int, Frame]:
    """Decoded frames of one file by their number in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # padding and odd values in headers are no concern of the pixels
        try:
            return _decode(path, items)
        except Exception as error:  # the decoders behind pydicom raise many kinds
            failure = _diagnosed(path, shown=shown, error=error)
            failure.add_note(f"file: {to_text(str(path))}")
            raise failure from error


class _ColourError(Exception):
    """The image has several samples a pixel or a palette."""


def _decode(path: Path, items: Sequence[int]) -> dict[int, Frame]:
    dataset = dcmread(path, force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:  # a file without preamble
        implicit, _ = dataset.original_encoding
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    _refuse_colour(dataset)
    scales = _scales(dataset, items)
    frames: dict[int, Frame] = {}
    for item, stored in zip(items, iter_pixels(dataset, indices=list(items), raw=True), strict=True):
        slope, intercept = scales[item]
        values = stored.astype(np.float32)
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            values = np.float32(_brightest(dataset)) - values
        if (slope, intercept) != (1.0, 0.0):
            values = values * np.float32(slope) + np.float32(intercept)
        if not np.isfinite(values).all():
            raise ValueError("values that are not finite")
        frames[item] = values
    return frames


def _refuse_colour(dataset: Dataset) -> None:
    kind = str(dataset.PhotometricInterpretation)
    if dataset.SamplesPerPixel != 1 or kind not in ("MONOCHROME1", "MONOCHROME2"):
        raise _ColourError(kind)


def _brightest(dataset: Dataset) -> int:
    """Largest plus smallest storable value: what a value is taken from to turn the scale round."""
    return -1 if dataset.PixelRepresentation else 2 ** int(dataset.BitsStored) - 1


def _scales(dataset: Dataset, items: Sequence[int]) -> dict[int, tuple[float, float]]:
    """(slope, intercept) of each frame: of the image, or of the functional groups of an enhanced object."""
    shared = dataset.get("SharedFunctionalGroupsSequence") or [Dataset()]
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    scales = {}
    for item in items:
        frame = own[item] if item < len(own) else Dataset()
        macro = frame.get("PixelValueTransformationSequence") or shared[0].get("PixelValueTransformationSequence")
        scales[item] = _scale(macro[0] if macro else dataset)
    return scales


def _scale(dataset: Dataset) -> tuple[float, float]:
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    return float(1 if slope in (None, "") else slope) or 1.0, float(0 if intercept in (None, "") else intercept)


def _failure(sentence: str, code: str, hint: str) -> StudyError:
    return StudyError(sentence, stage="read", code=code, hint=hint)


def _diagnosed(path: Path, *, shown: str, error: Exception) -> StudyError:
    """Why a file could not be decoded: gone, locked, in colour, cut off, or damaged inside."""
    if isinstance(error, FileNotFoundError):
        return _failure(f"{shown} was there during the scan and is gone", "vanished", "Run `cinema scan` again.")
    if isinstance(error, PermissionError):
        return _failure(f"{shown} cannot be opened: permission denied", "unreadable", f"Check the rights {_NAMED_BY}.")
    if isinstance(error, _ColourError):
        return _failure(f"{shown} is a colour image ({error}), not a cine", "colour", "Leave it out.")
    try:
        defect = read_instances(path, relative="", salt=b"")[0]["defect"]
    except BrokenFileError as broken:
        return _failure(f"{shown} cannot be used: {broken}", broken.code, _COPY_HINT)
    except NotDicomError:
        return _failure(f"{shown} is no DICOM file any more", "undecodable", _COPY_HINT)
    except OSError as broken:
        return _failure(f"{shown} cannot be opened: {broken.strerror}", "unreadable", _COPY_HINT)
    if defect:
        return _failure(f"{shown} cannot be used: {defect}", TRUNCATED_PIXELS, _COPY_HINT)
    reason = f"the pixels of {shown} cannot be decoded ({type(error).__name__})"
    return _failure(reason, "undecodable", f"The file may be damaged, or its compression not supported {_NAMED_BY}.")
