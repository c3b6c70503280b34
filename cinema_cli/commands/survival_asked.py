"""What a survival analysis was asked for: tables, columns, choices, where to write."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import typer

from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.settings import Per, SurvivalSettings
from cinema_cli.analysis.survival.times import TimeUnit
from cinema_cli.commands.options import resolved, typed
from cinema_cli.domain.errors import UsageError
from cinema_cli.io.processors import available_cpus

_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class SurvivalJob:
    """The options of `cinema survival`, or what `cinema analyse --clinical` makes of its own."""

    phenotypes: Path  # a table, or an output folder of `cinema analyse`
    outcomes: Path | None  # None: the same table
    out: Path
    columns: Columns
    settings: SurvivalSettings
    event_words: str = ""  # what the event is, for a reader
    time_unit: TimeUnit | None = None
    min_cell: int = 10
    suppresses: bool = True
    embeddings: Path | None = None
    hash_key: bytes | None = None  # with which ids of the phenotypes were hashed
    command: str = ""  # as typed, without folders
    options: Mapping[str, Any] | None = None  # as resolved from command line, environment and file


def job_of(context: typer.Context) -> SurvivalJob:
    """The job that the options of `cinema survival` describe. Raises UsageError."""
    asked: dict[str, Any] = context.params
    if asked["impute"] == 1:
        raise UsageError("--impute 1 cannot be pooled", hint="5 to 20 are usual; 0: complete cases.", code="impute")
    if asked["horizon"] is not None and not asked["horizon"] > 0:
        raise UsageError("--horizon must be above 0", hint="It is in the unit of --time-unit.", code="horizon")
    several: dict[str, Any] = {n: tuple(asked[n] or ()) for n in ("covariates", "strata", "groups", "phenotypes")}
    return SurvivalJob(
        phenotypes=asked["source"],
        outcomes=asked["outcomes"],
        out=asked["out"],
        columns=Columns(
            participant=asked["id_column"],
            **{name: asked[name] for name in ("time", "event", "entry", "origin", "competing", "weights", "cluster")},
            **several,
        ),
        settings=SurvivalSettings(
            per=_one_of(Per, asked["per"], option="--per"),
            horizon=asked["horizon"],
            n_resamples=asked["bootstrap"],
            n_imputations=asked["impute"],
            forest=asked["forest"],
            seed=asked["seed"],
            jobs=asked["jobs"] or available_cpus(),
        ),
        event_words=asked["event_words"],
        time_unit=_one_of(TimeUnit, asked["time_unit"], option="--time-unit") if asked["time_unit"] else None,
        min_cell=asked["min_cell"],
        suppresses=not asked["no_suppress"],
        embeddings=asked["embeddings"],
        command=typed(context),
        options=resolved(context),
    )


def _one_of(kind: type[_Choice], word: str, *, option: str) -> _Choice:
    if word in set(kind):
        return kind(word)
    raise UsageError(f"{option} {word} is not known", hint=f"Choose from {', '.join(kind)}.", code="choice")
