"""Primary and secondary suppression: counts that add up, and which must go so that no small one can be computed."""

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.outcome import Floats

Key = tuple[Hashable, ...]
Booleans = NDArray[np.bool_]
Sum = tuple[int, Sequence[int]]  # total and its parts, by number
_NOTHING = 1e-5  # rounding, in solutions whose entries are about 1
_TRIED = 12  # counts of which hiding one may help: more are not tried out


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

    def add_sum(self, total: Key, parts: Iterable[Key]) -> None:
        """State that a total has these parts, all of known value, and perhaps a rest."""
        parts = tuple(part for part in parts if part != total)
        left = self.values[total] - sum(self.values[part] for part in parts)
        if not parts or left < 0:  # the parts are no parts: people in one, rows or events in the other
            return
        if left > 0:
            rest: Key = ("rest", total, parts)
            if rest not in self.values:
                self.values[rest] = left
                self.unpublished.add(rest)
            parts = (*parts, rest)
        self.sums[total, parts] = None

    def hidden(self, *, min_cell: int, kept: Collection[Key] = ()) -> set[Key]:
        """Names of the counts to hide: those of 1..min_cell - 1, and others so that sums do not give them away.

        The smallest other that helps is taken; of `kept` (those of the whole cohort) one only where a small count
        follows from these alone.
        """
        names = list(self.values)
        place = {name: k for k, name in enumerate(names)}
        sums = [(place[total], [place[part] for part in parts]) for total, parts in self.sums]
        values = np.fromiter(self.values.values(), dtype=np.float64, count=len(names))
        small = (values > 0) & (values < min_cell)
        search = _Search(
            sums=sums,
            matrix=matrix_of(sums, len(names)),
            values=values,
            kept=np.array([name in kept for name in names], dtype=bool),
            hidden=small | np.array([name in self.unpublished for name in names], dtype=bool),
            min_cell=min_cell,
        )
        while search.goes_on():
            pass
        return {name for name, is_hidden in zip(names, search.hidden, strict=True) if is_hidden} - self.unpublished


def matrix_of(sums: Sequence[Sum], width: int) -> Any:
    """Sums as a sparse matrix (sums, cells): 1 for a part, -1 for the total."""
    from scipy.sparse import csc_array

    rows = np.repeat(np.arange(len(sums)), [1 + len(parts) for _, parts in sums])
    columns = [cell for total, parts in sums for cell in (total, *parts)]
    signs = [sign for _, parts in sums for sign in (-1.0, *[1.0] * len(parts))]
    return csc_array((signs, (rows, columns)), shape=(len(sums), width))


@dataclass(slots=True, eq=False)
class _Search:
    """Hides one more count wherever a small one follows from the visible ones."""

    sums: Sequence[Sum]
    matrix: Any  # (sums, cells)
    values: Floats  # (cells,)
    kept: Booleans  # (cells,)
    hidden: Booleans
    min_cell: int

    def goes_on(self) -> bool:
        """Hide one count for each exposure; False where nothing changed."""
        before = self.hidden.copy()
        for exposures in (self._small_sums(before), self._determined(before)):
            for wanted, needed in exposures:
                if not np.any(needed & self.hidden):  # else it was helped in this round
                    self._help(wanted, needed)
            if np.any(self.hidden != before):
                return True
        return False

    def _small_sums(self, hidden: Booleans) -> Iterator[tuple[Floats, Booleans]]:
        """Sums whose hidden parts are few people together: which parts, and from which visible counts it follows."""
        for total, parts in self.sums:
            covered = [part for part in parts if hidden[part]]
            if covered and not hidden[total] and 0 < self.values[covered].sum() < self.min_cell:
                wanted, needed = np.zeros(len(hidden)), np.zeros(len(hidden), dtype=bool)
                wanted[covered] = 1.0
                needed[[total, *parts]] = True
                yield wanted, needed & ~hidden

    def _determined(self, hidden: Booleans) -> Iterator[tuple[Floats, Booleans]]:
        """The same for small counts that several sums together determine: nothing is left of a random vector there."""
        columns = np.flatnonzero(hidden)
        random = np.random.default_rng(0).uniform(1.0, 2.0, len(columns))
        unknowns = self.matrix[:, columns]
        explained = _solve(unknowns, unknowns @ random)
        for cell in columns[np.abs(random - explained) < _NOTHING]:
            if 0 < self.values[cell] < self.min_cell:
                wanted = np.zeros(len(hidden))
                wanted[cell] = 1.0
                used = _solve(unknowns.T, wanted[columns]) @ self.matrix
                yield wanted, (np.abs(used) > _NOTHING) & ~hidden

    def _help(self, wanted: Floats, needed: Booleans) -> None:
        """Hide the smallest of the needed counts without which the wanted number does not follow any more."""
        needed = needed & (self.values > 0)
        choices = np.flatnonzero(needed & ~self.kept if np.any(needed & ~self.kept) else needed)
        choices = choices[np.argsort(self.values[choices], kind="stable")][:_TRIED]
        if len(choices):
            self.hidden[next((k for k in choices if self._is_free(wanted, int(k))), choices[0])] = True

    def _is_free(self, wanted: Floats, also: int) -> bool:
        """Whether a sum of hidden counts follows from no sums if one more is hidden."""
        columns = np.flatnonzero(self.hidden | (np.arange(len(self.hidden)) == also))
        unknowns = self.matrix[:, columns]
        combination = _solve(unknowns.T, wanted[columns])
        return bool(np.abs(unknowns.T @ combination - wanted[columns]).max() > _NOTHING)


def _solve(matrix: Any, right: Floats) -> Floats:
    """Least-squares solution of least norm of a sparse system."""
    from scipy.sparse.linalg import lsqr

    steps = 10 * sum(matrix.shape) + 100
    found: Floats = lsqr(matrix, right, atol=1e-13, btol=1e-13, conlim=0.0, iter_lim=steps)[0]
    return found
