"""The file that says which participant (and session) a PatientID, folder or study is."""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.domain.errors import ConfigError
from cinema_cli.io.archive import without_end

KEYS = ("study_uid", "patient_id", "folder")  # the most precise first
_DELIMITERS = (",", ";", "\t")
_LABEL = re.compile(r"[A-Za-z0-9]{1,64}")  # as long as a PatientID
_HINT = "Columns: participant_id, one of patient_id, folder or study_uid, and session_id if wanted."


@dataclass(frozen=True, slots=True)
class Target:
    """What one line of the mapping file says; labels without prefix."""

    participant: str
    session: str | None
    line: int  # 1-based, as an editor shows it


@dataclass(frozen=True, slots=True)
class Mapping:
    """Participants by study UID, PatientID or folder."""

    path: Path
    targets: dict[tuple[str, str], Target]  # (column, value)

    def find(
        self, *, study_uid: str | None, patient_ids: Iterable[str | None], folder: str
    ) -> tuple[str, Target] | None:
        """(source id, target) of the most precise line that fits; folders match with all that lies under them, and an
        archive is a folder, with or without its ending."""
        candidates = [("study_uid", study_uid), *(("patient_id", patient_id) for patient_id in patient_ids)]
        parts = _folder_parts(folder)
        candidates += [("folder", "/".join(parts[:depth])) for depth in range(len(parts), 0, -1)]
        for column, value in candidates:
            if value and (target := self.targets.get((column, value))):
                return f"{column} {value}", target
        return None


def read_mapping(path: Path) -> Mapping:
    """Read the CSV. Raises ConfigError that names the line of whatever is wrong."""
    lines = _lines(path)
    header = lines[0] if lines else ""
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.reader(lines, delimiter=delimiter)
    columns = [name.strip().lower() for name in next(reader, [])]
    if "participant_id" not in columns or not set(KEYS) & set(columns):
        raise _wrong(path, 1, f"the header is {', '.join(columns) or 'empty'}")
    targets: dict[tuple[str, str], Target] = {}
    for values in reader:
        if any(value.strip() for value in values):
            _add(targets, path, line=reader.line_num, columns=columns, values=values)
    if not targets:
        raise _wrong(path, 1, "no participant follows the header")
    return Mapping(path, targets)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except OSError as error:
        reason = error.strerror or "no reason given"
        raise ConfigError(
            f"cannot read the mapping file {path.name}: {reason}", hint=_HINT, code="bad_mapping"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the mapping file {path.name} is not UTF-8 text", hint=_HINT, code="bad_mapping") from error


def _add(
    targets: dict[tuple[str, str], Target], path: Path, *, line: int, columns: list[str], values: Iterable[str]
) -> None:
    """Take one line in. Raises ConfigError where it says nothing, something impossible or the opposite of another."""
    row = dict(zip(columns, (value.strip() for value in values), strict=False))
    participant = _label(row.get("participant_id", ""), prefix="sub-", path=path, line=line)
    session_text = row.get("session_id", "")
    session = _label(session_text, prefix="ses-", path=path, line=line) if session_text else None
    used = [(column, row[column]) for column in KEYS if row.get(column)]
    if not used:
        raise _wrong(path, line, "neither patient_id nor folder nor study_uid is given")
    column, value = used[0]
    key = (column, "/".join(_folder_parts(value)) if column == "folder" else value)
    target = Target(participant, session, line)
    earlier = targets.setdefault(key, target)
    if (earlier.participant, earlier.session) != (participant, session):
        raise _wrong(
            path, line, f"the same {column} as in line {earlier.line} is given to another participant or session"
        )


def _folder_parts(folder: str) -> list[str]:
    return [without_end(part) for part in folder.strip("/").split("/") if part]


def _label(value: str, *, prefix: str, path: Path, line: int) -> str:
    label = value.removeprefix(prefix)
    if not _LABEL.fullmatch(label):
        name = "participant_id" if prefix == "sub-" else "session_id"
        said = "is empty" if not label else "is not of 1 to 64 letters and digits"
        raise _wrong(path, line, f"{name} {said}")
    return label


def _wrong(path: Path, line: int, sentence: str) -> ConfigError:
    return ConfigError(f"{path.name}, line {line}: {sentence}", hint=_HINT, code="bad_mapping")


def ambiguous_session(mapping: Mapping, target: Target, *, n_studies: int) -> ConfigError:
    """The error for a session that several studies would share."""
    return _wrong(
        mapping.path, target.line, f"session ses-{target.session} fits {n_studies} studies: name each study_uid"
    )
