"""From masks at end-diastole and end-systole to phenotypes: volumes, mass, ejection fraction, indexed values."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Label, StudyFacts
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import Measurement

MYOCARDIAL_DENSITY_G_ML = 1.05  # SCMR post-processing recommendations, J Cardiovasc Magn Reson 2020;22:19
NO_FRAME = {"ed": "no frame is known to show end-diastole", "es": "no frame is known to show end-systole"}
HEART_RATE_LIMITS_BPM = (20.0, 250.0)  # outside, the R-R interval of the header is not one heart beat
HEIGHT_LIMITS_CM = (40.0, 250.0)  # newborn to the tallest adults; metres entered as centimetres fall outside
WEIGHT_LIMITS_KG = (1.5, 400.0)


@dataclass(frozen=True, slots=True)
class VentricularVolumes:
    """Volumes of one chamber at end-diastole and end-systole, in millilitres.

    Raises ValueError unless edv_ml > 0 and 0 <= esv_ml <= edv_ml, so that the ejection fraction is within 0..100.
    """

    edv_ml: float
    esv_ml: float

    def __post_init__(self) -> None:
        """Refuse what no ventricle does."""
        if not self.edv_ml > 0:
            raise ValueError("the chamber is empty at ED")
        if not 0 <= self.esv_ml <= self.edv_ml:
            raise ValueError("the chamber is larger at ES than at ED")

    @property
    def stroke_volume_ml(self) -> float:
        """Volume ejected in a beat, ml."""
        return self.edv_ml - self.esv_ml

    @property
    def ejection_fraction_pct(self) -> float:
        """Share of the end-diastolic volume ejected, percent."""
        return 100.0 * (self.stroke_volume_ml / self.edv_ml)


def volume_ml(mask: NDArray[np.uint8], *, label: Label, voxel_ml: float) -> float:
    """Volume of one label in a mask (slice, row, column) whose voxels have `voxel_ml` millilitres."""
    return float(np.count_nonzero(mask == label)) * voxel_ml


def volumes_per_frame_ml(masks: NDArray[np.uint8], *, label: Label, voxel_ml: float) -> NDArray[np.float64]:
    """Volume of one label in each frame of masks (frame, slice, row, column); (frame,) in ml."""
    counts: NDArray[np.float64] = np.count_nonzero(masks == label, axis=(1, 2, 3)) * np.float64(voxel_ml)
    return counts


def body_surface_area_m2(*, height_cm: float, weight_kg: float) -> float:
    """Body surface area after Mosteller, N Engl J Med 1987;317:1098."""
    return float(np.sqrt(height_cm * weight_kg / 3600.0))


def measure(
    masks: NDArray[np.uint8],
    *,
    voxel_ml: float,
    ed_frame: int | None,
    es_frame: int | None,
    cycle_ms: float | None,
    facts: StudyFacts,
) -> tuple[Measurement, ...]:
    """Every phenotype of domain.phenotypes, in its order, each with a value or the reason why there is none.

    `masks` (frame, slice, row, column) holds domain.cine.Label; `cycle_ms` is the R-R interval. `ed_frame` and
    `es_frame` are None where no frame shows that moment.
    """
    sheet = _Sheet()
    for name, frame in (("ed_frame", ed_frame), ("es_frame", es_frame)):
        if frame is None:
            sheet.omit(name, NO_FRAME[name[:2]])
        else:
            sheet.put(name, float(frame))
    lv_sv = _chamber(sheet, masks, label=Label.LV, voxel_ml=voxel_ml, frames=(ed_frame, es_frame))
    _chamber(sheet, masks, label=Label.RV, voxel_ml=voxel_ml, frames=(ed_frame, es_frame))
    if ed_frame is None:
        sheet.omit("lvm_g", NO_FRAME["ed"])
    else:
        _mass(sheet, volume_ml(masks[ed_frame], label=Label.MYO, voxel_ml=voxel_ml))
    _output(sheet, stroke_ml=lv_sv, cycle_ms=cycle_ms)
    _index(sheet, facts)
    return sheet.measurements()


def not_measured(reason: str, *, facts: StudyFacts) -> tuple[Measurement, ...]:
    """Every phenotype of a study without masks: the body surface area where it is known, else the reason."""
    sheet = _Sheet()
    for p in PHENOTYPES:
        sheet.omit(p.name, reason)
    _index(sheet, facts)
    return sheet.measurements()


class _Sheet:
    """Values and reasons while they are being worked out."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}
        self._reasons: dict[str, str] = {}

    def put(self, name: str, value: float) -> None:
        self._values[name] = value
        self._reasons.pop(name, None)

    def omit(self, name: str, reason: str) -> None:
        self._reasons[name] = reason

    def get(self, name: str) -> float | None:
        return self._values.get(name)

    def reason(self, name: str) -> str:
        return self._reasons.get(name, "")

    def measurements(self) -> tuple[Measurement, ...]:
        return tuple(Measurement(p.name, self.get(p.name), self.reason(p.name)) for p in PHENOTYPES)


