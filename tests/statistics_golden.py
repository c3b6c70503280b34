"""R's reference values in the shared folder: its README says with which versions they were computed."""

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from recorded import Recorded

from cinema_cli.analysis.statistics.censoring import follow_up
from cinema_cli.analysis.statistics.outcome import COMPETING, EVENT, Floats, Ints, Outcome

SHARED = Path(os.environ.get("CINEMA_SHARED", Path(__file__).resolve().parents[2] / "shared"))
STATISTICS = SHARED / "golden" / "statistics"


@cache
def r_values(name: str = "r_golden") -> dict[str, Any]:
    """Entries of r_golden.json, r_golden2.json or r_golden3.json."""
    return Recorded(name, json.loads((STATISTICS / f"{name}.json").read_text(encoding="utf-8")))


@cache
def r_data(name: str) -> pl.DataFrame:
    """One of the data sets that R was given."""
    return pl.read_csv(STATISTICS / "data" / f"{name}.csv", infer_schema_length=None)


def columns(table: pl.DataFrame, *names: str) -> NDArray[np.float64]:
    """Columns of a table as a matrix (n, k)."""
    return table.select(pl.col(name).cast(pl.Float64) for name in names).to_numpy()


def outcome_of(table: pl.DataFrame, time: str, event: str, entry: str | None = None) -> Outcome:
    """Columns of a table as an outcome."""
    return Outcome(
        columns(table, time)[:, 0],
        table[event].to_numpy().astype(np.int64),
        columns(table, entry)[:, 0] if entry else None,
    )


def finegray_rows(outcome: Outcome) -> tuple[Outcome, Floats, Ints]:
    """Rows of R's finegray with weights and people: after a competing event, at risk less and less as G falls.

    Cut at the times of events where G has fallen since the last one.
    """
    time, event, followed = outcome.time, outcome.event, follow_up(outcome)
    ends = np.unique(time[event == EVENT])
    later = [ends[ends > t] if kind == COMPETING else ends[:0] for t, kind in zip(time, event, strict=True)]
    person = np.repeat(np.arange(len(time)), [1 + len(own) for own in later])
    stop = np.concatenate([np.append(t, own) for t, own in zip(time, later, strict=True)])
    first = np.append(True, np.diff(person) > 0)
    weight = followed.before(followed.observed, stop) / followed.before(followed.observed, time[person])
    begins = first | np.append(True, np.diff(weight) != 0)
    lasts = np.append(begins[1:], True)
    entry = np.where(first, 0.0, np.append(0.0, stop[:-1]))[begins]
    person, stop, weight = person[lasts], stop[lasts], weight[begins]
    return Outcome(stop, ((event[person] == EVENT) & (stop == time[person])).astype(np.int64), entry), weight, person


def sampled_by_r(seed: int) -> Callable[[int], Ints]:
    """What `sample(n, n, replace = TRUE) - 1` gives in R after `set.seed(seed)`, one call after the other.

    R's default generators: Mersenne Twister, its state filled by a linear congruence, and rejection of bits.
    """
    words = [seed]
    for _ in range(50 + 625):
        words.append((69069 * words[-1] + 1) % 2**32)
    twister = np.random.RandomState()
    twister.set_state(("MT19937", np.array(words[-624:], dtype=np.uint32), 624))

    def rows(n: int) -> Ints:
        bits, found = (n - 1).bit_length(), np.empty(0, np.int64)
        while len(found) < n:
            drawn = twister.randint(0, 2**32, size=n - len(found), dtype=np.uint32).astype(np.int64)
            drawn = (drawn >> 16) & (2**bits - 1)  # up to 16 bits of a number
            found = np.append(found, drawn[drawn < n])
        return found

    return rows
