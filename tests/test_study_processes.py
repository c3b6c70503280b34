"""Study processes, real ones: one that dies costs its study, a signal lets a write end, and nothing is left behind."""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from study_engines import Fates, NoStart, made_study

from cinema_cli.domain.errors import OutputError, UnavailableError
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.batch import How, RunSummary, StudyEvent, run_cohort
from cinema_cli.inference.memory import Budget
from cinema_cli.inference.plan import Opened, RunSettings, StudyInput, plan
from cinema_cli.inference.study_processes import Report, StudyProcesses
from cinema_cli.inference.study_work import Writing, work_of
from cinema_cli.inference.worker import Stopped, WorkerSetup
from cinema_cli.io.ledger import StudyIds, read_records

HEADS = (HeadUse("starter_sax", "ab" * 32),)
SETTINGS = RunSettings(version="1", write_masks=True)


class Claimed:
    """Remembers what is claimed."""

    def __init__(self) -> None:
        self.now: set[str] = set()

    def take(self, study: StudyIds, *, n_after: int) -> bool:
        self.now.add(study.participant_id)
        return True

    def give_back(self, study: StudyIds) -> None:
        self.now.remove(study.participant_id)


class Revived:
    """Counts how often the device was looked after."""

    n = 0

    def revive(self) -> bool:
        self.n += 1
        return True


def go(
    out: Path,
    fates: dict[str, str],
    *,
    count: int = 2,
    device: Revived | None = None,
    progress: Callable[[StudyEvent], object] | None = None,
    max_failures: int | None = None,
    engine: Fates | NoStart | None = None,
) -> RunSummary:
    """A run over the participants named in `fates`, see `study_engines.Fates`."""
    table = pl.DataFrame({"series_uid": ["1.2.3"]})
    studies = [
        StudyInput(name, "ses-1", f"files of {name}", partial(Opened, partial(made_study, name), table), n_bytes=1000)
        for name in fates
    ]
    planned = plan(studies, out=out, heads=HEADS, clinical={}, settings=SETTINGS)
    writing, claims = Writing(out, "1", write_masks=True), Claimed()
    processes = StudyProcesses(WorkerSetup(engine or Fates(fates), writing), count=count)
    how = How(processes, writing, Budget(10**10), claims, device, max_failures=max_failures, progress=progress)
    try:
        return run_cohort(planned, clinical={}, how=how)
    finally:
        assert not claims.now and not processes.in_work and not processes.pids


def statuses(out: Path) -> dict[str, tuple[str, str]]:
    return {r.participant_id: (str(r.status), r.code) for r in read_records(out)}


def test_a_process_that_dies_costs_its_study_and_says_how(tmp_path: Path) -> None:
    events: list[StudyEvent] = []
    fates = {"sub-1": "", "sub-2": "killed", "sub-3": "segfault", "sub-4": "exit", "sub-5": "fault", "sub-6": ""}
    summary = go(tmp_path, fates, progress=events.append)
    assert (summary.n_run, summary.n_failed, summary.n_left) == (6, 4, 0)
    died = ("failed", "process_died")
    assert statuses(tmp_path) == {
        "sub-1": ("done", ""), "sub-2": died, "sub-3": died, "sub-4": died, "sub-5": ("failed", "unexpected"),
        "sub-6": ("done", ""),
    }  # fmt: skip
    killed, segfault, left = (r for r in read_records(tmp_path) if r.code == "process_died")
    assert "was killed (SIGKILL) in the stage segment, with 0." in killed.reason and "GB of memory" in killed.reason
    assert "SIGSEGV" in segfault.reason and "exit code 7" in left.reason and killed.stage == "segment"
    assert summary.peak_bytes > 10**7 and len(events) == 6
    done = next(e for e in events if e.participant_id == "sub-1")
    assert set(done.stages) == {"read", "segment", "measure", "write"} and done.peak_bytes > 10**7
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".part"]


