"""`cinema survival`: phenotypes against the time to an event, as tables and a report."""

from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands import options
from cinema_cli.commands.console import LogFormat

_Names = list[str] | None


def survival(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="PHENOTYPES", help="CSV, TSV or Parquet, or the output folder of `cinema analyse`."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for report and tables.")],
    outcomes: Annotated[
        Path | None, typer.Option(help="CSV, TSV or Parquet with time and event [default: PHENOTYPES has them].")
    ] = None,
    id_column: Annotated[
        str, typer.Option(metavar="COL", help="Participants [default: participant_id, eid or id].", show_default=False)
    ] = "",
    time: Annotated[
        str,
        typer.Option(
            metavar="COL",
            help="Time to the event or the end, or its date [default: time_years or time].",
            show_default=False,
        ),
    ] = "",
    event: Annotated[
        str, typer.Option(metavar="COL", help="1 the event, 0 censored [default: event].", show_default=False)
    ] = "",
    event_words: Annotated[
        str, typer.Option(metavar="TEXT", help="What the event is, for the report: heart failure.", show_default=False)
    ] = "",
    entry: Annotated[
        str, typer.Option(metavar="COL", help="When people come under observation, as a time or a date.")
    ] = "",
    origin: Annotated[
        str, typer.Option(metavar="COL", help="Date that time counts from: that of birth makes age the time scale.")
    ] = "",
    competing: Annotated[
        str, typer.Option(metavar="COL|2", help="Column of a competing event, or 2 where the event column has it.")
    ] = "",
    phenotypes: Annotated[
        _Names, typer.Option(metavar="A,B", help="Columns of numbers [default: all phenotypes of ours, else all].")
    ] = None,
    covariates: Annotated[
        _Names, typer.Option(metavar="A,B", help="Columns to adjust for; text is categories.")
    ] = None,
    strata: Annotated[_Names, typer.Option(metavar="A,B", help="A baseline hazard for each of their values.")] = None,
    groups: Annotated[_Names, typer.Option(metavar="A,B", help="Compare curves and rates of these groups.")] = None,
    cluster: Annotated[str, typer.Option(metavar="COL", help="Rows that belong together: robust errors.")] = "",
    weights: Annotated[str, typer.Option(metavar="COL", help="Weights of the rows.")] = "",
    per: Annotated[str, typer.Option(metavar="sd|unit", help="What hazard ratios of phenotypes are per.")] = "sd",
    horizon: Annotated[
        float | None, typer.Option(metavar="T", help="Time of predictions [default: from the follow-up].")
    ] = None,
    time_unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="years, months, weeks or days [default: by the column's name, else years]."),
    ] = None,
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
    min_cell: Annotated[int, typer.Option(metavar="N", min=1, help="Fewer people than this are not shown.")] = 10,
    no_suppress: Annotated[
        bool, typer.Option("--no-suppress", help="Show small numbers too: not cleared for release.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers.")] = 0,
    jobs: options.Jobs = None,
    as_json: Annotated[bool, typer.Option("--json", help="A summary as JSON on standard output.")] = False,
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
    from cinema_cli.commands.survival_run import run_survival, summary_json

    done = run_survival(job_of(context))
    if as_json:
        print(summary_json(done))
