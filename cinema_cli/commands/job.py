"""The main job step by step: scan, analyse each study, tables, report."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from cinema_cli.commands.cohort_files import are_there, is_current, write_cohort
from cinema_cli.commands.cohort_page import REPORT_NAME
from cinema_cli.commands.console import Counter as Counting
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
from cinema_cli.commands.runlog import RunLog, logged_run
from cinema_cli.commands.scan import say_index
from cinema_cli.commands.study_pages import StudyPages, failure_page
from cinema_cli.domain.errors import CinemaError, ExitCode, InputError
from cinema_cli.domain.shard import Shard
from cinema_cli.inference.batch import How, RunSummary, StudyEvent, run_cohort
from cinema_cli.inference.device import Device, DeviceOptions, running_device
from cinema_cli.inference.engine_facts import EngineFacts
from cinema_cli.inference.memory import Budget, budget
from cinema_cli.inference.plan import Opened, Planned, RunSettings, StudyInput, plan
from cinema_cli.inference.study_processes import study_processes
from cinema_cli.inference.study_work import Writing
from cinema_cli.inference.worker import WorkerSetup
from cinema_cli.io.claims import FolderClaims
from cinema_cli.io.clinical import ClinicalFacts, match_clinical, read_clinical
from cinema_cli.io.cohort_list import cohort_records, cohort_standings, list_studies, write_studies
from cinema_cli.io.disk import check_space
from cinema_cli.io.facts import to_facts
from cinema_cli.io.folders import check_folder
from cinema_cli.io.holds import Owner
from cinema_cli.io.identity import is_hashed, read_key, without_links
from cinema_cli.io.index import (
    CohortIndex,
    StudyKey,
    check_files,
    of_study,
    plan_of,
    scan,
    studies,
    study_digests,
)
from cinema_cli.io.index_rows import KEY_SCHEMA
from cinema_cli.io.lock import run_lock
from cinema_cli.io.names import printable
from cinema_cli.io.predictions import EMBEDDINGS, PREDICTIONS
from cinema_cli.io.problems import problem_words
from cinema_cli.io.study import read_study
from cinema_cli.io.tables import read_series, to_csv, write_notes, write_series

NICE = 10  # of study processes beside the networks on one CPU: what they do must never make these wait


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for: input, output, who, how."""

    cohort: Path
    out: Path
    clinical: Path | None
    participants: frozenset[str]  # empty: everybody
    scan: Mapping[str, Any]  # options of io.index.scan
    device: DeviceOptions
    settings: RunSettings
    jobs: int  # processors
    mem_gb: float | None
    shard: Shard | None
    report: bool  # whether report.html is made
    fail_on_qc: bool
    options: Mapping[str, Any]  # as resolved from command line, environment and file
    command: str = ""  # as typed, without folders


def run_job(job: Job) -> ExitCode:
    """Do it all under the output folder's lock; the exit code says how it went. Raises CinemaError."""
    check_folder(job.cohort)
    clinical, key = _clinical(job), _key(job)
    with running_device(job.device) as device, run_lock(job.out, shard=job.shard) as owner, _log(job) as log:
        index = scan_cohort(job, hash_key=key)
        everybody = studies(index)
        digests = study_digests(index, everybody)
        chosen = inputs(job, index, digests)
        log.facts.update(scan_facts(job, index))
        say_notes(index)
        changed = _write_scan(job.out, index, hash_key=key)
        match = match_clinical(clinical, _ids(everybody), chosen=_ids(chosen), hash_key=key)
        log.facts["clinical"] = say_match(match, named=key is None) if job.clinical else None
        log.facts["device"] = device_words(job, device.facts)
        planned = plan(
            chosen, out=job.out, heads=device.facts.uses, clinical=match.facts, settings=job.settings, jobs=job.jobs
        )
        _warn_of_lost_answers(planned)
        new = [item.study for item in planned if item.runs and item.known is None]
        check_space(job.out, n_studies=len(new), n_images=sum(study.n_images for study in new))
        changed |= write_studies(job.out, list_studies(index, digests, clinical=match.facts))
        try:
            summary = _analyse(job, planned, device=device, clinical=match.facts, owner=owner)
        except BaseException:  # stopped, or a full disk: what is recorded is in the tables all the same
            with suppress(CinemaError):
                _write_cohort(job, facts=device.facts, changed=True)
            raise
        code = exit_code(job, summary, index=index)
        log.finish(exit_code=code, facts=run_facts(summary, device))
        _write_cohort(job, facts=device.facts, changed=changed or summary.n_run > 0)
        result = job.out / _result_name(job, device.facts)
    CONSOLE.info(last_words(summary, result=None if job.shard else result, n_lost=_n_lost(job, index)))
    return code


