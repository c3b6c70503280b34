"""Everybody, then the groups of each column: whose rows of an evaluation a figure is made of."""

from collections.abc import Iterator, Sequence

import polars as pl

PARTICIPANT = "participant_id"


def parts_of(
    rows: pl.DataFrame, people: pl.DataFrame | None, groups: Sequence[str]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """(``, all rows), then (`name=value`, theirs) for each value of the columns of `people` named in `groups`, sorted.

    `rows` and `people` have participant_id, with `sub-` or without; of several rows of `people` of one participant the
    first counts, and who lacks a value is in no group.
    """
    key = pl.col(PARTICIPANT).str.strip_prefix("sub-").alias("_key")
    yield "", rows
    if people is None:
        return
    for column in groups:
        named = people.filter(pl.col(column).is_not_null()).select(key, _group=pl.col(column).cast(pl.String))
        known = named.unique("_key", keep="first", maintain_order=True)
        inside = rows.with_columns(key).join(known, on="_key", how="inner", maintain_order="left").drop("_key")
        for value in inside["_group"].unique().sort():
            yield f"{column}={value}", inside.filter(pl.col("_group") == value).drop("_group")


def first_of_each(rows: pl.DataFrame) -> pl.DataFrame:
    """One study a participant, the first: intervals are those of people, who do not resemble each other."""
    return rows.unique(PARTICIPANT, keep="first", maintain_order=True)
