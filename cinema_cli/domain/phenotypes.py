"""The one list of phenotypes: name, unit, meaning, formula, reference ranges and their source."""

from dataclasses import dataclass

# Where the limits were confirmed (November 2026). Ejection fraction and mass index: abstract of the publication (mean, SD
# by sex). Volumes: not read in its tables but in two public programs that quote them; one gives the limits below, the
# other the means and SDs of Table 12 (men, women: LVEDV 166 ± 32, 124 ± 21 ml; LVESV 69 ± 16, 49 ± 11 ml; LVSV 96 ± 20,
# 75 ± 14 ml), which agree with them. LV mass in grams, RV ejection fraction, heart rate and cardiac output: nothing
# confirmed, so none here. Two kinds of limits stand side by side because neither kind is confirmed for all of them.
REFERENCE_AGES = (45, 74)  # years, both included
_PETERSEN = (
    "Petersen SE et al., J Cardiovasc Magn Reson 2017;19:18 (UK Biobank, 368 men and 432 women, healthy Caucasian "
    f"adults aged {REFERENCE_AGES[0]}-{REFERENCE_AGES[1]} years, 1.5 T)"
)
_ZONES = (
    "limits of its abnormal-low and abnormal-high zones by sex, so that a value inside may lie in a borderline zone; "
    "as quoted by secondary sources"
)
_CONVENTION = "papillary muscles and trabeculae counted as LV cavity, as here"
OUTER = f"{_PETERSEN}: {_ZONES}; {_CONVENTION}."
OUTER_RV = f"{_PETERSEN}: {_ZONES}."
ABSTRACT = f"{_PETERSEN}: mean ± 1.96 SD by sex, from the abstract; {_CONVENTION}."


@dataclass(frozen=True, slots=True)
class ReferenceRange:
    """Limits between which most healthy adults of one sex lie, with the publication they come from."""

    sex: str  # "M" or "F"
    lower: float
    upper: float
    source: str


def in_reference_ages(age_years: float | None) -> bool | None:
    """Whether the people of the reference ranges were of that age; None where it is unknown."""
    return None if age_years is None else REFERENCE_AGES[0] <= age_years < REFERENCE_AGES[1] + 1


@dataclass(frozen=True, slots=True)
class Phenotype:
    """A named number of a study."""

    name: str  # column name, unit last
    unit: str
    title: str
    meaning: str
    formula: str
    decimals: int
    ranges: tuple[ReferenceRange, ...] = ()


def _by_sex(men: tuple[float, float], women: tuple[float, float], *, source: str) -> tuple[ReferenceRange, ...]:
    return (ReferenceRange("F", *women, source), ReferenceRange("M", *men, source))


