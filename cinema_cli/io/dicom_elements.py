"""The elements of a DICOM file, one after the other: where each stands, and what the items of a sequence hold."""

import os
import struct
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Protocol, Self

UNDEFINED = 0xFFFFFFFF
ITEM_GROUP, ITEM, ITEM_END, SEQUENCE_END = 0xFFFE, 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
SHORT_VRS = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS")
) | frozenset((b"ST", b"TM", b"UI", b"UL", b"US"))
LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_FIRST_READ = 8192  # bytes; most classic headers are shorter
_MOST_NESTED = 32

TYPED = {True: struct.Struct("<HH2sH"), False: struct.Struct(">HH2sH")}  # by little endian: tag, VR, short length
_UNTYPED = {True: struct.Struct("<HHI"), False: struct.Struct(">HHI")}
_LONG_LENGTH = {True: struct.Struct("<8xI"), False: struct.Struct(">8xI")}


class BrokenFileError(Exception):
    """The file is DICOM but its structure cannot be followed to the pixels; `code` is stable."""

    def __init__(self, message: str, *, code: str) -> None:
        """`message` completes "The file cannot be used: "."""
        super().__init__(message)
        self.code = code


class Readable(Protocol):
    """Bytes of a file by position: of one on disk, or of a member of an archive."""

    @property
    def size(self) -> int:
        """How many bytes there are."""

    def at(self, position: int, count: int) -> bytes:
        """`count` bytes from `position`; fewer where they end."""


class OpenFile:
    """A file on disk as bytes by position, and when it was changed. Opening it raises OSError."""

    __slots__ = ("_file", "mtime_ns", "size")

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        status = os.fstat(self._file)
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns  # since 1970

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)

    def at(self, position: int, count: int) -> bytes:
        """See Readable."""
        os.lseek(self._file, position, os.SEEK_SET)
        return os.read(self._file, count)


class InMemory:
    """Bytes that are all there already."""

    __slots__ = ("_content", "size")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def at(self, position: int, count: int) -> bytes:
        """See Readable."""
        return self._content[position : position + count]


class Window:
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


def element(window: Window, position: int, explicit: bool, little: bool) -> tuple[int, bytes, int, int]:
    """(tag, VR or b"", length, position of the value) of the element that begins at `position`."""
    low = position - window.begin
    if low < 0 or low + 12 > len(window.data):
        if len(window.at(position, 12)) < 8:
            raise BrokenFileError("it ends in the middle of its header", code="truncated")
        low = position - window.begin
    data = window.data
    if explicit:
        group, element, vr, length = TYPED[little].unpack_from(data, low)
        if vr in SHORT_VRS and group != ITEM_GROUP:
            return group << 16 | element, vr, length, position + 8
        if vr in LONG_VRS and group != ITEM_GROUP:
            if low + 12 > len(data):
                raise BrokenFileError("it ends in the middle of its header", code="truncated")
            return group << 16 | element, vr, _LONG_LENGTH[little].unpack_from(data, low)[0], position + 12
    group, element, length = _UNTYPED[little].unpack_from(data, low)
    return group << 16 | element, b"", length, position + 8


def after_sequence(window: Window, position: int, *, explicit: bool, little: bool, depth: int) -> int:
    """Position behind a sequence of undefined length whose first item begins at `position`."""
    if depth > _MOST_NESTED:
        raise BrokenFileError("its sequences are nested without end", code="unreadable")
    while True:
        tag, _, length, position = element(window, position, explicit, little)
        if tag == SEQUENCE_END:
            return position
        if tag != ITEM:
            raise BrokenFileError("a sequence in its header holds something that is no item", code="unreadable")
        if length != UNDEFINED:
            position += length
            continue
        while True:
            tag, vr, length, position = element(window, position, explicit, little)
            if tag == ITEM_END:
                break
            if length == UNDEFINED:
                typed = explicit and vr != b"UN"
                position = after_sequence(window, position, explicit=typed, little=little, depth=depth + 1)
            else:
                position += length


Item = Mapping[int, tuple[bytes, bytes]]
"""Value type, empty where it is not written, and value of each element; those that hold a sequence hold its items."""


def items_of(sequence: bytes, *, explicit: bool, little: bool) -> Iterator[Item]:
    """The items of a sequence, given what stands between its ends. Raises BrokenFileError."""
    window, position, size = Window(InMemory(sequence)), 0, len(sequence)
    while position < size:
        tag, _, length, position = element(window, position, explicit, little)
        if tag == SEQUENCE_END:
            return
        stop = size if length == UNDEFINED else position + length
        if tag != ITEM or stop > size:
            raise BrokenFileError("a sequence in its header cannot be followed", code="unreadable")
        item: dict[int, tuple[bytes, bytes]] = {}
        while position < stop:
            tag, vr, length, value_at = element(window, position, explicit, little)
            position = value_at + length
            if tag == ITEM_END:
                break
            if length == UNDEFINED:
                typed = explicit and vr != b"UN"
                position = after_sequence(window, value_at, explicit=typed, little=little, depth=0)
            item[tag] = (vr, sequence[value_at:position])
        yield item
