"""Which studies of a cohort a run has to do, and why: what their records say against inputs, weights and settings."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cinema_cli.domain.cine import CineStudy, StudyFacts
from cinema_cli.domain.result import HeadUse
from cinema_cli.io.clinical import ClinicalFacts, merge_facts
from cinema_cli.io.ledger import INTERRUPTED, Status, digest_of, study_folder
from cinema_cli.io.standings import Standing, read_standings

_SHORT = 16  # digits of a digest that tell it from others
_CLINICAL = "clinical "  # begins the names of parts that a clinical file says


@dataclass(frozen=True, slots=True)
class Opened:
    """What another process needs to read a study, and what the scan says of its series."""

    read: Callable[[], CineStudy]  # raises StudyError; can be sent to another process
    series: pl.DataFrame


@dataclass(frozen=True, slots=True)
class StudyInput:
    """One visit as the scan found it: its ids, the digest of its files, and how to read it."""

    participant_id: str
    session_id: str
    digest: str
    open: Callable[[], Opened]  # asked when its turn has come: of a large cohort not all fit in memory
    facts: StudyFacts = dataclasses.field(default_factory=StudyFacts)  # of its headers, for where it cannot be read
    n_images: int = 0
    n_bytes: int = 0  # of its pixels in memory, float32


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What decides which studies run and what is written; `results` are the settings that change results."""

    version: str
    results: Mapping[str, str] = dataclasses.field(default_factory=dict)
    force: bool = False
    retry_failed: bool = False
    max_failures: int | None = None
    write_masks: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """What the record of a study says, as far as a run needs it."""

    status: Status
    flagged: bool
    dropped_heads: tuple[str, ...]  # that answered before and are not asked now
    written_ns: int = 0  # when, by the disk's clock
    had_clinical: bool = False  # whether it was analysed with facts of a clinical file


@dataclass(frozen=True, slots=True)
class Planned:
    """A study, whether it will run, and why (or why not)."""

    study: StudyInput
    digest: str
    runs: bool
    why: str
    known: Known | None = None  # what an earlier run left; None where there is no record
    parts: Mapping[str, str] = dataclasses.field(default_factory=dict)  # what the digest of one that runs is of


def plan(
    studies: Sequence[StudyInput],
    *,
    out: Path,
    heads: tuple[HeadUse, ...],
    clinical: ClinicalFacts,
    settings: RunSettings,
    jobs: int = 1,
) -> tuple[Planned, ...]:
    """What each study's record says: to run, or done already. `jobs`: processes, where there is much to read."""
    planned = []
    for study, known in zip(studies, read_standings(out, studies, jobs=jobs), strict=True):
        said = facts_of(study, StudyFacts(), clinical)
        digest = digest_of(
            study.digest,
            [dataclasses.asdict(h) for h in heads[:1]],  # the one that measures
            sorted((dataclasses.asdict(h) for h in heads[1:]), key=lambda head: str(head["name"])),
            dict(settings.results),
            settings.version,
            dataclasses.asdict(said),
        )
        parts = parts_of(study.digest, heads, settings, said)
        runs, why = _decide(study, digest, known, heads=heads, out=out, settings=settings, parts=parts)
        planned.append(
            Planned(study, digest, runs, why, _known(known, heads) if known else None, parts if runs else {})
        )
    return tuple(planned)


def _known(known: Standing, heads: Sequence[HeadUse]) -> Known:
    dropped = tuple(dropped_heads(known, heads))
    return Known(known.status, known.flagged, dropped, known.written_ns, bool(_clinical_of(known.parts)))


def done_meanwhile(item: Planned, *, out: Path) -> bool:
    """Whether another run has done a study, in the same way, since this run was planned."""
    (now,) = read_standings(out, [item.study])
    if now is None or now.digest != item.digest or now.status is Status.NOT_RUN:
        return False
    return item.known is None or now.written_ns != item.known.written_ns


