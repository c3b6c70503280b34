"""What published heads said of a cohort: who was answered and why not, distributions of values, counts of classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from markupsafe import Markup

from cinema_cli.domain.prediction import Task
from cinema_cli.reports import charts, figures
from cinema_cli.reports.heads import HeadFacts
from cinema_cli.reports.quantities import (
    Quantity,
    class_column,
    quantities,
    spread_said,
    spreads,
)
from cinema_cli.reports.render import number, percent
from cinema_cli.reports.said import Bar, bar

IDS = ("participant_id", "session_id")
_REASONS = "reasons"  # `head: why; head: why`, `all: why`


@dataclass(frozen=True, slots=True)
class HeadRow:
    """One head over the cohort, worded."""

    title: str
    name: str
    answered: str
    silent: str
    why: str  # the commonest reason
    apart: str  # median spread of the seeds


@dataclass(frozen=True, slots=True)
class ValuePlot:
    """A value of a head over the cohort."""

    title: str
    name: str
    unit: str
    plot: Markup
    caveat: str


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """How often each class of a head was the likeliest."""

    title: str
    name: str
    bars: tuple[Bar, ...]
    caveat: str


@dataclass(frozen=True, slots=True)
class Predictions:
    """The section of the cohort page."""

    rows: tuple[HeadRow, ...]
    values: tuple[ValuePlot, ...]
    classes: tuple[ClassCounts, ...]


def prediction_section(
    predictions: pl.LazyFrame | None,
    embeddings: pl.LazyFrame | None,
    *,
    phenotypes: pl.DataFrame,
    heads: Sequence[HeadFacts],
) -> Predictions:
    """Words and drawings of the cohort's predictions; empty without tables.

    `predictions` has a row a study (`frame` empty) and a row a frame; of the latter only the spreads are looked at.
    """
    rows: list[HeadRow] = []
    named = {head.name: head for head in heads if head.task}.values()  # once, whatever weights it had
    asked = [head for head in named if head.task is not Task.EMBEDDING]
    names = [] if predictions is None else predictions.collect_schema().names()
    asked = [head for head in asked if any(name.startswith(f"{head.name}_") for name in names)]
    studies, apart = pl.DataFrame(), dict[str, float | None]()
    if predictions is not None and asked:
        studies = _studies(predictions, asked, names, phenotypes)
        apart = _apart(predictions, asked, names)
        rows += [_row(head, studies, apart) for head in asked]
    if embeddings is not None:
        rows += [_embedded(head, embeddings) for head in named if head.task is Task.EMBEDDING]
    return Predictions(
        rows=tuple(rows),
        values=tuple(plot for head in asked if not head.measures for plot in _plots(head, studies)),
        classes=tuple(_counts(head, studies) for head in asked if head.task is Task.CLASSIFICATION),
    )


def _studies(
    predictions: pl.LazyFrame, heads: Sequence[HeadFacts], names: Sequence[str], phenotypes: pl.DataFrame
) -> pl.DataFrame:
    """A row a study: its sex, reasons, and the cells that heads have for it as a whole."""
    wanted = [column for head in heads for column in (*_values(head, names), *_class(head, names))]
    rows = predictions.filter(pl.col("frame").is_null()).select(*IDS, _REASONS, *dict.fromkeys(wanted)).collect()
    sex = pl.col("sex") if "sex" in phenotypes.columns else pl.lit(None, pl.String).alias("sex")
    return rows.join(phenotypes.select(*IDS, sex), on=IDS, how="left", maintain_order="left")


def _apart(predictions: pl.LazyFrame, heads: Sequence[HeadFacts], names: Sequence[str]) -> dict[str, float | None]:
    """Median spread of the seeds of each head: over studies, or over frames (and points) where it is said of frames."""
    columns = {head.name: spreads(head, names) for head in heads}
    wanted = dict.fromkeys(c for several in columns.values() for c in several)
    medians = predictions.select(pl.col(c).median() for c in wanted).collect().row(0, named=True)
    known = {name: [m for c in several if (m := medians[c]) is not None] for name, several in columns.items()}
    return {name: sum(several) / len(several) if several else None for name, several in known.items()}


def _values(head: HeadFacts, names: Sequence[str]) -> list[str]:
    return [q.column for q in quantities(head, names)]


def _class(head: HeadFacts, names: Sequence[str]) -> list[str]:
    return [c for c in (class_column(head),) if head.task is Task.CLASSIFICATION and c in names]


def _row(head: HeadFacts, studies: pl.DataFrame, apart: dict[str, float | None]) -> HeadRow:
    cells = [*_values(head, studies.columns), *_class(head, studies.columns)]
    has = studies.select(pl.any_horizontal(pl.col(cells).is_not_null())).to_series()
    spread = apart.get(head.name)
    return HeadRow(
        title=head.title or head.name,
        name=head.name,
        answered=number(int(has.sum()), decimals=0),
        silent=number(int((~has).sum()), decimals=0),
        why=_commonest(studies.filter(~has), head.name),
        apart="" if spread is None else spread_said(spread, head),
    )


def _embedded(head: HeadFacts, embeddings: pl.LazyFrame) -> HeadRow:
    """A backbone: studies with and without vectors at ED."""
    at_ed = pl.col("moment").is_null() | (pl.col("moment") == "ed")
    rows = embeddings.filter(at_ed).select(_REASONS, "frame").collect()
    silent = rows.filter(pl.col("frame").is_null())
    return HeadRow(
        title=head.title or head.name,
        name=head.name,
        answered=number(rows.height - silent.height, decimals=0),
        silent=number(silent.height, decimals=0),
        why=_commonest(silent, "cls"),
        apart="",
    )


def _commonest(studies: pl.DataFrame, name: str) -> str:
    """The reason that most of these studies give for `name`, or for all heads, and how often."""
    own, every = (pl.col(_REASONS).str.extract(rf"(?:^|; ){who}: (.*?)(?:; [a-z0-9_]+: |$)") for who in (name, "all"))
    reasons = studies.select(why=pl.coalesce(own, every)).drop_nulls()["why"].value_counts(sort=True)
    if not reasons.height:
        return ""
    most = reasons.filter(pl.col("count") == pl.col("count").max()).sort("why").row(0)
    return f"{most[0]} ({number(most[1], decimals=0)})" if reasons.height > 1 else str(most[0])


def _plots(head: HeadFacts, studies: pl.DataFrame) -> list[ValuePlot]:
    """A distribution by sex for each number of a head that is worth one."""
    return [
        ValuePlot(q.title, head.name, q.unit, plot, head.short_caveat if head.task is Task.REGRESSION else "")
        for q in quantities(head, studies.columns)
        if q.in_cohort and (plot := _distribution(q, head, studies)) is not None
    ]


def _distribution(quantity: Quantity, head: HeadFacts, studies: pl.DataFrame) -> Markup | None:
    known = studies.select("sex", value=quantity.column).drop_nulls("value")
    sex = pl.when(pl.col("sex").is_in(list(figures.SEXES))).then("sex").otherwise(pl.lit(""))
    groups = [(name, known.filter(sex == name)["value"].to_list()) for name in figures.SEXES]
    if not any(values for _, values in groups):
        return None
    title = f"{quantity.title} by sex, as {head.name} says it; no reference range"
    return charts.distribution(groups, ranges=(), title=title, decimals=quantity.decimals)


def _counts(head: HeadFacts, studies: pl.DataFrame) -> ClassCounts:
    likeliest = studies[class_column(head)].drop_nulls()
    counts = dict(likeliest.value_counts().iter_rows())
    bars = [
        bar(name, n / max(likeliest.len(), 1), said=f"{number(n, decimals=0)} ({percent(n, likeliest.len())})")
        for name in dict.fromkeys([*head.answers, *sorted(counts)])
        for n in (counts.get(name, 0),)
    ]
    return ClassCounts(head.title or head.name, head.name, tuple(bars), head.short_caveat)
