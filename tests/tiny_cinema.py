"""The `cinema` program with tiny networks in its published heads: the real commands, on files of kilobytes.

Also what is published for such heads: a folder laid out as the repository, with random weights.
"""

import dataclasses
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml
from published_configs import CARDS, tiny
from safetensors.torch import save_file

from cinema_cli.commands.app import main
from cinema_cli.inference import cards
from cinema_cli.inference.cards import Card, PublishedCard
from cinema_models.build import build

TINY = {name: dataclasses.replace(card, network=tiny(name)) for name, card in CARDS.items()}


def publish(folder: Path, heads: Iterable[PublishedCard]) -> Path:
    """Write config.yaml and the weights of every seed of these heads below `folder`, as they are published."""
    for card in heads:
        config = folder / card.config_file
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(yaml.safe_dump({"grad_ckpt": True, **card.network}))
        for file in card.files:
            torch.manual_seed(len(file.path) + (file.seed or 0))
            state = build(card.network).state_dict()
            save_file({name: torch.randn(value.shape) for name, value in state.items()}, folder / file.path)
    return folder


class Starter:
    """Starts this program often: each time a process of its own, forked from one that has torch loaded."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen([sys.executable, __file__], text=True, **pipes)

    def start(self, *arguments: object, most_bytes: int | None = None, **environment: str) -> "Started":
        """Start it and go on; `most_bytes` that it may write into one file."""
        self._count += 1
        streams = [str(self._folder / f"{self._count}.{name}") for name in ("out", "err")]
        order = {"arguments": [*map(str, arguments)], "environment": os.environ | environment, "streams": streams}
        return Started(int(self._ask(order | {"most_bytes": most_bytes})), *map(Path, streams), self)

    def run(self, *arguments: object, most_bytes: int | None = None, **environment: str) -> "Ended":
        """Start it and wait for its end."""
        return self.start(*arguments, most_bytes=most_bytes, **environment).end()

    def _ask(self, order: dict[str, object]) -> str:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def wait(self, pid: int) -> int:
        """The exit code of a process that it started; -9 for one that was killed."""
        return int(self._ask({"wait": pid}))

    def close(self) -> None:
        """Start no more."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a run ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


@dataclasses.dataclass(frozen=True)
class Started:
    """A run that goes on."""

    pid: int
    out: Path
    err: Path
    starter: Starter

    def end(self) -> Ended:
        """Wait for its end."""
        code = self.starter.wait(self.pid)
        return Ended(code, self.out.read_text(), self.err.read_text())


def _serve() -> None:
    """Carry out the orders of a Starter."""
    from cinema_cli.inference import acquire, import_weights, verify_weights  # noqa: F401 - what takes long to load

    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            print(os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]), flush=True)
        elif pid := os.fork():
            print(pid, flush=True)
        else:
            _become(order)


def _become(order: dict[str, Any]) -> NoReturn:
    """Run the program in this process, which ends with it."""
    for number, path in enumerate([os.devnull, *order["streams"]]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), number)
    if order["most_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["most_bytes"],) * 2)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["cinema", *order["arguments"]]
    try:
        main()
    except SystemExit as error:
        sys.stdout.flush()
        os._exit(int(error.code or 0))


def _read_card(name: str, *, folder: Path | None = None) -> Card:
    return TINY.get(name) or _REAL(name, folder=folder)


if __name__ == "__main__":
    _REAL, _ALL = cards.read_card, cards.list_cards()
    cards.read_card = _read_card  # before any command takes them
    cards.list_cards = lambda: tuple(TINY.get(card.name, card) for card in _ALL)
    _serve()
