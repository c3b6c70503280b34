"""Arithmetic of a few numbers, for which the general functions of numpy take longer to begin than to calculate."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def cross(a: Floats, b: Floats) -> Floats:
    """The vector at right angles to two, (3,)."""
    (ax, ay, az), (bx, by, bz) = a.tolist(), b.tolist()
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def length(vector: Floats) -> float:
    """Euclidean length."""
    return math.sqrt(vector.dot(vector))


def median(values: Floats | list[float]) -> float:
    """What `np.median` says of one row of numbers. NaN for none."""
    ordered = np.sort(values)
    n = len(ordered)
    return float((ordered[(n - 1) // 2] + ordered[n // 2]) / 2) if n and ordered[-1] == ordered[-1] else float("nan")


def medians(rows: Floats) -> Floats:
    """What `np.median` says of each column of numbers."""
    ordered = np.sort(rows, axis=0)
    n = len(rows)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return np.where(np.isnan(ordered[-1]), np.nan, middle)


def filled(values: Floats, *, with_: float) -> Floats:
    """The values, and a number in place of NaN."""
    return np.where(np.isnan(values), with_, values)


def distinct_rows(rows: Floats) -> tuple[Floats, Ints]:
    """Each row once, in order, and which of these each row is."""
    each = list(map(tuple, rows.tolist()))
    places = {row: place for place, row in enumerate(sorted(set(each)))}
    return np.array(list(places)), np.array([places[row] for row in each])
