"""Locks and claims: who works in a folder and on a study, with real processes that race and are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cinema_cli.domain.errors import LockedError, OutputError
from cinema_cli.domain.shard import Shard
from cinema_cli.io.claims import claim, claims, release
from cinema_cli.io.holds import as_dict, this_process
from cinema_cli.io.index import StudyKey
from cinema_cli.io.lock import LOCK_NAME, lock_path, owners, run_lock

STUDY = StudyKey("sub-1", "ses-1", "")
KILLED = """
import os, sys
from pathlib import Path
from cinema_cli.io.claims import claim
from cinema_cli.io.index import StudyKey
from cinema_cli.io.lock import run_lock
out = Path(sys.argv[1])
with run_lock(out) as owner:
    for n in range(30):
        assert claim(out, StudyKey(f"sub-{n}", "ses-1", ""), owner)
    os.kill(os.getpid(), 9)
"""
RACE_FOR_STUDIES = """
import os, sys, time
from pathlib import Path
from cinema_cli.domain.shard import Shard
from cinema_cli.io.claims import claim, release
from cinema_cli.io.index import StudyKey
from cinema_cli.io.lock import run_lock
out, mine = Path(sys.argv[1]), sys.argv[2]
with run_lock(out, shard=Shard.parse(mine)) as owner:
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(30):
        study = StudyKey(f"sub-{n}", "ses-1", "")
        if claim(out, study, owner):
            alone = out / f"alone-{n}"
            os.close(os.open(alone, os.O_CREAT | os.O_EXCL))  # fails where two are in here
            time.sleep(0.002)
            alone.unlink()
            print(n, flush=True)
            release(out, study, owner)
"""
RACE_FOR_THE_FOLDER = """
import sys, time
from pathlib import Path
from cinema_cli.domain.errors import LockedError
from cinema_cli.io.lock import run_lock
print("ready", flush=True)
sys.stdin.readline()
try:
    with run_lock(Path(sys.argv[1])):
        print("mine", flush=True)
        time.sleep(2.5)
except LockedError as error:
    sys.exit(int(error.exit_code))
"""


def race(program: str, out: Path, *names: str) -> list[tuple[int, list[str]]]:
    """Exit code and printed lines of processes that begin at the same moment."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    runners = [subprocess.Popen([sys.executable, "-c", program, str(out), name], text=True, **pipes) for name in names]
    for runner in runners:
        assert runner.stdout is not None and runner.stdout.readline() == "ready\n"
    for runner in runners:
        assert runner.stdin is not None
        runner.stdin.write("go\n")
        runner.stdin.flush()
    said = [runner.communicate(timeout=60)[0] for runner in runners]
    return [(runner.returncode, lines.split()) for runner, lines in zip(runners, said, strict=True)]


def elsewhere(out: Path, *, token: str, age_s: float, shard: str = "") -> Path:
    """The lock of a run on another machine that gave its last sign of life some time ago."""
    says = as_dict(this_process(shard=shard)) | {"host": "node17", "machine": "another", "token": token}
    path = out / LOCK_NAME / f"run-{token}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(says))
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))
    return path


def test_a_second_run_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with run_lock(tmp_path / "out"):
        with pytest.raises(LockedError, match=f"process {os.getpid()}, since 20") as caught, run_lock(tmp_path / "out"):
            pass
        assert caught.value.exit_code == 75 and "cinema unlock" in caught.value.hint
        assert len(owners(tmp_path / "out")) == 1
    assert not (tmp_path / "out").exists()  # it was made for the lock, and nothing was written into it


def test_shards_work_beside_each_other_and_no_one_else_beside_them(tmp_path: Path) -> None:
    with run_lock(tmp_path, shard=Shard(0, 2)), run_lock(tmp_path, shard=Shard(1, 2)):
        assert [lock.owner.shard for lock in owners(tmp_path) if lock.owner] in (["0/2", "1/2"], ["1/2", "0/2"])
        with pytest.raises(LockedError, match="shard 1/2"), run_lock(tmp_path, shard=Shard(1, 2)):
            pass
        with pytest.raises(LockedError, match=r"shard ./2, since .* and 1 more"), run_lock(tmp_path):
            pass
    with run_lock(tmp_path), pytest.raises(LockedError), run_lock(tmp_path, shard=Shard(0, 2)):
        pass
    assert not list(tmp_path.iterdir())


