"""How studies stand: of each record what a run, its plan or a status needs, without numbers and curves."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cinema_cli.io.ledger import RECORD_NAME, Status, StudyIds, parsed
from cinema_cli.io.processes import Team

_AT_ONCE = 500
_CHECKS, _FLAGGED = b'"checks": ', b'"status":"flag"'
_BULKY = (b'"measurements": ', _CHECKS, b'"curves": ')  # lines of a record


@dataclass(frozen=True, slots=True, order=True)
class Visit:
    """A study as the tables name it."""

    participant_id: str
    session_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """What a record says of how its study stands."""

    participant_id: str
    session_id: str
    status: Status
    digest: str
    version: str
    code: str
    reason: str
    flagged: bool  # whether a check did not pass
    wrote_masks: bool
    files: Mapping[str, int]  # name -> bytes
    heads: tuple[str, ...]  # published ones, that were asked
    parts: Mapping[str, str]  # what the digest is of, by name
    ended: str  # UTC, ISO; empty where the record does not say
    seconds: Mapping[str, float]  # by stage
    written_ns: int  # by the disk's clock

    @property
    def said(self) -> tuple[str, ...]:
        """What tables made of the record depend on, see `io.records.said_digest`."""
        return self.participant_id, self.session_id, str(self.status), self.digest, self.version, self.reason


def read_standings(out: Path, studies: Sequence[StudyIds], *, jobs: int = 1) -> list[Standing | None]:
    """The standing of each study in turn; None where it has no record that this version understands."""
    visits = [Visit(study.participant_id, study.session_id) for study in studies]
    pieces = [visits[start : start + _AT_ONCE] for start in range(0, len(visits), _AT_ONCE)]
    with Team(jobs) as team:
        return [one for some in team.each(partial(_some, out), pieces, total=len(pieces)) for one in some]


def _some(out: Path, visits: Sequence[Visit]) -> list[Standing | None]:
    return [_standing(f"{out}/{v.participant_id}/{v.session_id}/{RECORD_NAME}") for v in visits]


def _standing(path: str) -> Standing | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - of 75,000, where a Path takes as long as the reading
            text, written_ns = file.read(), os.fstat(file.fileno()).st_mtime_ns
        if (body := _brief(text)) is None:
            return None
        return Standing(
            participant_id=body["participant_id"],
            session_id=body["session_id"],
            status=Status(body["status"]),
            digest=body["digest"],
            version=sys.intern(body["version"]),
            code=sys.intern(body.get("code", "")),
            reason=sys.intern(body.get("reason", "")),
            flagged=body["flagged"],
            wrote_masks=body.get("wrote_masks", False),
            files=body.get("files", {}),
            heads=tuple(sys.intern(head["name"]) for head in body.get("heads", ()) if head.get("weights")),
            parts={sys.intern(name): sys.intern(value) for name, value in body.get("parts", {}).items()},
            ended=body.get("ended", ""),
            seconds=body.get("seconds", {}),
            written_ns=written_ns,
        )
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _brief(text: bytes) -> dict[str, Any] | None:
    """What a record says without its bulky parts, which take most of the time; `flagged`: whether a check did not pass.

    A record has a line for each thing; one that is laid out otherwise is read whole.
    """
    lines = text.split(b"\n")
    body = parsed(b"\n".join(line for line in lines if not line.startswith(_BULKY))) or parsed(text)
    if body is None:
        return None
    flagged = any(_FLAGGED in line for line in lines if line.startswith(_CHECKS))
    return body | {"flagged": flagged or any(check["status"] == "flag" for check in body.get("checks", ()))}
