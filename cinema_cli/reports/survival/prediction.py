"""Section 4 of the page, third part: what the phenotypes add to the clinical model, and learned models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.rows import STANDINGS, Rows, in_order, standing
from cinema_cli.reports.analysis.words import (
    NONE,
    bare_model,
    cases_of,
    model_words,
    p_said,
    size_words,
    title_of,
    with_interval,
)
from cinema_cli.reports.render import number
from cinema_cli.reports.survival.facts import SurvivalFacts

MODELS = ("clinical", "clinical_cmr")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of performance as the estimates have it; `timed` where a row's level is its time."""

    analysis: str
    difference: str  # the analysis of differences between models
    name: str
    timed: bool
    decimals: int
    scale: float = 1.0


FIGURES = (
    Figure("concordance", "concordance_difference", "Harrell’s C", timed=False, decimals=3),
    Figure("concordance_uno", "", "Uno’s C", timed=False, decimals=3),
    Figure("auc", "auc_difference", "AUC", timed=True, decimals=3),
    Figure("brier", "brier_difference", "Brier score", timed=True, decimals=4),
    Figure("brier_integrated", "", "Integrated Brier score", timed=True, decimals=4),
    Figure("ipa", "", "IPA", timed=True, decimals=1, scale=100.0),
)


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A figure of performance for both models, and their difference."""

    name: str
    standing: str
    clinical: str
    both: str
    difference: str
    p: str


@dataclass(frozen=True, slots=True)
class Added:
    """What the phenotypes add: the test of them all, the figures, each phenotype's own, learned models."""

    compares: bool  # whether there is a clinical model without the phenotypes
    people: str  # n and events of both models
    test: str
    rows: tuple[FigureRow, ...]
    null_brier: str
    learned: tuple[tuple[str, str, str], ...]  # model, concordance, folds
    by_phenotype: tuple[tuple[str, str, str, str], ...]  # phenotype, standing, concordance, test of it
    fits: tuple[tuple[str, str, str], ...]  # model, AIC, log likelihood


def added_section(rows: Rows, facts: SurvivalFacts) -> Added:
    """What phenotypes add to the clinical variables."""
    test = test_of(rows, model="clinical_cmr", term="")
    said = ""
    if test is not None and test.estimate is not None:
        name = "Likelihood ratio test" if test.analysis == "likelihood_ratio" else "Robust Wald test of the phenotypes"
        said = f"{name} χ² {number(test.estimate, decimals=1)} on {test.level} df, {p_said(test.p)}."
    null = next((r for r in reversed(rows.of("brier", model="null")) if r.estimate is not None), None)
    return Added(
        compares=compares(rows),
        people=_people(rows),
        test=said,
        rows=tuple(_figure_rows(rows, facts)),
        null_brier="" if null is None else f"{with_interval(null, decimals=4)} at {time_of(null.level, facts)}",
        learned=tuple(_learned(rows)),
        by_phenotype=tuple(_by_phenotype(rows)),
        fits=tuple(_fits(rows)),
    )


def compares(rows: Rows) -> bool:
    """Whether the model with the phenotypes stands beside one of clinical variables alone."""
    return bool(rows.of("cox", model="clinical") or rows.of("concordance", model="clinical"))


def test_of(rows: Rows, *, model: str, term: str) -> Estimate | None:
    """The test of what a model adds: of likelihoods, or robust where rows are clustered or weighted."""
    return rows.one("likelihood_ratio", model=model, term=term) or rows.one("wald", model=model, term=term)


def _people(rows: Rows) -> str:
    row = next((r for r in rows.of("concordance", model="clinical_cmr") if r.n is not None or r.suppressed), None)
    return "" if row is None else f"{size_words('n', row.n, row)}, {size_words('events', row.events, row)}"


def _figure_rows(rows: Rows, facts: SurvivalFacts) -> list[FigureRow]:
    made = []
    for figure in FIGURES:
        found = [r for r in rows.of(figure.analysis) if r.model in MODELS]
        for time in in_order(r.level for r in found) if figure.timed else [""]:
            for kind in STANDINGS:
                cells = {r.model: r for r in reversed(found) if standing(r) == kind and time in {"", r.level}}
                if cells:
                    known = [r for r in rows.of(figure.difference, model="clinical_cmr") if time in {"", r.level}]
                    made.append(_figure_row(figure, time, kind, cells, difference_of(known, kind, cells), facts))
    return made


def difference_of(known: Sequence[Estimate], kind: str, cells: Mapping[str, Estimate]) -> Estimate | None:
    """The row of a difference of this standing, else that of the two figures themselves, which has no interval.

    `cells`: the figures of both models by their name. None where one of them is not there.
    """
    row = next((r for r in known if standing(r) == kind), None)
    clinical, both = (cells.get(model) for model in MODELS)
    if row is not None or clinical is None or both is None or clinical.estimate is None or both.estimate is None:
        return row
    return replace(both, estimate=both.estimate - clinical.estimate, lower=None, upper=None, p=None)


def _figure_row(
    figure: Figure,
    time: str,
    kind: str,
    cells: dict[str, Estimate],
    difference: Estimate | None,
    facts: SurvivalFacts,
) -> FigureRow:
    name = f"{figure.name} at {time_of(time, facts)}" if time else figure.name
    said = [
        with_interval(row, decimals=figure.decimals, scale=figure.scale)
        for row in (cells.get("clinical"), cells.get("clinical_cmr"), difference)
    ]
    return FigureRow(
        name=f"{name}, %" if figure.scale == 100.0 else name,
        standing=kind,
        clinical=said[0],
        both=said[1],
        difference=said[2],
        p="" if difference is None or difference.p is None else p_said(difference.p),
    )


def time_of(time: str, facts: SurvivalFacts) -> str:
    """A row's time with its unit."""
    return f"{number(float(time), decimals=0 if float(time) == round(float(time)) else 1)} {facts.time_unit}"


def _learned(rows: Rows) -> list[tuple[str, str, str]]:
    made = []
    for analysis, name in (("penalised", "Elastic net on embeddings"), ("forest", "Random survival forest")):
        mean = rows.one(analysis, level="mean")
        if mean is not None:
            folds = [r for r in rows.of(analysis) if r.level != "mean" and r.estimate is not None]
            said = ", ".join(number(r.estimate, decimals=3) for r in folds)
            made.append((name, with_interval(mean, decimals=3), said))
    return made


def _by_phenotype(rows: Rows) -> list[tuple[str, str, str, str]]:
    made = []
    for row in (r for r in rows.of("concordance") if bare_model(r.model) == "adjusted"):
        test = test_of(rows, model=row.model, term=row.group)
        said = NONE
        if test is not None and test.estimate is not None:
            said = f"χ² {number(test.estimate, decimals=1)}, {p_said(test.p)}"
        kind = f"{standing(row)}{cases_of(row.model)}"
        made.append((title_of(row.group), kind, with_interval(row, decimals=3), said))
    return made


def _fits(rows: Rows) -> list[tuple[str, str, str]]:
    made = []
    for row in rows.of("model_fit", term="aic"):
        if row.model in MODELS:
            loglik = rows.one("model_fit", model=row.model, term="loglik", group=row.group)
            said = number(loglik.estimate if loglik else None, decimals=1)
            made.append((model_words(row.model), number(row.estimate, decimals=1), said))
    return made
