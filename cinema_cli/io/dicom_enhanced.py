"""Enhanced multi-frame MR: shared and per-frame functional groups as columns of the instance table."""

import math
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset

from cinema_cli.io.dicom_file import geometry_row
from cinema_cli.io.dicom_header import BrokenFileError
from cinema_cli.io.dicom_values import seconds, whole
from cinema_cli.io.members import Member

_SHARED, _PER_FRAME = 0x52009229, 0x52009230
_PHILIPS_FRAME = 0x2005140F  # Philips puts a classic header of each frame here


def frame_values(source: Path | Member, *, n_frames: int) -> Iterator[dict[str, Any]]:
    """Columns that each frame of an enhanced object says itself, in stored order.

    Raises `BrokenFileError` (code `unreadable`) where the groups cannot be read.
    """
    file = BytesIO(source.content()) if isinstance(source, Member) else source
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd values are ours to judge
        try:
            dataset = dcmread(file, stop_before_pixels=True, specific_tags=[_SHARED, _PER_FRAME], force=True)
            shared = _first(dataset, "SharedFunctionalGroupsSequence")
            groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
            if len(groups) != n_frames:
                raise BrokenFileError(
                    f"its header describes {len(groups)} frames and promises {n_frames}", code="unreadable"
                )
            rows = [_frame_row(group, shared) for group in groups]
        except BrokenFileError:
            raise
        except Exception as error:  # pydicom raises many kinds on damaged sequences
            raise BrokenFileError("its functional groups cannot be read", code="unreadable") from error
    yield from rows


def _first(dataset: Dataset | None, keyword: str) -> Dataset | None:
    items = dataset.get(keyword) if dataset is not None else None
    return items[0] if items else None


def _macro(group: Dataset, shared: Dataset | None, keyword: str) -> Dataset:
    """A functional group's item: the frame's own, else the shared one, else empty."""
    return _first(group, keyword) or _first(shared, keyword) or Dataset()


def _number(item: Dataset, keyword: str) -> float | None:
    value = item.get(keyword)
    try:
        number = float(value[0] if isinstance(value, (list, tuple)) else value)
    except (TypeError, ValueError, IndexError):
        return None
    return number if math.isfinite(number) else None


def _numbers(item: Dataset, keyword: str) -> list[float] | None:
    try:
        values = [float(value) for value in item.get(keyword) or []]
    except (TypeError, ValueError):
        return None
    return values if values and all(map(math.isfinite, values)) else None


def _positive(item: Dataset, keyword: str) -> float | None:
    value = _number(item, keyword)
    return value if value is not None and value > 0 else None


def _frame_row(group: Dataset, shared: Dataset | None) -> dict[str, Any]:
    measures = _macro(group, shared, "PixelMeasuresSequence")
    row = geometry_row(
        spacing=_numbers(measures, "PixelSpacing"),
        position=_numbers(_macro(group, shared, "PlanePositionSequence"), "ImagePositionPatient"),
        orientation=_numbers(_macro(group, shared, "PlaneOrientationSequence"), "ImageOrientationPatient"),
    )
    row["thickness_mm"] = _positive(measures, "SliceThickness")
    row["spacing_between_mm"] = _positive(measures, "SpacingBetweenSlices")
    timing = _macro(group, shared, "MRTimingAndRelatedParametersSequence")
    row["repetition_time_ms"] = _positive(timing, "RepetitionTime")
    row["flip_angle_deg"] = _positive(timing, "FlipAngle")
    row["echo_time_ms"] = _positive(_macro(group, shared, "MREchoSequence"), "EffectiveEchoTime")
    modifier = _macro(group, shared, "MRModifierSequence")
    row["inversion_time_ms"] = _positive(modifier, "InversionTimes")
    row |= _frame_timing(group, shared)
    frame_type = _macro(group, shared, "MRImageFrameTypeSequence")
    if kinds := frame_type.get("FrameType"):
        row["image_type"] = "\\".join([kinds] if isinstance(kinds, str) else kinds)
    if _flows(group, shared, frame_type):
        row["velocity_encoded"] = True
    return {name: value for name, value in row.items() if value is not None}


def _frame_timing(group: Dataset, shared: Dataset | None) -> dict[str, Any]:
    content = _macro(group, shared, "FrameContentSequence")
    cardiac = _macro(group, shared, "CardiacSynchronizationSequence")
    vendor = group.get(_PHILIPS_FRAME)
    philips = vendor.value[0] if vendor is not None and vendor.VR == "SQ" and vendor.value else None
    classic = philips or _first(group, "UnassignedPerFrameConvertedAttributesSequence") or Dataset()
    trigger = _number(cardiac, "NominalCardiacTriggerDelayTime")
    if trigger is None:
        trigger = _number(classic, "TriggerTime")
    interval = _positive(cardiac, "RRIntervalTimeNominal")
    percent = _number(cardiac, "NominalPercentageOfCardiacPhase")
    if trigger is None and percent is not None and interval is not None:
        trigger = percent / 100.0 * interval
    moment = str(content.get("FrameAcquisitionDateTime") or content.get("FrameReferenceDateTime") or "")
    temporal = _number(content, "TemporalPositionIndex")
    return {
        "trigger_time_ms": trigger,
        "nominal_interval_ms": interval,
        "temporal_position": whole(temporal),
        "acquisition_time_s": seconds(moment),
    }


def _flows(group: Dataset, shared: Dataset | None, frame_type: Dataset) -> bool:
    """Whether the frame is velocity encoded."""
    encodings = group.get("MRVelocityEncodingSequence") or (shared or Dataset()).get("MRVelocityEncodingSequence") or []
    if any(_positive(item, "VelocityEncodingMaximumValue") for item in encodings):
        return True
    contrast = str(frame_type.get("AcquisitionContrast") or "")
    return (
        contrast in ("FLOW_ENCODED", "PHASE_CONTRAST") or str(frame_type.get("ComplexImageComponent") or "") == "PHASE"
    )
