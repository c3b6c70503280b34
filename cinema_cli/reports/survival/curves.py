"""Section 3 of the page: survival by quarter of a phenotype and by group, cumulative incidence, restricted means."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.rows import Rows, at, in_order
from cinema_cli.reports.analysis.words import model_words, p_said, squared, title_of, with_interval
from cinema_cli.reports.render import number
from cinema_cli.reports.survival.curve_charts import Curve, drawn_curves, y_ends
from cinema_cli.reports.survival.facts import SurvivalFacts

LARGE = 2  # curves by phenotype drawn large; the others are small and folded
SMALL_SHOWN = 4  # small ones that are not folded


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure of curves with what is said below it."""

    title: str
    plot: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class MeanRow:
    """Restricted mean, and times by which shares had the event, of a group."""

    of: str
    group: str
    rmst: str
    quantiles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """The section: large figures, small ones, small ones that are folded, and the table of means."""

    large: tuple[Panel, ...]
    small: tuple[Panel, ...]
    folded: tuple[Panel, ...]
    incidence: tuple[Panel, ...]
    incidence_folded: tuple[Panel, ...]
    rmst_head: str
    quantile_heads: tuple[str, ...]
    means: tuple[MeanRow, ...]


def curves_section(rows: Rows, facts: SurvivalFacts) -> Curves:
    """Words and figures of the section; the strongest phenotypes come first and large."""
    survival = _in_order_of_evidence(rows, "kaplan_meier")
    phenotypes = [key for key in survival if key[0] == "quantile"]
    small = phenotypes[LARGE:]
    folded = small if len(small) > SMALL_SHOWN else []
    incidence = _in_order_of_evidence(rows, "cumulative_incidence")
    first = next((key for key in incidence if key[0] == "quantile"), None)
    panels = [
        found for key in incidence for found in _incidence(rows, facts, key, large=key[0] != "quantile" or key == first)
    ]
    heads, levels, means = _means(rows)
    return Curves(
        large=tuple(_panel(rows, facts, key) for key in survival if key not in small),
        small=tuple(_panel(rows, facts, key, narrow=True) for key in small if key not in folded),
        folded=tuple(_panel(rows, facts, key, narrow=True) for key in folded),
        incidence=tuple(p for large, p in panels if large),
        incidence_folded=tuple(p for large, p in panels if not large),
        rmst_head=heads,
        quantile_heads=levels,
        means=means,
    )


Key = tuple[str, str]  # model and term of a family of curves


def _in_order_of_evidence(rows: Rows, analysis: str) -> list[Key]:
    """Families of curves: everyone, groups, then phenotypes by the p value of their adjusted hazard ratio."""

    def rank(key: Key) -> tuple[int, float]:
        if key[0] != "quantile":
            return int(key[0] == "group"), 0.0
        found = rows.one("cox", model="adjusted", term=key[1], group="") or rows.one("log_rank", term=key[1])
        return 2, found.p if found is not None and found.p is not None else 2.0

    points = Counter((row.model, row.term, row.group) for row in rows.of(analysis) if row.estimate is not None)
    return sorted(dict.fromkeys(key[:2] for key, n in points.items() if n > 1), key=rank)


def _panel(rows: Rows, facts: SurvivalFacts, key: Key, *, narrow: bool = False) -> Panel:
    every = rows.of("kaplan_meier", model=key[0], term=key[1])
    curves = _curves(every, start=100.0, entry=facts.entry)
    plot = drawn_curves(
        curves,
        unit=facts.time_unit,
        y_title="free of the event" if narrow else f"free of {facts.event}",
        rising=False,
        narrow=narrow,
        title=f"Share without the event over time{_by(key)}, with numbers at risk",
    )
    said = [_quarters(every) if key[0] == "quantile" else "", _log_rank(rows, key)]
    low = y_ends(curves, rising=False)[0]
    if low > 0:
        said.append(f"The axis starts at {number(low, decimals=0)}%.")
    return Panel(_title(key), plot, " ".join(s for s in said if s))


def _title(key: Key) -> str:
    if key[0] == "quantile":
        return f"Quarters of {title_of(key[1])}"
    return f"By {title_of(key[1])}" if key[0] == "group" else "Everyone"


def _by(key: Key) -> str:
    return "" if key[0] == "overall" else f" by {'quarter of ' if key[0] == 'quantile' else ''}{title_of(key[1])}"


