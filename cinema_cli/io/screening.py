"""Why a series can be no cine of the heart: other modalities, other contrasts, no cycle."""

from collections.abc import Mapping, Sequence

import numpy as np

from cinema_cli.domain.cine import Note, View
from cinema_cli.io.dicom_values import image_kind
from cinema_cli.io.keywords import MENTIONED, keyword, part_keyword, part_meanings, plane_keyword
from cinema_cli.io.parts import Part
from cinema_cli.io.passes import MIN_FRAMES, TIMES_OF_DAY, Columns, Run, is_evenly_timed
from cinema_cli.io.timing import CYCLE_MS, STEP_MS
from cinema_cli.io.vectors import Ints, median
from cinema_cli.io.views import is_short_axis_slice

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


MOMENTS = ("ed", "es", "frame")  # what names of single frames say
ONE_A_BEAT_MS = 300.0  # time between images: longer than any cine's, shorter than a beat at 200 a minute

NOTHING_ORDERS = (
    "nothing orders the frames: there are no trigger times, and no other time or number that differs from image to "
    "image and can be trusted"
)


def are_given(rows: Ints, table: Columns) -> bool:
    """Whether images are single frames that somebody chose and named so: not a cycle, and none is asked for."""
    return len(rows) > 0 and all(moment in MOMENTS for moment in table["moment"][rows])


def screen(part: Part, parts: Sequence[Part], table: Columns) -> Note | None:
    """Why a part, one of `parts`, can be no cine of the heart: a code and a sentence; None where it may be one."""
    word = part_keyword(part, table)
    if word == "aorta" and is_short_axis_slice(part, parts):
        word = None  # the disease, not the plane: "pulmonary hypertension"
    note = _not_an_image(part, table) or _other_contrast(part, table, word)
    return note if note or are_given(part.rows, table) else _not_a_cycle(part, table, word)


def _not_an_image(part: Part, table: Columns) -> Note | None:
    """Other modalities, made-up images, images without pixels or place."""
    first = part.rows[0]
    if refusal := table["refusal"][first]:
        code, _, sentence = str(refusal).partition(": ")
        return Note(code, sentence or code)
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
        "bad_spacing": f"{_spacing(part)}: sizes cannot be measured",
    }
    return Note(part.defect, sentences[part.defect]) if part.defect else None


def _spacing(part: Part) -> str:
    """What a header says that holds no usable spacing; the table has none for zero, nonsense or nothing."""
    if np.isnan(part.spacing_mm).any():
        return "PixelSpacing is absent, zero or no pair of numbers"
    return f"PixelSpacing is {part.spacing_mm[0]:g} x {part.spacing_mm[1]:g} mm"


def _other_contrast(part: Part, table: Columns, word: str | None) -> Note | None:
    """Flow, maps, late enhancement, perfusion and tagging, by marker, by varying contrast, then by word."""
    rows = part.rows
    velocity = any(bool(v) for v in table["velocity_encoded"][rows])
    if velocity or image_kind(table["image_type"][rows[0]]) == "phase":
        if word in ("lge", "t1_map", "t2_map"):  # phase-sensitive inversion recovery and maps have phase images too
            return Note(word, f"{_REASONS[word]} (by its description; phase images)")
        return Note("flow", _REASONS["flow"] + " (velocity encoding or phase images in the headers)")
    for name, code, what in (("inversion_time_ms", "t1_map", "inversion"), ("echo_time_ms", "t2_map", "echo")):
        values = table[name][rows]
        n = len(np.unique(np.round(values[np.isfinite(values)], 1)))
        if n >= 3 and n >= part.n_frames / 2 and part.n_frames > 1:
            return Note(code, f"{_REASONS[code]}: {n} different {what} times")
    if word in MENTIONED and _only_mentions(part, table, word):
        word = plane_keyword(part, table)
    if word in ("derived", "flow", "t1_map", "t2_map", "lge", "perfusion", "tagging", "rvot", "aorta"):
        return Note(word, f"{_REASONS[word]} (by its description)")
    return None


