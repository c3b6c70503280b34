"""A cohort in parts: shards that share a folder, and the merge of what they did."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest
from disk_cohort import use_grey_head, write_heart
from made_results import a_result, a_study

from cinema_cli.commands import job, studies_run
from cinema_cli.commands.app import run
from cinema_cli.domain.cine import CineStudy
from cinema_cli.domain.result import StudyResult
from cinema_cli.domain.shard import Shard
from cinema_cli.inference.study_processes import OneByOne
from cinema_cli.inference.study_work import At
from cinema_cli.inference.worker import WorkerSetup
from cinema_cli.io.holds import as_dict, this_process
from cinema_cli.io.lock import LOCK_NAME, run_lock

TABLES = ("phenotypes.csv", "phenotypes.parquet", "curves.parquet", "failures.csv", "qc.csv", "series.csv", "notes.csv")


@dataclass
class MadeUp:
    """Measures by the participant's name: here, what is measured is not the point."""

    def analyse(self, study: CineStudy, *, at: At = str) -> StudyResult:
        """A result whose numbers are the person's own."""
        result = replace(a_result(a_study()), participant_id=study.participant_id, facts=study.facts, masks={})
        own = [replace(m, value=m.value and m.value + ord(study.participant_id[-1])) for m in result.measurements]
        return replace(result, measurements=tuple(own))


