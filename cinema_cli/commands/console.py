"""What a command says while it works: messages on stderr, never on stdout, and in the log files of its run."""

import hashlib
import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from cinema_cli.commands.ending import STDERR, silence
from cinema_cli.commands.events import Event, Level
from cinema_cli.commands.log_files import LogFiles
from cinema_cli.io.names import printable

MOST_LINES = 10  # things of one kind that are said one by one


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
