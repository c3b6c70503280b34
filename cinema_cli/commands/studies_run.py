"""The studies of a run, done by study processes beside the device: how many at a time, and what is said of each."""

import platform
from collections.abc import Sequence
from functools import partial
from typing import Any

from cinema_cli.commands.asked import Job
from cinema_cli.commands.events import Event
from cinema_cli.commands.head_facts import head_facts
from cinema_cli.commands.job_words import counts
from cinema_cli.commands.options import CONSOLE
from cinema_cli.commands.progress import Counter, counting
from cinema_cli.commands.study_pages import StudyPages, failure_page
from cinema_cli.inference.batch import PROCESS_DIED, How, RunSummary, StudyEvent, run_cohort
from cinema_cli.inference.device import Device, Restarted
from cinema_cli.inference.engine_facts import EngineFacts
from cinema_cli.inference.memory import Budget, budget
from cinema_cli.inference.plan import Planned
from cinema_cli.inference.study_processes import study_processes
from cinema_cli.inference.study_work import StudyWork, Writing
from cinema_cli.inference.worker import WorkerSetup
from cinema_cli.io.claims import FolderClaims
from cinema_cli.io.clinical import ClinicalFacts
from cinema_cli.io.holds import Owner
from cinema_cli.io.memory import process_bytes


def run_studies(
    job: Job, planned: Sequence[Planned], *, device: Device, clinical: ClinicalFacts, owner: Owner
) -> RunSummary:
    """Do the planned studies that are to run. Raises what `run_cohort` raises."""
    facts, todo = device.facts, [item for item in planned if item.runs]
    pages = StudyPages(run_words(job, facts), tuple(head_facts(use) for use in facts.uses))
    writing = Writing(
        job.out, job.settings.version, job.settings.write_masks, facts.columns, pages=pages, failure_page=failure_page,
        host="" if job.scan["hash_key"] else platform.node(),
    )  # fmt: skip
    room = budget(job.mem_gb)
    count = _n_together(job, todo, room)
    if todo:
        _warn_of_little_memory(room, device)
        CONSOLE.debug(f"{count} studies at a time; memory for them: {room.words}")
    setup = WorkerSetup(device.engine, writing)
    with counting(CONSOLE, "studies", total=len(todo) or None) as counter:
        how = How(
            study_processes(setup, count), writing, room, FolderClaims(job.out, owner), device,
            max_failures=job.settings.max_failures, begins=partial(_begins, len(todo)),
            progress=partial(_say, counter, device), waits=counter.wait,
        )  # fmt: skip
        try:
            return run_cohort(planned, clinical=clinical, how=how)
        finally:
            _say_news(device)


def _warn_of_little_memory(room: Budget, device: Device) -> None:
    own = process_bytes()
    if said := room.shortage(in_use=device.peak_bytes + (own.resident if own else 0)):
        CONSOLE.warn(said)


def _n_together(job: Job, todo: Sequence[Planned], room: Budget) -> int:
    """How many study processes: one more than processors, that the networks never wait; as memory and work allow."""
    largest = max((item.study.n_bytes for item in todo), default=0)
    return min(len(todo), room.n_together(largest, most=job.jobs + 1))


def _say(counter: Counter, device: Device, event: StudyEvent) -> None:
    """A study is finished: what its log entry says."""
    counter.step(failed=event.n_failed, total=event.total)
    _say_news(device)
    study = f"{event.participant_id} {event.session_id}"
    memory_mb = round(event.peak_bytes / 1e6)
    facts: dict[str, Any] = {"study": study, "seconds": round(event.seconds, 1), "memory_mb": memory_mb}
    if event.failure is None:
        stages = {name: round(seconds, 2) for name, seconds in event.stages.items()}
        CONSOLE.event(Event.STUDY_DONE, f"{study}: done in {event.seconds:.1f} s", **facts, stages=stages)
        if event.trace:  # of heads that failed; the study has a result all the same
            CONSOLE.warn(f"{study}: {event.trace}")
        return
    failure = event.failure
    if failure.code == PROCESS_DIED:
        CONSOLE.event(Event.WORKER_DIED, **facts, stage=failure.stage, cause=failure.reason)
    sentence = f"{study}: {failure.reason}"
    CONSOLE.event(Event.STUDY_FAILED, sentence, **facts, stage=failure.stage, code=failure.code)
    if event.trace and CONSOLE.verbose:
        CONSOLE.show(event.trace)


def _say_news(device: Device) -> None:
    """What went wrong with the device and was mended."""
    for news in device.news():
        if isinstance(news, Restarted):
            how = f"exit code {news.exit_code}"
            said = f"the process that runs the networks died ({how}) and was started again, with smaller batches"
            CONSOLE.event(Event.DEVICE_RESTARTED, said, cause=how, deaths=news.n_deaths)
        else:
            said = f"no room on the device: {news.network} goes on with {news.size} images at once"
            CONSOLE.event(Event.BATCH_HALVED, said, network=news.network, before=2 * news.size, after=news.size)


def _begins(total: int, position: int, work: StudyWork) -> None:
    """A study is given to a process."""
    study = f"{work.participant_id} {work.session_id}"
    CONSOLE.event(Event.STUDY_STARTED, study=study, position=position, total=total)


def device_words(job: Job, facts: EngineFacts) -> str:
    """What ran the networks: `cpu, fp32, 2 processors`."""
    return f"{facts.device_words}, {facts.precision}, {job.jobs} processor{'s' if job.jobs > 1 else ''}"


def run_words(job: Job, facts: EngineFacts) -> tuple[tuple[str, str], ...]:
    """What a study's page says of the run that made it."""
    changed = [f"{name.replace('_', ' ')} {value}" for name, value in job.settings.results.items()]
    return (("Device", device_words(job, facts)), ("Settings", ", ".join(changed)))


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
            "batches_at_a_time": work.lanes,
            "processor_s": round(work.lanes_s, 1),
            "batches": work.n_batches,
            "batches_of_several_studies": work.n_shared,
            "images_at_once": work.sizes,
            "restarts": device.n_starts - 1,
        },
    }
