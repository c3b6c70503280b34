"""What an evaluation answers of the reporting checklists, with the section that shows it."""

from collections.abc import Sequence

from cinema_cli.reports.analysis.checklist_items import CLAIM, GRRAS, STARD, Item
from cinema_cli.reports.analysis.checklists import Answer, Checklist, filled
from cinema_cli.reports.analysis.metrics import CATEGORY, metric_of
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.words import first_up, listed, title_of
from cinema_cli.reports.evaluation.facts import EvaluationFacts
from cinema_cli.reports.evaluation.masks import MEDIAN

MOST = 12  # measures that are named
_PARTS = ("sd", "middle")  # of other measures
_LIMITS = ("loa_lower", "loa_upper")
_SECTIONS = (("evaluation", "masks"), ("agreement", "agreement"), ("classification", "classes"))
_REPEATED = ("repeats", "repeat_measures", "repeat_numbers", "repeat_results")


def checklists(rows: Rows, facts: EvaluationFacts, *, has_worst: bool) -> list[Checklist]:
    """STARD and CLAIM of what was compared, GRRAS of what was measured twice, filled where the run knows the answer."""
    compared = [section for analysis, section in _SECTIONS if rows.of(analysis)]
    known = _of_run(rows, facts)
    lists: list[tuple[str, Sequence[Item]]] = []
    if compared:
        known |= _of_comparison(rows, facts, compared[0], has_worst=has_worst)
        lists += [("STARD", STARD), ("CLAIM", CLAIM)]
    if rows.of("repeatability"):
        known |= _of_repeats(rows, facts)
        lists.append(("GRRAS", GRRAS))
    return filled(lists, known)


def _of_run(rows: Rows, facts: EvaluationFacts) -> dict[str, Answer]:
    known: dict[str, Answer] = {
        "system": (f"{facts.system or 'This system'}; how it was made is left to the author", "methods"),
        "software": (f"cinema {facts.version}; command, seed and digests of the input", "run"),
    }
    if rows.of("flow"):
        known["flow"] = ("Flow with numbers and reasons", "compared")
    if facts.groups:
        known["groups"] = (f"By {listed([title_of(g) for g in facts.groups])}; why is left to the author", "methods")
    return known


def _of_comparison(rows: Rows, facts: EvaluationFacts, first: str, *, has_worst: bool) -> dict[str, Answer]:
    analyses = [analysis for analysis, _ in _SECTIONS]
    models = (row.model for analysis in analyses for row in rows.of(analysis))
    every = in_order(_title(model) for model in models if model not in _PARTS and not model.endswith(MEDIAN))
    shown = [*every[:MOST], f"{len(every) - MOST} more"] if len(every) > MOST + 1 else every
    known: dict[str, Answer] = {
        "missing": ("Nothing is filled in; what is missing on either side is counted", "compared"),
        "events": ("n of each figure; no calculation of sample size", first),
        "measures": (listed(shown), "methods"),
        "performance": ("Every figure with its 95% confidence interval", first),
    }
    if rows.of("evaluation"):
        known["empty"] = ("Empty masks, by rule and counted", "methods")
    if facts.reference:
        known["reference"] = (f"{facts.reference}; who made it, and how, is left to the author", "methods")
    if any(row.term.endswith(CATEGORY) for row in rows.of("classification")):
        known["cut_offs"] = ("Ejection fraction: up to 40% reduced, up to 55% borderline, above normal", "classes")
    if has_worst:
        known["errors"] = ("The studies furthest from their reference, in pictures, not for release", "worst")
    return known


def _of_repeats(rows: Rows, facts: EvaluationFacts) -> dict[str, Answer]:
    names = in_order(_title(row.model) for row in rows.of("repeatability") if row.model not in _PARTS)
    said = (
        f"{first_up(facts.repeats) or 'Two measurements'}; time between and blinding are left to the author",
        "n of each phenotype"
        if not any(row.n is None for row in rows.of("repeatability"))
        else "n where it may be told",
    )
    words = (said[0], listed(names[:MOST]), said[1], "Every figure with its 95% confidence interval")
    return {key: (answer, "repeat") for key, answer in zip(_REPEATED, words, strict=True)}


def _title(model: str) -> str:
    return "Limits of agreement" if model in _LIMITS else metric_of(model).title
