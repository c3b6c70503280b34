"""The top-level elements of one DICOM file as raw bytes, found without reading pixels or sequences."""

import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

PIXEL_TAGS = (0x7FE00010, 0x7FE00008, 0x7FE00009)  # integer, float and double pixel data
_PIXEL_GROUP = 0x7FE0
_UNDEFINED = 0xFFFFFFFF
_ITEM_GROUP, _ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFE, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SHORT_VRS = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS")
) | frozenset((b"ST", b"TM", b"UI", b"UL", b"US"))
_LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_IMPLICIT, _BIG, _DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
_EXPLICIT = "1.2.840.10008.1.2.1"
# First elements of files without a preamble: (0002,0000..2) or (0008,0000 | 0001 | 0005 | 0008 | 0016)
_BARE_STARTS = frozenset(struct.pack("<HH", 2, e) for e in range(3)) | frozenset(
    struct.pack("<HH", 8, e) for e in (0, 1, 5, 8, 0x16)
)
_FIRST_READ = 16384  # bytes; most classic headers are shorter
_MOST_NESTED = 32
_MOST_INFLATED = (64 << 20, 100)  # bytes of a deflated data set: this many, or this many times those of its file
_LONGEST = 65536  # bytes; a longer text or number is damage


class NotDicomError(Exception):
    """The file is something else: text, an index, a picture."""


class BrokenFileError(Exception):
    """The file is DICOM but its structure cannot be followed to the pixels; `code` is stable."""

    def __init__(self, message: str, *, code: str) -> None:
        """`message` completes "The file cannot be used: "."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class RawHeader:
    """What stands before the pixels, undecoded."""

    values: Mapping[int, bytes]  # wanted top-level elements, (group << 16 | element) -> value
    transfer_syntax: str
    little_endian: bool
    pixel_length: int | None  # bytes of the pixel value; -1: undefined (encapsulated); None: no pixel data
    pixel_available: int  # bytes of it that the file really holds


class Readable(Protocol):
    """Bytes of a file by position: of one on disk, or of a member of an archive."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def at(self, position: int, count: int) -> bytes:
        """`count` bytes from `position`; fewer where they end."""


def read_raw_header(source: Path | Readable, *, wanted: frozenset[int]) -> RawHeader:
    """Follow a file's elements up to the pixels and keep the wanted ones.

    Raises `NotDicomError`, `BrokenFileError` (code `truncated`, `unreadable` or that of an archive) or OSError.
    """
    if not isinstance(source, Path):
        return _raw_header(source, wanted=wanted)
    with source.open("rb", buffering=0) as file:
        return _raw_header(_OpenFile(file), wanted=wanted)


def _raw_header(source: Readable, *, wanted: frozenset[int]) -> RawHeader:
    window = _Window(source)
    start, syntax, explicit = _dataset_start(window)
    if syntax == _DEFLATED:
        window, start = _Window(_inflated(window, start)), 0
    return _walk(window, start, wanted=wanted, syntax=syntax, explicit=explicit)


class _OpenFile:
    """A file on disk as bytes by position."""

    __slots__ = ("_file", "_next", "size")

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._next = 0
        self.size = os.fstat(file.fileno()).st_size

    def at(self, position: int, count: int) -> bytes:
        """See Readable."""
        if position != self._next:
            self._file.seek(position)
        content = self._file.read(count)
        self._next = position + len(content)
        return content


class InMemory:
    """Bytes that are all there already."""

    __slots__ = ("_content", "size")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def at(self, position: int, count: int) -> bytes:
        """See Readable."""
        return self._content[position : position + count]


class _Window:
    """A file's bytes by position, read in pieces as they are asked for."""

    __slots__ = ("_source", "begin", "data", "size")

    def __init__(self, source: Readable) -> None:
        self._source = source
        self.size = source.size
        self.begin = 0
        self.data = source.at(0, _FIRST_READ) if self.size else b""

    def at(self, position: int, count: int) -> bytes:
        """`count` bytes from `position`; fewer where the file ends."""
        low = position - self.begin
        if low < 0 or low + count > len(self.data):
            self.begin, low = position, 0
            self.data = self._source.at(position, max(count, _FIRST_READ)) if position < self.size else b""
        return self.data[low : low + count]


def _inflated(window: _Window, start: int) -> InMemory:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    most = max(_MOST_INFLATED[0], _MOST_INFLATED[1] * window.size)
    try:
        content = inflater.decompress(window.at(start, window.size - start), most)
    except zlib.error as error:
        raise BrokenFileError("its deflated content is damaged", code="unreadable") from error
    if len(content) == most:
        raise BrokenFileError("its deflated content is out of all proportion", code="unreadable")
    if not inflater.eof:
        raise BrokenFileError("it ends in the middle of its deflated content", code="truncated")
    return InMemory(content)


