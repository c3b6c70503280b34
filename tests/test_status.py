"""`cinema status` and `cinema unlock`: what they say while a run goes on, after it was killed, and of what is none."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from disk_cohort import write_heart
from made_results import a_result, a_study
from test_lock import elsewhere

from cinema_cli.commands import status
from cinema_cli.commands.app import run
from cinema_cli.io.claims import claim
from cinema_cli.io.cohort_list import STUDY_SCHEMA
from cinema_cli.io.index import StudyKey
from cinema_cli.io.ledger import Failure, Status, record
from cinema_cli.io.lock import LOCK_NAME, run_lock
from cinema_cli.io.overview import overview
from cinema_cli.io.tables import write_table

PROGRAM = [sys.executable, str(Path(__file__).with_name("disk_cohort.py"))]


def said(out: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert run(["status", str(out), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight studies: 3 done (all flagged), 2 failed, 1 interrupted, 2 that no run has come to."""
    import polars as pl

    rows = [{"participant_id": f"sub-{n}", "session_id": "ses-1", "digest": "d"} for n in range(8)]
    write_table(tmp_path, "studies", pl.DataFrame(rows, schema=STUDY_SCHEMA), ".parquet")
    for n in range(3):
        record(tmp_path, replace(a_result(a_study()), participant_id=f"sub-{n}"), "d", version="1")
    for n, code in ((3, "pixels"), (4, "gap"), (5, "interrupted")):
        how = Status.NOT_RUN if code == "interrupted" else Status.FAILED
        record(tmp_path, Failure(f"sub-{n}", "ses-1", "read", code, "why", status=how), "d", version="1")
    return tmp_path


def test_studies_are_counted_by_how_they_stand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = said(folder, capsys)
    counts = {name: body[name] for name in ("studies", "done", "flagged", "failed", "waiting", "interrupted")}
    assert counts == {"studies": 8, "done": 3, "flagged": 3, "failed": 2, "waiting": 3, "interrupted": 1}
    assert body["failed_by_code"] == {"pixels": 1, "gap": 1} and body["ended_last_hour"] == 5
    assert body["locks"] == body["in_work"] == [] and body["eta_min"] is body["last_run"] is None
    assert run(["status", str(folder)]) == 0
    text = capsys.readouterr().out
    assert "done: 3 (3 flagged)\nfailed: 2 (pixels 1, gap 1)\nwaiting: 3 (1 interrupted)\n" in text
    assert "run: none" in text


def test_speed_is_that_of_the_live_runs(folder: Path) -> None:
    with run_lock(folder) as owner:
        assert claim(folder, StudyKey("sub-6", "ses-1", ""), owner)
        in_ten_minutes = datetime.fromisoformat(owner.since) + timedelta(minutes=10)
        now = overview(folder, now=in_ten_minutes)
        assert (now.n_this_run, now.studies_per_min) == (5, pytest.approx(0.5))
        assert (now.n_waiting, len(now.in_work)) == (2, 1) and now.eta_min == pytest.approx(6.0)
        speed = "0.5 studies/min (5 since the run began), 5 studies in the last hour; ETA 6 min 00 s for 3"
        assert ("speed", speed) in status.lines(now, None)
        tomorrow = overview(folder, now=datetime.now(UTC) + timedelta(days=1))
        assert tomorrow.n_last_hour == 0
    assert overview(folder).studies_per_min is None


def test_the_time_that_remains_is_that_of_studies_done_again_too(folder: Path) -> None:
    """With --force all eight run, though five of them count as done or failed until then."""
    with run_lock(folder) as owner:
        for n, n_after in (("0", 7), ("1", 6)):
            assert claim(folder, StudyKey(f"sub-{n}", "ses-1", ""), owner, n_after=n_after)
        now = overview(folder, now=datetime.fromisoformat(owner.since) + timedelta(minutes=10))
        assert (now.n_waiting, now.n_left) == (3, 8) and now.eta_min == pytest.approx(16.0)


