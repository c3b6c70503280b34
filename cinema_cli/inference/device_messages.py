"""What goes between the device process, the run and the study processes: settings, news, requests and answers."""

from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from cinema_cli.inference.batching import Arrays, Call, Request


@dataclass(frozen=True, slots=True)
class DeviceSetup:
    """What the process is started with."""

    address: str  # where studies ask
    key: bytes  # without which nobody is answered
    heads: tuple[str, ...]
    device: str
    precision: str
    threads: int  # of a CPU
    batch_size: int | None  # None: measured
    deterministic: bool
    halvings: int = 0  # of the batch size: one for each process that died before


@dataclass(frozen=True, slots=True)
class Halved:
    """Said where a batch had no room on the device."""

    network: str
    size: int  # from now on


@dataclass(slots=True)
class Work:
    """What the device did so far, in wall seconds since it was ready; sent when asked."""

    lanes: int = 1  # batches that are calculated side by side
    busy_s: float = 0.0  # in which at least one of them was
    lanes_s: float = 0.0  # of all lanes together
    first_at: float | None = None  # when it was first busy, and last
    last_at: float = 0.0
    n_batches: int = 0
    n_items: int = 0
    n_shared: int = 0  # batches with items of several studies
    sizes: dict[str, int] = field(default_factory=dict)  # network -> items together

    @property
    def busy_pct(self) -> float | None:
        """Share of the time from the first to the last batch in which the device calculated, percent."""
        span = self.last_at - (self.first_at or 0.0)
        return round(100.0 * self.busy_s / span, 1) if self.first_at is not None and span > 0 else None

    def then(self, later: "Work") -> "Work":
        """This and what another process did after it."""
        return Work(
            lanes=later.lanes,
            busy_s=self.busy_s + later.busy_s,
            lanes_s=self.lanes_s + later.lanes_s,
            first_at=later.first_at if self.first_at is None else self.first_at,
            last_at=max(self.last_at, later.last_at),
            n_batches=self.n_batches + later.n_batches,
            n_items=self.n_items + later.n_items,
            n_shared=self.n_shared + later.n_shared,
            sizes=self.sizes | later.sizes,
        )


def receive_request(connection: Connection) -> Request:
    """What a study process asks; waits for it. Raises EOFError or OSError where it is gone."""
    call, names = connection.recv()
    return Request(call, {name: receive_array(connection) for name in names})


def send_answers(connection: Connection, request: Request) -> None:
    """What was found of a request, or the error that was met."""
    if request.error is not None:
        connection.send(request.error)
        return
    connection.send(tuple(request.answers))
    for values in request.answers.values():
        send_array(connection, values)


def ask(connection: Connection, call: Call, arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
    """From the other side: what a network answers. Raises what it met there, EOFError or OSError where it is gone."""
    connection.send((call, tuple(arrays)))
    for values in arrays.values():
        send_array(connection, values)
    said = connection.recv()
    if isinstance(said, Exception):
        raise said
    return {name: receive_array(connection) for name in said}


def send_array(connection: Connection, values: np.ndarray[Any, Any]) -> None:
    """Its type and shape, then its bytes."""
    whole = np.ascontiguousarray(values)
    connection.send((whole.dtype.str, whole.shape))
    connection.send_bytes(whole.reshape(-1).view(np.uint8).data if whole.size else b"")


def receive_array(connection: Connection) -> np.ndarray[Any, Any]:
    """The array that was sent."""
    kind, shape = connection.recv()
    values = np.empty(shape, np.dtype(kind))
    if values.size:
        connection.recv_bytes_into(values.reshape(-1).view(np.uint8).data)
    else:
        connection.recv_bytes()
    return values
