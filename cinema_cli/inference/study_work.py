"""One study from its files to its record: read, analysed, written; what goes wrong becomes its record too."""

import dataclasses
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl

from cinema_cli.domain.cine import CineStudy, StudyFacts
from cinema_cli.domain.errors import CinemaError, ConfigError, OutputError, StudyError, UnavailableError, fault_words
from cinema_cli.domain.prediction import PredictionColumn
from cinema_cli.domain.result import StudyResult
from cinema_cli.inference.plan import Planned, facts_of
from cinema_cli.inference.remote import DeviceLostError
from cinema_cli.io.atomic import output_errors, write_atomic
from cinema_cli.io.clinical import ClinicalFacts, overrule
from cinema_cli.io.ledger import RECORD_NAME, Failure, Status, StudyIds, record, study_folder, without_uids
from cinema_cli.io.memory import process_bytes
from cinema_cli.io.nifti import write_masks
from cinema_cli.io.predictions import STUDY_TABLES, write_study_tables

Pages = Callable[[CineStudy, StudyResult, pl.DataFrame], Mapping[str, bytes | str]]
"""Files of a study's own page: path below the study's folder -> content; the table is what the scan says of it."""

FailurePage = Callable[[Failure, pl.DataFrame], str]
"""The page of a study without a result."""

At = Callable[[str], object]
"""Told the stage that begins: read, segment, predict, measure, write."""

RUN_ERRORS = (OutputError, UnavailableError, ConfigError, DeviceLostError)
"""What concerns the whole run, not a study: the disk, the weights, the device."""


@dataclass(frozen=True, slots=True)
class StudyWork:
    """One study to be done; it can be sent to another process."""

    participant_id: str
    session_id: str
    digest: str  # of the record that it will have
    read: Callable[[], CineStudy]
    series: pl.DataFrame  # what the scan says of it
    clinical: StudyFacts  # what the clinical file says
    facts: StudyFacts  # of the headers as the scan read them, overruled by the clinical file
    n_bytes: int = 0
    parts: Mapping[str, str] = field(default_factory=dict)  # what the digest is of, by name

    def merged(self, header: StudyFacts) -> StudyFacts:
        """Facts of the headers, overruled by the clinical file."""
        return overrule(header, self.clinical)

    def failure(
        self, stage: str, code: str, reason: str, hint: str = "", *,
        facts: StudyFacts | None = None, status: Status = Status.FAILED,
    ) -> Failure:  # fmt: skip
        """That it has no result, and why."""
        ids = (self.participant_id, self.session_id)
        return Failure(*ids, stage=stage, code=code, reason=reason, hint=hint, facts=facts or self.facts, status=status)


def work_of(item: Planned, clinical: ClinicalFacts) -> StudyWork:
    """What a planned study takes, opened now."""
    study = item.study
    opened, said = study.open(), facts_of(study, StudyFacts(), clinical)
    ids = (study.participant_id, study.session_id, item.digest)
    return StudyWork(*ids, opened.read, opened.series, said, overrule(study.facts, said), study.n_bytes, item.parts)


class Analyser(Protocol):
    """What turns a study into a result; `inference.engine.Engine` is one."""

    def analyse(self, study: CineStudy, *, at: At) -> StudyResult:
        """Masks, numbers, checks of one study. Raises StudyError."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How a study's files are written, the same in a whole run."""

    out: Path
    version: str
    write_masks: bool
    columns: tuple[PredictionColumn, ...] = ()  # of the prediction table
    pages: Pages | None = None
    failure_page: FailurePage | None = None
    host: str = ""  # the machine, where records may tell it


@dataclass(frozen=True, slots=True)
class Ended:
    """How a study ended."""

    failure: Failure | None
    trace: str  # of an error, or the file it is about: for the eyes of the person who runs it
    flagged: bool
    seconds: Mapping[str, float]  # stage -> wall seconds


def do_study(work: StudyWork, engine: Analyser, writing: Writing, *, at: At = str) -> Ended:
    """Read, analyse, write and record one study. Raises RUN_ERRORS."""
    clock = _Clock(at)
    outcome, trace = _outcome(work, engine, writing, clock)
    clock.begin("write")
    memory = process_bytes()
    write_record(work, outcome, writing, seconds=clock.so_far(), peak_bytes=memory.peak if memory else 0)
    failure = without_uids(outcome) if isinstance(outcome, Failure) else None
    flagged = isinstance(outcome, StudyResult) and outcome.is_flagged
    return Ended(failure, trace, flagged, clock.stop())


