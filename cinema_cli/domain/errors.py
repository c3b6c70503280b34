"""What can go wrong, each with the exit code and the hint that a user is shown."""

import traceback
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """Exit codes of every command (design: interface.md)."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    SOME_FAILED = 3
    GATE_NOT_MET = 4
    NO_INPUT = 66
    UNAVAILABLE = 69
    CANNOT_WRITE = 73
    LOCKED = 75
    CONFIG = 78
    INTERRUPTED = 130
    TERMINATED = 143


class CinemaError(Exception):
    """An expected failure: a sentence for the user, a hint, an exit code and a stable reason code."""

    exit_code: ExitCode = ExitCode.UNEXPECTED

    def __init__(self, message: str, *, hint: str = "", code: str = "error") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class InputError(CinemaError):
    """The input is missing, empty or cannot be used."""

    exit_code = ExitCode.NO_INPUT


class UsageError(CinemaError):
    """Options that contradict each other or are out of range."""

    exit_code = ExitCode.USAGE


class UnavailableError(CinemaError):
    """A device or weights that were asked for are not there."""

    exit_code = ExitCode.UNAVAILABLE


class OutputError(CinemaError):
    """The output cannot be written: permissions, disk full."""

    exit_code = ExitCode.CANNOT_WRITE


class LockedError(CinemaError):
    """Another run works on the same output folder."""

    exit_code = ExitCode.LOCKED


class ConfigError(CinemaError):
    """A settings or mapping file that does not say what it should."""

    exit_code = ExitCode.CONFIG


class NotEstimableError(CinemaError):
    """A statistic that the data cannot give; the message says which and why, in words for a report."""

    exit_code = ExitCode.NO_INPUT


class FaultElsewhereError(RuntimeError):
    """An error that nobody expected, met in another process; its message is what `fault_words` said of it there."""


def fault_words(error: Exception) -> str:
    """Kind and place of an error that nobody expected, not its message: messages may hold paths and so names."""
    if isinstance(error, FaultElsewhereError):
        return str(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "cinema_" in f.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"unexpected {type(error).__name__} in {place}"


class StudyError(CinemaError):
    """One study cannot be analysed; it becomes a row with `stage` and `code`, the run goes on."""

    def __init__(self, message: str, *, stage: str, code: str, hint: str = "") -> None:
        super().__init__(message, hint=hint, code=code)
        self.stage = stage

    def __reduce__(self) -> tuple[object, ...]:
        """How it goes to another process."""
        return _study_error, (self.message, self.stage, self.code, self.hint)


def _study_error(message: str, stage: str, code: str, hint: str) -> StudyError:
    return StudyError(message, stage=stage, code=code, hint=hint)
