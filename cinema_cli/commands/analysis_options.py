"""Options that the analyses of people share: spelling and help, and what their words stand for."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cinema_cli.domain.errors import UsageError

_Choice = TypeVar("_Choice", bound=StrEnum)

Names = list[str] | None
"""Names of columns as typed: repeated, or with commas."""

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Folder for report and tables [default: in the output folder, named after the analysis].",
    ),
]
IdColumn = Annotated[
    str,
    typer.Option(
        metavar="COL",
        help="Participants in the tables [default: participant_id, eid, id, patient, patient_id or subject].",
        show_default=False,
    ),
]
HashIds = Annotated[
    Path | None,
    typer.Option(
        metavar="KEYFILE", help="Key with which `cinema analyse` hashed ids: those of other files are found by it."
    ),
]
People = Annotated[
    Path | None, typer.Option(help="Table with more columns of participants [default: the other tables alone].")
]
Reference = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR|FILE", help="What to compare with: a folder of masks or contours, or a table of true values."
    ),
]
Time = Annotated[
    str,
    typer.Option(metavar="COL", help="Time to the event or the end [default: time_years or time].", show_default=False),
]
Event = Annotated[
    str, typer.Option(metavar="COL", help="1 the event, 0 censored [default: event].", show_default=False)
]
EventWords = Annotated[
    str, typer.Option(metavar="TEXT", help="What the event is, for the report: heart failure.", show_default=False)
]
Horizon = Annotated[
    float | None, typer.Option(metavar="T", help="Time of predicted risks [default: from the follow-up].")
]
TimeUnitOption = Annotated[
    str | None,
    typer.Option(
        "--time-unit", metavar="UNIT",
        help="years, months, weeks or days [default: by the column's name, else years].",
    ),
]  # fmt: skip
MultiplicityOption = Annotated[
    str, typer.Option("--multiplicity", metavar="HOW", help="q for several tests: bh, by, holm or bonferroni.")
]
MinCell = Annotated[int, typer.Option(metavar="N", min=1, help="Fewer people than this are not shown.")]
NoSuppress = Annotated[bool, typer.Option("--no-suppress", help="Show small numbers too: not cleared for release.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same numbers.")]
Json = Annotated[bool, typer.Option("--json", help="A summary as JSON on standard output.")]


def choice(kind: type[_Choice], word: str, *, option: str) -> _Choice:
    """The member of a kind that a word names. Raises UsageError."""
    if word in set(kind):
        return kind(word)
    raise UsageError(f"{option} {word} is not known", hint=f"Choose from {', '.join(kind)}.", code="choice")


def horizon(asked: Mapping[str, Any]) -> float | None:
    """--horizon, in the unit of time. Raises UsageError unless it is above 0."""
    time: float | None = asked["horizon"]
    if time is not None and not time > 0:
        raise UsageError("--horizon must be above 0", hint="It is in the unit of --time-unit.", code="horizon")
    return time
