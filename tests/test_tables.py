import json
import resource
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_estimates import Made, made_estimates, made_facts
from said_reasons import reasons_of

from cinema_cli.analysis.estimates import SCHEMA
from cinema_cli.commands import head_facts
from cinema_cli.commands.app import run
from cinema_cli.commands.cohort_page import run_facts
from cinema_cli.domain.checks import CHECKS
from cinema_cli.domain.cine import StudyFacts
from cinema_cli.domain.errors import ConfigError, InputError, OutputError
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.domain.result import Check, CheckStatus, HeadUse, StudyResult
from cinema_cli.inference.cards import read_card
from cinema_cli.io.clinical import merge_facts, read_clinical, read_participants
from cinema_cli.io.cohort_list import cohort_records
from cinema_cli.io.index import SERIES_SCHEMA
from cinema_cli.io.ledger import Failure, Record, Status, read_records, record
from cinema_cli.io.record_rows import CURVE_SCHEMA, FAILURE_SCHEMA, PHENOTYPE_SCHEMA, QC_SCHEMA, curves, phenotypes
from cinema_cli.io.records import gather
from cinema_cli.io.tables import TABLE_FILES, to_csv, write_series, write_tables, written_of
from cinema_cli.reports.survival import render_survival


@pytest.fixture
def records(tmp_path: Path, result: StudyResult) -> tuple[Record, ...]:
    checks = [Check(name, CheckStatus.PASS, "fine") for name in CHECKS]
    checks[2] = Check("gap_in_stack", CheckStatus.FLAG, "a gap", 2.0)
    record(tmp_path, replace(result, checks=tuple(checks)), "d", version="1")
    record(tmp_path, Failure("sub-0002", "ses-1", "read", "one_slice", "only 1 slice", "see scan"), "d", version="1")
    return read_records(tmp_path)


def test_every_study_has_a_row_and_every_gap_a_reason(records: tuple[Record, ...]) -> None:
    table = phenotypes(records)
    assert table.schema == PHENOTYPE_SCHEMA
    done, failed = table.iter_rows(named=True)
    assert (done["status"], failed["status"]) == ("done", "failed")
    assert done["lvco_l_min"] is None and reasons_of(done)["lvco_l_min"].startswith("no R-R interval")
    assert failed["reasons"].startswith("all: only 1 slice; ") and all(failed[p.name] is None for p in PHENOTYPES)
    assert (done["lvedv_ml"], done["ed_frame"], done["es_frame"]) == (100.5, 0, 3)
    assert (done["qc_gap_in_stack"], done["qc_enough_frames"], failed["qc_gap_in_stack"]) == ("flag", "pass", None)
    for row in (done, failed):
        told = reasons_of(row)
        empty = {name for name, value in row.items() if value is None}
        of_result = {p.name for p in PHENOTYPES} | {f"qc_{name}" for name in CHECKS}
        assert empty == set(told) - {"all"} | (of_result if "all" in told else set())
        assert all(told.values())
    silent = "not in the headers, or not plausible there"
    assert reasons_of(done)["age_years"] == f"{silent}, and no clinical file says it"
    assert reasons_of(done)["scanner"] == silent and done["reasons"].count(silent) == 2
    assert reasons_of(failed)["scanner"].startswith("the study was not read")


def test_a_record_of_other_checks_and_phenotypes_says_so(tmp_path: Path, result: StudyResult) -> None:
    known = replace(result, measurements=result.measurements[1:], checks=())
    record(tmp_path, known, "d", version="0.1")
    (row,) = cohort_records(tmp_path).phenotypes.iter_rows(named=True)
    for name in (PHENOTYPES[0].name, "qc_centre_found"):
        assert reasons_of(row)[name] == "unknown to version 0.1, which analysed the study"


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_the_columns_never_depend_on_the_cohort(records: tuple[Record, ...], kept: int) -> None:
    table = phenotypes(records[2 - kept :])
    assert (table.schema, table.height) == (PHENOTYPE_SCHEMA, kept)
    assert [c for c in table.columns if c.startswith("qc_")] == [f"qc_{name}" for name in CHECKS]


