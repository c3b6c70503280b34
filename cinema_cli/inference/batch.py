"""A whole cohort: each study read, analysed and recorded; one bad study is one row, never the end of the run."""

import dataclasses
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cinema_cli.domain.cine import CineStudy, StudyFacts
from cinema_cli.domain.errors import (
    CinemaError,
    ConfigError,
    ExitCode,
    OutputError,
    StudyError,
    UnavailableError,
    fault_words,
)
from cinema_cli.domain.prediction import PredictionColumn
from cinema_cli.domain.result import CheckStatus, HeadUse, StudyResult
from cinema_cli.inference.plan import Planned, RunSettings, StudyInput, facts_of, plan
from cinema_cli.io.atomic import output_errors, write_atomic
from cinema_cli.io.clinical import ClinicalFacts
from cinema_cli.io.ledger import (
    RECORD_NAME,
    Failure,
    Status,
    read_record,
    record,
    study_folder,
    without_uids,
)
from cinema_cli.io.nifti import mask_path, write_mask
from cinema_cli.io.predictions import STUDY_TABLES, write_study_tables

Pages = Callable[[CineStudy, StudyResult], Mapping[str, bytes | str]]
"""Files of a study's own page: path below the study's folder -> content."""

FailurePage = Callable[[Failure], str]
"""The page of a study without a result."""


_NOT_YET = ("not reached: no run has come to it yet", "Run the same command again: it does what is left.")
_STOPPED = (
    "not reached: the run stopped after too many failures (--max-failures)",
    "Mend what failed, or allow more failures, and run the same command again.",
)


class Analyser(Protocol):
    """What turns a study into a result; `inference.engine.Engine` is one."""

    @property
    def heads(self) -> tuple[HeadUse, ...]:
        """Heads whose weights count in the digest of a record."""

    @property
    def columns(self) -> tuple[PredictionColumn, ...]:
        """What its predictions hold."""

    def analyse(self, study: CineStudy) -> StudyResult:
        """Masks, numbers, checks of one study. Raises StudyError."""


@dataclass(frozen=True, slots=True)
class StudyEvent:
    """One study finished: for progress and logs."""

    position: int  # from 1
    total: int
    participant_id: str
    session_id: str
    seconds: float
    n_failed: int  # so far in this run
    failure: Failure | None = None
    trace: str = ""  # of an error, or the file it is about: for the eyes of the person who runs it


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did."""

    n_studies: int
    n_run: int
    n_skipped: int
    n_failed: int  # studies of the cohort whose record is a failure, also from earlier runs
    n_flagged: int  # analysed studies with a flagged check
    n_left: int  # not reached because of --max-failures
    seconds: float

    @property
    def exit_code(self) -> ExitCode:
        """DONE, or SOME_FAILED where a study of the cohort has no result."""
        return ExitCode.SOME_FAILED if self.n_failed or self.n_left else ExitCode.DONE


def run_cohort(
    studies: Sequence[StudyInput],
    out: Path,
    *,
    engine: Analyser,
    clinical: ClinicalFacts,
    settings: RunSettings,
    pages: Pages | None = None,
    failure_page: FailurePage | None = None,
    progress: Callable[[StudyEvent], None] | None = None,
) -> RunSummary:
    """Analyse every study whose record does not hold and record it; one study is read ahead while one is analysed.

    A StudyError or an unexpected error of a study becomes its record. Every study has one from the start on, so that
    none is missing from the tables of a run that is stopped; an earlier result stays until its study is done again.
    Raises OutputError where nothing can be written.
    """
    start = time.perf_counter()
    planned = plan(studies, out=out, heads=engine.heads, clinical=clinical, settings=settings)
    todo = [p for p in planned if p.runs]
    fresh = [item for item in todo if not item.recorded]
    _record_not_reached(out, fresh, _NOT_YET, clinical=clinical, page=None, version=settings.version)
    n_run = n_failed = 0
    for position, (item, pending) in enumerate(_read_ahead(todo), start=1):
        began = time.perf_counter()
        outcome, trace = _one(item, pending, out=out, engine=engine, clinical=clinical, settings=settings, pages=pages)
        _record(out, item, outcome, page=failure_page, version=settings.version, masks=settings.write_masks)
        failure = outcome if isinstance(outcome, Failure) else None
        n_run, n_failed = n_run + 1, n_failed + (failure is not None)
        if progress:
            ids = (item.study.participant_id, item.study.session_id)
            seconds = time.perf_counter() - began
            progress(StudyEvent(position, len(todo), *ids, seconds, n_failed, failure, trace))
        if settings.max_failures is not None and n_failed > settings.max_failures:
            break
    stale = [item for item in todo[n_run:] if not _holds(out, item)]
    _record_not_reached(out, stale, _STOPPED, clinical=clinical, page=failure_page, version=settings.version)
    known = [read_record(out, study) for study in studies]
    return RunSummary(
        n_studies=len(studies),
        n_run=n_run,
        n_skipped=len(planned) - len(todo),
        n_failed=sum(r is not None and r.status is Status.FAILED for r in known),
        n_flagged=sum(r is not None and any(c.status is CheckStatus.FLAG for c in r.checks) for r in known),
        n_left=len(todo) - n_run,
        seconds=time.perf_counter() - start,
    )


def _read_ahead(todo: Sequence[Planned]) -> Iterator[tuple[Planned, "Future[CineStudy]"]]:
    """Each study with its pixels on the way; while the caller works on one, the next is read by a worker thread."""
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cinema-read")
    try:
        upcoming: Future[CineStudy] | None = pool.submit(todo[0].study.read) if todo else None
        for position, item in enumerate(todo):
            assert upcoming is not None
            current = upcoming
            current.exception()  # wait: two studies in memory at most, the one in work and the one read ahead
            upcoming = pool.submit(todo[position + 1].study.read) if position + 1 < len(todo) else None
            yield item, current
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one(
    item: Planned,
    pending: "Future[CineStudy]",
    *,
    out: Path,
    engine: Analyser,
    clinical: ClinicalFacts,
    settings: RunSettings,
    pages: Pages | None,
) -> tuple[StudyResult | Failure, str]:
    """Analyse one study and write its files; its result, or why there is none with the trace of what was unexpected."""
    ids = {"participant_id": item.study.participant_id, "session_id": item.study.session_id}
    facts = facts_of(item.study, item.study.facts, clinical)
    stage = "read"
    try:
        study = pending.result()
        facts = facts_of(item.study, study.facts, clinical)
        study = dataclasses.replace(study, facts=facts)
        stage = "analyse"
        result = engine.analyse(study)
        stage = "write"
        _forget(out, item.study)
        _write(out, study, result, columns=engine.columns, settings=settings, pages=pages)
        return result, "\n".join(f"{said.head}: {said.reason}" for said in result.predictions if said.failed)
    except (OutputError, UnavailableError, ConfigError):
        raise  # the disk, the weights: not the study
    except CinemaError as error:
        stage = error.stage if isinstance(error, StudyError) else stage
        where = (item.study.participant_id, item.study.session_id, stage)
        trace = "\n".join(getattr(error, "__notes__", ()))  # paths, which no record may hold
        return Failure(*where, code=error.code, reason=error.message, hint=error.hint, facts=facts), trace
    except Exception as error:
        return _unexpected(error, stage=stage, facts=facts, **ids), traceback.format_exc()


def _record(
    out: Path,
    item: Planned,
    outcome: StudyResult | Failure,
    *,
    page: FailurePage | None,
    version: str,
    masks: bool = False,
) -> None:
    """Record what became of a study; a failure's page comes before, so that a record vouches for its files."""
    if isinstance(outcome, Failure):
        _forget(out, item.study)
    if page and isinstance(outcome, Failure):
        write_atomic(study_folder(out, item.study) / "study.html", page(without_uids(outcome)))
    files = [path for name in (*STUDY_TABLES, "*_dseg.nii.gz") for path in study_folder(out, item.study).glob(name)]
    sizes = {path.name: path.stat().st_size for path in sorted(files)}
    record(out, outcome, item.digest, version=version, files=sizes, wrote_masks=masks)


