"""Reporting checklists of a page: what its run answers, with the section that shows it, and what is the author's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cinema_cli.reports.analysis.checklist_items import Item

Answer = tuple[str, str]  # words, and the section's id


@dataclass(frozen=True, slots=True)
class AnsweredItem:
    """An item with what the run says of it."""

    number: str
    words: str
    said: str
    section: str


@dataclass(frozen=True, slots=True)
class Checklist:
    """A checklist: items that the run answers at least in part, and those left to the author."""

    name: str
    answered: tuple[AnsweredItem, ...]
    blank: tuple[Item, ...]


def filled(lists: Sequence[tuple[str, Sequence[Item]]], known: Mapping[str, Answer]) -> list[Checklist]:
    """Checklists by name, their items answered by key."""
    return [
        Checklist(
            name,
            tuple(AnsweredItem(i.number, i.words, *known[i.answer]) for i in items if i.answer in known),
            tuple(i for i in items if i.answer not in known),
        )
        for name, items in lists
    ]
