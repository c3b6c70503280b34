"""Third section: agreement of volumes and ejection fraction with their references; measured twice, the fourth."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.metrics import metric_of, target_of, unit_words_of
from cinema_cli.reports.analysis.rows import Rows, at, in_order
from cinema_cli.reports.analysis.tables import Cell, Told, cell_of, said_of, told
from cinema_cli.reports.analysis.words import axis_words, count_words, title_of, unit_of
from cinema_cli.reports.evaluation.charts import Binned, bland_altman
from cinema_cli.reports.render import number

ERRORS = (
    ("bias", "Bias"),
    ("limits", "Limits of agreement"),
    ("sd", "SD of the difference"),
    ("mae", "MAE"),
    ("rmse", "RMSE"),
)
ASSOCIATION = (
    ("icc21", "ICC(2,1)"),
    ("icc31", "ICC(3,1)"),
    ("r2", "R²"),
    ("slope", "Slope on the mean"),
)
TWICE = (
    ("cov_rms", "CoV, as in the paper"),
    ("cov_log", "CoV, logarithmic"),
    ("cov_wsd", "CoV, SD over mean"),
    ("wsd", "Within-subject SD"),
    ("rc", "Repeatability coefficient"),
)
BETWEEN = (
    ("icc21", "ICC(2,1)"),
    ("icc31", "ICC(3,1)"),
    ("bias", "Bias"),
    ("limits", "Limits of agreement"),
)
FEWEST = 5  # studies of a point whose range is drawn
SHOWN = 6  # small figures that are not folded


@dataclass(frozen=True, slots=True)
class Plot:
    """A small figure of one phenotype."""

    title: str
    plot: Markup
    aside: str = ""
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement or repeatability: the table, by group, the figures."""

    tables: tuple[Told, ...]
    by_group: tuple[tuple[str, Told], ...]
    plots: tuple[Plot, ...]
    folded: tuple[Plot, ...]


def agreement_section(rows: Rows) -> Agreement:
    """Predictions against references."""
    return _section(rows, "agreement", ERRORS, ASSOCIATION)


def repeatability_section(rows: Rows) -> Agreement:
    """The same people twice."""
    return _section(rows, "repeatability", TWICE, BETWEEN)


def _section(rows: Rows, analysis: str, *parts: Sequence[tuple[str, str]]) -> Agreement:
    every = rows.of(analysis)
    terms = in_order(row.term for row in every)
    groups = in_order(row.group for row in every if row.group)
    by_group = [
        (title_of(column), table)
        for column in in_order(group.partition("=")[0] for group in groups)
        for columns in parts
        if (table := _grouped(rows, analysis, columns, [g for g in groups if g.partition("=")[0] == column]))
    ]
    whole = [_whole(rows, analysis, columns) for columns in parts]
    plots = [plot for term in terms if (plot := _plot(rows, analysis, term)) is not None]
    return Agreement(
        tuple(table for table in whole if table), tuple(by_group), tuple(plots[:SHOWN]), tuple(plots[SHOWN:])
    )


def _known(rows: Rows, analysis: str, columns: Sequence[tuple[str, str]], groups: Sequence[str]) -> list[str]:
    """Terms that have any of these columns in these groups."""
    models = {"loa_lower" if model == "limits" else model for model, _ in columns}
    return in_order(row.term for row in rows.of(analysis) if row.model in models and row.group in groups)


def _whole(rows: Rows, analysis: str, columns: Sequence[tuple[str, str]]) -> Told | None:
    lines = [
        _line(rows, analysis, columns, term, "", axis_words(term)) for term in _known(rows, analysis, columns, [""])
    ]
    return told(("Phenotype", "n", *(title for _, title in columns)), lines) if lines else None


def _grouped(rows: Rows, analysis: str, columns: Sequence[tuple[str, str]], groups: Sequence[str]) -> Told | None:
    lines = [
        [axis_words(term), *_line(rows, analysis, columns, term, group, group.partition("=")[2])]
        for term in _known(rows, analysis, columns, groups)
        for group in groups
    ]
    return told(("Phenotype", "Group", "n", *(title for _, title in columns)), lines, n_words=2) if lines else None


def _line(
    rows: Rows, analysis: str, columns: Sequence[tuple[str, str]], term: str, group: str, name: str
) -> list[str | Cell]:
    cells = {row.model: row for row in rows.of(analysis, term=term, group=group)}
    sizes = [row for row in cells.values() if row.n is not None or row.suppressed]
    n = count_words(sizes[0].n, sizes[0]) if sizes else ""
    return [name, n, *(_limits(cells) if m == "limits" else cell_of(cells.get(m), metric_of(m)) for m, _ in columns)]


def _limits(cells: dict[str, Estimate]) -> Cell:
    """Both limits of agreement; the intervals of each below."""
    low, high = cells.get("loa_lower"), cells.get("loa_upper")
    if low is None or high is None:
        return Cell("")
    said = [cell_of(row, metric_of("loa_lower")) for row in (low, high)]
    if low.estimate is None or high.estimate is None:
        return Cell(said[0].words if low.estimate is None else said[1].words)
    return Cell(f"{said[0].words} to {said[1].words}", tuple(s for cell in said for s in cell.small))


def _plot(rows: Rows, analysis: str, term: str) -> Plot | None:
    every = rows.of("bland_altman", model=analysis, term=term, group="")
    bins = [_binned(row) for row in every if row.estimate is not None]
    if not bins:
        return None
    of_term = {row.model: row.estimate for row in rows.of(analysis, term=term, group="")}
    limits = (of_term.get("loa_lower"), of_term.get("bias"), of_term.get("loa_upper"))
    plot = bland_altman(bins, limits=limits, unit=unit_of(term), title=f"Difference against mean, {target_of(term)}")
    return Plot(target_of(term), plot, caption=_people(every))


def _binned(row: Estimate) -> Binned:
    """A point with its range; of few studies the point alone."""
    assert row.estimate is not None
    few = row.n is not None and row.n < FEWEST
    low, high = (row.estimate if few or v is None else v for v in (row.lower, row.upper))
    return at(row), low, row.estimate, high


def _people(bins: Sequence[Estimate]) -> str:
    sizes = [row.n for row in bins if row.n is not None]
    hidden = sum(row.estimate is None for row in bins)
    said = ""
    if sizes:
        ends = [number(n, decimals=0) for n in (min(sizes), max(sizes))]
        said = f"{ends[0] if ends[0] == ends[1] else ' to '.join(ends)} studies a point."
    said += f" Ranges of fewer than {FEWEST} are not drawn." if sizes and min(sizes) < FEWEST else ""
    return said + (f" Suppressed points: {hidden}." if hidden else "")


def headline_words(rows: Rows, term: str) -> str:
    """`mean absolute error 3.3% (2.9 to 3.7), bias ...` of a phenotype; "" where there is none."""
    said = []
    for model, name in (("mae", "mean absolute error"), ("bias", "bias")):
        row, metric = rows.one("agreement", model=model, term=term, group=""), metric_of(model)
        if row is not None and row.estimate is not None:
            said.append(f"{name} {said_of(row, metric, unit_words_of(metric, term))}")
    return ", ".join(said)
