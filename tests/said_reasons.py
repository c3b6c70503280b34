"""What the column `reasons` of the phenotype table says, by column."""

from collections.abc import Mapping
from typing import Any


def reasons_of(row: Mapping[str, Any]) -> dict[str, str]:
    """Why each empty cell of a row is empty."""
    clauses = (clause.split(": ", 1) for clause in row["reasons"].split("; ") if clause)
    return {name: reason for names, reason in clauses for name in names.split(", ")}
