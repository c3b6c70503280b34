"""DICOM text and numbers from raw bytes: what cannot be understood is None, never an exception."""

import math
import re
import struct
import warnings
from collections.abc import Sequence
from functools import lru_cache

_DIGITS = re.compile(r"^\d+$")
_TIME = re.compile(r"^(?:\d{8})?(\d\d)(\d\d)?(\d\d)?(?:\.(\d*))?(?:[+-]\d{4})?$")  # a DT has a date, perhaps an offset
_OFTEN_WRONG = ("", "ISO_IR 6", "ISO_IR 100", "ISO_IR 192")  # character sets that a file may name and not use


@lru_cache(maxsize=8192)  # most of what a header says, the one before it said too
def text(raw: bytes | None, *, charset: str = "") -> str | None:
    """Trimmed text; None where absent or empty."""
    if not raw:
        return None
    stripped = raw.strip(b"\0 \t\r\n")
    if not stripped:
        return None
    if stripped.isascii():
        return stripped.decode("ascii") if b"\x1b" not in stripped else _foreign(stripped, charset)
    return _foreign(stripped, charset)


def _foreign(raw: bytes, charset: str) -> str:
    """Text in the file's own character set (PS3.5 6.1).

    Where that is Latin-1, UTF-8, not said or not understood: UTF-8 if the bytes are that, which by chance they hardly
    ever are, else Latin-1; many writers name the one and write the other.
    """
    if charset not in _OFTEN_WRONG:
        from pydicom import charset as pydicom_charset

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                encodings = pydicom_charset.convert_encodings(charset.split("\\"))
                return pydicom_charset.decode_bytes(raw, encodings, set()).strip("\0 ")
            except (LookupError, UnicodeError, ValueError):
                pass
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


@lru_cache(maxsize=2048)
def numbers(raw: bytes | None) -> tuple[float, ...] | None:
    """Every value of a decimal or integer string; None unless all of them are finite numbers."""
    if not raw:
        return None
    try:
        values = tuple(map(float, raw.strip(b"\0 ").split(b"\\")))
    except ValueError:
        return None
    return values if all(map(math.isfinite, values)) else None


@lru_cache(maxsize=2048)
def number(raw: bytes | None) -> float | None:
    """The first value, where it is finite."""
    values = numbers(raw)
    return values[0] if values else None


def positive(raw: bytes | None) -> float | None:
    """The first value, where it is above zero."""
    value = number(raw)
    return value if value is not None and value > 0 else None


@lru_cache(maxsize=2048)
def integer(raw: bytes | None) -> int | None:
    """The first value as a 32-bit integer."""
    return whole(number(raw))


def whole(value: float | None) -> int | None:
    """A number as a 32-bit integer; None where it does not fit."""
    return int(value) if value is not None and abs(value) < 2**31 else None


def unsigned(raw: bytes | None, *, little_endian: bool) -> int | None:
    """A binary 16- or 32-bit number."""
    if raw is None or len(raw) not in (2, 4):
        return None
    return int.from_bytes(raw, "little" if little_endian else "big")


@lru_cache(maxsize=2048)
def binary(raw: bytes | None, code: str, *, little_endian: bool) -> tuple[float, ...] | None:
    """Every binary number, `code` being its type as `struct` writes it; None unless all of them are finite."""
    width = struct.calcsize(code)
    if not raw or len(raw) % width:
        return None
    values = struct.unpack(f"{'<' if little_endian else '>'}{len(raw) // width}{code}", raw)
    return values if all(map(math.isfinite, values)) else None


@lru_cache(maxsize=2048)
def seconds(raw: bytes | str | None) -> float | None:
    """Seconds since midnight of a TM (HHMMSS.ffffff), of the old HH:MM:SS or of a DT, in its own time zone."""
    if not raw:
        return None
    value = raw.decode("latin-1") if isinstance(raw, bytes) else raw
    told = _TIME.match(value.strip("\0 ").replace(":", ""))
    if not told:
        return None
    hours, minutes, secs = (int(part or 0) for part in told.groups()[:3])
    fraction = told[4]
    if hours > 23 or minutes > 59 or secs > 60:
        return None
    return hours * 3600 + minutes * 60 + secs + (float(f"0.{fraction}") if fraction else 0.0)


def years(raw: bytes | None) -> float | None:
    """Age in years of an AS: 063Y, 018M, 030W, 200D."""
    value = (text(raw) or "").upper()
    unit = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}.get(value[-1:])
    digits = value[:-1] if unit else value
    if not _DIGITS.match(digits):
        return None
    age = int(digits) * (unit or 1.0)
    return age if 0 < age < 130 else None


def centimetres(raw: bytes | None) -> float | None:
    """Body height: the standard says metres, some consoles send centimetres."""
    value = number(raw)
    if value is None:
        return None
    if 0.3 <= value <= 2.6:
        return round(value * 100, 3)
    return value if 30 <= value <= 260 else None


def kilograms(raw: bytes | None) -> float | None:
    """Body weight, where it is one."""
    value = number(raw)
    return value if value is not None and 1 < value < 400 else None


def valid_date(raw: bytes | None) -> bool:
    """Whether a DA names a day of the calendar."""
    value = text(raw) or ""
    if len(value) != 8 or not _DIGITS.match(value):
        return False
    month, day = int(value[4:6]), int(value[6:])
    return 1850 <= int(value[:4]) <= 2200 and 1 <= month <= 12 and 1 <= day <= 31


def unit_vectors(values: Sequence[float] | None) -> tuple[float, ...] | None:
    """ImageOrientationPatient: six numbers, two perpendicular unit vectors (tolerance 0.01), or None."""
    if values is None or len(values) != 6:
        return None
    row, column = values[:3], values[3:]
    for vector in (row, column):
        if abs(math.sqrt(sum(x * x for x in vector)) - 1.0) > 0.01:
            return None
    if abs(sum(a * b for a, b in zip(row, column, strict=True))) > 0.01:
        return None
    return tuple(values)


def geometry_row(
    *, spacing: Sequence[float] | None, position: Sequence[float] | None, orientation: Sequence[float] | None
) -> dict[str, float]:
    """Geometry columns; only what makes sense: positive spacing, three coordinates, two perpendicular unit vectors."""
    row: dict[str, float] = {}
    if spacing is not None and len(spacing) == 2 and min(spacing) > 0:
        row["row_spacing_mm"], row["column_spacing_mm"] = spacing
    if position is not None and len(position) == 3:
        row["position_x"], row["position_y"], row["position_z"] = position
    vectors = unit_vectors(orientation)
    if vectors is not None:
        names = ("row_x", "row_y", "row_z", "column_x", "column_y", "column_z")
        row |= dict(zip(names, vectors, strict=True))
    return row


@lru_cache(maxsize=256)
def image_kind(image_type: str | None) -> str:
    """'phase' for velocity or phase images, else 'magnitude': both may lie in one series (C.8.3.1.1.1)."""
    tokens = set((image_type or "").upper().replace("/", "\\").split("\\"))
    phase = tokens & {"P", "PHASE", "PHASE MAP", "VELOCITY", "PHASE CONTRAST P", "VELOCITY MAP"}
    return "phase" if phase else "magnitude"
