"""`cinema simulate`: a made-up cohort of beating hearts as DICOM, or of rows without images, with its truth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import CONSOLE, Config, Format, NoProgress, Quiet, Verbose
from cinema_cli.commands.progress import counting
from cinema_cli.io.processors import available_cpus

if TYPE_CHECKING:
    from cinema_cli.domain.cine import View
    from cinema_cli.domain.errors import CinemaError


def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the cohort; made if missing.")],
    participants: Annotated[int, typer.Option("--participants", "-N", min=1, help="How many people.")] = 12,
    rows: Annotated[
        int | None, typer.Option("--rows", min=2, help="No images: tables of so many people, for `cinema survival`.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files, to the byte.")] = 0,
    small: Annotated[bool, typer.Option("--small", help="Tiny test data: 64 x 64 pixels, 10 frames.")] = False,
    views: Annotated[str, typer.Option(help="Which views, comma separated.")] = "sax,2c,3c,4c",
    frames: Annotated[int | None, typer.Option(min=3, max=100, help="Frames a cine; default: 20-25, small 10.")] = None,
    labels: Annotated[bool, typer.Option("--labels", help="Also true labels, as NIfTI in OUT/labels.")] = False,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: as many as there are processors.")] = 2,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a cohort of other settings, or one of more people.")
    ] = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Write a made-up cohort: DICOM studies, truth.csv and clinical.csv. A second run goes on where one stopped.

    With --rows: phenotypes.parquet and .csv, outcomes.csv, and truth.json with the hazard ratios that made them.
    """
    from cinema_cli.io.lock import run_lock

    if rows is not None:
        if small or labels or frames is not None:
            raise _no_images()
        from cinema_cli.phantom.rows import simulate_rows

        with run_lock(out):
            fresh = simulate_rows(out, n=rows, seed=seed, force=force)
        CONSOLE.info(f"rows: {out} ({rows} people {'written' if fresh else 'were there'})")
        return
    from cinema_cli.phantom.simulate import simulate_cohort
    from cinema_cli.phantom.study import Settings

    settings = Settings(seed=seed, small=small, views=_views(views), frames=frames, labels=labels)
    kept = 0
    with run_lock(out), counting(CONSOLE, "studies", total=participants) as counter:
        for done in simulate_cohort(
            out, settings, participants=participants, jobs=jobs or available_cpus(), force=force
        ):
            kept += done.kept
            counter.step()
    CONSOLE.info(f"cohort: {out} ({participants - kept} studies written, {kept} were there)")


def _no_images() -> "CinemaError":
    from cinema_cli.domain.errors import UsageError

    return UsageError(
        "--rows makes tables without images, so --small, --frames and --labels mean nothing with it",
        hint="Leave them out, or ask for --participants instead.",
        code="rows",
    )


def _views(text: str) -> "tuple[View, ...]":
    from cinema_cli.domain.cine import View
    from cinema_cli.domain.errors import UsageError

    known = {str(view).removeprefix("lax_"): view for view in View}
    words = [word.strip().lower().removeprefix("lax_") for word in text.split(",") if word.strip()]
    if not words or set(words) - set(known):
        raise UsageError(f"unknown views {text!r}", hint=f"Choose from {','.join(known)}.", code="views")
    return tuple(view for name, view in known.items() if name in words)
