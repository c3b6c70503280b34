"""Zip and tar files read in place: their members one after the other, and in plain words what cannot be used."""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

from cinema_cli.io.dicom_elements import BrokenFileError
from cinema_cli.io.members import LIMITS, ArchiveError, Budget, Entry, Fault, Limits, Member
from cinema_cli.io.names import to_text
from cinema_cli.io.tar_members import tar_entries
from cinema_cli.io.zip_members import zip_entries

__all__ = ["ARCHIVE_END", "LIMITS", "Fault", "Limits", "Member", "is_archive", "read_members", "without_end"]

ARCHIVE_END = r"(?i)\.(zip|tar|tgz|tbz2|txz|tar\.(gz|bz2|xz))$"  # of a file's name
_END = re.compile(ARCHIVE_END)
_DRIVE = re.compile(r"[A-Za-z]:")
_LONGEST_NAME = 4096  # bytes
_LEFT_OUT = {  # code -> what is said of one member and of several
    "unsafe_names": ("has a name that leads out of the archive", "have names that lead out of the archive"),
    "special_members": ("is a link or a device", "are links or devices"),
    "encrypted_members": ("is encrypted", "are encrypted"),
    "unsupported_members": ("is stored in a way that is not supported", "are stored in a way that is not supported"),
    "overlapping_members": ("is stored in the bytes of another", "are stored in the bytes of others"),
    "nested_archives": ("is an archive itself, which is not opened", "are archives themselves, which are not opened"),
    "duplicate_names": ("has the name of an earlier one", "have the names of earlier ones"),
    "further_members": ("cannot be read either", "cannot be read either"),
}
_WHOLE = {  # code of what is wrong with compressed bytes -> what that is where all of an archive is compressed
    "archive_bomb": Fault("archive_bomb", "The archive grows out of all proportion: the rest is left out."),
    "truncated_member": Fault("truncated_archive", "The archive is cut short: what comes before the cut is used."),
    "damaged_member": Fault("damaged_archive", "The archive is damaged: what comes before the damage is used."),
}


def is_archive(name: str) -> bool:
    """Whether a file of this name is taken for an archive."""
    return _END.search(name) is not None


def without_end(name: str) -> str:
    """The name of an archive without what marks it as one: that of the folder it would be unpacked to."""
    return _END.sub("", name)


def read_members(
    path: Path, names: Collection[str] | None = None, *, limits: Limits = LIMITS
) -> Iterator[tuple[str, Member | Fault]]:
    """The files in an archive by name, in one pass from front to back, or those of the given `names` only.

    Names are as `io.names` writes them, "/" separated, and never lead out of the archive. A member must be read before
    the next one is asked for; reading it may raise BrokenFileError. What cannot be used is a `Fault`: of a member under
    its name, of the archive, or of all its members of one kind together, under "". Folders and hidden files are left
    out. However hostile the archive, no more is held than one member as far as it is read, within `limits`. Raises
    OSError where the file cannot be opened or read.
    """
    with path.open("rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        screen = _Screen(names, limits)
        budget = Budget(before.st_size, limits)
        try:
            yield from _opened(_entries(path.name, file, before.st_size, budget), screen, budget)
        except ArchiveError as error:
            yield "", error.fault
        except BrokenFileError as error:
            yield "", _WHOLE[error.code]
        if names is None:
            yield from (("", fault) for fault in screen.faults())
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            yield "", Fault("changed_archive", "The archive changed while it was read.")


def _entries(name: str, file: BinaryIO, size: int, budget: Budget) -> Iterator[Entry]:
    if name.lower().endswith(".zip"):
        return zip_entries(file, size=size)
    return tar_entries(file, size=size, budget=budget)


def _opened(entries: Iterator[Entry], screen: "_Screen", budget: Budget) -> Iterator[tuple[str, Member | Fault]]:
    wanted = len(screen.names) if screen.names is not None else -1
    for number, entry in enumerate(entries):
        if number >= budget.limits.members:
            said = f"The archive has more than {number} members: the rest is left out."
            raise ArchiveError("too_many_members", said)
        name = screen.shown(entry)
        if not name:
            continue
        member = entry.open(name, budget)
        if member is not None:
            yield name, member
        elif screen.may_name():
            yield name, Fault("truncated_member", "The file cannot be used: its archive does not hold all of it.")
        if budget.left < 0:
            raise BrokenFileError("its archive grows out of all proportion", code="archive_bomb")
        wanted -= 1
        if wanted == 0:
            return


class _Screen:
    """Which entries are read, by which names, and how many are left out for which reason."""

    def __init__(self, names: Collection[str] | None, limits: Limits) -> None:
        self.names = None if names is None else frozenset(names)
        self._limits = limits
        self._counts: Counter[str] = Counter()
        self._seen: set[int] = set()  # hashes: a million names would be large
        self._n_named = 0

    def shown(self, entry: Entry) -> str:
        """The name under which an entry is read; empty where it is not."""
        if entry.left_out == "folder":
            return ""
        name = _inner_name(entry.name)
        if _is_hidden(name):
            return ""
        reason = entry.left_out or ("" if name else "unsafe_names") or ("nested_archives" if is_archive(name) else "")
        if not reason and (self.names is None or name in self.names):
            if hash(name) not in self._seen:
                self._seen.add(hash(name))
                return name
            reason = "duplicate_names"
        self._counts[reason] += bool(reason)
        return ""

    def may_name(self) -> bool:
        """Whether one more damaged member may be named; else it is counted."""
        self._n_named += 1
        self._counts["further_members"] += self._n_named > self._limits.notes
        return self._n_named <= self._limits.notes

    def faults(self) -> Iterator[Fault]:
        """What was left out, each reason once."""
        for code, count in sorted(self._counts.items()):
            if count:
                one, many = _LEFT_OUT[code]
                said = f"{count} of its members {many}" if count > 1 else f"One of its members {one}"
                yield Fault(code, f"{said}: not read.")


def _inner_name(raw: bytes) -> str:
    """A member's name as text, without `./`; empty where it leads out of the archive or is none."""
    text = os.fsdecode(raw) if len(raw) <= _LONGEST_NAME else ""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    leads_out = text.startswith(("/", "\\")) or _DRIVE.match(text) or ".." in text.replace("\\", "/").split("/")
    return "" if leads_out else to_text("/".join(parts))


def _is_hidden(name: str) -> bool:
    """Whether a member, or a folder it lies in, is hidden, or an index of other files."""
    parts = name.split("/")
    return any(part.startswith(".") for part in parts) or parts[-1].upper() == "DICOMDIR"
