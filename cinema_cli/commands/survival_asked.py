"""What a survival analysis was asked for beyond what every analysis is: columns, models, choices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from cinema_cli.analysis.statistics.multiplicity import Multiplicity
from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.settings import Per, SurvivalSettings
from cinema_cli.analysis.survival.times import TimeUnit
from cinema_cli.commands.analysis_job import AnalysisJob, Kind, shared_options
from cinema_cli.commands.analysis_options import choice, horizon
from cinema_cli.domain.errors import UsageError
from cinema_cli.io.processors import available_cpus

_README = """\
analysis_table.csv, .parquet   one row a participant (or an interval of one); analysis_table.json says what columns mean

In R:
  people <- read.csv("analysis_table.csv", check.names = FALSE, colClasses = c(participant_id = "character"))
  survival::coxph(survival::Surv(time, event == 1) ~ ..., people)        # Surv(entry, time, event == 1) with entry
"""
_KIND = Kind(
    name="survival",
    made_of_rows="analysis",
    rows_name="analysis_table",
    rows_words=_README,
    libraries=("numpy", "polars", "scipy", "lifelines", "scikit-survival", "matplotlib"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurvivalJob(AnalysisJob):
    """The options of `cinema survival`, or what `--clinical FILE` of a cohort makes of its own."""

    kind = _KIND
    outcomes: Path | None  # None: the same table
    columns: Columns
    settings: SurvivalSettings
    event_words: str = ""  # what the event is, for a reader
    time_unit: TimeUnit | None = None
    embeddings: Path | None = None


def job_of(context: typer.Context) -> SurvivalJob:
    """The job that the options of `cinema survival` describe. Raises UsageError, ConfigError."""
    asked: dict[str, Any] = context.params
    if asked["impute"] == 1:
        raise UsageError("--impute 1 cannot be pooled", hint="5 to 20 are usual; 0: complete cases.", code="impute")
    several: dict[str, Any] = {n: tuple(asked[n] or ()) for n in ("covariates", "strata", "groups", "phenotypes")}
    return SurvivalJob(
        **shared_options(context, _KIND),
        outcomes=asked["outcomes"],
        columns=Columns(
            participant=asked["id_column"],
            **{name: asked[name] for name in ("time", "event", "entry", "origin", "competing", "weights", "cluster")},
            **several,
        ),
        settings=SurvivalSettings(
            per=choice(Per, asked["per"], option="--per"),
            horizon=horizon(asked),
            multiplicity=choice(Multiplicity, asked["multiplicity"], option="--multiplicity"),
            n_resamples=asked["bootstrap"],
            n_imputations=asked["impute"],
            forest=asked["forest"],
            seed=asked["seed"],
            jobs=asked["jobs"] or available_cpus(),
        ),
        event_words=asked["event_words"],
        time_unit=choice(TimeUnit, asked["time_unit"], option="--time-unit") if asked["time_unit"] else None,
        embeddings=asked["embeddings"],
    )
