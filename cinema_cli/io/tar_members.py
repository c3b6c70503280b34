"""Members of a tar file, plain or compressed, from front to back; no more than one of them is held."""

from collections.abc import Iterator
from typing import BinaryIO

from cinema_cli.io.inflate import compression, inflated
from cinema_cli.io.members import ArchiveError, Budget, Entry, FilePieces, Member, Stream

_BLOCK = 512  # bytes
_LONGEST_EXTRA = 1 << 20  # bytes of a long name or of an extended header
_FILES, _FOLDER, _LONG_NAME, _LONG_LINK, _EXTENDED, _GLOBAL = b"0\x007", b"5", b"L", b"K", b"x", b"g"
_WITHOUT_CONTENT = b"123456"  # links, devices, folders, pipes


def tar_entries(file: BinaryIO, *, size: int, budget: Budget) -> Iterator[Entry]:
    """The members of a file of `size` bytes; each must be opened before the next one is asked for.

    Raises ArchiveError (code `truncated_archive` or `damaged_archive`) where it ends before its end mark, and
    BrokenFileError where its compressed bytes are damaged.
    """
    kind = compression(file.read(2))
    stored = FilePieces(file, 0, size)
    stream = Stream(inflated(stored, kind=kind, budget=budget) if kind else stored)
    said: dict[str, bytes] = {}  # by extended headers, of the next member
    while block := _block(stream):
        what, length = block[156:157], _number(block[124:136])
        if what in (_LONG_NAME, _EXTENDED):
            content = _extra(stream, length)
            said |= {"path": content.split(b"\0")[0]} if what == _LONG_NAME else _records(content)
        elif what in (_LONG_LINK, _GLOBAL):
            _skip(stream, _padded(length))
        else:
            length = 0 if what in _WITHOUT_CONTENT else int(said.get("size", length))
            stop = stream.position + _padded(length)
            yield _entry(block, stream, length, said, there=None if kind else size - stream.position)
            _skip(stream, stop - stream.position)
            said = {}
    while kind and stream.skip(_LONGEST_EXTRA):  # to where the checksum of all stands
        pass


def _block(stream: Stream) -> bytes:
    """The next header; empty at the end mark."""
    block = stream.take(_BLOCK)
    if len(block) < _BLOCK:
        raise _cut()
    if not block.strip(b"\0"):
        return b""
    if _number(block[148:156]) != sum(block[:148]) + sum(block[156:]) + 8 * ord(" "):
        raise _damaged()
    return block


def _entry(block: bytes, stream: Stream, size: int, said: dict[str, bytes], *, there: int | None) -> Entry:
    """A member of `size` bytes, as stated; `there`: how many follow in a file that is not compressed."""
    what, name = block[156:157], said.get("path") or block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    if "path" not in said and prefix:
        name = prefix + b"/" + name
    left_out = ""
    if what == _FOLDER or name.endswith(b"/"):
        left_out = "folder"
    elif what in _WITHOUT_CONTENT:
        left_out = "special_members"
    elif what not in _FILES or "sparse" in said:
        left_out = "unsupported_members"

    def opened(shown: str, budget: Budget) -> Member:
        """Where the archive is cut in this member, its size is that of what is there."""
        if there is not None:
            return Member(shown, stream, size=min(size, there), most=budget.limits.member_bytes)
        if size > budget.limits.small_bytes:
            return Member(shown, stream, size=size, most=budget.limits.member_bytes)
        content = stream.take(size)
        return Member(shown, Stream(iter((content,))), size=len(content), most=size)

    return Entry(name, opened, left_out)


def _extra(stream: Stream, size: int) -> bytes:
    if size > _LONGEST_EXTRA:
        raise _damaged()
    content = stream.take(size)
    _skip(stream, _padded(size) - size)
    return content


def _records(content: bytes) -> dict[str, bytes]:
    """What an extended header says of the next member: path, size, and whether it is sparse (POSIX pax)."""
    said: dict[str, bytes] = {}
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or not len(length) + 1 < int(length) <= len(content):
            raise _damaged()
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        content = content[int(length) :]
        if key.startswith(b"GNU.sparse"):
            said["sparse"] = b""
        elif key == b"path" or (key == b"size" and value.isdigit()):
            said[key.decode()] = value
    return said


def _number(field: bytes) -> int:
    """Octal digits, or base 256 where the first bit is set."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567"):
        raise _damaged()
    return int(digits or b"0", 8)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _skip(stream: Stream, count: int) -> None:
    if stream.skip(count) < count:
        raise _cut()


def _cut() -> ArchiveError:
    return ArchiveError("truncated_archive", "The archive is cut short: what comes before the cut is used.")


def _damaged() -> ArchiveError:
    return ArchiveError("damaged_archive", "The archive is damaged: what comes before the damage is used.")
