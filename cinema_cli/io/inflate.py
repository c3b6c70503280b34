"""Compressed bytes to plain ones, a piece at a time: however strongly they are compressed, no more is held."""

import bz2
import lzma
import zlib
from collections.abc import Iterator

from cinema_cli.io.dicom_elements import BrokenFileError
from cinema_cli.io.members import PIECE, Budget

RAW_DEFLATE, GZIP = -zlib.MAX_WBITS, 16 + zlib.MAX_WBITS  # window bits of zlib
_MOST_DICTIONARY = 128 << 20  # bytes; xz -9 needs 65 MiB
_MAGIC = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz"}


def compression(head: bytes) -> str:
    """What the first bytes of a file say it is compressed with; empty for nothing known."""
    return _MAGIC.get(head[:2], "")


def inflated(packed: Iterator[bytes], *, kind: str, budget: Budget) -> Iterator[bytes]:
    """Plain bytes of a whole gzip, bzip2 or xz file, or of one raw `deflate` stream, in pieces.

    Raises BrokenFileError where they are damaged (code `damaged_member`), end early (`truncated_member`) or exceed the
    budget.
    """
    source = _deflate(packed, kind) if kind in ("deflate", "gzip") else _blocks(packed, kind)
    try:
        for piece in source:
            budget.spend(len(piece))
            yield piece
    except (zlib.error, lzma.LZMAError, ValueError) as error:
        raise BrokenFileError("its compressed content is damaged", code="damaged_member") from error
    except EOFError as error:
        raise BrokenFileError("its compressed content ends too early", code="truncated_member") from error


def _deflate(packed: Iterator[bytes], kind: str) -> Iterator[bytes]:
    window = RAW_DEFLATE if kind == "deflate" else GZIP
    inflater = zlib.decompressobj(window)
    begun = False
    for piece in packed:
        rest = piece
        while rest:
            if not begun and kind == "gzip" and not (rest := rest.lstrip(b"\0")):
                break  # padding behind a gzip stream
            begun = True
            if plain := inflater.decompress(rest, PIECE):
                yield plain
            rest = inflater.unconsumed_tail
            if inflater.eof:
                if kind == "deflate":
                    return
                rest, begun = inflater.unused_data, False
                inflater = zlib.decompressobj(window)  # several streams in a row are one file (RFC 1952 2.2)
    while begun and (plain := inflater.decompress(b"", PIECE)):
        yield plain
    if begun and not inflater.eof:
        raise EOFError


def _new(kind: str) -> bz2.BZ2Decompressor | lzma.LZMADecompressor:
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_DICTIONARY)


def _blocks(packed: Iterator[bytes], kind: str) -> Iterator[bytes]:
    inflater, begun = _new(kind), False
    for piece in packed:
        rest = piece
        while rest or (begun and not inflater.needs_input):
            if not begun and not (rest := rest.lstrip(b"\0")):
                break  # padding behind a stream
            begun = True
            try:
                plain = inflater.decompress(rest, PIECE)
            except OSError as error:  # bz2 says it so
                raise ValueError from error
            rest = b""
            if plain:
                yield plain
            if inflater.eof:
                rest, begun = inflater.unused_data, False
                inflater = _new(kind)
    if begun:
        raise EOFError
