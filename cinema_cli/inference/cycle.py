"""Find end-diastole and end-systole on the LV volume curve, and say how much it looks like one heart beat."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Label
from cinema_cli.domain.result import VolumeCurves
from cinema_cli.domain.volumes import volumes_per_frame_ml

Curve = NDArray[np.float64]

OUTLIER_STEPS = 3.0  # a frame further from both neighbours than three usual steps ...
OUTLIER_SHARE = 0.25  # ... and than a quarter of the range is a failed segmentation, not a heart
WINDOW_SHARE = 0.16  # of the cycle: about the time the volume stays near its extremes
MIN_FRAMES_TO_SMOOTH = 7
PLATEAU_SHARE = 0.1  # of the range: frames this near to the extreme belong to its plateau
ED_LONGEST = 0.12  # of the cycle: of a longer plateau at ED only the last frames count, as it begins with diastasis


@dataclass(frozen=True, slots=True, eq=False)
class CycleFrames:
    """ED and ES frame (from 0), the smoothed curve (frame,) in ml they were read from, and its unimodality (0..1)."""

    ed_frame: int
    es_frame: int
    smooth_ml: Curve
    unimodality: float


def find_frames(lv_ml: Curve) -> CycleFrames:
    """ED is the largest, ES the smallest value of the smoothed LV volume curve (frame,), wherever they lie.

    What is taken is the middle of the frames around it that come within a tenth of the range of it, of two middles the
    earlier: noise moves the highest frame of a flat top, but hardly its middle. At ED only the last eighth of a cycle
    of them counts: where the atria hardly kick, the ventricle is nearly full long before. On simulated beats with much,
    little and no atrial kick, noise up to 3 % of the stroke volume and 16 to 50 frames, both moments are found within a
    frame. The curve is taken as periodic unless its ends are too far apart for that (part of a cycle was acquired).
    Raises ValueError for an empty curve.
    """
    if len(lv_ml) == 0:
        raise ValueError("a volume curve needs at least one frame")
    smooth = smooth_curve(lv_ml)
    periodic = is_periodic(lv_ml.astype(np.float64))
    ed = _middle_of_plateau(smooth, periodic=periodic, longest=ED_LONGEST)
    es = _middle_of_plateau(-smooth, periodic=periodic, longest=1.0)
    return CycleFrames(ed, es, smooth, unimodality(smooth))


def _middle_of_plateau(curve: Curve, *, periodic: bool, longest: float) -> int:
    """Middle of the frames next to the largest value that are as good as it; round the cycle where it is periodic.

    Of a plateau longer than the share `longest` of the cycle only the last frames count.
    """
    n, peak = len(curve), int(np.argmax(curve))
    high = curve >= curve[peak] - PLATEAU_SHARE * np.ptp(curve)
    if high.all():
        return peak
    before = after = 0
    while (periodic or peak - before > 0) and high[(peak - before - 1) % n]:
        before += 1
    while (periodic or peak + after < n - 1) and high[(peak + after + 1) % n]:
        after += 1
    length = min(before + after + 1, max(1, round(longest * n)))
    return (peak + after - length // 2) % n


def smooth_curve(lv_ml: Curve) -> Curve:
    """Lone outliers replaced, then a local parabola (Savitzky and Golay 1964) over a sixth of the cycle.

    Same shape and unit; curves of fewer than 7 frames are returned as they are.
    """
    n = len(lv_ml)
    curve = lv_ml.astype(np.float64)
    if n < MIN_FRAMES_TO_SMOOTH:
        return curve
    half = max(2, round(WINDOW_SHARE * n / 2))
    padded = _padded(_without_outliers(curve, periodic=is_periodic(curve)), half, periodic=is_periodic(curve))
    offsets = np.arange(-half, half + 1)
    design = np.stack([np.ones_like(offsets), offsets, offsets**2], axis=1).astype(np.float64)
    kernel = np.linalg.pinv(design)[0]  # weights that give the fitted parabola at the window's middle
    return np.convolve(padded, kernel[::-1], mode="valid")


def is_periodic(curve: Curve) -> bool:
    """Whether the last frame leads to the first: their distance is no larger than steps elsewhere or a third of all."""
    steps = np.abs(np.diff(curve))
    if len(steps) == 0:
        return True
    return bool(abs(curve[-1] - curve[0]) <= max(1.5 * steps.max(), 0.34 * np.ptp(curve)))


def unimodality(curve: Curve) -> float:
    """1 for a curve that falls once and rises once round the cycle, less the more it goes up and down in between.

    Twice the range over the total of all steps round the cycle; 1 for a constant curve.
    """
    travelled = float(np.abs(np.diff(curve, append=curve[:1])).sum())
    return 1.0 if travelled == 0 else min(1.0, 2.0 * float(np.ptp(curve)) / travelled)


def volume_curves(
    masks: NDArray[np.uint8], *, voxel_ml: float, times_ms: Curve, smooth_ml: Curve | None = None
) -> VolumeCurves:
    """Volumes over the cycle of masks (frame, slice, row, column); the smoothed LV curve is worked out unless given."""
    lv, rv, myo = (
        volumes_per_frame_ml(masks, label=label, voxel_ml=voxel_ml) for label in (Label.LV, Label.RV, Label.MYO)
    )
    smooth = smooth_curve(lv) if smooth_ml is None else smooth_ml
    return VolumeCurves(times_ms=times_ms, lv_ml=lv, rv_ml=rv, myo_ml=myo, lv_smooth_ml=smooth)


def _without_outliers(curve: Curve, *, periodic: bool) -> Curve:
    """Replace lone frames that lie far above, or far below, both their neighbours by the neighbours' mean."""
    padded = _padded(curve, 1, periodic=periodic)
    before, after = padded[:-2] - curve, padded[2:] - curve
    distance = np.where(before * after > 0, np.minimum(np.abs(before), np.abs(after)), 0.0)
    spread = float(np.diff(np.percentile(curve, (5, 95)))[0])
    limit = max(OUTLIER_STEPS * float(np.median(np.abs(np.diff(curve)))), OUTLIER_SHARE * spread)
    return np.where(distance > limit, (padded[:-2] + padded[2:]) / 2, curve)


def _padded(curve: Curve, half: int, *, periodic: bool) -> Curve:
    """Continue the curve on both sides: round the cycle, or mirrored through its end points."""
    return np.pad(curve, half, mode="wrap") if periodic else np.pad(curve, half, mode="reflect", reflect_type="odd")
