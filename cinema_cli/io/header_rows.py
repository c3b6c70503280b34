"""What files and archives say, image by image, as rows of the header table; whatever cannot be read is a row too."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from cinema_cli.io.archive import Fault, Member, is_archive, read_members
from cinema_cli.io.biobank import descriptions, is_manifest
from cinema_cli.io.dicom_file import TRUNCATED_PIXELS, Row, read_instances
from cinema_cli.io.dicom_header import BrokenFileError, NotDicomError
from cinema_cli.io.folders import FileState, not_opened
from cinema_cli.io.names import to_path
from cinema_cli.io.nifti_files import rows_of_file
from cinema_cli.io.nifti_names import is_nifti

NO_DICOM = ""  # code of a file that is something else


def rows_of(files: Iterable[FileState], *, root: Path, salt: bytes) -> Iterator[Row]:
    """Rows of `io.headers.READ_SCHEMA` of some files and archives."""
    for path, size, mtime_ns in files:
        listed = {"path": path, "listed_size": size, "listed_mtime_ns": mtime_ns}
        packed = is_archive(path)
        read = _archive_rows if packed else _file_rows
        try:
            for row in read(root / to_path(path), path, mtime_ns, salt=salt):
                yield row | listed
        except OSError as error:
            code, sentence = not_opened(error)
            yield {"member": "" if packed else None, "code": code, "sentence": sentence} | listed


def _archive_rows(place: Path, path: str, mtime_ns: int, *, salt: bytes) -> Iterator[Row]:
    """Rows of the DICOM files in an archive, and of what cannot be used of it; one row where it has nothing of either.

    Images without SeriesDescription have that of UK Biobank's manifest, where there is one.
    """
    mtime_ns = place.stat().st_mtime_ns  # what the listing says of one that changed lately is no time
    waiting: list[Row] = []
    described: dict[str, str] = {}
    is_empty = True
    for name, member in read_members(place):
        if isinstance(member, Fault):
            rows: list[Row] = [{"code": member.code, "sentence": member.sentence}]
        elif is_manifest(name):
            described |= _described(member)
            continue
        else:
            rows = _file_rows(member, path, mtime_ns, salt=salt)
        rows = [{"member": name} | row for row in rows if row.get("code") != NO_DICOM]
        is_empty = is_empty and not rows
        if rows and "sop_uid" in rows[0] and rows[0]["series_description"] is None:
            waiting += rows
        else:
            yield from rows
    for row in waiting:
        yield row | {"series_description": described.get(row["member"].rpartition("/")[2])}
    if is_empty:
        yield {"member": "", "code": NO_DICOM}


def _described(manifest: Member) -> dict[str, str]:
    try:
        return descriptions(manifest.content())
    except BrokenFileError:
        return {}


def _file_rows(source: Path | Member, path: str, mtime_ns: int, *, salt: bytes) -> list[Row]:
    """Rows of one file: of its frames, or of why it has none. Raises OSError where it cannot be opened."""
    if isinstance(source, Path) and is_nifti(path):
        return rows_of_file(source, path)
    try:
        rows = read_instances(source, relative=path, salt=salt, mtime_ns=mtime_ns)
    except NotDicomError:
        return [{"code": NO_DICOM}]
    except BrokenFileError as error:
        return [{"code": error.code, "sentence": f"The file cannot be used: {error}."}]
    if defect := rows[0]["defect"]:
        said = {"code": TRUNCATED_PIXELS, "sentence": f"The file cannot be used: {defect}."}
        return [row | said for row in rows]
    return rows
