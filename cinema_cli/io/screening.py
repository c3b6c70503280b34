"""Why a series can be no cine of the heart: other modalities, other contrasts, no cycle."""

from collections.abc import Mapping, Sequence

import numpy as np

from cinema_cli.domain.cine import Note
from cinema_cli.io.keywords import part_keyword
from cinema_cli.io.parts import MIN_FRAMES, Columns, Part, image_kind

_REASONS: Mapping[str, str] = {
    "flow": "phase-contrast flow images, not a cine of the walls",
    "t1_map": "images of a T1 map or its source",
    "t2_map": "images of a T2 or T2* map or its source",
    "lge": "late enhancement images",
    "perfusion": "first-pass perfusion images, one a heartbeat",
    "derived": "images that a program made from others",
    "tagging": "tagged cine: the tag lines hide the borders",
    "rvot": "a cine of the right ventricle's own long axis or outflow, which no view uses",
    "aorta": "a cine of the great vessels, which no view uses",
    "localizer": "localizer images for planning",
}


def screen(part: Part, table: Columns) -> Note | None:
    """Why a part can be no cine of the heart: a code and a sentence; None where it may be one."""
    word = part_keyword(part, table)
    return _not_an_image(part, table) or _other_contrast(part, table, word) or _not_a_cycle(part, table, word)


def _not_an_image(part: Part, table: Columns) -> Note | None:
    """Other modalities, made-up images, images without pixels or place."""
    first = part.rows[0]
    modality = str(table["modality"][first] or "")
    tokens = set(str(table["image_type"][first] or "").upper().split("\\"))
    if modality != "MR":
        return Note("not_mr", f"modality {modality or 'unknown'}: cinema reads MR images only")
    if str(table["sop_class_uid"][first] or "").startswith("1.2.840.10008.5.1.4.1.1.7"):
        return Note("secondary_capture", "a screen capture, not an acquired image")
    made = tokens & {
        "SECONDARY",
        "SCREEN SAVE",
        "MPR",
        "CSA MPR",
        "PROJECTION IMAGE",
        "MIP",
        "SUBTRACTION",
        "RESAMPLED",
    }
    if made:
        return Note("derived", f"derived images (ImageType has {', '.join(sorted(made))}), not acquired ones")
    sentences = {
        "no_pixels": "at least one file has no pixel data",
        "no_geometry": "ImagePositionPatient or ImageOrientationPatient is absent or not a valid plane",
        "bad_spacing": f"PixelSpacing is {part.spacing_mm[0]:g} x {part.spacing_mm[1]:g} mm: sizes cannot be measured",
    }
    return Note(part.defect, sentences[part.defect]) if part.defect else None


def _other_contrast(part: Part, table: Columns, word: str | None) -> Note | None:
    """Flow, maps, late enhancement, perfusion and tagging, by marker, by varying contrast, then by word."""
    rows = part.rows
    velocity = any(bool(v) for v in table["velocity_encoded"][rows])
    if velocity or image_kind(table["image_type"][rows[0]]) == "phase":
        return Note("flow", _REASONS["flow"] + " (velocity encoding or phase images in the headers)")
    for name, code, what in (("inversion_time_ms", "t1_map", "inversion"), ("echo_time_ms", "t2_map", "echo")):
        values = table[name][rows].astype(float)
        n = len(np.unique(np.round(values[np.isfinite(values)], 1)))
        if n >= 3 and n >= part.n_frames / 2 and part.n_frames > 1:
            return Note(code, f"{_REASONS[code]}: {n} different {what} times")
    if word in ("derived", "flow", "t1_map", "t2_map", "lge", "perfusion", "tagging", "rvot", "aorta"):
        return Note(word, f"{_REASONS[word]} (by its description)")
    return None


def _not_a_cycle(part: Part, table: Columns, word: str | None) -> Note | None:
    """Too few frames at each position, or frames that are not of one heart cycle."""
    frames = part.n_frames
    tokens = set(str(table["image_type"][part.rows[0]] or "").upper().split("\\"))
    if "LOCALIZER" in tokens or (word == "localizer" and frames < MIN_FRAMES):
        return Note("localizer", _REASONS["localizer"])
    if frames == 1:
        return Note(
            "single_frame", "one image a position: not a cine (a localizer, anatomy or late enhancement series)"
        )
    if frames < MIN_FRAMES:
        return Note("too_few_frames", f"{frames} frames a position; a cine needs {MIN_FRAMES} to show end-systole")
    if part.sorted_by == "trigger_time_ms":
        span = float(np.median([np.ptp(run.times) for run in part.runs]))
        if span > 3000.0:
            return Note("not_one_cycle", f"trigger times span {span / 1000:.1f} s: perfusion or real-time images")
    if part.sorted_by in ("acquisition_time_s", "content_time_s"):
        step = float(np.median([np.median(np.diff(run.times)) for run in part.runs]))
        if step > 300.0:
            return Note("not_one_cycle", f"images are {step:.0f} ms apart: one a heartbeat, not a cine")
    return None


def is_flow_magnitude(part: Part, phase_parts: Sequence[Part]) -> bool:
    """True for a single slice of which velocity images exist too, at the same place with as many frames."""
    if part.n_slices != 1:
        return False
    origin = part.runs[0].origin_mm
    return any(
        other.n_frames == part.n_frames
        and other.shape == part.shape
        and abs(other.normal @ part.normal) > 0.999
        and bool(np.linalg.norm(other.runs[0].origin_mm - origin) < 1.0)
        for other in phase_parts
        if other.runs
    )


def is_three_plane_localizer(parts: Sequence[Part]) -> bool:
    """True for the parts of one series that are single images in three or more orientations."""
    return len(parts) >= 3 and all(part.n_frames == 1 for part in parts)