def test_of_runs_that_begin_at_once_one_gets_the_folder(tmp_path: Path) -> None:
    ended = race(RACE_FOR_THE_FOLDER, tmp_path, *"abc")
    assert sorted(code for code, _ in ended) == [0, 75, 75]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("after_a_killed_run", [False, True])
def test_of_runs_that_race_for_studies_no_two_have_one(tmp_path: Path, after_a_killed_run: bool) -> None:
    if after_a_killed_run:
        assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -9
        assert [one.alive for one in claims(tmp_path)] == [False] * 30
    ended = race(RACE_FOR_STUDIES, tmp_path, "0/3", "1/3", "2/3")
    assert [code for code, _ in ended] == [0, 0, 0]
    assert {int(n) for _, lines in ended for n in lines} == set(range(30))
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_held_heals(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -9
    (lock,) = owners(tmp_path)
    assert not lock.alive and len(claims(tmp_path)) == 30
    with run_lock(tmp_path) as owner:
        assert [one.owner for one in owners(tmp_path)] == [owner] and not claims(tmp_path)


@pytest.mark.parametrize(("age_s", "refused"), [(5, True), (10_000, False)])
def test_an_owner_elsewhere_lives_by_its_heartbeat(tmp_path: Path, age_s: int, refused: bool) -> None:
    lock = elsewhere(tmp_path, token="t", age_s=age_s)
    assert [one.alive for one in owners(tmp_path)] == [refused]
    if refused:
        with pytest.raises(LockedError, match="node17"), run_lock(tmp_path):
            pass
    with run_lock(tmp_path / "sibling"):  # another folder is another matter
        pass
    if not refused:
        with run_lock(tmp_path):
            assert not lock.exists()


def test_a_lock_that_cannot_be_read_holds_until_it_is_old(tmp_path: Path) -> None:
    lock = elsewhere(tmp_path, token="t", age_s=0)
    lock.write_text("{")
    with pytest.raises(LockedError, match="unknown machine"), run_lock(tmp_path, shard=Shard(0, 2)):
        pass
    os.utime(lock, (1, 1))
    with run_lock(tmp_path):
        assert not lock.exists()


def test_the_heart_beats(tmp_path: Path) -> None:
    with run_lock(tmp_path, beat_seconds=0.01) as owner:
        lock = lock_path(tmp_path, owner)
        os.utime(lock, (1, 1))
        for _ in range(500):
            if lock.stat().st_mtime > 1:
                break
            time.sleep(0.01)
        assert lock.stat().st_mtime > 1


def test_the_lock_and_its_claims_are_released_on_interrupt(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run_lock(tmp_path) as owner:
        assert claim(tmp_path, STUDY, owner)
        raise KeyboardInterrupt
    assert not (tmp_path / LOCK_NAME).exists()


def test_a_file_where_the_folder_should_be_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError), run_lock(tmp_path / "out"):
        pass


def test_a_study_in_work_is_nobody_elses(tmp_path: Path) -> None:
    with run_lock(tmp_path, shard=Shard(0, 2)) as one, run_lock(tmp_path, shard=Shard(0, 3)) as two:
        assert claim(tmp_path, STUDY, one) and not claim(tmp_path, STUDY, two)
        (held,) = claims(tmp_path)
        assert (held.participant_id, held.session_id, held.owner, held.alive) == ("sub-1", "ses-1", one, True)
        assert claim(tmp_path, StudyKey("sub-1", "ses-2", ""), two) and claim(
            tmp_path, StudyKey("sub-11", "ses-1", ""), two
        )
        release(tmp_path, STUDY, one)
        assert claim(tmp_path, STUDY, two)


def test_a_run_whose_lock_was_taken_away_takes_no_more_studies(tmp_path: Path) -> None:
    with run_lock(tmp_path) as owner:
        lock_path(tmp_path, owner).unlink()
        with pytest.raises(LockedError, match="no longer holds") as caught:
            claim(tmp_path, STUDY, owner)
        assert caught.value.code == "lock_lost"


def test_a_process_of_the_same_number_is_not_the_owner(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        says = as_dict(this_process()) | {"pid": other.pid, "token": "t"}  # it began at another moment than this
        path = elsewhere(tmp_path, token="t", age_s=0)
        path.write_text(json.dumps(says))
        assert [one.alive for one in owners(tmp_path)] == [False]
        other.send_signal(signal.SIGKILL)
