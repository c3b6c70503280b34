"""DICOM headers of a folder tree as one table, one row an image frame; pixels are not read."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from cinema_cli.domain.errors import InputError
from cinema_cli.io.dicom_file import TRUNCATED_PIXELS, Row, read_instances
from cinema_cli.io.dicom_header import BrokenFileError, NotDicomError
from cinema_cli.io.folders import Problem, list_files, not_opened
from cinema_cli.io.names import to_text
from cinema_cli.io.processes import each
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
    "file_size": pl.Int64,
    "mtime_ns": pl.Int64,
}

PROBLEM_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "path": pl.String,
    "code": pl.String,
    "sentence": pl.String,
}

_CHUNK = 256  # files read at a time
_SALT = secrets.token_bytes(16)  # lives as long as the process: person keys compare within a run only


@dataclass(frozen=True, slots=True, eq=False)
class HeaderTable:
    """Every image frame under a root, and what could not be read."""

    instances: pl.DataFrame  # INSTANCE_SCHEMA, in order of paths (as the system has them) and frames
    problems: pl.DataFrame  # path, code, sentence
    n_files: int  # regular files seen
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
    report = progress or (lambda done, total: None)
    chunks = [tree.files[start : start + _CHUNK] for start in range(0, len(tree.files), _CHUNK)]
    work = partial(_read_chunk, root=root, salt=_SALT)
    results: list[_Chunk] = []
    done = 0
    for result in each(work, chunks, total=len(chunks), jobs=jobs or available_cpus()):
        results.append(result)
        done += result.n_files
        report(done, len(tree.files))
    instances = pl.concat([pl.DataFrame(schema=INSTANCE_SCHEMA), *(result.instances for result in results)])
    problems = [*tree.problems, *(problem for result in results for problem in result.problems)]
    return HeaderTable(
        instances=instances,
        problems=pl.DataFrame(problems, schema=PROBLEM_SCHEMA, orient="row").sort("path", "code"),
        n_files=len(tree.files) + tree.n_hidden,
        n_opened=len(tree.files),
        n_ignored=tree.n_hidden + sum(result.n_ignored for result in results),
    )


def plain(instances: pl.DataFrame) -> pl.DataFrame:
    """Rows of few images with all that is text as text."""
    return instances.cast({pl.Categorical: pl.String})


@dataclass(frozen=True, slots=True, eq=False)
class _Chunk:
    """What one piece of the file list gave."""

    instances: pl.DataFrame
    problems: tuple[Problem, ...]
    n_files: int
    n_ignored: int


def _read_chunk(files: Sequence[str], *, root: Path, salt: bytes) -> _Chunk:
    rows: list[Row] = []
    problems: list[Problem] = []
    n_ignored = 0
    for relative in files:
        try:
            found = read_instances(root / relative, relative=to_text(relative), salt=salt)
        except NotDicomError:
            n_ignored += 1
        except BrokenFileError as error:
            problems.append((to_text(relative), error.code, f"The file cannot be used: {error}."))
        except OSError as error:
            problems.append(not_opened(relative, error))
        else:
            rows += found
            if sentence := found[0]["defect"]:
                problems.append((to_text(relative), TRUNCATED_PIXELS, f"The file cannot be used: {sentence}."))
    columns = {name: [row.get(name) for row in rows] for name in INSTANCE_SCHEMA}
    return _Chunk(pl.DataFrame(columns, schema=INSTANCE_SCHEMA), tuple(problems), len(files), n_ignored)
