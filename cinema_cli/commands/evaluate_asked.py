"""What an evaluation was asked for beyond what every analysis is: references, systems, choices."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from cinema_cli.commands.analysis_job import AnalysisJob, Kind, shared_options
from cinema_cli.commands.options import names
from cinema_cli.domain.errors import UsageError
from cinema_cli.io.label_maps import LabelMap, label_map
from cinema_cli.io.processors import available_cpus

SESSIONS = "sessions"  # --repeat: two visits of one participant
WORST = "worst.html"  # in INDIVIDUAL
_README = """\
evaluation.csv, .parquet   one row a study, system, structure or number, frame and metric; evaluation.json says what
                           columns mean
worst.html                 the studies farthest from their reference, with links to their pages
"""
_KIND = Kind(
    name="evaluation",
    made_of_rows="evaluation",
    rows_name="evaluation",
    rows_words=_README,
    libraries=("numpy", "polars", "scipy", "matplotlib"),
    further=(WORST,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationJob(AnalysisJob):
    """The options of `cinema evaluate`."""

    kind = _KIND
    reference: Path | None = None  # a folder of masks or contours
    labels: LabelMap = field(default_factory=lambda: label_map("acdc"))
    values: Path | None = None  # a table of true values
    value_map: Mapping[str, str] = field(default_factory=dict)  # column of `values` -> ours
    id_column: str = ""
    against: Path | None = None
    against_labels: LabelMap = field(default_factory=lambda: label_map("cinema"))
    margins: Mapping[str, float] = field(default_factory=dict)  # by metric or term
    repeat: Path | None = None  # a table of pairs
    repeats_sessions: bool = False
    groups: tuple[str, ...] = ()
    people: Path | None = None
    seed: int = 0
    jobs: int = 1

    @property
    def fewest(self) -> int:
        """People below whom no number is given."""
        return self.min_cell if self.suppresses else 1

    @property
    def roots(self) -> tuple[Path, ...]:
        """Folders and tables that are read."""
        asked = (self.source, self.reference, self.values, self.against, self.repeat, self.people)
        return tuple(path for path in asked if path)


def job_of(context: typer.Context) -> EvaluationJob:
    """The job that the options of `cinema evaluate` describe. Raises UsageError."""
    asked: dict[str, Any] = context.params
    reference, values, repeat = asked["reference"], asked["reference_values"], asked["repeat"]
    if reference is not None and not reference.is_dir():
        if values is not None:
            raise UsageError(
                "two tables of true values",
                hint="--reference is a folder of masks where --reference-values is given.",
                code="two_references",
            )
        reference, values = None, reference
    if reference is None and values is None and repeat is None:
        raise UsageError(
            "there is nothing to compare with",
            hint="Give --reference (masks, contours or a table), or --repeat for measurements made twice.",
            code="no_reference",
        )
    margins = _margins(names(asked["margin"]))
    if margins and asked["against"] is None:
        raise UsageError("--margin is for two systems", hint="Name the other with --against.", code="margin")
    sessions = repeat is not None and str(repeat) == SESSIONS
    return EvaluationJob(
        **shared_options(context, _KIND),
        reference=reference,
        labels=label_map(asked["labels"]),
        values=values,
        value_map=dict(_pairs(names(asked["value_map"]), option="--map")),
        id_column=asked["id_column"],
        against=asked["against"],
        against_labels=label_map(asked["against_labels"]),
        margins=margins,
        repeat=None if sessions else repeat,
        repeats_sessions=sessions,
        groups=names(asked["groups"]),
        people=asked["people"],
        seed=asked["seed"],
        jobs=asked["jobs"] or available_cpus(),
    )


def _pairs(words: Sequence[str], *, option: str) -> list[tuple[str, str]]:
    pairs = [tuple(part.strip() for part in word.partition("=")) for word in words]
    for word, (name, _, value) in zip(words, pairs, strict=True):
        if not name or not value:
            raise UsageError(f"{option} {word} is no pair", hint="Write A=B, several with commas.", code="pair")
    return [(name, value) for name, _, value in pairs]


def _margins(words: Sequence[str]) -> dict[str, float]:
    margins: dict[str, float] = {}
    for name, text in _pairs(words, option="--margin"):
        try:
            margins[name] = float(text)
        except ValueError:
            margins[name] = math.nan
        if not 0 < margins[name] < math.inf:
            raise UsageError(f"--margin {name}={text} is no size above 0", hint="dice=0.02,lvef_pct=3", code="margin")
    return margins
