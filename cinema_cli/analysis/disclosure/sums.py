"""How the exact counts of a table of estimates add up: what secondary suppression has to know."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cinema_cli.analysis.disclosure.rows import (
    BY_CURVE,
    MODELS,
    WHOLE,
    Row,
    RowCells,
    Rows,
    categories_of,
    columns_of,
    count_of,
    scope_of,
    wider_groups,
)
from cinema_cli.analysis.disclosure.secondary import Cells, Key
from cinema_cli.analysis.estimates import EVALUATION_ANALYSES


@dataclass(slots=True, eq=False)
class Counted:
    """The exact counts of a table's rows, by row number.

    A number of people is named by its value within a scope (everybody ``, a group `sex=F`, a quarter of a phenotype):
    the same number twice is taken for the same people, which a reader might do as well.
    """

    cells: Cells = field(default_factory=Cells)
    rows: dict[int, RowCells] = field(default_factory=dict)
    whole: Key | None = None  # the size of the cohort
    sizes: dict[Key, int] = field(default_factory=dict)  # ("n", scope) or ("events", outcome, scope) -> the largest

    def hides_whole(self, row: Row, hidden: Collection[Key]) -> bool:
        """Whether of those whom a row is about the size, or the number of all events, is among the hidden counts."""
        heads = ("n", scope_of(row)), ("events", row["outcome"], scope_of(row))
        return any((*head, self.sizes[head]) in hidden for head in heads if head in self.sizes)

    def of_everybody(self) -> set[Key]:
        """The size of the cohort and the numbers of its events."""
        return {(*key, size) for key, size in self.sizes.items() if key[-1] == ""}


def counted(rows: Rows, *, rounded: Collection[int]) -> Counted:
    """Counts of numbered rows of `estimates.SCHEMA`, and their sums; those of `rounded` rows are not exact."""
    found, categories = Counted(), categories_of(rows)
    outcome = next((row["outcome"] for _, row in rows if row["outcome"]), "")
    exact = [(number, row) for number, row in rows if number not in rounded]
    for number, row in exact:
        if row["analysis"] != "flow":
            found.rows[number] = _named(found, row, outcome, categories)
    if ("n", "") in found.sizes:
        found.whole = ("n", "", found.sizes["n", ""])
    _nested(found)
    _families(found, exact)
    _table_one(found, exact)
    _levels(found, exact)
    _classes(found, exact)
    _flow(found, exact)
    _neither(found, exact)
    return found


def _named(found: Counted, row: Row, outcome: str, categories: Collection[str]) -> RowCells:
    scope, cells = scope_of(row), found.cells
    n: Key | None = None
    events: Key | None = None
    estimate: Key | None = None
    if row["n"] is not None:
        n = cells.add(("n", scope, row["n"]), row["n"])
        found.sizes["n", scope] = max(row["n"], found.sizes.get(("n", scope), 0))
    if row["events"] is not None:
        of = row["outcome"] or (_class_of(row) if row["analysis"] in EVALUATION_ANALYSES else outcome)
        events = cells.add(("events", of, scope, row["events"]), row["events"])
        found.sizes["events", of, scope] = max(row["events"], found.sizes.get(("events", of, scope), 0))
    if n and events:
        cells.add_sum(n, [events])
    if row["term"] in categories and (count := count_of(row)) is not None:
        estimate = cells.add(_category(row, scope, count), count)
        if estimate[0] == "n":
            found.sizes[estimate[:-1]] = max(count, found.sizes.get(estimate[:-1], 0))
    return RowCells(n, events, estimate)


def _class_of(row: Row) -> str:
    """What those have who are the events of a row of an evaluation."""
    return f"{row['term']} {row['model'] if row['analysis'] == 'roc' else row['level']}"


def _category(row: Row, scope: str, count: int) -> Key:
    """The name of a count of Table 1; everybody's of a category is the number of people of that group."""
    if row["model"].startswith("missing"):
        return "missing", row["term"], scope
    return ("count", row["term"], row["level"], scope) if scope else ("n", f"{row['term']}={row['level']}", count)


def _nested(found: Counted) -> None:
    """Fewer people (or events) than the most in a scope are those less some others."""
    for key, value in list(found.cells.values.items()):
        if key[0] in ("n", "events") and (most := found.sizes[key[:-1]]) > value:
            found.cells.add_sum((*key[:-1], most), [key])


