"""Enhanced multi-frame MR: shared and per-frame functional groups as columns of the table of images."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from cinema_cli.io import dicom_tags as tags
from cinema_cli.io.dicom_elements import BrokenFileError, Item, items_of
from cinema_cli.io.dicom_header import RawHeader
from cinema_cli.io.dicom_values import binary, geometry_row, numbers, seconds, text, whole

# Functional groups, and what Philips and converters of classic headers put into them
_CONTENT, _POSITION, _ORIENTATION, _MEASURES = 0x00209111, 0x00209113, 0x00209116, 0x00289110
_TIMING, _ECHO, _MODIFIER, _CARDIAC = 0x00189112, 0x00189114, 0x00189115, 0x00189118
_VELOCITY, _FRAME_TYPE = 0x00189197, 0x00189226
_PHILIPS_FRAME, _CONVERTED = 0x2005140F, 0x00209171  # a classic header of each frame
# What they hold
_KIND, _CONTRAST, _COMPONENT, _MOST_VELOCITY = 0x00089007, 0x00089209, 0x00089208, 0x00189217
_ECHO_TIME, _INVERSION_TIMES, _FLIP_ANGLE = 0x00189082, 0x00189079, 0x00181314
_REPETITION_TIME, _THICKNESS, _BETWEEN = 0x00180080, 0x00180050, 0x00180088
_ACQUIRED, _REFERENCE, _TEMPORAL = 0x00189074, 0x00189151, 0x00209128
_BINARY = {b"FD": "d", b"FL": "f", b"UL": "I", b"US": "H", b"SL": "i", b"SS": "h"}
_OF_ITEMS = frozenset((b"SQ", b"UN", b""))  # value types that sequences are written with
_TYPES = {  # value types by the standard, of those that are no text, for files that do not write them
    _ECHO_TIME: b"FD", _INVERSION_TIMES: b"FD", _MOST_VELOCITY: b"FD", tags.TRIGGER_DELAY: b"FD",
    tags.RR_NOMINAL: b"FD", tags.PERCENT_PHASE: b"FL", _TEMPORAL: b"UL",
}  # fmt: skip


FRAME_COLUMNS = (
    "row_spacing_mm", "column_spacing_mm", "position_x", "position_y", "position_z", "row_x", "row_y", "row_z",
    "column_x", "column_y", "column_z", "thickness_mm", "spacing_between_mm", "repetition_time_ms", "flip_angle_deg",
    "echo_time_ms", "inversion_time_ms", "trigger_time_ms", "nominal_interval_ms", "temporal_position",
    "acquisition_time_s", "image_type", "velocity_encoded",
)  # fmt: skip
"""What frames may say themselves."""


def frame_rows(header: RawHeader, *, n_frames: int) -> list[dict[str, Any]]:
    """FRAME_COLUMNS of each frame of an enhanced object, in stored order, as far as they say something.

    Raises `BrokenFileError` (code `unreadable`) where the groups cannot be read.
    """
    try:
        groups = _items(header, tags.FRAME_GROUPS, most=n_frames + 1)
        if len(groups) == n_frames:
            shared = next(iter(_items(header, tags.SHARED_GROUPS, most=1)), None)
            return [_frame_row(_Frame(group, shared)) for group in groups]
    except BrokenFileError as error:
        raise BrokenFileError("its functional groups cannot be read", code="unreadable") from error
    finally:
        _groups.cache_clear()  # nothing of a file is held when it was read
    described = len(groups) if len(groups) < n_frames else "more"
    raise BrokenFileError(f"its header describes {described} frames and promises {n_frames}", code="unreadable")


@dataclass(frozen=True, slots=True)
class _Group:
    """An item of a sequence."""

    elements: Item
    explicit: bool  # whether value types are written out
    little_endian: bool

    def items(self, tag: int) -> tuple["_Group", ...]:
        """The items of a sequence that hold something."""
        vr, sequence = self.elements.get(tag, (b"", b""))
        return _groups(sequence, self.explicit and vr != b"UN", self.little_endian) if vr in _OF_ITEMS else ()

    def raw(self, tag: int) -> bytes:
        """A value, empty where there is none."""
        return self.elements.get(tag, (b"", b""))[1]

    def numbers(self, tag: int) -> tuple[float, ...] | None:
        """Every value; None unless there are some and all are finite numbers."""
        vr, raw = self.elements.get(tag, (b"", b""))
        code = _BINARY.get(_TYPES.get(tag, b"DS") if vr in (b"", b"UN") else vr)
        return numbers(raw) if code is None else binary(raw, code, little_endian=self.little_endian)

    def number(self, tag: int) -> float | None:
        """The first value, where all are finite."""
        values = self.numbers(tag)
        return values[0] if values else None

    def positive(self, tag: int) -> float | None:
        """The first value, where it is above zero."""
        value = self.number(tag)
        return value if value is not None and value > 0 else None


@dataclass(frozen=True, slots=True)
class _Frame:
    """The groups of a frame."""

    own: _Group
    shared: _Group | None

    def items(self, tag: int) -> tuple[_Group, ...]:
        """The items of a group: the frame's own, else the shared ones."""
        return self.own.items(tag) or (self.shared.items(tag) if self.shared else ())

    def group(self, tag: int) -> _Group:
        """The item of a group, which may be empty."""
        return next(iter(self.items(tag)), _NOTHING)