@pytest.fixture(autouse=True)
def made_up_results(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_by_one(setup: WorkerSetup, count: int) -> OneByOne:
        return OneByOne(MadeUp(), replace(setup.writing, pages=None))

    for module, name in ((job, "running_device"), (studies_run, "study_processes")):
        monkeypatch.setattr(module, name, getattr(module, name))  # as they were, after the test
    use_grey_head()
    studies_run.study_processes = one_by_one  # type: ignore[assignment]


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Five participants, of whom one has a single slice; parts 0 and 1 of 2 have some each."""
    for name in "ABCD":
        write_heart(tmp_path / "cohort" / name, name)
    write_heart(tmp_path / "cohort" / "E", "E", slices=1)
    assert {Shard(0, 2).has(f"sub-{name}") for name in "ABCDE"} == {True, False}
    return tmp_path / "cohort"


def times(out: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in out.rglob("*")}


def test_parts_and_their_merge_make_the_tables_of_one_run(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "parts"
    assert run(["analyse", str(cohort), "-o", str(whole)]) == 3
    assert run(["analyse", str(cohort), "-o", str(out), "--shard", "0/2"]) in (0, 3)
    assert not (out / "phenotypes.csv").exists() and not (out / "report.html").exists()
    capsys.readouterr()
    assert run(["merge", str(out)]) == 3
    assert "without a result yet (run their part again)" in capsys.readouterr().err
    statuses = pl.read_csv(out / "phenotypes.csv")["status"].to_list()
    assert len(statuses) == 5 and statuses.count("not_run") == sum(Shard(1, 2).has(f"sub-{name}") for name in "ABCDE")
    assert run(["analyse", str(cohort), "-o", str(out), "--shard", "1/2"]) in (0, 3)
    capsys.readouterr()
    assert run(["merge", str(out)]) == 3
    assert "5 studies merged, 1 failed (see failures.csv); report: " in capsys.readouterr().err
    assert all((out / name).read_bytes() == (whole / name).read_bytes() for name in TABLES)
    assert json.loads((out / "dataset_description.json").read_text()) == json.loads(
        (whole / "dataset_description.json").read_text()
    )
    before = times(out)
    assert run(["merge", str(out)]) == 3
    assert "nothing to do" in capsys.readouterr().err and times(out) == before
    (out / "qc.csv").unlink()
    assert run(["merge", str(out)]) == 3 and (out / "qc.csv").read_bytes() == (whole / "qc.csv").read_bytes()


def test_a_merge_with_a_clinical_file_analyses_what_one_run_does(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ids are hashed: the merge needs their key to find people in the file."""
    people, key = tmp_path / "people.csv", tmp_path / "key"
    people.write_text("participant_id,sex,time_years,event\nA,F,1,1\nB,M,2,0\nC,F,3,1\nD,M,4,1\nE,F,5,0\n")
    key.write_text("0123456789abcdef")
    asked = ["--clinical", str(people), "--hash-ids", str(key)]
    for out, part in (("whole", []), ("parts", ["--shard", "0/2"]), ("parts", ["--shard", "1/2"])):
        assert run(["analyse", str(cohort), "-o", str(tmp_path / out), *asked, *part]) in (0, 3)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert not (parts / "survival").exists() and not (parts / "fairness").exists()
    assert run(["merge", str(parts), "--clinical", str(tmp_path / "nowhere.csv")]) == 66
    for _ in range(2):
        capsys.readouterr()
        assert run(["merge", str(parts), *asked]) == 3
        said = capsys.readouterr().err
        assert "no survival analysis" not in said and "no audit of fairness" not in said
        assert ("nothing to do" in said) != ("survival: " in said and "fairness: " in said)
    for name in ("survival", "fairness"):
        made = [path for path in (whole / name).rglob("*") if path.suffix in (".csv", ".parquet")]
        assert len(made) == 4
        assert all((parts / path.relative_to(whole)).read_bytes() == path.read_bytes() for path in made)
    assert sorted(path.name for path in parts.iterdir()) == sorted(path.name for path in whole.iterdir())
    page = (parts / "report.html").read_text()
    assert all(f'href="{name}/report.html"' in page for name in ("survival", "fairness"))
    people.write_text("participant_id,sex\nA,M\nB,M\nC,F\nZ,F\n")
    assert run(["merge", str(parts), *asked]) == 3
    said = capsys.readouterr().err
    assert "1 of 4 rows of the clinical file match no participant; 2 of 5 participants have no row" in said
    assert "3 studies were analysed with other clinical facts than this file says" in said
    for how, warned in (("-n", True), ("-q", True), ("-q", False)):
        assert run(["analyse", str(cohort), "-o", str(parts), *asked[2:], how]) in (0, 3)
        said = capsys.readouterr().err
        assert ("had facts of a clinical file, and this run has none (--clinical)" in said) == warned
        assert ("; survival and fairness stay as they are" in said) == warned
    before, other = times(parts), tmp_path / "other"
    other.write_text("another key of 16")
    for words in (["analyse", str(cohort), "-o"], ["analyse", str(cohort), "-n", "-o"], ["scan", str(cohort), "-o"]):
        assert [run([*words, str(parts), *how]) for how in ([], ["--hash-ids", str(other)])] == [78, 78]
    assert run(["merge", str(parts), "--hash-ids", str(other)]) == 78
    assert times(parts) == before and "hashed with another key" in capsys.readouterr().err


def test_what_cannot_follow_a_cohort_is_said_once(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = tmp_path / "people.csv"
    people.write_text("participant_id,time,event\nA,0,1\nB,2,0\nC,3,1\nD,4,1\nE,5,0\n")
    for known in (False, True):
        assert run(["analyse", str(cohort), "-o", str(tmp_path / "out"), "--clinical", str(people), "-q"]) == 3
        said = capsys.readouterr().err
        assert ("no survival analysis: " not in said) == ("no audit of fairness: " not in said) == known
    assert run(["analyse", str(cohort), "-o", str(tmp_path / "out"), "--clinical", str(people)]) == 3
    assert "no survival analysis: " in capsys.readouterr().err


def test_a_merge_makes_anew_what_a_part_did_again(cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(["analyse", str(cohort), "-o", str(out), "-q"]) == 3
    before = (out / "report.html").stat().st_mtime_ns
    assert run(["analyse", str(cohort), "-o", str(out), "--shard", "0/2", "--force", "-q"]) in (0, 3)
    assert run(["merge", str(out), "-q"]) == 3
    assert (out / "report.html").stat().st_mtime_ns > before


def test_a_merge_remembers_that_a_folder_could_not_be_read(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(cohort / "E")
    (cohort / "F").mkdir()
    (cohort / "F" / "x.dcm").write_bytes(next((cohort / "A").rglob("*.dcm")).read_bytes()[:200])
    out = tmp_path / "out"
    assert run(["analyse", str(cohort), "-o", str(out), "--shard", "0/1", "-q"]) == 3
    capsys.readouterr()
    assert run(["merge", str(out)]) == 3
    assert "4 studies merged, no DICOM file in a folder could be read" in capsys.readouterr().err


def test_a_merge_waits_for_the_parts_and_wants_their_folder(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["merge", str(out)]) == 66
    assert "no studies.parquet and no series.parquet" in capsys.readouterr().err and not out.exists()
    assert run(["analyse", str(cohort), "-o", str(out), "-q"]) == 3
    with run_lock(out, shard=Shard(1, 2)):
        assert run(["merge", str(out)]) == 75
        assert "shard 1/2" in capsys.readouterr().err


def test_a_task_of_a_slurm_array_does_its_part(cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ID": "3", "MIN": "2", "MAX": "3", "STEP": "1", "COUNT": "2"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    out = tmp_path / "out"
    assert run(["analyse", str(cohort), "-o", str(out), "-q"]) in (0, 3)
    done = {path.parent.parent.name for path in out.glob("sub-*/ses-*/status.json")}
    assert done == {f"sub-{name}" for name in "ABCDE" if Shard(1, 2).has(f"sub-{name}")}


def test_a_study_that_another_run_has_in_work_is_left_to_it(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    other = this_process(shard="0/3")
    with run_lock(out, shard=Shard(0, 3)) as holder:
        claim = as_dict(holder) | {"participant_id": "sub-A", "session_id": "ses-1", "claimed": other.since}
        (out / LOCK_NAME / f"study-sub-A_ses-1_{holder.token}.json").write_text(json.dumps(claim))
        for part in ("0/2", "1/2"):
            run(["analyse", str(cohort), "-o", str(out), "--shard", part, "-q"])
        assert not list(out.glob("sub-A/*/status.json")) and len(list(out.glob("sub-*/*/status.json"))) == 4
    for part in ("0/2", "1/2"):
        run(["analyse", str(cohort), "-o", str(out), "--shard", part, "-q"])
    assert len(list(out.glob("sub-*/*/status.json"))) == 5
