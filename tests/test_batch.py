"""The run over a cohort, with a made engine: what it records, what it skips, how failures end."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pytest
from made_results import a_result

from cinema_cli.domain.cine import CineStudy, StudyFacts
from cinema_cli.domain.errors import ExitCode, OutputError, StudyError
from cinema_cli.domain.result import HeadUse, StudyResult
from cinema_cli.inference.batch import How, RunSummary, StudyEvent, run_cohort
from cinema_cli.inference.memory import Budget
from cinema_cli.inference.plan import Opened, RunSettings, StudyInput, plan
from cinema_cli.inference.study_processes import OneByOne
from cinema_cli.inference.study_work import At, Writing
from cinema_cli.io.clinical import ClinicalFacts
from cinema_cli.io.ledger import StudyIds, read_records
from cinema_cli.io.record_rows import phenotypes

SETTINGS = RunSettings(version="1", write_masks=True)


class MadeEngine:
    """Gives the made result, and remembers which studies it was asked for with which facts."""

    def __init__(self, sha256: str = "ab" * 32) -> None:
        self.heads = (HeadUse("starter_sax", sha256),)
        self.asked: list[tuple[str, StudyFacts]] = []

    def analyse(self, study: CineStudy, *, at: At = str) -> StudyResult:
        self.asked.append((study.participant_id, study.facts))
        return a_result(study)


@pytest.fixture
def cohort(study: CineStudy) -> Callable[..., list[StudyInput]]:
    """Three studies; `broken` maps a participant to what reading it raises, `digests` to another digest."""

    def make(*, broken: Mapping[str, Exception] = {}, digests: Mapping[str, str] = {}) -> list[StudyInput]:
        def read(name: str) -> CineStudy:
            if name in broken:
                raise broken[name]
            return dataclasses.replace(study, participant_id=name)

        names = ("sub-1", "sub-2", "sub-3")
        series = pl.DataFrame()
        return [
            StudyInput(n, "ses-1", digests.get(n, f"files of {n}"), lambda n=n: Opened(lambda: read(n), series))
            for n in names
        ]

    return make


class NoClaims:
    """Nobody else is at work."""

    def take(self, study: StudyIds, *, n_after: int) -> bool:
        return True

    def give_back(self, study: StudyIds) -> None:
        pass


def go(
    studies: list[StudyInput],
    out: Path,
    engine: MadeEngine,
    *,
    clinical: ClinicalFacts = MappingProxyType({}),
    progress: Callable[[StudyEvent], object] | None = None,
    **how: object,
) -> RunSummary:
    settings = dataclasses.replace(SETTINGS, **how)  # type: ignore[arg-type]
    planned = plan(studies, out=out, heads=engine.heads, clinical=clinical, settings=settings)
    writing = Writing(out, settings.version, settings.write_masks)
    there = How(
        OneByOne(engine, writing), writing, Budget(10**10), NoClaims(),
        max_failures=settings.max_failures, progress=progress,
    )  # fmt: skip
    return run_cohort(planned, clinical=clinical, how=there)


def test_a_second_run_does_nothing(tmp_path: Path, cohort: Callable[..., list[StudyInput]]) -> None:
    engine = MadeEngine()
    first = go(cohort(), tmp_path, engine)
    assert (first.n_run, first.n_skipped, first.n_failed, first.exit_code) == (3, 0, 0, ExitCode.DONE)
    assert (tmp_path / "sub-2/ses-1/sub-2_ses-1_sax_dseg.nii.gz").is_file()
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    second = go(cohort(), tmp_path, engine)
    assert (second.n_run, second.n_skipped, second.exit_code) == (0, 3, ExitCode.DONE)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before and len(engine.asked) == 3


def test_what_changed_runs_again(tmp_path: Path, cohort: Callable[..., list[StudyInput]]) -> None:
    go(cohort(), tmp_path, MadeEngine())
    assert go(cohort(digests={"sub-2": "new"}), tmp_path, MadeEngine()).n_run == 1
    assert go(cohort(digests={"sub-2": "new"}), tmp_path, MadeEngine("cd" * 32)).n_run == 3
    assert go(cohort(digests={"sub-2": "new"}), tmp_path, MadeEngine("cd" * 32), version="2").n_run == 3
    assert go(cohort(digests={"sub-2": "new"}), tmp_path, MadeEngine("cd" * 32), version="2", force=True).n_run == 3


def test_one_bad_study_is_one_row(tmp_path: Path, cohort: Callable[..., list[StudyInput]]) -> None:
    bad = {
        "sub-1": StudyError("pixel data end early", stage="read", code="pixels", hint="copy again"),
        "sub-3": KeyError("/data/Doe^John/x.dcm"),
    }
    events: list[StudyEvent] = []
    summary = go(cohort(broken=bad), tmp_path, MadeEngine(), progress=events.append)
    assert (summary.n_run, summary.n_failed, summary.exit_code) == (3, 2, ExitCode.SOME_FAILED)
    one, two, three = read_records(tmp_path)
    assert (one.stage, one.code, one.reason, one.hint) == ("read", "pixels", "pixel data end early", "copy again")
    assert two.status == "done"
    assert three.code == "unexpected" and "KeyError" in three.reason and "Doe" not in repr(three)
    assert [e.n_failed for e in events] == [1, 1, 2] and "Doe" in events[2].trace


def test_a_failure_is_tried_again_when_asked_or_when_the_input_changed(
    tmp_path: Path, cohort: Callable[..., list[StudyInput]]
) -> None:
    bad = {"sub-1": StudyError("x", stage="read", code="pixels")}
    go(cohort(broken=bad), tmp_path, MadeEngine())
    again = go(cohort(broken=bad), tmp_path, MadeEngine())
    assert (again.n_run, again.exit_code) == (0, ExitCode.SOME_FAILED)
    assert go(cohort(broken=bad), tmp_path, MadeEngine(), retry_failed=True).n_run == 1
    mended = go(cohort(digests={"sub-1": "copied again"}), tmp_path, MadeEngine())
    assert (mended.n_run, mended.n_failed, mended.exit_code) == (1, 0, ExitCode.DONE)


def test_a_failure_takes_the_old_mask_away(tmp_path: Path, cohort: Callable[..., list[StudyInput]]) -> None:
    go(cohort(), tmp_path, MadeEngine())
    bad = {"sub-1": StudyError("x", stage="read", code="pixels")}
    go(cohort(broken=bad, digests={"sub-1": "new"}), tmp_path, MadeEngine())
    assert [p.name for p in (tmp_path / "sub-1/ses-1").iterdir()] == ["status.json"]


def test_a_run_stops_after_too_many_failures(tmp_path: Path, cohort: Callable[..., list[StudyInput]]) -> None:
    bad = {n: StudyError("x", stage="read", code="pixels") for n in ("sub-1", "sub-2", "sub-3")}
    summary = go(cohort(broken=bad), tmp_path, MadeEngine(), max_failures=1)
    assert (summary.n_run, summary.n_left, summary.exit_code) == (2, 1, ExitCode.SOME_FAILED)
    table = phenotypes(read_records(tmp_path))
    assert table["status"].to_list() == ["failed", "failed", "not_run"]
    assert "--max-failures" in table["reasons"][2]
    again = go(cohort(broken={"sub-1": bad["sub-1"]}), tmp_path, MadeEngine(), max_failures=1)  # goes on with the third
    assert (again.n_run, again.n_left, again.n_failed) == (1, 0, 2)


def test_a_study_that_is_not_reached_keeps_a_result_that_holds(
    tmp_path: Path, cohort: Callable[..., list[StudyInput]]
) -> None:
    go(cohort(), tmp_path, MadeEngine())
    bad = {"sub-1": StudyError("x", stage="read", code="pixels")}
    go(cohort(broken=bad, digests={"sub-3": "new"}), tmp_path, MadeEngine(), max_failures=0, force=True)
    assert [str(r.status) for r in read_records(tmp_path)] == ["failed", "done", "done"]


class StoppedAt(MadeEngine):
    """Is interrupted when it comes to one study."""

    def __init__(self, participant_id: str) -> None:
        super().__init__()
        self.participant_id = participant_id

    def analyse(self, study: CineStudy, *, at: At = str) -> StudyResult:
        if study.participant_id == self.participant_id:
            raise KeyboardInterrupt
        return super().analyse(study, at=at)


def test_a_stopped_run_says_what_it_had_in_work(tmp_path: Path, cohort: Callable[..., list[StudyInput]]) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(cohort(), tmp_path, StoppedAt("sub-2"))
    assert [(str(r.status), r.code) for r in read_records(tmp_path)] == [("done", ""), ("not_run", "interrupted")]
    assert go(cohort(), tmp_path, MadeEngine()).n_run == 2


def test_a_stopped_run_loses_no_earlier_result(tmp_path: Path, cohort: Callable[..., list[StudyInput]]) -> None:
    go(cohort(), tmp_path, MadeEngine())
    with pytest.raises(KeyboardInterrupt):
        go(cohort(), tmp_path, StoppedAt("sub-2"), force=True)
    assert phenotypes(read_records(tmp_path))["status"].to_list() == ["done", "done", "done"]
    assert (tmp_path / "sub-2/ses-1/sub-2_ses-1_sax_dseg.nii.gz").is_file()


def test_a_stopped_run_leaves_what_another_has_done_meanwhile(
    tmp_path: Path, cohort: Callable[..., list[StudyInput]]
) -> None:
    class DoneElsewhere(StoppedAt):
        def analyse(self, study: CineStudy, *, at: At = str) -> StudyResult:
            if study.participant_id == self.participant_id:
                go(cohort()[1:2], tmp_path, MadeEngine())
            return super().analyse(study, at=at)

    with pytest.raises(KeyboardInterrupt):
        go(cohort(), tmp_path, DoneElsewhere("sub-2"))
    assert [str(r.status) for r in read_records(tmp_path)] == ["done", "done"]
    assert (tmp_path / "sub-2/ses-1/sub-2_ses-1_sax_dseg.nii.gz").is_file()


def test_masks_that_are_not_there_are_made(tmp_path: Path, cohort: Callable[..., list[StudyInput]]) -> None:
    go(cohort(), tmp_path, MadeEngine(), write_masks=False)
    assert not list(tmp_path.rglob("*.nii.gz"))
    assert go(cohort(), tmp_path, MadeEngine(), write_masks=False).n_run == 0
    assert go(cohort(), tmp_path, MadeEngine()).n_run == 3


def test_clinical_facts_reach_the_engine_and_the_digest(
    tmp_path: Path, cohort: Callable[..., list[StudyInput]]
) -> None:
    clinical = {("sub-2", None): StudyFacts(height_cm=181.0)}
    engine = MadeEngine()
    go(cohort(), tmp_path, engine, clinical=clinical)
    assert dict(engine.asked)["sub-2"] == StudyFacts(sex="F", height_cm=181.0)
    clinical = {("sub-2", None): StudyFacts(height_cm=182.0)}
    assert go(cohort(), tmp_path, engine, clinical=clinical).n_run == 1
    assert engine.asked[-1][0] == "sub-2"


def test_a_study_without_a_result_keeps_what_its_headers_say(
    tmp_path: Path, cohort: Callable[..., list[StudyInput]]
) -> None:
    known = StudyFacts(sex="F", age_years=60.0, vendor="GE", field_strength_t=1.5)
    bad = {"sub-1": StudyError("x", stage="read", code="pixels")}
    bad["sub-1"].add_note("file: /data/Doe/x.dcm")
    studies = [dataclasses.replace(study, facts=known) for study in cohort(broken=bad)]
    events: list[StudyEvent] = []
    said = {("sub-1", None): StudyFacts(age_years=61.0)}
    go(studies, tmp_path, MadeEngine(), clinical=said, max_failures=0, progress=events.append)
    failed, *not_reached = read_records(tmp_path)
    assert failed.facts == dataclasses.replace(known, age_years=61.0)
    assert [record.facts for record in not_reached] == [known, known]
    assert events[0].trace == "file: /data/Doe/x.dcm" and "Doe" not in repr(failed)  # for -v alone


def test_a_disk_that_refuses_ends_the_run(tmp_path: Path, cohort: Callable[..., list[StudyInput]]) -> None:
    (tmp_path / "sub-2").write_text("in the way")
    with pytest.raises(OutputError) as caught:
        go(cohort(), tmp_path, MadeEngine())
    assert caught.value.exit_code == ExitCode.CANNOT_WRITE
    assert [r.participant_id for r in read_records(tmp_path)] == ["sub-1"]
