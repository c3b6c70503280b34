"""DICOM headers of files and archives as one table, one row an image frame; pixels are not read."""

import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from cinema_cli.domain.errors import InputError
from cinema_cli.io.archive import is_archive
from cinema_cli.io.folders import FileState, Problem, list_files
from cinema_cli.io.header_rows import NO_DICOM, read_files
from cinema_cli.io.instances import INSTANCE_SCHEMA, IS_IMAGE, PROBLEM_SCHEMA, READ_SCHEMA
from cinema_cli.io.processes import Result, Team
from cinema_cli.io.processors import available_cpus

SALT = secrets.token_bytes(16)  # lives as long as the process: person keys compare within a run only
_MOST_AT_ONCE = 4096  # files that a process reads at a time, in about a second
_LEAST_AT_ONCE = 1024
_PIECES_EACH = 16  # for each process, so that they end at about the same time
_BYTES_A_FILE = 100_000  # of an archive, about
_BYTES_OF_FRAMES = 1_000_000  # of a large file, which may be an enhanced object: as many as some images have


@dataclass(frozen=True, slots=True, eq=False)
class HeaderTable:
    """Every image frame under a root, and what could not be read."""

    instances: pl.DataFrame  # INSTANCE_SCHEMA, in order of paths and frames
    problems: pl.DataFrame  # path, code, sentence
    n_files: int  # regular files seen, those in archives too
    n_opened: int  # of these: looked into
    n_ignored: int  # of these: not DICOM


def read_headers(
    root: Path, *, jobs: int | None = None, progress: Callable[[int, int], None] | None = None
) -> HeaderTable:
    """Read the headers of every DICOM file under a folder; nothing is written or changed.

    `jobs`: processes for larger trees (default: what the cgroup or SLURM grants); `progress(done, total)` counts files.
    Raises `InputError` where the root is not a folder that can be listed.
    """
    root = root.resolve()
    if not root.is_dir():
        raise InputError(f"there is no folder {root}", hint="Check the path.", code="no_folder")
    tree = list_files(root)
    work = partial(read_files, root=root, salt=SALT)
    with Team(jobs or available_cpus()) as team:
        found = read_all(work, tree.files(), total=tree.n_files, team=team, progress=progress)
        table = pl.concat([pl.DataFrame(schema=READ_SCHEMA), *found])
    n_opened, n_ignored = counts(table)
    return HeaderTable(
        instances=table.filter(IS_IMAGE).select(*INSTANCE_SCHEMA),
        problems=problem_table([*tree.problems, *problems_of(table)]),
        n_files=n_opened + tree.n_hidden,
        n_opened=n_opened,
        n_ignored=n_ignored + tree.n_hidden,
    )


def read_all(
    work: Callable[[Sequence[FileState]], Result],
    files: Iterable[FileState],
    *,
    total: int,
    team: Team,
    progress: Callable[[int, int], None] | None,
) -> Generator[Result, None, None]:
    """What `work` makes of the `total` files, some at a time, by all processes of the team; in order."""
    most = min(max(total // (team.jobs * _PIECES_EACH), _LEAST_AT_ONCE), _MOST_AT_ONCE)
    done = 0
    for n_files, result in team.each(partial(_counted, work), _in_pieces(files, most), total=-(-total // most)):
        yield result
        done += n_files
        if progress:
            progress(done, total)


def _counted(work: Callable[[Sequence[FileState]], Result], piece: Sequence[FileState]) -> tuple[int, Result]:
    return len(piece), work(piece)


def _in_pieces(files: Iterable[FileState], most: int) -> Iterator[list[FileState]]:
    """`most` files at a time, large ones and archives counted by what is in them: small enough for the memory of a
    process."""
    piece, waiting = [], 0
    for file in files:
        piece.append(file)
        waiting += 1 + file[1] // (_BYTES_A_FILE if is_archive(file[0]) else _BYTES_OF_FRAMES)
        if waiting >= most:
            yield piece
            piece, waiting = [], 0
    if piece:
        yield piece


def counts(table: pl.DataFrame) -> tuple[int, int]:
    """How many files the rows of READ_SCHEMA are of, and how many of these are no DICOM; members count as files."""
    files = table.filter(pl.col("member").is_null() | (pl.col("member") != "")).select("path", "member")
    return files.n_unique(), table.filter(code=NO_DICOM).height


def problems_of(table: pl.DataFrame) -> list[Problem]:
    """What rows of READ_SCHEMA say of files that cannot be used; an archive as a whole has "/" at its end."""
    place = pl.concat_str("path", "member", separator="/", ignore_nulls=True)
    return table.filter(pl.col("code") != NO_DICOM).select(place, "code", "sentence").unique(maintain_order=True).rows()


def problem_table(problems: Sequence[Problem]) -> pl.DataFrame:
    """Problems in order, as PROBLEM_SCHEMA."""
    return pl.DataFrame(problems, schema=PROBLEM_SCHEMA, orient="row").sort("path", "code")
