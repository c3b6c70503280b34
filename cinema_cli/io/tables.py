"""Tables of a whole cohort, rebuilt from the records: phenotypes, curves, failures, quality; each has a dictionary."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli.domain.checks import CHECKS
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import CheckStatus
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.dictionary import Entry, data_dictionary, words_of
from cinema_cli.io.ledger import Record, Status, digest_of

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
_DESCRIPTION = "dataset_description.json"
TABLE_FILES = (
    *("README", ".bidsignore", "curves.json", "curves.parquet", "failures.json"),
    *("failures.csv", "qc.json", "qc.csv", "phenotypes.json", "phenotypes.csv", "phenotypes.parquet"),
    _DESCRIPTION,
)
_FORMULA_START = r"^[=+\-@\t\r]"  # what a spreadsheet would run
_CLINICAL = ("sex", "age_years", "height_cm", "weight_kg")  # facts that a clinical file may say too


@dataclass(frozen=True, slots=True, order=True)
class Visit:
    """A study as the tables name it."""

    participant_id: str
    session_id: str


def phenotypes(records: Sequence[Record]) -> pl.DataFrame:
    """One row a study, also without a result: PHENOTYPE_SCHEMA, the same columns whatever the records hold."""
    return pl.DataFrame([_row(r) for r in records], schema=PHENOTYPE_SCHEMA, orient="row")


def curves(records: Sequence[Record]) -> pl.DataFrame:
    """Volume per frame of every analysed study: CURVE_SCHEMA, frames counted from 0, times in ms, volumes in ml."""
    parts = [
        pl.DataFrame(
            {
                "participant_id": [r.participant_id] * r.curves.times_ms.size,
                "session_id": [r.session_id] * r.curves.times_ms.size,
                "frame": range(r.curves.times_ms.size),
                "time_ms": r.curves.times_ms,
                "lv_ml": r.curves.lv_ml,
                "rv_ml": r.curves.rv_ml,
                "myo_ml": r.curves.myo_ml,
                "lv_smooth_ml": r.curves.lv_smooth_ml,
            },
            schema=CURVE_SCHEMA,
        )
        for r in records
        if r.curves is not None
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=CURVE_SCHEMA)


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


def to_csv(table: pl.DataFrame, *, na: str = "") -> str:
    """CSV text: `.` decimal, missing (and NaN) as `na`, text that a spreadsheet would run led by an apostrophe."""
    text = pl.col(pl.String)
    safe = table.with_columns(pl.col(pl.Float64).fill_nan(None)).with_columns(
        pl.when(text.str.contains(_FORMULA_START)).then("'" + text).otherwise(text).name.keep()
    )
    return safe.write_csv(null_value=na)


def to_parquet(table: pl.DataFrame) -> bytes:
    """Parquet bytes of a table."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def write_tables(out: Path, records: Sequence[Record], *, version: str) -> pl.DataFrame:
    """Rebuild every table of the folder `out` from its records; returns the phenotype table. Raises OutputError.

    The description comes last and says which records all the others were made from, see `written_of`.
    """
    table = phenotypes(records)
    write_atomic(out / "README", _README)
    write_atomic(out / ".bidsignore", _BIDSIGNORE)
    write_table(out, "curves", curves(records), ".parquet")
    write_table(out, "failures", failures(records), ".csv")
    write_table(out, "qc", quality(records), ".csv")
    write_table(out, "phenotypes", table, ".csv", ".parquet")
    _write_description(out, version=version, records=records_digest(records))
    return table


def records_digest(records: Sequence[Record]) -> str:
    """Digest of what these records are of: tables made from others say something else."""
    return digest_of([(r.participant_id, r.session_id, r.status, r.digest, r.version, r.reason) for r in records])


