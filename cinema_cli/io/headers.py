"""DICOM headers of files and archives as one table, one row an image frame; pixels are not read."""

import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import polars as pl

from cinema_cli.domain.errors import InputError
from cinema_cli.io.archive import is_archive
from cinema_cli.io.folders import FileState, Problem, list_files
from cinema_cli.io.header_rows import NO_DICOM, rows_of
from cinema_cli.io.processes import Result, Team
from cinema_cli.io.processors import available_cpus

# A large cohort has millions of rows: what many images share is kept once (Categorical; `plain` makes it text again).
INSTANCE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    # where the image is
    "path": pl.String,  # relative to the root, "/" separated, as `io.names` writes it
    "member": pl.String,  # name inside the archive that `path` is; null for a plain file
    "frame_item": pl.Int32,  # 0-based frame inside the file (0 for single-frame objects)
    "n_file_frames": pl.Int32,  # NumberOfFrames (1 for single-frame objects)
    # ids (patient_id and person_key never leave the scan: see io.identity)
    "sop_uid": pl.String,
    "series_uid": pl.String,
    "study_uid": pl.String,
    "patient_id": pl.String,
    "person_key": pl.Categorical(),  # digest of birth date, sex and name: tells people apart, is never written
    "instance_number": pl.Int32,
    "series_number": pl.Int32,
    "acquisition_number": pl.Int32,
    "study_date": pl.String,  # raw DA text; may be invalid
    # what was acquired
    "sop_class_uid": pl.Categorical(),
    "modality": pl.String,
    "image_type": pl.Categorical(),  # joined with "\\"
    "series_description": pl.Categorical(),
    "protocol_name": pl.Categorical(),
    "scanning_sequence": pl.Categorical(),
    "manufacturer": pl.Categorical(),
    "model": pl.Categorical(),
    "field_strength_t": pl.Float64,
    "echo_time_ms": pl.Float64,
    "repetition_time_ms": pl.Float64,
    "inversion_time_ms": pl.Float64,
    "flip_angle_deg": pl.Float64,
    "velocity_encoded": pl.Boolean,  # any phase-contrast marker
    "transfer_syntax": pl.Categorical(),  # UID
    # geometry: None where absent or not finite
    "rows": pl.Int32,
    "columns": pl.Int32,
    "row_spacing_mm": pl.Float64,  # between rows
    "column_spacing_mm": pl.Float64,  # between columns
    "position_x": pl.Float64,
    "position_y": pl.Float64,
    "position_z": pl.Float64,
    "row_x": pl.Float64,  # ImageOrientationPatient, first triple: along which the column index grows
    "row_y": pl.Float64,
    "row_z": pl.Float64,
    "column_x": pl.Float64,  # second triple
    "column_y": pl.Float64,
    "column_z": pl.Float64,
    "thickness_mm": pl.Float64,
    "spacing_between_mm": pl.Float64,
    # time
    "trigger_time_ms": pl.Float64,
    "temporal_position": pl.Int32,
    "acquisition_time_s": pl.Float64,  # seconds since midnight
    "content_time_s": pl.Float64,
    "nominal_interval_ms": pl.Float64,
    "heart_rate_bpm": pl.Float64,
    "n_cardiac_images": pl.Int32,
    # the person, as far as it serves phenotypes
    "sex": pl.String,
    "age_years": pl.Float64,
    "height_cm": pl.Float64,
    "weight_kg": pl.Float64,
    # reading
    "has_pixels": pl.Boolean,
    "defect": pl.String,  # why the pixels cannot be used although the header can: the file was cut short
    # of NIfTI files only
    "moment": pl.Categorical(),  # that the name of a single frame says: "ed", "es", "frame"
    "oriented": pl.Boolean,  # whether the axes can be those of the patient
    "refusal": pl.Categorical(),  # why it is no cine: code and sentence, ": " between
    "file_size": pl.Int64,
    "mtime_ns": pl.Int64,
}

PROBLEM_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "path": pl.String,
    "code": pl.String,
    "sentence": pl.String,
}

# What was read: a row of each image frame, and one of each other file, so that it is not read again.
READ_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    **INSTANCE_SCHEMA,
    "listed_size": pl.Int64,  # of the file or archive when it was listed: with the next, what tells a changed one
    "listed_mtime_ns": pl.Int64,
    "code": pl.String,  # of a problem; empty where the file is no DICOM; `member` is empty for an archive as a whole
    "sentence": pl.String,
}
IS_IMAGE = pl.col("frame_item").is_not_null()  # which rows of READ_SCHEMA are of image frames

SALT = secrets.token_bytes(16)  # lives as long as the process: person keys compare within a run only
_MOST_AT_ONCE = 4096  # files that a process reads at a time, in about a second
_LEAST_AT_ONCE = 256
_PIECES_EACH = 16  # for each process, so that they end at about the same time
_BYTES_A_FILE = 100_000  # of an archive, about


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
    """`most` files at a time, archives counted by what is in them: small enough for the memory of a process."""
    piece, waiting = [], 0
    for file in files:
        piece.append(file)
        waiting += 1 + file[1] // _BYTES_A_FILE if is_archive(file[0]) else 1
        if waiting >= most:
            yield piece
            piece, waiting = [], 0
    if piece:
        yield piece


def plain(instances: pl.DataFrame) -> pl.DataFrame:
    """Rows of few images with all that is text as text."""
    return instances.cast({pl.Categorical: pl.String})


def read_files(files: Sequence[FileState], *, root: Path, salt: bytes) -> pl.DataFrame:
    """Rows of READ_SCHEMA of some files and archives."""
    rows = rows_of(files, root=root, salt=salt)
    tables = [pl.DataFrame(schema=READ_SCHEMA)]
    while some := list(islice(rows, _MOST_AT_ONCE)):  # an archive may hold a million files
        columns = {name: [row.get(name) for row in some] for name in READ_SCHEMA}
        tables.append(pl.DataFrame(columns, schema=READ_SCHEMA))
    return pl.concat(tables)


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
