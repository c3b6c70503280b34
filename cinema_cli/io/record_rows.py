"""Rows of the cohort's tables, from records: phenotypes, curves, failures, quality."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from cinema_cli.domain.checks import CHECKS
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import CheckStatus
from cinema_cli.io.ledger import CURVES, Record, Status

Schema = dict[str, pl.DataType | type[pl.DataType]]

ID_SCHEMA: Schema = {"participant_id": pl.String, "session_id": pl.String}
SPARE_DECIMALS = 4  # kept beyond what is shown: enough for any statistics, without the dust of binary fractions
_FRAMES = ("ed_frame", "es_frame")
_FACTS: Schema = {
    "sex": pl.String,
    "age_years": pl.Float64,
    "height_cm": pl.Float64,
    "weight_kg": pl.Float64,
    "vendor": pl.String,
    "scanner": pl.String,
    "field_strength_t": pl.Float64,
}
PHENOTYPE_SCHEMA: Schema = (
    ID_SCHEMA
    | {"status": pl.String}
    | _FACTS
    | {p.name: pl.Int64 if p.name in _FRAMES else pl.Float64 for p in PHENOTYPES}
    | {"reasons": pl.String}
    | {f"qc_{name}": pl.String for name in CHECKS}
)
CURVE_SCHEMA: Schema = ID_SCHEMA | {
    "frame": pl.Int64,
    "time_ms": pl.Float64,
    "lv_ml": pl.Float64,
    "rv_ml": pl.Float64,
    "myo_ml": pl.Float64,
    "lv_smooth_ml": pl.Float64,
}
FAILURE_SCHEMA: Schema = ID_SCHEMA | dict.fromkeys(("status", "stage", "code", "reason", "hint"), pl.String)
QC_SCHEMA: Schema = ID_SCHEMA | {
    "check": pl.String,
    "status": pl.String,
    "value": pl.Float64,
    "sentence": pl.String,
}
_CLINICAL = ("sex", "age_years", "height_cm", "weight_kg")  # facts that a clinical file may say too


def phenotypes(records: Sequence[Record]) -> pl.DataFrame:
    """One row a study, also without a result: PHENOTYPE_SCHEMA, the same columns whatever the records hold."""
    return pl.DataFrame([_row(r) for r in records], schema=PHENOTYPE_SCHEMA, orient="row")


def curves(records: Sequence[Record]) -> pl.DataFrame:
    """Volume per frame of every analysed study: CURVE_SCHEMA, frames counted from 0, times in ms, volumes in ml."""
    beating = [(r, r.curves) for r in records if r.curves is not None]
    if not beating:
        return pl.DataFrame(schema=CURVE_SCHEMA)
    counts = [one.times_ms.size for _, one in beating]
    ids = pl.DataFrame([(r.participant_id, r.session_id) for r, _ in beating], schema=ID_SCHEMA, orient="row")
    rows = ids[np.repeat(np.arange(len(beating)), counts)]
    values = {name: np.concatenate([getattr(one, name) for _, one in beating]) for name in CURVES}
    frame = np.concatenate([np.arange(count) for count in counts])
    return rows.with_columns(frame=frame, time_ms=values.pop("times_ms"), **values).select(
        pl.col(name).cast(kind) for name, kind in CURVE_SCHEMA.items()
    )


def failures(records: Sequence[Record]) -> pl.DataFrame:
    """One row a study without a result, failed or not reached: FAILURE_SCHEMA."""
    rows = [
        (r.participant_id, r.session_id, str(r.status), r.stage, r.code, r.reason, r.hint)
        for r in records
        if r.status is not Status.DONE
    ]
    return pl.DataFrame(rows, schema=FAILURE_SCHEMA, orient="row")


def quality(records: Sequence[Record]) -> pl.DataFrame:
    """One row a check of a study that did not simply pass: QC_SCHEMA."""
    rows = [
        (r.participant_id, r.session_id, c.name, str(c.status), c.value, c.sentence)
        for r in records
        for c in r.checks
        if c.status is not CheckStatus.PASS
    ]
    return pl.DataFrame(rows, schema=QC_SCHEMA, orient="row")


def _row(record: Record) -> list[Any]:
    values = {m.name: m.value for m in record.measurements}
    cells: list[Any] = [record.participant_id, record.session_id, str(record.status)]
    cells += [getattr(record.facts, name) for name in _FACTS]
    for p in PHENOTYPES:
        value, digits = values.get(p.name), None if p.name in _FRAMES else p.decimals + SPARE_DECIMALS
        cells.append(None if value is None else round(value, digits))
    names: dict[str, list[str]] = {}
    for name, reason in (_result_reasons(record) | _fact_reasons(record)).items():
        names.setdefault(reason.replace("; ", ", "), []).append(name)
    cells.append("; ".join(f"{', '.join(those)}: {reason}" for reason, those in names.items()))
    verdicts = {c.name: str(c.status) for c in record.checks}
    return cells + [verdicts.get(name) for name in CHECKS]


def _result_reasons(record: Record) -> dict[str, str]:
    """Why each phenotype and check without a value has none; `all` where the study has no result."""
    if record.status is not Status.DONE:
        return {"all": record.reason}
    measured, checked = {m.name: m for m in record.measurements}, {c.name for c in record.checks}
    unknown = f"unknown to version {record.version}, which analysed the study"
    reasons = {p.name: unknown for p in PHENOTYPES if p.name not in measured}
    reasons |= {m.name: m.reason or "no reason recorded" for m in record.measurements if m.value is None}
    return reasons | {f"qc_{name}": unknown for name in CHECKS if name not in checked}


def _fact_reasons(record: Record) -> dict[str, str]:
    """Why each fact of person and machine is missing; what the headers say is kept of studies that were read."""
    machine = [name for name in _FACTS if name not in _CLINICAL]
    read = record.status is Status.DONE or any(getattr(record.facts, name) is not None for name in machine)
    headers = "not in the headers, or not plausible there" if read else "the study was not read"
    silent = [name for name in _FACTS if getattr(record.facts, name) is None]
    both = f"{headers}, and no clinical file says it"
    return {name: headers if name in machine and len(silent) < len(_FACTS) else both for name in silent}
