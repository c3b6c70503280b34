"""The tables and the report of an output folder, made again where its records or its scan say something new."""

from collections.abc import Sequence
from pathlib import Path

from cinema_cli import __version__
from cinema_cli.commands.cohort_page import REPORT_NAME, write_report
from cinema_cli.domain.prediction import PredictionColumn
from cinema_cli.io.cohort_list import STUDIES, cohort_records, cohort_standings
from cinema_cli.io.predictions import EMBEDDINGS, PREDICTIONS, write_cohort_tables
from cinema_cli.io.records import said_digest
from cinema_cli.io.standings import Standing
from cinema_cli.io.tables import DESCRIPTION, TABLE_FILES, write_tables, written_of

_OF_THE_SCAN = (STUDIES, "series.parquet", "notes.csv")


def write_cohort(
    out: Path, *, columns: Sequence[PredictionColumn], embedded: bool, report: bool, jobs: int, changed: bool = False
) -> bool:
    """Write tables and report, unless they say what the records say; whether anything was written. Raises OutputError.

    A report that is there is made again also where none was asked for: it must not say what no table says. What says
    which records the others were made from is written last. `changed`: it is known that they say something new.
    """
    with_report = report or (out / REPORT_NAME).is_file()
    heads = [*([PREDICTIONS] if columns else []), *([EMBEDDINGS] if embedded else [])]
    files = [*TABLE_FILES, *([REPORT_NAME] if with_report else []), *heads]
    if not changed and all((out / name).is_file() for name in files) and is_current(out, jobs=jobs):
        return False
    records = cohort_records(out, jobs=jobs)
    write_cohort_tables(out, records, columns, embedded=embedded, jobs=jobs)
    if with_report:  # it shows what is in these tables
        write_report(out, records)
    write_tables(out, records, version=__version__)
    return True


def is_current(out: Path, *, jobs: int, standings: Sequence[Standing] | None = None) -> bool:
    """Whether the tables were made from what lies there: no record and nothing of a scan is newer than they are."""
    description = out / DESCRIPTION
    if not description.is_file():
        return False
    made = description.stat().st_mtime_ns
    if any(path.stat().st_mtime_ns > made for name in _OF_THE_SCAN if (path := out / name).is_file()):
        return False
    known = cohort_standings(out, jobs=jobs) if standings is None else standings
    if any(one.written_ns > made for one in known):
        return False
    return written_of(out) == said_digest(one.said for one in known)
