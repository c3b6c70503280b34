"""The files under a folder, each once: hidden ones left out, links followed inside and never outside."""

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

from cinema_cli.domain.errors import InputError
from cinema_cli.io.names import to_text

Problem = tuple[str, str, str]  # path as `io.names` writes it (of a folder with "/" at its end), code, sentence
DENIED, UNLISTED = "permission_denied", "unlisted_folder"  # codes of problems
LINK_OUTSIDE, BROKEN_LINK = "link_outside", "broken_link"
_DENIED_ERRORS = (errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True)
class FileTree:
    """Regular files by relative path ("/" separated, sorted, as the system has it), and what was left out."""

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
    return to_text(path), code, f"The file cannot be opened: {_reason(error)}."


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "no reason given"


def list_files(root: Path) -> FileTree:
    """List a tree once: a file or folder that links inside the root reach too counts once, and loops end.

    Links count where the walk over real folders does not come (hidden folders, git-annex objects); first those to
    folders, and of several that lead to one place the first in order.
    """
    walk = _Walk(root)
    walk.enter("", real=str(root))
    file_links: list[tuple[str, Path]] = []
    while walk.links:
        links, walk.links = sorted(walk.links), []
        for link in links:
            target = walk.target(link)
            if target is not None and target.is_dir():
                walk.enter(link, real=str(target))
            elif target is not None and target.is_file():
                file_links.append((link, target))
    stored: dict[str, str] = {}
    for link, target in sorted(file_links):
        if str(target.parent) not in walk.entered or _is_hidden(target.name):
            stored.setdefault(str(target), link)
    return FileTree(tuple(sorted([*walk.files, *stored.values()])), tuple(walk.problems), walk.n_hidden)


@dataclass(slots=True)
class _Walk:
    """What was seen so far of a tree; paths of files and links are relative to the root, as they are written."""

    root: Path
    files: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)  # not yet followed
    problems: list[Problem] = field(default_factory=list)
    entered: set[str] = field(default_factory=set)  # real paths of folders
    n_hidden: int = 0

    def enter(self, shown: str, *, real: str) -> None:
        """Walk a folder and the real folders in it, unless that was done; `shown` is what it is called."""
        waiting = [(shown, real)]
        while waiting:
            folder, place = waiting.pop()
            if place in self.entered:
                continue
            self.entered.add(place)
            try:
                entries = list(os.scandir(self.root / folder))
            except OSError as error:
                shown = f"{to_text(folder) or '.'}/"
                self.problems.append((shown, UNLISTED, f"The folder cannot be listed: {_reason(error)}."))
                continue
            for entry in entries:
                relative = f"{folder}/{entry.name}" if folder else entry.name
                if _is_hidden(entry.name):
                    self.n_hidden += not entry.is_dir(follow_symlinks=False)
                elif entry.is_symlink():
                    self.links.append(relative)
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append((relative, f"{place}{os.sep}{entry.name}"))
                elif entry.name.upper() == "DICOMDIR":
                    self.n_hidden += 1
                elif entry.is_file(follow_symlinks=False):
                    self.files.append(relative)

    def target(self, link: str) -> Path | None:
        """Where a link leads inside the root; None, and a problem more, for any other."""
        try:
            target = (self.root / link).resolve(strict=True)
        except (OSError, RuntimeError):
            self.problems.append((to_text(link), BROKEN_LINK, "The link leads nowhere."))
            return None
        if target.is_relative_to(self.root):
            return target
        sentence = "The link leads outside the cohort folder and is not followed."
        self.problems.append((f"{to_text(link)}/" if target.is_dir() else to_text(link), LINK_OUTSIDE, sentence))
        return None


def _is_hidden(name: str) -> bool:
    return name.startswith(".")