def _curves(rows: Sequence[Estimate], *, start: float, entry: bool) -> list[Curve]:
    """A curve for each group; they begin at 0 (percent `start`) unless people enter late."""
    groups: dict[str, list[Estimate]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return [_curve(_group_words(group), several, start, entry) for group, several in groups.items()]


def _group_words(group: str) -> str:
    return group.partition("=")[2] or group or "Everyone"


def _quarters(rows: Sequence[Estimate]) -> str:
    """Which values each quarter has, as far as disclosure control left that."""
    ranges = {row.group: row.unit for row in rows if row.unit}
    known = [f"{group} {squared(ranges[group])}" for group in in_order(row.group for row in rows) if group in ranges]
    return ", ".join(known) + "." if known else ""


def _curve(name: str, rows: Sequence[Estimate], start: float, entry: bool) -> Curve:
    rows = sorted((r for r in rows if math.isfinite(at(r))), key=at)
    counted = [(at(r), float(r.n)) for r in rows if r.n is not None]
    rows = [r for r in rows if r.estimate is not None]
    times = [at(r) for r in rows]
    columns = [[100.0 * v if v is not None else math.nan for v in (r.estimate, r.lower, r.upper)] for r in rows]
    if not rows or (times[0] > 0 and not entry):  # a curve begins where everyone is still free of the event
        times = [0.0, *times]
        columns = [[start] * 3, *columns]
        counted = [(0.0, counted[0][1]), *counted] if counted and counted[0][0] > 0 else counted
    percent, lower, upper = np.array(columns, dtype=np.float64).T
    risk_times, at_risk = np.array(counted, dtype=np.float64).reshape(-1, 2).T
    steps = all(row.rounded is None for row in rows)
    return Curve(name, np.array(times), percent, lower, upper, risk_times, at_risk, steps=steps)


def _log_rank(rows: Rows, key: Key) -> str:
    row = rows.one("log_rank", model=key[0], term=key[1])
    if row is None or row.estimate is None:
        return ""
    return f"Log-rank χ² {number(row.estimate, decimals=1)} on {row.level} df, {p_said(row.p)}."


def _incidence(rows: Rows, facts: SurvivalFacts, key: Key, *, large: bool) -> list[tuple[bool, Panel]]:
    """(large, figure) of the outcome and of the competing event: together for everyone, else apart."""
    every = rows.of("cumulative_incidence", model=key[0], term=key[1])
    causes = in_order(row.outcome for row in every)[: 1 if key[0] == "quantile" else None]
    if key[0] == "overall":
        curves = [_curve(_cause(facts, c), [r for r in every if r.outcome == c], 0.0, facts.entry) for c in causes]
        return [(True, _incidence_panel(facts, curves, "Everyone", "", narrow=False))]
    made = []
    for k, cause in enumerate(causes):
        wide = large and k == 0
        panel = _incidence_panel(
            facts,
            _curves([r for r in every if r.outcome == cause], start=0.0, entry=facts.entry),
            f"{_title(key)}: {_cause(facts, cause)}",
            _gray(rows, key, cause),
            narrow=not wide,
        )
        made.append((wide, panel))
    return made


def _cause(facts: SurvivalFacts, cause: str) -> str:
    return facts.event if cause == facts.outcome else cause


def _gray(rows: Rows, key: Key, cause: str) -> str:
    row = next((r for r in rows.of("gray", model=key[0], term=key[1]) if r.outcome == cause), None)
    if row is None or row.estimate is None:
        return ""
    return f"Gray’s test χ² {number(row.estimate, decimals=1)} on {row.level} df, {p_said(row.p)}."


def _incidence_panel(facts: SurvivalFacts, curves: Sequence[Curve], title: str, said: str, *, narrow: bool) -> Panel:
    plot = drawn_curves(
        curves,
        unit=facts.time_unit,
        y_title="cumulative incidence",
        rising=True,
        narrow=narrow,
        title=f"Cumulative incidence over time, {title}, with numbers at risk",
    )
    return Panel(title, plot, said)


def _means(rows: Rows) -> tuple[str, tuple[str, ...], tuple[MeanRow, ...]]:
    """Head of the column of means, heads of those of quantiles, and a row a group."""
    rmst, quantiles = rows.of("rmst"), rows.of("survival_quantile")
    levels = in_order(row.level for row in quantiles)
    keys = sorted(
        dict.fromkeys((row.model, row.term, row.group) for row in [*rmst, *quantiles]),
        key=lambda key: {"overall": 0, "group": 1}.get(key[0], 2),
    )
    points = rows.of("kaplan_meier", model="quantile")
    ranges = {(r.model, r.term, r.group): f", {squared(r.unit)}" for r in points if r.unit}
    means = {(r.model, r.term, r.group): r for r in rmst}
    times = {(r.model, r.term, r.group, r.level): r for r in quantiles}
    made = []
    for key in keys:
        made.append(
            MeanRow(
                of="Everyone" if key[0] == "overall" else title_of(key[1]) if key[1] else model_words(key[0]),
                group="" if key[0] == "overall" else _group_words(key[2]) + ranges.get(key, ""),
                rmst=with_interval(means.get(key), decimals=2),
                quantiles=tuple(_reached(times.get((*key, level))) for level in levels),
            )
        )
    horizon = f"to {float(rmst[0].level):g} {rmst[0].unit}" if rmst and math.isfinite(at(rmst[0])) else ""
    heads = tuple(f"{100 * float(level):g}% had it by" for level in levels)
    return f"Restricted mean {horizon}".strip(), heads, tuple(made)


def _reached(row: Estimate | None) -> str:
    """The time by which a share had the event."""
    if row is None or (row.estimate is None and not row.suppressed):
        return "not reached"
    said = with_interval(row, decimals=2)
    if row.estimate is not None and row.lower is not None and row.upper is None:
        said = f"{said} ({number(row.lower, decimals=2)} to not reached)"
    return f"≈ {said}" if row.rounded and row.estimate is not None else said
