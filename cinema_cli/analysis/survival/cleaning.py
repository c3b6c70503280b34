"""One column of the analysis table from cells: numbers where there must be some, categories where there may be."""

import polars as pl

from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.reading import Cells, as_numbers, as_text, is_numeric
from cinema_cli.domain.errors import ConfigError

MOST_CATEGORIES = 50  # of a covariate or group: more is likely an id, a date or a measurement


def clean(cells: Cells, name: str, columns: Columns) -> pl.Series:
    """A column of numbers or text, null where missing; cells that fit no model are refused.

    Phenotypes and weights are numbers; covariates where all their cells are; strata, clusters and groups alone are
    names, so that 007 stays 007. Raises ConfigError where there are too many categories.
    """
    cells_of_it = cells.table[name]
    if name in columns.phenotypes:
        return cells.numbers(name).alias(name)
    if name == columns.weights:
        weights, hint = cells.numbers(name), "Leave the row out instead."
        return cells.accepted(name, weights, weights <= 0, says="is {}, a weight is above 0", hint=hint).alias(name)
    if name in columns.covariates:
        if is_numeric(cells_of_it) or _is_mostly_numeric(cells_of_it):
            return _few_groups(cells.numbers(name).alias(name), columns)
        return _few(as_text(cells_of_it), role="covariate")
    return _few_groups(as_text(cells_of_it), columns)


def _is_mostly_numeric(column: pl.Series) -> bool:
    """Whether most cells of a column of text are numbers, the others being slips."""
    numbers = as_numbers(column)
    return column.dtype == pl.String and numbers.count() > numbers.null_count() - column.null_count()


def _few_groups(values: pl.Series, columns: Columns) -> pl.Series:
    return _few(values, role="group") if values.name in columns.groups else values


def _few(values: pl.Series, *, role: str) -> pl.Series:
    """The same. Raises ConfigError where it has too many categories."""
    if (n := values.drop_nulls().n_unique()) > MOST_CATEGORIES:
        raise ConfigError(
            f"the {role} {values.name} has {n} different values: at most {MOST_CATEGORIES} are taken for categories",
            hint="Put them into classes, or leave the column out.",
            code="survival_categories",
        )
    return values
