"""`cinema fairness`: metrics by groups of people, as tables and a report."""

from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands import options
from cinema_cli.commands.console import LogFormat

_Names = list[str] | None


def fairness(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="OUT", help="Output folder of `cinema analyse`, or a table of phenotypes.")
    ],
    groups: Annotated[
        _Names,
        typer.Option(metavar="A,B", help="Columns to compare by [default: sex, age_band, ethnicity, site, vendor]."),
    ] = None,
    people: Annotated[
        Path | None, typer.Option(help="Table with a row a participant: ethnicity, site, ... [default: OUT alone].")
    ] = None,
    age_bands: Annotated[
        _Names, typer.Option(metavar="50,60", help="Ages that the bands of age_band begin with [default: decades].")
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(help="Masks, or a table of true values: compared first, as `cinema evaluate` does."),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of `cinema evaluate` [default: OUT/evaluation, if there]."),
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Table with time and event: whether predicted risks hold in every group.")
    ] = None,
    time: Annotated[
        str,
        typer.Option(
            metavar="COL", help="Time to the event or the end [default: time_years or time].", show_default=False
        ),
    ] = "",
    event: Annotated[
        str, typer.Option(metavar="COL", help="1 the event, 0 censored [default: event].", show_default=False)
    ] = "",
    event_words: Annotated[
        str, typer.Option(metavar="TEXT", help="What the event is, for the report: heart failure.", show_default=False)
    ] = "",
    horizon: Annotated[
        float | None, typer.Option(metavar="T", help="Time of predicted risks [default: from the follow-up].")
    ] = None,
    time_unit: Annotated[
        str | None,
        typer.Option(metavar="UNIT", help="years, months, weeks or days [default: by the column's name, else years]."),
    ] = None,
    phenotypes: Annotated[
        _Names, typer.Option(metavar="A,B", help="Columns that predict the event [default: all phenotypes of ours].")
    ] = None,
    covariates: Annotated[
        _Names, typer.Option(metavar="A,B", help="Columns that predict it beside phenotypes.")
    ] = None,
    adjust: Annotated[
        _Names,
        typer.Option(metavar="A,B", help="Hold these equal too: age_years,bmi,site,flagged_checks (image quality)."),
    ] = None,
    intersections: Annotated[
        bool, typer.Option("--intersections", help="Also every two columns together: sex and age_band.")
    ] = False,
    permutations: Annotated[int, typer.Option(metavar="N", min=0, help="What chance alone would show.")] = 1000,
    bootstrap: Annotated[int, typer.Option(metavar="N", min=0, help="Resamples within groups, for intervals.")] = 1000,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder [default: OUT/fairness].")
    ] = None,
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
    """Compare groups of people: who is lost before analysis, how right results are, whether predicted risks hold.

    Each gap stands beside what chance alone would show. DIR/individual holds rows of people and is not for release.
    """
    from cinema_cli.commands.fairness_asked import job_of
    from cinema_cli.commands.fairness_run import run_fairness, summary_json

    done = run_fairness(job_of(context))
    if as_json:
        print(summary_json(done))
