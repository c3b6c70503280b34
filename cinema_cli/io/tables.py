"""Tables of a whole cohort, rebuilt from the records: phenotypes, curves, failures, quality; each has a dictionary."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from cinema_cli.io.atomic import stream_atomic, write_atomic
from cinema_cli.io.dictionary import Entry, data_dictionary, words_of
from cinema_cli.io.record_rows import ID_SCHEMA
from cinema_cli.io.records import CohortRecords

DESCRIPTION = "dataset_description.json"
TABLE_FILES = (
    *("README", ".bidsignore", "curves.json", "curves.parquet", "failures.json"),
    *("failures.csv", "qc.json", "qc.csv", "phenotypes.json", "phenotypes.csv", "phenotypes.parquet"),
    DESCRIPTION,
)
_FORMULA_START = r"^[=+\-@\t\r]"  # what a spreadsheet would run
_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"


def to_csv(table: pl.DataFrame, *, na: str = "") -> str:
    """CSV text: `.` decimal, TRUE and FALSE (R reads no others), missing (and NaN) as `na`, text that a spreadsheet
    would run led by an apostrophe.

    A text that is a number, such as `-1.5`, stays one.
    """
    text = pl.col(pl.String)
    runs = text.str.contains(_FORMULA_START) & ~text.str.contains(_NUMBER)
    plain = pl.col(pl.Float64).fill_nan(None), pl.col(pl.Boolean).cast(pl.String).str.to_uppercase()
    safe = table.with_columns(*plain).with_columns(pl.when(runs).then("'" + text).otherwise(text).name.keep())
    return safe.write_csv(null_value=na)


def to_parquet(table: pl.DataFrame) -> bytes:
    """Parquet bytes of a table."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


class _Heard:
    """A file that remembers what the disk said: Polars says only that something went wrong."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write some bytes."""
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Polars wants it."""
        self.file.flush()


def disk_errors_heard(file: BinaryIO, write: Callable[[Any], object]) -> None:
    """Have a table written straight to a file, not by way of memory. Raises the OSError where the disk refuses."""
    heard = _Heard(file)
    try:
        write(heard)
    except pl.exceptions.PolarsError:
        if heard.error is not None:
            raise heard.error from None
        raise


def write_tables(out: Path, records: CohortRecords, *, version: str) -> None:
    """Rebuild every table of the folder `out` from its records. Raises OutputError.

    The description comes last and says which records all the others were made from, see `written_of`.
    """
    write_atomic(out / "README", _README)
    write_atomic(out / ".bidsignore", _BIDSIGNORE)
    write_table(out, "curves", records.curves, ".parquet")
    write_table(out, "failures", records.failures, ".csv")
    write_table(out, "qc", records.quality, ".csv")
    write_table(out, "phenotypes", records.phenotypes, ".csv", ".parquet")
    _write_description(out, version=version, records=records.digest)


def written_of(out: Path) -> str:
    """Digest of the records that the tables in `out` were made from; empty where that cannot be read."""
    try:
        made = json.loads((out / DESCRIPTION).read_text(encoding="utf-8"))["GeneratedBy"][0]
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


def write_table(out: Path, name: str, table: pl.DataFrame, *suffixes: str) -> None:
    """Write a table in each of its formats, and the dictionary of its columns beside it. Raises OutputError."""
    forms: Mapping[str, Callable[[BinaryIO], object]] = {
        ".parquet": lambda file: disk_errors_heard(file, table.write_parquet),
        ".csv": lambda file: file.write(to_csv(table).encode()),
    }
    write_dictionary(out, name, table.columns, words_of(name))
    for suffix in suffixes:
        stream_atomic(out / f"{name}{suffix}", forms[suffix])


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
    write_atomic(out / DESCRIPTION, _json(description))


_BIDSIGNORE = """\
*.html
*.parquet
*.csv
/ids.json
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
/survival/
/evaluation/
/fairness/
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
ids.json                whether ids are hashed, and a mark of the key: runs with another are refused
notes.csv               doubts about participants: two under one id, one under two, several visits
<table>.json            what each column of that table means
sub-*/ses-*/            study.html, masks (labels 0 background, 1 RV, 2 myocardium, 3 LV), status.json (the record)
survival/               report and tables of survival, where a clinical file told events; individual/ is not for release
evaluation/  fairness/  what `cinema evaluate` and `cinema fairness` made of this folder; the same holds there
logs/                   settings and messages of each run

Tables are rebuilt from the records by every run: change nothing here by hand. They hold the studies that the last
scan found; folders of others are left where they are and counted nowhere. For research use only.
"""
