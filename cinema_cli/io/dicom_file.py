"""One DICOM file as far as its pixels: what its header holds, how many images, and whether the pixels are whole."""

from pathlib import Path
from typing import Any, NamedTuple

from cinema_cli.io import dicom_tags as tags
from cinema_cli.io.dicom_elements import BrokenFileError, OpenFile
from cinema_cli.io.dicom_enhanced import frame_rows
from cinema_cli.io.dicom_header import NotDicomError, RawHeader, read_raw_header
from cinema_cli.io.dicom_values import integer, text, unsigned
from cinema_cli.io.folders import LATEST_NS
from cinema_cli.io.members import Member

Row = dict[str, Any]

TRUNCATED_PIXELS = "truncated_pixels"  # code of a file whose header is whole and whose pixels are not
_MOST_FRAMES = 100_000  # more is a damaged number, not an acquisition
_LEAST_FRAME = 256  # bytes of a file for each of its frames; fewer hold no image of a heart, however compressed

_DICOMDIR = "1.2.840.10008.1.3.10"
_ENHANCED = frozenset(("1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.3", "1.2.840.10008.5.1.4.1.1.4.4"))
_UNCOMPRESSED = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"))


class DicomFile(NamedTuple):
    """What a file says, undecoded."""

    header: RawHeader
    n_frames: int  # that it describes or holds
    frames: list[Row] | None  # what each frame of an enhanced object says itself
    size: int  # bytes
    mtime_ns: int  # since 1970
    described: str | None = None  # by a list beside it, where the header has no SeriesDescription

    @property
    def is_described(self) -> bool:
        """Whether the header has a SeriesDescription."""
        return text(self.header.values.get(tags.TEXTS["series_description"])) is not None


def read_file(path: str) -> DicomFile:
    """A file on disk. Raises `NotDicomError` for others, `BrokenFileError` for a damaged one, OSError where it cannot
    be opened."""
    with OpenFile(path) as file:
        return _read(file, mtime_ns=file.mtime_ns)


def read_member(member: Member, *, mtime_ns: int) -> DicomFile:
    """A file in an archive, whose time of change is `mtime_ns`. Raises what `read_file` raises."""
    return _read(member, mtime_ns=mtime_ns)


def _read(source: OpenFile | Member, *, mtime_ns: int) -> DicomFile:
    header = read_raw_header(source, wanted=tags.WANTED, sequences=tags.SEQUENCES)
    values = header.values
    sop_class = text(values.get(tags.SOP_CLASS))
    if sop_class == _DICOMDIR:
        raise NotDicomError
    if sop_class is None and tags.ROWS not in values:
        raise BrokenFileError("it says neither what it is nor how large its image is", code="unreadable")
    is_enhanced = sop_class in _ENHANCED
    n_frames = _n_frames(header, described=is_enhanced, size=source.size)
    frames = frame_rows(header, n_frames=n_frames) if is_enhanced else None
    return DicomFile(header, n_frames, frames, source.size, min(mtime_ns, LATEST_NS))


def _n_frames(header: RawHeader, *, described: bool, size: int) -> int:
    """Frames of a file of `size` bytes; one where they are neither `described` one by one nor all there, since a number
    alone must not be many rows. Raises BrokenFileError where so few bytes cannot be so many frames."""
    promised = frames_of(header.values.get(tags.FRAMES))
    if promised == 1:
        return 1
    if not described and (not header.pixel_length or lacking_pixels(header, promised=promised_bytes(header))):
        return 1
    if promised > min(_MOST_FRAMES, size // _LEAST_FRAME):
        raise BrokenFileError(f"it promises {promised} frames and has {size} bytes", code="unreadable")
    return promised


def frames_of(raw: bytes | None) -> int:
    """Images of a file by its NumberOfFrames."""
    return max(1, integer(raw) or 1)


def promised_bytes(header: RawHeader) -> int:
    """How many bytes of pixels there must be, at least, by what a header says of its images."""
    if header.transfer_syntax not in _UNCOMPRESSED:
        return 1
    values, little = header.values, header.little_endian
    sizes = (tags.ROWS, tags.COLUMNS, tags.SAMPLES, tags.BITS)
    rows, columns, samples, bits = (unsigned(values.get(tag), little_endian=little) for tag in sizes)
    return (rows or 0) * (columns or 0) * (samples or 1) * frames_of(values.get(tags.FRAMES)) * (bits or 16) // 8


def lacking_pixels(header: RawHeader, *, promised: int) -> str | None:
    """What a file lacks that holds fewer pixel bytes than its header promises (uncompressed: exactly known)."""
    length, available = header.pixel_length, header.pixel_available
    if not length or available >= max(promised, length):
        return None
    if length == -1:
        return "its compressed pixel data ends before the last fragment"
    return f"its pixel data has {available} bytes where the header promises {max(promised, length)}"


def pixel_defect(source: Path | Member) -> str | None:
    """`lacking_pixels` of a file. Raises what `read_file` raises."""
    header = (read_file(str(source)) if isinstance(source, Path) else read_member(source, mtime_ns=0)).header
    return lacking_pixels(header, promised=promised_bytes(header))
