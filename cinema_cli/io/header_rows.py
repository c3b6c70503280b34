"""Files and archives of a cohort to rows of the table of headers; whatever cannot be read is a row too."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from cinema_cli.io.archive import Fault, Member, is_archive, read_members
from cinema_cli.io.biobank import descriptions, is_manifest
from cinema_cli.io.dicom_elements import BrokenFileError
from cinema_cli.io.dicom_file import TRUNCATED_PIXELS, DicomFile, Row, read_file, read_member
from cinema_cli.io.dicom_header import NotDicomError
from cinema_cli.io.dicom_images import image_rows
from cinema_cli.io.folders import FileState, not_opened
from cinema_cli.io.instances import READ_SCHEMA
from cinema_cli.io.names import to_path
from cinema_cli.io.nifti_names import is_nifti

NO_DICOM = ""  # code of a file that is something else
_AT_ONCE = 4096  # files of an archive, which may hold a million
_PLACE_SCHEMA = {name: READ_SCHEMA[name] for name in ("path", "member", "listed_size", "listed_mtime_ns")}

Said = DicomFile | Row
"""What a file says: a row of READ_SCHEMA for all but images in DICOM."""


class Read(NamedTuple):
    """What a file says with its place: the first are _PLACE_SCHEMA."""

    path: str
    member: str | None
    listed_size: int
    listed_mtime_ns: int
    image: DicomFile | None
    other: Row


def read_files(files: Iterable[FileState], *, root: Path, salt: bytes) -> pl.DataFrame:
    """Rows of READ_SCHEMA of some files and archives; `salt` keeps `person_key` from being guessed."""
    read = _read_each(files, root=root)
    tables = [pl.DataFrame(schema=READ_SCHEMA)]
    while some := list(islice(read, _AT_ONCE)):
        tables.append(_table(some, salt=salt))
    return pl.concat(tables)


def _read_each(files: Iterable[FileState], *, root: Path) -> Iterator[Read]:
    before = f"{root}{os.sep}"
    for path, size, mtime_ns in files:
        place, packed = before + to_path(path), is_archive(path)
        try:
            for member, said in _archive(Path(place)) if packed else _file(place, path):
                image, other = (said, {}) if isinstance(said, DicomFile) else (None, said)
                yield Read(path, member, size, mtime_ns, image, other)
        except OSError as error:
            code, sentence = not_opened(error)
            yield Read(path, "" if packed else None, size, mtime_ns, None, {"code": code, "sentence": sentence})


def _file(place: str, path: str) -> Iterable[tuple[None, Said]]:
    """What a file on disk says. Raises OSError where it cannot be opened."""
    if is_nifti(path):
        from cinema_cli.io.nifti_files import rows_of_file  # here, so that processes start without nibabel

        return [(None, row) for row in rows_of_file(Path(place), path)]
    return ((None, _said(partial(read_file, place))),)


def _said(read: Callable[[], DicomFile]) -> Said:
    try:
        return read()
    except NotDicomError:
        return {"code": NO_DICOM}
    except BrokenFileError as error:
        return {"code": error.code, "sentence": f"The file cannot be used: {error}."}


def _archive(place: Path) -> Iterator[tuple[str, Said]]:
    """Names of the DICOM files in an archive and what they say, and what cannot be used of it; one row without a name
    where it has nothing of either. Raises OSError where it cannot be opened.

    Images without SeriesDescription have that of UK Biobank's manifest, where there is one.
    """
    mtime_ns = place.stat().st_mtime_ns  # what the listing says of one that changed lately is no time
    waiting: list[tuple[str, DicomFile]] = []
    described: dict[str, str] = {}
    is_empty = True
    for name, member in read_members(place):
        if isinstance(member, Fault):
            said: Said = {"code": member.code, "sentence": member.sentence}
        elif is_manifest(name):
            described |= _described(member)
            continue
        else:
            said = _said(partial(read_member, member, mtime_ns=mtime_ns))
        if isinstance(said, DicomFile) and not said.is_described:
            waiting.append((name, said))
        elif isinstance(said, DicomFile) or said["code"] != NO_DICOM:
            yield name, said
            is_empty = False
    for name, image in waiting:
        yield name, image._replace(described=described.get(name.rpartition("/")[2]))
    if is_empty and not waiting:
        yield "", {"code": NO_DICOM}


def _described(manifest: Member) -> dict[str, str]:
    try:
        return descriptions(manifest.content())
    except BrokenFileError:
        return {}


def _table(read: Sequence[Read], *, salt: bytes) -> pl.DataFrame:
    """Rows of READ_SCHEMA, in order."""
    images = [one for one in read if one.image]
    table = _image_table(images, [one.image for one in read if one.image], salt=salt)
    if len(images) == len(read):
        return table
    rows = [one.other | dict(zip(_PLACE_SCHEMA, one, strict=False)) for one in read if not one.image]
    others = pl.DataFrame({name: [row.get(name) for row in rows] for name in READ_SCHEMA}, schema=READ_SCHEMA)
    counts = [one.image.n_frames if one.image else 1 for one in read]
    is_image = np.repeat([one.image is not None for one in read], counts)
    order = np.where(is_image, is_image.cumsum() - 1, table.height + (~is_image).cumsum() - 1)
    return pl.concat([table, others])[order]


def _image_table(read: Sequence[Read], images: Sequence[DicomFile], *, salt: bytes) -> pl.DataFrame:
    """Rows of READ_SCHEMA of DICOM images."""
    if not images:
        return pl.DataFrame(schema=READ_SCHEMA)
    rows = image_rows(images, salt=salt)
    places = pl.DataFrame([one[:4] for one in read], schema=_PLACE_SCHEMA, orient="row")
    is_cut = pl.col("defect").is_not_null()
    code = pl.when(is_cut).then(pl.lit(TRUNCATED_PIXELS))
    sentence = pl.when(is_cut).then(pl.format("The file cannot be used: {}.", "defect"))
    return rows.hstack(places[rows["file"]]).with_columns(code=code, sentence=sentence).select(*READ_SCHEMA)