def show_plan(job: Job) -> ExitCode:
    """What would run and why, one line a study on stdout; nothing is written."""
    check_folder(job.cohort)
    clinical, key = _clinical(job), _key(job)
    with running_device(job.device) as device:
        uses = device.facts.uses
    index = scan_cohort(job, hash_key=key)
    chosen = inputs(job, index, study_digests(index, studies(index)))
    match = match_clinical(clinical, _ids(studies(index)), chosen=_ids(chosen), hash_key=key)
    if job.clinical:
        say_match(match, named=key is None)
    planned = plan(chosen, out=job.out, heads=uses, clinical=match.facts, settings=job.settings, jobs=job.jobs)
    for item in planned:
        print(f"{item.study.participant_id}\t{item.study.session_id}\t{'run' if item.runs else 'skip'}\t{item.why}")
    CONSOLE.info(f"{sum(p.runs for p in planned)} of {n_studies(len(planned))} would run; nothing was written")
    return ExitCode.DONE


def _warn_of_lost_answers(planned: Sequence[Planned]) -> None:
    """Say which heads answered before and are not asked now."""
    lost = Counter(name for item in planned if item.known for name in item.known.dropped_heads)
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
    say_index(index)
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


def device_words(job: Job, facts: EngineFacts) -> str:
    """What ran the networks: `cpu, fp32, 2 processors`."""
    return f"{facts.device_words}, {facts.precision}, {job.jobs} processor{'s' if job.jobs > 1 else ''}"


def run_facts(summary: RunSummary, device: Device) -> dict[str, Any]:
    """What run.json says of how the run went."""
    work = device.work()
    return {
        "seconds": round(summary.seconds, 1),
        "counts": counts(summary),
        "peak_memory_mib": {"study": summary.peak_bytes >> 20, "networks": device.peak_bytes >> 20},
        "networks": {
            "busy_s": round(work.busy_s, 1),
            "busy_pct": work.busy_pct,
            "batches": work.n_batches,
            "batches_of_several_studies": work.n_shared,
            "images_at_once": work.sizes,
        },
    }


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


def inputs(job: Job, index: CohortIndex, digests: Mapping[StudyKey, str]) -> tuple[StudyInput, ...]:
    """The studies that the job is about; raises InputError for a participant that is not there."""
    keys, wanted = studies(index), job.participants
    if missing := wanted - {k.participant_id for k in keys}:
        raise InputError(
            f"no participant {', '.join(sorted(missing))} in the cohort",
            hint="`cinema scan COHORT` lists the participants.",
            code="no_participant",
        )
    chosen = [k for k in keys if not wanted or k.participant_id in wanted]
    chosen = [k for k in chosen if job.shard is None or job.shard.has(k.participant_id)]
    sizes = _sizes(index)
    return tuple(_input(index, key, digests[key], *sizes.get(key, (0, 0))) for key in chosen)


def _input(index: CohortIndex, key: StudyKey, digest: str, n_images: int, n_bytes: int) -> StudyInput:
    facts = to_facts(of_study(index, "facts", key).row(0, named=True))
    opened = partial(_opened, index, key)
    return StudyInput(key.participant_id, key.session_id, digest, opened, facts, n_images=n_images, n_bytes=n_bytes)


def _sizes(index: CohortIndex) -> dict[StudyKey, tuple[int, int]]:
    """Images of each study, all views together, and the memory that their pixels take as float32."""
    n_images = pl.col("times_ms").list.len() * pl.col("origins_mm").list.len() // 3
    pixels = n_images.cast(pl.Int64) * pl.col("rows") * pl.col("columns")
    table = index.stacks.group_by(*KEY_SCHEMA).agg(n_images=n_images.sum(), n_bytes=(4 * pixels).sum())
    return {StudyKey(*row[:3]): row[3:] for row in table.select(*KEY_SCHEMA, "n_images", "n_bytes").iter_rows()}


