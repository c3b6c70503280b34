"""`cinema doctor`: whether this machine has what a run needs, before a run needs it."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cinema_cli import __version__
from cinema_cli.commands import options
from cinema_cli.commands.console import LogFormat
from cinema_cli.domain.errors import CinemaError, ExitCode, fault_words
from cinema_cli.domain.finding import Finding, State

Look = Callable[[], Sequence[Finding]]
_COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red"}


def doctor(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Look at this output folder too.")] = None,
    work_dir: Annotated[
        Path | None, typer.Option("--work-dir", "-w", help="Look at this folder for scratch too.")
    ] = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    no_speed: Annotated[bool, typer.Option("--no-speed", help="Leave out the speed test of 5 s.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
    config: options.Config = None,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
    log_format: options.Format = LogFormat.TEXT,
    no_progress: options.NoProgress = False,
) -> None:
    """Look at device, weights, disk, limits, decoders, R and clock of this machine, and try them.

    Every line is ok, warn or fail, with what helps. Exit code 69 where something is missing that a run needs.
    """
    from cinema_cli.io.processors import available_cpus

    os.environ.setdefault("OMP_NUM_THREADS", str(available_cpus()))  # as a run does, before torch is imported
    found = _findings(_looks(out, work_dir, device=device, precision=precision, speed=not no_speed))
    findings = list(found) if as_json or sys.stdout.isatty() else _show_lines(found)
    if as_json:
        print(json.dumps({"version": __version__, "findings": [asdict(finding) for finding in findings]}, indent=2))
    elif sys.stdout.isatty():
        _show_table([finding for finding in findings if _is_shown(finding)])
    if any(finding.state is State.FAIL for finding in findings):
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _findings(looks: Iterable[tuple[str, Look]]) -> Iterator[Finding]:
    """What each look finds; one that breaks is a finding of its own: it must not hide what the others say."""
    for name, look in looks:
        try:
            yield from map(_without_home, look())
        except CinemaError as error:
            yield _without_home(Finding(name, State.FAIL, error.message, error.hint))
        except Exception as error:
            yield Finding(name, State.FAIL, fault_words(error), "Reinstall cinema-cli with its libraries.")


def _looks(
    out: Path | None, work_dir: Path | None, *, device: str, precision: str, speed: bool
) -> Iterator[tuple[str, Look]]:
    """What to look at, the quick things first."""
    yield "limits", _limits
    if out:
        yield "output", partial(_folder, out, "output", "--out")
    if work_dir:
        yield "work folder", partial(_folder, work_dir, "work folder", "--work-dir")
    yield "cache", _cache
    yield "decoders", _decoders
    yield "R", _r
    yield "networks", partial(_networks, device, precision)
    if speed:
        yield "speed", partial(_speed, device, precision)


def _limits() -> Sequence[Finding]:
    from cinema_cli.io.host import check_clock, check_limits

    return [*check_limits(), check_clock()]


def _folder(folder: Path, name: str, setting: str) -> Sequence[Finding]:
    from cinema_cli.io.writing import check_folder

    return check_folder(folder, name=name, setting=setting)


def _cache() -> Sequence[Finding]:
    """Where weights and indices are kept unless told otherwise; a run needs it for what it pulls only."""
    from cinema_cli.io.cache import cache_directory
    from cinema_cli.io.writing import check_folder

    found = check_folder(cache_directory(), name="cache", setting="XDG_CACHE_HOME")
    return [replace(f, state=State.WARN) if f.state is State.FAIL else f for f in found]


def _decoders() -> Sequence[Finding]:
    from cinema_cli.io.decoders import check_decoders

    return [check_decoders()]


def _r() -> Sequence[Finding]:
    from cinema_cli.io.host import check_r

    return [check_r()]


def _networks(device: str, precision: str) -> Sequence[Finding]:
    from cinema_cli.inference.readiness import check_device, check_weights

    return [*check_device(device, precision), *check_weights()]


def _speed(device: str, precision: str) -> Sequence[Finding]:
    from cinema_cli.inference.readiness import check_speed

    return [check_speed(device, precision)]


def _without_home(finding: Finding) -> Finding:
    """Libraries' own words may name the home folder, and so a person."""
    home = str(Path.home()) if "HOME" in os.environ else ""
    if len(home) < 2:
        return finding
    return replace(finding, said=finding.said.replace(home, "~"), hint=finding.hint.replace(home, "~"))


def _is_shown(finding: Finding) -> bool:
    return not options.CONSOLE.quiet or finding.state is not State.OK


def _show_lines(findings: Iterable[Finding]) -> list[Finding]:
    """Say each as soon as it is known, tab-separated; -q: what is not as it should be."""
    shown = []
    for finding in findings:
        shown.append(finding)
        if not _is_shown(finding):
            continue
        print("\t".join((finding.state, finding.name, finding.said, finding.hint)).rstrip("\t"), flush=True)
    return shown


def _show_table(findings: Iterable[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        said = Text(finding.said)
        if finding.hint:
            said.append(f"\n{finding.hint}", style="dim")
        table.add_row(Text(finding.state, style=_COLOURS[finding.state]), finding.name, said)
    Console().print(table)
