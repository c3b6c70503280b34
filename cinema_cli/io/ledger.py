"""What happened to each study: one JSON a study, written whole, from which every table is rebuilt."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import StudyFacts
from cinema_cli.domain.errors import UsageError
from cinema_cli.domain.result import Check, CheckStatus, HeadUse, Measurement, StudyResult, VolumeCurves
from cinema_cli.io.atomic import write_atomic

RECORD_VERSION = 1
RECORD_NAME = "status.json"
NOT_REACHED, INTERRUPTED = "not_reached", "interrupted"  # codes of studies that are not run
CURVES = ("times_ms", "lv_ml", "rv_ml", "myo_ml", "lv_smooth_ml")
_UID = re.compile(r"\b[0-2](?:\.\d+){4,}\b")


class Status(StrEnum):
    """How the analysis of a study ended."""

    DONE = "done"
    FAILED = "failed"
    NOT_RUN = "not_run"  # the run stopped before it


class StudyIds(Protocol):
    """Anything that names a visit: a key of the index, a result, a record."""

    @property
    def participant_id(self) -> str:
        """The person, with the `sub-` prefix."""

    @property
    def session_id(self) -> str:
        """The visit, with the `ses-` prefix."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a study has no result."""

    participant_id: str
    session_id: str
    stage: str
    code: str
    reason: str
    hint: str = ""
    facts: StudyFacts = field(default_factory=StudyFacts)
    status: Status = Status.FAILED


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What the ledger knows of one study."""

    participant_id: str
    session_id: str
    status: Status
    digest: str
    version: str
    stage: str = ""
    code: str = ""
    reason: str = ""
    hint: str = ""
    facts: StudyFacts = field(default_factory=StudyFacts)
    measurements: tuple[Measurement, ...] = ()
    checks: tuple[Check, ...] = ()
    curves: VolumeCurves | None = None
    ed_frame: int | None = None
    es_frame: int | None = None
    heads: tuple[HeadUse, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)  # name -> bytes of the masks and tables beside it
    wrote_masks: bool = False  # whether masks were wanted
    parts: Mapping[str, str] = field(
        default_factory=dict
    )  # what the digest is of, by name: says why it no longer holds
    ended: str = ""  # UTC, ISO
    host: str = ""
    memory_mib: int | None = None  # most that the process which did it had used


def study_folder(out: Path, study: StudyIds) -> Path:
    """Where the files of a study lie: OUT/sub-x/ses-y."""
    return out / study.participant_id / study.session_id


def check_output(cohort: Path, *, out: Path | None) -> Path:
    """The output folder, by default `<cohort>-cinema` beside.

    Raises UsageError where it is the input, inside it, or above it: the folders of participants may be the input then.
    """
    source = cohort.resolve()
    if out is None:
        return source.with_name(f"{source.name}-cinema")
    target = refuse_inside(cohort, out=out)
    if target in source.parents:
        raise UsageError(
            f"the output folder {out} holds the input {cohort}: results would be mixed with it",
            hint=f"Nothing is written into the input: use --out {source.with_name(source.name + '-cinema')}.",
            code="output_around_input",
        )
    return target


def refuse_inside(cohort: Path, *, out: Path) -> Path:
    """The place to write to, resolved. Raises UsageError where it is the input or inside it."""
    source, target = cohort.resolve(), out.resolve()
    if target == source or source in target.parents:
        raise UsageError(
            f"the output folder {out} lies inside the input {cohort}",
            hint=f"Nothing is written into the input: use --out {source.with_name(source.name + '-cinema')}.",
            code="output_in_input",
        )
    return target


def digest_of(*parts: object) -> str:
    """Digest of anything that JSON can say; the same parts give the same digest on every machine."""
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def record(
    out: Path,
    outcome: StudyResult | Failure,
    digest: str,
    *,
    version: str,
    files: Mapping[str, int] | None = None,
    wrote_masks: bool = False,
    parts: Mapping[str, str] | None = None,
    seconds: Mapping[str, float] | None = None,
    memory_mib: int | None = None,
    host: str = "",
) -> Path:
    """Write what became of a study; the old record stays until the new one is whole. Raises OutputError.

    `files`: names and bytes of the masks and tables beside it, which it vouches for; `wrote_masks`: whether masks were
    wanted; `parts`: what `digest` is of, by name; `seconds` by stage (of a result its own where not given); `host`: the
    machine that did it, where that may be told.
    """
    body: dict[str, Any] = {
        "record_version": RECORD_VERSION,
        "participant_id": outcome.participant_id,
        "session_id": outcome.session_id,
        "digest": digest,
        "version": version,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": host,
        "facts": asdict(outcome.facts),
        "files": dict(files or {}),
        "wrote_masks": wrote_masks,
        "parts": dict(parts or {}),
        "memory_mib": memory_mib,
    }
    body |= _failed(outcome) if isinstance(outcome, Failure) else _done(outcome)
    spent = seconds if seconds is not None or isinstance(outcome, Failure) else outcome.seconds
    body["seconds"] = {name: round(float(value), 3) for name, value in (spent or {}).items()}
    return write_atomic(study_folder(out, outcome) / RECORD_NAME, _text(_clean(body)))


def _text(body: Mapping[str, Any]) -> str:
    """JSON with a line for each thing: short, and still to be read by people."""
    said = (json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for value in body.values())
    lines = (f'"{name}": {value}' for name, value in zip(body, said, strict=True))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read_record(out: Path, study: StudyIds) -> Record | None:
    """The record of a study; None where there is none, or none that this version understands."""
    return _read(study_folder(out, study) / RECORD_NAME)


def read_records(out: Path) -> tuple[Record, ...]:
    """All records below `out`, sorted by participant and session."""
    found = (_read(path) for path in out.glob(f"sub-*/ses-*/{RECORD_NAME}"))
    return tuple(sorted((r for r in found if r), key=lambda r: (r.participant_id, r.session_id)))


def _done(result: StudyResult) -> dict[str, Any]:
    curves = result.curves
    return {
        "status": Status.DONE,
        "measurements": [asdict(m) for m in result.measurements],
        "checks": [asdict(c) for c in result.checks],
        "curves": None if curves is None else {name: getattr(curves, name).tolist() for name in CURVES},
        "ed_frame": result.ed_frame,
        "es_frame": result.es_frame,
        "heads": [asdict(h) for h in result.heads],
    }


def without_uids(failure: Failure) -> Failure:
    """The failure as it may be written: uids name a visit elsewhere."""
    return replace(failure, reason=_UID.sub("(uid)", failure.reason), hint=_UID.sub("(uid)", failure.hint))


def _failed(failure: Failure) -> dict[str, Any]:
    said = without_uids(failure)
    return {name: getattr(said, name) for name in ("status", "stage", "code", "reason", "hint")}


def _read(path: Path) -> Record | None:
    try:
        body = parsed(path.read_bytes())
    except OSError:
        return None
    if body is None:
        return None
    try:
        return Record(
            **{name: body[name] for name in ("participant_id", "session_id", "digest", "version")},
            **{name: body.get(name, "") for name in ("stage", "code", "reason", "hint")},
            status=Status(body["status"]),
            facts=StudyFacts(**body["facts"]),
            measurements=tuple(Measurement(**m) for m in body.get("measurements", ())),
            checks=tuple(Check(**(c | {"status": CheckStatus(c["status"])})) for c in body.get("checks", ())),
            curves=_curves(body.get("curves")),
            ed_frame=body.get("ed_frame"),
            es_frame=body.get("es_frame"),
            heads=tuple(HeadUse(**h) for h in body.get("heads", ())),
            seconds=body.get("seconds", {}),
            files=body.get("files", {}),
            wrote_masks=body.get("wrote_masks", False),
            parts=body.get("parts", {}),
            ended=body.get("ended", ""),
            host=body.get("host", ""),
            memory_mib=body.get("memory_mib"),
        )
    except (ValueError, KeyError, TypeError):
        return None  # a record that cannot be read is no record: the study runs again


def parsed(text: bytes) -> dict[str, Any] | None:
    """What a record says, as it was written; None where this version does not understand it."""
    try:
        body = json.loads(text)
        return dict(body) if body["record_version"] == RECORD_VERSION else None
    except (ValueError, KeyError, TypeError):
        return None


def _curves(body: Mapping[str, list[float | None]] | None) -> VolumeCurves | None:
    if body is None:
        return None
    arrays: dict[str, NDArray[np.float64]] = {name: np.array(body[name], dtype=np.float64) for name in CURVES}
    return VolumeCurves(**arrays)


def _clean(value: Any) -> Any:
    """JSON knows no NaN and no NumPy number: missing is null."""
    if isinstance(value, Mapping):
        return {str(k): _clean(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
