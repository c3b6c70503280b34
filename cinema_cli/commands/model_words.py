"""Heads, their cards and their files as text: columns on a terminal, tab-separated elsewhere, JSON for programs."""

import json
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cinema_cli.inference.cards import Card
    from cinema_cli.inference.weight_outcomes import Outcome

WIDTH = 100
EMBEDDED = "embedded"
LONG = ("preprocessing", "training_data", "intended_use", "limits", "licence")


def print_rows(rows: Iterable[Mapping[str, object]], *, columns: Sequence[str], as_json: bool) -> None:
    """Rows as JSON with all they hold, as columns on a terminal, else tab-separated, each as soon as it is there."""
    if as_json:
        print(json.dumps(list(rows), indent=2))
    elif sys.stdout.isatty():
        _print_table(rows, columns)
    else:
        for row in rows:
            print("\t".join(" ".join(str(row[name]).split()) for name in columns), flush=True)


def outcome_row(outcome: "Outcome") -> dict[str, object]:
    """What became of a file."""
    return asdict(outcome)


def head_row(card: "Card") -> dict[str, object]:
    """A head as a listing says it; `weights` are the seeds that are here."""
    return {
        "name": card.name,
        "weights": _weights(card),
        "task": _task(card),
        "views": ", ".join(_views(card)),
        "title": card.title,
        "licence": _licence(card.licence),
    }


def head_facts(card: "Card") -> dict[str, object]:
    """A head as other programs read it: what its row says, in parts."""
    from cinema_cli.inference.cards import StackCard

    embedded = isinstance(card, StackCard)
    here = _seeds_here(card)
    return {
        "name": card.name,
        "title": card.title,
        "task": _task(card),
        "views": _views(card),
        "licence": card.licence,
        "embedded": embedded,
        "here": embedded or bool(here),
        "seeds_here": [seed for seed in here if seed is not None],
        "sha256": card.sha256 if isinstance(card, StackCard) else None,
    }


def card_text(card: "Card") -> Iterator[str]:
    """A card for people, line by line: short facts first, then what was written about the head, then its network."""
    said = asdict(card)
    network = said.pop("network")
    yield f"{said.pop('name')}: {said.pop('title')}"
    yield f"  {'weights here':14} {_weights(card) or 'none'}"
    for name, value in said.items():
        if name not in LONG and value not in ("", None, {}) and name != "files":
            yield f"  {name.replace('_', ' '):14} {_plain(value)}"
    for file in said.get("files", ()):
        yield f"  {'file':14} {file['path']}"
    for name in LONG:
        if name in said:
            yield ""
            yield name.replace("_", " ").capitalize()
            yield textwrap.fill(" ".join(said[name].split()), WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield ""
    yield "Network"
    for name, value in _leaves(network):
        yield f"  {name} = {_plain(value)}"


def bytes_words(size: float) -> str:
    """`1.2 GB`, `340 MB`, `2 kB`."""
    if size >= 1e9:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _print_table(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(" ".join(str(row[name]).split())) for name in columns))
    Console().print(table)


def _licence(text: str) -> str:
    """The first sentence without its asides, and whether there are more."""
    first, _, rest = " ".join(text.split()).partition(". ")
    return f"{first.partition(' (')[0]}; weights: see its card" if rest else first


def _task(card: "Card") -> str:
    return str(getattr(card, "task", "segmentation"))  # the stack heads do nothing else


def _views(card: "Card") -> list[str]:
    return [str(view) for view in getattr(card, "views", ("sax",))]


def _weights(card: "Card") -> str:
    from cinema_cli.inference.cards import StackCard

    seeds = ("here" if seed is None else str(seed) for seed in _seeds_here(card))
    return EMBEDDED if isinstance(card, StackCard) else ", ".join(seeds)


def _seeds_here(card: "Card") -> list[int | None]:
    """As `inference.trusted` has it, without torch, which takes seconds to load."""
    from cinema_cli.io.weights_store import stored

    return [file.seed for file in getattr(card, "files", ()) if stored(file.path)]


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(item)}" for name, item in value.items())
    return ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else str(value)


def _leaves(table: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{at}{name}.")
        else:
            yield at + name, value
