import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cinema_cli.domain.cine import CineStudy, StudyFacts
from cinema_cli.domain.errors import OutputError, UsageError
from cinema_cli.domain.result import CheckStatus, HeadUse, StudyResult
from cinema_cli.io import atomic
from cinema_cli.io.ledger import (
    Failure,
    Status,
    check_output,
    digest_of,
    read_record,
    read_records,
    record,
    refuse_inside,
    study_folder,
)
from cinema_cli.io.standings import read_standings


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


def test_a_failure_comes_back_with_what_helps(tmp_path: Path) -> None:
    facts = StudyFacts(sex="M")
    failure = Failure("sub-0001", "ses-1", "read", "truncated", "pixel data end early", "copy again", facts)
    record(tmp_path, failure, "d1", version="1.0", seconds={"read": 1.23456})
    (known,) = read_records(tmp_path)
    assert (known.stage, known.code, known.hint, known.facts.sex) == ("read", "truncated", "copy again", "M")
    assert known.seconds == {"read": 1.235}


def test_a_record_says_when_where_and_with_what(tmp_path: Path, result: StudyResult) -> None:
    before = datetime.now(UTC).isoformat(timespec="seconds")
    made_of = {"input": "ab", "weights starter_sax": "cd"}
    path = record(tmp_path, result, "d", version="1", parts=made_of, memory_mib=812, host="node17")
    known = read_record(tmp_path, result)
    assert known is not None and known.parts == made_of and known.memory_mib == 812
    assert known.host == "node17" and known.seconds == {"segment": 1.25}
    assert before <= known.ended <= datetime.now(UTC).isoformat(timespec="seconds")
    assert len(path.read_text().splitlines()) < 30  # a line a thing, not a line a number


@pytest.mark.parametrize("text", ["", "{", "[]", '{"record_version": 99}', '{"record_version": 1}'])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, study: CineStudy, result: StudyResult, text: str) -> None:
    record(tmp_path, result, "d1", version="1.0").write_text(text)
    assert read_record(tmp_path, study) is None and read_standings(tmp_path, [study]) == [None]


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
    assert (known := read_record(tmp_path, result)) and known.digest == "old"
    assert [p.name for p in study_folder(tmp_path, result).iterdir()] == ["status.json"]


def test_a_file_where_the_folder_should_be_is_an_output_error(tmp_path: Path, result: StudyResult) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError):
        record(tmp_path / "out", result, "d", version="1")


@pytest.mark.parametrize("flag", [False, True])
def test_a_standing_says_the_same_of_a_record_however_it_is_laid_out(
    tmp_path: Path, result: StudyResult, flag: bool
) -> None:
    checks = tuple(replace(c, status=CheckStatus.FLAG if flag else CheckStatus.PASS) for c in result.checks)
    heads = (*result.heads, HeadUse("ef_acdc_sax", "cd" * 32, weights={"0.safetensors": "cd" * 32}))
    path = record(
        tmp_path, replace(result, checks=checks, heads=heads), "d", version="1", parts={"input": "x"}, files={"a": 1}
    )
    (now,) = read_standings(tmp_path, [result])
    assert now is not None and (now.flagged, now.heads, now.files) == (flag, ("ef_acdc_sax",), {"a": 1})
    assert (now.said[2:], now.parts, now.seconds) == (("done", "d", "1", ""), {"input": "x"}, {"segment": 1.25})
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))  # as earlier versions wrote it
    (before,) = read_standings(tmp_path, [result])
    assert before is not None and before.said == now.said and before.flagged is flag
    assert [getattr(before, name) for name in ("heads", "files", "parts", "ended", "seconds")] == [
        getattr(now, name) for name in ("heads", "files", "parts", "ended", "seconds")
    ]
