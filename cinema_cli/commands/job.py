"""The main job step by step: scan, analyse each study, tables, report."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinema_cli import __version__
from cinema_cli.commands.cohort_page import REPORT_NAME, write_report
from cinema_cli.commands.console import clock, counting
from cinema_cli.commands.head_facts import head_facts
from cinema_cli.commands.job_words import (
    counts,
    last_words,
    lost_words,
    n_studies,
    say_match,
    say_notes,
    some,
    tally,
    unused_words,
)
from cinema_cli.commands.options import CONSOLE, without_folders
from cinema_cli.commands.runlog import RunLog, logged_run, utc_now
from cinema_cli.domain.cine import CineStudy
from cinema_cli.domain.errors import CinemaError, ExitCode, InputError
from cinema_cli.domain.result import StudyResult
from cinema_cli.inference.batch import FailurePage, Pages, RunSummary, StudyEvent, run_cohort
from cinema_cli.inference.chosen import load_engine
from cinema_cli.inference.engine import Engine
from cinema_cli.inference.heads import pick_device
from cinema_cli.inference.plan import RunSettings, StudyInput, dropped_heads, plan
from cinema_cli.io.clinical import ClinicalFacts, match_clinical, read_clinical
from cinema_cli.io.facts import to_facts
from cinema_cli.io.folders import check_folder
from cinema_cli.io.identity import is_hashed, read_key, without_links
from cinema_cli.io.index import CohortIndex, StudyKey, check_files, of_study, plan_of, scan, studies, study_digests
from cinema_cli.io.ledger import Failure, Record, read_records, without_uids
from cinema_cli.io.lock import run_lock
from cinema_cli.io.names import printable
from cinema_cli.io.predictions import EMBEDDINGS, PREDICTIONS, write_cohort_tables
from cinema_cli.io.problems import problem_words
from cinema_cli.io.study import read_study
from cinema_cli.io.tables import (
    TABLE_FILES,
    read_series,
    records_digest,
    to_csv,
    write_notes,
    write_series,
    write_tables,
    written_of,
)
from cinema_cli.reports.heads import HeadFacts


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for: input, output, who, how."""

    cohort: Path
    out: Path
    clinical: Path | None
    participants: frozenset[str]  # empty: everybody
    scan: Mapping[str, Any]  # options of io.index.scan
    heads: tuple[str, ...]  # empty: all whose weights are here
    device: str
    precision: str
    settings: RunSettings
    report: bool  # whether report.html is made
    fail_on_qc: bool
    options: Mapping[str, Any]  # as resolved from command line, environment and file
    command: str = ""  # as typed, without folders


def run_job(job: Job) -> ExitCode:
    """Do it all under the output folder's lock; the exit code says how it went. Raises CinemaError."""
    check_folder(job.cohort)
    clinical, key = _clinical(job), _key(job)
    engine = load_engine(job.heads, device=job.device, precision=job.precision)
    with run_lock(job.out), _log(job) as log:
        index = scan_cohort(job, hash_key=key)
        everybody, chosen = studies(index), inputs(index, participants=job.participants)
        log.facts.update(scan_facts(job, index))
        say_notes(index)
        changed = _write_scan(job.out, index, hash_key=key)
        match = match_clinical(clinical, _ids(everybody), chosen=_ids(chosen), hash_key=key)
        log.facts["clinical"] = say_match(match, named=key is None) if job.clinical else None
        log.facts["device"] = device_words(job, precision=engine.precision)
        _warn_of_lost_answers(job, chosen, engine=engine)
        try:
            summary = _analyse(job, chosen, engine=engine, clinical=match.facts, index=index)
        except BaseException:  # stopped, or a full disk: what is recorded is in the tables all the same
            with suppress(CinemaError):
                _write_cohort(job, read_records(job.out, studies=everybody), engine=engine, changed=True)
            raise
        code = exit_code(job, summary, index=index)
        log.finish(exit_code=code, facts={"seconds": round(summary.seconds, 1), "counts": counts(summary)})
        records = read_records(job.out, studies=everybody)
        _write_cohort(job, records, engine=engine, changed=changed or summary.n_run > 0)
    CONSOLE.info(last_words(summary, result=job.out / _result_name(job, engine), n_lost=_n_lost(job, index)))
    return code