_NOTHING = _Group({}, explicit=True, little_endian=True)


def _items(header: RawHeader, tag: int, *, most: int) -> tuple[_Group, ...]:
    """The first items of a sequence of the header, empty ones too."""
    vr, little = header.sequence_types.get(tag), header.little_endian
    if vr not in _OF_ITEMS:
        return ()
    explicit = header.explicit and vr != b"UN"  # PS3.5 6.2.2, see `_walk` of `io.dicom_header`
    items = items_of(header.values[tag], explicit=explicit, little=little)
    return tuple(_Group(item, explicit, little) for item in islice(items, most))


@lru_cache(maxsize=512)  # frames of a file are alike in most
def _groups(sequence: bytes, explicit: bool, little: bool) -> tuple[_Group, ...]:
    items = items_of(sequence, explicit=explicit, little=little)
    return tuple(_Group(item, explicit, little) for item in items if item)


def _frame_row(frame: _Frame) -> dict[str, Any]:
    measures, timing, kind = (frame.group(tag) for tag in (_MEASURES, _TIMING, _FRAME_TYPE))
    row: dict[str, Any] = {
        **geometry_row(
            spacing=measures.numbers(tags.SPACING),
            position=frame.group(_POSITION).numbers(tags.POSITION),
            orientation=frame.group(_ORIENTATION).numbers(tags.ORIENTATION),
        ),
        "thickness_mm": measures.positive(_THICKNESS),
        "spacing_between_mm": measures.positive(_BETWEEN),
        "repetition_time_ms": timing.positive(_REPETITION_TIME),
        "flip_angle_deg": timing.positive(_FLIP_ANGLE),
        "echo_time_ms": frame.group(_ECHO).positive(_ECHO_TIME),
        "inversion_time_ms": frame.group(_MODIFIER).positive(_INVERSION_TIMES),
        **_frame_timing(frame),
        "image_type": text(kind.raw(_KIND)),
        "velocity_encoded": _flows(frame, kind) or None,
    }
    return {name: value for name, value in row.items() if value is not None}


def _frame_timing(frame: _Frame) -> dict[str, Any]:
    content, cardiac = frame.group(_CONTENT), frame.group(_CARDIAC)
    trigger = cardiac.number(tags.TRIGGER_DELAY)
    if trigger is None:
        trigger = _classic_trigger_ms(frame.own)
    interval, percent = cardiac.positive(tags.RR_NOMINAL), cardiac.number(tags.PERCENT_PHASE)
    if trigger is None and percent is not None and interval is not None:
        trigger = percent / 100.0 * interval
    return {
        "trigger_time_ms": trigger,
        "nominal_interval_ms": interval,
        "temporal_position": whole(content.number(_TEMPORAL)),
        "acquisition_time_s": seconds(content.raw(_ACQUIRED) or content.raw(_REFERENCE)),
    }


def _classic_trigger_ms(own: _Group) -> float | None:
    """What the classic header of a frame says; what vendors put in its place may be anything."""
    for tag in (_PHILIPS_FRAME, _CONVERTED):
        try:
            items = own.items(tag)
        except BrokenFileError:
            continue
        if items:
            return items[0].number(tags.TRIGGER)
    return None


def _flows(frame: _Frame, kind: _Group) -> bool:
    """Whether the frame is velocity encoded."""
    if any(item.positive(_MOST_VELOCITY) for item in frame.items(_VELOCITY)):
        return True
    return text(kind.raw(_CONTRAST)) in ("FLOW_ENCODED", "PHASE_CONTRAST") or text(kind.raw(_COMPONENT)) == "PHASE"
