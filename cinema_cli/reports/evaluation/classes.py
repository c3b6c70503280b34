"""Fifth section: categories of ejection fraction and classes of heads, with ROC curves and calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.effect_charts import calibration
from cinema_cli.reports.analysis.interval_chart import interval_of
from cinema_cli.reports.analysis.metrics import metric_of, target_of
from cinema_cli.reports.analysis.rows import Rows, at, in_order
from cinema_cli.reports.analysis.tables import Cell, Told, cell_of, sizes_words, told, value_of
from cinema_cli.reports.analysis.words import count_words, size_words, title_of
from cinema_cli.reports.evaluation.charts import LINES, Plot, roc_curves

WHOLE = ("accuracy", "mcc", "f1", "auc", "brier", "sensitivity", "specificity", "ppv", "npv")
EACH = (
    ("sensitivity", "specificity", "ppv", "npv", "f1", "accuracy", "mcc"),
    ("auc", "brier", "calibration_slope", "calibration_intercept"),
)


@dataclass(frozen=True, slots=True)
class Classes:
    """What heads and categories got right: over all classes, class by class, by group, as figures."""

    whole: Told | None
    each: tuple[tuple[str, tuple[Told, ...]], ...]
    by_group: Told | None
    roc: tuple[Plot, ...]
    calibrations: tuple[Plot, ...]


def classes_section(rows: Rows) -> Classes:
    """Every row of `classification`, `roc` and `calibration`."""
    every = rows.of("classification")
    return Classes(
        whole=_whole(rows, [row for row in every if not row.level and not row.group]),
        each=tuple(
            (target_of(term), tables)
            for term in in_order(row.term for row in every if row.level and not row.group)
            if (tables := _each(rows, term))
        ),
        by_group=_by_group(rows, [row for row in every if row.group]),
        roc=tuple(_roc(rows)),
        calibrations=tuple(_calibrations(rows)),
    )


def _models(every: Sequence[Estimate], order: Sequence[str]) -> list[str]:
    found = in_order(row.model for row in every)
    return [m for m in order if m in found] + [m for m in found if m not in order]


def _line(cells: dict[str, Estimate], models: Sequence[str], *, n: bool, events: bool) -> list[str | Cell]:
    first = next(iter(cells.values()))
    counts = [count_words(first.n, first)] * n + [count_words(first.events, first)] * events
    return [*counts, *(cell_of(cells.get(m), metric_of(m)) for m in models)]


def _whole(rows: Rows, every: Sequence[Estimate]) -> Told | None:
    models, lines = _models(every, WHOLE), []
    for term in in_order(row.term for row in every):
        cells = {row.model: row for row in every if row.term == term}
        lines.append([target_of(term), *_line(cells, models, n=True, events=False)])
    return told(("What", "n", *(metric_of(m).title for m in models)), lines) if lines else None


def _each(rows: Rows, term: str) -> tuple[Told, ...]:
    """Class by class: what was said, then probabilities."""
    every = [row for row in rows.of("classification", term=term, group="") if row.level]
    known = [m for part in EACH for m in part]
    made = []
    for part in (*EACH, tuple(m for m in in_order(row.model for row in every) if m not in known)):
        inside, lines = [row for row in every if row.model in part], []
        models = _models(inside, part)
        for level in in_order(row.level for row in inside):
            cells = {row.model: row for row in inside if row.level == level}
            lines.append([level, *_line(cells, models, n=True, events=True)])
        if lines:
            made.append(told(("Class", "n", "Of the class", *(metric_of(m).title for m in models)), lines))
    return tuple(made)


def _by_group(rows: Rows, every: Sequence[Estimate]) -> Told | None:
    models, lines = _models(every, WHOLE), []
    for term, level, group in dict.fromkeys((row.term, row.level, row.group) for row in every):
        cells = {row.model: row for row in every if (row.term, row.level, row.group) == (term, level, group)}
        name = ", ".join(w for w in (target_of(term), level) if w)
        lines.append([name, title_of(group), *_line(cells, models, n=True, events=False)])
    return told(("What", "Who", "n", *(metric_of(m).title for m in models)), lines, n_words=2) if lines else None


def _roc(rows: Rows) -> list[Plot]:
    made = []
    for term in in_order(row.term for row in rows.of("roc")):
        lines = []
        for model in in_order(row.model for row in rows.of("roc", term=term)):
            points = sorted(
                (at(row), row.estimate) for row in rows.of("roc", term=term, model=model) if row.estimate is not None
            )  # fmt: skip
            if len(points) > 1:
                x, y = 100.0 * np.array(points).T
                lines.append((_with_auc(rows, term, model), x, y))
        for k in range(0, len(lines), LINES):
            plot = roc_curves(lines[k : k + LINES], title=f"ROC curves of {target_of(term)}")
            made.append(Plot(target_of(term), plot, aside="ROC", caption=_sizes(rows, term)))
    return made


def _sizes(rows: Rows, term: str) -> str:
    """`n = 412: DCM 60, HCM 61.`"""
    found = {row.model: row for row in rows.of("roc", term=term)}
    if not found:
        return ""
    first = next(iter(found.values()))
    classes = [f"{model} {count_words(row.events, row)}" for model, row in found.items() if model]
    return f"{size_words('n', first.n, first)}{': ' if classes else ''}{', '.join(classes)}."


def _with_auc(rows: Rows, term: str, model: str) -> str:
    row = rows.one("classification", model="auc", term=term, level=model, group="")
    said = value_of(row, metric_of("auc"))
    return " ".join(w for w in (model or "all", said if row is not None else "") if w)


def _calibrations(rows: Rows) -> list[Plot]:
    made = []
    every = [row for row in rows.of("calibration") if row.term]
    for term, model in dict.fromkeys((row.term, row.model) for row in every):
        inside = [row for row in every if (row.term, row.model) == (term, model)]
        tenths = [(100.0 * at(r), i) for r in inside if (i := interval_of(r, scale=100.0)) is not None]
        if tenths:
            name = ", ".join(w for w in (target_of(term), model) if w)
            plot: Markup = calibration(
                tenths, None, title=f"Observed against predicted probability, {name}", of="probability"
            )
            aside = ", ".join(w for w in (model, "calibration") if w)
            made.append(Plot(target_of(term), plot, aside=aside, caption=_points(inside)))
    return made


def _points(inside: Sequence[Estimate]) -> str:
    """How many people the points of a calibration hold, and how many points are not there."""
    hidden = sum(row.estimate is None for row in inside)
    people = sizes_words([row for row in inside if row.estimate is not None])
    said = [f"n a point: {people}."] if people else []
    return " ".join([*said, *([f"Suppressed points: {hidden}."] if hidden else [])])
