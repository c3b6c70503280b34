"""Each phenotype against the outcome, alone and adjusted, and whether the model holds: section 4 of the report."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.comparison import Difference
from cinema_cli.analysis.statistics.concordance import Concordance, concordance, concordance_difference
from cinema_cli.analysis.statistics.cox import CoxFit, likelihood_ratio, linear_predictor
from cinema_cli.analysis.statistics.e_value import e_value
from cinema_cli.analysis.statistics.fine_gray import fine_gray
from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.multiplicity import benjamini_hochberg
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.survival.columns import AGES
from cinema_cli.analysis.survival.effects import effect_rows, proportional_rows, spline_rows
from cinema_cli.analysis.survival.models import ModelData, Place, fit_rows, model_data, term_rows
from cinema_cli.analysis.survival.settings import SurvivalSettings
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.domain.errors import NotEstimableError

APPARENT = "apparent"
RARE = 0.15  # share with the event under which a hazard ratio is about a risk ratio


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """A model with the order in which it puts people."""

    data: ModelData
    fit: CoxFit
    c: Concordance


def phenotype_rows(table: AnalysisTable, phenotype: str, settings: SurvivalSettings) -> Iterator[Estimate]:
    """All that is said of one phenotype; the models without and with covariates are of the same people."""
    covariates = [name for name in table.covariates if name != phenotype]
    places = {model: Place(table.outcome_name, model, phenotype) for model in ("unadjusted", "adjusted", "age_scale")}
    try:
        data = model_data(table, [phenotype, *covariates], per=settings.per)
        alone = _fitted(data.only(phenotype))
    except NotEstimableError as error:
        yield places["unadjusted"].cannot(error)
        return
    yield from _model_rows(places["unadjusted"], alone)
    main, place = alone, places["unadjusted"]
    if covariates:
        try:
            main, place = _fitted(data), places["adjusted"]
        except NotEstimableError as error:
            yield places["adjusted"].cannot(error)
            return
        yield from _model_rows(place, main)
        yield from _added_rows(place, main, covariates)
    yield _confounding_row(place, main)
    yield from proportional_rows(place, main.fit, main.data)
    yield from effect_rows(place, main.fit, main.data)
    yield from spline_rows(place, main.data, phenotype)
    yield from _age_scale_rows(places["age_scale"], table, main.data)
    if table.competing_name:
        yield from _subdistribution_rows(place, table, main.data)


def with_q(rows: Iterable[Estimate], phenotypes: Iterable[str]) -> list[Estimate]:
    """The rows with the q values of phenotypes, over all phenotypes of a kind of analysis and model."""
    found, names = list(rows), set(phenotypes)
    kinds: dict[tuple[str, str], list[int]] = {}
    for at, row in enumerate(found):
        if row.analysis in {"cox", "fine_gray"} and row.term in names and not row.group and row.p is not None:
            kinds.setdefault((row.analysis, row.model), []).append(at)
    for places in kinds.values():
        q = benjamini_hochberg(np.array([found[at].p for at in places]))
        for at, value in zip(places, q, strict=True):
            found[at] = replace(found[at], q=float(value))
    return found


def difference_row(row: Estimate, found: Difference) -> Estimate:
    """A row with a difference, its limits and its p."""
    return replace(
        row, estimate=found.estimate, lower=found.lower, upper=found.upper, se=found.se, p=found.p
    )  # fmt: skip


def _fitted(data: ModelData) -> _Fitted:
    fit = data.fit()
    return _Fitted(data, fit, model_concordance(data, linear_predictor(fit, data.design.x)))


def model_concordance(data: ModelData, risk: Floats) -> Concordance:
    """Harrell's C of a risk in the rows of a model."""
    return concordance(data.outcome, risk, weights=data.weights, strata=data.strata, cluster=data.cluster)


def _model_rows(place: Place, model: _Fitted) -> Iterator[Estimate]:
    yield from term_rows(place, model.fit, model.data)
    yield from fit_rows(place, model.fit, model.data)
    c = model.c
    yield Estimate(
        "concordance",
        place.outcome,
        place.model,
        group=place.group,
        level=APPARENT,
        n=model.fit.n,
        events=model.fit.n_events,
        estimate=c.c,
        lower=c.c - Z95 * c.se,
        upper=min(c.c + Z95 * c.se, 1.0),
        se=c.se,
    )


def _added_rows(place: Place, model: _Fitted, covariates: list[str]) -> Iterator[Estimate]:
    """What the phenotype adds to the covariates alone."""
    try:
        without = _fitted(model.data.only(*covariates))
    except NotEstimableError as error:
        yield place.cannot(error)
        return
    row = Estimate(
        "likelihood_ratio", place.outcome, place.model, place.group, n=model.fit.n, events=model.fit.n_events
    )
    test = likelihood_ratio(without.fit, model.fit)
    yield replace(row, level=str(test.df), estimate=test.statistic, p=test.p)
    row = replace(row, analysis="concordance_difference", term="", group=place.group, level=APPARENT)
    yield difference_row(row, concordance_difference(model.c, without.c))


def _confounding_row(place: Place, model: _Fitted) -> Estimate:
    """How strong an unmeasured confounder would have to be."""
    fit, k = model.fit, model.data.design.names.index(place.group)
    rare = fit.n_events < RARE * fit.n
    limits = float(fit.lower[k]), float(fit.upper[k])
    nearest = 1.0 if limits[0] <= 1.0 <= limits[1] else min(limits, key=lambda limit: abs(np.log(limit)))
    return Estimate(
        "e_value",
        place.outcome,
        place.model,
        place.group,
        n=fit.n,
        events=fit.n_events,
        estimate=e_value(float(fit.hazard_ratio[k]), rare=rare),
        lower=e_value(nearest, rare=rare),
    )


def _age_scale_rows(place: Place, table: AnalysisTable, data: ModelData) -> Iterator[Estimate]:
    """The sensitivity analysis in which people are compared at the same age, entering at that of their study."""
    age = next((name for name in AGES if name in table.covariates), None)
    if age is None or table.age_scale or table.has_intervals or table.time_unit != "years":
        return
    others = [term for term in dict.fromkeys(data.design.terms) if term != age]
    entry = table.floats(age, data.rows)
    aged = replace(
        data.only(*others),
        outcome=replace(data.outcome, time=entry + data.outcome.time, entry=entry + _entry(data)),
    )
    try:
        yield from term_rows(place, aged.fit(), aged)
    except NotEstimableError as error:
        yield place.cannot(error)


def _entry(data: ModelData) -> Floats:
    return np.zeros(data.outcome.n) if data.outcome.entry is None else data.outcome.entry


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
