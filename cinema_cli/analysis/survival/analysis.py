"""A whole survival analysis: from its table to its estimates, section by section."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from cinema_cli.analysis.survival.settings import Embeddings, SurvivalSettings
from cinema_cli.analysis.survival.table import AnalysisTable


@dataclass(frozen=True, slots=True, eq=False)
class SurvivalResult:
    """What an analysis found, before disclosure control, and the choices that it made itself."""

    estimates: pl.DataFrame  # of `estimates.SCHEMA`
    horizon: float
    n_resamples: int


def analyse_survival(
    table: AnalysisTable,
    settings: SurvivalSettings,
    *,
    embeddings: Embeddings | None = None,
    said: Callable[[str], None] = lambda step: None,
) -> SurvivalResult:
    """Every section of the report as rows of one table; `said` hears which section begins.

    What cannot be estimated is a row that says why, never an error.
    """
    raise NotImplementedError
