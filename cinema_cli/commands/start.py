"""From the options of `analyse` and `infer` to their job, run or planned."""

import os
from typing import Any

import typer

from cinema_cli import __version__
from cinema_cli.commands.options import CONSOLE, labels, resolved, typed
from cinema_cli.domain.errors import ExitCode, UsageError
from cinema_cli.io.processors import available_cpus


def start(context: typer.Context, *, report: bool) -> ExitCode:
    """Do what the command's options ask for; `report`: with report.html at the end. Raises CinemaError."""
    asked: dict[str, Any] = context.params
    if asked["log_file"]:
        CONSOLE.files.ask_for(asked["log_file"], cohort=asked["cohort"], nameless=bool(asked["hash_ids"]))
    n_cpus = asked["jobs"] or available_cpus()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's products here are small: its threads only wait
    from cinema_cli.commands.asked import Job
    from cinema_cli.commands.job import run_job, show_plan
    from cinema_cli.domain.shard import Shard
    from cinema_cli.inference.device import DeviceOptions
    from cinema_cli.inference.plan import RunSettings
    from cinema_cli.io.clinical import read_participants
    from cinema_cli.io.index_store import index_folder
    from cinema_cli.io.ledger import check_output

    out = check_output(asked["cohort"], out=asked["out"])
    listed = read_participants(asked["participants"]) if asked["participants"] else ()
    job = Job(
        cohort=asked["cohort"],
        out=out,
        clinical=asked.get("clinical"),
        participants=frozenset(labels([*(asked["participant_label"] or []), *listed])),
        scan={
            "id_from": asked["id_from"],
            "hash_key": asked["hash_ids"],
            "views_file": asked["views"],
            "allow_missing_frames": asked["allow_missing_frames"],
            "jobs": n_cpus,
            "index_dir": index_folder(asked["cohort"], work_dir=asked["work_dir"], out=out),
        },
        device=DeviceOptions(
            heads=tuple(asked["head"] or ()),
            device=asked["device"],
            precision=asked["precision"],
            threads=n_cpus,
            batch_size=batch_size(asked["batch_size"]),
            deterministic=asked["deterministic"],
        ),
        settings=RunSettings(
            version=__version__,
            results={"allow_missing_frames": str(asked["allow_missing_frames"])},
            force=asked["force"],
            retry_failed=asked["retry_failed"],
            max_failures=asked["max_failures"],
            write_masks=not asked["no_masks"],
        ),
        jobs=n_cpus,
        mem_gb=asked["mem_gb"],
        shard=Shard.parse(asked["shard"]) if asked["shard"] else Shard.from_slurm(os.environ),
        report=report,
        fail_on_qc=asked.get("fail_on_qc", False),
        options=resolved(context),
        command=typed(context, hidden=("cohort", "out") if asked["hash_ids"] else ()),
    )
    return show_plan(job) if asked["dry_run"] else run_job(job)


def batch_size(text: str) -> int | None:
    """`auto` -> None, `8` -> 8. Raises UsageError."""
    if text == "auto":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(f"--batch-size {text} is neither auto nor a number from 1 on", hint="`auto` measures it.")
