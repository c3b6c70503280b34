"""What of a cohort could not be read: whether anything is left, whom it may cost, and how to say it."""

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

import polars as pl

from cinema_cli.domain.errors import InputError
from cinema_cli.io.dicom_file import TRUNCATED_PIXELS
from cinema_cli.io.folders import BROKEN_LINK, DENIED, LINK_OUTSIDE, UNLISTED

# Codes of files that were not read so that not even their person is known; of folders and archives every code is one.
_MEMBERS = ("truncated_member", "damaged_member", "member_bomb", "archive_bomb", "bad_checksum")
_LOST_CODES = ("unreadable", "truncated", DENIED, LINK_OUTSIDE, BROKEN_LINK, *_MEMBERS)
_WORDS = {  # code, with "/" where that of a folder has words of its own -> (one, many)
    TRUNCATED_PIXELS: ("file is truncated", "files are truncated"),
    DENIED: ("file cannot be opened: permission denied", "files cannot be opened: permission denied"),
    f"{UNLISTED}/": ("folder cannot be listed", "folders cannot be listed"),
    LINK_OUTSIDE: ("link leads outside and is not followed", "links lead outside and are not followed"),
    BROKEN_LINK: ("link leads nowhere", "links lead nowhere"),
    "truncated_archive/": ("archive is cut short", "archives are cut short"),
    "damaged_archive/": ("archive is damaged", "archives are damaged"),
    "nested_archives/": (
        "archive holds archives, which are not opened",
        "archives hold archives, which are not opened",
    ),
    "encrypted_members/": ("archive is encrypted", "archives are encrypted"),
}
_OTHER = ("file could not be read", "files could not be read")
_OF_ARCHIVE = ("archive could not be read in full", "archives could not be read in full")


def check_any(modalities: Collection[str | None], problems: pl.DataFrame, *, n_files: int) -> None:
    """Raise InputError where there is nothing to index: no file, no DICOM image or no MR image, and say why.

    `modalities`: those of all images.
    """
    if not modalities:
        raise _nothing(problems, n_files=n_files)
    if "MR" not in modalities:
        found = ", ".join(sorted({m or "unknown" for m in modalities}))
        raise InputError(f"no MR images, only modality {found}", hint="cinema reads cine cardiac MR.", code="no_mr")


def _nothing(problems: pl.DataFrame, *, n_files: int) -> InputError:
    n_links, n_denied = (problems.filter(code=code).height for code in (LINK_OUTSIDE, DENIED))
    if n_links and 2 * n_links >= problems.height:
        said = f"{n_links} {_WORDS[LINK_OUTSIDE][n_links != 1]}, and no DICOM image lies in the folder itself"
        return InputError(said, hint="Give the real folder that the links lead to.", code="links_outside")
    if n_files == 0 and problems.is_empty():
        hint = "Give the folder that holds the DICOM files."
        return InputError("the folder is empty", hint=hint, code="empty_folder")
    said = f": {', '.join(problem_words(problems))}" if problems.height else ""
    hint = "Check that the copy is complete; archives other than zip and tar must be unpacked first."
    if n_denied and n_denied == problems.height:
        hint = "Ask for the right to read the files (chmod, or another account)."
    return InputError(f"none of {n_files} files is a readable DICOM or NIfTI image{said}", hint=hint, code="no_dicom")


def problem_words(problems: pl.DataFrame) -> list[str]:
    """`48 files are truncated`: how many have which problem, without their names; most frequent first."""
    counts: dict[tuple[str, str], int] = {}
    for path, code in problems.select("path", "code").iter_rows():
        whole = path.endswith("/")
        own = _WORDS.get(f"{code}/") if whole else None
        words = own or _WORDS.get(code, _OF_ARCHIVE if whole else _OTHER)
        counts[words] = counts.get(words, 0) + 1
    return [f"{n} {words[n != 1]}" for words, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def lost_folders(problems: pl.DataFrame, places: Iterable[str]) -> tuple[str, ...]:
    """Topmost folders, and links to such, of which not one image could be read: whoever is in them is in no table.

    `places`: a path in each folder of which images were read; an archive is a folder.
    """
    bad = problems.filter(pl.col("code").is_in(_LOST_CODES) | pl.col("path").str.ends_with("/"))
    if bad.is_empty():
        return ()
    read = {PurePosixPath(place).parent for place in places}
    known = {above for folder in read for above in (folder, *folder.parents)}
    lost = set()
    for path, code in bad.select("path", "code").iter_rows():
        place = PurePosixPath(path)
        stands_for_folder = path.endswith("/") or (code == BROKEN_LINK and _among_folders(place, read))
        folder = place if stands_for_folder else place.parent
        above = [part for part in (folder, *folder.parents) if part not in known]
        if above:
            lost.add(str(above[-1]))
    return tuple(sorted(lost))


def _among_folders(link: PurePosixPath, read: set[PurePosixPath]) -> bool:
    """Whether a link that leads nowhere may have led to a folder: it has no file's name and no image beside it."""
    return link.parent not in read and not link.suffix[1:2].isalpha()
