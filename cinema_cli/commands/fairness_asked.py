"""What an audit of fairness was asked for beyond what every analysis is: groups, metrics, outcomes, choices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.analysis.statistics.group_means import FEWEST
from cinema_cli.analysis.statistics.multiplicity import Multiplicity
from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.times import TimeUnit
from cinema_cli.commands.analysis_job import AnalysisJob, Kind, shared_options
from cinema_cli.commands.analysis_options import choice, horizon
from cinema_cli.commands.options import names
from cinema_cli.domain.errors import UsageError
from cinema_cli.io.processors import available_cpus

_README = """\
people.csv, .parquet   one row a participant: the groups, and a column for each metric
"""
_KIND = Kind(
    name="fairness",
    made_of_rows="audit",
    rows_name="people",
    rows_words=_README,
    libraries=("numpy", "polars", "scipy", "matplotlib"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessJob(AnalysisJob):
    """The options of `cinema fairness`, or what `--clinical FILE` of a cohort makes of its own."""

    kind = _KIND
    settings: FairnessSettings = field(default_factory=FairnessSettings)
    groups: tuple[str, ...] = ()  # none: the usual ones
    people: Path | None = None
    cluster: str = ""  # column of persons, where one may have several ids
    age_bands: tuple[float, ...] = ()
    reference: Path | None = None  # what `cinema evaluate` is to compare with first
    evaluation: Path | None = None  # None: that beside, if there is one
    outcomes: Path | None = None
    columns: Columns = field(default_factory=Columns)  # of the outcomes; `participant` of all tables
    time_unit: TimeUnit | None = None
    event_words: str = ""


def job_of(context: typer.Context) -> FairnessJob:
    """The job that the options of `cinema fairness` describe. Raises UsageError, ConfigError."""
    asked: dict[str, Any] = context.params
    shared = shared_options(context, _KIND)
    job = FairnessJob(
        **shared,
        settings=FairnessSettings(
            adjust=names(asked["adjust"]),
            intersections=asked["intersections"],
            n_permutations=asked["permutations"],
            n_resamples=asked["bootstrap"],
            fewest=max(FEWEST, shared["min_cell"]) if shared["suppresses"] else FEWEST,
            horizon=horizon(asked),
            multiplicity=choice(Multiplicity, asked["multiplicity"], option="--multiplicity"),
            seed=asked["seed"],
            jobs=asked["jobs"] or available_cpus(),
        ),
        groups=names(asked["groups"]),
        people=asked["people"],
        cluster=asked["cluster"],
        age_bands=_ages(names(asked["age_bands"])),
        reference=asked["reference"],
        evaluation=asked["evaluation"],
        outcomes=asked["outcomes"],
        columns=Columns(
            participant=asked["id_column"],
            time=asked["time"],
            event=asked["event"],
            covariates=tuple(asked["covariates"] or ()),
            phenotypes=tuple(asked["phenotypes"] or ()),
        ),
        time_unit=choice(TimeUnit, asked["time_unit"], option="--time-unit") if asked["time_unit"] else None,
        event_words=asked["event_words"],
    )
    _refuse_idle(asked)
    return job


def _refuse_idle(asked: Mapping[str, Any]) -> None:
    """Raise UsageError for options that nothing comes of."""
    if asked["reference"] is not None and asked["evaluation"] is not None:
        raise UsageError(
            "--evaluation names a finished comparison, --reference asks for a new one",
            hint="Give one of them.",
            code="two_references",
        )
    of_outcomes = ("time", "event", "event_words", "horizon", "time_unit", "phenotypes", "covariates")
    given = [name.replace("_", "-") for name in of_outcomes if asked[name]]
    if given and asked["outcomes"] is None:
        raise UsageError(f"--{given[0]} is for outcomes", hint="Hand in their table with --outcomes.", code="outcomes")


def _ages(words: tuple[str, ...]) -> tuple[float, ...]:
    try:
        ages = tuple(float(word) for word in words)
    except ValueError:
        ages = (-1.0,)
    if any(not 0 < age < 150 for age in ages) or list(ages) != sorted(set(ages)):
        raise UsageError(f"--age-bands {','.join(words)} are no ascending ages", hint="50,60,70", code="age_bands")
    return ages
