"""A whole survival analysis: from its table to its estimates, section by section."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.analysis.survival.associations import phenotype_rows, with_q
from cinema_cli.analysis.survival.curves import curve_rows
from cinema_cli.analysis.survival.horizon import checked_horizon
from cinema_cli.analysis.survival.imputed import complete_case, pooled_rows
from cinema_cli.analysis.survival.intervals import as_people
from cinema_cli.analysis.survival.models import Place, told
from cinema_cli.analysis.survival.people import people_rows
from cinema_cli.analysis.survival.prediction import default_resamples, prediction_rows
from cinema_cli.analysis.survival.settings import Embeddings, SurvivalSettings
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.analysis.survival.unseen import embedding_rows, forest_rows
from cinema_cli.io.processes import Team

Said = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class SurvivalResult:
    """What an analysis found, before disclosure control, and the choices that it made itself."""

    estimates: pl.DataFrame  # of `estimates.SCHEMA`
    horizon: float  # in the table's unit of time
    n_resamples: int


def analyse_survival(
    table: AnalysisTable,
    settings: SurvivalSettings,
    *,
    embeddings: Embeddings | None = None,
    said: Said = lambda step: None,
) -> SurvivalResult:
    """Every section of the report as rows of one table; `said` hears which step begins.

    What cannot be estimated is a row that says why, never an error.
    """
    horizon = checked_horizon(table.outcome(), settings.horizon)
    whole = Place(table.outcome_name, "")
    n_resamples = default_resamples(table.n) if settings.n_resamples is None else settings.n_resamples
    said("people")
    rows = list(people_rows(table))
    if not table.outcome().n_events:
        rows.append(_without_events(table))
        return SurvivalResult(table_of(rows), horizon, 0)
    said("curves")
    rows += curve_rows(table, horizon=horizon)
    with Team(settings.jobs) as team:
        said("associations")
        associations = _associations(table, settings, team)
        if settings.n_imputations:
            said("imputations")
            associations = complete_case(associations) + list(
                as_people(table, told(whole, pooled_rows(table, settings)))
            )
        rows += with_q(associations, table.phenotypes, settings.multiplicity)
        said("prediction")
        able = _able(table, associations)
        predicted = prediction_rows(able, settings, horizon=horizon, n_resamples=n_resamples, team=team)
        rows += told(whole, predicted)
    if embeddings is not None:
        said("embeddings")
        rows += told(whole, embedding_rows(table, embeddings, seed=settings.seed))
    if settings.forest:
        said("forest")
        rows += told(whole, forest_rows(table, seed=settings.seed))
    return SurvivalResult(table_of(rows), horizon, n_resamples)


def _associations(table: AnalysisTable, settings: SurvivalSettings, team: Team) -> list[Estimate]:
    """All phenotypes, several at a time where that pays."""
    pieces = ((_for_one(table, name), name, settings) for name in table.phenotypes)
    return [row for rows in team.each(_of_one, pieces, total=len(table.phenotypes)) for row in rows]


def _for_one(table: AnalysisTable, phenotype: str) -> AnalysisTable:
    """The table with one phenotype, to be sent to another process."""
    others = set(table.phenotypes) - {phenotype, *table.covariates, *table.strata, *table.cluster}
    return replace(table, rows=table.rows.drop(others), phenotypes=(phenotype,))


def _of_one(piece: tuple[AnalysisTable, str, SurvivalSettings]) -> list[Estimate]:
    return list(as_people(piece[0], phenotype_rows(*piece)))


def _able(table: AnalysisTable, associations: Sequence[Estimate]) -> AnalysisTable:
    """The table with the phenotypes that have a hazard ratio in a model of their own."""
    model = "adjusted" if table.covariates else "unadjusted"
    found = {row.term for row in associations if row.analysis == "cox" and row.model.startswith(model)}
    return replace(table, phenotypes=tuple(name for name in table.phenotypes if name in found))


def _without_events(table: AnalysisTable) -> Estimate:
    return Estimate(
        "not_estimable",
        table.outcome_name,
        term=table.outcome_name,
        level=f"nobody had the event ({table.outcome_name}): no hazard ratio, curve or prediction is estimable",
    )