def _families(found: Counted, rows: Rows) -> None:
    """Groups of a column, quarters of a phenotype, tenths of a risk: together they are everybody, or nearly.

    Groups of two columns (`sex=F & site=a`) are those of each of both, too.
    """
    families: dict[Key, dict[str, None]] = defaultdict(dict)
    for _, row in rows:
        scope = scope_of(row)
        if scope and row["analysis"] in (*WHOLE, "table_one", *BY_CURVE, *EVALUATION_ANALYSES):
            family = scope.partition("|")[0] if row["model"] == "quantile" else columns_of(scope)
            for wider in ("", *wider_groups(scope)):
                families[wider, row["model"] == "quantile", family][scope] = None
        elif row["analysis"] == "calibration":
            families["", "calibration", scope.partition("|")[0]][scope] = None
    heads = {key[:-1]: None for key in found.sizes}  # ("n",) and ("events", outcome)
    for (whole, kind, _), scopes in families.items():
        for head in heads:
            sized = [(*head, scope) for scope in scopes if (*head, scope) in found.sizes]
            parts = [(*key, found.sizes[key]) for key in sized]
            total = sum(found.sizes[key] for key in sized)
            if not parts:
                continue
            if (*head, whole) in found.sizes:
                found.cells.add_sum((*head, whole, found.sizes[*head, whole]), parts)
            if (same := (*head, whole, total)) in found.cells.values:
                found.cells.add_sum(same, parts)
            elif kind == "calibration":
                found.cells.add_sum(found.cells.add((*head, "tenths", total), total), parts)


def _table_one(found: Counted, rows: Rows) -> None:
    """Categories are who is known; known and missing are the group; groups of a column are everybody."""
    cells, known = found.cells, dict[tuple[str, str], Key]()
    categories: dict[tuple[str, str], dict[str, Key]] = defaultdict(dict)  # by level
    for number, row in rows:
        named = found.rows.get(number)
        if row["analysis"] == "table_one" and row["model"] == "count" and row["term"] and named and named.n:
            known[row["term"], scope_of(row)] = named.n
            if named.estimate:
                categories[row["term"], scope_of(row)][row["level"]] = named.estimate
    for (term, scope), key in known.items():
        cells.add_sum(key, categories[term, scope].values())
        if (missing := ("missing", term, scope)) in cells.values:
            cells.add_sum(("n", scope, found.sizes["n", scope]), [key, missing])
    for term in {term for term, _ in known}:
        for column in {scope.partition("=")[0] for t, scope in known if t == term and scope}:
            scopes = [scope for t, scope in known if t == term and scope.startswith(f"{column}=")]
            cells.add_sum(known[term, ""], [known[term, scope] for scope in scopes])
            if (missing := ("missing", term, "")) in cells.values:
                groups = [("missing", term, scope) for scope in scopes]
                cells.add_sum(missing, [key for key in groups if key in cells.values])
            for level, key in categories[term, ""].items():
                cells.add_sum(key, [of for scope in scopes if (of := categories[term, scope].get(level))])


def _levels(found: Counted, rows: Rows) -> None:
    """People of a level in a model are, with those of the other levels, all of the model."""
    cells = found.cells
    wholes: dict[Key, tuple[Key, Key]] = {}
    parts: dict[Key, list[RowCells]] = defaultdict(list)
    for number, row in rows:
        named = found.rows.get(number)
        if row["analysis"] in MODELS and named and named.n and named.events:
            model = row["analysis"], row["outcome"], row["model"]
            if "=" in row["term"]:
                parts[(*model, row["group"], row["term"].partition("=")[0])].append(named)
            else:
                wholes[(*model, row["group"] or row["term"])] = wholes[(*model, row["group"])] = named.n, named.events
    for key, levels in parts.items():
        for k, total in enumerate(wholes.get(key[:-1], ())):
            cells.add_sum(total, [part for named in levels if (part := (named.n, named.events)[k])])


def _classes(found: Counted, rows: Rows) -> None:
    """People of each class of a head, or category, are all of whom it is known; so are those of tenths of each."""
    classes: dict[tuple[str, str, Key], dict[Key, None]] = defaultdict(dict)
    tenths: dict[str, dict[Key, None]] = defaultdict(dict)
    for number, row in rows:
        named = found.rows.get(number, RowCells())
        if row["analysis"] == "classification" and named.n and named.events and not row["level"].startswith(">="):
            classes[row["term"], row["model"], named.n][named.events] = None
        elif row["analysis"] == "calibration" and not row["outcome"] and named.events:
            tenths[f"{row['term']} {row['model']}"][named.events] = None
    for (_, _, n), events in classes.items():
        found.cells.add_sum(n, events)
    for name, events in tenths.items():
        if (total := ("events", name, "", sum(found.cells.values[key] for key in events))) in found.cells.values:
            found.cells.add_sum(total, events)


def _flow(found: Counted, rows: Rows) -> None:
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


def _neither(found: Counted, rows: Rows) -> None:
    """Where one cause competes with another, who had neither is everybody less those with one and with the other."""
    causes: Mapping[str, dict[Key, None]] = defaultdict(dict)  # of whom, in order
    for _, row in rows:
        if row["analysis"] == "rate":
            causes[scope_of(row)]["events", row["outcome"], scope_of(row)] = None
    for scope, heads in causes.items():
        parts = [(*head, found.sizes[head]) for head in heads if head in found.sizes]
        if len(parts) > 1 and ("n", scope) in found.sizes:
            found.cells.add_sum(("n", scope, found.sizes["n", scope]), parts)
