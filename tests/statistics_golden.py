"""R's reference values in the shared folder: its README says with which versions they were computed."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cinema_cli.analysis.statistics.outcome import Outcome

SHARED = Path(os.environ.get("CINEMA_SHARED", Path(__file__).resolve().parents[2] / "shared"))
STATISTICS = SHARED / "golden" / "statistics"


@cache
def r_values(name: str = "r_golden") -> dict[str, Any]:
    """Entries of r_golden.json, r_golden2.json or r_golden3.json."""
    found: dict[str, Any] = json.loads((STATISTICS / f"{name}.json").read_text(encoding="utf-8"))
    return found


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
