"""Section 4 of the page, first part: hazard ratios of the phenotypes, unadjusted and adjusted, and their checks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.effect_charts import ForestRow, forest
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.words import (
    COMPLETE_CASE,
    bare_model,
    cases_of,
    count_words,
    first_up,
    model_words,
    p_said,
    p_words,
    per_words,
    ratio_interval,
    title_of,
)
from cinema_cli.reports.render import number
from cinema_cli.reports.survival.facts import SurvivalFacts

SENSITIVITIES = (("cox", "age_scale", "Age as time scale"), ("fine_gray", "", "Fine-Gray, subdistribution"))


@dataclass(frozen=True, slots=True)
class HazardRow:
    """A phenotype in the table of hazard ratios, worded."""

    name: str
    per: str
    unadjusted: str
    unadjusted_p: str  # p and q, both as words
    adjusted: str
    adjusted_p: str
    n: str
    events: str
    per_term: str
    few: bool  # fewer than 10 events per term


@dataclass(frozen=True, slots=True)
class ModelTable:
    """Every term of one adjusted model."""

    title: str
    rows: tuple[tuple[str, str, str, str], ...]  # term, per, hazard ratio, p


@dataclass(frozen=True, slots=True)
class Hazards:
    """The forest and its numbers, the models term by term, the sensitivity analyses."""

    forest: Markup | None
    rows: tuple[HazardRow, ...]
    models: tuple[ModelTable, ...]
    sensitivity_heads: tuple[str, ...]
    sensitivities: tuple[tuple[str, ...], ...]
    not_estimable: tuple[str, ...]
    missing_information: tuple[tuple[str, str, str], ...]  # model, term, share


def hazards_section(rows: Rows, facts: SurvivalFacts) -> Hazards:
    """Words and figure of the hazard ratios."""
    phenotypes = phenotypes_of(rows)
    sensitivity_heads, sensitivities = _sensitivities(rows, phenotypes, facts)
    return Hazards(
        forest=_forest(rows, phenotypes, facts),
        rows=tuple(_hazard_row(rows, phenotype, facts) for phenotype in phenotypes),
        models=tuple(_models(rows, phenotypes, facts)),
        sensitivity_heads=sensitivity_heads,
        sensitivities=sensitivities,
        not_estimable=tuple(not_estimable(rows)),
        missing_information=tuple(
            (_of_model(row), title_of(row.term), number(row.estimate, decimals=2)) for row in rows.of("imputation")
        ),
    )


def decimals_of(facts: SurvivalFacts) -> int:
    """Decimals of hazard ratios: those per unit lie nearer to 1."""
    return 3 if facts.per == "unit" else 2


def phenotypes_of(rows: Rows) -> list[str]:
    """Phenotypes with a hazard ratio, as the table has them."""
    cox = [r for model in ("unadjusted", "adjusted") for r in rows.of("cox", model=model, group="")]
    return in_order(row.term for row in cox)


def main_row(rows: Rows, phenotype: str, *, model: str = "adjusted") -> Estimate | None:
    """The hazard ratio of a phenotype in one of its models."""
    return rows.one("cox", model=model, term=phenotype, group="")


def _forest(rows: Rows, phenotypes: Sequence[str], facts: SurvivalFacts) -> Markup | None:
    models = [m for m in ("unadjusted", "adjusted") if rows.of("cox", model=m, group="")]
    lines = []
    for phenotype in phenotypes:
        found = [main_row(rows, phenotype, model=model) for model in models]
        said = tuple(ratio_interval(row, decimals=decimals_of(facts)).replace(" to ", "–") for row in found)
        lines.append(ForestRow(title_of(phenotype), tuple(_interval(row) for row in found), said))
    if not any(interval for line in lines for interval in line.intervals):
        return None
    panels = [first_up(model_words(model)) for model in models]
    return forest(lines, panels=panels, title="Hazard ratios of the phenotypes with 95% confidence intervals")


def _interval(row: Estimate | None) -> tuple[float, float, float] | None:
    if row is None or row.estimate is None or row.lower is None or row.upper is None or min(row.lower, row.upper) <= 0:
        return None
    return row.lower, row.estimate, row.upper


def _hazard_row(rows: Rows, phenotype: str, facts: SurvivalFacts) -> HazardRow:
    alone, adjusted = (main_row(rows, phenotype, model=m) for m in ("unadjusted", "adjusted"))
    main = adjusted or alone
    assert main is not None
    per_term = rows.one("model_fit", model=main.model, term="events_per_term", group=phenotype)
    known = None if per_term is None else per_term.estimate
    return HazardRow(
        name=title_of(phenotype),
        per=per_words(main.unit),
        unadjusted=ratio_interval(alone, decimals=decimals_of(facts)),
        unadjusted_p=_p_and_q(alone),
        adjusted=ratio_interval(adjusted, decimals=decimals_of(facts)),
        adjusted_p=_p_and_q(adjusted),
        n=count_words(main.n, main),
        events=count_words(main.events, main),
        per_term=number(known, decimals=1),
        few=known is not None and known < 10,
    )


def _p_and_q(row: Estimate | None) -> str:
    """`p < 0.001, q = 0.002`."""
    if row is None:
        return ""
    known = [p_said(v, name=name) for name, v in (("p", row.p), ("q", row.q)) if v is not None]
    return ", ".join(known)


def _models(rows: Rows, phenotypes: Sequence[str], facts: SurvivalFacts) -> list[ModelTable]:
    """The adjusted model of each phenotype, then the models of everything clinical and of all together."""
    made = []
    for phenotype in phenotypes:
        main = main_row(rows, phenotype)
        covariates = rows.of("cox", model="adjusted", group=phenotype)
        if main is not None and covariates:
            made.append(_model_table(f"{title_of(phenotype)}, adjusted", [main, *covariates], facts))
    for model in ("clinical", "clinical_cmr"):
        if terms := rows.of("cox", model=model):
            made.append(_model_table(f"{first_up(model_words(model))} model", terms, facts))
    return made


def _model_table(title: str, terms: Sequence[Estimate], facts: SurvivalFacts) -> ModelTable:
    lines = []
    for row in terms:
        fine = (
            facts.per == "sd"
            and row.term not in facts.phenotypes
            and not row.unit.removeprefix("per ").startswith("SD")
        )
        decimals = 3 if fine and " against " not in row.unit else decimals_of(facts)
        lines.append((title_of(row.term), per_words(row.unit), ratio_interval(row, decimals=decimals), p_words(row.p)))
    return ModelTable(title, tuple(lines))


def _sensitivities(
    rows: Rows, phenotypes: Sequence[str], facts: SurvivalFacts
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Heads and lines: the adjusted hazard ratio beside those of other ways to look at it."""
    columns: list[tuple[str, list[Estimate | None]]] = []
    for analysis, model, title in SENSITIVITIES:
        found = [_other_row(rows, analysis, p, {model} if model else {"adjusted", "unadjusted"}) for p in phenotypes]
        known = [row for row in found if row is not None]
        if known:
            columns.append((f"{title}{cases_of(known[0].model)}", found))
    main = "adjusted" if rows.of("cox", model="adjusted", group="") else "unadjusted"
    complete = [main_row(rows, p, model=f"{main}{COMPLETE_CASE}") for p in phenotypes]
    if any(complete):
        columns.append(("Complete cases", complete))
    confounding = [_e_value(rows, p) for p in phenotypes]
    if not columns and not any(confounding):
        return (), ()
    heads = (first_up(main), *(title for title, _ in columns), "E-value")
    lines = []
    for k, phenotype in enumerate(phenotypes):
        shown = [main_row(rows, phenotype, model=main), *(found[k] for _, found in columns)]
        cells = (f"{ratio_interval(row, decimals=decimals_of(facts))}" for row in shown)
        lines.append((title_of(phenotype), *cells, confounding[k]))
    return heads, tuple(lines)


