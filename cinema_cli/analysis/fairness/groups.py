"""Groups of people by the values of a column, or of two columns together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl

from cinema_cli.analysis.fairness.derived import AGE_BAND
from cinema_cli.analysis.fairness.people import People
from cinema_cli.analysis.statistics.outcome import Ints
from cinema_cli.analysis.survival.cleaning import MOST_CATEGORIES
from cinema_cli.analysis.survival.reading import as_text
from cinema_cli.domain.errors import ConfigError

USUAL = ("sex", AGE_BAND, "ethnicity", "site", "vendor")  # columns compared where none are named
AND = " & "


@dataclass(frozen=True, slots=True, eq=False)
class GroupColumn:
    """The groups of one column."""

    name: str  # `sex`, or `sex & site`
    labels: tuple[str, ...]  # `sex=F`, or `sex=F & site=north`, by code
    code: Ints  # (people,) -1 where unknown

    def take_or_unknown(self, people: Ints) -> "GroupColumn":
        """The same of some people; of nobody, who is -1, the group is unknown."""
        return GroupColumn(self.name, self.labels, np.where(people >= 0, self.code[people], -1))


def group_columns(people: People, names: Sequence[str]) -> tuple[GroupColumn, ...]:
    """Columns as asked for, else the usual ones that have several groups. Raises ConfigError."""
    if names:
        return tuple(_column(people, name) for name in names)
    found = tuple(_column(people, name) for name in USUAL if people.has(name))
    several = tuple(column for column in found if len(column.labels) > 1)
    if not several:
        raise ConfigError(
            f"people cannot be told apart by {', '.join(USUAL[:-1])} or {USUAL[-1]}",
            hint="Name columns with --groups, of the phenotype table or of a file given to --people.",
            code="fairness_columns",
        )
    return several


def intersections(columns: Sequence[GroupColumn]) -> tuple[GroupColumn, ...]:
    """Every two columns together."""
    return tuple(_both(one, other) for one, other in combinations(columns, 2))


def _column(people: People, name: str) -> GroupColumn:
    texts = as_text(people.column(name))
    levels = sorted(texts.drop_nulls().unique(), key=_natural)
    if len(levels) > MOST_CATEGORIES:
        raise ConfigError(
            f"{name} has {len(levels)} different values: at most {MOST_CATEGORIES} are taken for groups",
            hint=f"Put them into classes; of age, {AGE_BAND} is made.",
            code="fairness_groups",
        )
    places = {level: k for k, level in enumerate(levels)}
    code = texts.replace_strict(places, default=-1, return_dtype=pl.Int64).fill_null(-1).to_numpy().astype(np.int64)
    return GroupColumn(name, tuple(f"{name}={level}" for level in levels), code)


def _natural(level: str) -> tuple[bool, float, str]:
    """`under 40` first, `80 and over` last, numbers by size."""
    first = level.split()[0] if level.split() else ""
    try:
        return (not level.startswith("under "), float(first), level)
    except ValueError:
        return (not level.startswith("under "), 0.0, level)


def _both(one: GroupColumn, other: GroupColumn) -> GroupColumn:
    known = (one.code >= 0) & (other.code >= 0)
    joint = np.where(known, one.code * len(other.labels) + other.code, -1)
    present = np.unique(joint[known])
    code = np.full(len(joint), -1)
    code[known] = np.searchsorted(present, joint[known])
    pairs = (divmod(j, len(other.labels)) for j in present.tolist())
    labels = (f"{one.labels[a]}{AND}{other.labels[b]}" for a, b in pairs)
    return GroupColumn(f"{one.name}{AND}{other.name}", tuple(labels), code)
