"""Each phenotype against the outcome, alone and adjusted, and whether the model holds: section 4 of the report."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.e_value import e_value
from cinema_cli.analysis.statistics.fine_gray import fine_gray
from cinema_cli.analysis.statistics.multiplicity import Multiplicity, adjusted
from cinema_cli.analysis.statistics.outcome import EVENT, Outcome
from cinema_cli.analysis.statistics.rounding import rounded_times
from cinema_cli.analysis.survival.columns import AGES
from cinema_cli.analysis.survival.effects import effect_rows, proportional_rows, spline_rows
from cinema_cli.analysis.survival.fitted import FittedModel, added_rows, fitted_model, fitted_rows
from cinema_cli.analysis.survival.models import ModelData, Place, model_data, term_rows
from cinema_cli.analysis.survival.settings import SurvivalSettings
from cinema_cli.analysis.survival.table import PARTICIPANT, AnalysisTable
from cinema_cli.domain.errors import NotEstimableError

RARE = 0.15  # share of people with the event under which a hazard ratio is about a risk ratio


def phenotype_rows(table: AnalysisTable, phenotype: str, settings: SurvivalSettings) -> Iterator[Estimate]:
    """All that is said of one phenotype; the models without and with covariates are of the same people."""
    covariates = [name for name in table.covariates if name != phenotype]
    places = {model: Place(table.outcome_name, model, phenotype) for model in ("unadjusted", "adjusted", "age_scale")}
    try:
        data = model_data(table, [phenotype, *covariates], per=settings.per)
        alone = fitted_model(places["unadjusted"], data.only(phenotype))
    except NotEstimableError as error:
        yield places["unadjusted"].cannot(error)
        return
    yield from fitted_rows(alone)
    main = alone
    if covariates:
        try:
            main = fitted_model(places["adjusted"], data)
        except NotEstimableError as error:
            yield places["adjusted"].cannot(error)
            return
        yield from fitted_rows(main)
        yield from _added_to(covariates, main)
    hazard = next(row for row in term_rows(main.place, main.fit, main.data) if row.term == phenotype)
    if hazard.estimate is not None:
        yield confounding_row(hazard, rare=is_rare(table, main.data))
    yield from proportional_rows(main.place, main.fit, main.data)
    yield from effect_rows(main.place, main.fit, main.data)
    yield from spline_rows(main.place, main.data, phenotype)
    yield from _age_scale_rows(places["age_scale"], table, main.data)
    if table.competing_name:
        yield from _subdistribution_rows(main.place, table, main.data)


def with_q(rows: Iterable[Estimate], phenotypes: Iterable[str], method: Multiplicity) -> list[Estimate]:
    """The rows with the q values of phenotypes, over all phenotypes of a kind of analysis and model."""
    found, names = list(rows), set(phenotypes)
    kinds: dict[tuple[str, str], list[int]] = {}
    for at, row in enumerate(found):
        if row.analysis in {"cox", "fine_gray"} and row.term in names and not row.group and row.p is not None:
            kinds.setdefault((row.analysis, row.model), []).append(at)
    for places in kinds.values():
        q = adjusted(np.array([found[at].p for at in places]), method)
        for at, value in zip(places, q, strict=True):
            found[at] = replace(found[at], q=float(value))
    return found


def is_rare(table: AnalysisTable, data: ModelData) -> bool:
    """Whether so few people have the event that a hazard ratio is about a risk ratio."""
    people = table.rows[PARTICIPANT][data.rows]
    with_event = people.filter(data.outcome.event == EVENT)
    return with_event.n_unique() < RARE * people.n_unique()


def confounding_row(hazard: Estimate, *, rare: bool) -> Estimate:
    """How strong an unmeasured confounder would have to be to explain a row of a hazard ratio away."""
    assert hazard.estimate is not None and hazard.lower is not None and hazard.upper is not None
    limits = hazard.lower, hazard.upper
    nearest = 1.0 if limits[0] <= 1.0 <= limits[1] else min(limits, key=lambda limit: abs(np.log(limit)))
    row = Estimate("e_value", hazard.outcome, hazard.model, hazard.term, n=hazard.n, events=hazard.events)
    return replace(row, estimate=e_value(hazard.estimate, rare=rare), lower=e_value(nearest, rare=rare))


def _added_to(covariates: list[str], model: FittedModel) -> Iterator[Estimate]:
    """What the phenotype adds to the covariates alone."""
    try:
        without = fitted_model(model.place, model.data.only(*covariates))
    except NotEstimableError as error:
        yield model.place.cannot(error)
        return
    yield from added_rows(model, without, term=model.place.group)


def _age_scale_rows(place: Place, table: AnalysisTable, data: ModelData) -> Iterator[Estimate]:
    """The sensitivity analysis in which people are compared at the same age, entering at that of their study."""
    age = next((name for name in AGES if name in table.covariates), None)
    if age is None or data.outcome.entry is not None or table.time_unit != "years":
        return
    others = [term for term in dict.fromkeys(data.design.terms) if term != age]
    ages = table.floats(age, data.rows)
    entry, exit_ = rounded_times(np.column_stack([ages, ages + data.outcome.time])).T
    aged = replace(data.only(*others), outcome=Outcome(exit_, data.outcome.event, entry))
    try:
        if np.any(entry >= exit_):
            raise NotEstimableError("times are too short beside ages: on the scale of age they are lost to rounding")
        yield from term_rows(place, aged.fit(), aged)
    except NotEstimableError as error:
        yield place.cannot(error)


def _subdistribution_rows(place: Place, table: AnalysisTable, data: ModelData) -> Iterator[Estimate]:
    """Fine and Gray's model of the same columns, in which a competing event keeps people at risk."""
    try:
        if data.weights is not None or data.strata is not None:
            raise NotEstimableError("Fine and Gray's model is not offered with strata or weights", hint="")
        fit = fine_gray(table.outcome(data.rows), data.design.x, names=data.design.names, cluster=data.cluster)
    except NotEstimableError as error:
        yield place.cannot(error)
        return
    yield from term_rows(place, fit, data, analysis="fine_gray")
