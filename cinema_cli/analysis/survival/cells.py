"""Counts that add up to each other, and which of them must be hidden so that no small one can be computed back."""

from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field

import numpy as np

from cinema_cli.analysis.statistics.outcome import Floats

Key = tuple[Hashable, ...]
_DETERMINED = 1e-5  # largest part of a random vector left in a cell that the sums determine: rounding


@dataclass(slots=True, eq=False)
class Cells:
    """Counts by name, and the sums among them that a reader of the tables knows.

    What a total has beyond its parts is a cell too, which nobody publishes but everybody can compute.
    """

    values: dict[Key, int] = field(default_factory=dict)
    unpublished: set[Key] = field(default_factory=set)
    sums: dict[tuple[Key, tuple[Key, ...]], None] = field(default_factory=dict)  # total, parts; in order, once each

    def add(self, key: Key, value: int) -> Key:
        """A published count."""
        self.values[key] = value
        self.unpublished.discard(key)
        return key

    def add_sum(self, total: Key, parts: Iterable[Key], *, rest: Key | None = None) -> None:
        """State that a total has these parts, of known value, and perhaps a rest, under a name of its own or `rest`."""
        parts = tuple(part for part in parts if part != total)
        left = self.values[total] - sum(self.values[part] for part in parts)
        if not parts or left < 0:  # the parts are no parts: people in one, rows or events in the other
            return
        if left > 0:
            rest = rest or ("rest", total, parts)
            if rest not in self.values:
                self.values[rest] = left
                self.unpublished.add(rest)
            parts = (*parts, rest)
        self.sums[total, parts] = None

    def hidden(self, *, min_cell: int, kept: Collection[Key] = ()) -> set[Key]:
        """Names of the counts to hide: those of 1..min_cell - 1, and others so that sums do not give them away.

        The smallest suitable other is taken; `kept` (the size of the whole cohort) only where there is no other.
        """
        small = {key for key, value in self.values.items() if 0 < value < min_cell}
        hidden = small | self.unpublished
        sums_of: dict[Key, list[tuple[Key, tuple[Key, ...]]]] = {}
        for total, parts in self.sums:
            for key in (total, *parts):
                sums_of.setdefault(key, []).append((total, parts))
        while True:
            taken = {
                found
                for key in self._exposed(hidden, small, min_cell)
                if (found := self._another(key, hidden, sums_of, kept)) is not None
            }
            if not taken:
                return hidden - self.unpublished
            hidden |= taken

    def _exposed(self, hidden: set[Key], small: set[Key], min_cell: int) -> list[Key]:
        """Hidden counts, one a sum, by which a small count or a small sum of hidden ones can be computed."""
        found: dict[Key, None] = {}
        for total, parts in self.sums:
            covered = [part for part in parts if part in hidden]
            if covered and total not in hidden and 0 < sum(self.values[part] for part in covered) < min_cell:
                found[covered[0]] = None
        keys, known = self._determined(hidden)
        return [*found, *(key for key, is_known in zip(keys, known, strict=True) if is_known and key in small)]

    def _determined(self, hidden: set[Key]) -> tuple[list[Key], list[bool]]:
        """Which hidden counts follow from the visible ones by the sums: what is left of a random vector is none."""
        from scipy.sparse import csr_array
        from scipy.sparse.linalg import lsqr

        place: dict[Key, int] = {}
        rows, columns, signs = [], [], []
        for number, (total, parts) in enumerate(self.sums):
            for key, sign in ((total, -1.0), *((part, 1.0) for part in parts)):
                if key in hidden:
                    rows.append(number)
                    columns.append(place.setdefault(key, len(place)))
                    signs.append(sign)
        if not place:
            return [], []
        matrix = csr_array((signs, (rows, columns)), shape=(len(self.sums), len(place)))
        random: Floats = np.random.default_rng(0).uniform(1.0, 2.0, len(place))
        explained = lsqr(matrix, matrix @ random, atol=1e-13, btol=1e-13, conlim=0.0, iter_lim=10 * len(place) + 100)[0]
        return list(place), list(np.abs(random - explained) < _DETERMINED)

    def _another(
        self,
        exposed: Key,
        hidden: set[Key],
        sums_of: dict[Key, list[tuple[Key, tuple[Key, ...]]]],
        kept: Collection[Key],
    ) -> Key | None:
        """The count to hide beside an exposed one: of its own sums, else of the sums of what is hidden in those."""
        reached, edge = {exposed}, {exposed}
        best: tuple[bool, bool, int, str, Key] | None = None
        while edge:
            near = [pair for key in edge for pair in sums_of.get(key, [])]
            found = [
                (key in kept, key == total, self.values[key], str(key), key)
                for total, parts in near
                for key in (total, *parts)
                if key not in hidden and self.values[key] > 0
            ]
            best = min([*found, *([best] if best else [])], default=None)
            if best and not best[0]:
                return best[-1]
            edge = {key for total, parts in near for key in (total, *parts) if key in hidden} - reached
            reached |= edge
        return best[-1] if best else None
