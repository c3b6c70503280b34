"""`cinema status`: how far the work in an output folder is, who does it and how fast, also while it goes on."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import Config, Format, NoProgress, Quiet, Verbose
from cinema_cli.commands.progress import clock
from cinema_cli.domain.errors import ExitCode, InputError

if TYPE_CHECKING:
    from cinema_cli.io.claims import Claim
    from cinema_cli.io.lock import Lock
    from cinema_cli.io.overview import Overview

_NAMED = 8  # studies in work, or reasons, that are listed one by one
_MARKS = ("dataset_description.json", "series.parquet", "studies.parquet", "logs", ".cinema.lock")


def status(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Output folder of `cinema analyse` or `infer`.")],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Say how many studies are done, failed and why, in work, or left; how fast it goes; which runs are alive.

    It only reads, and can be asked at any time.
    """
    from cinema_cli.io.overview import overview
    from cinema_cli.io.processors import available_cpus

    if not any((folder / name).exists() for name in _MARKS):
        raise InputError(
            f"{folder} is no output folder of cinema", hint="Give the output folder of a run.", code="no_output"
        )
    said = overview(folder, jobs=available_cpus())
    last = last_run(folder, alive=any(lock.alive for lock in said.locks))
    if as_json:
        print(json.dumps(facts(said) | {"last_run": last}, indent=2))
    else:
        show(lines(said, last))


def facts(said: "Overview") -> dict[str, Any]:
    """The numbers by name, for programs."""
    return {
        "studies": said.n_studies,
        "done": said.n_done,
        "flagged": said.n_flagged,
        "failed": said.n_failed,
        "failed_by_code": dict(said.failed),
        "waiting": said.n_waiting,
        "interrupted": said.n_interrupted,
        "left": said.n_left,
        "in_work": [_claim_facts(claim) for claim in said.in_work],
        "locks": [lock_facts(lock) for lock in said.locks],
        "ended_last_hour": said.n_last_hour,
        "ended_this_run": said.n_this_run,
        "studies_per_min": _rounded(said.studies_per_min, 2),
        "eta_min": _rounded(said.eta_min, 1),
    }


def lines(said: "Overview", last: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The same in words: what, and what of it."""
    flagged = f" ({said.n_flagged} flagged)" if said.n_flagged else ""
    rows = [
        ("studies", str(said.n_studies)),
        ("done", f"{said.n_done}{flagged}"),
        ("failed", _failed_words(said)),
        ("waiting", f"{said.n_waiting}" + (f" ({said.n_interrupted} interrupted)" if said.n_interrupted else "")),
        ("in work", str(len(said.in_work))),
    ]
    for claim in said.in_work[:_NAMED]:
        rows.append(("", f"{claim.participant_id} {claim.session_id}: {_where(claim)}, since {claim.since}"))
    if len(said.in_work) > _NAMED:
        rows.append(("", f"and {len(said.in_work) - _NAMED} more"))
    rows.append(("speed", _speed_words(said)))
    rows += [("run", _lock_words(lock)) for lock in said.locks] or [("run", "none")]
    if last is not None:
        how = f"ended {last['ended']} with exit code {last['exit_code']}"
        rows.append(("last run", how if last["ended"] else "was cut off: killed, or the machine went down"))
    return rows


def show(rows: list[tuple[str, str]]) -> None:
    """Print the rows: as a table on a terminal, else one a line."""
    if not sys.stdout.isatty():
        for name, text in rows:
            print(f"{name}: {text}" if name else f"  {text}")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text(name, style="bold"), Text(text, style="red" if name == "failed" and text != "0" else ""))
    Console().print(table)


def last_run(folder: Path, *, alive: bool) -> dict[str, Any] | None:
    """When the run that ended last did so, and its exit code; None where no run has ended.

    The latest may have been cut off; where a run is `alive`, that is none.
    """
    latest = max(folder.glob("logs/*Z-*"), default=None)
    if latest is not None and not alive and not (latest / "run.json").exists():
        return {"ended": None, "exit_code": None, "meaning": "cut_off"}
    ended = []
    for path in folder.glob("logs/*/run.json"):
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            ended.append((str(body["ended"]), int(body["exit_code"])))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written, or of a run that was cut off
    if not ended:
        return None
    when, code = max(ended)
    return {"ended": when, "exit_code": code, "meaning": ExitCode(code).name.lower() if code in set(ExitCode) else ""}


def _failed_words(said: "Overview") -> str:
    codes = list(said.failed.items())
    named = ", ".join(f"{code} {count}" for code, count in codes[:_NAMED])
    more = f" and {len(codes) - _NAMED} more reasons" if len(codes) > _NAMED else ""
    return f"{said.n_failed} ({named}{more})" if codes else "0"


def _speed_words(said: "Overview") -> str:
    hour = f"{said.n_last_hour} studies in the last hour"
    if said.run_hours is None:
        return hour
    if (rate := said.studies_per_min) is None or (eta := said.eta_min) is None:
        return f"{hour}; no study finished since the run began"
    speed = f"{rate:.1f} studies/min ({said.n_this_run} since the run began), {hour}"
    return f"{speed}; ETA {clock(60.0 * eta)} for {said.n_left}"


def _where(claim: "Claim") -> str:
    shard = f", shard {claim.owner.shard}" if claim.owner.shard else ""
    return f"{claim.owner.host}, process {claim.owner.pid}{shard}"


def _lock_words(lock: "Lock") -> str:
    how = "alive" if lock.alive else "dead: the next run, or `cinema unlock`, takes its lock away"
    return f"{lock.words}: {how}, last sign of life {clock(lock.silent_s)} ago"


def _claim_facts(claim: "Claim") -> dict[str, Any]:
    names = {name: getattr(claim, name) for name in ("participant_id", "session_id", "since")}
    return names | {name: getattr(claim.owner, name) for name in ("host", "pid", "shard")}


def lock_facts(lock: "Lock") -> dict[str, Any]:
    """Whose a lock is and whether it holds, for programs."""
    owner = {} if lock.owner is None else asdict(lock.owner)
    known = {name: owner.get(name) for name in ("host", "pid", "shard", "since")}
    return known | {"alive": lock.alive, "silent_s": round(lock.silent_s, 1)}


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