def test_tables_hold_the_studies_of_the_last_scan_and_the_others_are_counted(
    tmp_path: Path, records: tuple[Record, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cohort_records(tmp_path).phenotypes.height == len(records) == 2  # no scan is known: all
    rows = [{"participant_id": "sub-0001", "session_id": "ses-1"}] * 2
    write_series(tmp_path, pl.DataFrame(rows, schema=SERIES_SCHEMA))
    assert cohort_records(tmp_path).phenotypes["participant_id"].to_list() == ["sub-0001"]
    assert run(["phenotypes", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert "1 more record is left out: not in the cohort of the last scan" in err
    assert run(["report", str(tmp_path)]) == 0
    assert "1 more record is left out" in capsys.readouterr().err
    page = (tmp_path / "report.html").read_text()
    assert "1 study of 1 participant; 1 analysed" in page and "1 more record is left out" in page
    assert "sub-0002" not in page


def test_curves_have_a_row_a_frame(records: tuple[Record, ...]) -> None:
    table = curves(records)
    assert table.schema == CURVE_SCHEMA and table["frame"].to_list() == [0, 1, 2, 3, 4]
    assert table["lv_ml"].to_list() == [120.0, 90.0, 60.0, 50.0, 80.0]
    assert curves([]).schema == CURVE_SCHEMA


def test_csv_says_missing_with_nothing_and_runs_no_formula() -> None:
    table = pl.DataFrame({"x": [1.5, float("nan"), None], "t": ["=1+1", "-a", "é, b"]})
    assert to_csv(table) == "x,t\n1.5,'=1+1\n,'-a\n,\"é, b\"\n"
    assert to_csv(table, na="NA") == "x,t\n1.5,'=1+1\nNA,'-a\nNA,\"é, b\"\n"


def test_csv_leaves_texts_that_are_numbers_as_they_are() -> None:
    """A spline's values stand as text in `level`: below zero they are numbers, no formulas."""
    levels = ["-1.668", "+2", "-.5", "-1e-05", "-3.", "-0.62 to 0.1 ml", "-1+1", "-", "@x", "-0x1", "-1e5\n=1"]
    text = to_csv(pl.DataFrame({"level": levels}))
    read = pl.read_csv(text.encode(), schema={"level": pl.String})["level"].to_list()
    assert read == [*levels[:5], *(f"'{level}" for level in levels[5:])]


def test_a_page_from_the_csv_is_that_from_the_table() -> None:
    """Splines of a phenotype below zero, such as a strain, are drawn at their values."""
    below = pl.when(pl.col("analysis") == "spline").then("-" + pl.col("level")).otherwise("level").alias("level")
    table = made_estimates(Made(phenotypes=1)).with_columns(below)
    assert table["level"].str.starts_with("-").sum() > 10
    read = pl.read_csv(to_csv(table).encode(), schema_overrides=SCHEMA)
    assert render_survival(read, made_facts()) == render_survival(table, made_facts())


def test_the_folder_of_tables(tmp_path: Path, records: tuple[Record, ...]) -> None:
    known = gather(records)
    write_tables(tmp_path, known, version="1.2")
    written = {p.name for p in tmp_path.iterdir() if p.is_file()}
    assert written - {"status.json"} == set(TABLE_FILES) and TABLE_FILES[-1] == "dataset_description.json"
    assert written_of(tmp_path) == known.digest != gather(records[:1]).digest
    assert (
        pl.read_parquet(tmp_path / "phenotypes.parquet").equals(known.phenotypes) and written_of(tmp_path / "x") == ""
    )
    assert json.loads((tmp_path / "dataset_description.json").read_text())["GeneratedBy"][0]["Version"] == "1.2"
    failed = pl.read_csv(tmp_path / "failures.csv")
    assert failed.row(0) == ("sub-0002", "ses-1", "failed", "read", "one_slice", "only 1 slice", "see scan")
    assert pl.read_csv(tmp_path / "qc.csv")["sentence"].to_list() == ["a gap"]


def test_a_study_never_reached_is_not_called_failed(tmp_path: Path) -> None:
    waiting = Failure("sub-0003", "ses-1", "run", "not_reached", "too many failures", status=Status.NOT_RUN)
    record(tmp_path, waiting, "d", version="1")
    write_tables(tmp_path, cohort_records(tmp_path), version="1")
    assert pl.read_csv(tmp_path / "failures.csv")["status"].to_list() == ["not_run"]


def test_every_table_has_a_dictionary_of_its_columns(tmp_path: Path, records: tuple[Record, ...]) -> None:
    write_tables(tmp_path, gather(records), version="1")
    write_series(tmp_path, pl.DataFrame(schema=SERIES_SCHEMA))
    columns = {
        "phenotypes": list(PHENOTYPE_SCHEMA),
        "curves": list(CURVE_SCHEMA),
        "failures": list(FAILURE_SCHEMA),
        "qc": list(QC_SCHEMA),
        "series": [name for name in SERIES_SCHEMA if name != "study_uid"],
    }
    entries = {table: json.loads((tmp_path / f"{table}.json").read_text()) for table in columns}
    assert {table: list(known) for table, known in entries.items()} == columns
    assert all(entry["Description"] for known in entries.values() for entry in known.values())
    known = entries["phenotypes"]
    assert known["lvm_g"]["Units"] == "g" and "1.05" in known["lvm_g"]["Formula"]
    units = {name: known[name]["Units"] for name in ("age_years", "height_cm", "weight_kg", "field_strength_t")}
    assert units == {"age_years": "year", "height_cm": "cm", "weight_kg": "kg", "field_strength_t": "T"}
    assert set(known["status"]["Levels"]) == set(Status) and set(known["sex"]["Levels"]) == {"M", "F"}
    assert set(known["qc_centre_found"]["Levels"]) == set(CheckStatus)


def test_bids_tools_are_told_what_is_not_bids(tmp_path: Path, records: tuple[Record, ...]) -> None:
    write_tables(tmp_path, gather(records), version="1")
    write_series(tmp_path, pl.DataFrame(schema=SERIES_SCHEMA))
    visit = "sub-0001/ses-1"
    others = (
        *("report.html", "report/wall-0001.html", "logs/20260102T030405Z-abc123/run.json", f"{visit}/study.html"),
        *(f"{visit}/figures/thumbnail.jpg", f"{visit}/sub-0001_ses-1_sax_dseg.nii.gz"),
    )
    for name in others:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    listed = ["git", "-C", tmp_path, "ls-files", "--others", "--exclude-from=.bidsignore"]  # the same rules
    left = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
    assert left.split() == [".bidsignore", "README", "dataset_description.json"]


def test_r_reads_the_table(tmp_path: Path, records: tuple[Record, ...]) -> None:
    rscript = shutil.which("Rscript")
    assert rscript, "R is missing: `make test` installs it (.ci/packages)"
    write_tables(tmp_path, gather(records), version="1")
    check = (
        'd <- read.csv("stdin", stringsAsFactors = FALSE);'
        'stopifnot(nrow(d) == 2, d$participant_id[1] == "sub-0001", is.numeric(d$lvef_pct), is.na(d$lvef_pct[2]));'
        "stopifnot(identical(d$suppressed, c(TRUE, FALSE)))"
    )
    table = pl.read_parquet(tmp_path / "phenotypes.parquet").with_columns(suppressed=pl.Series([True, False]))
    text = to_csv(table)
    assert text.startswith((tmp_path / "phenotypes.csv").read_text().split("\n")[0])
    done = subprocess.run([rscript, "-e", check], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_report_counts_records_by_program_and_weights(
    tmp_path: Path, result: StudyResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = replace(read_card("starter_sax"), figures={"acdc_n": 20.0})
    monkeypatch.setattr(head_facts, "read_card", lambda _: card)
    heads = [(HeadUse("starter_sax", sha256),) for sha256 in ("ab" * 32, card.sha256, card.sha256)]
    for k, (version, used) in enumerate(zip(("0.1", "0.2", "0.2"), heads, strict=True)):
        record(tmp_path, replace(result, participant_id=f"sub-{k}", heads=used), "d", version=version)
    record(tmp_path, Failure("sub-9", "ses-1", "read", "gap", "a gap"), "d", version="0.2")
    facts = run_facts(tmp_path, cohort_records(tmp_path))
    assert facts.made_by == (
        (f"cinema 0.2, starter_sax (weights sha256 {card.sha256[:12]}…)", 2),
        ("cinema 0.1, starter_sax (weights sha256 abababababab…)", 1),
        ("cinema 0.2, no head: no result", 1),
    )
    assert [(h.sha256, dict(h.figures)) for h in facts.heads] == [(card.sha256, {"acdc_n": 20.0}), ("ab" * 32, {})]


def test_the_last_run_is_one_that_analysed_and_the_files_are_those_of_the_last_scan(tmp_path: Path) -> None:
    for name, n_run, n_files in (("20260101T000000Z-a", 3, 90), ("20260102T000000Z-b", 0, 60)):
        (tmp_path / "logs" / name).mkdir(parents=True)
        log = {"version": name[:8], "started": name, "n_files": n_files, "counts": {"n_run": n_run}}
        (tmp_path / "logs" / name / "run.json").write_text(json.dumps(log))
        (tmp_path / "logs" / name / "config.toml").write_text('head = "mine"\n')
    (tmp_path / "logs" / "20260103T000000Z-c").mkdir()  # cut off
    (tmp_path / "logs" / "20260104T000000Z-d").mkdir()
    (tmp_path / "logs" / "20260104T000000Z-d" / "run.json").write_text('{"exit_code": 66}')  # ended before its scan
    facts = run_facts(tmp_path, gather(()))
    assert (facts.started, facts.n_files, facts.settings) == ("20260101T000000Z-a", 60, (("head", "mine"),))


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


def test_a_disk_that_is_full_is_said_also_where_polars_writes(tmp_path: Path, result: StudyResult) -> None:
    record(tmp_path, result, "d", version="1")
    records = cohort_records(tmp_path)
    frames = pl.concat([records.curves] * 400)
    drawn = np.random.default_rng(0).normal(size=frames.height)  # such as no compression makes small
    many = replace(records, curves=frames.with_columns(time_ms=drawn, lv_ml=drawn + 1.0))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # Python ignores the signal, so writing fails
    try:
        with pytest.raises(OutputError, match=r"curves.parquet: File too large") as caught:
            write_tables(tmp_path / "none", many, version="1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.code == "full" and not list((tmp_path / "none").glob("*curves.parquet*"))