PHENOTYPES: tuple[Phenotype, ...] = (
    Phenotype(
        "lvedv_ml",
        "ml",
        "LV end-diastolic volume",
        "Volume of the LV cavity at ED, papillary muscles inside the cavity.",
        "voxels of LV at ED x voxel volume",
        1,
        _by_sex(men=(93, 232), women=(80, 175), source=OUTER),
    ),
    Phenotype(
        "lvesv_ml",
        "ml",
        "LV end-systolic volume",
        "Volume of the LV cavity at ES.",
        "voxels of LV at ES x voxel volume",
        1,
        _by_sex(men=(34, 103), women=(25, 73), source=OUTER),
    ),
    Phenotype(
        "lvsv_ml",
        "ml",
        "LV stroke volume",
        "Volume ejected by the LV in a beat.",
        "lvedv_ml - lvesv_ml",
        1,
        _by_sex(men=(49, 140), women=(47, 110), source=OUTER),
    ),
    Phenotype(
        "lvef_pct",
        "%",
        "LV ejection fraction",
        "Share of the ED volume ejected.",
        "100 x lvsv_ml / lvedv_ml",
        1,
        _by_sex(men=(48, 68), women=(51, 71), source=ABSTRACT),
    ),
    Phenotype(
        "lvm_g",
        "g",
        "LV mass",
        "Mass of the LV myocardium at ED, density 1.05 g/ml.",
        "voxels of MYO at ED x voxel volume x 1.05",
        1,
    ),
    Phenotype(
        "rvedv_ml",
        "ml",
        "RV end-diastolic volume",
        "Volume of the RV cavity at the LV's ED frame.",
        "voxels of RV at ED x voxel volume",
        1,
        _by_sex(men=(99, 260), women=(83, 192), source=OUTER_RV),
    ),
    Phenotype(
        "rvesv_ml",
        "ml",
        "RV end-systolic volume",
        "Volume of the RV cavity at the LV's ES frame.",
        "voxels of RV at ES x voxel volume",
        1,
        _by_sex(men=(34, 135), women=(26, 95), source=OUTER_RV),
    ),
    Phenotype(
        "rvsv_ml",
        "ml",
        "RV stroke volume",
        "Volume ejected by the RV in a beat.",
        "rvedv_ml - rvesv_ml",
        1,
        _by_sex(men=(54, 140), women=(47, 107), source=OUTER_RV),
    ),
    Phenotype(
        "rvef_pct",
        "%",
        "RV ejection fraction",
        "Share of the ED volume ejected.",
        "100 x rvsv_ml / rvedv_ml",
        1,
    ),
    Phenotype(
        "heart_rate_bpm",
        "1/min",
        "Heart rate",
        "From the R-R interval of the cine.",
        "60000 / cycle_ms",
        0,
    ),
    Phenotype(
        "lvco_l_min",
        "l/min",
        "LV cardiac output",
        "Volume ejected by the LV in a minute.",
        "lvsv_ml x heart_rate_bpm / 1000",
        2,
    ),
    Phenotype(
        "bsa_m2",
        "m2",
        "Body surface area",
        "Mosteller's formula (N Engl J Med 1987;317:1098).",
        "sqrt(height_cm x weight_kg / 3600)",
        2,
    ),
    Phenotype(
        "lvedvi_ml_m2",
        "ml/m2",
        "LV end-diastolic volume index",
        "LVEDV per body surface area.",
        "lvedv_ml / bsa_m2",
        1,
        _by_sex(men=(52, 117), women=(50, 101), source=OUTER),
    ),
    Phenotype(
        "lvesvi_ml_m2",
        "ml/m2",
        "LV end-systolic volume index",
        "LVESV per body surface area.",
        "lvesv_ml / bsa_m2",
        1,
        _by_sex(men=(19, 52), women=(16, 43), source=OUTER),
    ),
    Phenotype(
        "lvsvi_ml_m2",
        "ml/m2",
        "LV stroke volume index",
        "LVSV per body surface area.",
        "lvsv_ml / bsa_m2",
        1,
        _by_sex(men=(28, 70), women=(29, 63), source=OUTER),
    ),
    Phenotype(
        "lvmi_g_m2",
        "g/m2",
        "LV mass index",
        "LV mass per body surface area.",
        "lvm_g / bsa_m2",
        1,
        _by_sex(men=(35, 71), women=(28, 56), source=ABSTRACT),
    ),
    Phenotype(
        "lvci_l_min_m2",
        "l/min/m2",
        "LV cardiac index",
        "Cardiac output per body surface area.",
        "lvco_l_min / bsa_m2",
        2,
    ),
    Phenotype(
        "rvedvi_ml_m2",
        "ml/m2",
        "RV end-diastolic volume index",
        "RVEDV per body surface area.",
        "rvedv_ml / bsa_m2",
        1,
        _by_sex(men=(55, 128), women=(51, 110), source=OUTER_RV),
    ),
    Phenotype(
        "rvesvi_ml_m2",
        "ml/m2",
        "RV end-systolic volume index",
        "RVESV per body surface area.",
        "rvesv_ml / bsa_m2",
        1,
        _by_sex(men=(19, 67), women=(16, 55), source=OUTER_RV),
    ),
    Phenotype(
        "rvsvi_ml_m2",
        "ml/m2",
        "RV stroke volume index",
        "RVSV per body surface area.",
        "rvsv_ml / bsa_m2",
        1,
        _by_sex(men=(30, 69), women=(29, 61), source=OUTER_RV),
    ),
    Phenotype(
        "ed_frame",
        "",
        "ED frame",
        "Frame of the end of filling, from 0: the LV is at its largest, or within a tenth of its range.",
        "middle of the last frames within 10 % of the range of the largest smoothed LV volume",
        0,
    ),
    Phenotype(
        "es_frame",
        "",
        "ES frame",
        "Frame of the end of ejection, from 0: the LV is at its smallest, or within a tenth of its range.",
        "middle of the frames within 10 % of the range of the smallest smoothed LV volume",
        0,
    ),
)
