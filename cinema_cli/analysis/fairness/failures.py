"""Who is lost before analysis, and whose result is doubtful: failures, missing values, flags, seeds that disagree."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from cinema_cli.analysis.fairness.derived import FLAG, QC
from cinema_cli.analysis.fairness.metric import Metric
from cinema_cli.analysis.fairness.people import KEY, People, keys_of
from cinema_cli.analysis.statistics.group_gaps import Better
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.survival.reading import is_numeric
from cinema_cli.io.ledger import Status
from cinema_cli.io.predictions import scan_predictions

VALUES = ("lvef_pct", "rvef_pct", "lvm_g")  # whose absence is counted: one of each structure
DISAGREEMENT = "_disagreement"
_CHECKED = ("pass", *FLAG)


def failure_metrics(people: People) -> Iterator[Metric]:
    """Shares of people whose study failed, lacks a value, or is flagged; nothing of a table that does not say."""
    rows = people.rows
    done = np.ones(people.n, dtype=bool)
    if "status" in rows.columns and set(rows["status"].drop_nulls()) <= set(Status):
        done = (rows["status"] == Status.DONE).fill_null(value=False).to_numpy()
        yield _share("failed", "analysis", ~done)
    for name in VALUES:
        if name in rows.columns:
            yield _share("missing", name, rows[name].is_null().to_numpy(), among=done)
    checks = [name for name in rows.columns if name.startswith(QC)]
    flagged = {name.removeprefix(QC): rows[name].is_in(FLAG).fill_null(value=False).to_numpy() for name in checks}
    checked = {name.removeprefix(QC): rows[name].is_in(_CHECKED).fill_null(value=False).to_numpy() for name in checks}
    if checks:
        some = np.any(list(checked.values()), axis=0)
        yield _share("flagged", "any check", np.any(list(flagged.values()), axis=0), among=some)
    for name, is_flagged in flagged.items():
        if is_flagged.any():
            yield _share("flagged", name, is_flagged, among=checked[name])


def disagreement_metrics(people: People, out: Path) -> Iterator[Metric]:
    """How far the seeds of a head lie apart, mean over the frames of a person; higher means less certain.

    Raises InputError.
    """
    table = scan_predictions(out)
    if table is None:
        return
    names = [name for name in table.collect_schema().names() if DISAGREEMENT in name]
    if not names:
        return
    means = table.group_by("participant_id", maintain_order=True).agg(pl.col(names).mean()).collect()
    means = means.group_by(people.persons(keys_of(means["participant_id"]))).agg(pl.col(names).mean())
    joined = people.rows.select(KEY).join(means, on=KEY, how="left", maintain_order="left")
    for name in names:
        values = _floats(joined[name])
        if np.isfinite(values).any():
            head, _, place = name.partition(DISAGREEMENT)
            yield Metric("disagreement", head, Better.LOWER, values, unit=place.removeprefix("_"))


def covariate(people: People, name: str) -> list[tuple[str, Floats]]:
    """A column to hold equal: its numbers, or 0 and 1 for each category but the most frequent; nan where missing.

    Raises ConfigError where there is no such column.
    """
    cells = people.column(name)
    if cells.dtype.is_numeric() or is_numeric(cells):
        return [(name, _floats(cells))]
    counts = cells.drop_nulls().cast(pl.String).value_counts().sort("count", cells.name, descending=[True, False])
    return [
        (f"{name}={level}", _floats((cells.cast(pl.String) == level).cast(pl.Float64)))
        for level in counts[cells.name].to_list()[1:]
    ]


def _share(model: str, term: str, which: np.ndarray, *, among: np.ndarray | None = None) -> Metric:
    values = which.astype(np.float64)
    if among is not None:
        values[~among] = np.nan
    return Metric(model, term, Better.LOWER, values, is_share=True)


def _floats(cells: pl.Series) -> Floats:
    return cells.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().astype(np.float64)
