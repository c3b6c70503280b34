"""The top-level elements of one DICOM file as raw bytes, found without reading pixels or sequences."""

import struct
import zlib
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from cinema_cli.io.dicom_elements import (
    ITEM,
    LONG_VRS,
    SEQUENCE_END,
    SHORT_VRS,
    TYPED,
    UNDEFINED,
    BrokenFileError,
    InMemory,
    Readable,
    Window,
    after_sequence,
    element,
)

PIXEL_TAGS = (0x7FE00010, 0x7FE00008, 0x7FE00009)  # integer, float and double pixel data
_META_GROUP, _DATA_GROUPS = range(2, 3), range(0x7FE0)
_SYNTAX = 0x00020010
_IMPLICIT, _BIG, _DEFLATED = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
_EXPLICIT = "1.2.840.10008.1.2.1"
# First elements of files without a preamble: (0002,0000..2) or (0008,0000 | 0001 | 0005 | 0008 | 0016)
_BARE_STARTS = frozenset(struct.pack("<HH", 2, e) for e in range(3)) | frozenset(
    struct.pack("<HH", 8, e) for e in (0, 1, 5, 8, 0x16)
)
_MOST_INFLATED = (64 << 20, 100)  # bytes of a deflated data set: this many, or this many times those of its file
_LONGEST = 65536  # bytes; a longer text or number is damage
_MOST_STEPS = 65536  # beginnings of elements that are known at a time


class NotDicomError(Exception):
    """The file is something else: text, an index, a picture."""


class RawHeader(NamedTuple):
    """What stands before the pixels, undecoded."""

    values: Mapping[int, bytes]  # wanted top-level elements, (group << 16 | element) -> value
    sequence_types: Mapping[int, bytes]  # value type of each wanted sequence, empty where it is not written
    transfer_syntax: str
    little_endian: bool
    explicit: bool  # whether value types are written out
    pixel_length: int | None  # bytes of the pixel value; -1: undefined (encapsulated); None: no pixel data
    pixel_available: int  # bytes of it that the file really holds


def read_raw_header(source: Readable, *, wanted: frozenset[int], sequences: frozenset[int]) -> RawHeader:
    """Follow a file's elements up to the pixels and keep the wanted ones; of `sequences` what is between their ends.

    Raises `NotDicomError`, `BrokenFileError` (code `truncated`, `unreadable` or that of an archive) or OSError.
    """
    window = Window(source)
    start, syntax, explicit = _dataset_start(window)
    if syntax == _DEFLATED:
        window, start = Window(_inflated(window, start)), 0
    return _walk(window, start, wanted=wanted, sequences=sequences, syntax=syntax, explicit=explicit)


def _inflated(window: Window, start: int) -> InMemory:
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


def _dataset_start(window: Window) -> tuple[int, str, bool]:
    """(position after the file meta group, transfer syntax, whether value types are written out)."""
    head = window.at(0, 140)
    if head[128:132] == b"DICM":
        position = 132
    elif head[:4] in _BARE_STARTS and len(head) == 140:
        position = 0
    else:
        raise NotDicomError
    values: dict[int, bytes] = {}
    while True:
        position = _short_elements(window, position, _META_STEPS, values)
        part = window.at(position, 12)
        if part[:2] != b"\x02\x00" or len(part) < 12:
            break
        is_long = part[4:6] in LONG_VRS
        length = int.from_bytes(part[8:12] if is_long else part[6:8], "little")
        value_at = position + (12 if is_long else 8)
        if part[2:4] == b"\x10\x00":
            values[_SYNTAX] = window.at(value_at, length)
        position = value_at + length
    syntax = values.get(_SYNTAX, b"").rstrip(b"\0 ").decode("ascii", "replace")
    if position >= window.size and syntax != _DEFLATED:
        raise BrokenFileError("it ends before its header begins", code="truncated")
    written = part[4:6].isalpha() and part[4:6].isupper()
    if not syntax:
        syntax = _EXPLICIT if written else _IMPLICIT
    # Some writers name implicit VR and write explicit, or the reverse: the first element tells.
    explicit = written if len(part) >= 6 and syntax != _DEFLATED else syntax != _IMPLICIT
    return position, syntax, explicit


def _walk(
    window: Window, start: int, *, wanted: frozenset[int], sequences: frozenset[int], syntax: str, explicit: bool
) -> RawHeader:
    little = syntax != _BIG
    values: dict[int, bytes] = {}
    types: dict[int, bytes] = {}
    steps = _steps(wanted, little)
    position, size = start, window.size
    while position < size:
        if explicit and (after := _short_elements(window, position, steps, values)) > position:
            position = after
            continue
        tag, vr, length, value_at = element(window, position, explicit, little)
        if tag in PIXEL_TAGS:
            undefined = length == UNDEFINED
            available = _encapsulated(window, value_at) if undefined else min(length, size - value_at)
            return RawHeader(values, types, syntax, little, explicit, -1 if undefined else length, available)
        if length == UNDEFINED:
            typed = explicit and vr != b"UN"  # PS3.5 6.2.2: unknown sequences are written without value types
            position = after_sequence(window, value_at, explicit=typed, little=little, depth=0)
        else:
            position = value_at + length
        if position > size:
            raise BrokenFileError("it ends in the middle of its header", code="truncated")
        if tag in sequences:
            types[tag] = vr
        if tag in sequences or (tag in wanted and length <= _LONGEST):
            values[tag] = window.at(value_at, position - value_at)
    return RawHeader(values, types, syntax, little, explicit, None, 0)


class _Steps(dict[bytes, tuple[int, int]]):
    """By the first eight bytes of an element: its tag, 0 for one that is not wanted, and how long it is, 0 for one
    that is not of a short explicit type in the groups. The same few begin the elements of most files of a cohort."""

    def __init__(self, wanted: frozenset[int], little: bool, groups: range = _DATA_GROUPS) -> None:
        self._wanted = wanted
        self._groups = groups
        self._unpack = TYPED[little].unpack

    def __missing__(self, head: bytes) -> tuple[int, int]:
        group, element, vr, length = self._unpack(head)
        tag = group << 16 | element
        is_short = vr in SHORT_VRS and group in self._groups
        step = (tag if tag in self._wanted else 0, 8 + length if is_short else 0)
        if len(self) >= _MOST_STEPS:
            self.clear()
        self[head] = step
        return step


_steps = cache(_Steps)
_META_STEPS = _Steps(frozenset((_SYNTAX,)), little=True, groups=_META_GROUP)


def _short_elements(window: Window, position: int, steps: _Steps, values: dict[int, bytes]) -> int:
    """Position behind the elements of short explicit types that follow each other whole in the window, which most do;
    `values` gets the wanted ones."""
    data, low = window.data, position - window.begin
    size = len(data)
    while 0 <= low <= size - 12:
        tag, step = steps[data[low : low + 8]]
        end = low + step
        if not step or end > size:
            break
        if tag:
            values[tag] = data[low + 8 : end]
        low = end
    return low + window.begin


def _encapsulated(window: Window, position: int) -> int:
    """Bytes of complete fragments; 0 where the file ends before the closing delimiter."""
    total = 0
    while len(part := window.at(position, 8)) == 8:
        tag, length = int.from_bytes(part[:2], "little") << 16 | int.from_bytes(part[2:4], "little"), part[4:8]
        if tag == SEQUENCE_END:
            return total
        if tag != ITEM:
            return 0
        total += int.from_bytes(length, "little")
        position += 8 + int.from_bytes(length, "little")
    return 0