def _opened(index: CohortIndex, key: StudyKey) -> Opened:
    plan = plan_of(index, key)
    return Opened(partial(read_study, plan), plan.series)


def _analyse(
    job: Job, planned: Sequence[Planned], *, device: Device, clinical: ClinicalFacts, owner: Owner
) -> RunSummary:
    facts, todo = device.facts, [item for item in planned if item.runs]
    pages = StudyPages(run_words(job, facts), tuple(head_facts(use) for use in facts.uses))
    writing = Writing(
        job.out, job.settings.version, job.settings.write_masks, facts.columns, pages=pages, failure_page=failure_page
    )
    room = budget(job.mem_gb)
    count = _n_together(job, todo, room)
    if todo:
        CONSOLE.debug(f"{count} studies at a time; memory for them: {room.words}")
    setup = WorkerSetup(device.engine, writing, nice=NICE if facts.device == "cpu" else 0)
    with counting(CONSOLE, "studies", total=len(todo) or None) as counter:
        how = How(
            study_processes(setup, count), writing, room, FolderClaims(job.out, owner), device,
            max_failures=job.settings.max_failures, progress=partial(_say, counter, device),
        )  # fmt: skip
        return run_cohort(planned, clinical=clinical, how=how)


def _n_together(job: Job, todo: Sequence[Planned], room: Budget) -> int:
    """How many study processes: one more than processors, that the networks never wait; as memory and work allow."""
    largest = max((item.study.n_bytes for item in todo), default=0)
    return min(len(todo), room.n_together(largest, most=job.jobs + 1))


def _say(counter: Counting, device: Device, event: StudyEvent) -> None:
    """A study is finished: what its log entry says."""
    counter.step(failed=event.n_failed, total=event.total)
    for halved in device.news():
        CONSOLE.warn(f"no room on the device: {halved.network} goes on with {halved.size} images at once")
    name = f"{event.participant_id} {event.session_id}"
    if event.failure is None:
        CONSOLE.debug(f"{name}: done in {event.seconds:.1f} s")
        if event.trace:  # of heads that failed; the study has a result all the same
            CONSOLE.warn(f"{name}: {event.trace}")
        return
    CONSOLE.warn(f"{name}: {event.failure.reason}", stage=event.failure.stage, code=event.failure.code)
    if event.trace and CONSOLE.verbose:
        CONSOLE.show(event.trace)


def _write_scan(out: Path, index: CohortIndex, *, hash_key: bytes | None) -> bool:
    """Write what the scan found, before any study is done; whether that is new."""
    series = without_links(index.series, hash_key=hash_key)
    known = (out / "series.parquet").is_file() and read_series(out).equals(series)
    if known and _text(out / "notes.csv") == to_csv(index.notes):
        return False
    write_series(out, series)
    write_notes(out, index.notes)
    return True


def _write_cohort(job: Job, *, facts: EngineFacts, changed: bool) -> None:
    """Tables and report, unless they say what the records say; a part of a cohort leaves them to the merge."""
    if job.shard:
        return
    heads = [*([PREDICTIONS] if facts.columns else []), *([EMBEDDINGS] if facts.embeds else [])]
    files = [*heads, *([REPORT_NAME] if job.report else [])]
    if not changed and are_there(job.out, files) and is_current(job.out, cohort_standings(job.out, jobs=job.jobs)):
        return
    records = cohort_records(job.out, jobs=job.jobs)
    write_cohort(
        job.out, records, columns=facts.columns, embedded=facts.embeds, report=job.report, jobs=job.jobs
    )  # fmt: skip


def _result_name(job: Job, facts: EngineFacts) -> str:
    """The file that a user looks at first."""
    return REPORT_NAME if job.report else PREDICTIONS if facts.columns else "phenotypes.parquet"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def run_words(job: Job, facts: EngineFacts) -> tuple[tuple[str, str], ...]:
    """What a study's page says of the run that made it."""
    changed = [f"{name.replace('_', ' ')} {value}" for name, value in job.settings.results.items()]
    return (("Device", device_words(job, facts)), ("Settings", ", ".join(changed)))
