import json
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from cinema_cli.domain.cine import StudyFacts
from cinema_cli.domain.errors import ConfigError, InputError
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.clinical import merge_facts, read_clinical, read_participants
from cinema_cli.io.ledger import Failure, Record, read_records, record
from cinema_cli.io.tables import CURVE_SCHEMA, PHENOTYPE_SCHEMA, curves, phenotypes, to_csv, write_tables


@pytest.fixture
def records(tmp_path: Path, result: StudyResult) -> tuple[Record, ...]:
    record(tmp_path, result, "d", version="1")
    record(tmp_path, Failure("sub-0002", "ses-1", "read", "one_slice", "only 1 slice", "see scan"), "d", version="1")
    return read_records(tmp_path)


def test_every_study_has_a_row_and_every_gap_a_reason(records: tuple[Record, ...]) -> None:
    table = phenotypes(records)
    assert {n: table.schema[n] for n in PHENOTYPE_SCHEMA} == PHENOTYPE_SCHEMA
    done, failed = table.iter_rows(named=True)
    assert (done["status"], failed["status"]) == ("done", "failed")
    assert done["reasons"] == "lvco_l_min: no R-R interval" and done["lvco_l_min"] is None
    assert failed["reasons"] == "all: only 1 slice" and all(failed[p.name] is None for p in PHENOTYPES)
    assert (done["lvedv_ml"], done["ed_frame"], done["es_frame"]) == (100.5, 0, 3)
    assert (done["qc_curve_shape"], done["qc_stack_gap"], failed["qc_stack_gap"]) == ("flag", "pass", None)


def test_curves_have_a_row_a_frame(records: tuple[Record, ...]) -> None:
    table = curves(records)
    assert table.schema == CURVE_SCHEMA and table["frame"].to_list() == [0, 1, 2, 3, 4]
    assert table["lv_ml"].to_list() == [120.0, 90.0, 60.0, 50.0, 80.0]
    assert curves([]).schema == CURVE_SCHEMA


def test_csv_says_missing_with_nothing_and_runs_no_formula() -> None:
    table = pl.DataFrame({"x": [1.5, float("nan"), None], "t": ["=1+1", "-a", "é, b"]})
    assert to_csv(table) == "x,t\n1.5,'=1+1\n,'-a\n,\"é, b\"\n"
    assert to_csv(table, na="NA") == "x,t\n1.5,'=1+1\nNA,'-a\nNA,\"é, b\"\n"


def test_the_folder_of_tables(tmp_path: Path, records: tuple[Record, ...]) -> None:
    table = write_tables(tmp_path, records, version="1.2")
    assert pl.read_parquet(tmp_path / "phenotypes.parquet").equals(table)
    dictionary = json.loads((tmp_path / "phenotypes.json").read_text())
    assert list(dictionary) == table.columns and all(entry["Description"] for entry in dictionary.values())
    assert dictionary["lvm_g"]["Units"] == "g" and "1.05" in dictionary["lvm_g"]["Formula"]
    assert json.loads((tmp_path / "dataset_description.json").read_text())["GeneratedBy"][0]["Version"] == "1.2"
    failed = pl.read_csv(tmp_path / "failures.csv")
    assert failed.row(0) == ("sub-0002", "ses-1", "read", "one_slice", "only 1 slice", "see scan")
    assert pl.read_csv(tmp_path / "qc.csv")["sentence"].to_list() == ["two valleys"]


def test_r_reads_the_table(tmp_path: Path, records: tuple[Record, ...]) -> None:
    rscript = shutil.which("Rscript")
    assert rscript, "R is missing: `make test` installs it (.ci/packages)"
    write_tables(tmp_path, records, version="1")
    check = (
        'd <- read.csv("stdin", stringsAsFactors = FALSE);'
        'stopifnot(nrow(d) == 2, d$participant_id[1] == "sub-0001", is.numeric(d$lvef_pct), is.na(d$lvef_pct[2]))'
    )
    text = (tmp_path / "phenotypes.csv").read_text()
    done = subprocess.run([rscript, "-e", check], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_clinical_facts_overrule_the_headers(tmp_path: Path) -> None:
    path = tmp_path / "clinical.csv"
    path.write_text(
        "participant_id,session_id,age,sex,height_cm,weight_kg,site\n0001,,54,Female,170,,A\nsub-2,2,,M,,80.5,B\n"
    )
    clinical = read_clinical(path)
    header = StudyFacts(sex="M", weight_kg=70.0, vendor="Siemens")
    one = merge_facts(header, clinical=clinical, participant_id="sub-0001", session_id="ses-1")
    assert one == StudyFacts(sex="F", age_years=54.0, height_cm=170.0, weight_kg=70.0, vendor="Siemens")
    assert merge_facts(header, clinical=clinical, participant_id="sub-2", session_id="ses-2").weight_kg == 80.5
    assert merge_facts(header, clinical=clinical, participant_id="sub-2", session_id="ses-1") == header


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,age\n1,2\n", "no column participant_id"),
        ("participant_id,age\n1,50\n2,old\n", "row 3: age is 'old'"),
        ("participant_id,height_cm\n1,1.75\n", "row 2: height_cm is '1.75', not a number between 30 and 250"),
        ("participant_id,sex\n1,x\n", "row 2: sex is 'x'"),
        ("participant_id,age\n1,50\nsub-1,51\n", "rows 2 and 3: two rows for sub-1"),
        ("participant_id,age\n,50\n", "row 2: participant_id is empty"),
    ],
)
def test_a_wrong_clinical_file_is_refused_with_its_row(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "clinical.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_clinical(path)
    assert said in caught.value.message and caught.value.hint
    with pytest.raises(InputError):
        read_clinical(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "text",
    [
        "0001\nsub-0002\n",
        "participant_id\tage\n0001\t60\nsub-0002\t\n",
        "\ufeffage,participant_id\n60,0001\n\n,sub-0002",
    ],
)
def test_participants_are_listed_one_a_line_or_in_a_column(text: str, tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text(text, "utf-8")
    assert read_participants(path) == ("0001", "sub-0002")


@pytest.mark.parametrize("content", [b"", b"participant_id\n", b"\xff\xfe\x00"])
def test_a_list_without_participants_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_bytes(content)
    with pytest.raises(InputError):
        read_participants(tmp_path / "some.txt")
    with pytest.raises(InputError):
        read_participants(tmp_path / "none.txt")
