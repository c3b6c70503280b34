"""The folder that an analysis of people leaves: what such folders have in common."""

import contextlib
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from cinema_cli import __version__
from cinema_cli.commands.options import without_folders
from cinema_cli.commands.run_environment import program_facts
from cinema_cli.domain.errors import UsageError
from cinema_cli.io.atomic import output_errors, stream_atomic
from cinema_cli.io.cohort_list import STUDIES
from cinema_cli.io.hashed import digest
from cinema_cli.io.leftovers import clear_leftovers, half_written
from cinema_cli.io.tables import disk_errors_heard, to_csv
from cinema_cli.reports.analysis.facts import InputFile

REPORT_NAME = "report.html"
INDIVIDUAL = "individual"  # the folder of rows of people
ESTIMATES = "estimates"
_SUFFIXES = (".csv", ".parquet", ".json")


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """What an analysis writes: names relative to its folder."""

    run_name: str  # survival.json
    rows_name: str  # of the table of people in INDIVIDUAL, without suffix
    beside: str  # name of the folder to propose inside that of a cohort

    @property
    def written(self) -> tuple[str, ...]:
        """Every file that may be written."""
        tables = (f"{n}{s}" for n in (ESTIMATES, f"{INDIVIDUAL}/{self.rows_name}") for s in _SUFFIXES)
        return (REPORT_NAME, self.run_name, f"{INDIVIDUAL}/README", *tables)


def check_folder_of(out: Path, *, inputs: Sequence[Path], plan: FolderPlan) -> None:
    """Raise UsageError where writing would replace an input, the report of a cohort, or what this command did not make.

    A folder is of this command where its run is told in it, or its table of people is there, which comes first.
    """
    written = {(out / name).resolve() for name in plan.written}
    if replaced := [path for path in inputs if path.resolve() in written]:
        raise UsageError(
            f"{replaced[0]} would be replaced by a file of that name",
            hint="Nothing is written over an input: choose another --out.",
            code="output_is_input",
        )
    if (out / STUDIES).is_file():
        raise UsageError(
            f"{out} is the output folder of a cohort, whose {REPORT_NAME} would be replaced",
            hint=f"Use --out {out / plan.beside}.",
            code="output_is_cohort",
        )
    there = next((name for name in plan.written if (out / name).exists()), "")
    if there and not ((out / plan.run_name).is_file() or (out / INDIVIDUAL / f"{plan.rows_name}.csv").is_file()):
        raise UsageError(
            f"{out / there} would be replaced, which was not made by this command (there is no {plan.run_name})",
            hint=f"Choose another --out, such as {out / plan.beside}, or move the file.",
            code="output_is_other",
        )


@contextlib.contextmanager
def staged(out: Path, *, last: str) -> Iterator[Path]:
    """A folder beside the results, to write them into: all of them take their places when all is written, `last` last.

    Where anything fails, those that were there before stay as they are. Raises OutputError.
    """
    with output_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        clear_leftovers(out)
        beside = half_written(out / "new")
        beside.mkdir(mode=0o700)
    try:
        yield beside
        made = sorted(path.relative_to(beside) for path in beside.rglob("*") if path.is_file())
        for name in sorted(made, key=lambda name: (str(name) == last, name.parts[0] != INDIVIDUAL)):
            with output_errors(out / name):
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (beside / name).replace((out / name).resolve())  # a link stays one
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_both(out: Path, name: str, table: pl.DataFrame, *, na: str) -> None:
    """Write a table as CSV (missing: `na`) and Parquet. Raises OutputError."""
    forms: Mapping[str, Callable[[BinaryIO], object]] = {
        ".csv": lambda file: file.write(to_csv(table, na=na).encode()),
        ".parquet": lambda file: disk_errors_heard(file, table.write_parquet),
    }
    for suffix, write in forms.items():
        stream_atomic(out / f"{name}{suffix}", write)


def versions_of(libraries: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(name, version) of the program, Python and libraries."""
    program = program_facts(libraries)
    return (("cinema", __version__), ("python", program["python"]), *program["libraries"].items())


def choices_of(options: Mapping[str, Any] | None, *, without: Collection[str]) -> tuple[tuple[str, str], ...]:
    """(name, value) of the options that say how, not where: those `without` are left out, and so are empty ones."""
    chosen = {name: value for name, value in (options or {}).items() if name not in without and value}
    return tuple((name.replace("_", "-"), _shown(value)) for name, value in chosen.items())


def digests_of(paths: Iterable[Path]) -> tuple[InputFile, ...]:
    """Name and SHA-256 of the files read."""
    return tuple(InputFile(path.name, digest(path)[0]) for path in paths)


def shown_count(count: int, *, min_cell: int) -> int | None:
    """A count, if it may be shown; `min_cell` of 1 shows all."""
    return None if 0 < count < min_cell else count


def _shown(value: object) -> str:
    return ", ".join(map(without_folders, value)) if isinstance(value, list | tuple) else without_folders(value)
