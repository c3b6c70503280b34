"""Which counts a table of estimates holds, and how they add up: what disclosure control has to know of it."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from cinema_cli.analysis.disclosure.cells import Cells, Key
from cinema_cli.analysis.estimates import EVALUATION_ANALYSES

Row = Mapping[str, Any]
_MODELS = ("cox", "fine_gray")
CURVES = ("kaplan_meier", "cumulative_incidence")
BY_CURVE = ("rmst", "survival_quantile")


@dataclass(frozen=True, slots=True)
class RowCells:
    """Names of the counts that a row shows; None where it shows none."""

    n: Key | None = None
    events: Key | None = None
    estimate: Key | None = None


@dataclass(slots=True, eq=False)
class Counted:
    """The counts of a table's rows, by row number.

    A number of people is named by its value within a scope (everybody ``, a group `sex=F`, a quarter of a phenotype):
    the same number twice is taken for the same people, which a reader might do as well.
    """

    cells: Cells = field(default_factory=Cells)
    rows: dict[int, RowCells] = field(default_factory=dict)
    whole: Key | None = None  # the size of the cohort
    _sizes: dict[Key, int] = field(default_factory=dict)  # ("n", scope) or ("events", outcome, scope) -> the largest

    def hides_whole(self, row: Row, hidden: Collection[Key]) -> bool:
        """Whether of those whom a row is about the size, or the number of all events, is among the hidden counts."""
        heads = ("n", scope_of(row)), ("events", row["outcome"], scope_of(row))
        return any((*head, self._sizes[head]) in hidden for head in heads if head in self._sizes)

    def total_events(self, row: Row) -> int:
        """All events of those whom a row is about, as other rows tell; 0 where none does."""
        return self._sizes.get(("events", row["outcome"], scope_of(row)), 0)

    def of_everybody(self) -> set[Key]:
        """The size of the cohort and the numbers of its events."""
        return {(*key, size) for key, size in self._sizes.items() if key[-1] == ""}


def counted(rows: Sequence[tuple[int, Row]], points: Sequence[tuple[int, Row]] = ()) -> Counted:
    """Counts of numbered rows of `estimates.SCHEMA`, and their sums; of `points` of curves only all events by cause."""
    found = Counted()
    outcome = next((row["outcome"] for _, row in rows if row["outcome"]), "")
    for number, row in rows:
        if row["analysis"] != "flow":
            found.rows[number] = _named(found, row, outcome)
    if ("n", "") in found._sizes:
        found.whole = ("n", "", found._sizes["n", ""])
    _nested(found)
    _chains(found, rows)
    _families(found, rows)
    _table_one(found, rows)
    _levels(found, rows)
    _flow(found, rows)
    _neither(found, rows, points)
    return found


def scope_of(row: Row) -> str:
    """Whom a row's n and events count among: everybody ``, or a part of them."""
    analysis, term, group = str(row["analysis"]), str(row["term"]), str(row["group"])
    if analysis in _MODELS:
        return term if "=" in term else ""
    if analysis in (*CURVES, *BY_CURVE):
        return f"{term}|{group}" if row["model"] == "quantile" else group
    if analysis == "calibration":
        return f"{' '.join(filter(None, (row['model'], term)))}|tenth {group}"
    if analysis == "table_one":
        return "" if row["model"] == "smd" else group
    if analysis in EVALUATION_ANALYSES:
        return group if "=" in group else ""
    return group if analysis in ("rate", "person_time") else ""


def columns_of(group: str) -> str:
    """`sex` of `sex=F`, `sex & site` of `sex=F & site=a`; empty for everybody."""
    return " & ".join(part.partition("=")[0] for part in group.split(" & "))


