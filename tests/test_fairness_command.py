"""`cinema fairness` from its command line to its folder."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from made_people import a_folder

from cinema_cli.analysis.estimates import ANALYSES, SCHEMA
from cinema_cli.commands.app import run
from cinema_cli.commands.cohort_analyses import analyse_people, cohort_fairness
from cinema_cli.commands.console import Console, LogFormat
from cinema_cli.commands.options import CONSOLE
from cinema_cli.io.identity import keyed_hash
from cinema_cli.io.lock import run_lock

FEW = ["--permutations", "39", "--bootstrap", "39", "--no-progress"]


@pytest.fixture(autouse=True)
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    """The console of this process as a command begins with it, and no CINEMA_* setting of the machine."""
    for name in [n for n in os.environ if n.startswith("CINEMA_") and n != "CINEMA_GOLDEN"]:
        monkeypatch.delenv(name)
    CONSOLE.forget()
    CONSOLE.quiet, CONSOLE.verbose, CONSOLE.progress, CONSOLE.log_format = False, 0, True, LogFormat.TEXT
    yield CONSOLE
    CONSOLE.forget()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a made cohort."""
    return a_folder(tmp_path_factory.mktemp("made") / "out")


@pytest.fixture(scope="module")
def audited(cohort: Path) -> Path:
    """The folder of an audit with all that there is."""
    outcomes = ["--outcomes", str(cohort / "outcomes.csv"), "--phenotypes", "lvef_pct", "--covariates", "age_years"]
    more = ["--people", str(cohort / "people.csv"), "--adjust", "age_years,bmi,flagged_checks", "--intersections"]
    assert run(["fairness", str(cohort), "-q", "--groups", "sex,site", *outcomes, *more, *FEW]) == 0
    return cohort / "fairness"


def test_the_folder_holds_all_and_rows_of_people_apart(audited: Path) -> None:
    found = {path.relative_to(audited).as_posix() for path in audited.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith("logs/")} == {
        *("report.html", "fairness.json", "estimates.csv", "estimates.parquet", "estimates.json"),
        *(f"individual/{name}" for name in ("README", "people.csv", "people.parquet", "people.json")),
    }
    assert "not for release" in (audited / "individual" / "README").read_text().lower()


def test_the_estimates_are_one_table_in_both_forms(audited: Path) -> None:
    parquet = pl.read_parquet(audited / "estimates.parquet")
    assert parquet.schema == SCHEMA
    assert pl.read_csv(audited / "estimates.csv", schema_overrides=SCHEMA).fill_null("").equals(parquet.fill_null(""))
    assert set(parquet["analysis"]) <= set(ANALYSES)
    assert {"group_metric", "gap", "gap_null", "gap_adjusted", "worst_group", "interaction"} <= set(parquet["analysis"])
    assert {"failed", "dice", "c_index", "observed_expected", "disagreement"} <= set(parquet["model"])
    assert "sex=F & site=north" in set(parquet["group"])


def test_small_numbers_are_not_in_what_may_leave(audited: Path) -> None:
    table = pl.read_parquet(audited / "estimates.parquet")
    assert not table.filter(pl.col("n").is_between(1, 9) | pl.col("events").is_between(1, 9)).height
    assert table["suppressed"].any()


def test_the_run_says_how_it_was_made(audited: Path) -> None:
    made = json.loads((audited / "fairness.json").read_text())
    assert made["settings"]["groups"] == ["sex", "site"]
    assert made["settings"]["n_permutations"] == 39
    assert {one["name"] for one in made["inputs"]} == {
        *("phenotypes.parquet", "people.csv", "outcomes.csv", "evaluation.parquet", "predictions.parquet")
    }
    assert str(audited.parent.parent) not in json.dumps(made) + (audited / "report.html").read_text()


def test_rows_of_people_are_those_of_the_table(audited: Path, cohort: Path) -> None:
    people = pl.read_parquet(audited / "individual" / "people.parquet")
    table = pl.read_parquet(cohort / "phenotypes.parquet")
    assert people["participant_id"].to_list() == table["participant_id"].to_list()
    assert (people["failed: analysis"] == (table["status"] == "failed").cast(pl.Float64)).all()


def test_the_same_command_gives_the_same_bytes(audited: Path, cohort: Path, tmp_path: Path) -> None:
    few = ["--groups", "sex", "--people", str(cohort / "people.csv"), "-q", *FEW]
    for name in ("a", "b"):
        assert run(["fairness", str(cohort), "-o", str(tmp_path / name), *few]) == 0
    assert (tmp_path / "a" / "estimates.csv").read_bytes() == (tmp_path / "b" / "estimates.csv").read_bytes()


