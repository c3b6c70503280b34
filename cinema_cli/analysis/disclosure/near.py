"""Which numbers of people are so near to each other that their difference tells of few: two phenotypes, two models."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from cinema_cli.analysis.disclosure.cells import Key
from cinema_cli.analysis.disclosure.counted import BY_CURVE, Counted, Row
from cinema_cli.analysis.estimates import EVALUATION_ANALYSES

_OF_KNOWN = ("missing", "missing_percent", "percent")  # statistics of Table 1 that tell how many are known


@dataclass(slots=True, eq=False)
class Near:
    """Row numbers: those that lose n, events, or all that they say."""

    without_n: set[int] = field(default_factory=set)
    without_events: set[int] = field(default_factory=set)
    emptied: set[int] = field(default_factory=set)


def near_others(
    rows: Sequence[tuple[int, Row]],
    points: Sequence[tuple[int, Row]],
    found: Counted,
    hidden: Collection[Key],
    *,
    min_cell: int,
) -> Near:
    """Rows with a count less than `min_cell` below a larger one of the same population, which stays.

    A phenotype that is divided by another measure lacks those of the other and a few more: these few are a count too.
    In Table 1 all groups of such a variable lose how many are known, and what is missing; its quarters, also on the
    `points` of curves, how many they are.
    """
    keys = _near_keys(rows, found, hidden, min_cell)
    terms = {row["term"] for number, row in rows if _tells_known(row) and found.rows[number].n in keys}
    quarters = _quarters(rows, keys)
    near = Near()
    for number, row in rows:
        named = found.rows.get(number)
        of_term = row["analysis"] == "table_one" and row["term"] in terms
        of_quarter = row["model"] == "quantile" and row["term"] in quarters
        if named and (named.n in keys or of_term or of_quarter):
            near.without_n.add(number)
        if named and (named.events in keys or of_quarter):
            near.without_events.add(number)
        if of_term and row["model"] in _OF_KNOWN:
            near.emptied.add(number)
    on_curves = {number for number, row in points if row["model"] == "quantile" and row["term"] in quarters}
    near.without_n |= on_curves
    near.without_events |= on_curves
    return near


def _near_keys(rows: Sequence[tuple[int, Row]], found: Counted, hidden: Collection[Key], min_cell: int) -> set[Key]:
    """From the largest of each population on: what is too near to the last that stays."""
    values = found.cells.values
    shown: dict[Key, set[Key]] = defaultdict(set)
    for number, row in rows:
        named = found.rows.get(number)
        if named and row["analysis"] not in (*EVALUATION_ANALYSES, "flow"):
            for key in (named.n, named.events):
                if key:
                    shown[key[:-1]].add(key)
    near: set[Key] = set()
    for keys in shown.values():
        kept: Key | None = None
        for key in sorted(keys, key=lambda key: -values[key]):
            if kept and values[key] and values[kept] - values[key] < min_cell:
                near.add(key)
            elif key not in hidden:
                kept = key
    return near


def _tells_known(row: Row) -> bool:
    """Whether a row's n is how many have a value of a variable."""
    no = row["model"] == "smd" or row["model"].startswith("missing")
    return bool(row["analysis"] == "table_one" and row["term"] and row["n"] is not None and not no)


def _quarters(rows: Sequence[tuple[int, Row]], near: Collection[Key]) -> set[str]:
    """Phenotypes whose quarters add up to a count that is hidden."""
    parts: dict[tuple[str, str], dict[str, tuple[int, int]]] = defaultdict(dict)
    for _, row in rows:
        if row["analysis"] in BY_CURVE and row["model"] == "quantile" and row["n"] is not None:
            parts[row["term"], row["outcome"]][row["group"]] = row["n"], row["events"] or 0
    return {
        term
        for (term, outcome), counts in parts.items()
        if ("n", "", sum(n for n, _ in counts.values())) in near
        or ("events", outcome, "", sum(events for _, events in counts.values())) in near
    }
