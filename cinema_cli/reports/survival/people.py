"""Section 1 and 2 of the page: who was followed, for how long, with how many events, and what they were like."""

from collections.abc import Sequence
from dataclasses import dataclass

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.words import (
    SUPPRESSED,
    axis_words,
    count_words,
    rate_words,
    size_words,
    time_words,
    title_of,
    value_words,
    with_interval,
)
from cinema_cli.reports.render import number
from cinema_cli.reports.survival.facts import SurvivalFacts

GROUPS_WIDE = 4  # columns of groups in one part of Table 1


@dataclass(frozen=True, slots=True)
class RateRow:
    """Events of a group over its time at risk, worded."""

    name: str
    event: str
    n: str
    events: str
    person_time: str
    rate: str


@dataclass(frozen=True, slots=True)
class TableOneRow:
    """A line of Table 1: a statistic of a variable, or a category of it, in each column."""

    variable: str  # "" below its first line
    statistic: str
    cells: tuple[str, ...]
    smd: str


@dataclass(frozen=True, slots=True)
class TableOne:
    """Table 1 over groups of one column, in parts that fit a page; `column` is empty for everyone alone."""

    column: str
    parts: tuple[tuple[tuple[tuple[str, str], ...], tuple[TableOneRow, ...]], ...]  # (name, size) of columns, and lines


def follow_up_sentence(rows: Rows) -> str:
    """Median follow-up with its quartiles."""
    median, q1, q3 = (rows.one("follow_up", term=term) for term in ("median", "q1", "q3"))
    if median is None or median.estimate is None:
        return ""
    said = f"Median follow-up {time_words(median.estimate)} {median.unit}"
    if q1 is not None and q3 is not None and q1.estimate is not None and q3.estimate is not None:
        said += f" (quartiles {time_words(q1.estimate)} to {time_words(q3.estimate)})"
    return said + ", by the reverse Kaplan-Meier method: how long people would have been followed without the event."


def rate_rows(rows: Rows, facts: SurvivalFacts) -> list[RateRow]:
    """Everyone, then each group."""
    made = []
    for row in rows.of("rate"):
        time = rows.one("person_time", group=row.group)
        made.append(
            RateRow(
                name=title_of(row.group) if row.group else "Everyone",
                event=facts.event if row.outcome == facts.outcome else row.outcome,
                n=count_words(row.n, row),
                events=count_words(row.events, row),
                person_time="–" if time is None else value_words(time.estimate, time, decimals=0),
                rate=with_interval(row, decimals=2),
            )
        )
    return made


def headline(rows: Rows) -> list[tuple[str, str, str]]:
    """(value, unit, name) of the numbers at the head of the page."""
    made = []
    rate = rows.one("rate", group="")
    if rate is not None:
        made += [(count_words(rate.n, rate), "", "participants"), (count_words(rate.events, rate), "", "events")]
    median = rows.one("follow_up", term="median")
    if median is not None and median.estimate is not None:
        made.append((time_words(median.estimate), median.unit, "median follow-up"))
    if rate is not None and rate.estimate is not None:
        made.append((number(rate.estimate, decimals=2), "", f"events {rate_words(rate.unit)}"))
    return made


def tables_one(rows: Rows) -> list[TableOne]:
    """Table 1 by each column of groups; of everyone alone where there is none."""
    every = rows.of("table_one")
    if not every:
        return []
    cells = {(row.term, row.level, row.model, row.group): row for row in every}
    variables: dict[str, list[Estimate]] = {}
    for row in (row for row in every if row.term):  # without a term, a row is the size of its group
        variables.setdefault(row.term, []).append(row)
    groups = in_order(row.group for row in every if "=" in row.group)
    made = []
    for column in in_order(group.partition("=")[0] for group in groups) or [""]:
        inside = [g for g in groups if g.partition("=")[0] == column]
        parts = [inside[k : k + GROUPS_WIDE] for k in range(0, len(inside), GROUPS_WIDE)] or [[]]
        made.append(TableOne(title_of(column), tuple(_part(rows, cells, variables, column, part) for part in parts)))
    return made


