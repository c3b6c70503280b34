"""The first words of the page of an evaluation: what was found, in sentences no stronger than the evidence."""

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.metrics import frame_of, metric_of, target_of, unit_words_of
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.tables import said_of, value_of
from cinema_cli.reports.analysis.words import count_words, first_up, listed, p_said
from cinema_cli.reports.evaluation.against import difference_metric
from cinema_cli.reports.evaluation.agreement import headline_words
from cinema_cli.reports.evaluation.facts import EvaluationFacts
from cinema_cli.reports.render import count

NAMED = ("lvef_pct", "lvedv_ml", "rvef_pct")  # phenotypes named in the summary


def summary_sentences(rows: Rows, facts: EvaluationFacts) -> list[str]:
    """Who was compared, how well masks and numbers agree, the other system, the second measurement, the limits."""
    said = [*_overlap(rows, facts), *_numbers(rows), *_classes(rows), *_against(rows, facts), *_repeat(rows)]
    missing = _missing(rows)
    said += [missing] if missing else []
    if not said:
        return ["Nothing could be compared: the estimates hold no metric."]
    if only_repeats(rows):
        return said
    who = f" ({facts.reference})" if facts.reference else ""
    said.append(
        f"Agreement with the reference{who} is not accuracy: the reference has errors of its own, and other scanners, "
        "hospitals and diseases may give other figures."
    )
    return said


def only_repeats(rows: Rows) -> bool:
    """Whether the page is of measurements made twice and of no comparison with a reference."""
    return bool(rows.of("repeatability")) and not any(rows.of(kind) for kind in _COMPARED)


_COMPARED = ("evaluation", "agreement", "classification", "difference", "counts")


def headline(rows: Rows) -> list[tuple[str, str, str]]:
    """(value, unit, name) of the numbers at the head of the page."""
    made = []
    dice = _dice(rows)
    if dice and dice[0].n is not None:
        made.append((count_words(dice[0].n, dice[0]), "", "studies compared"))
    for row in dice[:2]:
        if row.estimate is not None:
            name = ", ".join(w for w in ("mean Dice", frame_of(row.level)) if w)
            made.append((value_of(row, metric_of("dice")), "", name))
    twice = next((row for row in rows.of("repeatability", group="") if row.n is not None), None)
    if twice is not None and only_repeats(rows):
        made.append((count_words(twice.n, twice), "", "pairs of measurements"))
    for model, term in (("mae", "lvef_pct"), ("cov_rms", "lvef_pct")):
        one = rows.one("agreement" if model == "mae" else "repeatability", model=model, term=term, group="")
        if one is not None and one.estimate is not None:
            metric = metric_of(model)
            name = f"{'mean absolute error' if model == 'mae' else 'coefficient of variation'}, {target_of(term)}"
            made.append((value_of(one, metric), unit_words_of(metric, term), name))
    return made


def _dice(rows: Rows) -> list[Estimate]:
    """Dice of the mean of structures at each frame, else of each structure."""
    every = [r for r in rows.of("evaluation", model="dice", group="")]
    return [r for r in every if r.term == "mean"] or every


def _overlap(rows: Rows, facts: EvaluationFacts) -> list[str]:
    dice = [row for row in _dice(rows) if row.estimate is not None]
    if not dice:
        return []
    n = dice[0].n
    people = f"in {count(n, one='study', many='studies')}, " if n is not None else ""
    metric = metric_of("dice")
    parts = [f"{said_of(row, metric)}{_place(row)}" for row in dice]
    return [first_up(f"{people}the mean Dice of {facts.this} and the reference was {listed(parts)}.")]


def _place(row: Estimate) -> str:
    """Where a mean Dice is of: ` over structures at ED`."""
    of = " over structures" if row.term == "mean" else f" of the {target_of(row.term)}"
    return f"{of} at {frame_of(row.level)}" if row.level else of


def _numbers(rows: Rows) -> list[str]:
    made = []
    for term in NAMED:
        words = headline_words(rows, term)
        if words:
            made.append(f"{target_of(term)}: {words}")
    return [f"Prediction less reference (95% confidence intervals): {'; '.join(made)}."] if made else []


def _classes(rows: Rows) -> list[str]:
    made = []
    for term in in_order(row.term for row in rows.of("classification") if not row.level and not row.group):
        found = [rows.one("classification", model=m, term=term, level="", group="") for m in ("accuracy", "mcc", "auc")]
        words = [
            f"{_NAMES[row.model]} {said_of(row, metric_of(row.model), metric_of(row.model).unit)}"
            for row in found
            if row is not None and row.estimate is not None
        ]
        if words:
            made.append(f"{target_of(term)}: {listed(words)}.")
    return made


_NAMES = {"accuracy": "accuracy", "mcc": "MCC", "auc": "AUC"}


def _against(rows: Rows, facts: EvaluationFacts) -> list[str]:
    """The verdicts at the margins, else the differences of the mean Dice."""
    other = facts.against or "the other system"
    verdicts = rows.of("non_inferiority")
    shown = [row for row in verdicts if row.unit.startswith("non-inferior")]
    if verdicts:
        return [
            f"Against {other}, non-inferiority at the given margins was shown in {len(shown)} of "
            f"{count(len(verdicts), one='comparison')}; where it was not shown, that does not show inferiority."
        ]
    main = [r for r in rows.of("difference", model="dice") if r.term == "mean" and r.estimate is not None]
    made = []
    for row in main:
        where = f" at {frame_of(row.level)}" if row.level else ""
        made.append(f"{said_of(row, difference_metric('dice'))}{where}, {p_said(row.p)}")
    return [f"Mean Dice less that of {other}: {'; '.join(made)}."] if made else []


def _repeat(rows: Rows) -> list[str]:
    made = []
    for term in NAMED:
        row = rows.one("repeatability", model="cov_rms", term=term, group="")
        if row is not None and row.estimate is not None:
            made.append(f"{said_of(row, metric_of('cov_rms'), '%')} for {target_of(term)}")
    return [f"Measured twice in the same people, the coefficient of variation was {listed(made)}."] if made else []


def _missing(rows: Rows) -> str:
    """What was not compared as a whole."""
    every = [row for row in rows.of("counts") if row.n != 0]
    if not every:
        return ""
    kinds = {"no_prediction": "no prediction", "no_reference": "no reference", "empty_truth": "an empty reference",
             "empty_prediction": "an empty prediction", "both_empty": "both empty"}  # fmt: skip
    found = [kinds.get(model, model) for model in in_order(row.model for row in every)]
    return f"Some comparisons were not whole ({listed(found)}): they are counted below."
