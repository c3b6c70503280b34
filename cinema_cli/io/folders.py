"""The files under a folder, each once: hidden ones left out, links followed inside and never outside."""

import errno
import os
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from cinema_cli.domain.errors import InputError
from cinema_cli.io.archive import is_archive
from cinema_cli.io.names import to_text

Problem = tuple[str, str, str]  # path as `io.names` writes it (of a folder with "/" at its end), code, sentence
DENIED, UNLISTED = "permission_denied", "unlisted_folder"  # codes of problems
LINK_OUTSIDE, BROKEN_LINK = "link_outside", "broken_link"
_DENIED_ERRORS = (errno.EACCES, errno.EPERM)
LATEST_NS = 2**63 - 1  # a disk may know times after the year 2262
SETTLED_S = 2.0  # a file changed so lately may change again within the same tick of its disk's clock
_CLOCKS_DIFFER_S = 86400.0  # at most, of a disk's server and this machine; later times are just odd
_TOLD_EVERY = 5000  # files

FileState = tuple[str, int, int]
"""Relative path of a file as `io.names` writes it, its size in bytes, and when it was changed, ns since 1970."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of one folder in order: about 30 bytes a file, since a cohort may have fifty million."""

    path: str  # relative to the root, "/" separated, as `io.names` writes it; "" for the root
    names: str  # of its files, likewise, joined with "/"
    sizes: "array[int]"  # bytes; -1 where the system does not say
    mtimes_ns: "array[int]"  # below zero where it changed too lately to be known again

    def __len__(self) -> int:
        return len(self.sizes)

    def files(self) -> Iterator[FileState]:
        """Each file with its path."""
        before = f"{self.path}/" if self.path else ""
        return zip((before + name for name in self.names.split("/")), self.sizes, self.mtimes_ns, strict=True)


@dataclass(frozen=True, slots=True)
class FileTree:
    """Regular files by folder, in order of their paths, and what was left out."""

    folders: tuple[Folder, ...]  # those that have files
    problems: tuple[Problem, ...]
    n_hidden: int  # hidden files and DICOMDIR indexes

    @property
    def n_files(self) -> int:
        """How many files are listed."""
        return sum(map(len, self.folders))

    def files(self) -> Iterator[FileState]:
        """Each file, in order."""
        return (file for folder in self.folders for file in folder.files())

    def digest(self) -> str:
        """The same for trees in which no file was added, taken away or changed."""
        state = blake2b(repr((self.n_hidden, sorted(self.problems))).encode(), digest_size=16)
        for folder in self.folders:
            state.update(f"{folder.path}\0{folder.names}\0".encode())
            state.update(folder.sizes)
            state.update(folder.mtimes_ns)
        return state.hexdigest()


def check_folder(root: Path) -> None:
    """Raise InputError where the root of a cohort is absent, no folder, empty or cannot be listed."""
    hint = "Give the folder that holds the DICOM files."
    try:
        if root.is_file():
            if is_archive(root.name):
                hint = "Give the folder that it lies in: archives are read where they are."
            raise InputError(f"{root} is a file, not a folder", hint=hint, code="no_folder")
        with os.scandir(root) as entries:
            if next(entries, None) is None:
                raise InputError(f"{root} is empty", hint=hint, code="empty_folder")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"no folder {root}", hint=hint, code="no_folder") from error
    except OSError as error:
        hint = "Ask for the right to read it." if error.errno in _DENIED_ERRORS else "Check the disk."
        raise InputError(f"{root} cannot be read: {_reason(error)}", hint=hint, code="unreadable_folder") from error


def not_opened(error: OSError) -> tuple[str, str]:
    """Code and sentence of a file that the system does not open."""
    code = DENIED if error.errno in _DENIED_ERRORS else "unreadable"
    return code, f"The file cannot be opened: {_reason(error)}."


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else "no reason given"


