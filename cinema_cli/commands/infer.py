"""`cinema infer`: what trained heads say of a cohort, as tables; no report."""

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


def infer(
    context: typer.Context,
    cohort: Cohort,
    out: OutFolder = None,
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
    no_masks: NoMasks = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Run heads over a cohort: predictions.parquet, embeddings.parquet, masks and phenotypes, no report.

    Seeds of a head are averaged and their disagreement has a column. A head that measures the short axis runs always:
    ED and ES come from it. `cinema models` brings the weights; `cinema report` makes the report of what is there.
    """
    from cinema_cli.commands.start import start

    raise typer.Exit(start(context, report=False))
