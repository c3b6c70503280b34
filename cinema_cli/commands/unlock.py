"""`cinema unlock`: whose an output folder is, and taking away what dead runs left."""

import json
from pathlib import Path
from typing import Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import CONSOLE, Config, Format, NoProgress, Quiet, Verbose
from cinema_cli.commands.status import lock_facts
from cinema_cli.domain.errors import InputError, LockedError

_RISK = "its run ends when it comes to its next study; what it has in work may be done twice, and its tables may be old"


def unlock(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Output folder of `cinema analyse` or `infer`.")],
    force: Annotated[bool, typer.Option("--force", help="Also take locks of runs that seem alive.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON on stdout.")] = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """Say who holds an output folder, and take away the locks and claims of runs that are dead.

    A run on this machine is alive while its process is; one elsewhere while its lock is less than 2 minutes old. Locks
    of live runs stay (exit code 75). With --force they go too: such a run ends when it comes to its next study; what it
    has in work may be done twice.
    """
    from cinema_cli.io.claims import clear_claims
    from cinema_cli.io.holds import disk_now
    from cinema_cli.io.leftovers import clear_leftovers
    from cinema_cli.io.lock import LOCK_NAME, owners, take_away

    if not folder.is_dir():
        raise InputError(f"no folder {folder}", hint="Give the output folder of `cinema analyse`.", code="no_output")
    now = disk_now(folder) if (folder / LOCK_NAME).is_dir() else 0.0
    locks = owners(folder, now=now)
    gone = [lock for lock in locks if force or not lock.alive]
    live = [lock for lock in locks if lock not in gone]
    for lock in gone:
        take_away(folder, lock.token)
    n_claims = clear_claims(folder, now=now)
    clear_leftovers(folder)
    if as_json:
        body = {"removed": [lock_facts(lock) for lock in gone], "kept": [lock_facts(lock) for lock in live]}
        print(json.dumps(body | {"claims_removed": n_claims}, indent=2))
    for lock in gone:
        CONSOLE.info(f"taken away: the lock of {lock.words}, silent for {lock.silent_s:.0f} s")
        if lock.alive:
            CONSOLE.warn(f"that run seems alive: {_RISK}")
    if not locks and not n_claims:
        CONSOLE.info(f"nobody holds {folder}")
    if live:
        raise LockedError(
            f"{folder} is held by {'; '.join(lock.words for lock in live)}",
            hint=f"Wait, or stop it there. With --force its lock goes: {_RISK}.",
            code="locked",
        )