def list_files(root: Path, *, progress: Callable[[int], None] | None = None) -> FileTree:
    """List a tree once: a file or folder that links inside the root reach too counts once, and loops end.

    Links count where the walk over real folders does not come (hidden folders, git-annex objects); first those to
    folders, and of several that lead to one place the first in order. `progress` is told how many files were found.
    """
    walk = _Walk(root, progress or (lambda found: None))
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
    linked = [_linked(root, link) for link in stored.values()]
    folders = sorted([*walk.folders, *linked], key=lambda folder: (folder.path, folder.names))
    return FileTree(tuple(folders), tuple(walk.problems), walk.n_hidden)


def _linked(root: Path, link: str) -> Folder:
    """A file that a link leads to, as if it lay there itself."""
    folder, _, name = link.rpartition("/")
    return _folder(folder, [_state(name, root / link)])


def _state(name: str, file: "os.DirEntry[str] | Path") -> FileState:
    """Name, size and time of change of a file; -1 where it has gone."""
    try:
        status = file.stat()
    except OSError:
        return name, -1, -1
    return name, status.st_size, status.st_mtime_ns


def _folder(path: str, files: Sequence[FileState]) -> Folder:
    """Files of one folder by name. What changed lately gets a time that no file has, so that it is read again."""
    now = time.time_ns()
    lately = range(now - int(SETTLED_S * 1e9), now + int(_CLOCKS_DIFFER_S * 1e9))
    names, sizes, times = zip(*sorted(files), strict=True)
    if max(times) >= lately.start:
        times = tuple(-now if changed in lately else min(changed, LATEST_NS) for changed in times)
    return Folder(to_text(path), to_text("/".join(names)), array("q", sizes), array("q", times))


@dataclass(slots=True)
class _Walk:
    """What was seen so far of a tree; paths of files and links are relative to the root, as they are written."""

    root: Path
    progress: Callable[[int], None]
    folders: list[Folder] = field(default_factory=list)
    links: list[str] = field(default_factory=list)  # not yet followed
    problems: list[Problem] = field(default_factory=list)
    entered: set[str] = field(default_factory=set)  # real paths of folders
    n_hidden: int = 0
    n_files: int = 0
    n_told: int = 0

    def enter(self, shown: str, *, real: str) -> None:
        """Walk a folder and the real folders in it, unless that was done; `shown` is what it is called."""
        waiting = [(shown, real)]
        while waiting:
            folder, place = waiting.pop()
            if place in self.entered:
                continue
            self.entered.add(place)
            try:
                with os.scandir(f"{self.root}{os.sep}{folder}") as listing:
                    entries = list(listing)
            except OSError as error:
                shown = f"{to_text(folder) or '.'}/"
                self.problems.append((shown, UNLISTED, f"The folder cannot be listed: {_reason(error)}."))
                continue
            waiting += [(inner, f"{place}{os.sep}{name}") for inner, name in self._sorted_out(folder, entries)]

    def _sorted_out(self, folder: str, entries: Sequence["os.DirEntry[str]"]) -> list[tuple[str, str]]:
        """Keep the files and links of a folder; (relative path, name) of the folders in it."""
        before = f"{folder}/" if folder else ""
        files: list[FileState] = []
        inner = []
        for entry in entries:
            name = entry.name
            if name[0] == ".":
                self.n_hidden += not entry.is_dir(follow_symlinks=False)
            elif entry.is_file(follow_symlinks=False):
                if name.upper() == "DICOMDIR":
                    self.n_hidden += 1
                else:
                    files.append(_state(name, entry))
            elif entry.is_symlink():
                self.links.append(before + name)
            elif entry.is_dir(follow_symlinks=False):
                inner.append((before + name, name))
        if files:
            self._keep(_folder(folder, files))
        return inner

    def _keep(self, folder: Folder) -> None:
        self.folders.append(folder)
        self.n_files += len(folder)
        if self.n_files - self.n_told >= _TOLD_EVERY:
            self.n_told = self.n_files
            self.progress(self.n_files)

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
