"""`cinema analyse`: the main job, from a cohort's folders to its table and report."""

from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import (
    AllowMissingFrames,
    Cohort,
    Config,
    Device,
    DryRun,
    Force,
    Format,
    HashIds,
    Heads,
    IdFrom,
    Jobs,
    ListHeads,
    MaxFailures,
    NoMasks,
    NoProgress,
    OutFolder,
    ParticipantLabel,
    Participants,
    Precision,
    Quiet,
    RetryFailed,
    Verbose,
    Views,
)


def analyse(
    context: typer.Context,
    cohort: Cohort,
    out: OutFolder = None,
    clinical: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: participant_id and age, sex, height_cm, weight_kg.")
    ] = None,
    participant_label: ParticipantLabel = None,
    participants: Participants = None,
    id_from: IdFrom = "patient-id",
    hash_ids: HashIds = None,
    views: Views = None,
    allow_missing_frames: AllowMissingFrames = 0,
    head: Heads = None,
    list_heads: ListHeads = False,
    device: Device = "auto",
    precision: Precision = "auto",
    jobs: Jobs = None,
    force: Force = False,
    retry_failed: RetryFailed = False,
    max_failures: MaxFailures = None,
    dry_run: DryRun = False,
    fail_on_qc: Annotated[bool, typer.Option("--fail-on-qc", help="Exit with 4 where a check flags a study.")] = False,
    no_masks: NoMasks = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Scan a cohort, run heads on its cines, measure, and write tables and a report. A second run does what is left."""
    from cinema_cli.commands.start import start

    raise typer.Exit(start(context, report=True))
