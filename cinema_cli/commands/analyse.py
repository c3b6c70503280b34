"""`cinema analyse`: the main job, from a cohort's folders to its table and report."""

from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands import options
from cinema_cli.commands.console import LogFormat


def analyse(
    context: typer.Context,
    cohort: options.Cohort,
    out: options.OutFolder = None,
    work_dir: options.WorkDir = None,
    clinical: Annotated[
        Path | None,
        typer.Option(
            help="CSV or Parquet: participant_id and age, sex, height_cm, weight_kg; with time (or time_years) and "
            "event also a survival analysis."
        ),
    ] = None,
    participant_label: options.ParticipantLabel = None,
    participants: options.Participants = None,
    id_from: options.IdFrom = "auto",
    hash_ids: options.HashIds = None,
    views: options.Views = None,
    allow_missing_frames: options.AllowMissingFrames = 0,
    head: options.Heads = None,
    list_heads: options.ListHeads = False,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = "auto",
    deterministic: options.Deterministic = False,
    jobs: options.Jobs = None,
    mem_gb: options.MemGb = None,
    shard: options.ShardOption = None,
    force: options.Force = False,
    retry_failed: options.RetryFailed = False,
    max_failures: options.MaxFailures = None,
    dry_run: options.DryRun = False,
    fail_on_qc: Annotated[bool, typer.Option("--fail-on-qc", help="Exit with 4 where a check flags a study.")] = False,
    no_masks: options.NoMasks = False,
    config: options.Config = None,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
    log_format: options.Format = LogFormat.TEXT,
    log_file: options.LogFile = None,
    no_progress: options.NoProgress = False,
) -> None:
    """Scan a cohort, run heads on its cines, measure, and write tables and a report. A second run does what is left."""
    from cinema_cli.commands.start import start

    raise typer.Exit(start(context, report=True))
