"""`cinema scan`: which cines a folder holds, what becomes of each series, and why."""

import sys
from collections.abc import Container, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinema_cli.commands.console import LogFormat
from cinema_cli.commands.options import (
    CONSOLE,
    Cohort,
    Config,
    Format,
    IdFrom,
    NoProgress,
    Quiet,
    Verbose,
    Views,
    WorkDir,
)
from cinema_cli.domain.errors import ExitCode
from cinema_cli.io.processors import available_cpus

if TYPE_CHECKING:
    import polars as pl

    from cinema_cli.io.index import CohortIndex

STDOUT = "-"
LABEL_MAP = "label_map"  # code of what was drawn on images


class SeriesFormat(StrEnum):
    """File formats of the series table."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def scan(
    cohort: Cohort,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for series.parquet and .csv, a file (.csv, .parquet or .json), or - for stdout.",
        ),
    ] = None,
    id_from: IdFrom = "auto",
    hash_ids: Annotated[
        Path | None, typer.Option(metavar="KEYFILE", help="Replace ids by a hash keyed with this file.")
    ] = None,
    views: Views = None,
    allow_missing_frames: Annotated[
        int, typer.Option(min=0, help="Frames a stack may lack (interpolated) or hold twice (latest kept); flagged.")
    ] = 0,
    explain: Annotated[
        str | None,
        typer.Option(metavar="SERIES", help="Tell one series' story: uid, part of it, number or sub-x/ses-y/NUMBER."),
    ] = None,
    file_format: Annotated[
        SeriesFormat | None, typer.Option("--format", help="Default: from the file's name, else csv.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processors to use [default: all that are granted].")] = None,
    work_dir: WorkDir = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Read every header again, also of files that are as they were.")
    ] = False,
    config: Config = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    log_format: Format = LogFormat.TEXT,
    no_progress: NoProgress = False,
) -> None:
    """List every series of a cohort with its view, frames, slices, verdict and reason. Nothing is changed.

    Exit code 3 where a folder holds nothing that could be read, so that people may be missing.
    """
    from cinema_cli.commands.progress import counting
    from cinema_cli.io import index as indexing
    from cinema_cli.io.id_kind import check_ids
    from cinema_cli.io.identity import read_key, without_links
    from cinema_cli.io.index_store import index_folder
    from cinema_cli.io.ledger import refuse_inside

    _refuse_contradictions(out, file_format, as_json=as_json, explain=explain)
    key = read_key(hash_ids) if hash_ids else None
    if out not in (None, STDOUT):
        refuse_inside(cohort, out=Path(str(out)))
        check_ids(Path(str(out)), hash_key=key)
    with counting(CONSOLE, "files", total=None) as counter:
        index = indexing.scan(
            cohort,
            id_from=id_from,
            hash_key=key,
            views_file=views,
            allow_missing_frames=allow_missing_frames,
            jobs=jobs or available_cpus(),
            index_dir=index_folder(cohort, work_dir=work_dir),
            fresh=fresh,
            progress=counter.follow,
        )
    say_index(index)
    if explain is not None:
        sys.stdout.write("\n".join(_story(index, explain, hash_key=key)) + "\n")
        return
    _write(without_links(index.series, hash_key=key), out, kind=SeriesFormat.JSON if as_json else file_format)
    _summarise(index)
    if index.lost_folders:
        raise typer.Exit(ExitCode.SOME_FAILED)


def say_index(index: "CohortIndex") -> None:
    """Say, where it matters, what the scan could not take from or leave in its index."""
    CONSOLE.debug(f"{index.n_files} files, of which {index.n_read} files and archives were read now")
    if index.doubt:
        CONSOLE.debug(f"the index of earlier scans is not used: {index.doubt}")
    if index.fault:
        said = f"what the scan found cannot be kept ({index.fault}): the next one will read every file again"
        CONSOLE.warn(f"{said}; --work-dir chooses another folder")


def series_words(series: "pl.DataFrame", *, why: str) -> str:
    """How many series are used, how many are rejected and `why`, and how many files are no images but labels."""
    used, labels = series.filter(verdict="used").height, series.filter(reason_code=LABEL_MAP).height
    said, rejected = f"{used} series used", series.height - used - labels
    if rejected:
        said += f", {rejected} rejected ({why})"
    return f"{said}, {labels} {'label map' if labels == 1 else 'label maps'} set aside" if labels else said


def _refuse_contradictions(
    out: str | None, file_format: SeriesFormat | None, *, as_json: bool, explain: str | None
) -> None:
    """Raise UsageError where one option would silently win over another."""
    from cinema_cli.domain.errors import UsageError

    if as_json and file_format not in (None, SeriesFormat.JSON):
        raise UsageError(f"--json and --format {file_format} contradict each other", hint="Give one of them.")
    if explain is not None and (out not in (None, STDOUT) or file_format or as_json):
        said = "--explain tells a story on standard output: it writes no table"
        raise UsageError(said, hint="Leave out --out, --format and --json, or --explain.")


def _story(index: "CohortIndex", query: str, *, hash_key: bytes | None) -> list[str]:
    """The stories of the series that `query` means: a uid, hashed or not, part of one, or a number.

    `sub-x/ses-y/5` means those of one study only, `sub-x/ses-y` all of it, `sub-x` all of the person. Raises InputError
    where there is none.
    """
    from cinema_cli.domain.errors import InputError
    from cinema_cli.io.explain import tell
    from cinema_cli.io.identity import with_hashed_uids

    study, _, wanted = query.rpartition("/")
    if wanted.startswith(("sub-", "ses-")):
        study, wanted = query, ""
    participant, _, session = study.partition("/")
    series = index.series
    for name, value in (("participant_id", participant), ("session_id", session)):
        series = series.filter(**{name: value}) if value else series
    if series.is_empty():
        hint = "Give --id-from and --hash-ids as in the run that named it so."
        raise InputError(f"no series of {study}", hint=hint, code="no_series")
    shown = with_hashed_uids(series, hash_key=hash_key)
    uids = dict(zip(series["series_uid"], shown["series_uid"], strict=True))
    numbers = {str(number) for number in series["series_number"].drop_nulls()}
    queries = [uid for uid in uids.values() if uid] if study and not wanted else _meant(wanted, uids, numbers)
    return [line for one in queries for line in tell(shown, one)]


def _meant(wanted: str, uids: Mapping[str, str], numbers: Container[str]) -> list[str]:
    """What to look for in the table as it is written: `wanted` may be the whole, the beginning or the end of the uid
    in the headers, or of that in the table (`uids`: one -> the other), or a number, which goes before parts."""
    either = [(name, shown) for uid, shown in uids.items() for name in (uid, shown) if name and wanted]
    whole = [shown for name, shown in either if name == wanted]
    if whole or wanted in numbers:
        return whole[:1] or [wanted]
    begin = [shown for name, shown in either if name.startswith(wanted)]
    end = [shown for name, shown in either if name.endswith(wanted)]
    return list(dict.fromkeys(begin or end)) or [wanted]


def _write(series: "pl.DataFrame", out: str | None, *, kind: SeriesFormat | None) -> None:
    """The table where it was asked for: a folder, a file, standard output, or as columns on a terminal."""
    from cinema_cli.commands.series_columns import show
    from cinema_cli.io.atomic import is_stream, write_atomic
    from cinema_cli.io.tables import write_series

    path = Path(out or STDOUT)
    by_name = path.suffix[1:].lower()
    if out is None and kind is None and sys.stdout.isatty():
        show(series)
    elif out in (None, STDOUT):
        sys.stdout.buffer.write(_content(series, kind or SeriesFormat.CSV))
        sys.stdout.buffer.flush()
    elif kind or by_name in set(SeriesFormat) or path.is_file() or is_stream(path):
        known = SeriesFormat(by_name) if by_name in set(SeriesFormat) else SeriesFormat.CSV
        write_atomic(path, _content(series, kind or known))
        CONSOLE.info(f"{series.height} series written to {path}")
    else:
        write_series(path, series)
        CONSOLE.info(f"{series.height} series written to {path / 'series.parquet'} and series.csv")


def _content(series: "pl.DataFrame", kind: SeriesFormat) -> bytes:
    """The table in a file format."""
    from cinema_cli.io.tables import to_csv, to_parquet

    if kind is SeriesFormat.PARQUET:
        return to_parquet(series)
    return (to_csv(series) if kind is SeriesFormat.CSV else series.write_json() + "\n").encode()


def _summarise(index: "CohortIndex") -> None:
    """Say on stderr how many series are used, why the others are not, and what is doubtful."""
    import polars as pl

    from cinema_cli.io.problems import problem_words

    series = index.series
    n_studies = series.select("participant_id", "session_id", "study_uid").unique().height
    reasons = _tally(series.filter(pl.col("reason_code") != LABEL_MAP, verdict="rejected")["reason_code"])
    CONSOLE.info(f"{n_studies} {'study' if n_studies == 1 else 'studies'}, {series_words(series, why=reasons)}")
    if index.unused_overrides:
        CONSOLE.warn(f"no series fits {', '.join(index.unused_overrides)} in the views file")
    CONSOLE.several(
        [f"{path}: {sentence}" for path, _, sentence in index.problems.iter_rows()],
        summary=", ".join(problem_words(index.problems)),
    )
    CONSOLE.several(
        [f"{folder}: no DICOM file in it could be read: who is in it is in no table" for folder in index.lost_folders],
        summary=f"no DICOM file could be read in {len(index.lost_folders)} folders: who is in them is in no table",
    )
    CONSOLE.several(
        [
            f"{participant}: {sentence}"
            for participant, _, _, sentence in index.notes.unique(maintain_order=True).rows()
        ],
        summary=f"{index.notes.height} notes on participants ({_tally(index.notes['code'])})",
    )


def _tally(codes: "pl.Series") -> str:
    """`localizer 2, flow 1`: how often each code stands there, most frequent first."""
    counts = sorted(codes.value_counts().iter_rows(), key=lambda row: (-row[1], row[0]))
    return ", ".join(f"{code} {count}" for code, count in counts)
