"""What a fairness audit answers of the reporting checklists, with the section that shows it."""

from cinema_cli.reports.analysis.checklist_items import STROBE, TRIPOD_AI
from cinema_cli.reports.analysis.checklists import Answer, Checklist, filled
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.words import listed, title_of
from cinema_cli.reports.fairness.facts import FairnessFacts
from cinema_cli.reports.fairness.naming import FOLLOWED, LOSSES, SIZES, figure_of

CHECKLISTS = (("TRIPOD+AI", TRIPOD_AI), ("STROBE, cohort studies", STROBE))
MOST = 12  # measures that are named


def checklists(rows: Rows, facts: FairnessFacts) -> list[Checklist]:
    """Each checklist, filled where the run knows the answer."""
    return filled(CHECKLISTS, _of_groups(rows, facts) | _of_risks(rows, facts))


def _of_groups(rows: Rows, facts: FairnessFacts) -> dict[str, Answer]:
    models = {row.model for row in rows.of("group_metric")}
    known: dict[str, Answer] = {"software": (f"cinema {facts.version}; command, seed and digests of the input", "run")}
    if rows.of("flow"):
        known["flow"] = ("People and reasons for leaving", "people")
    if models & set(SIZES):
        known["numbers"] = ("People in each group; n and events of each figure", "people")
    if models & set(LOSSES):
        known["losses"] = ("Failed studies, quality flags and missing values by group", "lost")
        known["missing"] = ("Nothing is filled in; what is missing is counted by group", "lost")
    results = in_order(r.model for r in rows.of("group_metric") if r.model not in (*SIZES, *LOSSES))
    if results:
        section = "right" if any(model not in FOLLOWED for model in results) else "followed"
        titles = in_order(figure_of(model).title for model in results)
        shown = [*titles[:MOST], f"{len(titles) - MOST} more"] if len(titles) > MOST + 1 else titles
        known["measures"] = (f"{listed(shown)}, in each group", section)
        known["performance"] = ("Every figure of a group with its 95% confidence interval", section)
    if rows.of("gap"):
        by = f" of {listed([title_of(g) for g in facts.groups])}" if facts.groups else ""
        known["groups"] = (f"Gaps between the groups{by}; why these groups is left to the author", "methods")
        known["fairness"] = ("Gaps beside what chance alone shows; what gap matters is left to the author", "methods")
    if rows.of("gap_adjusted"):
        known["sensitivity"] = (f"Gaps with {listed([title_of(c) for c in facts.covariates])} held equal", "methods")
    return known


def _of_risks(rows: Rows, facts: FairnessFacts) -> dict[str, Answer]:
    """Of predicted risks, where there are some."""
    if not any(row.model in FOLLOWED for row in rows.of("group_metric")):
        return {}
    horizon = "" if facts.horizon is None else f", horizon {facts.horizon:g} {facts.time_unit}"
    known: dict[str, Answer] = {
        "cox": ("Cox proportional hazards; details in the methods", "methods"),
        "internal": ("Risks are of people whom their model has not seen (cross-validation)", "methods"),
    }
    if facts.outcome:
        known["outcome"] = (f"{facts.outcome}{horizon}; its assessment is left to the author", "methods")
    return known
