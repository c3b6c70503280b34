"""Pixels of chosen frames as modality values, each file decoded once."""

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cinema_cli.domain.errors import StudyError
from cinema_cli.io.archive import Fault, Member, read_members
from cinema_cli.io.dicom_elements import BrokenFileError
from cinema_cli.io.dicom_file import TRUNCATED_PIXELS, pixel_defect
from cinema_cli.io.dicom_header import NotDicomError
from cinema_cli.io.names import to_path, to_text
from cinema_cli.io.nifti_files import read_items
from cinema_cli.io.nifti_head import DAMAGED, NiftiError
from cinema_cli.io.nifti_names import is_nifti

Frame = NDArray[np.float32]
Place = tuple[str, str | None, int]  # path, member of the archive that it is, frame in the file

_NAMED_BY = "(-v --retry-failed names the file)"
_COPY_HINT = f"The copy may be incomplete: copy the study and run again {_NAMED_BY}."


def read_frames(root: Path, rows: Sequence[Place], *, names: Sequence[str] = ()) -> list[Frame]:
    """Frames named by (path under `root`, member where that is an archive, 0-based frame in the file), in the order
    asked, each (row, column) float32. An archive is passed through once, whatever the order.

    Paths are as `io.names` writes them. Values are rescaled to modality units (PS3.3 C.11.1) and bright means more
    signal (MONOCHROME1 is turned round).
    `names` is what errors call each frame (default: "image 1", "image 2"): the name of a file may be that of a person,
    so it stands only in a note of the exception, for the eyes of whoever runs this.
    Raises `StudyError` (stage `read`) with code `vanished`, `unreadable`, `truncated_pixels`, `colour`,
    `undecodable` or one of an archive (`io.archive`).
    """
    wanted: dict[str, dict[str | None, _Wanted]] = defaultdict(dict)
    for number, (path, member, item) in enumerate(rows):
        shown = names[number] if names else f"image {number + 1}"
        items = wanted[path].setdefault(member, _Wanted(shown, [])).items
        if item not in items:
            items.append(item)
    found: dict[tuple[str, str | None], dict[int, Frame]] = {}
    for path, parts in wanted.items():
        place = root / to_path(path)
        for member, one in parts.items():
            if member is None:
                found[path, None] = _read_file(place, one)
        members = {member: one for member, one in parts.items() if member is not None}
        found |= {(path, member): frames for member, frames in _read_archive(place, members)}
    return [found[path, member][item] for path, member, item in rows]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is wanted of one file."""

    shown: str  # what errors call its first frame
    items: list[int]  # frames by their number in it


def _read_archive(path: Path, wanted: Mapping[str, _Wanted]) -> Iterator[tuple[str, dict[int, Frame]]]:
    """Decoded frames of the members of an archive."""
    missing = dict(wanted)
    if not missing:
        return
    fault = Fault("vanished", "It was there during the scan and is gone.")
    try:
        for member, found in read_members(path, wanted):
            if isinstance(found, Member):
                yield member, _read_file(found, missing.pop(member), archive=path)
            elif member:
                raise _located(_broken(missing[member].shown, found.sentence, found.code), path, member)
            else:
                fault = found
    except OSError as error:
        raise _located(_not_opened(next(iter(missing.values())).shown, error), path) from error
    for member, one in missing.items():
        raise _located(_broken(one.shown, fault.sentence, fault.code), path, member)
    if fault.code == "changed_archive":
        raise _located(_broken(next(iter(wanted.values())).shown, fault.sentence, fault.code), path)


def _read_file(source: Path | Member, wanted: _Wanted, *, archive: Path | None = None) -> dict[int, Frame]:
    """Decoded frames of one file, or of one member of an archive, by their number in it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # padding and odd values in headers are no concern of the pixels
        try:
            if isinstance(source, Path) and is_nifti(source.name):
                return read_items(source, wanted.items)
            return _decode(source, wanted.items)
        except Exception as error:  # the decoders behind pydicom raise many kinds
            failure = _diagnosed(source, shown=wanted.shown, error=error)
            path, member = (archive, source.name) if isinstance(source, Member) else (source, "")
            raise _located(failure, path, member) from error


class _ColourError(Exception):
    """The image has several samples a pixel or a palette."""


def _decode(source: Path | Member, items: Sequence[int]) -> dict[int, Frame]:
    dataset = dcmread(BytesIO(source.content()) if isinstance(source, Member) else source, force=True)
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


def _located(failure: StudyError, path: Path | None, member: str = "") -> StudyError:
    """The failure with a note of the file it is about."""
    failure.add_note(f"file: {to_text(str(path))}{'/' if member else ''}{member}")
    return failure


def _broken(shown: str, sentence: str, code: str) -> StudyError:
    said = sentence[0].lower() + sentence[1:].rstrip(".")
    return _failure(f"{shown} cannot be used: {said}", code, _COPY_HINT)


def _not_opened(shown: str, error: OSError) -> StudyError:
    """Why the system does not open a file."""
    if isinstance(error, FileNotFoundError):
        return _failure(f"{shown} was there during the scan and is gone", "vanished", "Run `cinema scan` again.")
    if isinstance(error, PermissionError):
        return _failure(f"{shown} cannot be opened: permission denied", "unreadable", f"Check the rights {_NAMED_BY}.")
    return _failure(f"{shown} cannot be opened: {error.strerror}", "unreadable", _COPY_HINT)


def _diagnosed(source: Path | Member, *, shown: str, error: Exception) -> StudyError:
    """Why a file could not be decoded: gone, locked, in colour, cut off, or damaged inside."""
    if isinstance(error, FileNotFoundError | PermissionError):
        return _not_opened(shown, error)
    if isinstance(error, BrokenFileError):
        return _broken(shown, str(error), error.code)
    if isinstance(error, NiftiError):
        return _broken(shown, str(error), error.code)
    if isinstance(source, Path) and is_nifti(source.name):
        return _broken(shown, f"its numbers cannot be read ({type(error).__name__})", DAMAGED)
    if isinstance(error, _ColourError):
        return _failure(f"{shown} is a colour image ({error}), not a cine", "colour", "Leave it out.")
    try:
        defect = pixel_defect(source)
    except BrokenFileError as broken:
        return _broken(shown, str(broken), broken.code)
    except NotDicomError:
        return _failure(f"{shown} is no DICOM file any more", "undecodable", _COPY_HINT)
    except OSError as broken:
        return _not_opened(shown, broken)
    if defect:
        return _broken(shown, defect, TRUNCATED_PIXELS)
    reason = f"the pixels of {shown} cannot be decoded ({type(error).__name__})"
    return _failure(reason, "undecodable", f"The file may be damaged, or its compression not supported {_NAMED_BY}.")
