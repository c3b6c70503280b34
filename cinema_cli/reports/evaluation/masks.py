"""Second section: overlap and distances of masks, and other errors by study; for everyone and by group."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.interval_chart import IntervalRow, interval_chart, interval_of, n_of
from cinema_cli.reports.analysis.metrics import at_frame, frame_of, frames_in_order, metric_of, metric_words, target_of
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.tables import Cell, Told, cell_of, interval_words, told, value_of
from cinema_cli.reports.analysis.words import count_words, title_of

MEDIAN = "_median"
MASK_METRICS = ("dice", "iou", "hd95_mm", "asd_mm", "volume_error_ml", "volume_absolute_error_ml")
MEAN = "mean"


@dataclass(frozen=True, slots=True)
class Masks:
    """Metrics of masks, by group, and metrics of what is no mask."""

    forest: Markup | None
    table: Told | None
    by_group: tuple[tuple[str, Told], ...]  # title, table
    others: Told | None


def masks_section(rows: Rows) -> Masks:
    """Every row of `evaluation`."""
    means = [row for row in rows.of("evaluation") if not row.model.endswith(MEDIAN)]
    metrics = [m for m in in_order(row.model for row in means) if m in MASK_METRICS]
    metrics.sort(key=MASK_METRICS.index)
    of_masks = [row for row in means if row.model in metrics]
    columns = in_order(row.group.partition("=")[0] for row in of_masks if row.group)
    return Masks(
        forest=_forest([row for row in of_masks if row.model == "dice" and not row.group]),
        table=_table(rows, of_masks, metrics),
        by_group=tuple((title_of(c), table) for c in columns if (table := _by_group(rows, of_masks, metrics, c))),
        others=_others(rows, [row for row in means if row.model not in metrics]),
    )


def _forest(dice: Sequence[Estimate]) -> Markup | None:
    if not any(row.estimate is not None for row in dice):
        return None
    metric = metric_of("dice")
    lines = []
    for frame in frames_in_order(row.level for row in dice):
        lines += [IntervalRow(frame_of(frame), head=True)] if frame else []
        for row in (r for r in dice if r.level == frame):
            words = " ".join(w for w in (value_of(row, metric), _brackets(interval_words(row, metric))) if w)
            lines.append(IntervalRow(target_of(row.term), interval_of(row), words, n_of(row)))
    return interval_chart(lines, x_title="mean Dice", title="Mean Dice of each structure with 95% confidence intervals")


def _brackets(words: str) -> str:
    return f"({words})" if words else ""


def _cells(rows: Rows, metrics: Sequence[str], *, term: str, group: str, level: str) -> list[Cell]:
    made = []
    for name in metrics:
        where = {"term": term, "group": group, "level": level}
        row, median = (rows.one("evaluation", model=model, **where) for model in (name, name + MEDIAN))
        made.append(cell_of(row, metric_of(name), median=median))
    return made


def _size(rows: Sequence[Estimate], *, term: str, group: str, level: str) -> str:
    row = next((r for r in rows if (r.term, r.group, r.level) == (term, group, level)), None)
    return "" if row is None else count_words(row.n, row)


def _table(rows: Rows, of_masks: Sequence[Estimate], metrics: Sequence[str]) -> Told | None:
    places = dict.fromkeys((row.term, row.level) for row in of_masks if not row.group)
    frames = frames_in_order(frame for _, frame in places)
    places = dict.fromkeys(sorted(places, key=lambda place: frames.index(place[1])))
    lines: list[list[str | Cell]] = []
    for term, level in places:
        at = {"term": term, "group": "", "level": level}
        lines.append(
            [
                Cell(target_of(term), (frame_of(level),) if level else ()),
                _size(of_masks, **at),
                *_cells(rows, metrics, **at),
            ]
        )
    return told(("Structure", "n", *(metric_words(m) for m in metrics)), lines) if lines else None


def _by_group(rows: Rows, of_masks: Sequence[Estimate], metrics: Sequence[str], column: str) -> Told | None:
    """The mean of structures in each group of a column; every structure where there is no mean."""
    inside = [row for row in of_masks if row.group.partition("=")[0] == column and row.group]
    some = [row for row in inside if row.term == MEAN] or inside
    lines: list[list[str | Cell]] = []
    for level, term, group in sorted(dict.fromkeys((row.level, row.term, row.group) for row in some)):
        at = {"term": term, "group": group, "level": level}
        name = group.partition("=")[2] or group
        what = Cell(name, (at_frame(term, level),))
        lines.append([what, _size(of_masks, **at), *_cells(rows, metrics, **at)])
    return told((title_of(column), "n", *(metric_words(m) for m in metrics)), lines) if lines else None


def _others(rows: Rows, means: Sequence[Estimate]) -> Told | None:
    lines: list[list[str | Cell]] = []
    for row in means:
        median = rows.one("evaluation", model=row.model + MEDIAN, term=row.term, group=row.group, level=row.level)
        cell = cell_of(row, metric_of(row.model), median=median)
        group = title_of(row.group) if row.group else "Everyone"
        name = at_frame(row.term, row.level)
        lines.append([name, metric_words(row.model, row.term), group, count_words(row.n, row), cell])
    return told(("What", "Metric", "Who", "n", "Mean (95% CI)"), lines, n_words=3) if lines else None
