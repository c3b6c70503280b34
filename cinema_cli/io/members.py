"""A file inside an archive, read as far as it is needed, and the bounds that no archive may make us exceed."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cinema_cli.io.dicom_elements import BrokenFileError

PIECE = 1 << 14  # bytes read or inflated at a time
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one archive may cost; sizes that an archive states are never believed."""

    members: int = 1_000_000
    member_bytes: int = 1024 * _MIB  # of one member, inflated
    small_bytes: int = 64 * _MIB  # a member up to this size may be compressed as strongly as it likes
    ratio: int = 100  # inflated to stored bytes of everything larger; images reach 10
    pass_bytes: int = 1024 * _MIB  # that a pass may inflate whatever the ratio
    notes: int = 100  # members that are named one by one


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an archive, or a member of it, cannot be used; `code` is stable, the sentence names nobody."""

    code: str
    sentence: str


class ArchiveError(Exception):
    """The rest of an archive cannot be read."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = Fault(code, sentence)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an archive's directory."""

    name: bytes
    open: "Callable[[str, Budget], Member | None]"  # by the name to give it; None where the archive lacks its bytes
    left_out: str = ""  # why it is not read: `folder`, or a code of `io.archive`


class Budget:
    """Bytes that a pass over one archive may still inflate."""

    __slots__ = ("left", "limits")

    def __init__(self, stored: int, limits: Limits) -> None:
        """`stored`: size of the archive in bytes."""
        self.limits = limits
        self.left = limits.pass_bytes + limits.ratio * stored

    def spend(self, count: int) -> None:
        """Raise BrokenFileError where nothing is left."""
        self.left -= count
        if self.left < 0:
            raise BrokenFileError("its archive grows out of all proportion", code="archive_bomb")

    def most(self, stored: int) -> int:
        """Bytes that a member may have of which the archive holds `stored`."""
        return min(self.limits.member_bytes, max(self.limits.small_bytes, self.limits.ratio * stored))


class FilePieces:
    """The bytes of a file from `start` to `stop`, whatever else is read from it in between."""

    __slots__ = ("_file", "_start", "_stop")

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file, self._start, self._stop = file, start, stop

    def __iter__(self) -> "FilePieces":
        return self

    def __next__(self) -> bytes:
        if self._start >= self._stop:
            raise StopIteration
        self._file.seek(self._start)
        piece = self._file.read(min(PIECE, self._stop - self._start))
        self._start = self._start + len(piece) if piece else self._stop
        return piece

    def jump(self, count: int) -> int:
        """Leave `count` bytes out without reading them; how many there were."""
        passed = min(count, self._stop - self._start)
        self._start += passed
        return passed


class Stream:
    """Bytes that come in pieces, taken from the front."""

    __slots__ = ("_pieces", "_rest", "position")

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self.position = 0  # bytes taken or skipped so far

    def take(self, count: int) -> bytes:
        """The next `count` bytes; fewer only where the stream ends."""
        parts, have = [self._rest], len(self._rest)
        while have < count and (piece := next(self._pieces, b"")):
            parts.append(piece)
            have += len(piece)
        held = parts[0] if len(parts) == 1 else b"".join(parts)
        self._rest = held[count:]
        taken = held[:count]
        self.position += len(taken)
        return taken

    def skip(self, count: int) -> int:
        """Pass `count` bytes over; how many there were."""
        passed = len(self.take(min(count, len(self._rest))))
        if isinstance(self._pieces, FilePieces):
            jumped = self._pieces.jump(count - passed)
            self.position += jumped
            return passed + jumped
        while passed < count and (piece := self.take(min(count - passed, PIECE))):
            passed += len(piece)
        return passed


class Member:
    """One file of an archive, to be read before the next one is asked for.

    Reading raises BrokenFileError where the content is damaged or larger than an archive may make it.
    """

    __slots__ = ("_crc", "_held", "_most", "_stream", "name", "size")

    def __init__(self, name: str, stream: Stream, *, size: int, most: int, crc: int | None = None) -> None:
        """`name` as `io.names` writes it; `size`: bytes, as stated; `most`: how many are held at most."""
        self.name = name
        self.size = size
        self._stream = stream
        self._most = most
        self._crc = crc
        self._held = b""

    def at(self, position: int, count: int) -> bytes:
        """`count` bytes from `position`; fewer where the content ends."""
        stop = min(position + count, self.size)
        if stop > len(self._held):
            if stop > self._most:
                said = f"it would need more than {self._most // _MIB} MiB, out of all proportion to its archive"
                raise BrokenFileError(said, code="member_bomb")
            self._held += self._stream.take(stop - len(self._held))
        return self._held[position:stop]

    def content(self) -> bytes:
        """All bytes: as many as stated, and with the checksum that the archive gives them."""
        content = self.at(0, self.size)
        if len(content) < self.size:
            raise BrokenFileError("it ends too early in its archive", code="truncated_member")
        if self._crc is not None and (self._stream.take(1) or zlib.crc32(content) != self._crc):
            raise BrokenFileError("it is not what the checksum in its archive says", code="bad_checksum")
        return content