def test_without_reference_it_still_works(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = a_folder(tmp_path / "out", evaluated=False)
    assert run(["fairness", str(out), "--json", *FEW]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["groups"] == ["sex", "age_band", "vendor"]
    table = pl.read_parquet(out / "fairness" / "estimates.parquet")
    assert {"failed", "flagged", "missing", "disagreement"} <= set(table["model"])
    assert "dice" not in set(table["model"])


def test_a_table_alone_is_enough_for_outcomes(cohort: Path, tmp_path: Path) -> None:
    source = [str(cohort / "phenotypes.parquet"), "--outcomes", str(cohort / "outcomes.csv"), "--groups", "sex"]
    out = tmp_path / "audit"
    assert run(["fairness", *source, "-o", str(out), "--phenotypes", "lvef_pct", "--jobs", "1", "-q", *FEW]) == 0
    assert "c_index" in set(pl.read_parquet(out / "estimates.parquet")["model"])


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--groups", "nonesuch"], 78, "no column nonesuch"),
        (["--adjust", "nonesuch"], 78, "no column nonesuch"),
        (["--people", "nowhere.csv"], 66, "nowhere.csv"),
        (["--evaluation", "nowhere"], 66, "no evaluation.parquet"),
        (["--time", "t"], 2, "--time is for outcomes"),
        (["--age-bands", "60,50"], 2, "no ascending ages"),
        (["--outcomes", "people.csv"], 78, "has no column"),
        (["--time-unit", "hours"], 2, "--time-unit hours is not known"),
        (["--horizon", "-1"], 2, "--horizon must be above 0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    cohort: Path, tmp_path: Path, options: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [str(cohort / word) if word == "people.csv" else word for word in options]
    out = tmp_path / "audit"
    assert run(["fairness", str(cohort), "-o", str(out), *named, *FEW]) == code
    assert words in capsys.readouterr().err
    assert not (out / "report.html").exists()


def test_a_cohort_may_be_audited_by_its_clinical_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ids of the folder are hashed, those of the clinical file are not."""
    key = b"secret"
    out = a_folder(tmp_path / "out", evaluated=False)
    table = pl.read_parquet(out / "phenotypes.parquet")
    hashed = [f"sub-{keyed_hash(name.removeprefix('sub-'), key)}" for name in table["participant_id"]]
    table.with_columns(participant_id=pl.Series(hashed)).write_parquet(out / "phenotypes.parquet")
    cohort_fairness(out, out / "people.csv", command="cinema analyse", jobs=1, hash_key=key)
    assert "site=south" in set(pl.read_parquet(out / "fairness" / "estimates.parquet")["group"])
    analyse_people(out, out / "nowhere.csv", command="cinema analyse", jobs=1, hash_key=key)
    assert "no audit of fairness" in capsys.readouterr().err


def test_a_folder_without_tables_and_a_table_without_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fairness", str(tmp_path)]) == 66
    assert "no phenotypes.parquet" in capsys.readouterr().err
    (tmp_path / "p.csv").write_text("participant_id,sex\n1,F\n2,M\n")
    assert run(["fairness", str(tmp_path / "p.csv")]) == 2
    assert run(["fairness", str(tmp_path / "p.csv"), "-o", str(tmp_path / "o")]) == 66
    assert "nothing that could be compared" in " ".join(capsys.readouterr().err.split()).replace("says ", "")


def test_a_reference_is_compared_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = a_folder(tmp_path / "out")
    shutil.rmtree(out / "evaluation")
    ours = pl.read_parquet(out / "phenotypes.parquet").select("participant_id", "lvef_pct")
    ours.with_columns(pl.col("lvef_pct") + 1.5).write_csv(tmp_path / "truth.csv")
    asked = ["fairness", str(out), "--groups", "sex", "--reference", str(tmp_path / "truth.csv"), *FEW, "-q"]
    assert run(asked) == 0
    assert (out / "fairness" / "evaluation" / "report.html").exists()
    assert not (out / "evaluation").exists()  # where another evaluation may lie
    rows = pl.read_parquet(out / "fairness" / "estimates.parquet")
    errors = rows.filter(pl.col("analysis") == "group_metric", pl.col("term") == "lvef_pct", pl.col("group") != "")
    assert errors.height and errors.filter(pl.col("estimate").abs().is_close(1.5)).height
    for lacking in ("frame", "participant_id"):
        pl.read_parquet(out / "predictions.parquet").drop(lacking).write_parquet(out / "predictions.parquet")
        capsys.readouterr()
        assert run(["fairness", str(out), "--groups", "sex", *FEW]) == 66
        assert f"predictions.parquet has no column {lacking}" in capsys.readouterr().err
        assert run(["evaluate", str(out), "--reference", str(tmp_path / "truth.csv")]) == 66
        assert f"predictions.parquet has no column {lacking}" in capsys.readouterr().err
    assert run([*asked, "--evaluation", str(out / "evaluation")]) == 2
    (out / "elsewhere").mkdir()
    (out / "elsewhere" / "report.html").touch()
    assert run([*asked, "--out", str(out / "elsewhere")]) == 2
    assert [path.name for path in (out / "elsewhere").iterdir()] == ["report.html"]  # nothing was compared first


def test_the_audit_of_a_cohort_waits_for_no_other_run_and_writes_beside_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = a_folder(tmp_path / "out", evaluated=False)
    with run_lock(out / "fairness"):
        analyse_people(out, out / "people.csv", command="cinema analyse", jobs=1, hash_key=None)
        assert "no audit of fairness: another run works on" in capsys.readouterr().err
    assert not (out / "fairness").exists()


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of 100 people with one visit each, audited."""
    out = a_folder(tmp_path_factory.mktemp("once") / "out", n=100)
    assert run(["fairness", str(out), *asked_of(out)]) == 0
    return out


def asked_of(out: Path) -> list[str]:
    """An audit of everything by one column."""
    tables = ["--people", str(out / "people.csv"), "--outcomes", str(out / "outcomes.csv"), "--phenotypes", "lvef_pct"]
    return [*tables, "--groups", "site", "--permutations", "19", "--bootstrap", "19", "--jobs", "1", "-q"]


def estimates_of(out: Path) -> pl.DataFrame:
    """All but who was left out."""
    return pl.read_parquet(out / "fairness" / "estimates.parquet").filter(pl.col("analysis") != "flow")


def test_a_person_with_several_ids_counts_once(once: Path, tmp_path: Path) -> None:
    """Figures, intervals and permutation p of 100 people with two ids each are those of 100 people."""
    out = tmp_path / "out"
    shutil.copytree(once, out, ignore=shutil.ignore_patterns("fairness"))
    for name in ("phenotypes.parquet", "predictions.parquet", "evaluation/individual/evaluation.parquet"):
        table = pl.read_parquet(out / name)
        pl.concat([table, table.with_columns(pl.col("participant_id") + "b")]).write_parquet(out / name)
    for name in ("people.csv", "outcomes.csv"):
        table = pl.read_csv(out / name, infer_schema=False).with_columns(patient=pl.col("participant_id") + " is one")
        pl.concat([table, table.with_columns(pl.col("participant_id") + "b")]).write_csv(out / name)
    assert run(["fairness", str(out), *asked_of(out), "--cluster", "patient"]) == 0
    assert estimates_of(out).equals(estimates_of(once))
    assert pl.read_parquet(out / "fairness" / "individual" / "people.parquet").height == 100


def test_the_first_visit_stands_for_a_person_and_a_table_of_people_may_have_visits_too(
    once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(once, out, ignore=shutil.ignore_patterns("fairness"))
    table = pl.read_parquet(out / "phenotypes.parquet")
    again = table.with_columns(session_id=pl.lit("ses-10"), status=pl.lit("failed"))
    pl.concat([again, table.with_columns(session_id=pl.lit("ses-2"))]).write_parquet(out / "phenotypes.parquet")
    people = pl.read_csv(out / "people.csv", infer_schema=False)
    visits = [people.with_columns(session_id=pl.lit("10"), site=pl.lit("elsewhere"))]
    visits.append(people.with_columns(session_id=pl.lit("2")))
    pl.concat(visits).write_csv(out / "people.csv")
    assert run(["fairness", str(out), *asked_of(out)]) == 0
    assert estimates_of(out).equals(estimates_of(once))
    pl.concat([people, people.head(1)]).write_csv(out / "people.csv")
    assert run(["fairness", str(out), *asked_of(out)]) == 78
    assert "people.csv, rows 2, 102: participant '0000' has several rows" in capsys.readouterr().err


def test_the_column_of_participants_may_be_named(
    once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = pl.read_csv(once / "people.csv", infer_schema=False)
    people.rename({"participant_id": "who"}).write_csv(tmp_path / "people.csv")
    asked = ["fairness", str(once), "-o", str(tmp_path / "o"), "--people", str(tmp_path / "people.csv"), "--json", *FEW]
    assert run([*asked, "--groups", "site", "--id-column", "who"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"] == ["site"]
    ends = ["--outcomes", str(once / "outcomes.csv"), "--phenotypes", "lvef_pct", "--jobs", "1"]
    assert run([*asked, *ends, "--groups", "site", "--id-column", "who"]) == 0
    assert "c_index" in set(pl.read_parquet(tmp_path / "o" / "estimates.parquet")["model"])
    assert run([*asked, "--id-column", "whom"]) == 78
    assert "no column whom" in capsys.readouterr().err