def _only_mentions(part: Part, table: Columns, word: str) -> bool:
    """Whether a cine of one cycle is described as a cine or view too, or has the word from its protocol alone.

    An inversion pulse is a sign that the word is meant; velocity encoding was asked for before.
    """
    rows = part.rows
    inverted = np.isfinite(table["inversion_time_ms"][rows]).any()
    if inverted or "IR" in str(table["scanning_sequence"][rows[0]] or "").upper().split("\\"):
        return False
    from_protocol = keyword(table["series_description"][rows[0]]) is None
    described = bool({*View, "cine"} & set(part_meanings(part, table)))
    return (described or (from_protocol and word != "flow")) and _shows_one_cycle(part, table)


def _shows_one_cycle(part: Part, table: Columns) -> bool:
    """Whether frames run evenly through one heart cycle, by trigger times, else by CardiacNumberOfImages."""
    if part.n_frames < MIN_FRAMES:
        return False
    if part.sorted_by != "trigger_time_ms":
        return bool((table["n_cardiac_images"][part.rows] == part.n_frames).all())
    spans = [
        (float(np.ptp(run.times)), run.n_frames - 1)
        for run in part.runs
        if run.n_frames >= MIN_FRAMES and is_evenly_timed(run)
    ]
    within = [span <= CYCLE_MS[1] and STEP_MS[0] <= span / n_steps <= STEP_MS[1] for span, n_steps in spans]
    return sum(within) > len(part.runs) / 2


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
    ordered = [run for run in part.runs if run.sorted_by == part.sorted_by and run.n_frames > 1]
    if part.sorted_by == "":
        return Note("unordered_frames", NOTHING_ORDERS)
    if part.sorted_by == "trigger_time_ms":
        span = median([np.ptp(run.times) for run in ordered])
        if span > 3000.0:
            return Note("not_one_cycle", f"trigger times span {span / 1000:.1f} s: perfusion or real-time images")
    steps = [median(np.diff(run.times)) for run in ordered if part.sorted_by in TIMES_OF_DAY]
    steps = steps or [step for run in part.runs if (step := _acquisition_step_ms(run, table)) is not None]
    if steps and (step := median(steps)) > ONE_A_BEAT_MS:
        return Note("not_one_cycle", f"images are {step:.0f} ms apart: one a heartbeat, not a cine")
    return None


def _acquisition_step_ms(run: Run, table: Columns) -> float | None:
    """Usual time between the acquisitions of a slice's images, whatever orders them; None unless each has its own.

    In a segmented cine all frames are of the same beats: their times are equal, or tick by tens of milliseconds.
    """
    times = np.unique(table["acquisition_time_s"][run.rows])
    own = len(times) == run.n_frames > 1 and np.isfinite(times).all()
    return 1000.0 * median(np.diff(times)) if own else None


def is_flow_magnitude(part: Part, phase_parts: Sequence[Part], table: Columns) -> bool:
    """True for a single slice of which velocity images exist too, at the same place with as many frames.

    A series that is described as a cine or view, unlike the velocity images, only lies where they do.
    """
    if part.n_slices != 1:
        return False
    origin, word, told = part.runs[0].origin_mm, part_keyword(part, table), table["series_description"]
    is_cine = word == "cine" or word in set(View)
    return any(
        not (is_cine and part.series_uid != other.series_uid and told[part.rows[0]] != told[other.rows[0]])
        and other.n_frames == part.n_frames
        and other.shape == part.shape
        and abs(other.normal @ part.normal) > 0.999
        and bool(np.linalg.norm(other.runs[0].origin_mm - origin) < 1.0)
        for other in phase_parts
        if other.runs
    )


def is_three_plane_localizer(parts: Sequence[Part]) -> bool:
    """True for the parts of one series that are single images in three or more orientations."""
    return len(parts) >= 3 and all(part.n_frames == 1 for part in parts)
