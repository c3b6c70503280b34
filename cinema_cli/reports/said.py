"""What published heads say of one study, worded for its page: numbers, probabilities, reasons, long axes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from cinema_cli.domain.cine import CineStudy, View
from cinema_cli.domain.prediction import Embedding, Prediction, Task
from cinema_cli.domain.result import StudyResult
from cinema_cli.reports import charts
from cinema_cli.reports.heads import HeadFacts
from cinema_cli.reports.landmarks import axis_of, moments_in
from cinema_cli.reports.quantities import SPREAD, class_column, probabilities, quantities, spread_said, spreads
from cinema_cli.reports.render import count, number

MEASURED_ABOVE = "measured the numbers above"


@dataclass(frozen=True, slots=True)
class Bar:
    """A share of a whole as a bar: its name, the number beside it, its length in percent."""

    name: str
    said: str
    length_pct: str


@dataclass(frozen=True, slots=True)
class SaidRow:
    """One head and its answer."""

    title: str
    name: str
    caveat: str
    likeliest: str  # class
    numbers: tuple[tuple[str, str, str], ...]  # what, value (with the seeds' spread), unit
    bars: tuple[Bar, ...]  # probabilities of classes
    remark: str
    apart: str  # how far the seeds are apart
    seeds: str  # how many there are


def bar(name: str, share: float, *, said: str) -> Bar:
    """A bar of a share from 0 to 1."""
    return Bar(name, said, f"{100 * min(max(share, 0.0), 1.0):.1f}")


def said_rows(result: StudyResult, heads: Sequence[HeadFacts]) -> list[SaidRow]:
    """A row for each published head that said something, in the order in which they answered."""
    known = {head.name: head for head in heads}
    measures = result.heads[0].name if result.heads else ""
    rows = [
        _row(said, known.get(said.head) or HeadFacts(said.head, ""), above=said.head == measures)
        for said in result.predictions
        if said.study
    ]
    made = [one for one in result.embeddings if one.vectors]
    for name in dict.fromkeys(one.head for one in made):
        rows.append(_embedded([one for one in made if one.head == name], known.get(name) or HeadFacts(name, "")))
    return rows


def silent_rows(result: StudyResult) -> list[tuple[str, str]]:
    """(why, names) of the heads that had no answer, each reason once."""
    reasons = [(said.reason, said.head) for said in result.predictions if not said.study]
    reasons += [(why, one.head) for one in result.embeddings if not one.vectors for why in one.reasons.values()]
    names = {why: dict.fromkeys(name for other, name in reasons if other == why) for why, _ in reasons}
    return [(why or "no reason recorded", ", ".join(several)) for why, several in names.items()]


def length_figures(study: CineStudy, result: StudyResult, heads: Sequence[HeadFacts]) -> list[tuple[Markup, str]]:
    """The long axis over the cycle, a drawing and a caption for each view in which a head found its ends."""
    known = {head.name: head for head in heads}
    figures = []
    for view in dict.fromkeys(said.view for said in result.predictions):
        found = [(said.head, axis) for said in result.predictions if said.view is view and (axis := axis_of(said))]
        if view is None or view not in study.cines or not found:
            continue
        moments = moments_in(study, result, view, [axis for _, axis in found])
        axes = [(known.get(name) or HeadFacts(name, ""), axis) for name, axis in found]
        axes.sort(key=lambda one: one[0].task is Task.COORDINATES)  # dashed, as on the image
        title = f"Length of the left ventricle in the {view.words} over the cardiac cycle"
        lines = [axis.lengths_mm for _, axis in axes]
        drawing = charts.lengths(study.cines[view].times_ms, lines, moments=moments, title=title)
        ways = ", dashed: ".join(head.way for head, _ in axes)
        figures.append((drawing, f"{view.words}, by {ways}"))
    return figures


def _row(said: Prediction, head: HeadFacts, *, above: bool) -> SaidRow:
    shares = _probabilities(said, head)
    return SaidRow(
        title=head.title or said.head,
        name=said.head,
        caveat=head.caveat,
        likeliest=str(said.study.get(class_column(head)) or ""),
        numbers=() if above else tuple(_numbers(said, head)),
        bars=tuple(bar(name, p, said=number(p, decimals=2)) for name, p in shares.items()),
        remark=MEASURED_ABOVE if above else "",
        apart=_apart(said, head),
        seeds=count(len(head.weights), one="seed") if head.weights else "",
    )


def _embedded(moments: Sequence[Embedding], head: HeadFacts) -> SaidRow:
    """What a backbone made: its vectors stand in a table of their own."""
    made = " and ".join(one.moment.upper() for one in moments)
    views = dict.fromkeys(name for one in moments for name in one.vectors if name in set(View))
    seen = ", ".join(View(name).words for name in views)
    return SaidRow(
        title=head.title or moments[0].head,
        name=moments[0].head,
        caveat=head.caveat,
        likeliest="",
        numbers=(),
        bars=(),
        remark=f"vectors of {made} from {seen}, in embeddings.parquet",
        apart="",
        seeds="",
    )


def _probabilities(said: Prediction, head: HeadFacts) -> dict[str, float]:
    cells = {name: said.study[column] for name, column in probabilities(head, said.study).items()}
    return {name: float(p) for name, p in cells.items() if isinstance(p, int | float)}


def _numbers(said: Prediction, head: HeadFacts) -> Iterable[tuple[str, str, str]]:
    spread = said.study.get(f"{head.name}_{SPREAD}")
    for q in quantities(head, said.study):
        value = said.study[q.column]
        shown = number(value if isinstance(value, int | float) else None, decimals=q.decimals)
        if head.task is Task.REGRESSION and isinstance(spread, int | float):
            shown += f" ± {number(spread, decimals=q.decimals)}"
        yield q.title, shown, "" if shown == "–" else q.unit


def _apart(said: Prediction, head: HeadFacts) -> str:
    """How far the seeds are apart: of the answer, or on average over the cycle and the points."""
    columns = [*spreads(head, said.study), *spreads(head, said.frames)]
    cells = [said.frames[c] if c in said.frames else np.array([said.study[c]], dtype=np.float64) for c in columns]
    known = [float(np.nanmean(cell)) for cell in cells if np.isfinite(cell).any()]
    if not known:
        return ""
    return spread_said(float(np.mean(known)), head)
