"""What a command says while it works: messages and progress on stderr, never on stdout."""

import hashlib
import json
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TextIO

from cinema_cli.commands.ending import STDERR, silence
from cinema_cli.commands.events import Event, Level
from cinema_cli.commands.log_files import LogFiles
from cinema_cli.io.names import printable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

MOST_LINES = 10  # things of one kind that are said one by one
LINE_SECONDS = 60.0
LINE_SHARE = 0.05
LINE_LEAST_SECONDS = 2.0  # work that takes seconds does not fill a log


class LogFormat(StrEnum):
    """How messages look on stderr."""

    TEXT = "text"
    JSON = "json"


@dataclass(slots=True)
class Console:
    """Where messages go: stderr in the chosen format, and the log files of the run as JSON lines."""

    verbose: int = 0
    quiet: bool = False
    log_format: LogFormat = LogFormat.TEXT
    progress: bool = True
    files: LogFiles = field(default_factory=LogFiles)
    warned: list[tuple[str, str]] = field(default_factory=list)  # warnings of this run: sentence, aside
    known: frozenset[str] = frozenset()  # marks of the last run's warnings

    def debug(self, sentence: str, **facts: object) -> None:
        """Say something that only -v shows."""
        self._say(Level.DEBUG, sentence, facts, shown=self.verbose > 0)

    def info(self, sentence: str, **facts: object) -> None:
        """Say how the work goes; -q silences it."""
        self._say(Level.INFO, sentence, facts, shown=not self.quiet)

    def warn(self, sentence: str, *, aside: str = "", **facts: object) -> None:
        """Say something that the person should know; `aside` (ids, paths) is in no log file.

        -q silences what the last run over the same output folder said too.
        """
        self._warn(sentence, facts, aside=aside)

    def event(self, event: Event, sentence: str = "", *, aside: str = "", **facts: object) -> None:
        """Tell programs what happened, and people too where there is a sentence; a warning where something went wrong.

        Without a sentence it stands in JSON logs only.
        """
        told = {"event": str(event), **facts}
        if event.level is Level.WARNING and sentence:
            self._warn(sentence, told, aside=aside)
            return
        as_json = self.log_format is LogFormat.JSON
        wanted = as_json or self.verbose > 0 or event.level is Level.INFO
        shown = wanted and (not self.quiet or event.level is Level.WARNING)
        self._say(event.level, sentence, told, shown=shown and (as_json or bool(sentence)), aside=aside)

    def several(self, lines: Sequence[str], *, summary: str) -> None:
        """Warn of a few things one by one; of many as a summary, all of them with -v."""
        if len(lines) <= MOST_LINES:
            for line in lines:
                self.warn(line)
            return
        self.warn(f"{summary}; -v lists them")
        for line in lines:
            self.debug(line)

    def show(self, text: str) -> None:
        """Say something on stderr that no log file may hold: traces, names of files, help."""
        self._print(json.dumps({"message": text}) if self.log_format is LogFormat.JSON else text.rstrip("\n"))

    def error(self, sentence: str, *, hint: str = "", **facts: object) -> None:
        """Say why the command ends."""
        if self.log_format is LogFormat.JSON:
            self._say(Level.ERROR, sentence, {"hint": hint, **facts}, shown=True)
            return
        self._say(Level.ERROR, f"error: {sentence}", facts, shown=True)
        if hint:
            self._print(f"hint: {hint}")

    def forget(self) -> None:
        """Begin anew: no log files, nothing waiting for them, nothing known of another run."""
        self.files = LogFiles()
        self.warned.clear()
        self.known = frozenset()

    def keep_in(
        self,
        log_file: Path,
        *,
        hidden: Mapping[str, str] = MappingProxyType({}),
        known: Collection[str] = (),
        nameless: bool = False,
    ) -> None:
        """From now on write every message to `log_file` too, those said so far first. Raises OutputError.

        `hidden`: texts, such as paths that may say who and where, and what stands for each of them in the file.
        `known`: marks of the last run's warnings, which -q need not say again; `nameless`: ids are hashed.
        """
        self.files.add(log_file)
        self.files.nameless |= nameless
        self.known = frozenset(known)
        self.files.begin(hidden=hidden)

    def marks(self, said: Iterable[tuple[str, str]]) -> list[str]:
        """A short digest of each warning, by which the next run knows it; without its aside where ids are hashed."""
        texts = {sentence + ("" if self.files.nameless else aside) for sentence, aside in said}
        return sorted(hashlib.sha256(text.encode(errors="replace")).hexdigest()[:12] for text in texts)

    def _warn(self, sentence: str, facts: Mapping[str, object], *, aside: str) -> None:
        said = (printable(sentence), printable(aside))
        self.warned.append(said)
        repeated = self.quiet and not self.known.isdisjoint(self.marks([said]))
        self._say(Level.WARNING, sentence, facts, shown=not repeated, aside=aside)

    def _say(self, level: Level, sentence: str, facts: Mapping[str, object], *, shown: bool, aside: str = "") -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        sentence, aside = printable(sentence), printable(aside)
        entry = {"time": now, "level": str(level), **({"message": sentence} if sentence else {}), **facts}
        if shown:
            text = f"warning: {sentence}{aside}" if level is Level.WARNING else sentence
            said = entry | ({"message": f"{sentence}{aside}"} if sentence else {})
            self._print(json.dumps(said, default=str) if self.log_format is LogFormat.JSON else text)
        self.files.keep(entry)

    @staticmethod
    def _print(text: str) -> None:
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:  # closed or full: no reason to end otherwise than without it
            silence(STDERR)