def _dataset_start(window: _Window) -> tuple[int, str, bool]:
    """(position after the file meta group, transfer syntax, whether value types are written out)."""
    head = window.at(0, 140)
    if head[128:132] == b"DICM":
        position = 132
    elif head[:4] in _BARE_STARTS and len(head) == 140:
        position = 0
    else:
        raise NotDicomError
    syntax = ""
    while (part := window.at(position, 12))[:2] == b"\x02\x00" and len(part) == 12:
        is_long = part[4:6] in _LONG_VRS
        length = int.from_bytes(part[8:12] if is_long else part[6:8], "little")
        value_at = position + (12 if is_long else 8)
        if part[2:4] == b"\x10\x00":
            syntax = window.at(value_at, length).rstrip(b"\0 ").decode("ascii", "replace")
        position = value_at + length
    if position >= window.size and syntax != _DEFLATED:
        raise BrokenFileError("it ends before its header begins", code="truncated")
    written = part[4:6].isalpha() and part[4:6].isupper()
    if not syntax:
        syntax = _EXPLICIT if written else _IMPLICIT
    # Some writers name implicit VR and write explicit, or the reverse: the first element tells.
    explicit = written if len(part) >= 6 and syntax != _DEFLATED else syntax != _IMPLICIT
    return position, syntax, explicit


def _walk(window: _Window, start: int, *, wanted: frozenset[int], syntax: str, explicit: bool) -> RawHeader:
    little = syntax != _BIG
    values: dict[int, bytes] = {}
    position, size = start, window.size
    while position < size:
        if explicit and (after := _short_elements(window, position, little, wanted, values)) > position:
            position = after
            continue
        tag, vr, length, value_at = _element(window, position, explicit, little)
        if tag in PIXEL_TAGS:
            undefined = length == _UNDEFINED
            available = _encapsulated(window, value_at) if undefined else min(length, size - value_at)
            return RawHeader(values, syntax, little, -1 if undefined else length, available)
        if length == _UNDEFINED:
            typed = explicit and vr != b"UN"  # PS3.5 6.2.2: unknown sequences are written without value types
            position = _after_sequence(window, value_at, explicit=typed, little=little, depth=0)
            continue
        position = value_at + length
        if position > size:
            raise BrokenFileError("it ends in the middle of its header", code="truncated")
        if tag in wanted and length <= _LONGEST:
            values[tag] = window.at(value_at, length)
    return RawHeader(values, syntax, little, None, 0)


_TYPED = {True: struct.Struct("<HH2sH"), False: struct.Struct(">HH2sH")}  # by little endian: tag, VR, short length
_UNTYPED = {True: struct.Struct("<HHI"), False: struct.Struct(">HHI")}
_LONG_LENGTH = {True: struct.Struct("<8xI"), False: struct.Struct(">8xI")}


def _short_elements(
    window: _Window, position: int, little: bool, wanted: frozenset[int], values: dict[int, bytes]
) -> int:
    """Position behind the elements of short explicit types that follow each other whole in the window, which most do;
    `values` gets the wanted ones."""
    data, low, unpack = window.data, position - window.begin, _TYPED[little].unpack_from
    size = len(data)
    while 0 <= low <= size - 12:
        group, element, vr, length = unpack(data, low)
        end = low + 8 + length
        if vr not in _SHORT_VRS or group in (_ITEM_GROUP, _PIXEL_GROUP) or end > size:
            break
        tag = group << 16 | element
        if tag in wanted:
            values[tag] = data[low + 8 : end]
        low = end
    return low + window.begin


def _element(window: _Window, position: int, explicit: bool, little: bool) -> tuple[int, bytes, int, int]:
    """(tag, VR or b"", length, position of the value) of the element that begins at `position`."""
    low = position - window.begin
    if low < 0 or low + 12 > len(window.data):
        if len(window.at(position, 12)) < 8:
            raise BrokenFileError("it ends in the middle of its header", code="truncated")
        low = position - window.begin
    data = window.data
    if explicit:
        group, element, vr, length = _TYPED[little].unpack_from(data, low)
        if vr in _SHORT_VRS and group != _ITEM_GROUP:
            return group << 16 | element, vr, length, position + 8
        if vr in _LONG_VRS and group != _ITEM_GROUP:
            if low + 12 > len(data):
                raise BrokenFileError("it ends in the middle of its header", code="truncated")
            return group << 16 | element, vr, _LONG_LENGTH[little].unpack_from(data, low)[0], position + 12
    group, element, length = _UNTYPED[little].unpack_from(data, low)
    return group << 16 | element, b"", length, position + 8


def _after_sequence(window: _Window, position: int, *, explicit: bool, little: bool, depth: int) -> int:
    """Position behind a sequence of undefined length whose first item begins at `position`."""
    if depth > _MOST_NESTED:
        raise BrokenFileError("its sequences are nested without end", code="unreadable")
    while True:
        tag, _, length, position = _element(window, position, explicit, little)
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise BrokenFileError("a sequence in its header holds something that is no item", code="unreadable")
        if length != _UNDEFINED:
            position += length
            continue
        while True:
            tag, vr, length, position = _element(window, position, explicit, little)
            if tag == _ITEM_END:
                break
            if length == _UNDEFINED:
                typed = explicit and vr != b"UN"
                position = _after_sequence(window, position, explicit=typed, little=little, depth=depth + 1)
            else:
                position += length


def _encapsulated(window: _Window, position: int) -> int:
    """Bytes of complete fragments; 0 where the file ends before the closing delimiter."""
    total = 0
    while len(part := window.at(position, 8)) == 8:
        tag, length = int.from_bytes(part[:2], "little") << 16 | int.from_bytes(part[2:4], "little"), part[4:8]
        if tag == _SEQUENCE_END:
            return total
        if tag != _ITEM:
            return 0
        total += int.from_bytes(length, "little")
        position += 8 + int.from_bytes(length, "little")
    return 0
