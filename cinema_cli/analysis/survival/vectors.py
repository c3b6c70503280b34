"""Vectors of a backbone for the rows of an analysis table."""

from pathlib import Path

import numpy as np
import polars as pl

from cinema_cli.analysis.survival.columns import PARTICIPANT_NAMES, PARTICIPANT_WORDS
from cinema_cli.analysis.survival.reading import as_numbers, as_text, is_numeric, read_source
from cinema_cli.analysis.survival.settings import Embeddings
from cinema_cli.analysis.survival.table import PARTICIPANT, SESSION, AnalysisTable
from cinema_cli.domain.errors import ConfigError, InputError

EMBEDDING_TABLE = "embeddings.parquet"
_KEY, _VISIT, _VECTOR = "_key", "_visit", "_vector"


def read_embeddings(path: Path, table: AnalysisTable) -> Embeddings:
    """One vector a row: of our embeddings.parquet `cls` at all moments, one after the other, else all numbers of a row.

    `path`: the file, or the output folder that holds it. Raises InputError where nobody has a vector, ConfigError where
    the table is none of vectors.
    """
    path = path / EMBEDDING_TABLE if path.is_dir() else path
    cells = read_source(path, called="table of embeddings", option="--embeddings", code="embeddings").cells
    participant = next((name for name in PARTICIPANT_NAMES if name in cells.columns), None)
    if participant is None:
        raise ConfigError(
            f"{path.name} has no column {PARTICIPANT_WORDS}",
            hint="One row a participant, or the embeddings.parquet of `cinema infer`.",
            code="embedding_columns",
        )
    by_visit = SESSION in cells.columns and SESSION in table.rows.columns
    keyed = cells.with_columns(
        as_text(cells[participant]).str.strip_prefix("sub-").alias(_KEY),
        (as_text(cells[SESSION]).str.strip_prefix("ses-") if by_visit else pl.lit("")).alias(_VISIT),
    )
    vectors, name = _of_ours(keyed) if {"cls", "moment", "head"} <= set(cells.columns) else _plain(keyed, path.name)
    rows = table.rows.select(
        pl.col(PARTICIPANT).str.strip_prefix("sub-").alias(_KEY),
        (pl.col(SESSION) if by_visit else pl.lit("")).alias(_VISIT),
    )
    found = rows.join(vectors, on=[_KEY, _VISIT], how="left", maintain_order="left")[_VECTOR]
    if found.null_count() == len(found):
        raise InputError(
            f"nobody of the analysis has a vector in {path.name}",
            hint="Ids are those of the phenotypes.",
            code="nobody",
        )
    width = int(found.list.len().max())  # type: ignore[arg-type]
    known = (found.list.len() == width).fill_null(value=False).to_numpy()
    matrix = np.full((table.n, width), np.nan)
    matrix[known] = found.filter(pl.Series(known)).explode().to_numpy().reshape(-1, width)
    return Embeddings(matrix, name)


def _of_ours(keyed: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """The cls vectors of every study one after the other, by head and moment."""
    known = keyed.filter(pl.col("cls").is_not_null()).sort("head", "moment", maintain_order=True)
    heads = ", ".join(known["head"].unique().sort())
    moments = ", ".join(known["moment"].unique().sort())
    vectors = known.group_by(_KEY, _VISIT, maintain_order=True).agg(
        pl.col("cls").cast(pl.List(pl.Float64)).explode().alias(_VECTOR)
    )
    return vectors, f"{heads}: cls at {moments}"


def _plain(keyed: pl.DataFrame, name: str) -> tuple[pl.DataFrame, str]:
    """Every column of numbers of a table with one row a participant."""
    ids = {*PARTICIPANT_NAMES, SESSION, _KEY, _VISIT}
    columns = [column for column in keyed.columns if column not in ids and is_numeric(keyed[column])]
    if not columns or keyed.select(pl.struct(_KEY, _VISIT).is_duplicated().any()).item():
        raise ConfigError(
            f"{name} does not have one row of numbers a participant",
            hint="One row a participant, or the embeddings.parquet of `cinema infer`.",
            code="embedding_columns",
        )
    numbers = keyed.select(_KEY, _VISIT, *(as_numbers(keyed[column]) for column in columns))
    return numbers.select(_KEY, _VISIT, pl.concat_list(columns).alias(_VECTOR)), name
