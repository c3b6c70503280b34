"""Whether risks that were predicted for unseen people came true, and what acting on them would bring."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.calibration import (
    calibration,
    calibration_slope,
    smooth_calibration,
)
from cinema_cli.analysis.statistics.decision import net_benefit
from cinema_cli.analysis.statistics.held_out import HeldOut, held_out_predictions
from cinema_cli.analysis.statistics.limits import Z95
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Outcome
from cinema_cli.analysis.survival.effects import PEOPLE_BEYOND, inner_range
from cinema_cli.analysis.survival.fitted import FittedModel
from cinema_cli.analysis.survival.models import ModelData
from cinema_cli.domain.errors import NotEstimableError

HELD_OUT = "held-out"  # what the unit of these rows says of their predictions
UNPREDICTABLE = "people whose stratum is in no other fold are not predictable, and left out of held-out figures"
MOST_POINTS = 99  # of a smooth calibration curve
THRESHOLDS, MOST_AT = 40, 0.95  # of a decision curve: up to this quantile of the predicted risks


def calibration_rows(models: Mapping[str, FittedModel], *, horizon: float, seed: int) -> Iterator[Estimate]:
    """Observed against predicted risk at the horizon, and net benefit, by model. Raises NotEstimableError.

    Of people who can be predicted: the same for all models, which have the same rows, strata and clusters.
    """
    risks: dict[str, Floats] = {}
    for name, model in models.items():
        predicted = _unseen(model, horizon, seed)
        data, risk = model.data.take(predicted.rows), predicted.risk[:, 0]
        outcome, risks[name] = data.outcome, risk
        if len(risk) < model.data.outcome.n:
            yield model.place.cannot(NotEstimableError(UNPREDICTABLE), term="calibration")
        row = Estimate("calibration", model.place.outcome, name, unit=HELD_OUT)
        found = calibration(outcome, risk, horizon=horizon)
        everybody = found.everybody
        yield replace(
            row,
            analysis="observed_expected",
            group=HELD_OUT,
            level=repr(horizon),
            n=everybody.n,
            events=everybody.events,
            estimate=found.ratio,
            lower=found.lower,
            upper=found.upper,
        )
        for tenth, part in enumerate(found.groups, start=1):
            if not np.isfinite(part.observed):
                said = f"nobody in tenth {tenth} of the predicted risks is followed to {horizon:g}: no observed risk"
                yield model.place.cannot(NotEstimableError(said), term="calibration")
                continue
            yield replace(
                row,
                group=str(tenth),
                level=repr(part.predicted),
                n=part.n,
                events=part.events,
                estimate=part.observed,
                lower=part.lower,
                upper=part.upper,
            )
        yield _slope(replace(row, analysis="calibration_slope", group=HELD_OUT), data, predicted)
        yield from _smooth(replace(row, n=outcome.n, events=outcome.n_events), outcome, risk, horizon)
    yield from _decisions(outcome, risks, row=Estimate("decision_curve", row.outcome, unit=HELD_OUT), horizon=horizon)


def _unseen(model: FittedModel, horizon: float, seed: int) -> HeldOut:
    d = model.data
    return held_out_predictions(
        d.outcome, d.design.x, names=d.design.names, horizons=[horizon], seed=seed, strata=d.strata, cluster=d.cluster
    )


def _slope(row: Estimate, data: ModelData, predicted: HeldOut) -> Estimate:
    """How far the hazard follows the linear predictor."""
    outcome = data.outcome
    found = calibration_slope(outcome, predicted.predictor, strata=data.strata, cluster=data.cluster)
    return replace(
        row,
        n=outcome.n,
        events=outcome.n_events,
        estimate=found.estimate,
        lower=found.estimate - Z95 * found.se,
        upper=found.estimate + Z95 * found.se,
        se=found.se,
    )


def _smooth(row: Estimate, outcome: Outcome, risk: Floats, horizon: float) -> Iterator[Estimate]:
    """The smooth curve at as many predicted risks as leave PEOPLE_BEYOND people between two, and beyond the last."""
    most = min(MOST_POINTS, len(risk) // PEOPLE_BEYOND)
    low, high = inner_range(risk, 0.01) if most > 1 else (1.0, 0.0)
    try:
        curve = smooth_calibration(outcome, risk, horizon=horizon, n_points=max(most, 1))
    except NotEstimableError:  # tenths remain
        return
    for k in np.flatnonzero((curve.predicted >= low) & (curve.predicted <= high)):
        predicted = curve.predicted[k]
        yield replace(
            row,
            analysis="calibration_smooth",
            level=repr(float(predicted)),
            estimate=float(curve.observed[k]),
            lower=float(curve.lower[k]),
            upper=float(curve.upper[k]),
        )


def _decisions(outcome: Outcome, risks: Mapping[str, Floats], *, row: Estimate, horizon: float) -> Iterator[Estimate]:
    """Net benefit of each model, of acting on all and on none, at the same thresholds.

    n and events (by the horizon) are of people above the threshold, for all and none of everybody.
    """
    most = max(float(np.quantile(risk, MOST_AT)) for risk in risks.values())
    thresholds = np.linspace(0.0, min(most, 0.99), THRESHOLDS + 1)[1:]
    had_event = (outcome.event == EVENT) & (outcome.time <= horizon)
    row = replace(row, n=outcome.n, events=int(np.count_nonzero(had_event)))
    for name, risk in risks.items():
        found = net_benefit(outcome, risk, horizon=horizon, thresholds=thresholds)
        for benefit in _benefits(replace(row, model=name), thresholds, found.model):
            above = risk > float(benefit.level)
            events = int(np.count_nonzero(above & had_event))
            yield replace(benefit, n=int(np.count_nonzero(above)), events=events)
    yield from _benefits(replace(row, model="all"), thresholds, found.everybody)
    yield from _benefits(replace(row, model="none"), thresholds, np.zeros(len(thresholds)))


def _benefits(row: Estimate, thresholds: Floats, benefit: Floats) -> Iterator[Estimate]:
    for threshold, value in zip(thresholds, benefit, strict=True):
        if np.isfinite(value):
            yield replace(row, level=repr(float(threshold)), estimate=float(value))
