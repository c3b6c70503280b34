"""Which counts the rows of a table of estimates show, and whose they are."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cinema_cli.analysis.disclosure.secondary import Key
from cinema_cli.analysis.estimates import EVALUATION_ANALYSES

_AND = re.compile(r" & (?=[^&]*=)")  # between two columns, not in the name of a group
Row = Mapping[str, Any]
Rows = Sequence[tuple[int, Row]]  # numbered
Changes = dict[str, Any]  # new values of a row, by column
MODELS = ("cox", "fine_gray")
CURVES = ("kaplan_meier", "cumulative_incidence")
BY_CURVE = ("rmst", "survival_quantile")
WHOLE = ("rate", "person_time")  # of all people of a group, whatever else is known of them
_DIVIDED = "quantile", "calibration", "bland_altman"  # parts of those who have a value


@dataclass(frozen=True, slots=True)
class RowCells:
    """Names of the counts that a row shows; None where it shows none."""

    n: Key | None = None
    events: Key | None = None
    estimate: Key | None = None


def scope_of(row: Row) -> str:
    """Whom a row's n and events count among: everybody ``, or a part of them."""
    analysis, term, group = str(row["analysis"]), str(row["term"]), str(row["group"])
    if analysis in MODELS:
        return term if "=" in term else ""
    if analysis in (*CURVES, *BY_CURVE):
        return f"{term}|{group}" if row["model"] == "quantile" else group
    if analysis == "calibration":
        return f"{' '.join(filter(None, (row['model'], term)))}|tenth {group}"
    if analysis == "table_one":
        return "" if row["model"] == "smd" else group
    if analysis in EVALUATION_ANALYSES:
        return group if "=" in group else ""
    return group if analysis in WHOLE else ""


def wider_groups(group: str) -> list[str]:
    """`sex=F` and `site=a & b` of `sex=F & site=a & b`; none of a group of one column."""
    parts = _AND.split(group)
    return parts if len(parts) > 1 else []


def columns_of(group: str) -> str:
    """`sex` of `sex=F`, `sex & site` of `sex=F & site=a`; empty for everybody."""
    return " & ".join(part.partition("=")[0] for part in _AND.split(group))


def sizes_of(rows: Rows) -> dict[str, int]:
    """Everybody and each group, by scope: how many people, whether or not they have a value of something."""
    sizes: dict[str, int] = defaultdict(int)
    for _, row in rows:
        scope = scope_of(row)
        if row["n"] is not None and row["analysis"] not in ("flow", "counts") and _is_told(row, scope):
            sizes[scope] = max(sizes[scope], row["n"])
    for _, row in rows:
        if row["analysis"] != "table_one" or row["model"] != "count" or not row["term"] or row["group"]:
            continue
        if row["estimate"] is not None and row["n"] == sizes[""]:
            sizes[f"{row['term']}={row['level']}"] = round(row["estimate"])
    for _, row in rows:
        if row["n"] is not None and (row["analysis"] in WHOLE or (row["analysis"] == "table_one" and not row["term"])):
            sizes[scope_of(row)] = row["n"]
    return sizes


def _is_told(row: Row, scope: str) -> bool:
    """Whether no other row tells how many people a scope has: of an evaluation the most of whom anything is known."""
    return scope == "" or row["analysis"] in EVALUATION_ANALYSES


def of_some(rows: Rows, sizes: Mapping[str, int]) -> dict[int, int]:
    """Rows that count those alone who have a value of something: of how many, by row number.

    Such counts are never exact in a released table: their differences tell who lacks which value. Categories of Table 1
    are no such rows: they are counts that add up. Comparisons that were not whole (`counts`) always are.
    """
    divided: dict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    for _, row in rows:
        if (place := _division(row)) and row["n"] is not None:
            divided[place][row["group"] or row["level"]] = row["n"]
    whole, categories = sizes.get("", 0), categories_of(rows)
    found: dict[int, int] = {}
    for number, row in rows:
        if row["n"] is None or row["analysis"] in ("flow", *WHOLE):
            continue
        if row["analysis"] == "table_one" and row["term"] in categories and row["model"] != "smd":
            continue
        place, scope = _division(row), scope_of(row)
        if row["analysis"] == "counts":
            found[number] = max(whole, row["n"])
        elif place:
            if sum(divided[place].values()) != whole:
                found[number] = row["n"]
        elif row["n"] != sizes.get(scope, -1):
            found[number] = sizes.get(scope, row["n"])
    return found


def categories_of(rows: Rows) -> set[str]:
    """Variables of Table 1 that have categories."""
    return {row["term"] for _, row in rows if row["analysis"] == "table_one" and row["model"] == "count"} - {""}


def _division(row: Row) -> tuple[str, str, str] | None:
    """What the parts of a phenotype or of a predicted risk have in common."""
    kind = row["model"] if row["analysis"] in (*CURVES, *BY_CURVE) else row["analysis"]
    return (row["analysis"], row["model"], row["term"]) if kind in _DIVIDED else None


def event_totals(rows: Rows) -> dict[tuple[str, str], int]:
    """All people with an event, by outcome and scope, as rows without a curve tell."""
    main = next((row["outcome"] for _, row in rows if row["outcome"]), "")
    found: dict[tuple[str, str], int] = {}
    for analyses in (("rate",), ("person_time",), BY_CURVE):  # later ones count people, however many events they had
        for _, row in rows:
            if row["analysis"] in analyses and row["events"] is not None:
                found[row["outcome"] or main, scope_of(row)] = row["events"]
    return found


def count_of(row: Row) -> int | None:
    """The number of people that a row's estimate is, or is the percentage of."""
    if row["analysis"] != "table_one" or row["estimate"] is None or row["n"] is None:
        return None
    if row["model"] in ("count", "missing"):
        return round(float(row["estimate"]))
    is_percentage = row["model"] in ("percent", "missing_percent")
    return round(float(row["estimate"]) * int(row["n"]) / 100) if is_percentage else None