def _other_row(rows: Rows, analysis: str, phenotype: str, models: Collection[str]) -> Estimate | None:
    """The hazard ratio of a phenotype in another kind of model, which may be of complete cases alone."""
    found = (r for r in rows.of(analysis, term=phenotype, group="") if bare_model(r.model) in models)
    return next(found, None)


def _e_value(rows: Rows, phenotype: str) -> str:
    """How strong a confounder would have to be, for the estimate and for its nearer limit; pooled where that is."""
    found = rows.of("e_value", term=phenotype)
    row = next((r for r in found if not cases_of(r.model)), None) or next(iter(found), None)
    if row is None or row.estimate is None:
        return ""
    return f"{number(row.estimate, decimals=2)} ({number(row.lower, decimals=2)})"


def _of_model(row: Estimate) -> str:
    """In which model a row stands, for a reader."""
    model = model_words(row.model)
    return f"{model}, {title_of(row.group)}" if row.group else model


def not_estimable(rows: Rows) -> list[str]:
    """What could not be estimated and why, in sentences."""
    said = []
    for row in rows.of("not_estimable"):
        where = ", ".join(w for w in (title_of(row.term) if row.term else "", _of_model(row)) if w)
        said.append(f"{where}: {row.level}" if where else first_up(row.level))
    return in_order(said)