def _chamber(
    sheet: _Sheet, masks: NDArray[np.uint8], *, label: Label, voxel_ml: float, frames: tuple[int | None, int | None]
) -> float | None:
    """Enter EDV, ESV, SV and EF of a chamber; return its stroke volume where there is one."""
    side, (ed_frame, es_frame) = label.name.lower(), frames
    derived = (f"{side}sv_ml", f"{side}ef_pct")
    if ed_frame is None or es_frame is None:
        for moment, frame in (("ed", ed_frame), ("es", es_frame)):
            if frame is not None:
                sheet.put(f"{side}{moment}v_ml", volume_ml(masks[frame], label=label, voxel_ml=voxel_ml))
                continue
            for name in (f"{side}{moment}v_ml", *derived):
                sheet.omit(name, NO_FRAME[moment])
        return None
    edv_ml, esv_ml = (volume_ml(masks[frame], label=label, voxel_ml=voxel_ml) for frame in (ed_frame, es_frame))
    if edv_ml == 0:
        for name in (f"{side}edv_ml", f"{side}esv_ml", *derived):
            sheet.omit(name, f"no {label.name} was found at ED")
        return None
    sheet.put(f"{side}edv_ml", edv_ml)
    if frames[0] == frames[1]:
        for name in (f"{side}esv_ml", *derived):
            sheet.omit(name, "ED and ES are the same frame: the volume does not change over the frames")
        return None
    sheet.put(f"{side}esv_ml", esv_ml)
    try:
        volumes = VentricularVolumes(edv_ml, esv_ml)
    except ValueError:
        for name in derived:
            sheet.omit(name, f"the {label.name} is larger at the ES frame than at the ED frame of the LV")
        return None
    sheet.put(derived[0], volumes.stroke_volume_ml)
    sheet.put(derived[1], volumes.ejection_fraction_pct)
    return volumes.stroke_volume_ml


def _mass(sheet: _Sheet, myocardium_ml: float) -> None:
    if myocardium_ml > 0:
        sheet.put("lvm_g", myocardium_ml * MYOCARDIAL_DENSITY_G_ML)
    else:
        sheet.omit("lvm_g", "no myocardium was found at ED")


def _output(sheet: _Sheet, *, stroke_ml: float | None, cycle_ms: float | None) -> None:
    """Heart rate, and cardiac output where both the rate and the stroke volume are known."""
    low, high = HEART_RATE_LIMITS_BPM
    if cycle_ms is None:
        reason = "the headers give no R-R interval"
    elif not (cycle_ms > 0 and low <= 60000.0 / cycle_ms <= high):
        reason = f"the R-R interval of the headers, {cycle_ms:g} ms, is not one heart beat ({low:g} to {high:g} /min)"
    else:
        rate = 60000.0 / cycle_ms
        sheet.put("heart_rate_bpm", rate)
        if stroke_ml is None:
            sheet.omit("lvco_l_min", "no LV stroke volume")
        else:
            sheet.put("lvco_l_min", stroke_ml * rate / 1000.0)
        return
    sheet.omit("heart_rate_bpm", reason)
    sheet.omit("lvco_l_min", reason)


INDEXED: Mapping[str, str] = {
    "lvedvi_ml_m2": "lvedv_ml",
    "lvesvi_ml_m2": "lvesv_ml",
    "lvsvi_ml_m2": "lvsv_ml",
    "lvmi_g_m2": "lvm_g",
    "lvci_l_min_m2": "lvco_l_min",
    "rvedvi_ml_m2": "rvedv_ml",
    "rvesvi_ml_m2": "rvesv_ml",
    "rvsvi_ml_m2": "rvsv_ml",
}


def _index(sheet: _Sheet, facts: StudyFacts) -> None:
    """Body surface area, and what is divided by it."""
    missing = _body_size_problem(facts)
    if not missing and facts.height_cm is not None and facts.weight_kg is not None:
        area = body_surface_area_m2(height_cm=facts.height_cm, weight_kg=facts.weight_kg)
        sheet.put("bsa_m2", area)
    else:
        sheet.omit("bsa_m2", missing)
        area = None
    for indexed, plain in INDEXED.items():
        value = sheet.get(plain)
        if value is None:
            sheet.omit(indexed, sheet.reason(plain))
        elif area is None:
            sheet.omit(indexed, missing)
        else:
            sheet.put(indexed, value / area)


def _body_size_problem(facts: StudyFacts) -> str:
    """Why there is no body surface area; empty where there is one."""
    unknown = [name for name, value in (("height", facts.height_cm), ("weight", facts.weight_kg)) if value is None]
    if unknown:
        return f"{' and '.join(unknown)} unknown"
    for name, value, (low, high), unit in (
        ("height", facts.height_cm, HEIGHT_LIMITS_CM, "cm"),
        ("weight", facts.weight_kg, WEIGHT_LIMITS_KG, "kg"),
    ):
        if value is not None and not low <= value <= high:
            return f"{name} {value:g} {unit} is outside {low:g} to {high:g} {unit}"
    return ""
