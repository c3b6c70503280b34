"""Options that several commands share: spelling, help, environment and settings files."""

import os
import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cinema_cli.commands.console import Console, LogFormat
from cinema_cli.domain.errors import ConfigError, ExitCode
from cinema_cli.io.names import printable

CONSOLE = Console()
"""The console of this process; the options below set it up before a command begins."""

_COMMON = {"config", "list_heads", "verbose", "quiet", "log_format", "log_file", "no_progress"}


def _verbose(value: int) -> int:
    CONSOLE.verbose = value
    return value


def _quiet(value: bool) -> bool:
    CONSOLE.quiet = value
    return value


def _log_format(value: LogFormat) -> LogFormat:
    CONSOLE.log_format = value
    return value


def _no_progress(value: bool) -> bool:
    CONSOLE.progress = not value
    return value


def _config(context: typer.Context, value: Path | None) -> Path | None:
    """Make the file's settings this command's defaults; what is typed or set as CINEMA_* still wins."""
    if value is not None and not context.resilient_parsing:
        context.default_map = {**(context.default_map or {}), **read_settings(value, context=context)}
    return value


def _list_heads(asked: bool) -> None:
    if not asked:
        return
    from cinema_cli.inference.chosen import chosen_cards

    for card in chosen_cards(()):
        print(f"{card.name}\t{card.title}")
    raise typer.Exit(ExitCode.DONE)


Cohort = Annotated[  # `io.folders` says why one cannot be read, with the exit code for it
    Path, typer.Argument(metavar="COHORT", readable=False, help="Folder of DICOM or NIfTI, any layout, only read.")
]
IdFrom = Annotated[
    str,
    typer.Option(
        help="auto (names of UK Biobank archives, else PatientID), patient-id, folder, or a CSV: participant_id by "
        "patient_id, folder or study_uid; session_id."
    ),
]
Views = Annotated[
    Path | None,
    typer.Option(help="CSV that overrules the views found: series_uid or series_description, and view (or ignore)."),
]
Verbose = Annotated[
    int, typer.Option("-v", "--verbose", count=True, callback=_verbose, is_eager=True, help="Say more; show traces.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", callback=_quiet, is_eager=True, help="Say only what is wrong.")]
Format = Annotated[
    LogFormat, typer.Option("--log-format", callback=_log_format, is_eager=True, help="How messages look on stderr.")
]
LogFile = Annotated[
    Path | None, typer.Option("--log-file", help="Keep every message here too, as JSON lines; it is added to.")
]
NoProgress = Annotated[
    bool, typer.Option("--no-progress", callback=_no_progress, is_eager=True, help="No bar, no progress lines.")
]
Config = Annotated[
    Path | None, typer.Option("--config", callback=_config, is_eager=True, help="TOML file with any of these options.")
]


WorkDir = Annotated[
    Path | None, typer.Option("--work-dir", "-w", help="Scratch: what a scan found is kept here [default: your cache].")
]
OutFolder = Annotated[
    Path | None, typer.Option("--out", "-o", help="Output folder [default: <cohort>-cinema, beside].")
]
ParticipantLabel = Annotated[list[str] | None, typer.Option(help="Only these participants, with or without `sub-`.")]
Participants = Annotated[
    Path | None, typer.Option(help="Only the participants in this file: one a line, or a participant_id column.")
]
HashIds = Annotated[Path | None, typer.Option(metavar="KEYFILE", help="Replace ids by a hash keyed with this file.")]
AllowMissingFrames = Annotated[
    int, typer.Option(min=0, help="Frames a stack may lack (interpolated) or hold twice (latest kept); flagged.")
]
Heads = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME...", help="Trained heads to run [default: all whose weights are here]."),
]
ListHeads = Annotated[
    bool, typer.Option("--list-heads", is_eager=True, callback=_list_heads, help="List the heads that run by default.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16: arithmetic of the networks.")]
