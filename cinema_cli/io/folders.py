"""The files under a folder: hidden ones left out, links never followed outside."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.domain.errors import InputError

Problem = tuple[str, str, str]  # path, code, sentence
LINK_OUTSIDE, DENIED, UNLISTED = "link_outside", "permission_denied", "unlisted_folder"  # codes of problems
_DENIED_ERRORS = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class FileTree:
    """Regular files by relative path ("/" separated, sorted), and what was left out."""

    files: tuple[str, ...]
    problems: tuple[Problem, ...]
    n_hidden: int  # hidden files and DICOMDIR indexes


def check_folder(root: Path) -> None:
    """Raise InputError where the root of a cohort is absent, no folder, empty or cannot be listed."""
    hint = "Give the folder that holds the DICOM files."
    try:
        if root.is_file():
            raise InputError(f"{root} is a file, not a folder", hint=hint, code="no_folder")
        with os.scandir(root) as entries:
            if next(entries, None) is None:
                raise InputError(f"{root} is empty", hint=hint, code="empty_folder")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"no folder {root}", hint=hint, code="no_folder") from error
    except OSError as error:
        hint = "Ask for the right to read it." if error.errno in _DENIED_ERRORS else "Check the disk."
        raise InputError(f"{root} cannot be read: {_reason(error)}", hint=hint, code="unreadable_folder") from error


def not_opened(path: str, error: OSError) -> Problem:
    """The problem of a file that the system does not open."""
    code = DENIED if error.errno in _DENIED_ERRORS else "unreadable"
    return path, code, f"The file cannot be opened: {_reason(error)}."


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "no reason given"


def list_files(root: Path) -> FileTree:
    """List a tree once: a file reached by several links inside the root counts once, loops end."""
    files: list[str] = []
    links: list[str] = []
    problems: list[Problem] = []
    n_hidden = 0
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            entries = list(os.scandir(root / prefix))
        except OSError as error:
            problems.append((prefix or ".", UNLISTED, f"The folder cannot be listed: {_reason(error)}."))
            continue
        for entry in entries:
            relative = f"{prefix}/{entry.name}" if prefix else entry.name
            if not _is_text(relative):
                shown = os.fsencode(relative).decode("utf-8", "backslashreplace")
                problems.append((shown, "bad_name", "The name is not valid UTF-8: rename the file to use it."))
            elif entry.is_symlink():
                links.append(relative)
            elif entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    waiting.append(relative)
            elif entry.is_file(follow_symlinks=False):
                if entry.name.startswith(".") or entry.name.upper() == "DICOMDIR":
                    n_hidden += 1
                else:
                    files.append(relative)
    linked, refused = _inside(root, links, known=set(files))
    return FileTree(tuple(sorted([*files, *linked])), (*problems, *refused), n_hidden)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _inside(root: Path, links: list[str], *, known: set[str]) -> tuple[list[str], list[Problem]]:
    """Links to files inside the root that the walk did not reach (such as git-annex objects); others are said."""
    kept: dict[Path, str] = {}
    problems: list[Problem] = []
    for link in sorted(links):
        try:
            target = (root / link).resolve(strict=True)
        except (OSError, RuntimeError):
            problems.append((link, "broken_link", "The link leads nowhere."))
            continue
        if not target.is_relative_to(root):
            problems.append((link, LINK_OUTSIDE, "The link leads outside the cohort folder and is not followed."))
        elif target.is_file() and target.relative_to(root).as_posix() not in known:
            kept.setdefault(target, link)
    return list(kept.values()), problems
