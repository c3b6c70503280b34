"""What an audit of fairness was asked for: tables, columns, choices, where to write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.analysis.statistics.group_means import FEWEST
from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.times import TimeUnit
from cinema_cli.commands.options import names, resolved, typed
from cinema_cli.domain.errors import UsageError
from cinema_cli.io.processors import available_cpus

FOLDER = "fairness"  # in the output folder of a cohort


@dataclass(frozen=True, slots=True)
class FairnessJob:
    """The options of `cinema fairness`."""

    source: Path  # an output folder of `cinema analyse`, or a table
    out: Path
    settings: FairnessSettings = field(default_factory=FairnessSettings)
    groups: tuple[str, ...] = ()  # none: the usual ones
    people: Path | None = None
    age_bands: tuple[float, ...] = ()
    reference: Path | None = None  # what `cinema evaluate` is to compare with first
    evaluation: Path | None = None  # None: that beside, if there is one
    outcomes: Path | None = None
    columns: Columns = field(default_factory=Columns)  # of the outcomes
    time_unit: TimeUnit | None = None
    event_words: str = ""
    min_cell: int = 10
    suppresses: bool = True
    hash_key: bytes | None = None  # with which ids of the phenotypes were hashed
    command: str = ""  # as typed, without folders
    options: Mapping[str, Any] | None = None  # as resolved from command line, environment and file


def job_of(context: typer.Context) -> FairnessJob:
    """The job that the options of `cinema fairness` describe. Raises UsageError."""
    asked: dict[str, Any] = context.params
    source: Path = asked["source"]
    if asked["out"] is None and not source.is_dir():
        raise UsageError(f"{source.name} is a table: where to write is not known", hint="Use --out DIR.", code="no_out")
    if asked["horizon"] is not None and not asked["horizon"] > 0:
        raise UsageError("--horizon must be above 0", hint="It is in the unit of --time-unit.", code="horizon")
    _refuse_idle(asked)
    suppresses = not asked["no_suppress"]
    return FairnessJob(
        source=source,
        out=asked["out"] or source / FOLDER,
        settings=FairnessSettings(
            adjust=names(asked["adjust"]),
            intersections=asked["intersections"],
            n_permutations=asked["permutations"],
            n_resamples=asked["bootstrap"],
            fewest=max(FEWEST, asked["min_cell"]) if suppresses else FEWEST,
            horizon=asked["horizon"],
            seed=asked["seed"],
            jobs=asked["jobs"] or available_cpus(),
        ),
        groups=names(asked["groups"]),
        people=asked["people"],
        age_bands=_ages(names(asked["age_bands"])),
        reference=asked["reference"],
        evaluation=asked["evaluation"],
        outcomes=asked["outcomes"],
        columns=Columns(
            time=asked["time"],
            event=asked["event"],
            covariates=names(asked["covariates"]),
            phenotypes=names(asked["phenotypes"]),
        ),
        time_unit=_unit(asked["time_unit"]),
        event_words=asked["event_words"],
        min_cell=asked["min_cell"],
        suppresses=suppresses,
        command=typed(context),
        options=resolved(context),
    )


def _refuse_idle(asked: Mapping[str, Any]) -> None:
    """Raise UsageError for options that nothing comes of."""
    if asked["reference"] is not None and asked["evaluation"] is not None:
        raise UsageError(
            "--evaluation names a finished comparison, --reference asks for a new one",
            hint="Give one of them.",
            code="two_references",
        )
    of_outcomes = ("time", "event", "horizon", "phenotypes", "covariates")
    given = [name for name in of_outcomes if asked[name]]
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


def _unit(word: str | None) -> TimeUnit | None:
    if word is None:
        return None
    if word in set(TimeUnit):
        return TimeUnit(word)
    raise UsageError(f"--time-unit {word} is not known", hint=f"Choose from {', '.join(TimeUnit)}.", code="choice")
