"""`cinema evaluate`: predictions beside what they should be, as tables and a report."""

from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands import analysis_options as shared
from cinema_cli.commands import options
from cinema_cli.commands.analysis_options import Names
from cinema_cli.commands.console import LogFormat


def evaluate(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Output folder of `cinema analyse` or `infer`, one of masks, or a table."),
    ],
    reference: shared.Reference = None,
    labels: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="What numbers in reference masks mean: acdc, mnms, ukbb_cardiac, or 1=lv,2=myo,3=rv."
        ),
    ] = "acdc",
    reference_values: Annotated[
        Path | None, typer.Option(help="A table of true values, where --reference is a folder.")
    ] = None,
    value_map: Annotated[
        Names, typer.Option("--map", metavar="A=B", help="Column A of the true values is B of ours: ef=lvef_pct.")
    ] = None,
    id_column: shared.IdColumn = "",
    hash_ids: shared.HashIds = None,
    against: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Another system: its output folder, or a folder of its masks.")
    ] = None,
    against_labels: Annotated[
        str, typer.Option(metavar="NAME", help="What numbers in masks of --against mean.")
    ] = "cinema",
    margin: Annotated[
        Names,
        typer.Option(metavar="A=X", help="By how much this may be worse than the other: dice=0.02,lvef_pct=3."),
    ] = None,
    repeat: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|sessions", help="Measured twice: a table of first and second, or `sessions` of a participant."
        ),
    ] = None,
    groups: Annotated[Names, typer.Option(metavar="A,B", help="The same by these columns.")] = None,
    people: shared.People = None,
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
    """Compare predictions with a reference: masks, volumes and EF, classes, values, landmarks; also two systems.

    What is empty or has no partner is counted. DIR/individual holds rows of people and is not for release.
    """
    from cinema_cli.commands.evaluate_asked import job_of
    from cinema_cli.commands.evaluate_run import run_evaluation

    done = run_evaluation(job_of(context))
    if as_json:
        print(done.as_json())