def _part(
    rows: Rows, cells: "Cells", variables: dict[str, list[Estimate]], column: str, groups: Sequence[str]
) -> tuple[tuple[tuple[str, str], ...], tuple[TableOneRow, ...]]:
    """Heads and lines for everyone and these groups."""
    shown = ["", *groups]
    made = []
    for term, of_term in ((t, v) for t, v in variables.items() if t != column):
        lines = _lines(cells, term, in_order(row.level for row in of_term if row.level), shown)
        for k, (statistic, line) in enumerate(lines):
            variable, smd = ("", "") if k else (axis_words(term), _smd(of_term, column))
            made.append(TableOneRow(variable, statistic, tuple(line), smd))
    heads = tuple((group.partition("=")[2] or "Everyone", _n_of(rows, group)) for group in shown)
    return heads, tuple(made)


def _n_of(rows: Rows, group: str) -> str:
    size = rows.one("table_one", model="count", term="", group=group)
    if size is not None:
        return size_words("n", None if size.estimate is None else round(size.estimate), size)
    row = rows.one("rate", group=group)
    return size_words("n", row.n, row) if row is not None else ""


Cells = dict[tuple[str, str, str, str], Estimate]


def _lines(cells: Cells, term: str, levels: Sequence[str], groups: Sequence[str]) -> list[tuple[str, list[str]]]:
    """(statistic, a cell a group) of each line that a variable has."""

    def have(statistic: str, level: str = "") -> bool:
        return any((term, level, statistic, g) in cells for g in groups)

    lines = []
    if have("mean"):
        lines.append(("mean (SD)", [_both(cells, term, ("mean", "sd"), g) for g in groups]))
    if have("median"):
        lines.append(("median [IQR]", [_quartiles(cells, term, g) for g in groups]))
    lines += [
        (f"{level}, n (%)", [_both(cells, term, ("count", "percent"), g, level) for g in groups])
        for level in levels
        if have("count", level)
    ]
    if have("missing"):
        missing = [_both(cells, term, ("missing", "missing_percent"), g) for g in groups]
        if any(cell not in {"0", "0 (0.0)", "–"} for cell in missing):
            lines.append(("missing, n (%)", missing))
    return lines


def _said(cells: Cells, term: str, statistic: str, group: str, level: str, decimals: int) -> str:
    row = cells.get((term, level, statistic, group))
    if row is None:
        return ""
    if statistic in {"count", "missing"} and row.estimate is not None:
        return count_words(round(row.estimate), row)
    return value_words(row.estimate, row, decimals=decimals)


def _decimals(value: float | None) -> int:
    return 1 if value is None or abs(value) >= 10 else 2


def _both(cells: Cells, term: str, statistics: tuple[str, str], group: str, level: str = "") -> str:
    """`61.2 (8.4)`: a statistic and, in brackets, its companion."""
    counts = statistics[0] in {"count", "missing"}
    row = cells.get((term, level, statistics[0], group))
    decimals = (0, 1) if counts else (_decimals(row.estimate if row else None),) * 2
    first, second = (_said(cells, term, s, group, level, d) for s, d in zip(statistics, decimals, strict=True))
    if SUPPRESSED in (first, second) and first in (SUPPRESSED, ""):
        return SUPPRESSED
    return f"{first} ({second})" if second and second not in {SUPPRESSED, "–"} else first or "–"


def _quartiles(cells: Cells, term: str, group: str) -> str:
    row = cells.get((term, "", "median", group))
    decimals = _decimals(row.estimate if row else None)
    median, q1, q3 = (_said(cells, term, s, group, "", decimals) for s in ("median", "q1", "q3"))
    return f"{median} [{q1},\u00a0{q3}]" if median and SUPPRESSED not in (median, q1, q3) else median or "–"


def _smd(rows: Sequence[Estimate], column: str) -> str:
    """The standardised mean difference over the groups of a column; the largest where there are several."""
    of_column = [r for r in rows if r.model == "smd" and r.group.partition("=")[0] == column]
    values = [abs(r.estimate) for r in of_column if r.estimate is not None]
    if not values:
        return SUPPRESSED if any(r.suppressed for r in of_column) else ""
    return number(max(values), decimals=2)
