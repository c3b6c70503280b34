"""What may be expected of a model in new people: apparent figures less what the bootstrap says they flatter."""

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.optimism import MEASURES, MEASURES_AT, Corrected, optimism_corrected
from cinema_cli.analysis.statistics.outcome import Floats
from cinema_cli.analysis.survival.fitted import FittedModel
from cinema_cli.domain.errors import NotEstimableError
from cinema_cli.io.processes import Team

CORRECTED = "optimism-corrected"
_RANGES = {"c": (0.0, 1.0), "auc": (0.0, 1.0), "brier": (0.0, 1.0), "ipa": (-inf, 1.0), "observed_expected": (0.0, inf)}
_AT_TIMES = {"auc": "auc", "brier": "brier", "ipa": "ipa"}  # figures at a time -> analysis


def optimism_rows(model: FittedModel, times: Floats, *, n_resamples: int, seed: int, team: Team) -> Iterator[Estimate]:
    """Corrected figures of a model, and their optimism. Raises NotEstimableError."""
    data = model.data
    if data.weights is not None or n_resamples == 0:
        return
    found = optimism_corrected(
        data.outcome,
        data.design.x,
        names=data.design.names,
        horizons=times.tolist(),
        n_resamples=n_resamples,
        seed=seed,
        strata=data.strata,
        cluster=data.cluster,
        in_pieces=team.each,
    )
    row = Estimate("optimism", model.place.outcome, model.place.model, n=data.outcome.n, events=data.outcome.n_events)
    for figure in found.figures:
        level = "" if figure.horizon is None else repr(figure.horizon)
        if _possible(figure):
            yield from _corrected(replace(row, level=level), figure)
        else:
            name = (MEASURES | MEASURES_AT)[figure.measure]
            said = f"{name}: corrected for optimism it is no possible value, as events are too few"
            yield model.place.cannot(NotEstimableError(said), term=figure.measure)
        yield replace(
            row,
            term=figure.measure,
            level=level,
            estimate=figure.optimism,
            se=figure.optimism_se,
            unit=f"{found.n_resamples} resamples",
        )


def _possible(figure: Corrected) -> bool:
    """Whether a corrected figure is one that there can be: differences of means need not be."""
    low, high = _RANGES.get(figure.measure, (-inf, inf))
    return low <= figure.corrected <= high


def _corrected(row: Estimate, figure: Corrected) -> Iterator[Estimate]:
    """The row of a corrected figure that the report shows; none for the others."""
    row = replace(row, estimate=figure.corrected)
    if figure.measure == "c":
        yield replace(row, analysis="concordance", level=CORRECTED)
    elif figure.measure == "slope":
        yield replace(row, analysis="calibration_slope", group=CORRECTED)
    elif figure.measure == "observed_expected":
        yield replace(row, analysis="observed_expected", group=CORRECTED)
    elif figure.measure in _AT_TIMES:
        yield replace(row, analysis=_AT_TIMES[figure.measure], group=CORRECTED)
