"""The list of a cohort's studies: what a scan leaves for tables, and what stands for a study without a record."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from disk_cohort import FRAMES, SLICES, write_heart

from cinema_cli.domain.cine import StudyFacts
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.cohort_list import (
    STUDIES,
    STUDY_SCHEMA,
    cohort_records,
    former_studies,
    former_words,
    list_studies,
    read_studies,
    write_studies,
)
from cinema_cli.io.index import scan, studies, study_digests
from cinema_cli.io.ledger import record


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The list of a cohort of two, one of whom the clinical file knows."""
    cohort = tmp_path_factory.mktemp("cohort")
    for name in ("0001", "2"):
        write_heart(cohort / name, name)
    index = scan(cohort)
    clinical = {("sub-2", None): StudyFacts(height_cm=181.0)}
    return list_studies(index, study_digests(index, studies(index)), clinical=clinical)


def test_the_list_says_what_a_scan_found(listed: pl.DataFrame, tmp_path: Path) -> None:
    assert listed.schema == STUDY_SCHEMA
    assert listed["participant_id"].to_list() == ["sub-0001", "sub-2"]
    assert listed["height_cm"].to_list() == [170.0, 181.0]
    assert listed["n_images"].to_list() == [SLICES * FRAMES] * 2
    assert listed["digest"].n_unique() == 2 and listed["n_bytes"].min() > SLICES * FRAMES * 72 * 72 * 2  # type: ignore[operator]
    assert write_studies(tmp_path, listed) and not write_studies(tmp_path, listed)
    assert read_studies(tmp_path).equals(listed)
    assert list(json.loads((tmp_path / "studies.json").read_text())) == list(STUDY_SCHEMA)
    assert b"1.2.3.4.5" not in (tmp_path / STUDIES).read_bytes()  # no study uid


def test_a_study_without_a_record_is_not_reached_and_has_its_facts(
    listed: pl.DataFrame, result: StudyResult, tmp_path: Path
) -> None:
    write_studies(tmp_path, listed)
    record(tmp_path, result, "d", version="1")
    record(tmp_path, replace(result, participant_id="sub-9"), "d", version="1")
    known = cohort_records(tmp_path)
    assert known.phenotypes["status"].to_list() == ["done", "not_run"]
    assert known.failures.row(0)[:5] == ("sub-2", "ses-1", "not_run", "run", "not_reached")
    row = known.phenotypes.row(1, named=True)
    assert (row["status"], row["height_cm"]) == ("not_run", 181.0) and "no run has come to it yet" in row["reasons"]
    former = former_studies(tmp_path)
    assert [visit.participant_id for visit in former] == ["sub-9"] and "1 more record is" in former_words(former)


def test_a_list_of_another_version_is_none(tmp_path: Path) -> None:
    assert read_studies(tmp_path).is_empty()
    pl.DataFrame({"participant_id": ["sub-1"]}).write_parquet(tmp_path / STUDIES)
    assert read_studies(tmp_path).schema == STUDY_SCHEMA and read_studies(tmp_path).is_empty()
