"""Whether the results fit: what a file system has left, and what a run will need of it."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from cinema_cli.domain.errors import OutputError
from cinema_cli.io.atomic import output_errors
from cinema_cli.io.ledger import RECORD_NAME, Status

STUDY_BYTES, IMAGE_BYTES = 400_000, 1_200
"""Disk that a study takes, and each of its images more: pages, masks and record of simulated hearts, measured with 125
images (450 kB) and 395 (850 kB)."""
STUDY_FILES = 12  # files and folders of a study: measured 7, more with the answers of other heads
TABLE_BYTES = 25_000  # of a study in tables and report
_SAMPLE = 100  # studies that are measured
_BLOCK = 512  # bytes, the unit of st_blocks on every system


@dataclass(frozen=True, slots=True)
class Space:
    """Room in a file system: bytes, and how many files; None where files are not counted."""

    bytes: int
    files: int | None


@dataclass(frozen=True, slots=True)
class Need:
    """What a run will write: bytes and files, and in words how that is known."""

    bytes: int
    files: int
    reason: str


def free_space(folder: Path) -> Space:
    """Room for this user in the file system of `folder`, which need not exist yet. Raises OutputError."""
    there = next(f for f in (folder.absolute(), *folder.absolute().parents) if f.exists())
    with output_errors(folder):
        found = os.statvfs(there)
    return Space(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def needed_space(out: Path, *, n_studies: int, n_images: int) -> Need:
    """What `n_studies` studies that have no files below `out` yet, of `n_images` images in all, will take there.

    A study as much as those already done there, else what the constants above say; tables beside those of before.
    """
    measured = [_taken(folder) for folder in islice(_done(out), _SAMPLE)]
    tables = n_studies * TABLE_BYTES + max(
        (path.stat().st_size for path in out.glob("*.*") if path.is_file()), default=0
    )
    if measured:
        each, n_files = (sum(values) / len(measured) for values in zip(*measured, strict=True))
        reason = f"{_size(each)} a study, as the {len(measured)} measured in it took"
        return Need(round(n_studies * each) + tables, round(n_studies * n_files), reason)
    each = STUDY_BYTES + IMAGE_BYTES * n_images / max(n_studies, 1)
    reason = f"about {_size(each)} a study, by the number of images"
    return Need(round(n_studies * each) + tables, n_studies * STUDY_FILES, reason)


def check_space(out: Path, *, n_studies: int, n_images: int) -> Need:
    """What will be needed, see `needed_space`. Raises OutputError `no_space` where that much is not free."""
    need = needed_space(out, n_studies=n_studies, n_images=n_images)
    free = free_space(out)
    if not n_studies:
        return need
    hint = "Free some space or choose another folder with --out; --no-masks needs less."
    if need.bytes > free.bytes:
        raise OutputError(
            f"not enough space for {out}: about {_size(need.bytes)} needed for {n_studies} "
            f"{'study' if n_studies == 1 else 'studies'} ({need.reason}), {_size(free.bytes)} free",
            hint=hint,
            code="no_space",
        )
    if free.files is not None and need.files > free.files:
        raise OutputError(
            f"too few inodes for {out}: about {need.files} files and folders will be written, room for {free.files}",
            hint=hint,
            code="no_space",
        )
    return need


def _done(out: Path) -> Iterator[Path]:
    """Folders of studies that have a result, as they come."""
    for path in out.glob(f"sub-*/ses-*/{RECORD_NAME}"):
        try:
            record: Any = json.loads(path.read_bytes())
            if record["status"] == Status.DONE:
                yield path.parent
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _taken(folder: Path) -> tuple[int, int]:
    """(bytes on disk, files and folders) of a study, its participant's folder included."""
    entries = [folder, folder.parent, *folder.rglob("*")]
    return sum(path.lstat().st_blocks * _BLOCK for path in entries), len(entries)


def _size(n_bytes: float) -> str:
    """`3.2 GB`, `12 MB`, `400 kB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= scale:
            value = n_bytes / scale
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{n_bytes / 1e3:.0f} kB"
