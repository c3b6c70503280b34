import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cinema_cli.domain.cine import CineStudy, StudyFacts
from cinema_cli.domain.errors import LockedError, OutputError, UsageError
from cinema_cli.domain.result import StudyResult
from cinema_cli.io import atomic
from cinema_cli.io.ledger import (
    Failure,
    Status,
    check_output,
    digest_of,
    is_done,
    read_record,
    read_records,
    record,
    refuse_inside,
    study_folder,
)
from cinema_cli.io.lock import LOCK_NAME, run_lock


def test_a_result_comes_back_from_its_record(tmp_path: Path, result: StudyResult) -> None:
    record(tmp_path, result, "d1", version="1.0")
    known = read_record(tmp_path, result)
    assert known is not None and known.status is Status.DONE
    assert known.measurements == result.measurements and known.checks == result.checks
    assert known.facts == result.facts and known.heads == result.heads and known.seconds == {"segment": 1.25}
    assert (known.ed_frame, known.es_frame) == (0, 3)
    assert known.curves is not None and result.curves is not None
    np.testing.assert_array_equal(known.curves.lv_ml, result.curves.lv_ml)


def test_a_record_names_no_study_uid(tmp_path: Path, result: StudyResult) -> None:
    assert result.study_uid not in record(tmp_path, result, "d", version="1").read_text()
    failure = Failure("sub-2", "ses-1", "read", "gap", "series 1.2.840.113619.2.55.3 has a gap")
    assert "113619" not in record(tmp_path, failure, "d", version="1").read_text()


def test_done_means_that_the_digest_matches(tmp_path: Path, study: CineStudy, result: StudyResult) -> None:
    assert not is_done(tmp_path, study, "d1")
    record(tmp_path, result, "d1", version="1.0")
    assert is_done(tmp_path, study, "d1")
    assert not is_done(tmp_path, study, "d2")


def test_a_failure_holds_until_it_is_to_be_tried_again(tmp_path: Path, study: CineStudy) -> None:
    facts = StudyFacts(sex="M")
    failure = Failure("sub-0001", "ses-1", "read", "truncated", "pixel data end early", "copy again", facts)
    record(tmp_path, failure, "d1", version="1.0")
    assert is_done(tmp_path, study, "d1")
    assert not is_done(tmp_path, study, "d1", retry_failed=True)
    (known,) = read_records(tmp_path)
    assert (known.stage, known.code, known.hint, known.facts.sex) == ("read", "truncated", "copy again", "M")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"record_version": 99}', '{"record_version": 1}'])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, study: CineStudy, result: StudyResult, text: str) -> None:
    record(tmp_path, result, "d1", version="1.0").write_text(text)
    assert read_record(tmp_path, study) is None and not is_done(tmp_path, study, "d1")


def test_missing_numbers_are_null_not_nan(tmp_path: Path, result: StudyResult) -> None:
    assert result.curves is not None
    result.curves.rv_ml[1] = np.nan
    text = record(tmp_path, result, "d", version="1").read_text()
    assert "NaN" not in text and json.loads(text)["curves"]["rv_ml"][1] is None
    known = read_record(tmp_path, result)
    assert known is not None and known.curves is not None and np.isnan(known.curves.rv_ml[1])


def test_digests_do_not_depend_on_the_order_of_settings() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 2, "b": 1})


def test_the_output_is_beside_the_input_and_never_inside(tmp_path: Path) -> None:
    cohort = tmp_path / "my cohort"
    assert check_output(cohort, out=None) == tmp_path / "my cohort-cinema"
    assert check_output(cohort, out=tmp_path / "out") == tmp_path / "out"
    with pytest.raises(UsageError, match="holds the input"):  # OUT/sub-x may be the cohort itself
        check_output(cohort, out=tmp_path)
    assert refuse_inside(cohort, out=tmp_path / "series.csv") == tmp_path / "series.csv"
    for inside in (cohort, cohort / "a" / "b", cohort / ".." / "my cohort" / "x"):
        with pytest.raises(UsageError, match="inside the input"):
            check_output(cohort, out=inside)


def test_a_full_disk_leaves_the_old_record_and_no_rest(
    tmp_path: Path, result: StudyResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path, result, "old", version="1")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        record(tmp_path, result, "new", version="1")
    assert caught.value.code == "full" and caught.value.exit_code == 73
    assert is_done(tmp_path, result, "old")
    assert [p.name for p in study_folder(tmp_path, result).iterdir()] == ["status.json"]


def test_a_file_where_the_folder_should_be_is_an_output_error(tmp_path: Path, result: StudyResult) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError), run_lock(tmp_path / "out"):
        pass
    with pytest.raises(OutputError):
        record(tmp_path / "out", result, "d", version="1")


def test_a_second_run_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    with run_lock(tmp_path / "out"):
        with pytest.raises(LockedError, match=str(os.getpid())), run_lock(tmp_path / "out"):
            pass
        assert (tmp_path / "out" / LOCK_NAME).exists()
    assert not (tmp_path / "out").exists()  # it was made for the lock, and nothing was written into it


def test_the_lock_of_a_killed_run_heals(tmp_path: Path) -> None:
    killed = (
        "import os, sys, pathlib; from cinema_cli.io.lock import run_lock\n"
        "with run_lock(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", killed, str(tmp_path)], check=False).returncode == -9
    assert (tmp_path / LOCK_NAME).exists()
    with run_lock(tmp_path) as owner:
        assert owner.pid == os.getpid()


@pytest.mark.parametrize(("age_s", "refused"), [(5, True), (10_000, False)])
def test_an_owner_elsewhere_lives_by_its_heartbeat(tmp_path: Path, age_s: int, refused: bool) -> None:
    lock = tmp_path / LOCK_NAME
    lock.write_text(json.dumps({"host": "node17", "pid": 1, "began": "1", "token": "t"}))
    then = lock.stat().st_mtime - age_s
    os.utime(lock, (then, then))
    if refused:
        with pytest.raises(LockedError, match="node17"), run_lock(tmp_path):
            pass
    else:
        with run_lock(tmp_path):
            pass


def test_the_heart_beats(tmp_path: Path) -> None:
    with run_lock(tmp_path, beat_seconds=0.01):
        lock = tmp_path / LOCK_NAME
        os.utime(lock, (1, 1))
        for _ in range(500):
            if lock.stat().st_mtime > 1:
                break
            time.sleep(0.01)
        assert lock.stat().st_mtime > 1


def test_the_lock_is_released_on_interrupt(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), run_lock(tmp_path):
        raise KeyboardInterrupt
    assert not (tmp_path / LOCK_NAME).exists()
