"""What a run has to do and why: a study's record against its input, heads, settings and facts."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from made_results import a_result

from cinema_cli.domain.cine import CineStudy, StudyFacts
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.plan import Opened, Planned, RunSettings, StudyInput, done_meanwhile, plan
from cinema_cli.io.ledger import Failure, Status, record

STARTER = HeadUse("starter_sax", "ab" * 32, "12" * 32, "fp32")
OTHER = HeadUse("ef_acdc_sax", "cd" * 32, "34" * 32, "fp32", {"0.safetensors": "cd" * 32})
SETTINGS = RunSettings(version="1", results={"allow_missing_frames": "0"})
HEIGHT = {("sub-0001", None): StudyFacts(height_cm=181.0)}


def never() -> Opened:
    raise AssertionError("a plan opens no study")


STUDY = StudyInput("sub-0001", "ses-1", "files", never)


def planned(out: Path, **how: object) -> Planned:
    """What is to be done with the one study."""
    usual = {"heads": (STARTER, OTHER), "clinical": HEIGHT, "settings": SETTINGS, "studies": [STUDY]} | how
    (item,) = plan(usual.pop("studies"), out=out, **usual)  # type: ignore[arg-type]
    return item


def done(out: Path, study: CineStudy, *, code: str = "", masks: bool = True, **how: object) -> Path:
    """Record the one study as done (or with a code of failure) with what was planned for it."""
    item = planned(out, settings=replace(SETTINGS, force=True), **how)
    outcome = Failure("sub-0001", "ses-1", "read", code, "x") if code else a_result(study)
    if code in ("interrupted", "not_reached"):
        outcome = replace(outcome, status=Status.NOT_RUN)
    if not code:
        outcome = replace(outcome, heads=(STARTER, OTHER))
    return record(out, outcome, item.digest, version="1", parts=item.parts, wrote_masks=masks, files={"a.nii.gz": 3})


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"studies": [replace(STUDY, digest="other files")]}, "changed input"),
        ({"heads": (replace(STARTER, sha256="ef" * 32), OTHER)}, "other weights of starter_sax"),
        ({"heads": (STARTER, replace(OTHER, setup="56" * 32))}, "other settings of ef_acdc_sax"),
        ({"heads": (STARTER, replace(OTHER, precision="bf16"))}, "ef_acdc_sax in bf16 instead of fp32"),
        ({"heads": (STARTER,)}, "without ef_acdc_sax, which answered before"),
        ({"heads": (STARTER, OTHER, HeadUse("backbone", "0"))}, "with backbone, which was not asked before"),
        ({"heads": (OTHER, STARTER)}, "measured by ef_acdc_sax instead of starter_sax"),
        (
            {"settings": replace(SETTINGS, results={"allow_missing_frames": "2"})},
            "allow missing frames 2 instead of 0",
        ),
        ({"clinical": {}}, "other clinical facts (height_cm)"),
        (
            {"clinical": {("sub-0001", None): StudyFacts(sex="F", height_cm=1.0)}, "heads": (STARTER,)},
            "without ef_acdc_sax, which answered before; other clinical facts (height_cm, sex)",
        ),
        ({"settings": replace(SETTINGS, version="2")}, "recorded by version 1"),
        ({"settings": replace(SETTINGS, force=True)}, "forced"),
    ],
)
def test_what_changed_is_said(tmp_path: Path, study: CineStudy, how: Mapping[str, object], why: str) -> None:
    done(tmp_path, study)
    item = planned(tmp_path, **how)
    assert (item.runs, item.why) == (True, why)


@pytest.mark.parametrize(
    ("code", "runs", "why"),
    [
        ("interrupted", True, "interrupted before"),
        ("not_reached", True, "not reached before"),
        ("pixels", False, "failed before (pixels)"),
    ],
)
def test_what_has_no_result_is_said(tmp_path: Path, study: CineStudy, code: str, runs: bool, why: str) -> None:
    assert (planned(tmp_path).runs, planned(tmp_path).why) == (True, "new")
    done(tmp_path, study, code=code)
    assert (planned(tmp_path).runs, planned(tmp_path).why) == (runs, why)
    again = planned(tmp_path, settings=replace(SETTINGS, retry_failed=True))
    assert again.runs and again.why == why


def test_a_record_holds_as_long_as_its_files_are_there(tmp_path: Path, study: CineStudy) -> None:
    mask = done(tmp_path, study).with_name("a.nii.gz")
    assert (planned(tmp_path).runs, planned(tmp_path).why) == (True, "its files are not there")
    mask.write_text("abc")
    assert (planned(tmp_path).runs, planned(tmp_path).why) == (False, "done")
    done(tmp_path, study, masks=False)
    assert (planned(tmp_path).runs, planned(tmp_path).why) == (True, "its masks were not written")
    assert not planned(tmp_path, settings=replace(SETTINGS, write_masks=False)).runs


def test_a_record_that_does_not_say_what_it_was_made_of_has_changed_somehow(tmp_path: Path, study: CineStudy) -> None:
    record(tmp_path, a_result(study), "d", version="1")
    assert planned(tmp_path).why == "inputs, weights or settings changed"


def test_what_another_run_did_since_the_plan_is_not_done_again(tmp_path: Path, study: CineStudy) -> None:
    new = planned(tmp_path)
    assert not done_meanwhile(new, out=tmp_path)
    done(tmp_path, study, code="interrupted")
    assert not done_meanwhile(new, out=tmp_path)
    done(tmp_path, study)
    assert done_meanwhile(new, out=tmp_path)
    again = planned(tmp_path, settings=replace(SETTINGS, force=True))
    assert again.runs and not done_meanwhile(again, out=tmp_path)  # nobody has, since this plan
    done(tmp_path, study, heads=(STARTER,))
    assert not done_meanwhile(again, out=tmp_path)  # somebody has, but otherwise
    done(tmp_path, study)
    assert done_meanwhile(again, out=tmp_path)