def _named(found: Counted, row: Row, outcome: str) -> RowCells:
    scope, cells = scope_of(row), found.cells
    n: Key | None = None
    events: Key | None = None
    estimate: Key | None = None
    if row["n"] is not None:
        n = cells.add(("n", scope, row["n"]), row["n"])
        found._sizes["n", scope] = max(row["n"], found._sizes.get(("n", scope), 0))
    if row["events"] is not None:
        of = row["outcome"] or (f"{row['term']} {row['level']}" if row["analysis"] in EVALUATION_ANALYSES else outcome)
        events = cells.add(("events", of, scope, row["events"]), row["events"])
        found._sizes["events", of, scope] = max(row["events"], found._sizes.get(("events", of, scope), 0))
    if n and events:
        cells.add_sum(n, [events])
    if row["analysis"] == "table_one" and row["estimate"] is not None and row["term"]:
        if row["model"] in ("count", "percent"):
            estimate = ("count", row["term"], row["level"], scope)
        elif row["model"] in ("missing", "missing_percent"):
            estimate = ("missing", row["term"], scope)
        if estimate and row["model"] in ("count", "missing"):
            cells.add(estimate, round(row["estimate"]))
    return RowCells(n, events, estimate)


def _nested(found: Counted) -> None:
    """Fewer people (or events) than the most in a scope are those less some others."""
    for key, value in list(found.cells.values.items()):
        if key[0] in ("n", "events") and (most := found._sizes[key[:-1]]) > value:
            found.cells.add_sum((*key[:-1], most), [key])


def _chains(found: Counted, rows: Sequence[tuple[int, Row]]) -> None:
    """The models of a phenotype, from more people to fewer: who lacks a covariate can be counted."""
    subjects: dict[Key, set[Key]] = defaultdict(set)
    for number, row in rows:
        named = found.rows.get(number)
        if named and row["analysis"] in (*_MODELS, "table_one") and scope_of(row) == "":
            subject = row["term"] if row["analysis"] == "table_one" else row["group"] or row["term"]
            for key in (named.n, named.events):
                if key:
                    subjects[subject, key[:-1]].add(key)
    for keys in subjects.values():
        ordered = sorted(keys, key=lambda key: -found.cells.values[key])
        for larger, smaller in pairwise(ordered):
            found.cells.add_sum(larger, [smaller])


def _families(found: Counted, rows: Sequence[tuple[int, Row]]) -> None:
    """Groups of a column, quarters of a phenotype, tenths of a risk: together they are everybody, or nearly."""
    families: dict[Key, dict[str, None]] = defaultdict(dict)
    for _, row in rows:
        scope = scope_of(row)
        if scope and row["analysis"] in ("rate", "person_time", "table_one", *BY_CURVE, *EVALUATION_ANALYSES):
            family = scope.partition("|")[0] if row["model"] == "quantile" else columns_of(scope)
            families[row["model"] == "quantile", family][scope] = None
        elif row["analysis"] == "calibration":
            families["calibration", scope.partition("|")[0]][scope] = None
    heads = {key[:-1]: None for key in found._sizes}  # ("n",) and ("events", outcome)
    for (kind, _), scopes in families.items():
        for head in heads:
            sized = [(*head, scope) for scope in scopes if (*head, scope) in found._sizes]
            parts = [(*key, found._sizes[key]) for key in sized]
            total = sum(found._sizes[key] for key in sized)
            if not parts:
                continue
            if (*head, "") in found._sizes:
                found.cells.add_sum((*head, "", found._sizes[*head, ""]), parts)
            if (same := (*head, "", total)) in found.cells.values:
                found.cells.add_sum(same, parts)
            elif kind == "calibration":
                found.cells.add_sum(found.cells.add((*head, "tenths", total), total), parts)


def _table_one(found: Counted, rows: Sequence[tuple[int, Row]]) -> None:
    """Categories are who is known; known and missing are the group; groups of a column are everybody."""
    known: dict[tuple[str, str], Key] = {}
    categories: dict[tuple[str, str], dict[Key, None]] = defaultdict(dict)
    for number, row in rows:
        named = found.rows.get(number)
        if row["analysis"] == "table_one" and row["term"] and named and named.n and row["model"] != "smd":
            place = row["term"], scope_of(row)
            if not row["model"].startswith("missing"):
                known[place] = named.n
            if row["model"] == "count" and named.estimate:
                categories[place][named.estimate] = None
    cells = found.cells
    for place, counts in categories.items():
        cells.add_sum(known[place], counts)
    for (term, scope), key in known.items():
        size, missing = ("n", scope, found._sizes["n", scope]), ("missing", term, scope)
        if missing in cells.values:
            cells.add_sum(size, [key, missing])
    for term in {term for term, _ in known}:
        for column in {scope.partition("=")[0] for t, scope in known if t == term and scope}:
            scopes = [scope for t, scope in known if t == term and scope.startswith(f"{column}=")]
            for total in [known.get((term, "")), ("missing", term, ""), *categories[term, ""]]:
                if total in cells.values:
                    cells.add_sum(total, [part for scope in scopes if (part := _of(total, term, scope, known, cells))])


