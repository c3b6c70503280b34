"""Quality checks of one analysed study: each compares a number with a limit and says in a sentence what it means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Label, Note, grid_places
from cinema_cli.domain.result import Check, CheckStatus, VolumeCurves

MIN_FRAMES = 12  # systole lasts about 300 ms of a 1000 ms beat: with fewer, under four frames see it
MIN_SLICES = 5  # an adult LV is 70-110 mm long: 7-13 slices of 8-10 mm; with under 5 the discs are too coarse
MAX_STEP_RATIO = 1.5  # distance of neighbouring slices over the usual one: from here on a slice is missing
EVEN_SHARE = 0.05  # of the usual distance: steps that differ from it by less are called even
MAX_BASAL_SHARE = 0.85  # LV area of the first slice over the largest: no slice beyond the base shows that it ends there
MAX_APICAL_SHARE = 0.35  # the same of the last slice; 0.28 is the largest of 20 expert-labelled ACDC patients
MIN_UNIMODALITY = 0.75  # 1 = falls once, rises once; atrial contraction and diastasis leave it above 0.85
MAX_STROKE_DIFFERENCE_PCT = 40.0  # equal without shunt or leak; experts' contours: under 40 in 17 of 20 ACDC patients
LVEF_LIMITS_PCT = (10.0, 85.0)  # below 10 hardly anyone walks into a scanner; above 85 the ES cavity was lost
MAX_MYOCARDIUM_CHANGE_PCT = 30.0  # muscle keeps its volume; experts' contours: under 30 in 19 of 20 ACDC patients
MIN_RING_CLOSED = 0.6  # share of images (outermost left out) whose cavity is enclosed; 1.0 in experts' contours
INTERPOLATED_NOTES = ("interpolated",)  # codes of notes that start so

CHECKS: Mapping[str, str] = {  # every check in the order of run_checks, and what it passes
    "enough_frames": f"At least {MIN_FRAMES} frames cover the cycle.",
    "enough_slices": f"The LV is seen in at least {MIN_SLICES} slices at ED.",
    "gap_in_stack": f"Neighbouring slices lie at most {MAX_STEP_RATIO:g} times the usual distance apart.",
    "interpolated_frames": "No frame had to be interpolated.",
    "centre_found": "The heart's place in the images is certain.",
    "heart_cut_off": "The heart does not touch the image's border, and the stack reaches from base to apex.",
    "myo_ring_closed": f"Myocardium encloses the cavity in at least {100 * MIN_RING_CLOSED:.0f}% of images.",
    "volume_curve_unimodal": "The LV volume falls once and rises once in the cycle.",
    "lvef_plausible": f"LVEF is within {LVEF_LIMITS_PCT[0]:g} to {LVEF_LIMITS_PCT[1]:g}%.",
    "stroke_volumes_agree": f"LV and RV stroke volume differ by at most {MAX_STROKE_DIFFERENCE_PCT:g}%.",
    "myocardium_constant": f"Myocardial volume changes by at most {MAX_MYOCARDIUM_CHANGE_PCT:g}% from ED to ES.",
}


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What the checks look at. Slices from base to apex or the other way round: checks do not mind."""

    masks: NDArray[np.uint8]  # (frame, slice, row, column)
    curves: VolumeCurves
    ed_frame: int
    es_frame: int
    unimodality: float  # 0..1, of the smoothed LV curve
    slice_positions_mm: NDArray[np.float64]  # (slice,) along the normal
    base_first: bool | None  # None where the patient axes are not known
    ring_closed: float | None  # share of images whose cavity is enclosed by myocardium
    centre_found: bool
    centre_sentence: str
    notes: Sequence[Note] = ()
    has_cycle: bool = True  # False for single frames that somebody chose


def run_checks(evidence: Evidence) -> tuple[Check, ...]:
    """Every check, always in the same order; one that has nothing to look at says so with status `not_run`."""
    return (
        _enough_frames(evidence),
        _enough_slices(evidence),
        _gap_in_stack(evidence),
        _interpolated_frames(evidence),
        _centre_found(evidence),
        _heart_cut_off(evidence),
        _myo_ring_closed(evidence),
        _volume_curve_unimodal(evidence),
        _lvef_plausible(evidence),
        _stroke_volumes_agree(evidence),
        _myocardium_constant(evidence),
    )


