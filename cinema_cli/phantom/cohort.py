"""A made-up cohort: who takes part, what their hearts are like, and when they have an event, by a stated hazard."""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from cinema_cli.io.vendors import Vendor
from cinema_cli.phantom.anatomy import Condition, Heart, TrueVolumes, Ventricles, volumes
from cinema_cli.phantom.hazard import (
    FOLLOW_UP_YEARS,
    HAZARD_MALE,
    HAZARD_PER_LVEF_POINT,
    HAZARD_PER_LVMI_G_M2,
    HAZARD_PER_YEAR_OF_AGE,
    LOSS_PER_YEAR,
    WEIBULL_SCALE_YEARS,
    WEIBULL_SHAPE,
    log_hazard,
    observed_years,
    years_until_censored,
    years_until_event,
)
from cinema_cli.phantom.population import sample_heart

# Groups and sites come in shuffled blocks, so that small cohorts have some of each: 5 of 9 people are healthy.
GROUPS = (
    *[Condition.HEALTHY] * 5,
    Condition.DILATED,
    Condition.HYPERTROPHIC,
    Condition.INFARCTED,
    Condition.RV_DISEASE,
)
SITES = {"north": Vendor.SIEMENS, "east": Vendor.SIEMENS, "south": Vendor.GE, "west": Vendor.PHILIPS}


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Participant:
    """One person of the cohort with their heart, body and follow-up."""

    number: int  # from 1
    seed: int
    sex: str
    age_years: float
    height_cm: float
    weight_kg: float
    site: str
    vendor: Vendor
    heart: Heart
    ed: TrueVolumes
    es: TrueVolumes
    time_years: float
    event: bool

    @property
    def patient_id(self) -> str:
        """PatientID in the headers, for example SIM0001."""
        return f"SIM{self.number:04d}"

    @property
    def participant_id(self) -> str:
        """Id in the tables, for example sub-SIM0001."""
        return f"sub-{self.patient_id}"

    @property
    def bsa_m2(self) -> float:
        """Body surface area by Mosteller's formula (N Engl J Med 1987;317:1098)."""
        return math.sqrt(self.height_cm * self.weight_kg / 3600.0)

    @property
    def lvef_pct(self) -> float:
        """True LV ejection fraction, percent."""
        return 100.0 * (self.ed.lv_ml - self.es.lv_ml) / self.ed.lv_ml

    @property
    def rvef_pct(self) -> float:
        """True RV ejection fraction, percent."""
        return 100.0 * (self.ed.rv_ml - self.es.rv_ml) / self.ed.rv_ml

    @property
    def lvmi_g_m2(self) -> float:
        """True LV mass at ED per body surface area."""
        return self.ed.mass_g / self.bsa_m2


def stream(seed: int, number: int, *parts: int) -> np.random.Generator:
    """The random stream of participant `number` for one purpose; none depends on how many people there are."""
    return np.random.default_rng([seed, number, *parts])


def sample_participant(seed: int, number: int) -> Participant:
    """Draw participant `number` (from 1) of the cohort `seed`."""
    rng = stream(seed, number, 0)
    male = bool(rng.uniform() < 0.5)
    height = float(np.clip(rng.normal(176.0 if male else 163.0, 7.0), 145.0, 205.0))
    bmi = float(np.clip(rng.normal(26.5, 3.8), 18.0, 42.0))
    weight = bmi * (height / 100.0) ** 2
    age = round(float(rng.uniform(40.0, 80.0)), 1)
    condition = _in_block(GROUPS, seed, number, purpose=3)
    site = _in_block(tuple(SITES), seed, number, purpose=4)
    bsa = math.sqrt(height * weight / 3600.0)
    size = bsa / 1.85 * (1.03 if male else 0.93)  # women's hearts are smaller than their bodies alone explain
    heart = sample_heart(stream(seed, number, 1), condition, size=size)
    ed, es = volumes(Ventricles(heart, 0.0)), volumes(Ventricles(heart, 1.0))
    risk = log_hazard(
        age_years=age,
        male=float(male),
        lvef_pct=100.0 * (ed.lv_ml - es.lv_ml) / ed.lv_ml,
        lvmi_g_m2=ed.mass_g / bsa,
    )
    time, event = _follow_up(stream(seed, number, 2), risk)
    return Participant(
        number=number,
        seed=seed,
        sex="M" if male else "F",
        age_years=age,
        height_cm=round(height, 1),
        weight_kg=round(weight, 1),
        site=site,
        vendor=SITES[site],
        heart=heart,
        ed=ed,
        es=es,
        time_years=time,
        event=event,
    )


