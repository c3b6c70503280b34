"""`cinema report`: the cohort page of an output folder, made again from its records."""

from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import CONSOLE, Config, Format, NoProgress, Quiet, Verbose


def report(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Output folder of `cinema analyse`.")],
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Make report.html again from the records and the series table of an output folder."""
    from cinema_cli.commands.cohort_page import write_report
    from cinema_cli.domain.errors import InputError
    from cinema_cli.io.cohort_list import cohort_records, former_studies, former_words
    from cinema_cli.io.lock import run_lock
    from cinema_cli.io.processors import available_cpus

    records = cohort_records(folder, jobs=available_cpus())
    if not records.n_studies:
        raise InputError(
            f"no records in {folder}", hint="Give the output folder of `cinema analyse`.", code="no_records"
        )
    with run_lock(folder):
        path = write_report(folder, records)
    CONSOLE.info(f"report: {path}")
    if said := former_words(former_studies(folder)):
        CONSOLE.info(said)
