"""A fitted model with the order in which it puts people, and what is said of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import inf

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.baseline import baseline_hazard, predicted_survival
from cinema_cli.analysis.statistics.comparison import Difference, Figure, Score
from cinema_cli.analysis.statistics.concordance import Concordance, concordance, concordance_difference
from cinema_cli.analysis.statistics.cox import CoxFit, likelihood_ratio, linear_predictor, wald_test
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.survival.models import ModelData, Place, fit_rows, term_rows

APPARENT = "apparent"
FEWEST_EVENTS = 10  # from which on the standard error of a C, an AUC or a Brier score is believed


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A Cox model, the rows it was fitted to, and Harrell's C there: apparent."""

    place: Place
    data: ModelData
    fit: CoxFit
    c: Concordance

    @property
    def predictor(self) -> Floats:
        """Log hazard ratio (n,) of each row."""
        return linear_predictor(self.fit, self.data.design.x)

    def risks(self, times: Floats) -> Floats:
        """Risk (n, k) by each time of the rows it was fitted to: apparent."""
        d = self.data
        baseline = baseline_hazard(self.fit, d.outcome, d.design.x, weights=d.weights, strata=d.strata)
        return 1.0 - predicted_survival(self.fit, baseline, d.design.x, times, strata=d.strata)

    def row(self, analysis: str) -> Estimate:
        """A row about the whole model."""
        place, fit = self.place, self.fit
        about = Estimate(analysis, place.outcome, place.model, group=place.group, level=APPARENT)
        return replace(about, n=fit.n, events=fit.n_events)


def fitted_model(place: Place, data: ModelData) -> FittedModel:
    """Fit all columns of the data. Raises NotEstimableError."""
    fit = data.fit()
    risk = linear_predictor(fit, data.design.x)
    c = concordance(data.outcome, risk, weights=data.weights, strata=data.strata, cluster=data.cluster)
    return FittedModel(place, data, fit, c)


def fitted_rows(model: FittedModel) -> Iterator[Estimate]:
    """Hazard ratios of all terms, how well the model fits, and its C."""
    yield from term_rows(model.place, model.fit, model.data)
    yield from fit_rows(model.place, model.fit, model.data)
    yield figure_row(model.row("concordance"), model.c, low=0.0, high=1.0)


def added_rows(model: FittedModel, without: FittedModel, *, term: str) -> Iterator[Estimate]:
    """What a model has over one without some of its columns, in the same rows.

    The likelihood ratio test holds where rows are independent and count as one; elsewhere the robust Wald test of the
    added columns takes its place.
    """
    row = replace(model.row("likelihood_ratio"), term=term, group="")
    if model.data.cluster is None and model.data.weights is None:
        test = likelihood_ratio(without.fit, model.fit)
    else:
        added = [k for k, name in enumerate(model.fit.names) if name not in without.fit.names]
        row, test = replace(row, analysis="wald"), wald_test(model.fit, added)
    yield replace(row, level=str(test.df), estimate=test.statistic, p=test.p)
    yield difference_row(model.row("concordance_difference"), concordance_difference(model.c, without.c))


def figure_row(row: Estimate, found: Figure | Score, *, low: float = -inf, high: float = inf) -> Estimate:
    """A row with a figure, and with its limits, within `low`..`high`, where there are events enough for them."""
    row = replace(row, estimate=found.estimate)
    if (row.events or 0) < FEWEST_EVENTS:
        return row
    return replace(row, lower=max(found.lower, low), upper=min(found.upper, high), se=found.se)


def difference_row(row: Estimate, found: Difference) -> Estimate:
    """A row with a difference, and with its limits and its p where there are events enough for them."""
    row = figure_row(row, found, low=-1.0, high=1.0)
    return row if row.se is None else replace(row, p=found.p)
