"""Means of many cells at once, each with its interval: studies of one person count as a cluster."""

from collections.abc import Sequence

import polars as pl

_PERSON = "participant_id"
VALUE = "value"


def clustered_means(rows: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Mean of `value` in each cell of the columns `by`, in order of first appearance.

    `rows`: `participant_id`, `value` (null: left out) and `by`. Adds n (rows), people, estimate, se, lower, upper, p
    (two-sided, that the mean is 0), median, q1, q3. The error is that of a mean of clusters, which are the people (for
    one row a person the usual one); limits and p by Student's t on people - 1 degrees of freedom, null for one person.
    """
    known = rows.filter(pl.col(VALUE).is_not_null())
    cell, value = list(by), pl.col(VALUE)
    quartiles = {name: value.quantile(at, "linear") for name, at in (("q1", 0.25), ("median", 0.5), ("q3", 0.75))}
    means = known.group_by(cell, maintain_order=True).agg(
        n=pl.len(),
        people=pl.col(_PERSON).n_unique(),
        estimate=value.mean(),
        spread=value.max() - value.min(),
        **quartiles,
    )
    apart = known.join(means.select(*cell, "estimate"), on=cell, nulls_equal=True, maintain_order="left")
    of_people = apart.group_by(*cell, _PERSON, maintain_order=True).agg(rest=(value - pl.col("estimate")).sum())
    squares = of_people.group_by(cell, maintain_order=True).agg(square=(pl.col("rest") ** 2).sum())
    found = means.join(squares, on=cell, how="left", nulls_equal=True, maintain_order="left")
    people = pl.col("people").cast(pl.Float64)
    variance = pl.when(pl.col("spread") == 0).then(0.0).otherwise(pl.col("square")) * people / (people - 1.0)
    se = pl.when(pl.col("people") > 1).then(variance.sqrt() / pl.col("n"))
    return _with_limits(found.with_columns(se=se)).drop("square", "spread")


def _with_limits(means: pl.DataFrame) -> pl.DataFrame:
    import numpy as np
    from scipy.stats import t

    df = np.maximum(means["people"].to_numpy() - 1.0, 1.0)
    estimate, se = means["estimate"].to_numpy(), means["se"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    width = t.ppf(0.975, df) * se
    varies = se > 0
    ratio = np.divide(np.abs(estimate), se, out=np.zeros_like(se), where=varies)
    p = np.where(varies, 2.0 * t.sf(ratio, df), np.where(np.isnan(se), np.nan, (estimate == 0).astype(float)))
    limits = {"lower": estimate - width, "upper": estimate + width, "p": p}
    return means.with_columns(pl.Series(name, cells).fill_nan(None) for name, cells in limits.items())