@dataclass(slots=True)
class Counter:
    """How far a piece of work is; `step` after each unit."""

    console: Console
    what: str  # plural: "studies"
    total: int | None
    bar: "tuple[RichProgress, TaskID] | None" = None
    done: int = 0
    failed: int | None = 0
    began: float = field(default_factory=time.monotonic)
    line_at: float = field(default_factory=time.monotonic)
    line_done: int = 0

    def follow(self, what: str, done: int, total: int) -> None:
        """`done` of `total`; where `what` is not what was counted so far, that is done and another count begins."""
        if what != self.what:
            self.what, self.line_done = what, 0
            self.began = self.line_at = time.monotonic()
            if self.bar:
                self.bar[0].reset(self.bar[1], description=what)
        self.step(failed=None, done=done, total=total)

    def step(self, *, failed: int | None = 0, done: int | None = None, total: int | None = None) -> None:
        """One unit more (or `done` in all), `failed` of them so far failed; None where none can."""
        self.done = self.done + 1 if done is None else done
        self.failed, self.total = failed, total or self.total
        if self.bar:
            self.bar[0].update(self.bar[1], completed=self.done, total=self.total, failed=self._failed())
            return
        share = (self.done - self.line_done) / self.total if self.total else 0.0
        due = share >= LINE_SHARE or self.done == self.total
        self._tell_after(LINE_LEAST_SECONDS if due else LINE_SECONDS)

    def wait(self) -> None:
        """Nothing is new: also units that take long have a line a minute."""
        if not self.bar:
            self._tell_after(LINE_SECONDS)

    def line(self, elapsed: float) -> str:
        """`done/total, failed, studies/min, ETA` after `elapsed` seconds."""
        rate = 60.0 * self.done / elapsed if elapsed > 0 else 0.0
        shown = f"{rate:.1f}" if rate < 1000 else f"{rate:.0f}"
        parts = (f"{self.done}/{self.total or '?'} {self.what}", self._failed(), f"{shown} {self.what}/min")
        text = ", ".join(filter(None, parts))
        if not self.total or not rate:
            return text
        return f"{text}, ETA {clock(60.0 * (self.total - self.done) / rate)}"

    def _tell_after(self, seconds: float) -> None:
        """Say the line, unless one was said less than `seconds` ago; programs get its numbers too."""
        now = time.monotonic()
        if now - self.line_at < seconds:
            return
        self.line_at, self.line_done, elapsed = now, self.done, now - self.began
        if not self.console.progress:
            return
        self.console.event(
            Event.PROGRESS,
            self.line(elapsed),
            what=self.what,
            done=self.done,
            total=self.total,
            failed=self.failed,
            per_min=round(60.0 * self.done / elapsed, 2) if elapsed > 0 else None,
        )

    def _failed(self) -> str:
        return "" if self.failed is None else f"{self.failed} failed"


@contextmanager
def counting(console: Console, what: str, *, total: int | None, stream: TextIO | None = None) -> Iterator[Counter]:
    """A Counter with a Rich bar on a terminal, else one that says a line per minute or 5%, if slower than that."""
    err = stream or sys.stderr
    if not (console.progress and not console.quiet and console.log_format is LogFormat.TEXT and err.isatty()):
        yield Counter(console, what, total)
        return
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=RichConsole(file=err), transient=True) as bar:
        yield Counter(console, what, total, bar=(bar, bar.add_task(what, total=total, failed="")))


def clock(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
