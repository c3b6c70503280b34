"""A card's tables: values taken out by name and by kind, so that a slip of the pen is named where it stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

Kind = TypeVar("Kind")
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class CardTable:
    """A table of a card. Its methods take dotted names and raise ValueError that goes on after "the card of head x"."""

    values: Mapping[str, Any]
    at: str = ""  # its own dotted name and a dot, as messages say it

    def has(self, name: str) -> bool:
        """Whether there is a value of this (undotted) name."""
        return name in self.values

    def text(self, name: str) -> str:
        """Text that is not empty."""
        if not (text := self._of_kind(name, str, "text")):
            raise ValueError(f"has nothing written in {self.at}{name}")
        return text

    def whole(self, name: str) -> int:
        """A whole number."""
        return self._of_kind(name, int, "a whole number")

    def number(self, name: str) -> float:
        """A number, whole or not."""
        return float(self._of_kind(name, (int, float), "a number"))

    def table(self, name: str) -> "CardTable":
        """A table in this one."""
        return CardTable(self._of_kind(name, dict, "a table"), f"{self.at}{name}.")

    def tables(self, name: str) -> list["CardTable"]:
        """A list of tables."""
        return [item.table(name) for item in self._items(name)]

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(item.text(name) for item in self._items(name))

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of numbers."""
        return tuple(item.number(name) for item in self._items(name))

    def word(self, name: str, words: type[Word]) -> Word:
        """One of the words of an enumeration."""
        return _among(words, self.text(name), self.at + name)

    def words(self, name: str, words: type[Word]) -> tuple[Word, ...]:
        """A list of words of an enumeration."""
        return tuple(_among(words, text, self.at + name) for text in self.texts(name))

    def path(self, name: str) -> str:
        """A path that stays inside the folder it is put under."""
        path = self.text(name)
        if "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
            raise ValueError(f"says {self.at}{name} = {path!r}, which is not a path inside the repository")
        return path

    def _items(self, name: str) -> list["CardTable"]:
        """A table for each item of a list, in which the item has the list's name."""
        return [CardTable(_nested(name, item), self.at) for item in self._of_kind(name, list, "a list")]

    def _of_kind(self, name: str, kind: type[Kind] | tuple[type[Kind], ...], words: str) -> Kind:
        value: Any = self.values
        for key in name.split("."):
            if not isinstance(value, Mapping) or key not in value:
                raise ValueError(f"lacks {self.at}{name}")
            value = value[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(f"says {self.at}{name} = {value!r}, where {words} is expected")
        return value


def _nested(name: str, value: object) -> dict[str, Any]:
    first, _, rest = name.partition(".")
    return {first: _nested(rest, value) if rest else value}


def _among(words: type[Word], text: str, name: str) -> Word:
    if text not in list(words):
        raise ValueError(f"says {name} = {text!r}, which is none of {', '.join(words)}")
    return words(text)
