"""`cinema infer`: what trained heads say of a cohort, as tables; no report."""

import typer

from cinema_cli.commands import options
from cinema_cli.commands.console import LogFormat


def infer(
    context: typer.Context,
    cohort: options.Cohort,
    out: options.OutFolder = None,
    work_dir: options.WorkDir = None,
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
    no_masks: options.NoMasks = False,
    config: options.Config = None,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
    log_format: options.Format = LogFormat.TEXT,
    log_file: options.LogFile = None,
    no_progress: options.NoProgress = False,
) -> None:
    """Run heads over a cohort: predictions.parquet, embeddings.parquet, masks and phenotypes, no report.

    Seeds of a head are averaged and their disagreement has a column. A head that measures the short axis runs always:
    ED and ES come from it. `cinema models` brings the weights; `cinema report` makes the report of what is there.
    """
    from cinema_cli.commands.start import start

    raise typer.Exit(start(context, report=False))