def not_checked(reason: str) -> tuple[Check, ...]:
    """Every check of a study without short-axis masks: no slice shows an LV, and nothing else could be checked."""
    checks = {name: Check(name, CheckStatus.NOT_RUN, f"Not checked: {reason}.") for name in CHECKS}
    unseen = Check("enough_slices", CheckStatus.FLAG, f"The short axis was not measured: {reason}.", 0.0)
    return tuple((checks | {unseen.name: unseen}).values())


def _verdict(name: str, good: bool, value: float | None, *, fine: str, bad: str) -> Check:
    return Check(name, CheckStatus.PASS if good else CheckStatus.FLAG, fine if good else bad, value)


def _enough_frames(e: Evidence) -> Check:
    n = len(e.masks)
    if not e.has_cycle:
        return Check("enough_frames", CheckStatus.NOT_RUN, "Single frames were given, no cycle.", float(n))
    return _verdict(
        "enough_frames", n >= MIN_FRAMES, float(n),
        fine=f"{n} frames cover the cycle.",
        bad=f"Only {n} frames (at least {MIN_FRAMES} expected): ED and ES may lie between them.",
    )  # fmt: skip


def _enough_slices(e: Evidence) -> Check:
    n = int((e.masks[e.ed_frame] == Label.LV).any(axis=(1, 2)).sum())
    return _verdict(
        "enough_slices", n >= MIN_SLICES, float(n),
        fine=f"The left ventricle is seen in {n} slices.",
        bad=f"The left ventricle is seen in {n} slices only (at least {MIN_SLICES} expected): volumes are coarse.",
    )  # fmt: skip


def _gap_in_stack(e: Evidence) -> Check:
    steps = np.abs(np.diff(np.sort(e.slice_positions_mm)))
    usual = float(np.median(steps)) if len(steps) else 0.0
    if usual <= 0:
        return Check("gap_in_stack", CheckStatus.NOT_RUN, "One slice, or slice positions unknown.")
    ratio = float(steps.max()) / usual
    even = np.abs(steps - usual).max() <= EVEN_SHARE * usual
    fine = f"Slices are evenly spaced, {usual:.1f} mm apart."
    if not even:
        fine = f"Slices are usually {usual:.1f} mm apart, neighbours {steps.min():.1f} to {steps.max():.1f} mm."
    bad = f"Two neighbouring slices are {steps.max():.1f} mm apart, the others {usual:.1f} mm: a slice is missing."
    fits = grid_places(np.sort(e.slice_positions_mm), step_mm=usual) is not None
    off = "" if fits else " They fit no even grid: the mask file spaces them evenly all the same."
    return _verdict("gap_in_stack", ratio <= MAX_STEP_RATIO, ratio, fine=fine + off, bad=bad + off)


def _interpolated_frames(e: Evidence) -> Check:
    told = [note.sentence for note in e.notes if note.code.startswith(INTERPOLATED_NOTES)]
    return _verdict(
        "interpolated_frames", not told, float(len(told)), fine="No frame had to be interpolated.", bad=" ".join(told)
    )


def _centre_found(e: Evidence) -> Check:
    return _verdict(
        "centre_found", e.centre_found, None,
        fine=f"The heart was found {e.centre_sentence}.",
        bad=f"The heart's place is uncertain: {e.centre_sentence}.",
    )  # fmt: skip


def _heart_cut_off(e: Evidence) -> Check:
    edges = [e.masks[:, :, 0], e.masks[:, :, -1], e.masks[..., 0], e.masks[..., -1]]
    if any(edge.any() for edge in edges):
        return Check("heart_cut_off", CheckStatus.FLAG, "The heart touches the border of the image.", 1.0)
    area = np.count_nonzero(e.masks[e.ed_frame] == Label.LV, axis=(1, 2))
    if not area.any():
        return Check("heart_cut_off", CheckStatus.NOT_RUN, "No left ventricle at ED.")
    shares = (float(area[0] / area.max()), float(area[-1] / area.max()))
    base, apex = shares if e.base_first else shares[::-1]
    if e.base_first is None:
        base, apex = max(shares), min(shares)
    ends = [
        f"at the {end} the outermost slice still holds {100 * share:.0f}% of the largest LV area"
        for end, share, limit in (("base", base, MAX_BASAL_SHARE), ("apex", apex, MAX_APICAL_SHARE))
        if share > limit
    ]
    return _verdict(
        "heart_cut_off", not ends, max(shares),
        fine="The stack reaches from base to apex.",
        bad=f"The stack may not cover the whole ventricle: {' and '.join(ends)}.",
    )  # fmt: skip


