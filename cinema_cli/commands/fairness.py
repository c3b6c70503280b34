"""`cinema fairness`: metrics by groups of people, as tables and a report."""

from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands import analysis_options as shared
from cinema_cli.commands import options
from cinema_cli.commands.analysis_options import Names
from cinema_cli.commands.console import LogFormat


def fairness(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Output folder of `cinema analyse`, or a table: CSV, TSV, Parquet."),
    ],
    groups: Annotated[
        Names,
        typer.Option(metavar="A,B", help="Columns to compare by [default: sex, age_band, ethnicity, site, vendor]."),
    ] = None,
    people: shared.People = None,
    id_column: shared.IdColumn = "",
    hash_ids: shared.HashIds = None,
    cluster: Annotated[str, typer.Option(metavar="COL", help="Rows of one person, who may have several ids.")] = "",
    age_bands: Annotated[
        Names, typer.Option(metavar="50,60", help="Ages that the bands of age_band begin with [default: decades].")
    ] = None,
    reference: shared.Reference = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of `cinema evaluate`, else --reference [default: OUT/evaluation].",
        ),
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Table with time and event: whether predicted risks hold in every group.")
    ] = None,
    time: shared.Time = "",
    event: shared.Event = "",
    event_words: shared.EventWords = "",
    horizon: shared.Horizon = None,
    time_unit: shared.TimeUnitOption = None,
    phenotypes: Annotated[
        Names, typer.Option(metavar="A,B", help="Columns that predict the event [default: all phenotypes of ours].")
    ] = None,
    covariates: Annotated[Names, typer.Option(metavar="A,B", help="Columns that predict it beside phenotypes.")] = None,
    adjust: Annotated[
        Names,
        typer.Option(metavar="A,B", help="Hold these equal too: age_years,bmi,site,flagged_checks (image quality)."),
    ] = None,
    intersections: Annotated[
        bool, typer.Option("--intersections", help="Also every two columns together: sex and age_band.")
    ] = False,
    permutations: Annotated[int, typer.Option(metavar="N", min=0, help="What chance alone would show.")] = 1000,
    bootstrap: Annotated[int, typer.Option(metavar="N", min=0, help="Resamples within groups, for intervals.")] = 1000,
    multiplicity: shared.MultiplicityOption = "bh",
    out: shared.Out = None,
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
    """Compare groups of people: who is lost before analysis, how right results are, whether predicted risks hold.

    Each gap stands beside what chance alone would show. DIR/individual holds rows of people and is not for release.
    """
    from cinema_cli.commands.fairness_asked import job_of
    from cinema_cli.commands.fairness_run import run_fairness

    done = run_fairness(job_of(context))
    if as_json:
        print(done.as_json())
