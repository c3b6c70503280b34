"""Which studies stand out in a cohort: numbers far from the others', and, told apart from those, quality flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.domain.phenotypes import PHENOTYPES, Phenotype
from cinema_cli.io.ledger import Status
from cinema_cli.reports.render import number, words

MAIN = ("lvedv_ml", "lvesv_ml", "lvsv_ml", "lvef_pct", "lvm_g", "rvedv_ml", "rvesv_ml", "rvsv_ml", "rvef_pct")
LIMIT = 3.5  # Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993)
MIN_VALUES = 10  # below this, the median absolute deviation says too little
SEXES = ("F", "M")
METHOD = (
    "An outlier is a study with a robust z-score, 0.6745 × (value − median) / median absolute deviation, "
    f"beyond ±{LIMIT} on any main phenotype (Iglewicz and Hoaglin 1993): a number unlike the others', be it disease, "
    "an odd measurement or chance. A quality flag is another matter: a check of the study itself did not pass."
)
WITHIN_SEX = "Scores are taken among women and among men, those of unknown sex against everybody."
POOLED = (
    f"Scores are taken over the whole cohort, both sexes together, as there are not {MIN_VALUES} women and "
    f"{MIN_VALUES} men; a difference between the sexes may hide an outlier or make one."
)
FLAG_WORDS: Mapping[str, str] = {  # a check is named for what it looks at; here is what a raised one says
    "enough_frames": "few frames",
    "enough_slices": "few slices",
    "gap_in_stack": "gap in the stack",
    "interpolated_frames": "interpolated frames",
    "centre_found": "heart hard to find",
    "heart_cut_off": "heart cut off",
    "myo_ring_closed": "open myocardial ring",
    "volume_curve_unimodal": "volume curve not unimodal",
    "lvef_plausible": "implausible LVEF",
    "stroke_volumes_agree": "LV and RV stroke volumes disagree",
    "myocardium_constant": "myocardium changes volume",
}
BY_NAME: Mapping[str, Phenotype] = {p.name: p for p in PHENOTYPES}


@dataclass(frozen=True, slots=True)
class Study:
    """One row of the phenotype table as the cohort page sees it."""

    participant_id: str
    session_id: str
    sex: str  # "F", "M" or ""
    age_years: float | None
    status: Status
    flags: tuple[str, ...]  # names of raised checks, without `qc_`
    values: Mapping[str, float | None]
    distance: float  # largest absolute robust z-score over the main phenotypes
    far: tuple[str, ...]  # numbers that make it an outlier, in words; empty where none does
    ed_frame: int | None  # counted from 0

    @property
    def analysed(self) -> bool:
        """Whether it has a result: neither failed nor left when the run stopped."""
        return self.status is Status.DONE

    @property
    def flag_words(self) -> tuple[str, ...]:
        """Its raised checks in words."""
        return tuple(flag_words(f) for f in self.flags)

    @property
    def folder(self) -> tuple[str, str]:
        """Path parts of the study's folder below the output folder."""
        return self.participant_id, self.session_id


def method_words(everyone: Sequence[Study]) -> str:
    """How outliers were told in this cohort."""
    return f"{METHOD} {WITHIN_SEX if _by_sex([s.sex for s in everyone if s.analysed]) else POOLED}"


def _by_sex(sexes: Sequence[str]) -> bool:
    """Whether there are enough analysed women and men to score each among their own."""
    return all(sexes.count(sex) >= MIN_VALUES for sex in SEXES)


def robust_z(values: Sequence[float | None]) -> NDArray[np.float64]:
    """0.6745 (x - median) / MAD of each value; NaN where it is missing, or where values are too few or too equal."""
    x = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    known = x[np.isfinite(x)]
    if len(known) < MIN_VALUES:
        return np.full(len(x), np.nan)
    median = np.median(known)
    spread = np.median(np.abs(known - median))
    return np.full(len(x), np.nan) if spread == 0 else 0.6745 * (x - median) / spread


def scores_by_group(values: Sequence[float | None], groups: Sequence[str]) -> NDArray[np.float64]:
    """`robust_z` of each value among those of its group; of group "" among all."""
    scores, x, group = robust_z(values), np.array(values, dtype=object), np.array(groups, dtype=object)
    for name in set(groups) - {""}:
        scores[group == name] = robust_z(x[group == name].tolist())
    return scores


def studies(table: pl.DataFrame) -> list[Study]:
    """The rows of the phenotype table with what stands out in each; columns that are absent count as missing."""
    rows = list(table.iter_rows(named=True))
    names = [name for name in MAIN if name in table.columns]
    columns = {name: [_finite(v) for v in table[name].to_list()] for name in names}
    sexes = [_sex(row) for row in rows]
    grouped = _by_sex([sex for sex, row in zip(sexes, rows, strict=True) if _status(row) is Status.DONE])
    groups = sexes if grouped else [""] * len(rows)
    scores = {name: scores_by_group(values, groups) for name, values in columns.items()}
    checks = [c for c in table.columns if c.startswith("qc_")]
    return [
        _study(row, {n: columns[n][i] for n in names}, {n: float(scores[n][i]) for n in names}, checks)
        for i, row in enumerate(rows)
    ]


def _finite(value: float | int | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _sex(row: Mapping[str, object]) -> str:
    sex = str(row.get("sex") or "")
    return sex if sex in SEXES else ""


def _status(row: Mapping[str, object]) -> Status:
    return Status(str(row.get("status") or Status.DONE))


def _study(
    row: Mapping[str, Any], values: Mapping[str, float | None], scores: Mapping[str, float], checks: Sequence[str]
) -> Study:
    far = {n: z for n, z in scores.items() if abs(z) > LIMIT}
    return Study(
        participant_id=str(row["participant_id"]),
        session_id=str(row["session_id"]),
        sex=_sex(row),
        age_years=_finite(row.get("age_years")),
        status=_status(row),
        flags=tuple(c.removeprefix("qc_") for c in checks if row[c] == "flag"),
        values=values,
        distance=max((abs(z) for z in scores.values() if np.isfinite(z)), default=0.0),
        far=tuple(_far_words(n, values[n], z) for n, z in sorted(far.items(), key=lambda item: -abs(item[1]))),
        ed_frame=None if row.get("ed_frame") is None else int(row["ed_frame"]),
    )


def _far_words(name: str, value: float | None, score: float) -> str:
    unit = BY_NAME[name].unit.replace("%", "")
    said = f"{short_name(name)} {number(value, decimals=0)}{' ' + unit if unit else '%'}"
    return f"{said} (z {number(score, decimals=1)})"


def flag_words(check: str) -> str:
    """What a raised check says, in a few words."""
    return FLAG_WORDS.get(check, f"flag: {words(check)}")


def short_name(name: str) -> str:
    """`lvedv_ml` as LVEDV."""
    return "LV mass" if name == "lvm_g" else name.split("_")[0].upper()