def _holds(out: Path, item: Planned) -> bool:
    """Whether an earlier result of the same inputs and settings is there, which a forced run did not reach."""
    known = read_record(out, item.study)
    return known is not None and known.digest == item.digest and known.status is not Status.NOT_RUN


def _record_not_reached(
    out: Path,
    items: Sequence[Planned],
    why: tuple[str, str],
    *,
    clinical: ClinicalFacts,
    page: FailurePage | None,
    version: str,
) -> None:
    """A record that says of each study that no run has reached it: `why` is its reason and hint."""
    for item in items:
        failure = Failure(
            item.study.participant_id,
            item.study.session_id,
            stage="run",
            code="not_reached",
            reason=why[0],
            hint=why[1],
            facts=facts_of(item.study, item.study.facts, clinical),
            status=Status.NOT_RUN,
        )
        _record(out, item, failure, page=page, version=version)


def _unexpected(error: Exception, *, stage: str, participant_id: str, session_id: str, facts: StudyFacts) -> Failure:
    return Failure(
        participant_id,
        session_id,
        stage=stage,
        code="unexpected",
        reason=fault_words(error),
        hint="A fault of the program: run again with -v --retry-failed to see the trace, and please report it.",
        facts=facts,
    )


def _forget(out: Path, study: StudyInput) -> None:
    """Take away what an earlier run wrote for this study: no file may outlive its record."""
    folder = study_folder(out, study)
    with output_errors(folder):
        files = [folder / name for name in (*STUDY_TABLES, "study.html", "figures/thumbnail.jpg")]
        for path in (folder / RECORD_NAME, *folder.glob("*_dseg.nii.gz"), *files):
            path.unlink(missing_ok=True)


def _write(
    out: Path,
    study: CineStudy,
    result: StudyResult,
    *,
    columns: Sequence[PredictionColumn],
    settings: RunSettings,
    pages: Pages | None,
) -> None:
    """Masks, predictions and pages; the record comes after them, so that a record vouches for its files."""
    write_study_tables(out, result, columns)
    if settings.write_masks:
        for view, mask in result.masks.items():
            write_mask(mask_path(out, result, view), mask, cine=study.cines[view])
    if pages:
        for name, content in pages(study, result).items():
            write_atomic(study_folder(out, result) / name, content)
