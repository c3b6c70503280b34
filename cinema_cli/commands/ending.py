"""How a command ends: what was raised as an exit code, and streams that are closed, full or gone."""

import errno
import os
import sys
import warnings

from cinema_cli.domain.errors import CinemaError, ExitCode, OutputError

STDOUT, STDERR = 1, 2  # file descriptors
_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EIO}


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived: unwinds like Ctrl-C, so that locks are released."""


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code of a command that `error` ends."""
    if isinstance(error, CinemaError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    return ExitCode.TERMINATED if isinstance(error, Terminated) else ExitCode.UNEXPECTED


def stdout_error(error: OSError) -> OutputError | None:
    """The error of a standard output that takes nothing more; None where another thing failed.

    Files are written by `io.atomic`, which names them: what has no name here is the stream.
    """
    if error.filename is not None or error.errno not in _UNWRITABLE:
        return None
    reason = "it is closed" if error.errno == errno.EBADF else os.strerror(error.errno)
    return OutputError(
        f"cannot write standard output: {reason}",
        hint="Free some space or send it elsewhere; `-o FILE` writes a file.",
        code="stdout",
    )


def occupy_streams() -> None:
    """Give closed streams their descriptors back, lest the next file that is opened is taken for one of them.

    What is said to a closed stderr goes nowhere; data for a closed stdout is an error.
    """
    for number in (0, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:  # the lowest free descriptor is what `open` gives
            os.open(os.devnull, os.O_WRONLY if number == STDERR else os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(STDOUT, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
    if sys.stderr is None:
        sys.stderr = open(STDERR, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for good


def hush_libraries() -> None:
    """Keep warnings of libraries off stderr, here and in processes that are started, unless Python was told otherwise:
    they are no JSON, would make cron send mail, and may quote a header."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"


def silence(stream: int) -> None:
    """Let go nowhere what is still buffered for a stream, and all that follows."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream)
    os.close(nowhere)
