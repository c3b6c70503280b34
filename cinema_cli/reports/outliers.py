"""Which studies stand out in a cohort: robust distance from the median, or a raised quality flag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.domain.phenotypes import PHENOTYPES, Phenotype
from cinema_cli.reports.render import number, words

MAIN = ("lvedv_ml", "lvesv_ml", "lvsv_ml", "lvef_pct", "lvm_g", "rvedv_ml", "rvesv_ml", "rvsv_ml", "rvef_pct")
LIMIT = 3.5  # Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993)
MIN_VALUES = 10  # below this, the median absolute deviation says too little
METHOD = (
    f"An outlier is a study with a robust z-score, 0.6745 × (value − median) / median absolute deviation, "
    f"beyond ±{LIMIT} on "
    f"any main phenotype (Iglewicz and Hoaglin 1993), or with a raised quality flag. Scores are taken "
    "over the whole cohort, "
    f"both sexes together, from {MIN_VALUES} values on."
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
    failed: bool
    flags: tuple[str, ...]  # names of raised checks, without `qc_`
    values: Mapping[str, float | None]
    distance: float  # largest absolute robust z-score over the main phenotypes
    why: tuple[str, ...]  # what makes it an outlier, in words; empty where nothing does

    @property
    def folder(self) -> tuple[str, str]:
        """Path parts of the study's folder below the output folder."""
        return self.participant_id, self.session_id


def robust_z(values: Sequence[float | None]) -> NDArray[np.float64]:
    """0.6745 (x - median) / MAD of each value; NaN where it is missing, or where too few or too equal "
    "values exist."""
    x = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
    known = x[np.isfinite(x)]
    if len(known) < MIN_VALUES:
        return np.full(len(x), np.nan)
    median = np.median(known)
    spread = np.median(np.abs(known - median))
    return np.full(len(x), np.nan) if spread == 0 else 0.6745 * (x - median) / spread


def studies(table: pl.DataFrame) -> list[Study]:
    """The rows of the phenotype table with what stands out in each; columns that are absent count as missing."""
    names = [name for name in MAIN if name in table.columns]
    columns = {name: [_finite(v) for v in table[name].to_list()] for name in names}
    scores = {name: robust_z(values) for name, values in columns.items()}
    checks = [c for c in table.columns if c.startswith("qc_")]
    return [
        _study(row, {n: columns[n][i] for n in names}, {n: float(scores[n][i]) for n in names}, checks)
        for i, row in enumerate(table.iter_rows(named=True))
    ]


def _finite(value: float | int | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _study(
    row: Mapping[str, object], values: Mapping[str, float | None], scores: Mapping[str, float], checks: Sequence[str]
) -> Study:
    flags = tuple(c.removeprefix("qc_") for c in checks if row[c] == "flag")
    far = {n: z for n, z in scores.items() if abs(z) > LIMIT}
    why = [_far_words(n, values[n], z) for n, z in sorted(far.items(), key=lambda item: -abs(item[1]))]
    sex = str(row.get("sex") or "")
    return Study(
        participant_id=str(row["participant_id"]),
        session_id=str(row["session_id"]),
        sex=sex if sex in {"F", "M"} else "",
        failed=row.get("status") in {"failed", "not_run"},
        flags=flags,
        values=values,
        distance=max((abs(z) for z in scores.values() if np.isfinite(z)), default=0.0),
        why=(*why, *(flag_words(f) for f in flags)),
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
