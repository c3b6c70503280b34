"""The main job step by step: scan, analyse each study, tables, report."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli import __version__
from cinema_cli.commands.cohort_page import REPORT_NAME, write_report
from cinema_cli.commands.console import clock, counting
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.runlog import open_run, utc_now
from cinema_cli.domain.cine import CineStudy
from cinema_cli.domain.errors import ExitCode, InputError
from cinema_cli.domain.result import StudyResult
from cinema_cli.inference.batch import (
    FailurePage,
    Pages,
    RunSettings,
    RunSummary,
    StudyEvent,
    StudyInput,
    plan,
    run_cohort,
)
from cinema_cli.inference.engine import Engine
from cinema_cli.inference.heads import pick_device
from cinema_cli.io.clinical import read_clinical
from cinema_cli.io.identity import read_key
from cinema_cli.io.index import CohortIndex, StudyKey, of_study, scan, studies, study_digests
from cinema_cli.io.ledger import Failure, Record, read_records
from cinema_cli.io.lock import run_lock
from cinema_cli.io.study import read_study
from cinema_cli.io.tables import phenotypes, read_series, write_series, write_tables


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for: input, output, who, how."""

    cohort: Path
    out: Path
    clinical: Path | None
    participants: frozenset[str]  # empty: everybody
    scan: Mapping[str, Any]  # options of io.index.scan
    head: str
    device: str
    precision: str
    settings: RunSettings
    fail_on_qc: bool
    options: Mapping[str, Any]  # as resolved from command line, environment and file
    command: str = ""  # as typed, without folders


def run_job(job: Job) -> ExitCode:
    """Do it all under the output folder's lock; the exit code says how it went. Raises CinemaError."""
    check_cohort(job.cohort)
    facts = read_clinical(job.clinical) if job.clinical else {}
    engine = Engine.load(job.head, device=job.device, precision=job.precision)
    with run_lock(job.out):
        log = open_run(job.out, settings=job.options, console=CONSOLE)
        index, n_files = scan_cohort(job)
        everybody, chosen = studies(index), inputs(index, participants=job.participants)
        summary = _analyse(job, chosen, engine=engine, clinical=facts, index=index)
        code = summary.exit_code
        if code is ExitCode.DONE and job.fail_on_qc and summary.n_flagged:
            code = ExitCode.GATE_NOT_MET
        told = {"command": job.command, "cohort": job.cohort.resolve().name, "n_files": n_files}
        told |= {"device": device_words(job, precision=engine.precision), "seconds": round(summary.seconds, 1)}
        log.finish(exit_code=code, facts=told | {"counts": counts(summary)})
        _write_cohort(job.out, read_records(job.out, studies=everybody), series=index.series, n_run=summary.n_run)
    CONSOLE.info(last_words(summary, report=job.out / REPORT_NAME))
    return code


def show_plan(job: Job) -> ExitCode:
    """What would run and why, one line a study on stdout; nothing is written."""
    check_cohort(job.cohort)
    facts = read_clinical(job.clinical) if job.clinical else {}
    engine = Engine.load(job.head, device=job.device, precision=job.precision)
    chosen = inputs(scan_cohort(job)[0], participants=job.participants)
    planned = plan(chosen, out=job.out, heads=engine.heads, clinical=facts, settings=job.settings)
    for item in planned:
        print(f"{item.study.participant_id}\t{item.study.session_id}\t{'run' if item.runs else 'skip'}\t{item.why}")
    CONSOLE.info(f"{sum(p.runs for p in planned)} of {len(planned)} studies would run; nothing was written")
    return ExitCode.DONE


def check_cohort(cohort: Path) -> None:
    """Raise InputError where the cohort is no folder or holds nothing."""
    if not cohort.is_dir():
        raise InputError(f"no folder {cohort}", hint="COHORT is a folder with DICOM files below it.", code="no_cohort")
    if next(cohort.iterdir(), None) is None:
        raise InputError(f"{cohort} is empty", hint="COHORT is a folder with DICOM files below it.", code="empty")


def scan_cohort(job: Job) -> tuple[CohortIndex, int]:
    """Index the cohort with progress; the index and the number of files. Raises InputError where there is no DICOM."""
    began = time.perf_counter()
    key_file = job.scan["hash_key"]
    options = {**job.scan, "hash_key": read_key(key_file) if key_file else None}
    with counting(CONSOLE, "files", total=None) as counter:
        index = scan(job.cohort, **options, progress=lambda done, total: counter.step(done=done, total=total))
    used = index.series.filter(verdict="used").height
    CONSOLE.info(
        f"scanned {job.cohort} in {clock(time.perf_counter() - began)}: {len(studies(index))} studies, "
        f"{used} series used, {index.series.height - used} rejected (see series.csv)"
    )
    if index.problems.height:
        CONSOLE.warn(f"{index.problems.height} files could not be read: `cinema scan` names them")
    return index, counter.done


