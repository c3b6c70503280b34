"""What DICOM headers say as rows of the table of images; what many files say alike is decoded once."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from cinema_cli.io import dicom_tags as tags
from cinema_cli.io.dicom_enhanced import FRAME_COLUMNS
from cinema_cli.io.dicom_file import DicomFile, Row, frames_of, lacking_pixels, promised_bytes
from cinema_cli.io.dicom_header import RawHeader
from cinema_cli.io.dicom_person import person
from cinema_cli.io.dicom_values import (
    binary,
    geometry_row,
    integer,
    number,
    numbers,
    positive,
    seconds,
    text,
    unsigned,
    whole,
)
from cinema_cli.io.instances import INSTANCE_SCHEMA

Values = Mapping[int, bytes]

_OWN = (
    "sop_uid", "acquisition_number", "instance_number", "position_x", "position_y", "position_z", "trigger_time_ms",
    "temporal_position", "acquisition_time_s", "content_time_s", "defect", "file_size", "mtime_ns",
)  # fmt: skip
_OWN_SCHEMA = {name: INSTANCE_SCHEMA[name] for name in _OWN}
_PLACE = ("path", "member", "frame_item")
_SHARED_SCHEMA = {name: kind for name, kind in INSTANCE_SCHEMA.items() if name not in (*_OWN, *_PLACE)}
_FRAME_SCHEMA = {"file": pl.Int64, **{name: INSTANCE_SCHEMA[name] for name in ("frame_item", *FRAME_COLUMNS)}}
_NOWHERE = (None, None, None)

_VELOCITY_TYPES = frozenset(
    ("VELOCITY", "VELOCITY MAP", "PHASE CONTRAST", "PHASE_CONTRAST", "PHASE CONTRAST M", "PCA", "M_PCA", "P_PCA", "VEL")
)
_VELOCITY_SEQUENCE = re.compile(r"(^|[^a-z])fl\w*_v\d+|_v\d+(in|through|rl|lr|ap|pa|fh|hf)", re.IGNORECASE)


def image_rows(files: Sequence[DicomFile], *, salt: bytes) -> pl.DataFrame:
    """Rows of INSTANCE_SCHEMA for each image of some files; in place of `path` and `member`, `file` is the number of
    its file. `salt` keeps `person_key` from being guessed.

    A file that was cut short behind its header has its rows too, with a sentence in `defect`: who it is of is known.
    """
    kinds: dict[tuple[Any, ...], int] = {}
    shared: list[Row] = []
    promised: list[int] = []
    of_file, own = [], []
    for file in files:
        header = file.header
        kind = kinds.setdefault((file.described, *_shared_values(header)), len(kinds))
        if kind == len(shared):
            shared.append(_shared_row(header, described=file.described, salt=salt))
            promised.append(promised_bytes(header))
        of_file.append(kind)
        own.append((*_own(header), lacking_pixels(header, promised=promised[kind]), file.size, file.mtime_ns))
    columns = zip(_OWN_SCHEMA, zip(*own, strict=True), strict=True)
    table = _table(shared)[of_file].hstack(pl.DataFrame(dict(columns), schema=_OWN_SCHEMA))
    return _by_frame(table, files)


def _shared_values(header: RawHeader) -> tuple[Any, ...]:
    """All that `_shared_row` depends on."""
    own = (header.transfer_syntax, header.little_endian, bool(header.pixel_length))
    return (*own, *map(header.values.get, tags.SHARED))


def _table(rows: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame({name: [row.get(name) for row in rows] for name in _SHARED_SCHEMA}, schema=_SHARED_SCHEMA)


def _by_frame(table: pl.DataFrame, files: Sequence[DicomFile]) -> pl.DataFrame:
    """Rows of files as rows of their images, with what the frames of an enhanced object say themselves."""
    counts = np.array([file.n_frames for file in files])
    number = np.repeat(np.arange(len(files)), counts)
    items = np.arange(len(number)) - np.repeat(counts.cumsum() - counts, counts)
    if len(number) > len(files):
        table = table[number]
    table = table.with_columns(frame_item=pl.Series(items, dtype=pl.Int32), file=pl.Series(number, dtype=pl.Int64))
    if all(file.frames is None for file in files):
        return table
    said = [
        (n, item, *map(row.get, FRAME_COLUMNS))
        for n, file in enumerate(files)
        for item, row in enumerate(file.frames or ())
    ]
    return table.update(pl.DataFrame(said, schema=_FRAME_SCHEMA, orient="row"), on=["file", "frame_item"])


def _own(header: RawHeader) -> tuple[Any, ...]:
    """Values of the first columns of _OWN_SCHEMA."""
    values, get = header.values, header.values.get
    position = numbers(get(tags.POSITION))
    temporal = integer(get(tags.TEMPORAL))
    if temporal is None and _is_philips(values):
        temporal = integer(get(tags.PHILIPS_PHASE))
    return (
        text(get(tags.SOP_UID)),
        integer(get(tags.ACQUISITION_NUMBER)),
        integer(get(tags.INSTANCE_NUMBER)),
        *(position if position is not None and len(position) == 3 else _NOWHERE),
        _trigger_ms(header),
        temporal,
        seconds(get(tags.ACQUISITION_TIME) or get(tags.ACQUISITION_DATETIME)),
        seconds(get(tags.CONTENT_TIME)),
    )


def _trigger_ms(header: RawHeader) -> float | None:
    trigger = number(header.values.get(tags.TRIGGER))
    if trigger is None:
        trigger = _binary(header, tags.TRIGGER_DELAY, "d")
    if trigger is not None:
        return trigger
    percent = _binary(header, tags.PERCENT_PHASE, "f")
    interval = _interval_ms(header) if percent is not None else None
    return percent / 100.0 * interval if percent is not None and interval is not None else None


def _interval_ms(header: RawHeader) -> float | None:
    interval = positive(header.values.get(tags.INTERVAL)) or _binary(header, tags.RR_NOMINAL, "d")
    return interval if interval is not None and interval > 0 else None


def _binary(header: RawHeader, tag: int, code: str) -> float | None:
    """The first binary number of what frames of enhanced objects say, and classic files that were made of them."""
    values = binary(header.values.get(tag), code, little_endian=header.little_endian)
    return values[0] if values else None


def _is_philips(values: Values) -> bool:
    return (values.get(tags.PHILIPS_CREATOR) or b"").startswith(b"Philips Imaging DD 001")


def _shared_row(header: RawHeader, *, described: str | None, salt: bytes) -> Row:
    """Values of _SHARED_SCHEMA, as far as there are any."""
    values, little = header.values, header.little_endian
    charset = text(values.get(tags.CHARSET)) or ""
    row: Row = {name: text(values.get(tag), charset=charset) for name, tag in tags.TEXTS.items()}
    row["series_description"] = row["series_description"] or described
    row |= {name: positive(values.get(tag)) for name, tag in tags.POSITIVES.items()}
    row |= geometry_row(
        spacing=numbers(values.get(tags.SPACING)), position=None, orientation=numbers(values.get(tags.ORIENTATION))
    )
    return {
        **row,
        **person(values, salt=salt),
        "n_file_frames": frames_of(values.get(tags.FRAMES)),
        "series_number": integer(values.get(tags.SERIES_NUMBER)),
        "rows": whole(unsigned(values.get(tags.ROWS), little_endian=little)),
        "columns": whole(unsigned(values.get(tags.COLUMNS), little_endian=little)),
        "nominal_interval_ms": _interval_ms(header),
        "n_cardiac_images": _cardiac_images(values, little_endian=little),
        "transfer_syntax": header.transfer_syntax,
        "has_pixels": bool(header.pixel_length),
        "velocity_encoded": _velocity_encoded(row["image_type"] or "", header),
    }


def _cardiac_images(values: Values, *, little_endian: bool) -> int | None:
    told = integer(values.get(tags.N_CARDIAC))
    if not told and _is_philips(values):
        told = whole(unsigned(values.get(tags.PHILIPS_N_PHASES), little_endian=little_endian))
    return told or integer(values.get(tags.N_TEMPORAL)) or None


def _velocity_encoded(image_type: str, header: RawHeader) -> bool:
    values, little = header.values, header.little_endian
    kinds = image_type.split("\\")
    if {part.strip().upper() for part in kinds} & _VELOCITY_TYPES or "P" in kinds[2:3]:
        return True
    if _VELOCITY_SEQUENCE.search(text(values.get(tags.SEQUENCE_NAME)) or ""):
        return True
    if text(values.get(tags.PHASE_CONTRAST)) == "YES" or text(values.get(tags.COMPLEX_COMPONENT)) == "PHASE":
        return True
    if values.get(tags.SIEMENS_CREATOR, b"").startswith(b"SIEMENS MR HEADER"):
        return bool(re.match(r"v\d", text(values.get(tags.SIEMENS_FLOW)) or ""))
    if values.get(tags.GE_CREATOR, b"").startswith(b"GEMS_ACQU_01"):
        # The number may be left over from another acquisition: the pulse sequence must be phase contrast too.
        pulse = (text(values.get(tags.GE_PULSE)) or "").lower()
        phase_contrast = any(part in pulse for part in ("pc", "flow", "vel"))
        return phase_contrast and bool(unsigned(values.get(tags.GE_VENC), little_endian=little))
    return _is_philips(values) and any(binary(values.get(tags.PHILIPS_VENC), "f", little_endian=little) or ())
