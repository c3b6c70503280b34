"""The tables and the report of an output folder, made again where its records or its scan say something new."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cinema_cli import __version__
from cinema_cli.commands.cohort_page import REPORT_NAME, write_report
from cinema_cli.domain.prediction import PredictionColumn
from cinema_cli.io.cohort_list import STUDIES
from cinema_cli.io.predictions import write_cohort_tables
from cinema_cli.io.records import CohortRecords, said_digest
from cinema_cli.io.standings import Standing
from cinema_cli.io.tables import DESCRIPTION, TABLE_FILES, write_tables, written_of

_OF_THE_SCAN = (STUDIES, "series.parquet", "notes.csv")


def write_cohort(
    out: Path,
    records: CohortRecords,
    *,
    columns: Sequence[PredictionColumn],
    embedded: bool,
    report: bool,
    jobs: int,
) -> None:
    """Write every table and the report; what says which records they were made from comes last. Raises OutputError.

    A report that is there is made again also where none was asked for: it must not say what no table says.
    """
    write_cohort_tables(out, records, columns, embedded=embedded, jobs=jobs)
    if report or (out / REPORT_NAME).is_file():  # it shows what is in these tables
        write_report(out, records)
    write_tables(out, records, version=__version__)


def are_there(out: Path, others: Iterable[str]) -> bool:
    """Whether the tables that every cohort has are there, and `others`."""
    return all((out / name).is_file() for name in (*TABLE_FILES, *others))


def is_current(out: Path, standings: Sequence[Standing]) -> bool:
    """Whether the tables were made from what lies there: no record and nothing of a scan is newer than they are."""
    try:
        made = (out / DESCRIPTION).stat().st_mtime_ns
    except FileNotFoundError:
        return False
    of_the_scan = (out / name for name in _OF_THE_SCAN)
    newer = any(path.stat().st_mtime_ns > made for path in of_the_scan if path.is_file())
    newer = newer or any(one.written_ns > made for one in standings)
    return not newer and written_of(out) == said_digest(one.said for one in standings)
