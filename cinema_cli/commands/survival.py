"""`cinema survival`: phenotypes against the time to an event, as tables and a report."""

from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands import analysis_options as shared
from cinema_cli.commands import options
from cinema_cli.commands.analysis_options import Names
from cinema_cli.commands.console import LogFormat


def survival(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="PHENOTYPES", help="Output folder of `cinema analyse`, or a table: CSV, TSV, Parquet."),
    ],
    out: shared.Out = None,
    outcomes: Annotated[Path | None, typer.Option(help="Table with time and event [default: PHENOTYPES].")] = None,
    id_column: shared.IdColumn = "",
    hash_ids: shared.HashIds = None,
    time: shared.Time = "",
    event: shared.Event = "",
    event_words: shared.EventWords = "",
    entry: Annotated[
        str, typer.Option(metavar="COL", help="When people come under observation, as a time or a date.")
    ] = "",
    origin: Annotated[
        str, typer.Option(metavar="COL", help="Date that dates count from: that of birth makes age the time scale.")
    ] = "",
    competing: Annotated[
        str, typer.Option(metavar="COL|2", help="Column of a competing event, or 2 where the event column has it.")
    ] = "",
    phenotypes: Annotated[
        Names, typer.Option(metavar="A,B", help="Columns of numbers [default: all phenotypes of ours, else all].")
    ] = None,
    covariates: Annotated[Names, typer.Option(metavar="A,B", help="Columns to adjust for; text is categories.")] = None,
    strata: Annotated[Names, typer.Option(metavar="A,B", help="A baseline hazard for each of their values.")] = None,
    groups: Annotated[Names, typer.Option(metavar="A,B", help="Compare curves and rates of these groups.")] = None,
    cluster: Annotated[str, typer.Option(metavar="COL", help="Rows that belong together: robust errors.")] = "",
    weights: Annotated[str, typer.Option(metavar="COL", help="Weights of the rows.")] = "",
    per: Annotated[str, typer.Option(metavar="sd|unit", help="What hazard ratios of phenotypes are per.")] = "sd",
    horizon: shared.Horizon = None,
    time_unit: shared.TimeUnitOption = None,
    impute: Annotated[
        int, typer.Option(metavar="M", min=0, help="Fill in missing covariates M times; 0: complete cases.")
    ] = 0,
    bootstrap: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Resamples against optimism [default: by the size].")
    ] = None,
    embeddings: Annotated[
        Path | None, typer.Option(help="Vectors of a backbone: embeddings.parquet, or a column a number.")
    ] = None,
    forest: Annotated[
        bool, typer.Option("--forest", help="Also a random survival forest, of 20,000 rows at most.")
    ] = False,
    multiplicity: shared.MultiplicityOption = "bh",
    min_cell: shared.MinCell = 10,
    no_suppress: shared.NoSuppress = False,
    seed: shared.Seed = 0,
    jobs: options.Jobs = None,
    as_json: shared.Json = False,
    config: options.Config = None,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
    log_format: options.Format = LogFormat.TEXT,
    no_progress: options.NoProgress = False,
) -> None:
    """Relate phenotypes to the time to an event: Cox models, curves, prediction, as a report with its tables.

    Who cannot be analysed is counted in the report's flow; a table that is not as it should be is refused with the
    numbers of its rows. DIR/individual holds rows of people and is not for release.
    """
    from cinema_cli.commands.survival_asked import job_of
    from cinema_cli.commands.survival_run import run_survival

    done = run_survival(job_of(context))
    if as_json:
        print(done.as_json())