class _Clock:
    """Wall seconds of each stage."""

    def __init__(self, at: At) -> None:
        self._at, self.stage, self._began = at, "", time.perf_counter()
        self.seconds: dict[str, float] = {}

    def begin(self, stage: str) -> None:
        """The stage before, if any, is over."""
        self.stop()
        self.stage = stage
        self._at(stage)

    def stop(self) -> dict[str, float]:
        """What was measured; the stage is over."""
        self.seconds = self.so_far()
        self._began, self.stage = time.perf_counter(), ""
        return self.seconds

    def so_far(self) -> dict[str, float]:
        """The same while the stage goes on."""
        spent = time.perf_counter() - self._began
        own = {self.stage: round(self.seconds.get(self.stage, 0.0) + spent, 3)} if self.stage else {}
        return {**self.seconds, **own}


def _outcome(work: StudyWork, engine: Analyser, writing: Writing, clock: _Clock) -> tuple[StudyResult | Failure, str]:
    """Its result, or why there is none with the trace of what was unexpected."""
    facts = work.facts
    try:
        clock.begin("read")
        study = work.read()
        facts = work.merged(study.facts)
        study = dataclasses.replace(study, facts=facts)
        result = engine.analyse(study, at=clock.begin)
        clock.begin("write")
        forget(writing.out, work)
        _write(study, result, writing, series=work.series)
        return result, "\n".join(f"{said.head}: {said.reason}" for said in result.predictions if said.failed)
    except RUN_ERRORS:
        raise
    except CinemaError as error:
        stage = error.stage if isinstance(error, StudyError) else clock.stage
        trace = "\n".join(getattr(error, "__notes__", ()))  # paths, which no record may hold
        return work.failure(stage, error.code, error.message, error.hint, facts=facts), trace
    except Exception as error:
        hint = "A fault of the program: run again with -v --retry-failed to see the trace, and please report it."
        return work.failure(clock.stage, "unexpected", fault_words(error), hint, facts=facts), traceback.format_exc()


def write_record(
    work: StudyWork,
    outcome: StudyResult | Failure,
    writing: Writing,
    *,
    seconds: Mapping[str, float] | None = None,
    peak_bytes: int = 0,
) -> None:
    """Record what became of a study; a failure's page comes before, so that a record vouches for its files."""
    folder = study_folder(writing.out, work)
    if isinstance(outcome, Failure):
        forget(writing.out, work)
        if writing.failure_page:
            write_atomic(folder / "study.html", writing.failure_page(without_uids(outcome), work.series))
    files = [path for name in (*STUDY_TABLES, "*_dseg.nii.gz") for path in folder.glob(name)]
    sizes = {path.name: path.stat().st_size for path in sorted(files)}
    masks = writing.write_masks and not isinstance(outcome, Failure)
    record(
        writing.out, outcome, work.digest, version=writing.version, files=sizes, wrote_masks=masks,
        parts=work.parts, seconds=seconds, memory_mib=peak_bytes >> 20 or None, host=writing.host,
    )  # fmt: skip


def forget(out: Path, study: StudyIds) -> None:
    """Take away what an earlier run wrote for this study: no file may outlive its record."""
    folder = study_folder(out, study)
    with output_errors(folder):
        files = [folder / name for name in (*STUDY_TABLES, "study.html", "figures/thumbnail.jpg")]
        cut_off = folder.rglob(".*.part")  # of a process that was killed
        for path in (folder / RECORD_NAME, *folder.glob("*_dseg.nii.gz"), *files, *cut_off):
            path.unlink(missing_ok=True)


def _write(study: CineStudy, result: StudyResult, writing: Writing, *, series: pl.DataFrame) -> None:
    """Masks, predictions and pages; the record comes after them, so that a record vouches for its files."""
    write_study_tables(writing.out, result, writing.columns)
    if writing.write_masks:
        for view in result.masks:
            write_masks(writing.out, result, study.cines[view])
    if writing.pages:
        for name, content in writing.pages(study, result, series).items():
            write_atomic(study_folder(writing.out, result) / name, content)
