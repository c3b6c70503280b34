"""`cinema phenotypes`: the phenotype table of an output folder, for other programs."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import CONSOLE, Config, Format, NoProgress, Quiet, Verbose


class TableFormat(StrEnum):
    """File formats of a table."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def phenotypes(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Output folder of `cinema analyse`.")],
    out: Annotated[str, typer.Option("--out", "-o", help="File to write; - for standard output.")] = "-",
    file_format: Annotated[
        TableFormat | None, typer.Option("--format", help="Default: from the file's name, else csv.")
    ] = None,
    na: Annotated[str, typer.Option("--na", help="How CSV says missing; R reads NA.")] = "",
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Rebuild the phenotype table from the records and write it: one row a study, failed ones too."""
    from cinema_cli.domain.errors import InputError
    from cinema_cli.io.atomic import write_atomic
    from cinema_cli.io.cohort_list import cohort_records, former_studies, former_words
    from cinema_cli.io.processors import available_cpus
    from cinema_cli.io.tables import to_csv, to_parquet

    table = cohort_records(folder, jobs=available_cpus()).phenotypes
    if table.is_empty():
        raise InputError(
            f"no records in {folder}", hint="Give the output folder of `cinema analyse`.", code="no_records"
        )
    if said := former_words(former_studies(folder)):
        CONSOLE.info(said)
    kind = file_format or _kind(out)
    if kind is TableFormat.PARQUET:
        content = to_parquet(table)
    else:
        content = (to_csv(table, na=na) if kind is TableFormat.CSV else table.write_json() + "\n").encode()
    if out == "-":
        sys.stdout.buffer.write(content)
        return
    write_atomic(Path(out), content)
    CONSOLE.info(f"{table.height} studies written to {out}")


def _kind(out: str) -> TableFormat:
    suffix = Path(out).suffix.lower().removeprefix(".")
    return TableFormat(suffix) if suffix in set(TableFormat) else TableFormat.CSV