def test_a_run_is_seen_at_work_and_after_it_was_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "AB":
        write_heart(tmp_path / "cohort" / name, name)
    out = tmp_path / "out"
    command = [*PROGRAM, "60", "analyse", str(tmp_path / "cohort"), "-o", str(out), "--shard", "0/1", "--jobs", "1"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not list(out.glob(f"{LOCK_NAME}/study-*")):
            assert process.poll() is None
            time.sleep(0.05)
        body = said(out, capsys)
        assert (body["studies"], body["done"]) == (2, 0) and body["waiting"] == 2 - len(body["in_work"])
        (lock,) = body["locks"]
        assert (lock["pid"], lock["shard"], lock["alive"]) == (process.pid, "0/1", True)
        assert {(one["pid"], one["shard"]) for one in body["in_work"]} == {(process.pid, "0/1")}
        assert run(["status", str(out)]) == 0
        assert f"process {process.pid}, shard 0/1" in capsys.readouterr().out
        assert run(["unlock", str(out)]) == 75
        assert f"held by {lock['host']}, process {process.pid}, shard 0/1, since" in capsys.readouterr().err
        process.kill()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    left = len(list(out.glob(f"{LOCK_NAME}/study-*")))
    body = said(out, capsys)
    assert (body["waiting"], body["interrupted"], body["in_work"]) == (2, left, []) and left
    assert [one["alive"] for one in body["locks"]] == [False] and body["last_run"]["meaning"] == "cut_off"
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before  # it only reads
    assert run(["unlock", str(out), "--json"]) == 0
    told, words = capsys.readouterr()
    assert [one["pid"] for one in json.loads(told)["removed"]] == [process.pid] and "taken away: the lock of" in words
    assert not (out / LOCK_NAME).exists() and said(out, capsys)["locks"] == []


def test_a_live_lock_goes_by_force_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere(tmp_path, token="one", age_s=5, shard="0/2")
    elsewhere(tmp_path, token="two", age_s=500, shard="1/2")
    assert run(["unlock", str(tmp_path), "--json"]) == 75
    body = json.loads(capsys.readouterr().out)
    assert [[one["shard"] for one in body[name]] for name in ("removed", "kept")] == [["1/2"], ["0/2"]]
    assert run(["unlock", str(tmp_path)]) == 75
    assert "node17" in (text := capsys.readouterr().err) and "may be done twice" in text
    assert run(["unlock", str(tmp_path), "--force"]) == 0
    assert "seems alive" in capsys.readouterr().err and not list(tmp_path.iterdir())
    assert run(["unlock", str(tmp_path)]) == 0
    assert "nobody holds" in capsys.readouterr().err


def test_what_a_killed_process_left_half_written_goes(tmp_path: Path) -> None:
    path = elsewhere(tmp_path, token="t", age_s=500)
    half = {age_s: path.parent / f".run-{age_s}.json.00000000-1-00000000.part" for age_s in (500, 1)}
    for age_s, one in half.items():
        one.touch()
        os.utime(one, (path.stat().st_mtime + 500 - age_s,) * 2)
    assert run(["unlock", str(tmp_path)]) == 0
    assert list(path.parent.iterdir()) == [half[1]]


@pytest.mark.parametrize("command", ["status", "unlock"])
def test_a_folder_that_is_no_output_is_no_input(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, str(tmp_path / "none")]) == 66
    assert "hint: Give the output folder" in capsys.readouterr().err
    (tmp_path / "letter.txt").touch()
    assert run([command, str(tmp_path)]) == (66 if command == "status" else 0)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_on_a_terminal_the_rows_stand_below_each_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    status.show([("studies", "8"), ("failed", "2 (pixels 1, gap 1)"), ("", "and more")])
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in capsys.readouterr().out.splitlines()]
    assert [line.split("  ", 1)[0] for line in plain] == ["studies", "failed", ""]
    assert plain[0].index("8") == plain[1].index("2 (")
