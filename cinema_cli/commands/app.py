"""The `cinema` program: its commands, and how each of them ends."""

import os
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from cinema_cli import __version__
from cinema_cli.commands import (
    analyse,
    doctor,
    evaluate,
    fairness,
    infer,
    merge,
    models,
    phenotypes,
    report,
    scan,
    simulate,
    slurm,
    status,
    survival,
    train,
    unlock,
)
from cinema_cli.commands.ending import (
    STDOUT,
    Terminated,
    exit_code_of,
    hush_libraries,
    occupy_streams,
    silence,
    stdout_error,
)
from cinema_cli.commands.options import CONSOLE
from cinema_cli.domain.errors import CinemaError, ExitCode, UsageError

EPILOG = "Every option can also be set as CINEMA_<OPTION> in the environment or in a file given to --config."
SPREAD = ("--participant-label", "--head")  # options that take several words
NOT_SET = {"help", "version"}  # options that the environment does not set

app = typer.Typer(
    name="cinema",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("analyse", short_help="The main job: a cohort's folders to its table and report.")(analyse.analyse)
app.command("infer", short_help="What trained heads say of a cohort, as tables.")(infer.infer)
app.command("scan", short_help="What each series of a cohort is, and whether it is used.")(scan.scan)
app.command("phenotypes", short_help="The phenotype table, for other programs.")(phenotypes.phenotypes)
app.command("report", short_help="Make the report again.")(report.report)
app.command("survival", short_help="Phenotypes against the time to an event, as a report.")(survival.survival)
app.command("evaluate", short_help="Predictions against a reference, as a report.")(evaluate.evaluate)
app.command("fairness", short_help="For whom it works: metrics by groups of people.")(fairness.fairness)
app.command("merge", short_help="Tables and report of a cohort done in parts.")(merge.merge)
app.command("status", short_help="How far the work is, who does it, how fast.")(status.status)
app.command("unlock", short_help="Whose an output folder is; take dead locks away.")(unlock.unlock)
app.command("slurm", short_help="The jobs that do it on a cluster.")(slurm.slurm)
app.command("doctor", short_help="Whether this machine has what a run needs.")(doctor.doctor)
app.command("simulate", short_help="A synthetic cohort with its truth.")(simulate.simulate)
app.add_typer(models.models, name="models", short_help="Heads and their weights.")
app.add_typer(train.train, name="train", short_help="Train heads.")


def _version(asked: bool) -> None:
    if asked:
        print(f"cinema {__version__}")
        raise typer.Exit(ExitCode.DONE)


@app.callback()
def cinema(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
) -> None:
    """From folders of cine cardiac MR DICOM to a phenotype table and a report. For research use only."""


def main() -> NoReturn:
    """Run the command line and leave with the exit code that fits what happened."""
    occupy_streams()
    hush_libraries()
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else `nohup` has it ignored
        signal.signal(signal.SIGHUP, _terminate)  # the terminal was closed, or the connection to it was lost
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:  # after an error that was said already
        silence(STDOUT)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code, with the reason said on stderr."""
    CONSOLE.forget()
    code = _run(arguments)
    CONSOLE.files.end()
    return code


def _run(arguments: list[str]) -> int:
    try:
        _refuse_empty(arguments)
        command = typer.main.get_command(app)
        _name_environment(command)
        code = command.main(spread(arguments), prog_name="cinema", standalone_mode=False)
        if code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
        return int(code or 0)
    except CinemaError as error:
        return _say(error)
    except (KeyboardInterrupt, typer.Abort):
        CONSOLE.error("interrupted", hint=_hint(arguments))
        return ExitCode.INTERRUPTED
    except Terminated:
        CONSOLE.error("terminated", hint=_hint(arguments))
        return ExitCode.TERMINATED
    except SystemExit as error:  # typer makes a closed pipe into an exit of its own
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        silence(STDOUT)
        return ExitCode.DONE
    except BrokenPipeError:
        silence(STDOUT)
        return ExitCode.DONE
    except OSError as error:
        if (said := stdout_error(error)) is None:
            return _unexpected(error)
        silence(STDOUT)
        return _say(said)
    except Exception as error:
        return _unexpected(error)


def _hint(arguments: Sequence[str]) -> str:
    """What a stopped command leaves behind, if anything."""
    goes_on = bool(arguments) and arguments[0] in {"analyse", "infer"}
    return "Finished studies are kept: run the same command again to go on." if goes_on else ""


def _say(error: CinemaError) -> int:
    CONSOLE.error(error.message, hint=error.hint, code=error.code)
    return exit_code_of(error)


def spread(arguments: list[str]) -> list[str]:
    """`--participant-label 0001 0002` -> `--participant-label 0001 --participant-label 0002`; the rest as it is."""
    result: list[str] = []
    option = ""
    for word in arguments:
        if word.startswith("-"):
            option = word if word in SPREAD else ""
        elif option and result[-1] != option:
            if os.path.sep in word or os.path.isdir(word):  # noqa: PTH112 - a word, which need not be a path
                option = ""
            else:
                result.append(option)
        result.append(word)
    return result


def _refuse_empty(arguments: Sequence[str]) -> None:
    """A variable of the shell that is not set would name the folder one stands in. Raises UsageError."""
    for before, word in pairwise(("", *arguments)):
        if not word and before != "--na":
            said = f"nothing follows {before}" if before.startswith("-") else "an argument is empty"
            raise UsageError(said, hint="A variable of the shell may not be set.", code="empty")


def _name_environment(command: Any) -> None:
    """Let every option of every command be set as CINEMA_<OPTION>."""
    for child in getattr(command, "commands", {}).values():
        _name_environment(child)
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.envvar is None and parameter.name not in NOT_SET:
            parameter.envvar = f"CINEMA_{parameter.name.upper()}"
            parameter.show_envvar = False


def _unexpected(error: Exception) -> int:
    if callable(getattr(error, "format_message", None)):  # typer's own: a wrong command line
        context = getattr(error, "ctx", None)
        name = context.command_path if context else "cinema"
        if type(error).__name__ == "NoArgsIsHelpError":
            CONSOLE.show(context.get_help() if context else "")
            return ExitCode.USAGE
        CONSOLE.error(error.format_message(), hint=f"See `{name} --help`.")  # type: ignore[attr-defined]
        return ExitCode.USAGE
    if CONSOLE.verbose:
        import traceback

        CONSOLE.show(traceback.format_exc())
    CONSOLE.error(f"unexpected {type(error).__name__}: {error}", hint="Run again with -v for the trace.")
    return ExitCode.UNEXPECTED


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