Jobs = Annotated[int | None, typer.Option(min=1, help="Processors to use [default: all that are granted].")]
MemGb = Annotated[
    float | None,
    typer.Option(
        min=0.5, help="Memory to use, GB (2^30 bytes): less, fewer studies at a time [default: all granted and free]."
    ),
]
BatchSize = Annotated[
    str, typer.Option(metavar="auto|N", help="Images a network sees together; auto: measured once on this device.")
]
Deterministic = Annotated[
    bool,
    typer.Option("--deterministic", help="The same sums in the same order on every machine of a kind; slower."),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only part I of N, from 0; `cinema merge` makes the tables [default: SLURM's array].",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Run every study again.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Run failed studies again.")]
MaxFailures = Annotated[int | None, typer.Option(min=0, help="Stop after more failures than this.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would run and why.")]
NoMasks = Annotated[bool, typer.Option("--no-masks", help="Do not write masks.")]


def read_settings(path: Path, *, context: typer.Context) -> dict[str, Any]:
    """Options of `context`'s command from a TOML file: those at the top and those in the command's own [section].

    Raises ConfigError for a file that cannot be read and for names that the command does not know.
    """
    import tomllib

    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"cannot read the settings file {path}", hint="Check the path given to --config.", code="no_config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", hint="See https://toml.io.", code="bad_config") from error
    parameters = [p for p in context.command.params if p.name != "config"]
    several = {p.name for p in parameters if getattr(p, "multiple", False)}
    spelled = {o.removeprefix("--").replace("-", "_"): str(p.name) for p in parameters for o in p.opts if o[:2] == "--"}
    known = spelled | {str(p.name): str(p.name) for p in parameters}  # the latter as a log's config.toml has them
    own = settings.get(context.info_name or "", {})
    top = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    written = {name.replace("-", "_"): value for name, value in (top | dict(own)).items()}
    if unknown := sorted(set(written) - set(known)):
        raise ConfigError(
            f"{path}: unknown setting {', '.join(unknown)}",
            hint=f"`{context.info_name}` knows {', '.join(sorted(name.replace('_', '-') for name in spelled))}.",
            code="unknown_setting",
        )
    found = {known[name]: value for name, value in written.items()}
    return {name: [value] if name in several and isinstance(value, str) else value for name, value in found.items()}


def resolved(context: typer.Context) -> dict[str, Any]:
    """Every option of the command with the value that holds, for the run's log folder."""
    plain = {name: value for name, value in context.params.items() if name not in _COMMON}
    return {name: str(value) if isinstance(value, Path) else value for name, value in plain.items()}


def typed(context: typer.Context, *, hidden: Collection[str] = ()) -> str:
    """The command as it was typed, without the folders of paths: their names may say who and where.

    Of `hidden` parameters only the name is said, in capitals.
    """
    words = ["cinema", context.info_name or ""]
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if name in _COMMON or source is None or source.name != "COMMANDLINE":
            continue
        option = next((o for o in parameter.opts if o.startswith("--")), "")
        value = context.params[name]
        for one in value if isinstance(value, list | tuple) else [value]:
            words += [option] if option else []
            shown = name.upper() if name in hidden else shlex.quote(printable(without_folders(one)))
            words += [] if isinstance(one, bool) else [shown]
    return " ".join(words)


def without_folders(value: object) -> str:
    """A setting as text; of a path only the last part."""
    text = str(value)
    return Path(text).name if isinstance(value, Path) or os.path.sep in text else text


def labels(values: list[str] | None, *, prefix: str = "sub-") -> set[str]:
    """Participant labels as typed (repeated, comma separated, with or without prefix) -> labels with prefix."""
    return {word if word.startswith(prefix) else prefix + word for word in names(values)}


def names(values: list[str] | None) -> tuple[str, ...]:
    """Names as typed (repeated, comma separated), each once and in order."""
    words = (word.strip() for value in values or [] for word in value.split(","))
    return tuple(dict.fromkeys(word for word in words if word))
