"""`cinema analyse`: the main job, from a cohort's folders to its table and report."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cinema_cli import __version__
from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import (
    Cohort,
    Config,
    Format,
    IdFrom,
    NoProgress,
    Quiet,
    Verbose,
    Views,
    labels,
    resolved,
    typed,
)
from cinema_cli.io.processors import available_cpus

DEFAULT_HEAD = "starter_sax"


def analyse(
    context: typer.Context,
    cohort: Cohort,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Output folder [default: <cohort>-cinema, beside].")
    ] = None,
    clinical: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: participant_id and age, sex, height_cm, weight_kg.")
    ] = None,
    participant_label: Annotated[
        list[str] | None, typer.Option(help="Only these participants, with or without `sub-`.")
    ] = None,
    participants: Annotated[
        Path | None, typer.Option(help="Only the participants in this file: one a line, or a participant_id column.")
    ] = None,
    id_from: IdFrom = "patient-id",
    hash_ids: Annotated[
        Path | None, typer.Option(metavar="KEYFILE", help="Replace ids by a hash keyed with this file.")
    ] = None,
    views: Views = None,
    allow_missing_frames: Annotated[
        int, typer.Option(min=0, help="Frames a stack may lack (interpolated) or hold twice (latest kept); flagged.")
    ] = 0,
    head: Annotated[str, typer.Option(help="Trained head that segments.")] = DEFAULT_HEAD,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16: arithmetic of the networks.")] = "auto",
    jobs: Annotated[int | None, typer.Option(min=1, help="Processors to use [default: all that are granted].")] = None,
    force: Annotated[bool, typer.Option("--force", help="Run every study again.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Run failed studies again.")] = False,
    max_failures: Annotated[int | None, typer.Option(min=0, help="Stop after more failures than this.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would run and why.")] = False,
    fail_on_qc: Annotated[bool, typer.Option("--fail-on-qc", help="Exit with 4 where a check flags a study.")] = False,
    no_masks: Annotated[bool, typer.Option("--no-masks", help="Do not write masks.")] = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Scan a cohort, segment its cines, measure, and write tables and a report. A second run does what is left."""
    n_cpus = jobs or available_cpus()
    os.environ.setdefault("OMP_NUM_THREADS", str(n_cpus))  # torch reads it when it is first imported
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's products here are small: its threads only wait
    from cinema_cli.commands.job import Job, run_job, show_plan
    from cinema_cli.inference.plan import RunSettings
    from cinema_cli.io.clinical import read_participants
    from cinema_cli.io.ledger import check_output

    listed = read_participants(participants) if participants else ()
    job = Job(
        cohort=cohort,
        out=check_output(cohort, out=out),
        clinical=clinical,
        participants=frozenset(labels([*(participant_label or []), *listed])),
        scan={
            "id_from": id_from,
            "hash_key": hash_ids,
            "views_file": views,
            "allow_missing_frames": allow_missing_frames,
            "jobs": n_cpus,
        },
        head=head,
        device=device,
        precision=precision,
        settings=RunSettings(
            version=__version__,
            results={"allow_missing_frames": str(allow_missing_frames)},
            force=force,
            retry_failed=retry_failed,
            max_failures=max_failures,
            write_masks=not no_masks,
        ),
        fail_on_qc=fail_on_qc,
        options=resolved(context),
        command=typed(context, hidden=("cohort", "out") if hash_ids else ()),
    )
    raise typer.Exit(show_plan(job) if dry_run else run_job(job))
