"""Tables of a whole cohort, rebuilt from the records: phenotypes, curves, failures, quality, the data dictionary."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import CheckStatus
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.ledger import Record, Status, read_records

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
)  # followed by one `qc_<check>` column a check
CURVE_SCHEMA: Schema = ID_SCHEMA | {
    "frame": pl.Int64,
    "time_ms": pl.Float64,
    "lv_ml": pl.Float64,
    "rv_ml": pl.Float64,
    "myo_ml": pl.Float64,
    "lv_smooth_ml": pl.Float64,
}
FAILURE_SCHEMA: Schema = ID_SCHEMA | {"stage": pl.String, "code": pl.String, "reason": pl.String, "hint": pl.String}
QC_SCHEMA: Schema = ID_SCHEMA | {
    "check": pl.String,
    "status": pl.String,
    "value": pl.Float64,
    "sentence": pl.String,
}
_FORMULA_START = r"^[=+\-@\t\r]"  # what a spreadsheet would run
_COLUMN_WORDS = {
    "participant_id": "Person, as BIDS names it; the prefix keeps leading zeros.",
    "session_id": "Visit of the person.",
    "status": "done: the study was analysed; failed: see reasons and failures.csv; not_run: the run stopped before it.",
    "sex": "M or F; from the clinical file, else from the DICOM headers.",
    "age_years": "Age at the visit; from the clinical file, else from the DICOM headers.",
    "height_cm": "Body height; from the clinical file, else from the DICOM headers.",
    "weight_kg": "Body weight; from the clinical file, else from the DICOM headers.",
    "vendor": "Maker of the scanner.",
    "scanner": "Model of the scanner.",
    "field_strength_t": "Field strength of the scanner.",
    "reasons": "Why each empty phenotype is empty: `name: reason`, separated by `; `.",
}


def phenotypes(records: Sequence[Record]) -> pl.DataFrame:
    """One row a study, failed ones too: PHENOTYPE_SCHEMA, then a `qc_<check>` column a check that any study had."""
    checks = sorted({check.name for r in records for check in r.checks})
    schema = PHENOTYPE_SCHEMA | {f"qc_{name}": pl.String for name in checks}
    return pl.DataFrame([_row(r, checks) for r in records], schema=schema, orient="row")


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
        (r.participant_id, r.session_id, r.stage, r.code, r.reason, r.hint)
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


def data_dictionary(columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What each column of the phenotype table means, in the manner of BIDS: name, meaning, unit, formula, ranges."""
    known = {p.name: p for p in PHENOTYPES}
    dictionary: dict[str, dict[str, Any]] = {}
    for column in columns:
        if p := known.get(column):
            entry: dict[str, Any] = {"LongName": p.title, "Description": p.meaning}
            entry |= {"Units": p.unit, "Formula": p.formula}
            if p.ranges:
                entry["ReferenceRanges"] = [
                    {"Sex": r.sex, "Lower": r.lower, "Upper": r.upper, "Source": r.source} for r in p.ranges
                ]
        elif column.startswith("qc_"):
            entry = {
                "Description": f"Quality check `{column.removeprefix('qc_')}`; the sentence is in qc.csv.",
                "Levels": {"pass": "as expected", "flag": "look at the study page", "not_run": "could not be checked"},
            }
        else:
            entry = {"Description": _COLUMN_WORDS.get(column, "")}
        dictionary[column] = entry
    return dictionary


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
    """Rebuild every table of the folder `out` from its records; returns the phenotype table. Raises OutputError."""
    table, volume_curves = phenotypes(records), curves(records)
    write_atomic(out / "phenotypes.parquet", to_parquet(table))
    write_atomic(out / "phenotypes.csv", to_csv(table))
    write_atomic(out / "phenotypes.json", _json(data_dictionary(table.columns)))
    write_atomic(out / "curves.parquet", to_parquet(volume_curves))
    write_atomic(out / "failures.csv", to_csv(failures(records)))
    write_atomic(out / "qc.csv", to_csv(quality(records)))
    _write_description(out, version=version)
    return table


def read_phenotypes(out: Path) -> pl.DataFrame:
    """The phenotype table of an output folder, rebuilt from its records."""
    return phenotypes(read_records(out))


def write_series(out: Path, series: pl.DataFrame) -> None:
    """Write the scan's series table as series.parquet and .csv, without study uids: those name a visit elsewhere."""
    table = series.drop("study_uid", strict=False)
    write_atomic(out / "series.parquet", to_parquet(table))
    write_atomic(out / "series.csv", to_csv(table))


def read_series(out: Path) -> pl.DataFrame:
    """The series table of an output folder; an empty one where there is none."""
    path = out / "series.parquet"
    return pl.read_parquet(path, glob=False) if path.is_file() else pl.DataFrame(schema=ID_SCHEMA)


def _row(record: Record, checks: Sequence[str]) -> list[Any]:
    values = {m.name: m for m in record.measurements}
    cells: list[Any] = [record.participant_id, record.session_id, str(record.status)]
    cells += [getattr(record.facts, name) for name in _FACTS]
    for p in PHENOTYPES:
        value = values[p.name].value if p.name in values else None
        digits = None if p.name in _FRAMES else p.decimals + SPARE_DECIMALS
        cells.append(None if value is None else round(value, digits))
    if record.status is not Status.DONE:
        cells.append(f"all: {record.reason}")
    else:
        empty = (values.get(p.name) for p in PHENOTYPES)
        cells.append("; ".join(f"{m.name}: {m.reason}" for m in empty if m and m.value is None))
    verdicts = {c.name: str(c.status) for c in record.checks}
    return cells + [verdicts.get(name) for name in checks]


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write_description(out: Path, *, version: str) -> None:
    description = {
        "Name": "Cine cardiac MR phenotypes",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "cinema-cli", "Version": version}],
    }
    write_atomic(out / "dataset_description.json", _json(description))
    write_atomic(out / "README", _README)
    write_atomic(out / ".bidsignore", "*.html\n*.parquet\n*.csv\nlogs/\n**/status.json\n**/figures/\n")


_README = """\
Written by `cinema analyse`.

report.html             the cohort, to be read first
phenotypes.csv          one row a study, also as .parquet; phenotypes.json says what each column means
series.csv              one row a DICOM series: what it is, whether it was used, and why not
curves.parquet          volumes over the cardiac cycle
failures.csv  qc.csv    studies without a result; checks that did not pass
sub-*/ses-*/            study.html, masks (labels 0 background, 1 RV, 2 myocardium, 3 LV), status.json (the record)
logs/                   settings and messages of each run

Tables are rebuilt from the records by every run: change nothing here by hand. For research use only.
"""
