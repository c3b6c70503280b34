"""How good a Cox model will be for new people: its apparent figures less their optimism, by Harrell's bootstrap."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from cinema_cli.analysis.statistics.baseline import Baseline, baseline_hazard, predicted_survival
from cinema_cli.analysis.statistics.censoring import follow_up
from cinema_cli.analysis.statistics.concordance import harrell_c
from cinema_cli.analysis.statistics.cox import CoxFit, fit_risk_sets, linear_predictor
from cinema_cli.analysis.statistics.known_status import KnownStatus, known_status
from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.statistics.partial_likelihood import partial_likelihood
from cinema_cli.analysis.statistics.prediction import area_under_curve, brier_score
from cinema_cli.analysis.statistics.resampling import resampler
from cinema_cli.analysis.statistics.risk_sets import RiskSets, risk_sets
from cinema_cli.domain.errors import NotEstimableError

PIECE = 5  # resamples of a piece of work
MEASURES = {
    "c": "Harrell's C",
    "slope": "slope of the linear predictor",
    "r2": "share of the log likelihood explained, Nagelkerke's R squared",
    "d": "discrimination index, (likelihood ratio chi-squared - 1) / (-2 log likelihood of no model)",
    "u": "unreliability index, what refitting the slope gains of it; -2 for that chi-squared in a model's own people",
    "q": "quality index, D - U",
    "g": "Gini's mean difference of the linear predictor times its slope",
}
MEASURES_AT = {
    "auc": "area under the ROC curve",
    "brier": "Brier score",
    "ipa": "1 - Brier / Brier of the null model",
    "observed_expected": "observed over expected events",
}


@dataclass(frozen=True, slots=True)
class Corrected:
    """One figure of a model, in its own data, in resamples and in new people."""

    measure: str  # of MEASURES or MEASURES_AT
    horizon: float | None  # of MEASURES_AT
    apparent: float  # the model in the people it was fitted to
    training: float  # mean of refitted models in their own resamples
    test: float  # mean of refitted models in all people
    optimism_se: float  # Monte-Carlo error of the optimism

    @property
    def optimism(self) -> float:
        """How much the apparent figure differs from that in new people."""
        return self.training - self.test

    @property
    def corrected(self) -> float:
        """What to expect in new people from the same source."""
        return self.apparent - self.optimism


@dataclass(frozen=True, slots=True)
class Validation:
    """Optimism-corrected figures of one model."""

    figures: tuple[Corrected, ...]
    n_resamples: int  # those that could be fitted
    n_failed: int

    def figure(self, measure: str, horizon: float | None = None) -> Corrected:
        """One of the figures."""
        return next(f for f in self.figures if (f.measure, f.horizon) == (measure, horizon))


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """Rows with what all figures of them need."""

    outcome: Outcome
    x: Floats
    strata: Ints | None
    sets: RiskSets
    statuses: tuple[KnownStatus, ...]

    @classmethod
    def of(cls, outcome: Outcome, x: Floats, strata: Ints | None, horizons: Sequence[float]) -> "_People":
        seen = follow_up(outcome)
        statuses = tuple(known_status(outcome, horizon, seen=seen) for horizon in horizons)
        return cls(outcome, x, strata, risk_sets(outcome, strata=strata), statuses)

    def take(self, rows: Ints) -> "_People":
        strata = None if self.strata is None else self.strata[rows]
        return _People.of(self.outcome.take(rows), self.x[rows], strata, [s.horizon for s in self.statuses])

    def of_strata_in(self, others: "_People") -> "_People":
        """Those whose stratum some of the others are in: a model of the others knows no baseline hazard elsewhere."""
        if self.strata is None or others.strata is None:
            return self
        known = np.isin(self.strata, others.strata)
        return self if known.all() else self.take(np.flatnonzero(known))


@dataclass(frozen=True, slots=True, eq=False)
class _Model:
    """A Cox model with the people it was fitted to."""

    people: _People
    fit: CoxFit
    baseline: Baseline

    @classmethod
    def of(cls, people: _People, names: Sequence[str], start: Floats | None = None) -> "_Model":
        fit = fit_risk_sets(people.sets, people.x, names=names, start=start)
        return cls(people, fit, baseline_hazard(fit, people.outcome, people.x, strata=people.strata))


@dataclass(frozen=True, slots=True, eq=False)
class _Resamples:
    """A piece of work: the data, and the streams of random numbers of some resamples."""

    outcome: Outcome
    x: Floats
    strata: Ints | None
    cluster: Ints | None
    horizons: tuple[float, ...]
    names: tuple[str, ...]
    start: Floats
    streams: tuple[np.random.Generator, ...]


class InPieces(Protocol):
    """Does work in pieces, `total` of them, and gives the results in their order."""

    def __call__(
        self, work: Callable[[_Resamples], list[tuple[Floats, Floats]]], pieces: Iterable[_Resamples], *, total: int
    ) -> Iterable[list[tuple[Floats, Floats]]]:
        """See the class."""


def in_turn(
    work: Callable[[_Resamples], list[tuple[Floats, Floats]]], pieces: Iterable[_Resamples], *, total: int
) -> Iterable[list[tuple[Floats, Floats]]]:
    """One piece after the other, here."""
    return map(work, pieces)


def optimism_corrected(
    outcome: Outcome,
    x: Floats,
    *,
    names: Sequence[str],
    horizons: Sequence[float],
    n_resamples: int,
    seed: int,
    strata: Ints | None = None,
    cluster: Ints | None = None,
    in_pieces: InPieces = in_turn,
) -> Validation:
    """Figures of a Cox model (Efron) of x (n, p) without their optimism (Harrell, Lee and Mark, Stat Med 1996;15:361).

    The model is refitted in resamples of people (`cluster` (n,) says whose rows belong together) and its figures there
    compared with those of the refitted model in all people whose stratum was drawn. Competing events count as
    censorings. Resamples that cannot be fitted are left out and counted. `in_pieces` may spread the work over
    processes, which changes no number.

    Raises NotEstimableError as `fit_cox` and `known_status`, and where fewer than half of the resamples can be fitted.
    """
    outcome = outcome.cause_specific()
    everybody = _People.of(outcome, x, strata, horizons)
    model = _Model.of(everybody, names)
    streams = np.random.default_rng(seed).spawn(n_resamples)
    work = _Resamples(outcome, x, strata, cluster, tuple(horizons), tuple(names), model.fit.coef, ())
    pieces = [replace(work, streams=tuple(streams[k : k + PIECE])) for k in range(0, n_resamples, PIECE)]
    found = [pair for pairs in in_pieces(_resampled, pieces, total=len(pieces)) for pair in pairs]
    training, test = [own for own, _ in found], [all_people for _, all_people in found]
    if 2 * len(training) < n_resamples:
        raise NotEstimableError(
            f"only {len(training)} of {n_resamples} resamples could be fitted: optimism is not estimable",
            hint="Too few events for so many columns.",
        )
    spread = np.std(np.subtract(training, test), axis=0, ddof=1) / np.sqrt(len(training))
    labels = [(m, None) for m in MEASURES] + [(m, horizon) for horizon in horizons for m in MEASURES_AT]
    columns = (_figures(model, everybody), np.mean(training, axis=0), np.mean(test, axis=0), spread)
    figures = tuple(
        Corrected(measure, horizon, *map(float, values))
        for (measure, horizon), *values in zip(labels, *columns, strict=True)
    )
    return Validation(figures, len(training), n_resamples - len(training))


def _resampled(work: "_Resamples") -> list[tuple[Floats, Floats]]:
    """Figures of refitted models in their own resample and in everybody; of those that can be fitted."""
    everybody = _People.of(work.outcome, work.x, work.strata, work.horizons)
    draw = resampler(work.outcome.n, cluster=work.cluster)
    found = []
    for rng in work.streams:
        with suppress(NotEstimableError):
            refitted = _Model.of(everybody.take(draw(rng)), work.names, work.start)
            test = everybody.of_strata_in(refitted.people)
            found.append((_figures(refitted, refitted.people), _figures(refitted, test)))
    return found


def _figures(model: _Model, people: _People) -> Floats:
    """Values of MEASURES, then of MEASURES_AT at each horizon, of a model in some people, its own or others."""
    predictor = linear_predictor(model.fit, people.x)
    n = people.outcome.n
    values = [
        harrell_c(people.outcome, predictor, strata=people.strata),
        *_likelihood_figures(model, people, predictor),
    ]
    times = np.array([status.horizon for status in people.statuses])
    risks = 1.0 - predicted_survival(model.fit, model.baseline, people.x, times, strata=people.strata)
    for status, risk in zip(people.statuses, risks.T, strict=True):
        brier, null = brier_score(status, risk), brier_score(status, np.full(n, status.risk))
        values += [area_under_curve(status, risk), brier, 1.0 - brier / null, status.risk / float(risk.mean())]
    return np.array(values)


def _likelihood_figures(model: _Model, people: _People, predictor: Floats) -> list[float]:
    """Slope, R2, D, U, Q and g, as rms::validate.cph of R has them."""
    n, as_it_is = people.outcome.n, np.ones(1)
    if people is model.people:
        judged, slope, gained = model.fit, 1.0, -2.0
    else:
        judged = fit_risk_sets(people.sets, predictor[:, None], names=["linear predictor"], start=as_it_is)
        frozen = partial_likelihood(people.sets, predictor[None, people.sets.rows], as_it_is)
        slope, gained = float(judged.coef[0]), 2.0 * (judged.loglik - frozen.loglik)
    r2 = np.expm1(-judged.lrt / n) / np.expm1(2.0 * judged.loglik_null / n)
    d, u = (chi2 / (-2.0 * judged.loglik_null) for chi2 in (judged.lrt - 1.0, gained))
    return [slope, float(r2), d, u, d - u, slope * _mean_difference(predictor)]


def _mean_difference(values: Floats) -> float:
    """Gini's mean difference of values (n,): the mean over pairs of how far they lie apart."""
    n = len(values)
    return float(2.0 * (2.0 * np.arange(n) - n + 1.0) @ np.sort(values) / (n * (n - 1.0)))
