"""What of an audit may be released: small counts go, and gaps from which a hidden figure could be computed back."""

import polars as pl

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.disclosure.rows import columns_of
from cinema_cli.analysis.estimates import SCHEMA
from cinema_cli.analysis.statistics.group_gaps import Apart

_APART = (*(str(way) for way in Apart), "gap_adjusted")
_SUBJECT = ("outcome", "model", "term")


def released(estimates: pl.DataFrame, *, min_cell: int) -> pl.DataFrame:
    """The table as `suppressed` leaves it, without gaps between groups one of whose figures that took away.

    With the figure of the other group a gap would give it back. Their p and q stay, and what permutations show.
    """
    if min_cell <= 1:
        return estimates
    shown = suppressed(estimates, min_cell=min_cell).with_columns(had=estimates["estimate"].is_not_null())
    column = pl.col("group").map_elements(columns_of, return_dtype=pl.String)
    lost = shown.filter(
        pl.col("analysis") == "group_metric", pl.col("group") != "", pl.col("had") & pl.col("estimate").is_null()
    )
    lost = lost.select(*_SUBJECT, column.alias("group")).unique().with_columns(gives_back=pl.lit(value=True))
    joined = shown.join(lost, on=[*_SUBJECT, "group"], how="left", nulls_equal=True, maintain_order="left")
    taken = pl.col("analysis").is_in(_APART) & pl.col("gives_back").fill_null(value=False) & pl.col("had")
    numbers = (pl.when(~taken).then(pl.col(name)).alias(name) for name in ("estimate", "lower", "upper"))
    return joined.with_columns(*numbers, suppressed=pl.col("suppressed") | taken).select(*SCHEMA)
