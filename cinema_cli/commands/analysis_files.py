"""The folder that an analysis of people leaves: what such folders have in common."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypedDict

import polars as pl

from cinema_cli import __version__
from cinema_cli.analysis.estimate_words import estimate_words
from cinema_cli.analysis.survival.reading import PHENOTYPE_TABLE
from cinema_cli.commands.analysis_job import ESTIMATES, INDIVIDUAL, REPORT_NAME, AnalysisJob
from cinema_cli.commands.options import without_folders
from cinema_cli.commands.run_environment import program_facts
from cinema_cli.commands.runlog import utc_now
from cinema_cli.domain.errors import OutputError, UsageError
from cinema_cli.io.atomic import output_errors, stream_atomic, write_atomic
from cinema_cli.io.cohort_list import STUDIES
from cinema_cli.io.dictionary import Entry
from cinema_cli.io.hashed import digest
from cinema_cli.io.leftovers import clear_leftovers, half_written
from cinema_cli.io.tables import disk_errors_heard, to_csv, write_dictionary
from cinema_cli.reports.analysis.facts import InputFile

_WHERE = frozenset(  # options that say where, not how
    {"source", "out", "outcomes", "people", "reference", "reference_values", "against", "repeat", "evaluation"}
    | {"embeddings", "hash_ids", "as_json", "jobs"}
)
_README = """\
Rows of people: what the {made} was made of. Not for release, whatever --min-cell says;
nor are the logs beside this folder, which count people as they are.

{words}"""


class RunFacts(TypedDict):
    """What every page and every run file tells of a run."""

    version: str
    command: str
    started: str
    finished: str
    versions: tuple[tuple[str, str], ...]
    inputs: tuple[InputFile, ...]
    options: tuple[tuple[str, str], ...]
    min_cell: int
    suppressed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What a folder is made of."""

    estimates: pl.DataFrame  # after disclosure control
    analyses: Mapping[str, str]  # the kinds of rows in it and what each means
    rows: pl.DataFrame  # of people
    rows_words: Mapping[str, Entry]  # of its columns
    report: str  # HTML
    further: Mapping[str, str] = field(default_factory=dict)  # HTML of the kind's `further` files


def run_facts(job: AnalysisJob, *, started: str, inputs: tuple[InputFile, ...]) -> RunFacts:
    """The facts of a run that ends now."""
    program = program_facts(job.kind.libraries)
    return RunFacts(
        version=__version__,
        command=job.command,
        started=started,
        finished=utc_now(),
        versions=(("cinema", __version__), ("python", program["python"]), *program["libraries"].items()),
        inputs=inputs,
        options=_choices(job.options),
        min_cell=job.min_cell,
        suppressed=job.suppresses,
    )


def write_folder(
    job: AnalysisJob, contents: Contents, facts: RunFacts, *, settings: Mapping[str, Mapping[str, object]]
) -> None:
    """Write everything or nothing, what tells the run last; `settings`: what else that has. Raises OutputError."""
    kind = job.kind
    with _staged(job.out, last=kind.run_name) as out:
        _write_both(out, ESTIMATES, contents.estimates, na="")
        write_dictionary(out, ESTIMATES, contents.estimates.columns, estimate_words(contents.analyses))
        apart = out / INDIVIDUAL
        write_atomic(apart / "README", _README.format(made=kind.made_of_rows, words=kind.rows_words))
        _write_both(apart, kind.rows_name, contents.rows, na="NA")
        write_dictionary(apart, kind.rows_name, contents.rows.columns, contents.rows_words)
        for name, html in contents.further.items():
            write_atomic(apart / name, html)
        write_atomic(out / REPORT_NAME, contents.report)
        write_atomic(out / kind.run_name, json.dumps(_told(facts, settings), indent=2, default=str) + "\n")


def _told(facts: RunFacts, settings: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    """How it was made, and no number of people."""
    return {
        **{name: facts[name] for name in ("version", "command", "started", "finished")},
        "versions": dict(facts["versions"]),
        "inputs": [{"name": one.name, "sha256": one.sha256} for one in facts["inputs"]],
        **settings,
        "options": dict(facts["options"]),
    }


def check_folder_of(job: AnalysisJob, *, inputs: Sequence[Path]) -> None:
    """Raise UsageError where writing would replace an input, the report of a cohort, or what this command did not make.

    A folder is of this command where its run is told in it, or its table of people is there, which comes first.
    """
    out, kind = job.out, job.kind
    written = {(out / name).resolve() for name in kind.written}
    if replaced := [path for path in inputs if path.resolve() in written]:
        raise UsageError(
            f"{replaced[0]} would be replaced by a file of that name",
            hint="Nothing is written over an input: choose another --out.",
            code="output_is_input",
        )
    if (out / STUDIES).is_file():
        raise UsageError(
            f"{out} is the output folder of a cohort, whose {REPORT_NAME} would be replaced",
            hint=f"Use --out {out / kind.name}.",
            code="output_is_cohort",
        )
    there = next((name for name in kind.written if (out / name).exists()), "")
    if there and not ((out / kind.run_name).is_file() or (out / INDIVIDUAL / f"{kind.rows_name}.csv").is_file()):
        raise UsageError(
            f"{out / there} would be replaced, which was not made by this command (there is no {kind.run_name})",
            hint=f"Choose another --out, such as {out / kind.name}, or move the file.",
            code="output_is_other",
        )


@contextlib.contextmanager
def _staged(out: Path, *, last: str) -> Iterator[Path]:
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
    except OutputError as error:
        said = error.message.replace(str(beside), str(out))
        raise OutputError(said, hint=error.hint, code=error.code) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write_both(out: Path, name: str, table: pl.DataFrame, *, na: str) -> None:
    """Write a table as CSV (missing: `na`) and Parquet. Raises OutputError."""
    forms: Mapping[str, Callable[[BinaryIO], object]] = {
        ".csv": lambda file: file.write(to_csv(table, na=na).encode()),
        ".parquet": lambda file: disk_errors_heard(file, table.write_parquet),
    }
    for suffix, write in forms.items():
        stream_atomic(out / f"{name}{suffix}", write)


def _choices(options: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(name, value) of the options that say how, not where; empty ones are left out."""
    chosen = {name: value for name, value in options.items() if name not in _WHERE and value}
    return tuple((name.replace("_", "-"), _shown(value)) for name, value in chosen.items())


def phenotype_table(source: Path) -> Path:
    """The table of an output folder, or the one that the source is itself."""
    return source / PHENOTYPE_TABLE if source.is_dir() else source


def each_once(paths: Iterable[Path | None]) -> tuple[Path, ...]:
    """Files that are read, each once."""
    return tuple({path.resolve(): path for path in paths if path is not None}.values())


def digests_of(paths: Iterable[Path]) -> tuple[InputFile, ...]:
    """Name and SHA-256 of the files read."""
    return tuple(InputFile(path.name, digest(path)[0]) for path in paths)


def shown_count(count: int, *, min_cell: int) -> int | None:
    """A count, if it may be shown; `min_cell` of 1 shows all."""
    return None if 0 < count < min_cell else count


def _shown(value: object) -> str:
    return ", ".join(map(without_folders, value)) if isinstance(value, list | tuple) else without_folders(value)
