"""The files that keep every message of a run as a JSON line: that of the run's own folder, and one asked for."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cinema_cli.domain.errors import UsageError
from cinema_cli.io.atomic import output_errors
from cinema_cli.io.names import printable

_WITHHELD = "ids are hashed: said on standard error only"


@dataclass(slots=True)
class LogFiles:
    """Messages wait until it is known what may not be written; then each goes to every file at once."""

    paths: list[Path] = field(default_factory=list)
    nameless: bool = False  # ids are hashed: what is said before `begin` may name people and is not kept in words
    waiting: list[dict[str, Any]] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)  # text -> what stands for it
    begun: bool = False

    def add(self, path: Path) -> None:
        """Keep messages in `path` too, after what it holds. Raises OutputError where it cannot be written."""
        with output_errors(path, setting="--log-file"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("a", encoding="utf-8").close()
        self.paths.append(path)

    def ask_for(self, path: Path, *, cohort: Path, nameless: bool) -> None:
        """Keep messages in a file of the user's; `nameless`: ids are hashed.

        Raises UsageError for one inside the input, OutputError for one that cannot be written.
        """
        source, target = cohort.resolve(), path.resolve()
        if target == source or source in target.parents:
            said = f"the log file {path} lies inside the input {cohort}"
            raise UsageError(
                said, hint="Nothing is written into the input: choose another --log-file.", code="log_in_input"
            )
        self.nameless |= nameless
        self.add(path)

    def begin(self, *, hidden: Mapping[str, str]) -> None:
        """Write what has waited, and from now on every message; `hidden` texts are replaced by their stand-ins."""
        longest_first = sorted(hidden.items(), key=lambda item: -len(item[0]))
        self.hidden = {printable(text): stand_in for text, stand_in in longest_first}
        self.begun = True
        self._write(self.waiting)
        self.waiting.clear()

    def keep(self, entry: dict[str, Any]) -> None:
        """Keep one message."""
        if self.begun:
            self._write([entry])
        else:
            self.waiting.append(entry)

    def end(self) -> None:
        """No run began: what has waited is written all the same, without words where ids are hashed."""
        if not self.begun:
            said = [{**entry, "message": _WITHHELD} for entry in self.waiting] if self.nameless else self.waiting
            self._write([{k: v for k, v in entry.items() if k != "hint"} for entry in said])
        self.paths.clear()

    def _write(self, entries: Iterable[Mapping[str, object]]) -> None:
        lines = "".join(json.dumps(self._hide(entry), default=str) + "\n" for entry in entries)
        for path in tuple(self.paths if lines else ()):
            try:
                with path.open("a", encoding="utf-8") as file:
                    file.write(lines)
            except OSError:  # a full disk: what the run itself writes next will say so, with its exit code
                self.paths.remove(path)

    def _hide(self, entry: Mapping[str, object]) -> dict[str, object]:
        """The entry with stand-ins in every text of it."""
        shown = dict(entry)
        for name, value in entry.items():
            if isinstance(value, str):
                for text, stand_in in self.hidden.items():
                    value = value.replace(text, stand_in)
                shown[name] = value
        return shown