def inputs(index: CohortIndex, *, participants: frozenset[str]) -> tuple[StudyInput, ...]:
    """The studies of the index, or those of some participants; raises InputError for one that is not there."""
    keys = studies(index)
    if missing := participants - {k.participant_id for k in keys}:
        raise InputError(
            f"no participant {', '.join(sorted(missing))} in the cohort",
            hint="`cinema scan COHORT` lists the participants.",
            code="no_participant",
        )
    chosen = [k for k in keys if not participants or k.participant_id in participants]
    return tuple(
        StudyInput(k.participant_id, k.session_id, digest, lambda k=k: read_study(index, k))  # type: ignore[misc]
        for k, digest in study_digests(index, chosen).items()
    )


def counts(summary: RunSummary) -> dict[str, int]:
    """The numbers of a summary by name."""
    names = ("n_studies", "n_run", "n_skipped", "n_failed", "n_flagged", "n_left")
    return {name: getattr(summary, name) for name in names}


def device_words(job: Job, *, precision: str) -> str:
    """What ran the networks: `cpu, fp32, 2 processors`."""
    n_cpus = int(job.scan["jobs"])
    return f"{pick_device(job.device)}, {precision}, {n_cpus} processor{'s' if n_cpus > 1 else ''}"


def last_words(summary: RunSummary, *, report: Path) -> str:
    """One sentence: what happened, and where the report is."""
    parts = [f"{summary.n_run} of {summary.n_studies} studies analysed in {clock(summary.seconds)}"]
    if not summary.n_run:
        parts = [f"nothing to do: the records of all {summary.n_studies} studies hold"]
    elif summary.n_skipped:
        parts.append(f"{summary.n_skipped} done before")
    if summary.n_failed:
        parts.append(f"{summary.n_failed} failed (see failures.csv)")
    if summary.n_flagged:
        parts.append(f"{summary.n_flagged} flagged (see qc.csv)")
    if summary.n_left:
        parts.append(f"{summary.n_left} not reached (--max-failures)")
    return f"{', '.join(parts)}; report: {report}"


def _analyse(
    job: Job, chosen: Sequence[StudyInput], *, engine: Engine, clinical: Mapping[Any, Any], index: CohortIndex
) -> RunSummary:
    with counting(CONSOLE, "studies", total=None) as counter:

        def after(event: StudyEvent) -> None:
            counter.step(failed=event.n_failed, total=event.total)
            name = f"{event.participant_id} {event.session_id}"
            if event.failure is None:
                CONSOLE.debug(f"{name}: done in {event.seconds:.1f} s")
                return
            CONSOLE.warn(f"{name}: {event.failure.reason}", stage=event.failure.stage, code=event.failure.code)
            if event.trace and CONSOLE.verbose:
                print(event.trace, file=sys.stderr)

        return run_cohort(
            chosen, job.out, engine=engine, clinical=clinical, settings=job.settings,
            pages=study_pages(index), failure_page=failure_page(index), progress=after,
        )  # fmt: skip


def _write_cohort(out: Path, records: Sequence[Record], *, series: pl.DataFrame, n_run: int) -> None:
    """Tables and report, unless they already say the same."""
    known = out / "phenotypes.parquet"
    same = not n_run and known.is_file() and (out / REPORT_NAME).is_file()
    if (
        same
        and read_series(out).equals(series.drop("study_uid"))
        and pl.read_parquet(known, glob=False).equals(phenotypes(records))
    ):
        return
    write_series(out, series)
    write_tables(out, records, version=__version__)
    write_report(out, records)


def study_pages(index: CohortIndex) -> Pages:
    """What writes a study's own page and thumbnail."""
    from cinema_cli.reports.study import render_study, thumbnail

    def pages(study: CineStudy, result: StudyResult) -> Mapping[str, bytes | str]:
        own = of_study(index, "series", StudyKey(study.participant_id, study.session_id, study.study_uid))
        html = render_study(study, result, version=__version__, generated=utc_now(), series=own)
        return {"study.html": html, "figures/thumbnail.jpg": thumbnail(study, result)}

    return pages


def failure_page(index: CohortIndex) -> FailurePage:
    """What writes the page of a study without a result: what was found of it, and why that was not enough."""
    from cinema_cli.reports.failure import render_failure

    keys = {(key.participant_id, key.session_id): key for key in studies(index)}

    def page(failure: Failure) -> str:
        own = of_study(index, "series", keys[failure.participant_id, failure.session_id])
        return render_failure(failure, version=__version__, generated=utc_now(), series=own)

    return page