def test_a_failed_study_does_not_stop_others_but_too_many_do(tmp_path: Path) -> None:
    summary = go(tmp_path, dict.fromkeys(("sub-1", "sub-2", "sub-3"), "killed"), count=1, max_failures=0)
    assert (summary.n_run, summary.n_failed, summary.n_left) == (1, 1, 2)
    assert [code for _, code in statuses(tmp_path).values()] == ["process_died", "not_reached", "not_reached"]


def test_a_full_disk_ends_the_run_and_leaves_the_others_to_the_next(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"):
        go(tmp_path, {"sub-1": "full", "sub-2": "slow", "sub-3": ""})
    assert statuses(tmp_path) == dict.fromkeys(("sub-1", "sub-2"), ("not_run", "interrupted"))


def test_a_study_in_which_the_device_dies_is_tried_twice(tmp_path: Path) -> None:
    device = Revived()
    summary = go(tmp_path, {"sub-1": "device", "sub-2": ""}, device=device)
    assert statuses(tmp_path) == {"sub-1": ("failed", "device_died"), "sub-2": ("done", "")}
    assert device.n == 2 and summary.n_run == 2


@pytest.mark.usefixtures("ctrl_c")
def test_a_signal_stops_work_at_once_and_says_what_was_interrupted(tmp_path: Path) -> None:
    def later() -> None:
        while not list(tmp_path.rglob("status.json")):  # sub-1 is done, sub-2 in work
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=later).start()
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path, {"sub-1": "", "sub-2": "slow", "sub-3": "slow", "sub-4": "slow"})
    found = statuses(tmp_path)
    assert found.pop("sub-1") == ("done", "")
    assert set(found.values()) == {("not_run", "interrupted")} and "sub-4" not in found
    assert go(tmp_path, dict.fromkeys(("sub-1", "sub-2", "sub-3"), "")).n_run == 2


def test_processes_that_cannot_start_blame_no_study(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="do not start: the last one ended with exit code 7"):
        go(tmp_path, {"sub-1": "", "sub-2": ""}, engine=NoStart())
    assert set(statuses(tmp_path).values()) <= {("not_run", "interrupted")}


def wait_until(processes: StudyProcesses, happened: Callable[[], bool]) -> list[Report]:
    """Reports until something has happened."""
    reports: list[Report] = []
    until = time.monotonic() + 60
    while not happened() and time.monotonic() < until:
        reports += processes.wait()
    return reports


def test_a_process_that_is_told_to_stop_from_outside_gives_its_study_back(tmp_path: Path) -> None:
    """SLURM sends SIGTERM to every process of a job: a study may be stopped before the run itself knows."""
    setup = WorkerSetup(Fates({"sub-1": "slow"}), Writing(tmp_path, "1", write_masks=True))
    processes = StudyProcesses(setup, count=1)
    opened = partial(Opened, partial(made_study, "sub-1"), pl.DataFrame())
    study = StudyInput("sub-1", "ses-1", "d", opened)
    (planned,) = plan([study], out=tmp_path, heads=HEADS, clinical={}, settings=SETTINGS)
    processes.give(work_of(planned, {}))
    until = time.monotonic() + 60
    while not any(worker.stage == "segment" for worker in processes._workers) and time.monotonic() < until:
        list(processes._heard(processes._workers[0]))
        time.sleep(0.02)
    score = Path(f"/proc/{processes.pids[0]}/oom_score_adj")
    assert not score.exists() or score.read_text() == "500\n"  # killed for memory before the run or the device is
    os.kill(processes.pids[0], signal.SIGTERM)
    ((work, said),) = wait_until(processes, lambda: not processes.in_work)
    assert isinstance(said, Stopped) and work.participant_id == "sub-1" and processes.n_free == 0
    assert wait_until(processes, lambda: processes.n_free == 1) == []  # another takes its place
    processes.stop()
    assert not list(tmp_path.rglob("status.json"))