def _in_block(choices: tuple[_T, ...], seed: int, number: int, *, purpose: int) -> _T:
    """One of `choices`; every block of as many people has each of them once, in an order of its own."""
    block, place = divmod(number - 1, len(choices))
    return choices[int(stream(seed, block, purpose, len(choices)).permutation(len(choices))[place])]


def _follow_up(rng: np.random.Generator, risk: float) -> tuple[float, bool]:
    """(years observed, whether the event was seen), with administrative and random censoring."""
    until_event = years_until_event(rng, np.array(risk))
    until_censored = years_until_censored(rng, ())
    observed = observed_years(np.minimum(until_event, until_censored))
    return float(observed), bool(until_event <= until_censored)


def clinical_row(person: Participant) -> dict[str, str | float | int]:
    """Row of clinical.csv."""
    return {
        "participant_id": person.participant_id,
        "age_years": person.age_years,
        "sex": person.sex,
        "height_cm": person.height_cm,
        "weight_kg": person.weight_kg,
        "site": person.site,
        "group": str(person.heart.condition),
        "time_years": person.time_years,
        "event": int(person.event),
    }


def truth_row(person: Participant) -> dict[str, str | float | int]:
    """First columns of truth.csv: volumes at the heart's own ED and ES, mass at ED, excursions."""
    heart = person.heart
    return {
        "participant_id": person.participant_id,
        "group": str(heart.condition),
        "vendor": str(person.vendor),
        "lvedv_ml": round(person.ed.lv_ml, 2),
        "lvesv_ml": round(person.es.lv_ml, 2),
        "lvsv_ml": round(person.ed.lv_ml - person.es.lv_ml, 2),
        "lvef_pct": round(person.lvef_pct, 2),
        "lvm_g": round(person.ed.mass_g, 2),
        "rvedv_ml": round(person.ed.rv_ml, 2),
        "rvesv_ml": round(person.es.rv_ml, 2),
        "rvsv_ml": round(person.ed.rv_ml - person.es.rv_ml, 2),
        "rvef_pct": round(person.rvef_pct, 2),
        "bsa_m2": round(person.bsa_m2, 3),
        "lvmi_g_m2": round(person.lvmi_g_m2, 2),
        "lv_length_ed_mm": round(heart.length, 2),
        "lv_length_es_mm": round(heart.length - heart.descent, 2),
        "mapse_mm": round(heart.descent, 2),
        "tapse_mm": round(heart.rv_descent, 2),
    }


def readme() -> str:
    """Text of the cohort's README: what the files are, and the hazard."""
    return f"""\
A made-up cohort of cine cardiac MR, written by `cinema simulate`. No person is behind it.

SIM*/         one study a participant: DICOM, a folder a series
truth.csv     one row a participant: true volumes (ml), LV mass (g), EF (%), frames nearest to ED and ES in the short
              axis (from 0), heart rate, landmarks in patient coordinates (LPS, mm; `_ed`, `_es`: at which moment)
series.csv    one row a series: series_uid, its true view or kind, frames, slices
clinical.csv  one row a participant: age_years, sex, height_cm, weight_kg, site, group, time_years, event
simulate.json the settings

Volumes are integrals of the heart's closed-form surfaces: papillary muscles and trabeculae belong to the cavity; the LV
ends at the mitral plane, the RV at the tricuspid plane. LV mass: 1.05 g/ml. The breath-hold moves slices in plane
(standard deviation 1.5 mm), of which headers know nothing, as in life.

The event. Hazard per year at time t (years):
  h(t) = (k / s) (t / s)^(k - 1) exp(r),  k = {WEIBULL_SHAPE}, s = {WEIBULL_SCALE_YEARS:g} years
  r = {HAZARD_PER_YEAR_OF_AGE} (age_years - 60) + {HAZARD_MALE} [man] {HAZARD_PER_LVEF_POINT} (lvef_pct - 60) \
+ {HAZARD_PER_LVMI_G_M2} (lvm_g / bsa_m2 - 65)
with the true LVEF and LV mass. Nothing else acts: not site, group, height or weight. Follow-up ends between
{FOLLOW_UP_YEARS[0]:g} and {FOLLOW_UP_YEARS[1]:g} years (uniform), or earlier by loss ({LOSS_PER_YEAR} per
year, exponential); event = 1 where the event came first.
"""
