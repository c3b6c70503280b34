"""Third section: agreement of volumes and ejection fraction with their references; measured twice, the fourth."""

from collections.abc import Sequence
from dataclasses import dataclass

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.interval_chart import interval_of
from cinema_cli.reports.analysis.metrics import metric_of, target_of, unit_words_of
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.tables import Cell, Told, cell_of, said_of, sizes_words, told
from cinema_cli.reports.analysis.words import axis_words, count_words, listed, p_said, size_words, title_of, unit_of
from cinema_cli.reports.evaluation.bland_altman import Lines, Spot, bland_altman
from cinema_cli.reports.evaluation.charts import Plot

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
ELSEWHERE = "elsewhere"  # level of people in cells that are too small to be shown
SHOWN = 6  # small figures that are not folded


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement or repeatability: the tables, those by group, the figures, and whose figure would show nobody."""

    tables: tuple[Told, ...]
    by_group: tuple[tuple[str, tuple[Told, ...]], ...]
    plots: tuple[Plot, ...]
    folded: tuple[Plot, ...]
    not_drawn: str


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
    plots = [plot for term in terms if (plot := _plot(rows, analysis, term)) is not None]
    without = [
        t for t in in_order(r.term for r in rows.of("bland_altman", model=analysis)) if not _spots(rows, analysis, t)
    ]
    return Agreement(
        tuple(table for columns in parts if (table := _whole(rows, analysis, columns))),
        tuple(
            (title_of(column), _grouped_by(rows, analysis, parts, groups, column))
            for column in in_order(group.partition("=")[0] for group in groups)
        ),
        tuple(plots[:SHOWN]),
        tuple(plots[SHOWN:]),
        listed([target_of(term) for term in without]),
    )


def _grouped_by(
    rows: Rows, analysis: str, parts: Sequence[Sequence[tuple[str, str]]], groups: Sequence[str], column: str
) -> tuple[Told, ...]:
    """The tables of the groups of one column."""
    mine = [group for group in groups if group.partition("=")[0] == column]
    return tuple(table for columns in parts if (table := _grouped(rows, analysis, columns, mine)))


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
    spots = _spots(rows, analysis, term)
    if not spots:
        return None
    of_term = {row.model: row for row in rows.of(analysis, term=term, group="")}
    bias, lower, upper, slope, middle = (
        of_term.get(model) for model in ("bias", "loa_lower", "loa_upper", "slope", "middle")
    )
    tilt = None
    if slope is not None and middle is not None and slope.estimate is not None and middle.estimate is not None:
        tilt = slope.estimate, middle.estimate
    lines = Lines(interval_of(bias), interval_of(lower), interval_of(upper), tilt)
    plot = bland_altman(spots, lines, unit=unit_of(term), title=f"Difference against mean, {target_of(term)}")
    said = [f"{size_words('n', bias.n, bias)}." if bias is not None else "", _cells(rows, analysis, term, spots)]
    if tilt is not None and slope is not None:
        p = "" if slope.p is None else f", {p_said(slope.p)}"
        said.append(f"Slope {said_of(slope, metric_of('slope'))}{p}.")
    return Plot(target_of(term), plot, caption=" ".join(words for words in said if words))


def _spots(rows: Rows, analysis: str, term: str) -> list[Spot]:
    """Points, or cells by their edges."""
    made = []
    for row in rows.of("bland_altman", model=analysis, term=term, group=""):
        left, _, right = row.level.partition(" to ")
        if row.estimate is not None:
            low, high = (row.estimate if v is None else v for v in (row.lower, row.upper))
            made.append(Spot((float(left), float(right or left)), (low, high), row.n))
    return made


def _cells(rows: Rows, analysis: str, term: str, spots: Sequence[Spot]) -> str:
    """How large cells are, how many people they hold, and how many are not drawn; "" of points."""
    (left, right), (low, high) = spots[0].x, spots[0].y
    if left == right:
        return ""
    every = rows.of("bland_altman", model=analysis, term=term, group="")
    sizes = sizes_words([row for row in every if row.level != ELSEWHERE])
    people = f", the stronger in colour the more people: {sizes}" if sizes else ""
    said = [f"Cells of {right - left:g} by {high - low:g}{f' {unit_of(term)}'.rstrip()}{people}."]
    said += [f"In smaller cells, not drawn: {count_words(r.n, r)}." for r in every if r.level == ELSEWHERE]
    return " ".join(said)


def headline_words(rows: Rows, term: str) -> str:
    """`mean absolute error 3.3% (2.9 to 3.7), bias ...` of a phenotype; "" where there is none."""
    said = []
    for model, name in (("mae", "mean absolute error"), ("bias", "bias")):
        row, metric = rows.one("agreement", model=model, term=term, group=""), metric_of(model)
        if row is not None and row.estimate is not None:
            said.append(f"{name} {said_of(row, metric, unit_words_of(metric, term))}")
    return ", ".join(said)
