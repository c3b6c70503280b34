"""What the headers of a study say about person and machine: plausible values only, nothing that identifies."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import compress
from typing import Any

import polars as pl

from cinema_cli.domain.cine import StudyFacts

FACTS_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "sex": pl.String,
    "age_years": pl.Float64,
    "height_cm": pl.Float64,
    "weight_kg": pl.Float64,
    "vendor": pl.String,
    "scanner": pl.String,
    "field_strength_t": pl.Float64,
    "study_date": pl.String,
}

_PLAUSIBLE = {  # outside these a header value is a placeholder or in another unit
    "age_years": (0.0, 120.0),
    "height_cm": (40.0, 250.0),
    "weight_kg": (2.0, 400.0),
    "field_strength_t": (0.05, 11.0),
}
_VENDORS = (
    ("Siemens", r"\bsiemens"),
    ("GE", r"\bge\b|general electric"),
    ("Philips", r"\bphilips"),
    ("Canon", r"\bcanon|\btoshiba"),
    ("United Imaging", r"\buih\b|\bunited imaging"),
    ("Hitachi", r"\bhitachi|\bfujifilm"),
)


_MODEL = re.compile(r"[A-Za-z0-9 ._/+-]{1,40}")  # the name of a model is free text: one that looks otherwise is none


def normal_vendor(manufacturer: str | None) -> str | None:
    """Usual short name of a manufacturer; 'other' for one that is not known, None where the header is silent."""
    text = (manufacturer or "").strip().lower()
    if not text:
        return None
    return next((name for name, pattern in _VENDORS if re.search(pattern, text)), "other")


def valid_date(text: str | None) -> str | None:
    """ISO date of a DICOM DA value; None where it is no calendar day."""
    try:
        return datetime.strptime(text or "", "%Y%m%d").date().isoformat()
    except ValueError:
        return None


def study_facts(instances: pl.DataFrame) -> dict[str, Any]:
    """Row of FACTS_SCHEMA for one study: of each fact the value that most images carry."""
    chosen = [modality == "MR" for modality in instances["modality"]]
    chosen = chosen if any(chosen) else [True] * instances.height

    def usual(name: str) -> Any:
        return _usual(compress(instances[name].to_list(), chosen))

    facts: dict[str, Any] = {name: _plausible(usual(name), *limits) for name, limits in _PLAUSIBLE.items()}
    sex = str(usual("sex") or "").upper()[:1]
    return {
        **facts,
        "sex": sex if sex in ("M", "F") else None,
        "vendor": normal_vendor(usual("manufacturer")),
        "scanner": _model(usual("model")),
        "study_date": valid_date(usual("study_date")),
    }


def _model(text: str | None) -> str | None:
    name = (text or "").strip()
    return name if _MODEL.fullmatch(name) else None


def year_only(facts: pl.DataFrame) -> pl.DataFrame:
    """The facts with the year in place of the day of the study: with other records, a day may name a person."""
    return facts.with_columns(pl.col("study_date").str.slice(0, 4))


def to_facts(row: dict[str, Any]) -> StudyFacts:
    """StudyFacts of a row of the index's facts."""
    return StudyFacts(**{name: row[name] for name in FACTS_SCHEMA})


def _usual(values: Iterable[Any]) -> Any:
    """Most frequent value that is there; of equals the first in order."""
    counts = Counter(values)
    counts.pop(None, None)
    return max(sorted(counts, key=str), key=lambda v: counts[v], default=None)


def _plausible(value: float | None, low: float, high: float) -> float | None:
    return value if value is not None and low < value <= high else None
