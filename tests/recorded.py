"""Values of golden files that know whether they were read, each by its path: file, entry and names below.

Read is not compared: a loop over `items` or `values` reads all of them, whatever it does with them.
"""

from collections.abc import Iterator
from typing import Any

READ: set[str] = set()  # paths that were read since the module of tests began


class Recorded(dict[str, Any]):
    """An object of a golden file that notes which of its values are read."""

    def __init__(self, path: str, values: dict[str, Any]) -> None:
        """Objects below, also in lists, are recorded too."""
        super().__init__({key: _recorded(f"{path}/{key}", value) for key, value in values.items()})
        self._path = path

    def __getitem__(self, key: str) -> Any:
        """A value; a leaf is read by it."""
        value = super().__getitem__(key)
        if not _branches(value):
            READ.add(f"{self._path}/{key}")
        return value

    def items(self) -> Any:
        """Keys with values, all of them read."""
        return [(key, self[key]) for key in self]

    def values(self) -> Any:
        """Values, all of them read."""
        return [self[key] for key in self]


def leaves(path: str, value: Any) -> Iterator[str]:
    """Paths of all values below; a list of numbers or words is one."""
    if isinstance(value, dict):
        for key in value:
            yield from leaves(f"{path}/{key}", dict.__getitem__(value, key))
    elif _branches(value):
        for position, each in enumerate(value):
            yield from leaves(f"{path}/{position}", each)
    else:
        yield path


def _branches(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _recorded(path: str, value: Any) -> Any:
    if isinstance(value, dict):
        return Recorded(path, value)
    if _branches(value):
        return [Recorded(f"{path}/{position}", each) for position, each in enumerate(value)]
    return value
