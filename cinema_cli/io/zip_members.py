"""Members of a zip file in the order of its directory, which is read piece by piece, however long it is."""

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from cinema_cli.io.inflate import inflated
from cinema_cli.io.members import PIECE, ArchiveError, Budget, Entry, FilePieces, Member, Stream

# APPNOTE.TXT 4.3: end of directory, the same and its locator for zip64, a line of the directory, a local header
_END, _END64, _LOCATOR64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_LINE, _LOCAL = struct.Struct("<4s4B4HL2L5H2L"), struct.Struct("<4s2B4HL2L2H")
_LONGEST_COMMENT = 0xFFFF
_SEE_ZIP64 = 0xFFFFFFFF
_ENCRYPTED, _UNIX = 1, 3
_STORED, _DEFLATED = 0, 8


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a member lies and how, as the directory says."""

    offset: int  # of its local header
    n_name: int
    method: int
    crc: int
    packed_size: int
    size: int


def zip_entries(file: BinaryIO, *, size: int) -> Iterator[Entry]:
    """The lines of the directory. Raises ArchiveError (code `truncated_archive` or `damaged_archive`)."""
    start, stop, shift = _directory(file, size=size)
    stream = Stream(FilePieces(file, start, stop))
    offsets: set[int] = set()
    while head := stream.take(_LINE.size):
        if len(head) < _LINE.size or head[:4] != b"PK\x01\x02":
            raise ArchiveError("damaged_archive", "The archive is damaged: its directory cannot be followed.")
        line = _LINE.unpack(head)
        n_name, n_extra, n_comment = line[12:15]
        name, extra = stream.take(n_name), stream.take(n_extra)
        stream.skip(n_comment)
        packed, plain, offset = _sizes(line[10], line[11], line[18], extra)
        place = _Place(offset + shift, n_name, line[6], line[9], packed, plain)
        left_out = _left_out(line, name) or ("overlapping_members" if offset in offsets else "")
        offsets.add(offset)
        yield Entry(name, partial(_open, file, size, place), left_out)


def _left_out(line: tuple[Any, ...], name: bytes) -> str:
    kind = stat.S_IFMT(line[17] >> 16) if line[2] == _UNIX else 0
    if name.endswith((b"/", b"\\")):
        return "folder"
    if kind not in (0, stat.S_IFREG):
        return "special_members"
    if line[5] & _ENCRYPTED:
        return "encrypted_members"
    return "" if line[6] in (_STORED, _DEFLATED) else "unsupported_members"


def _sizes(packed: int, plain: int, offset: int, extra: bytes) -> tuple[int, int, int]:
    """Bytes packed, bytes plain and offset, from the zip64 field where they do not fit into 32 bits."""
    if _SEE_ZIP64 not in (packed, plain, offset):
        return packed, plain, offset
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            content = extra[position + 4 : position + 4 + length]
            wide = iter(struct.unpack_from(f"<{len(content) // 8}Q", content))
            plain, packed, offset = (next(wide, n) if n == _SEE_ZIP64 else n for n in (plain, packed, offset))
            break
        position += 4 + length
    return packed, plain, offset


def _directory(file: BinaryIO, *, size: int) -> tuple[int, int, int]:
    """(where the directory begins, where it ends, how many bytes stand in the file before the archive)."""
    start = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(start)
    tail = file.read(size - start)
    at = tail.rfind(b"PK\x05\x06", 0, len(tail) - _END.size + 4)
    if at < 0:
        raise ArchiveError("truncated_archive", "The archive is cut short: its directory is missing.")
    stop = start + at
    length, offset = _END.unpack_from(tail, at)[5:7]
    file.seek(max(0, stop - _LOCATOR64.size))
    if file.read(4) == b"PK\x06\x07":
        file.seek(max(0, stop - _LOCATOR64.size - _END64.size))
        wide = file.read(_END64.size)
        if len(wide) == _END64.size and wide[:4] == b"PK\x06\x06":
            stop -= _LOCATOR64.size + _END64.size
            length, offset = _END64.unpack(wide)[8:10]
    shift = stop - length - offset
    if shift < 0:
        raise ArchiveError("truncated_archive", "The archive is cut short: bytes before its directory are missing.")
    return stop - length, stop, shift


def _open(file: BinaryIO, size: int, place: _Place, name: str, budget: Budget) -> Member | None:
    """The member that lies at a place; None where the archive of `size` bytes does not hold it."""
    file.seek(place.offset)
    first = file.read(min(PIECE, _LOCAL.size + 2 * place.n_name + 64 + place.packed_size))
    if len(first) < _LOCAL.size or first[:4] != b"PK\x03\x04":
        return None
    n_name, n_extra = _LOCAL.unpack_from(first)[10:12]
    begin = _LOCAL.size + n_name + n_extra
    stop = place.offset + begin + place.packed_size
    if stop > size or (place.method == _STORED and place.size != place.packed_size):
        return None
    content = _joined(first[begin : begin + place.packed_size], file, place.offset + begin, stop)
    if place.method == _DEFLATED:
        content = inflated(content, kind="deflate", budget=budget)
    most = budget.most(place.packed_size)
    return Member(name, Stream(content), size=place.size, most=most, crc=place.crc)


def _joined(first: bytes, file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """What was read already of the bytes from `start` to `stop`, then the rest."""
    if first:
        yield first
    yield from FilePieces(file, start + len(first), stop)
