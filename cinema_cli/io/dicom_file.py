"""One DICOM file as rows of the instance table, one row a frame."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from cinema_cli.io.dicom_header import BrokenFileError, NotDicomError, RawHeader, read_raw_header
from cinema_cli.io.dicom_values import (
    centimetres,
    float32s,
    integer,
    kilograms,
    number,
    numbers,
    positive,
    seconds,
    text,
    unit_vectors,
    unsigned,
    valid_date,
    whole,
    years,
)
from cinema_cli.io.folders import LATEST_NS
from cinema_cli.io.members import Member

Row = dict[str, Any]

TRUNCATED_PIXELS = "truncated_pixels"  # code of a file whose header is whole and whose pixels are not
_MOST_FRAMES = 100_000  # more is a damaged number, not an acquisition

_DICOMDIR = "1.2.840.10008.1.3.10"
_ENHANCED = frozenset(("1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.3", "1.2.840.10008.5.1.4.1.1.4.4"))
_UNCOMPRESSED = frozenset(("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"))

_CHARSET, _NAME, _BIRTH_DATE, _SEX, _AGE = 0x00080005, 0x00100010, 0x00100030, 0x00100040, 0x00101010
_SIZE, _WEIGHT, _STUDY_DATE = 0x00101020, 0x00101030, 0x00080020
_ROWS, _COLUMNS, _SAMPLES, _BITS, _FRAMES = 0x00280010, 0x00280011, 0x00280002, 0x00280100, 0x00280008
_SPACING, _POSITION, _ORIENTATION = 0x00280030, 0x00200032, 0x00200037
_IMAGE_TYPE, _SEQUENCE_NAME = 0x00080008, 0x00180024
_TRIGGER, _TRIGGER_DELAY, _PERCENT_PHASE = 0x00181060, 0x00209153, 0x00209241
_INTERVAL, _RR_NOMINAL = 0x00181062, 0x00209251
_TEMPORAL, _N_TEMPORAL, _N_CARDIAC = 0x00200100, 0x00200105, 0x00181090
_ACQUISITION_TIME, _ACQUISITION_DATETIME, _CONTENT_TIME = 0x00080032, 0x0008002A, 0x00080033
_PHASE_CONTRAST, _COMPLEX_COMPONENT = 0x00189014, 0x00089208
# Private elements; each stands under the creator that comes first.
_GE_CREATOR, _GE_PULSE, _GE_VENC = 0x00190010, 0x0019109C, 0x001910CC
_SIEMENS_CREATOR, _SIEMENS_FLOW = 0x00510010, 0x00511014
_PHILIPS_CREATOR, _PHILIPS_PHASE, _PHILIPS_N_PHASES, _PHILIPS_VENC = 0x20010010, 0x20011008, 0x20011017, 0x2001101A

_TEXTS = {
    "sop_uid": 0x00080018,
    "series_uid": 0x0020000E,
    "study_uid": 0x0020000D,
    "patient_id": 0x00100020,
    "study_date": _STUDY_DATE,
    "sop_class_uid": 0x00080016,
    "modality": 0x00080060,
    "image_type": _IMAGE_TYPE,
    "series_description": 0x0008103E,
    "protocol_name": 0x00181030,
    "sequence_name": _SEQUENCE_NAME,
    "scanning_sequence": 0x00180020,
    "manufacturer": 0x00080070,
    "model": 0x00081090,
    "frame_of_reference_uid": 0x00200052,
}
_INTEGERS = {"instance_number": 0x00200013, "series_number": 0x00200011, "acquisition_number": 0x00200012}
_POSITIVES = {
    "field_strength_t": 0x00180087,
    "echo_time_ms": 0x00180081,
    "repetition_time_ms": 0x00180080,
    "inversion_time_ms": 0x00180082,
    "flip_angle_deg": 0x00181314,
    "thickness_mm": 0x00180050,
    "spacing_between_mm": 0x00180088,
    "heart_rate_bpm": 0x00181088,
}
_OTHERS = (
    _CHARSET, _NAME, _BIRTH_DATE, _SEX, _AGE, _SIZE, _WEIGHT, _ROWS, _COLUMNS, _SAMPLES, _BITS, _FRAMES, _SPACING,
    _POSITION, _ORIENTATION, _TRIGGER, _TRIGGER_DELAY, _PERCENT_PHASE, _INTERVAL, _RR_NOMINAL, _TEMPORAL, _N_TEMPORAL,
    _N_CARDIAC, _ACQUISITION_TIME, _ACQUISITION_DATETIME, _CONTENT_TIME, _PHASE_CONTRAST, _COMPLEX_COMPONENT,
    _GE_CREATOR, _GE_PULSE, _GE_VENC, _SIEMENS_CREATOR, _SIEMENS_FLOW, _PHILIPS_CREATOR, _PHILIPS_PHASE,
    _PHILIPS_N_PHASES, _PHILIPS_VENC,
)  # fmt: skip
_WANTED = frozenset((*_TEXTS.values(), *_INTEGERS.values(), *_POSITIVES.values(), *_OTHERS))

_VELOCITY_TYPES = frozenset(
    ("VELOCITY", "VELOCITY MAP", "PHASE CONTRAST", "PHASE_CONTRAST", "PHASE CONTRAST M", "PCA", "M_PCA", "P_PCA", "VEL")
)
# First words that stand for a name and are none, alone or before signs and digits: Anon-7 is one, Testa is a surname.
_PLACEHOLDER = re.compile(
    r"(anon([yi]m\w*)?|de[ -]?ident\w*|removed|unknown|no[ -]?name|patient|subject|none|null|x+|test)(?![^\W\d_])"
)
_VELOCITY_SEQUENCE = re.compile(r"(^|[^a-z])fl\w*_v\d+|_v\d+(in|through|rl|lr|ap|pa|fh|hf)", re.IGNORECASE)


def read_instances(source: Path | Member, *, relative: str, salt: bytes, mtime_ns: int | None = None) -> list[Row]:
    """Rows of INSTANCE_SCHEMA for each frame of a file; `salt` keeps `person_key` from being guessed.

    `source` may be a member of the archive `relative`, whose time of change is `mtime_ns`.
    A file that was cut short behind its header has its rows too, with a sentence in `defect`: who it is of is known.
    Raises `NotDicomError` for other files, `BrokenFileError` for damaged ones, OSError where it cannot be opened.
    """
    header = read_raw_header(source, wanted=_WANTED)
    values = header.values
    sop_class = text(values.get(_TEXTS["sop_class_uid"]))
    if sop_class == _DICOMDIR:
        raise NotDicomError
    if sop_class is None and _ROWS not in values:
        raise BrokenFileError("it says neither what it is nor how large its image is", code="unreadable")
    row = _base_row(header, salt=salt) | _place(source, relative=relative, mtime_ns=mtime_ns)
    n_frames = row["n_file_frames"]
    if n_frames > _MOST_FRAMES:
        raise BrokenFileError(f"it promises {n_frames} frames", code="unreadable")
    row["defect"] = _lacking_pixels(header, row)
    if sop_class in _ENHANCED:
        from cinema_cli.io.dicom_enhanced import frame_values

        return [row | {"frame_item": item} | own for item, own in enumerate(frame_values(source, n_frames=n_frames))]
    return [row | {"frame_item": item} for item in range(n_frames)]


def _place(source: Path | Member, *, relative: str, mtime_ns: int | None) -> Row:
    """Where the file lies, how large it is and when it was changed last."""
    if isinstance(source, Member):
        return {"path": relative, "member": source.name, "file_size": source.size, "mtime_ns": mtime_ns}
    status = os.stat(source)  # noqa: PTH116  (a Path.stat costs more, and this runs for each file of a cohort)
    return {"path": relative, "file_size": status.st_size, "mtime_ns": min(status.st_mtime_ns, LATEST_NS)}


def _base_row(header: RawHeader, *, salt: bytes) -> Row:
    values, little = header.values, header.little_endian
    charset = text(values.get(_CHARSET)) or ""
    row: Row = {name: text(values.get(tag), charset=charset) for name, tag in _TEXTS.items()}
    row |= {name: integer(values.get(tag)) for name, tag in _INTEGERS.items()}
    row |= {name: positive(values.get(tag)) for name, tag in _POSITIVES.items()}
    row["n_file_frames"] = max(1, integer(values.get(_FRAMES)) or 1)
    row["rows"] = unsigned(values.get(_ROWS), little_endian=little)
    row["columns"] = unsigned(values.get(_COLUMNS), little_endian=little)
    row["transfer_syntax"] = header.transfer_syntax
    row["has_pixels"] = header.pixel_length is not None and header.pixel_length != 0
    row["velocity_encoded"] = _velocity_encoded(row, header)
    row["person_key"] = _person_key(values, salt=salt)
    return row | _geometry(values) | _timing(values, little_endian=little) | _person(values)


def _geometry(values: Mapping[int, bytes]) -> Row:
    position = geometry_row(spacing=None, position=numbers(values.get(_POSITION)), orientation=None)
    return _plane(values.get(_SPACING), values.get(_ORIENTATION)) | position


@lru_cache(maxsize=256)  # the planes of a slice are one
def _plane(spacing: bytes | None, orientation: bytes | None) -> Row:
    return geometry_row(spacing=numbers(spacing), position=None, orientation=numbers(orientation))


def geometry_row(*, spacing: list[float] | None, position: list[float] | None, orientation: list[float] | None) -> Row:
    """Geometry columns; only what makes sense: positive spacing, three coordinates, two perpendicular unit vectors."""
    row: Row = {}
    if spacing is not None and len(spacing) == 2 and min(spacing) > 0:
        row["row_spacing_mm"], row["column_spacing_mm"] = spacing
    if position is not None and len(position) == 3:
        row["position_x"], row["position_y"], row["position_z"] = position
    vectors = unit_vectors(orientation)
    if vectors is not None:
        names = ("row_x", "row_y", "row_z", "column_x", "column_y", "column_z")
        row |= dict(zip(names, vectors, strict=True))
    return row


def _timing(values: Mapping[int, bytes], *, little_endian: bool) -> Row:
    interval = positive(values.get(_INTERVAL)) or positive(values.get(_RR_NOMINAL))
    trigger = number(values.get(_TRIGGER))
    if trigger is None:
        trigger = number(values.get(_TRIGGER_DELAY))
    percent = number(values.get(_PERCENT_PHASE))
    if trigger is None and percent is not None and interval is not None:
        trigger = percent / 100.0 * interval
    temporal, n_cardiac = integer(values.get(_TEMPORAL)), integer(values.get(_N_CARDIAC))
    if values.get(_PHILIPS_CREATOR, b"").startswith(b"Philips Imaging DD 001"):
        temporal = integer(values.get(_PHILIPS_PHASE)) if temporal is None else temporal
        phases = unsigned(values.get(_PHILIPS_N_PHASES), little_endian=little_endian)
        n_cardiac = n_cardiac or whole(phases)
    return {
        "trigger_time_ms": trigger,
        "temporal_position": temporal,
        "acquisition_time_s": seconds(values.get(_ACQUISITION_TIME) or values.get(_ACQUISITION_DATETIME)),
        "content_time_s": seconds(values.get(_CONTENT_TIME)),
        "nominal_interval_ms": interval,
        "n_cardiac_images": n_cardiac or integer(values.get(_N_TEMPORAL)) or None,
    }


def _person(values: Mapping[int, bytes]) -> Row:
    said = (values.get(tag) for tag in (_SEX, _AGE, _BIRTH_DATE, _STUDY_DATE))
    sex, age = _sex_and_age(*said)
    return {
        "sex": sex,
        "age_years": age,
        "height_cm": centimetres(values.get(_SIZE)),
        "weight_kg": kilograms(values.get(_WEIGHT)),
    }


@lru_cache(maxsize=256)  # a person has many images
def _sex_and_age(
    sex: bytes | None, age: bytes | None, birth: bytes | None, study: bytes | None
) -> tuple[str | None, float | None]:
    said, told = (text(sex) or "").upper(), years(age)
    if told is None and birth and study and valid_date(birth) and valid_date(study):
        told = _years_between(birth, study)
    return said if said in ("M", "F") else None, told


def _years_between(birth: bytes, study: bytes) -> float | None:
    born, seen = int(birth.strip(b"\0 ")), int(study.strip(b"\0 "))
    age = (seen - born) // 10000  # whole years between two YYYYMMDD
    return float(age) if 0 <= age < 130 else None


def _person_key(values: Mapping[int, bytes], *, salt: bytes) -> str | None:
    """Digests of a person, useless outside this cohort's scans: of two words of the name and the birth date, then, each
    perhaps empty since headers of one person may leave it out, of further names and of the sex (see
    `io.id_units.agree`).

    Names are compared as people read them: whatever the character set, the case and the signs between words.
    """
    name, birth, sex, charset = (values.get(tag) for tag in (_NAME, _BIRTH_DATE, _SEX, _CHARSET))
    return _person_digests(name, birth, sex, charset, salt)


@lru_cache(maxsize=256)
def _person_digests(
    name: bytes | None, birth: bytes | None, sex: bytes | None, charset: bytes | None, salt: bytes
) -> str | None:
    called = text(name, charset=text(charset) or "") or ""
    words = re.sub(r"[\s^=,\0]+", " ", unicodedata.normalize("NFKC", called).casefold()).split()
    if not words or _PLACEHOLDER.match(" ".join(words)) or not valid_date(birth):
        return None
    base = " ".join((*words[:2], text(birth) or ""))
    said = (text(sex) or "").upper()
    parts = (base, " ".join(words[2:]), said if said in ("M", "F") else "")
    return "/".join(hashlib.sha256(salt + b"\x1f" + part.encode()).hexdigest() if part else "" for part in parts)


def _velocity_encoded(row: Row, header: RawHeader) -> bool:
    values, little = header.values, header.little_endian
    kinds = {part.strip().upper() for part in (row["image_type"] or "").split("\\")}
    if kinds & _VELOCITY_TYPES or "P" in (row["image_type"] or "").split("\\")[2:3]:
        return True
    if _VELOCITY_SEQUENCE.search(row["sequence_name"] or ""):
        return True
    if text(values.get(_PHASE_CONTRAST)) == "YES" or text(values.get(_COMPLEX_COMPONENT)) == "PHASE":
        return True
    if values.get(_SIEMENS_CREATOR, b"").startswith(b"SIEMENS MR HEADER"):
        return bool(re.match(r"v\d", text(values.get(_SIEMENS_FLOW)) or ""))
    if values.get(_GE_CREATOR, b"").startswith(b"GEMS_ACQU_01"):
        # The number may be left over from another acquisition: the pulse sequence must be phase contrast too.
        pulse = (text(values.get(_GE_PULSE)) or "").lower()
        phase_contrast = any(part in pulse for part in ("pc", "flow", "vel"))
        return phase_contrast and bool(unsigned(values.get(_GE_VENC), little_endian=little))
    if values.get(_PHILIPS_CREATOR, b"").startswith(b"Philips Imaging DD 001"):
        return any(float32s(values.get(_PHILIPS_VENC), little_endian=little))
    return False


def _lacking_pixels(header: RawHeader, row: Row) -> str | None:
    """What a file lacks that holds fewer pixel bytes than its header promises (uncompressed: exactly known)."""
    length = header.pixel_length
    if not row["has_pixels"] or length is None:
        return None
    values, little = header.values, header.little_endian
    bits = unsigned(values.get(_BITS), little_endian=little) or 16
    samples = unsigned(values.get(_SAMPLES), little_endian=little) or 1
    expected = (row["rows"] or 0) * (row["columns"] or 0) * samples * row["n_file_frames"] * bits // 8
    if header.transfer_syntax not in _UNCOMPRESSED:
        expected = 1 if length == -1 else length
    if header.pixel_available >= max(expected, length):
        return None
    if length == -1:
        return "its compressed pixel data ends before the last fragment"
    return f"its pixel data has {header.pixel_available} bytes where the header promises {max(expected, length)}"
