"""From classes in the table of an evaluation to rows of estimates: how well heads and categories of EF are told."""

from collections.abc import Iterator, Sequence
from math import isfinite

import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.evaluation.agreement_rows import value_pairs
from cinema_cli.analysis.evaluation.coarse_classes import MISTAKES, coarse_confusion
from cinema_cli.analysis.evaluation.parts import first_of_each, parts_of
from cinema_cli.analysis.evaluation.place import Place
from cinema_cli.analysis.evaluation.probability_rows import drawn_rows, probabilities, score_rows
from cinema_cli.analysis.evaluation.table import Kind, System
from cinema_cli.analysis.statistics.diagnostic import (
    EF_CATEGORIES,
    Counts,
    accuracy,
    confusion,
    ef_categories,
    mcc,
    rates,
)
from cinema_cli.analysis.statistics.outcome import Ints

EF_TERMS = "ef_pct"  # the end of the name of an ejection fraction
_OF_CLASS = ("sensitivity", "specificity", "ppv", "npv", "f1")


def class_rows(
    table: pl.DataFrame,
    *,
    people: pl.DataFrame | None = None,
    groups: Sequence[str] = (),
    system: System = System.THIS,
    fewest: int = 1,
) -> list[Estimate]:
    """`classification` rows of a system's classes and of categories of its ejection fractions, overall and by group.

    `roc` and `calibration` are of everybody, the latter in tenths of the probability, neighbours together where one has
    fewer than `fewest` people with the class or without it. Rates come from `coarse_confusion` with that as base, and
    `roc` is as coarse. Of a participant with several studies the first counts.
    Categories of EF: the paper's, term `lvef_category` of `lvef_pct`. A probability of one class alone is cut at one
    half. `people` and `groups` as in `parts.parts_of`.
    """
    rows: list[Estimate] = []
    for term, classes, labels in _labelled(table, system):
        for group, inside in parts_of(labels, people, groups):
            rows += _told(
                Place(term, group, inside.height, fewest), classes, *_codes(inside, "reference", "prediction")
            )
    for term, classes, known in probabilities(table, system):
        for group, inside in parts_of(known, people, groups):
            probability, label = inside.select(classes).to_numpy(), inside["_label"].to_numpy()
            rows += score_rows(Place(term, group, inside.height, fewest), classes, probability, label)
        rows += drawn_rows(Place(term, "", known.height, fewest), classes, known, fewest)
    return rows


def _labelled(table: pl.DataFrame, system: System) -> Iterator[tuple[str, tuple[str, ...], pl.DataFrame]]:
    """(term, classes, participant_id with the codes of `reference` and `prediction`) of heads, then of categories."""
    is_class = (pl.col("kind") == Kind.CLASS) & (pl.col("metric") == "class") & (pl.col("system") == system)
    known = table.filter(is_class, pl.col("prediction_label").is_not_null(), pl.col("reference_label").is_not_null())
    for (term,), rows in known.group_by("term", maintain_order=True):
        sides = {"reference": rows["reference_label"], "prediction": rows["prediction_label"]}
        classes = tuple(pl.concat(sides.values()).unique().sort())
        coded = {name: side.replace_strict(classes, range(len(classes))) for name, side in sides.items()}
        yield str(term), classes, first_of_each(rows.select("participant_id", **coded))
    for term, pairs in value_pairs(table, system=system):
        if term.endswith(EF_TERMS):
            coded = {
                name: pl.Series(name, ef_categories(pairs[name].to_numpy())) for name in ("reference", "prediction")
            }
            yield f"{term.removesuffix('_pct')}_category", EF_CATEGORIES, pairs.with_columns(**coded)


def _codes(rows: pl.DataFrame, *names: str) -> tuple[Ints, ...]:
    return tuple(rows[name].cast(pl.Int64).to_numpy() for name in names)


def _told(place: Place, classes: Sequence[str], label: Ints, said: Ints) -> Iterator[Estimate]:
    """Rows of labels (n,) and of what was said (n,)."""
    exact = confusion(label, said, len(classes))
    matrix = coarse_confusion(exact, base=place.fewest)
    if matrix is None:
        yield place.too_few("accuracy", MISTAKES)
        return
    yield from place.counted_row("accuracy", accuracy(matrix))
    correlation = mcc(matrix)
    yield from place.counted_row("mcc", correlation)
    if not isfinite(correlation.estimate):
        yield place.too_few("mcc", "all have the same class, or all are said to have: not estimable")
    if len(classes) > 2:
        yield from place.counted_row("f1", accuracy(matrix))  # micro-averaged
    for k, name in enumerate(classes):
        tp, of_class, as_class = int(matrix[k, k]), int(matrix[k].sum()), int(matrix[:, k].sum())
        counted = Counts(tp, of_class - tp, int(matrix.sum()) - of_class - as_class + tp, as_class - tp)
        found, events = rates(counted), int(exact[k].sum())
        for model in _OF_CLASS:
            yield from place.counted_row(model, getattr(found, model), level=name, events=events)
