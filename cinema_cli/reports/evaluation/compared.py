"""First section: who was compared, and which comparisons were not whole."""

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.metrics import at_frame, frame_of, frames_in_order, target_of
from cinema_cli.reports.analysis.rows import Rows
from cinema_cli.reports.analysis.tables import Told, told
from cinema_cli.reports.analysis.words import count_words, listed

ALIKE = 3  # more lines than these that say the same are one
KINDS = (
    ("compared", "Compared"),
    ("no_prediction", "No prediction"),
    ("no_reference", "No reference"),
    ("empty_truth", "Only the reference is empty"),
    ("empty_prediction", "Only the prediction is empty"),
    ("both_empty", "Both empty"),
)


def counts_table(rows: Rows) -> Told | None:
    """How many comparisons of each class and frame were not whole, and why; None where nothing was counted."""
    every = rows.of("counts")
    if not every:
        return None
    cells = {(row.term, row.level, row.model): row for row in every if not row.group}
    known = [model for model, _ in KINDS]
    others = [m for m in dict.fromkeys(row.model for row in every) if m not in known]
    kinds = [*KINDS, *((m, m.replace("_", " ")) for m in others)]
    places = dict.fromkeys((row.term, row.level) for row in every if not row.group)
    lines = [[at_frame(*place), *(_count(cells.get((*place, model))) for model, _ in kinds)] for place in places]
    if len(lines) > ALIKE and len({tuple(line[1:]) for line in lines}) == 1:
        lines = [[f"Each of {len(lines)} structures and values", *lines[0][1:]]]
    return told(("What", *(title for _, title in kinds)), lines)


def whole_words(rows: Rows) -> str:
    """Which structures were compared at which frame: `ED: LV cavity and LV myocardium; ES: LV cavity`."""
    dice = [row for row in rows.of("evaluation", model="dice", group="") if row.term != "mean"]
    said = []
    for frame in frames_in_order(row.level for row in dice):
        terms = listed([target_of(row.term) for row in dice if row.level == frame])
        said.append(f"{frame_of(frame)}: {terms}" if frame else terms)
    return "; ".join(said)


def _count(row: Estimate | None) -> str:
    return "" if row is None else count_words(row.n, row)