def show_plan(job: Job) -> ExitCode:
    """What would run and why, one line a study on stdout; nothing is written."""
    check_folder(job.cohort)
    clinical, key = _clinical(job), _key(job)
    engine = load_engine(job.heads, device=job.device, precision=job.precision)
    index = scan_cohort(job, hash_key=key)
    chosen = inputs(index, participants=job.participants)
    match = match_clinical(clinical, _ids(studies(index)), chosen=_ids(chosen), hash_key=key)
    if job.clinical:
        say_match(match, named=key is None)
    planned = plan(chosen, out=job.out, heads=engine.heads, clinical=match.facts, settings=job.settings)
    for item in planned:
        print(f"{item.study.participant_id}\t{item.study.session_id}\t{'run' if item.runs else 'skip'}\t{item.why}")
    CONSOLE.info(f"{sum(p.runs for p in planned)} of {n_studies(len(planned))} would run; nothing was written")
    return ExitCode.DONE


def _warn_of_lost_answers(job: Job, chosen: Sequence[StudyInput], *, engine: Engine) -> None:
    """Say which heads answered before and are not asked now."""
    lost = Counter(name for r in read_records(job.out, studies=chosen) for name in dropped_heads(r, engine.heads))
    if lost:
        said = ", ".join(f"{name} ({n_studies(n)})" for name, n in sorted(lost.items()))
        CONSOLE.warn(f"heads that answered before are not asked now, and their answers go: {said}; --head names them")


def _ids(visits: Sequence[StudyKey | StudyInput]) -> list[tuple[str, str]]:
    return [(visit.participant_id, visit.session_id) for visit in visits]


def _clinical(job: Job) -> ClinicalFacts:
    return read_clinical(job.clinical) if job.clinical else {}


def _key(job: Job) -> bytes | None:
    path = job.scan["hash_key"]
    return read_key(path) if path else None


def _log(job: Job) -> AbstractContextManager[RunLog]:
    """The log of this run. Paths may say who and where: messages have none, nor have settings where ids are hashed.

    What would be said of files or people by words of theirs is said before there is a log. Raises CinemaError.
    """
    check_files(id_from=job.scan["id_from"], views_file=job.scan["views_file"])
    settings, remark = job.options, ""
    if job.scan["hash_key"]:
        if raw := sorted(name for name in job.participants if not is_hashed(name)):
            hint = "Ids are hashed: name participants as phenotypes.csv does."
            raise InputError(f"no participant {', '.join(raw)} in the cohort", hint=hint, code="no_participant")
        settings = {name: without_folders(v) if isinstance(v, str) else v for name, v in settings.items()}
        settings |= {"cohort": None, "out": None, "participant_label": None}
        left_out = "COHORT, --out, --participant-label and all folders are left out"
        remark = f"Ids are hashed, so {left_out}: give them again beside --config."
    hidden = {str(job.out): "OUT", str(job.cohort.resolve()): "COHORT"}
    return logged_run(job.out, settings=settings, console=CONSOLE, remark=remark, hidden=hidden)


def scan_cohort(job: Job, *, hash_key: bytes | None) -> CohortIndex:
    """Index the cohort with progress. Raises InputError where there is no DICOM."""
    began = time.perf_counter()
    options = {**job.scan, "hash_key": hash_key}
    with counting(CONSOLE, "files", total=None) as counter:
        index = scan(job.cohort, **options, progress=counter.follow)
    used = index.series.filter(verdict="used").height
    CONSOLE.info(
        f"scanned {index.n_files} files in {clock(time.perf_counter() - began)}: {n_studies(len(studies(index)))}, "
        f"{used} series used, {index.series.height - used} rejected (see series.csv)"
    )
    if index.unused_overrides:
        CONSOLE.warn(unused_words(len(index.unused_overrides)), aside=f" ({some(index.unused_overrides)})")
    if words := problem_words(index.problems):
        CONSOLE.warn(f"{', '.join(words)}: `cinema scan` names them")
    if index.lost_folders:
        shown = f" ({some(index.lost_folders)})" if hash_key is None else ""
        CONSOLE.warn(f"{lost_words(len(index.lost_folders))}: `cinema scan` names them", aside=shown)
    return index


def scan_facts(job: Job, index: CohortIndex) -> dict[str, Any]:
    """What run.json says of the input; where ids are hashed, not what its folder is called."""
    return {
        "command": job.command,
        "cohort": "" if job.scan["hash_key"] else printable(job.cohort.resolve().name),
        "n_files": index.n_files,
        "problems": tally(index.problems["code"].to_list()),
        "n_lost_folders": len(index.lost_folders),
        "notes": tally(index.notes["code"].to_list()),
    }


def device_words(job: Job, *, precision: str) -> str:
    """What ran the networks: `cpu, fp32, 2 processors`."""
    n_cpus = int(job.scan["jobs"])
    return f"{pick_device(job.device)}, {precision}, {n_cpus} processor{'s' if n_cpus > 1 else ''}"


