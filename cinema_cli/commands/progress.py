"""How far a piece of work is: a bar on a terminal, else a line now and then, on stderr and in the log."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from cinema_cli.commands.console import Console, LogFormat
from cinema_cli.commands.events import Event

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

LINE_SECONDS = 60.0
LINE_SHARE = 0.05
LINE_LEAST_SECONDS = 2.0  # work that takes seconds does not fill a log


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
