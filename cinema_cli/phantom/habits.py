"""How studies are named and written down: vendors' header habits, series descriptions and none, dates, people."""

from dataclasses import dataclass

import numpy as np

from cinema_cli.domain.cine import View
from cinema_cli.io.dicom_writer import Visit, make_uid
from cinema_cli.io.vendors import Vendor
from cinema_cli.phantom.cohort import Participant

_DESCRIPTIONS: dict[tuple[Vendor, View], tuple[str, str, str]] = {
    (Vendor.SIEMENS, View.SAX): ("CINE_segmented_SAX", "cine_tf2d_sax", "tfi_cine_retro SA"),
    (Vendor.SIEMENS, View.LAX_2C): ("CINE_segmented_LAX_2Ch", "cine_tf2d_2ch", "tfi_cine_retro 2ch"),
    (Vendor.SIEMENS, View.LAX_3C): ("CINE_segmented_LAX_3Ch", "cine_tf2d_3ch", "tfi_cine_retro LVOT 3ch"),
    (Vendor.SIEMENS, View.LAX_4C): ("CINE_segmented_LAX_4Ch", "cine_tf2d_4ch", "tfi_cine_retro 4ch"),
    (Vendor.GE, View.SAX): ("FIESTA SA", "Cine SAX FIESTA", ""),
    (Vendor.GE, View.LAX_2C): ("FIESTA 2CH", "Cine 2CH FIESTA", ""),
    (Vendor.GE, View.LAX_3C): ("FIESTA 3CH", "Cine 3CH FIESTA", ""),
    (Vendor.GE, View.LAX_4C): ("FIESTA 4CH", "Cine 4CH FIESTA", ""),
    (Vendor.PHILIPS, View.SAX): ("sBTFE_BH SA", "B-TFE_SA", "sBTFE_BH_M2D SA"),
    (Vendor.PHILIPS, View.LAX_2C): ("sBTFE_BH 2CH", "B-TFE_2CH", "sBTFE_BH 2ch"),
    (Vendor.PHILIPS, View.LAX_3C): ("sBTFE_BH 3CH", "B-TFE_3CH", "sBTFE_BH 3ch"),
    (Vendor.PHILIPS, View.LAX_4C): ("sBTFE_BH 4CH", "B-TFE_4CH", "sBTFE_BH 4ch"),
}
_LOCALIZER = {Vendor.SIEMENS: "localizer", Vendor.GE: "3-plane loc", Vendor.PHILIPS: "Survey"}
_FLOW = {Vendor.SIEMENS: "flow_AAo_v150", Vendor.GE: "2D PC aorta", Vendor.PHILIPS: "QFlow_BH Ao"}
_T1_MAP = {Vendor.SIEMENS: "MOLLI_T1MAP_SAX", Vendor.GE: "SMART1Map", Vendor.PHILIPS: "T1 map MOLLI SA"}
# stored value of LV blood, before it varies between studies
_BRIGHTNESS = {Vendor.SIEMENS: 260.0, Vendor.GE: 1300.0, Vendor.PHILIPS: 700.0}


@dataclass(frozen=True, slots=True)
class Habits:
    """How the files of one study are written."""

    vendor: Vendor
    naming: int  # which of the vendor's descriptions
    described: bool
    series_per_slice: bool
    apex_first: bool
    enhanced: bool
    frame_major: bool
    has_trigger_times: bool
    syntax: str
    slope: float | None
    brightness: float  # stored value of LV blood
    has_body_size: bool
    has_localizer: bool
    has_flow: bool
    has_t1_map: bool

    def cine_name(self, view: View, *, position: int) -> str:
        """SeriesDescription of a cine; `position` is the slice's number from 1 where each slice is a series."""
        if not self.described:
            return ""
        name = _DESCRIPTIONS[self.vendor, view][self.naming]
        return f"{name}_b{position}" if self.series_per_slice and view is View.SAX and self.naming == 0 else name

    def other_name(self, kind: str) -> str:
        """SeriesDescription of a localizer, flow or T1 map series."""
        names = {"localizer": _LOCALIZER, "flow": _FLOW, "t1_map": _T1_MAP}[kind]
        return names[self.vendor] if self.described else ""


def sample_habits(rng: np.random.Generator, vendor: Vendor) -> Habits:
    """Draw the habits of one study on a machine of `vendor`."""

    def chance(share: float) -> bool:
        return bool(rng.uniform() < share)

    philips, siemens = vendor is Vendor.PHILIPS, vendor is Vendor.SIEMENS
    enhanced = chance(0.35) and philips
    syntax = str(rng.choice(["plain", "rle", "jpeg2000"], p=[0.84, 0.1, 0.06]))
    slope = round(0.4 + 2.0 * float(rng.uniform()), 4)
    return Habits(
        vendor=vendor,
        naming=int(rng.integers(3)),
        described=chance(0.85),
        series_per_slice=chance(0.65) and siemens,
        apex_first=chance(0.3),
        enhanced=enhanced,
        frame_major=chance(0.4) and philips,
        has_trigger_times=chance(0.9) or enhanced,
        syntax="plain" if enhanced else syntax,
        slope=slope if philips else None if siemens else 1.0,
        brightness=_BRIGHTNESS[vendor] * float(rng.uniform(0.8, 1.3)),
        has_body_size=chance(0.9),
        has_localizer=chance(0.9),
        has_flow=chance(0.25),
        has_t1_map=chance(0.25),
    )


def sample_visit(rng: np.random.Generator, person: Participant, *, has_body_size: bool) -> Visit:
    """Draw the visit of `person`: a valid date, a birth date (1 July) that fits the age, a name that says synthetic."""
    year, month, day = int(rng.integers(2016, 2025)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
    age = int(person.age_years)
    born = year - age - (1 if month < 7 else 0)
    return Visit(
        study_uid=make_uid("study", person.seed, person.number),
        patient_id=person.patient_id,
        patient_name=f"SYNTHETIC^{person.patient_id}",
        birth_date=f"{born:04d}0701",
        sex=person.sex,
        age_years=age,
        height_cm=person.height_cm if has_body_size else None,
        weight_kg=person.weight_kg if has_body_size else None,
        study_date=f"{year:04d}{month:02d}{day:02d}",
        start_s=int(rng.integers(8 * 3600, 16 * 3600)),
        vendor=person.vendor,
        field_strength_t=float(rng.choice([1.5, 1.5, 3.0])),
    )