def parts_of(digest: str, heads: Sequence[HeadUse], settings: RunSettings, said: StudyFacts) -> dict[str, str]:
    """What a record's digest is of, by name: kept beside it, so that a later run can say what has changed."""
    parts = {"input": digest[:_SHORT], "measures": heads[0].name if heads else ""}
    for head in heads:
        parts |= {f"weights {head.name}": head.sha256[:_SHORT], f"card {head.name}": head.setup[:_SHORT]}
        parts |= {f"precision {head.name}": head.precision}
    parts |= {f"setting {name}": value for name, value in settings.results.items()}
    return parts | _clinical_parts(said)


def has_other_clinical(known: Standing, clinical: ClinicalFacts) -> bool:
    """Whether a study was analysed with other facts than a clinical file says now."""
    ids = {"participant_id": known.participant_id, "session_id": known.session_id}
    said = merge_facts(StudyFacts(), clinical=clinical, **ids)
    return bool(known.parts) and _clinical_of(known.parts) != _clinical_parts(said)


def _clinical_parts(said: StudyFacts) -> dict[str, str]:
    facts = {f.name: getattr(said, f.name) for f in dataclasses.fields(said)}
    return {f"{_CLINICAL}{name}": str(value) for name, value in facts.items() if value is not None}


def _clinical_of(parts: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in parts.items() if name.startswith(_CLINICAL)}


def facts_of(study: StudyInput, header: StudyFacts, clinical: ClinicalFacts) -> StudyFacts:
    """Facts of the headers, overruled by those of the clinical file."""
    ids = {"participant_id": study.participant_id, "session_id": study.session_id}
    return merge_facts(header, clinical=clinical, **ids)


def dropped_heads(known: Standing, heads: Sequence[HeadUse]) -> list[str]:
    """Published heads that answered a study before and are not asked now: running it again loses what they said."""
    asked = {head.name for head in heads}
    return [name for name in known.heads if name not in asked]


def _decide(
    study: StudyInput,
    digest: str,
    known: Standing | None,
    *,
    heads: Sequence[HeadUse],
    out: Path,
    settings: RunSettings,
    parts: Mapping[str, str],
) -> tuple[bool, str]:
    if settings.force:
        return True, "forced"
    if known is None:
        return True, "new"
    if known.version != settings.version:
        return True, f"recorded by version {known.version}"
    if known.digest != digest:
        gone = [f"without {name}, which answered before" for name in dropped_heads(known, heads)]
        return True, "; ".join(gone + _changes(known.parts, parts)) or "inputs, weights or settings changed"
    if known.status is Status.NOT_RUN:
        return True, "interrupted before" if known.code == INTERRUPTED else "not reached before"
    if known.status is Status.FAILED:
        return settings.retry_failed, f"failed before ({known.code})"
    if settings.write_masks and not known.wrote_masks:
        return True, "its masks were not written"
    if not _files_are_there(study_folder(out, study), known.files):
        return True, "its files are not there"
    return False, "done"


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What has changed in words; nothing where the record does not say what it was made of."""
    if not before:
        return []
    changed = {name: (before.get(name), now.get(name)) for name in {**before, **now}}
    said = ["changed input"] if before.get("input") != now["input"] else []
    clinical = []
    for name, (old, new) in changed.items():
        kind, _, what = name.partition(" ")
        if old == new:
            continue
        if kind == "clinical":
            clinical.append(what)
        elif kind == "setting":
            said.append(f"{what.replace('_', ' ')} {new} instead of {old}")
        elif kind == "measures":
            said.append(f"measured by {new} instead of {old}")
        elif kind == "weights" and new:
            said.append(f"other weights of {what}" if old else f"with {what}, which was not asked before")
        elif kind == "card" and old and new:
            said.append(f"other settings of {what}")
        elif kind == "precision" and old and new:
            said.append(f"{what} in {new} instead of {old}")
    return said + ([f"other clinical facts ({', '.join(sorted(clinical))})"] if clinical else [])


def _files_are_there(folder: Path, files: Mapping[str, int]) -> bool:
    """Whether the files that a record vouches for are there, with the sizes that they had."""
    try:
        return all((folder / name).stat().st_size == size for name, size in files.items())
    except OSError:
        return False