def written_of(out: Path) -> str:
    """Digest of the records that the tables in `out` were made from; empty where that cannot be read."""
    try:
        made = json.loads((out / _DESCRIPTION).read_text(encoding="utf-8"))["GeneratedBy"][0]
        return str(made["RecordsDigest"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def write_notes(out: Path, notes: pl.DataFrame) -> None:
    """Write the doubts about participants that a scan found, one row a doubt. Raises OutputError."""
    write_table(out, "notes", notes, ".csv")


def write_series(out: Path, series: pl.DataFrame) -> None:
    """Write the scan's series table as series.parquet and .csv, without study uids: those name a visit elsewhere."""
    table = series.drop("study_uid", strict=False)
    write_table(out, "series", table, ".parquet", ".csv")


def read_series(out: Path) -> pl.DataFrame:
    """The series table of an output folder; an empty one where there is none."""
    path = out / "series.parquet"
    return read_parquet(path) if path.is_file() else pl.DataFrame(schema=ID_SCHEMA)


def read_parquet(path: Path) -> pl.DataFrame:
    """A table; Polars itself opens no file whose name is not UTF-8."""
    return pl.read_parquet(io.BytesIO(path.read_bytes()))


def scan_table(out: Path, name: str) -> pl.LazyFrame | None:
    """A table of an output folder of which not all is wanted; None where it is not there or cannot be read."""
    path = out / name
    if not path.is_file():
        return None
    try:
        table = pl.scan_parquet(io.BytesIO(path.read_bytes()))
        table.collect_schema()
    except (OSError, pl.exceptions.PolarsError):
        return None
    return table


def _row(record: Record) -> list[Any]:
    values = {m.name: m.value for m in record.measurements}
    cells: list[Any] = [record.participant_id, record.session_id, str(record.status)]
    cells += [getattr(record.facts, name) for name in _FACTS]
    for p in PHENOTYPES:
        value, digits = values.get(p.name), None if p.name in _FRAMES else p.decimals + SPARE_DECIMALS
        cells.append(None if value is None else round(value, digits))
    reasons = _result_reasons(record) | _fact_reasons(record)
    cells.append("; ".join(f"{name}: {reason.replace('; ', ', ')}" for name, reason in reasons.items()))
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
    headers = "not in the DICOM headers, or not plausible there" if read else "the study was not read"
    return {
        name: headers if name in machine else f"{headers}, and no clinical file says it"
        for name in _FACTS
        if getattr(record.facts, name) is None
    }


def write_table(out: Path, name: str, table: pl.DataFrame, *suffixes: str) -> None:
    """Write a table in each of its formats, and the dictionary of its columns beside it. Raises OutputError."""
    forms: Mapping[str, Callable[[pl.DataFrame], bytes | str]] = {".parquet": to_parquet, ".csv": to_csv}
    write_dictionary(out, name, table.columns, words_of(name))
    for suffix in suffixes:
        write_atomic(out / f"{name}{suffix}", forms[suffix](table))


def write_dictionary(out: Path, name: str, columns: Sequence[str], words: Mapping[str, Entry]) -> None:
    """Write what each column of a table means. Raises OutputError."""
    write_atomic(out / f"{name}.json", _json(data_dictionary(words, columns)))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write_description(out: Path, *, version: str, records: str) -> None:
    description = {
        "Name": "Cine cardiac MR phenotypes",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "cinema-cli", "Version": version, "RecordsDigest": records}],
    }
    write_atomic(out / _DESCRIPTION, _json(description))


_BIDSIGNORE = """\
*.html
*.parquet
*.csv
/phenotypes.json
/curves.json
/embeddings.json
/failures.json
/notes.json
/predictions.json
/qc.json
/series.json
/studies.json
/report/
/logs/
sub-*/ses-*/*_dseg.nii.gz
sub-*/ses-*/status.json
sub-*/ses-*/figures/
"""
_README = """\
Written by `cinema analyse` or `cinema infer` (which leaves report.html to `cinema report`).

report.html             the cohort, to be read first
phenotypes.csv          one row a study, also as .parquet
series.csv              one row a DICOM series: what it is, whether it was used, and why not; also as .parquet
studies.parquet         one row a study that the last scan found: facts, files, and their digest
curves.parquet          volumes over the cardiac cycle
predictions.parquet     what published heads said of each study and frame; embeddings.parquet: vectors of the backbone
failures.csv  qc.csv    studies without a result; checks that did not pass
notes.csv               doubts about participants: two under one id, one under two, several visits
<table>.json            what each column of that table means
sub-*/ses-*/            study.html, masks (labels 0 background, 1 RV, 2 myocardium, 3 LV), status.json (the record)
logs/                   settings and messages of each run

Tables are rebuilt from the records by every run: change nothing here by hand. They hold the studies that the last
scan found; folders of others are left where they are and counted nowhere. For research use only.
"""