def _of(total: Key, term: str, scope: str, known: Mapping[tuple[str, str], Key], cells: Cells) -> Key | None:
    """The count of one group that corresponds to a count of everybody."""
    key = known[term, scope] if total[0] == "n" else (*total[:-1], scope)
    return key if key in cells.values else None


def _levels(found: Counted, rows: Sequence[tuple[int, Row]]) -> None:
    """People of a level in a model are among those of that category, and with the other levels all of the model."""
    cells = found.cells
    for scope in {key[1] for key in found._sizes if key[0] == "n" and "=" in str(key[1])}:
        column, _, level = str(scope).partition("=")
        if (category := ("count", column, level, "")) in cells.values:
            cells.add_sum(category, [("n", scope, found._sizes["n", scope])])
    wholes: dict[Key, tuple[Key, Key]] = {}
    parts: dict[Key, list[RowCells]] = defaultdict(list)
    for number, row in rows:
        named = found.rows.get(number)
        if row["analysis"] in _MODELS and named and named.n and named.events:
            model = row["analysis"], row["outcome"], row["model"]
            if "=" in row["term"]:
                parts[(*model, row["group"], row["term"].partition("=")[0])].append(named)
            else:
                wholes[(*model, row["group"] or row["term"])] = wholes[(*model, row["group"])] = named.n, named.events
    for key, levels in parts.items():
        for k, total in enumerate(wholes.get(key[:-1], ())):
            cells.add_sum(total, [part for named in levels if (part := (named.n, named.events)[k])])


def _flow(found: Counted, rows: Sequence[tuple[int, Row]]) -> None:
    """Who remains after a step and who left in it are who was there before."""
    before: Key | None = None
    left: list[Key] = []
    for number, row in rows:
        if row["analysis"] != "flow" or row["n"] is None:
            continue
        same = found.whole and row["level"] == "kept" and found.whole[-1] == row["n"]
        key: Key = found.whole if same and found.whole else ("flow", number)
        found.rows[number] = RowCells(n=found.cells.add(key, row["n"]))
        if row["level"] != "kept":
            left.append(key)
            continue
        if before:
            found.cells.add_sum(before, [key, *left])
        before, left = key, []


def _neither(found: Counted, rows: Sequence[tuple[int, Row]], points: Sequence[tuple[int, Row]]) -> None:
    """Where one cause competes with another, who had neither is everybody less those with one and with the other."""
    causes: dict[str, dict[Key, None]] = defaultdict(dict)  # of whom, in order
    for _, row in rows:
        if row["analysis"] == "rate":
            causes[scope_of(row)]["events", row["outcome"], scope_of(row)] = None
    by_curves: dict[Key, int] = defaultdict(int)
    for _, row in points:
        if row["analysis"] == "cumulative_incidence":
            head: Key = ("events", row["outcome"], scope_of(row))
            by_curves[head] = max(by_curves[head], row["events"] or 0)
            causes[scope_of(row)][head] = None
    for scope, heads in causes.items():
        known = [head for head in heads if head in found._sizes or head in by_curves]
        if len(known) < 2 or ("n", scope) not in found._sizes:
            continue
        for head in known:
            if head not in found._sizes:  # only a curve tells it
                found._sizes[head] = by_curves[head]
                found.cells.add((*head, by_curves[head]), by_curves[head])
        parts = [(*head, found._sizes[head]) for head in known]
        found.cells.add_sum(("n", scope, found._sizes["n", scope]), parts)
