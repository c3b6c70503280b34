"""The main job step by step: scan, analyse each study, tables, report."""

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress

from cinema_cli.commands.asked import Job
from cinema_cli.commands.cohort_files import are_there, is_current, write_cohort
from cinema_cli.commands.cohort_page import REPORT_NAME, analysed
from cinema_cli.commands.cohort_scan import inputs, scan_cohort, scan_facts, write_scan
from cinema_cli.commands.job_words import (
    last_words,
    lost_clinical_words,
    n_studies,
    say_match,
    say_notes,
    vanished_words,
)
from cinema_cli.commands.options import CONSOLE, without_folders
from cinema_cli.commands.runlog import RunLog, logged_run
from cinema_cli.commands.studies_run import device_words, run_facts, run_studies
from cinema_cli.domain.errors import CinemaError, ExitCode, InputError
from cinema_cli.inference.batch import RunSummary
from cinema_cli.inference.chosen import chosen_cards
from cinema_cli.inference.device import running_device
from cinema_cli.inference.engine_facts import EngineFacts
from cinema_cli.inference.plan import Planned, StudyInput, plan
from cinema_cli.io.clinical import ClinicalFacts, match_clinical, read_clinical
from cinema_cli.io.cohort_list import cohort_records, cohort_standings, list_studies, n_vanished, write_studies
from cinema_cli.io.disk import check_space
from cinema_cli.io.folders import check_folder
from cinema_cli.io.id_kind import check_ids, keep_ids
from cinema_cli.io.identity import is_hashed, read_key
from cinema_cli.io.index import (
    CohortIndex,
    StudyKey,
    check_files,
    studies,
    study_digests,
)
from cinema_cli.io.lock import run_lock
from cinema_cli.io.predictions import EMBEDDINGS, PREDICTIONS


def run_job(job: Job) -> ExitCode:
    """Do it all under the output folder's lock; the exit code says how it went. Raises CinemaError."""
    check_folder(job.cohort)
    clinical, key = _clinical(job), _key(job)
    chosen_cards(job.device.heads)  # names that are none are refused before anything begins
    with running_device(job.device) as device, run_lock(job.out, shard=job.shard) as owner, _log(job, key) as log:
        index = scan_cohort(job, hash_key=key, meanwhile=device.check)
        everybody = studies(index)
        digests = study_digests(index, everybody)
        chosen = inputs(job, index, digests)
        log.facts.update(scan_facts(job, index))
        say_notes(index)
        match = match_clinical(clinical, _ids(everybody), chosen=_ids(chosen), hash_key=key)
        log.facts["clinical"] = say_match(match, named=key is None) if job.clinical else None
        log.facts["device"] = device_words(job, device.facts)
        planned = plan(
            chosen, out=job.out, heads=device.facts.uses, clinical=match.facts, settings=job.settings, jobs=job.jobs
        )
        _warn_of_losses(job, planned)
        new = [item.study for item in planned if item.runs and item.known is None]
        check_space(job.out, n_studies=len(new), n_images=sum(study.n_images for study in new))
        _warn_of_vanished(job, everybody)
        keep_ids(job.out, hash_key=key)
        changed = write_scan(job.out, index, hash_key=key)
        changed |= write_studies(job.out, list_studies(index, digests, clinical=match.facts))
        try:
            summary = run_studies(job, planned, device=device, clinical=match.facts, owner=owner)
        except BaseException:  # stopped, or a full disk: what is recorded is in the tables all the same
            if not job.shard:
                CONSOLE.info("the run ends early: tables of what is done are written (stop again to leave them out)")
            with suppress(CinemaError):
                _write_cohort(job, facts=device.facts, changed=True)
            raise
        code = exit_code(job, summary, index=index)
        log.finish(exit_code=code, facts=run_facts(summary, device))
        _write_cohort(job, facts=device.facts, changed=changed or summary.n_run > 0)
        if job.clinical and job.report and not job.shard:
            from cinema_cli.commands.cohort_analyses import analyse_people  # here: other runs need none of it

            analyse_people(job.out, job.clinical, command=job.command, jobs=job.jobs, hash_key=key)
            log.finish(exit_code=code, facts={})  # with what that warned of, so that -q does not say it every night
        result = job.out / _result_name(job, device.facts)
    CONSOLE.info(last_words(summary, result=None if job.shard else result, n_lost=_n_lost(job, index)))
    return code


def show_plan(job: Job) -> ExitCode:
    """What would run and why, one line a study on stdout; nothing is written."""
    check_folder(job.cohort)
    clinical, key = _clinical(job), _key(job)
    check_ids(job.out, hash_key=key)
    chosen_cards(job.device.heads)
    with running_device(job.device) as device:
        index = scan_cohort(job, hash_key=key, meanwhile=device.check)
        uses = device.facts.uses
    everybody = studies(index)
    chosen = inputs(job, index, study_digests(index, everybody))
    match = match_clinical(clinical, _ids(everybody), chosen=_ids(chosen), hash_key=key)
    _warn_of_vanished(job, everybody)
    if job.clinical:
        say_match(match, named=key is None)
    planned = plan(chosen, out=job.out, heads=uses, clinical=match.facts, settings=job.settings, jobs=job.jobs)
    _warn_of_losses(job, planned)
    for item in planned:
        print(f"{item.study.participant_id}\t{item.study.session_id}\t{'run' if item.runs else 'skip'}\t{item.why}")
    CONSOLE.info(f"{sum(p.runs for p in planned)} of {n_studies(len(planned))} would run; nothing was written")
    return ExitCode.DONE


def _warn_of_losses(job: Job, planned: Sequence[Planned]) -> None:
    """Say which heads answered before and are not asked now, and what was known of people and is not told now."""
    told = sum(item.runs and item.known is not None and item.known.had_clinical for item in planned)
    if told and not job.clinical:
        CONSOLE.warn(lost_clinical_words(told, analysed(job.out)))
    lost = Counter(name for item in planned if item.known for name in item.known.dropped_heads)
    if lost:
        said = ", ".join(f"{name} ({n_studies(n)})" for name, n in sorted(lost.items()))
        CONSOLE.warn(f"heads that answered before are not asked now, and their answers go: {said}; --head names them")


def _warn_of_vanished(job: Job, found: Sequence[StudyKey]) -> None:
    """Say where the cohort lost studies: a disk may be missing, or the output be that of another cohort."""
    if count := n_vanished(job.out, _ids(found)):
        CONSOLE.warn(vanished_words(count))


def _ids(visits: Sequence[StudyKey | StudyInput]) -> list[tuple[str, str]]:
    return [(visit.participant_id, visit.session_id) for visit in visits]


def _clinical(job: Job) -> ClinicalFacts:
    return read_clinical(job.clinical) if job.clinical else {}


def _key(job: Job) -> bytes | None:
    path = job.scan["hash_key"]
    return read_key(path) if path else None


def _log(job: Job, key: bytes | None) -> AbstractContextManager[RunLog]:
    """The log of this run. Paths may say who and where: messages have none, nor have settings where ids are hashed.

    What would be said of files or people by words of theirs is said before there is a log. Raises CinemaError.
    """
    check_ids(job.out, hash_key=key)
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
