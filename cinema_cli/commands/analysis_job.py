"""What every analysis of people is asked for, whichever it is: its source and folder, what may be shown, whose ids."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import typer

from cinema_cli.commands.options import resolved, typed, without_folders
from cinema_cli.domain.errors import InputError, UsageError
from cinema_cli.io.id_kind import check_ids, ids_are_hashed
from cinema_cli.io.identity import read_key

REPORT_NAME = "report.html"
INDIVIDUAL = "individual"  # the folder of rows of people
ESTIMATES = "estimates"
_SUFFIXES = (".csv", ".parquet", ".json")


@dataclass(frozen=True, slots=True)
class Kind:
    """What is particular to the folder of one kind of analysis."""

    name: str  # of the file that tells the run, and of the folder to propose inside that of a cohort
    made_of_rows: str  # what was made of the rows of people: "audit"
    rows_name: str  # of the table of people in INDIVIDUAL, without suffix
    rows_words: str  # of that folder's README: what its files are
    libraries: tuple[str, ...]  # whose versions are told
    further: tuple[str, ...] = ()  # other files in INDIVIDUAL

    @property
    def run_name(self) -> str:
        """The file that tells the run."""
        return f"{self.name}.json"

    @property
    def written(self) -> tuple[str, ...]:
        """Every file that may be written, relative to the folder."""
        tables = (f"{n}{s}" for n in (ESTIMATES, f"{INDIVIDUAL}/{self.rows_name}") for s in _SUFFIXES)
        apart = (f"{INDIVIDUAL}/{name}" for name in ("README", *self.further))
        return (REPORT_NAME, self.run_name, *apart, *tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisJob:
    """The options that all analyses have, or what `cinema analyse` and `cinema merge` make of theirs."""

    kind: ClassVar[Kind]
    source: Path  # an output folder of `cinema analyse`, or a table
    out: Path
    min_cell: int = 10  # fewer people are not shown
    suppresses: bool = True
    hash_key: bytes | None = None  # with which ids of the source were hashed
    command: str = ""  # as typed, without folders
    options: Mapping[str, Any] = field(default_factory=dict)  # as resolved from command line, environment and file


class Shared(TypedDict):
    """The fields of an AnalysisJob."""

    source: Path
    out: Path
    min_cell: int
    suppresses: bool
    hash_key: bytes | None
    command: str
    options: Mapping[str, Any]


def shared_options(context: typer.Context, kind: Kind) -> Shared:
    """What the options that all analyses have ask for; by default it writes inside the source.

    Raises InputError where there is no source, UsageError where it is a table and nothing says where to write,
    ConfigError for a bad key.
    """
    asked: dict[str, Any] = context.params
    source: Path = asked["source"]
    if not source.exists():
        hint = "Give an output folder of `cinema analyse`, or a table."
        raise InputError(f"there is no {source}", hint=hint, code="no_source")
    if asked["out"] is None and source.is_file():
        raise UsageError(f"{source.name} is a table: where to write is not known", hint="Use -o DIR.", code="no_out")
    hashed: Path | None = asked["hash_ids"]
    options, key = resolved(context), read_key(hashed) if hashed else None
    if key and ids_are_hashed(_folder(source)):
        check_ids(_folder(source), hash_key=key)
    if hashed:
        options = {name: without_folders(value) if isinstance(value, str) else value for name, value in options.items()}
    return Shared(
        source=source,
        out=asked["out"] or source / kind.name,
        min_cell=asked["min_cell"],
        suppresses=not asked["no_suppress"] and asked["min_cell"] > 1,
        hash_key=key,
        command=typed(context, hidden=("source", "out") if hashed else ()),
        options=options,
    )


@contextmanager
def told_of_hashes(job: AnalysisJob) -> Iterator[None]:
    """Have the error that nobody is in two tables name the key, where ids are hashed and none was given."""
    try:
        yield
    except InputError as error:
        if error.code == "nobody_matches" and job.hash_key is None and ids_are_hashed(_folder(job.source)):
            error.hint = "Ids are hashed there: give --hash-ids with the key file of the runs that hashed them."
        raise


def _folder(source: Path) -> Path:
    """The output folder that a source is, or lies in."""
    return source if source.is_dir() else source.parent