def _myo_ring_closed(e: Evidence) -> Check:
    if e.ring_closed is None:
        return Check("myo_ring_closed", CheckStatus.NOT_RUN, "No image shows both cavity and wall.")
    return _verdict(
        "myo_ring_closed", e.ring_closed >= MIN_RING_CLOSED, e.ring_closed,
        fine=f"Myocardium encloses the cavity in {100 * e.ring_closed:.0f}% of images between the outermost.",
        bad=f"Myocardium encloses the cavity in only {100 * e.ring_closed:.0f}% of images between the outermost.",
    )  # fmt: skip


def _volume_curve_unimodal(e: Evidence) -> Check:
    if not e.has_cycle:
        return Check("volume_curve_unimodal", CheckStatus.NOT_RUN, "Single frames were given, no cycle.")
    if e.ed_frame == e.es_frame:
        return Check("volume_curve_unimodal", CheckStatus.FLAG, "The LV volume does not change over the frames.", 0.0)
    return _verdict(
        "volume_curve_unimodal", e.unimodality >= MIN_UNIMODALITY, e.unimodality,
        fine="The LV volume falls once and rises once.",
        bad="The LV volume goes up and down more than once in the cycle: arrhythmia, or segmentation that jumps.",
    )  # fmt: skip


def _lvef_plausible(e: Evidence) -> Check:
    edv, esv = float(e.curves.lv_ml[e.ed_frame]), float(e.curves.lv_ml[e.es_frame])
    if edv <= 0 or e.ed_frame == e.es_frame:
        return Check("lvef_plausible", CheckStatus.NOT_RUN, "There is no LV ejection fraction.")
    lvef = 100.0 * (edv - esv) / edv
    low, high = LVEF_LIMITS_PCT
    return _verdict(
        "lvef_plausible", low <= lvef <= high, lvef,
        fine=f"LVEF {lvef:.0f}% is within {low:.0f} to {high:.0f}%.",
        bad=f"LVEF {lvef:.0f}% is outside {low:.0f} to {high:.0f}%: check the contours.",
    )  # fmt: skip


def _stroke_volumes_agree(e: Evidence) -> Check:
    left, right = (float(curve[e.ed_frame] - curve[e.es_frame]) for curve in (e.curves.lv_ml, e.curves.rv_ml))
    if max(left, right) <= 0 or not e.curves.rv_ml.any():
        return Check("stroke_volumes_agree", CheckStatus.NOT_RUN, "A stroke volume is missing.")
    difference = 100.0 * abs(left - right) / max(left, right)
    return _verdict(
        "stroke_volumes_agree", difference <= MAX_STROKE_DIFFERENCE_PCT, difference,
        fine=f"LV and RV stroke volume differ by {difference:.0f}%.",
        bad=f"LV ejects {left:.0f} ml and RV {right:.0f} ml: a shunt, a leaking valve, or wrong contours at the base.",
    )  # fmt: skip


def _myocardium_constant(e: Evidence) -> Check:
    at_ed, at_es = float(e.curves.myo_ml[e.ed_frame]), float(e.curves.myo_ml[e.es_frame])
    if at_ed <= 0 or at_es <= 0:
        return Check("myocardium_constant", CheckStatus.NOT_RUN, "Myocardium is missing at ED or ES.")
    change = 100.0 * abs(at_es - at_ed) / at_ed
    return _verdict(
        "myocardium_constant", change <= MAX_MYOCARDIUM_CHANGE_PCT, change,
        fine=f"Myocardial volume at ED and ES differs by {change:.0f}%.",
        bad=f"Myocardial volume changes by {change:.0f}% from ED to ES, though muscle keeps its volume.",
    )  # fmt: skip