def exit_code(job: Job, summary: RunSummary, *, index: CohortIndex) -> ExitCode:
    """SOME_FAILED also where people are lost in unreadable folders; GATE_NOT_MET only where all else is well."""
    if summary.exit_code is ExitCode.DONE and _n_lost(job, index):
        return ExitCode.SOME_FAILED
    if summary.exit_code is ExitCode.DONE and job.fail_on_qc and summary.n_flagged:
        return ExitCode.GATE_NOT_MET
    return summary.exit_code


def _n_lost(job: Job, index: CohortIndex) -> int:
    """Folders without a readable file; a run over chosen participants does not miss whoever is in them."""
    return 0 if job.participants else len(index.lost_folders)


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
    return tuple(_input(index, key, digest) for key, digest in study_digests(index, chosen).items())


def _input(index: CohortIndex, key: StudyKey, digest: str) -> StudyInput:
    facts = to_facts(of_study(index, "facts", key).row(0, named=True))
    return StudyInput(key.participant_id, key.session_id, digest, lambda: read_study(plan_of(index, key)), facts)


def _analyse(
    job: Job, chosen: Sequence[StudyInput], *, engine: Engine, clinical: Mapping[Any, Any], index: CohortIndex
) -> RunSummary:
    with counting(CONSOLE, "studies", total=None) as counter:

        def after(event: StudyEvent) -> None:
            counter.step(failed=event.n_failed, total=event.total)
            name = f"{event.participant_id} {event.session_id}"
            if event.failure is None:
                CONSOLE.debug(f"{name}: done in {event.seconds:.1f} s")
                if event.trace:  # of heads that failed; the study has a result all the same
                    CONSOLE.warn(f"{name}: {event.trace}")
                return
            failure = without_uids(event.failure)
            CONSOLE.warn(f"{name}: {failure.reason}", stage=failure.stage, code=failure.code)
            if event.trace and CONSOLE.verbose:
                CONSOLE.show(event.trace)

        return run_cohort(
            chosen, job.out, engine=engine, clinical=clinical, settings=job.settings,
            pages=study_pages(index, run=run_words(job, engine), heads=[head_facts(use) for use in engine.heads]),
            failure_page=failure_page(index), progress=after,
        )  # fmt: skip


def _write_scan(out: Path, index: CohortIndex, *, hash_key: bytes | None) -> bool:
    """Write what the scan found, before any study is done; whether that is new."""
    series = without_links(index.series, hash_key=hash_key)
    known = (out / "series.parquet").is_file() and read_series(out).equals(series)
    if known and _text(out / "notes.csv") == to_csv(index.notes):
        return False
    write_series(out, series)
    write_notes(out, index.notes)
    return True


def _write_cohort(job: Job, records: Sequence[Record], *, engine: Engine, changed: bool) -> None:
    """Report and tables, unless they were made from the same records: what says so is written last of all.

    A report that is there is made again also where none was asked for: it must not say what no table says.
    """
    out, report = job.out, job.report or (job.out / REPORT_NAME).is_file()
    heads = [*([PREDICTIONS] if engine.columns else []), *([EMBEDDINGS] if engine.embeds else [])]
    there = all((out / name).is_file() for name in (*TABLE_FILES, *([REPORT_NAME] if report else []), *heads))
    if not changed and there and written_of(out) == records_digest(records):
        return
    write_cohort_tables(out, records, engine.columns, embedded=engine.embeds)
    if report:  # it shows what is in these tables
        write_report(out, records)
    write_tables(out, records, version=__version__)


def _result_name(job: Job, engine: Engine) -> str:
    """The file that a user looks at first."""
    return REPORT_NAME if job.report else PREDICTIONS if engine.columns else "phenotypes.parquet"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def run_words(job: Job, engine: Engine) -> tuple[tuple[str, str], ...]:
    """What a study's page says of the run that made it."""
    changed = [f"{name.replace('_', ' ')} {value}" for name, value in job.settings.results.items()]
    return (("Device", device_words(job, precision=engine.precision)), ("Settings", ", ".join(changed)))


def study_pages(index: CohortIndex, *, run: Sequence[tuple[str, str]], heads: Sequence[HeadFacts]) -> Pages:
    """What writes a study's own page and thumbnail."""
    from cinema_cli.reports.study import render_study, thumbnail

    def pages(study: CineStudy, result: StudyResult) -> Mapping[str, bytes | str]:
        own = of_study(index, "series", StudyKey(study.participant_id, study.session_id, study.study_uid))
        html = render_study(study, result, version=__version__, generated=utc_now(), series=own, run=run, heads=heads)
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
