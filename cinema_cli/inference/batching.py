"""Which images go through a network together: those of several studies, in batches whose shapes never depend on chance.

What a network says of an image can depend, in the last digits, on the shape of the batch, never on its place or on what
else is in it. A request is therefore cut by its own length alone: full batches, and a rest that is filled up to a power
of two, first with the rests of other studies, then with zeros. Its answers are the same whoever runs beside it.
"""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

PATIENCE = 4  # full batches that may go before one with empty slots

Arrays = Mapping[str, NDArray[np.float32]]  # name -> (item, ...)
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of which network: calls that are equal can share a batch where their arrays have one shape."""

    network: str
    method: str = "forward"
    options: tuple[tuple[str, object], ...] = ()  # further arguments, sorted by name


@dataclass(frozen=True, slots=True)
class Share:
    """Items `start` to `stop` of a request, which go through a network as part of `slots` items."""

    start: int
    stop: int
    slots: int


def shares(n_items: int, *, most: int) -> Iterator[Share]:
    """How a request of `n_items` is cut where `most` items (a power of two or not) go through together."""
    full = n_items - n_items % most
    for start in range(0, full, most):
        yield Share(start, start + most, most)
    if rest := n_items - full:
        yield Share(full, n_items, min(most, 1 << (rest - 1).bit_length()))


def stacked(parts: Sequence[Arrays], *, slots: int) -> dict[str, Float32]:
    """Arrays of some parts one after another, with zeros up to `slots` items."""
    n_items = sum(_length(part) for part in parts)
    if len(parts) == 1 and n_items == slots:
        return {name: np.ascontiguousarray(values) for name, values in parts[0].items()}
    together = {}
    for name, first in parts[0].items():
        padding = np.zeros((slots - n_items, *first.shape[1:]), first.dtype)
        together[name] = np.concatenate([*(part[name] for part in parts), padding])
    return together


def in_turn(answer: "StackAnswer", most: int) -> "StackAnswer":
    """`answer` asked in the same batches as by a device process, one after another in this process."""

    def asked(frames: Float32, *, turns_deg: Sequence[float] = (0.0,), known: Float32 | None = None) -> Float32:
        arrays = {"frames": frames} | ({} if known is None else {"known": known})
        found = []
        for share in shares(len(frames), most=most):
            part = stacked([{k: v[share.start : share.stop] for k, v in arrays.items()}], slots=share.slots)
            found.append(answer(**part, turns_deg=turns_deg)[: share.stop - share.start])
        return np.concatenate(found)

    return asked


StackAnswer = Callable[..., Float32]


@dataclass(slots=True, eq=False)
class Request:
    """What one study asks at one time; it waits until `done`."""

    call: Call
    arrays: Arrays
    done: Callable[["Request"], object] = lambda request: None
    answers: dict[str, Float32] = field(default_factory=dict)  # name -> (item, ...)
    error: Exception | None = None
    n_open: int = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is answered yet."""
        self.n_open = _length(self.arrays)

    @property
    def n_items(self) -> int:
        """How many items it has."""
        return _length(self.arrays)

    def take(self, start: int, values: Arrays) -> None:
        """Keep the answers to the items from `start` on; after the last ones it is done."""
        for name, part in values.items():
            if name not in self.answers:
                self.answers[name] = np.empty((self.n_items, *part.shape[1:]), part.dtype)
            self.answers[name][start : start + len(part)] = part
        self.n_open -= _length(values)
        if self.n_open == 0:
            self.done(self)

    def fail(self, error: Exception) -> None:
        """It will not be answered."""
        if self.error is None:
            self.error = error
            self.done(self)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Items that go through a network together."""

    call: Call
    slots: int
    parts: tuple[tuple[Request, int, int], ...]  # request, first and last item + 1

    @property
    def n_items(self) -> int:
        """How many of the slots are filled."""
        return sum(stop - start for _, start, stop in self.parts)

    def arrays(self) -> dict[str, Float32]:
        """What the network is given, `slots` items."""
        return stacked([_cut(request.arrays, start, stop) for request, start, stop in self.parts], slots=self.slots)

    def give(self, answers: Arrays) -> None:
        """Hand the answers back to whom they belong."""
        at = 0
        for request, start, stop in self.parts:
            request.take(start, _cut(answers, at, at + stop - start))
            at += stop - start


_Came = tuple[int, int]  # batches taken before a request came, and its number
_Queue = deque[tuple[_Came, Request, int, int]]  # request, first and last item + 1


class Line:
    """Requests that wait for the device: the oldest first, but full batches before such with empty slots, for a while.

    Studies whose full batches never end would otherwise keep one with few frames waiting as long as the run lasts.
    """

    def __init__(self) -> None:
        """Nobody waits."""
        self._queues: dict[object, _Queue] = {}
        self._n_taken, self._number = 0, itertools.count()

    def __bool__(self) -> bool:
        """Whether somebody waits."""
        return bool(self._queues)

    def add(self, request: Request, *, most: int) -> None:
        """Let a request wait, to go through at most `most` items together."""
        came = self._n_taken, next(self._number)
        for share in shares(request.n_items, most=most):
            self._wait(came, request, share)

    def again(self, batch: Batch, *, most: int) -> None:
        """Let the items of a batch that was too large wait again, in smaller ones, before all others."""
        for request, start, stop in batch.parts:
            for share in shares(stop - start, most=most):
                self._wait((-PATIENCE, 0), request, Share(start + share.start, start + share.stop, share.slots))

    def drop(self, request: Request) -> None:
        """Forget a request: who asked is gone, or it failed."""
        for key, queue in list(self._queues.items()):
            kept = deque(item for item in queue if item[1] is not request)
            if kept:
                self._queues[key] = kept
            else:
                del self._queues[key]

    def next(self) -> Batch:
        """The batch whose turn it is. Raises ValueError where nobody waits."""
        key, queue = min(self._queues.items(), key=self._turn)
        self._n_taken += 1
        slots: int = key[-1]  # type: ignore[index]
        parts, free = [], slots
        while queue and free:
            came, request, start, stop = queue.popleft()
            some = min(free, stop - start)
            parts.append((request, start, start + some))
            free -= some
            if start + some < stop:
                queue.appendleft((came, request, start + some, stop))
        if not queue:
            del self._queues[key]
        return Batch(parts[0][0].call, slots, tuple(parts))

    def _turn(self, item: tuple[object, _Queue]) -> tuple[bool, _Came]:
        """The less, the sooner."""
        came = item[1][0][0]
        may_wait = self._n_taken - came[0] < PATIENCE
        return may_wait and not _is_full(item), came

    def _wait(self, came: _Came, request: Request, share: Share) -> None:
        shapes = tuple((name, values.shape[1:], values.dtype.str) for name, values in sorted(request.arrays.items()))
        queue = self._queues.setdefault((request.call, shapes, share.slots), deque())
        queue.append((came, request, share.start, share.stop))


def _is_full(item: tuple[object, _Queue]) -> bool:
    key, queue = item
    slots: int = key[-1]  # type: ignore[index]
    waiting = 0
    for _, _, start, stop in queue:
        waiting += stop - start
        if waiting >= slots:
            return True
    return False


def _length(arrays: Arrays) -> int:
    return len(next(iter(arrays.values())))


def _cut(arrays: Arrays, start: int, stop: int) -> dict[str, Float32]:
    return {name: values[start:stop] for name, values in arrays.items()}
