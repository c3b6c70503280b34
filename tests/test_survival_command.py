"""`cinema survival` from its command line to its folder."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from statistics_golden import STATISTICS

from cinema_cli.analysis.estimates import SCHEMA
from cinema_cli.commands import analysis_files
from cinema_cli.commands.app import run
from cinema_cli.commands.cohort_analyses import analyse_people, cohort_survival
from cinema_cli.commands.console import Console, LogFormat
from cinema_cli.commands.options import CONSOLE, names
from cinema_cli.domain.errors import OutputError
from cinema_cli.io.atomic import write_atomic
from cinema_cli.io.identity import keyed_hash
from cinema_cli.io.record_rows import PHENOTYPE_SCHEMA

DATA = STATISTICS / "data"
LUNG = [str(DATA / "lung_cc.csv"), "--phenotypes", "age,ph.karno", "--covariates", "sex", "--time-unit", "days"]
FEW = ["--bootstrap", "2", "--no-progress"]


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
def lung(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an analysis of R's lung data, small numbers shown."""
    out = tmp_path_factory.mktemp("lung") / "out"
    assert run(["survival", *LUNG, "-o", str(out), "--groups", "sex", "--no-suppress", "-q", *FEW]) == 0
    return out


def people(n: int = 40, *, seed: int = 1) -> dict[str, list[Any]]:
    """Made-up people whose events go with x."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=n)
    time = draw.exponential(np.exp(-x)) + 0.01
    return {
        "id": [f"{k:03d}" for k in range(n)],
        "x": x.tolist(),
        "time": np.minimum(time, 2.0).tolist(),
        "event": (time < 2.0).astype(int).tolist(),
    }


def test_the_folder_holds_all_and_rows_of_people_apart(lung: Path) -> None:
    found = {path.relative_to(lung).as_posix() for path in lung.rglob("*") if path.is_file()}
    named = {name for name in found if not name.startswith("logs/")}
    assert named == {
        *("report.html", "survival.json", "estimates.csv", "estimates.parquet", "estimates.json"),
        *(f"individual/{name}" for name in ("README", "analysis_table.csv", "analysis_table.parquet")),
        "individual/analysis_table.json",
    }
    assert len([name for name in found if name.startswith("logs/")]) == 3  # config.toml, run.json, log.jsonl
    assert "not for release" in (lung / "individual" / "README").read_text().lower()


def test_the_estimates_are_one_table_in_both_forms(lung: Path) -> None:
    parquet = pl.read_parquet(lung / "estimates.parquet")
    assert parquet.schema == SCHEMA
    csv = pl.read_csv(lung / "estimates.csv", schema_overrides=SCHEMA)
    assert csv.equals(parquet)
    assert set(json.loads((lung / "estimates.json").read_text())) == set(SCHEMA)


def test_the_analysis_table_is_what_was_handed_in(lung: Path) -> None:
    given = pl.read_csv(DATA / "lung_cc.csv", null_values="")
    table = pl.read_csv(lung / "individual" / "analysis_table.csv", null_values="NA")
    assert table.columns == ["participant_id", "time", "event", "age", "ph.karno", "sex"]
    for name in ("time", "event", "age", "ph.karno", "sex"):
        assert_allclose(table[name], given[name])
    words = json.loads((lung / "individual" / "analysis_table.json").read_text())
    assert words["sex"]["Roles"] == ["covariate", "group"] and words["time"]["Units"] == "days"


def test_what_made_it_is_written_down_without_folders_and_people(lung: Path) -> None:
    said = json.loads((lung / "survival.json").read_text())
    assert said["inputs"][0]["name"] == "lung_cc.csv" and len(said["inputs"][0]["sha256"]) == 64
    assert said["columns"]["phenotypes"] == ["age", "ph.karno"] and said["settings"]["time_unit"] == "days"
    assert said["settings"]["suppressed"] is False and said["options"]["bootstrap"] == "2"
    assert str(DATA) not in json.dumps(said)
    log = next(lung.glob("logs/*/log.jsonl")).read_text()
    assert str(lung) not in log and str(DATA) not in log


def test_a_report_is_remade_from_the_settings_of_its_log(lung: Path, tmp_path: Path) -> None:
    config = next(lung.glob("logs/*/config.toml"))
    assert run(["survival", LUNG[0], "-o", str(tmp_path), "--config", str(config), "-q"]) == 0
    before, after = (pl.read_parquet(folder / "estimates.parquet") for folder in (lung, tmp_path))
    assert before.equals(after)


def test_lists_and_choices_come_from_a_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "t.csv"
    pl.DataFrame(people() | {"z": list(range(40)), "site": ["a", "b"] * 20}).write_csv(table)
    config = tmp_path / "c.toml"
    lines = ('phenotypes = ["x", "z"]', 'covariates = "site"', 'per = "unit"', "bootstrap = 2", "no-suppress = true")
    config.write_text("\n".join(["[survival]", *lines, "json = true", 'time-unit = "days"']))
    assert run(["survival", str(table), "-o", str(tmp_path / "o"), "--config", str(config)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["phenotypes"] == ["x", "z"]
    assert said["report"] == str(tmp_path / "o" / "report.html")
    cox = pl.read_parquet(tmp_path / "o" / "estimates.parquet").filter(analysis="cox")
    assert {"x", "z"} <= set(cox["term"]) and not cox["unit"].str.contains("SD").any()


def test_an_unknown_setting_is_told_the_options_as_they_are_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.toml").write_text("jsn = true\n")
    assert run(["survival", "t.csv", "-o", str(tmp_path / "o"), "--config", str(tmp_path / "c.toml")]) == 78
    said = capsys.readouterr().err
    assert "unknown setting jsn" in said and " json," in said and " time-unit," in said
    assert "as_json" not in said and "source" not in said


@pytest.mark.parametrize(("n", "shown"), [(36, False), (120, True)])
def test_json_tells_no_count_that_the_table_hides(
    n: int, shown: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 36 people all but 6 had the event: both counts would say so."""
    table = tmp_path / "t.csv"
    pl.DataFrame(people(n)).write_csv(table)
    assert run(["survival", str(table), "-o", str(tmp_path / "o"), "--json", *FEW]) == 0
    said = json.loads(capsys.readouterr().out)
    rate = pl.read_parquet(tmp_path / "o" / "estimates.parquet").filter(analysis="rate").row(0, named=True)
    assert (said["n"], said["events"]) == (rate["n"], rate["events"])
    assert (said["n"] == n) == (said["events"] is not None) == shown


def test_nobody_with_the_event_is_a_report_that_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "t.csv"
    pl.DataFrame(people() | {"event": [0] * 40}).write_csv(table)
    assert run(["survival", str(table), "-o", str(tmp_path / "o"), "--json", *FEW]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["events"] == 0 and said["not_estimable"]
    assert "Nobody had the outcome" in (tmp_path / "o" / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nowhere.csv"], 66, "there is no nowhere.csv"),
        (["."], 66, "no phenotypes.parquet in ."),
        (["t.csv", "--outcomes", "nowhere.csv"], 66, "no table of outcomes nowhere.csv"),
        (["t.csv", "--covariates", "age"], 78, "no column age"),
        (["t.csv", "--event", "x", "--phenotypes", "z"], 78, "x is"),
        (["t.csv", "--outcomes", "other.csv"], 66, "t.csv has 000, 001, 002, other.csv has 7, 8, 9"),
        (["t.csv", "--per", "kg"], 2, "Choose from sd, unit"),
        (["t.csv", "--time-unit", "hours"], 2, "Choose from years, months, weeks, days"),
        (["t.csv", "--impute", "1"], 2, "cannot be pooled"),
        (["t.csv", "--horizon", "0"], 2, "above 0"),
        (["t.csv", "--min-cell", "0"], 2, "--min-cell"),
        (["o/estimates.csv"], 2, "would be replaced"),
    ],
)
def test_what_cannot_be_done_says_why_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "o").mkdir()
    pl.DataFrame(people() | {"z": range(40)}).write_csv("t.csv")
    pl.DataFrame(people()).write_csv("o/estimates.csv")
    pl.DataFrame(people(3) | {"id": [7, 8, 9]}).write_csv("other.csv")
    before = (tmp_path / "o" / "estimates.csv").read_bytes()
    assert run(["survival", *arguments, "-o", "o" if arguments[0].startswith("o/") else "new"]) == code
    assert says in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert [path.name for path in (tmp_path / "o").iterdir()] == ["estimates.csv"]
    assert (tmp_path / "o" / "estimates.csv").read_bytes() == before


def test_the_report_of_a_cohort_is_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.DataFrame(people()).write_csv(tmp_path / "t.csv")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "studies.parquet")
    assert run(["survival", str(tmp_path / "t.csv"), "-o", str(tmp_path)]) == 2
    assert f"{tmp_path}/survival" in capsys.readouterr().err


def test_weights_and_few_clusters_reach_the_methods_but_no_number_of_people(tmp_path: Path) -> None:
    made = people() | {"site": [k % 4 for k in range(40)], "w": [1.0, 2.0] * 20, "home": [k % 20 for k in range(40)]}
    pl.DataFrame(made).write_csv(tmp_path / "t.csv")
    asked = ["survival", str(tmp_path / "t.csv"), "-q", "--phenotypes", "x", "--weights", "w", *FEW]
    assert run([*asked, "-o", str(tmp_path / "o"), "--cluster", "site"]) == 0
    page = (tmp_path / "o" / "report.html").read_text()
    assert "There are 4 clusters" in page and "weighted by w in Cox models" in page
    pl.DataFrame(made).head(24).write_csv(tmp_path / "t.csv")
    assert run([*asked, "-o", str(tmp_path / "o"), "--cluster", "id"]) == 0
    assert "There are fewer than 30 clusters" in (tmp_path / "o" / "report.html").read_text()


def test_few_matches_are_said_in_silence_too_but_their_ids_in_no_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = people()
    pl.DataFrame({"id": made["id"], "x": made["x"]}).write_csv(tmp_path / "t.csv")
    ends = {"id": [str(int(k)) if int(k) < 80 else k for k in made["id"]], "time": made["time"], "event": made["event"]}
    pl.DataFrame(ends | {"id": ["038", "039", *ends["id"][2:]]}).write_csv(tmp_path / "e.csv")
    asked = ["survival", str(tmp_path / "t.csv"), "--outcomes", str(tmp_path / "e.csv"), "-q", *FEW]
    assert run([*asked, "-o", str(tmp_path / "o")]) == 0
    said = capsys.readouterr().err
    assert "warning: 2 of 40 rows of t.csv have a participant of e.csv: without a partner t.csv has 000, 001" in said
    log = next((tmp_path / "o").glob("logs/*/log.jsonl")).read_text()
    assert "2 of 40 rows" in log and "000, 001" not in log


def test_a_name_with_a_comma_is_asked_for_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = people()
    pl.DataFrame(made | {"a,b": made["x"][::-1]}).write_csv(tmp_path / "t.csv")
    asked = ["--phenotypes", "a,b", "--phenotypes", "x", "--json", "-q", *FEW]
    assert run(["survival", str(tmp_path / "t.csv"), "-o", str(tmp_path / "o"), *asked]) == 0
    assert json.loads(capsys.readouterr().out)["phenotypes"] == ["a,b", "x"]


def test_files_that_it_did_not_make_are_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pl.DataFrame(people()).write_csv(tmp_path / "t.csv")
    out = tmp_path / "o"
    out.mkdir()
    (out / "report.html").write_text("somebody's")
    assert run(["survival", str(tmp_path / "t.csv"), "-o", str(out), *FEW]) == 2
    assert "report.html would be replaced" in capsys.readouterr().err
    assert (out / "report.html").read_text() == "somebody's" and len(list(out.iterdir())) == 1
    (out / "report.html").rename(out / "other.html")
    for _ in range(2):  # what it made itself is replaced
        assert run(["survival", str(tmp_path / "t.csv"), "-o", str(out), "-q", *FEW]) == 0
    assert (out / "other.html").read_text() == "somebody's"


def test_a_run_that_cannot_be_written_whole_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.DataFrame(people()).write_csv(tmp_path / "t.csv")
    asked = ["survival", str(tmp_path / "t.csv"), "-o", str(tmp_path / "o"), "-q", *FEW]
    assert run(asked) == 0
    names = ("report.html", "survival.json", "estimates.csv", "individual/analysis_table.csv")
    before = {name: (tmp_path / "o" / name).read_bytes() for name in names}

    def full(path: Path, content: str) -> Path:
        if path.name == "report.html":
            raise OutputError(f"cannot write {path}: No space left on device", hint="", code="full")
        return write_atomic(path, content)

    monkeypatch.setattr(analysis_files, "write_atomic", full)
    assert run([*asked, "--per", "unit", "--seed", "3"]) == 73
    assert {name: (tmp_path / "o" / name).read_bytes() for name in names} == before
    assert not list((tmp_path / "o").glob(".*.part"))


def a_cohort(out: Path, made: dict[str, list[Any]], *, ids: list[str] | None = None) -> None:
    out.mkdir(exist_ok=True)
    rows = [
        {"participant_id": f"sub-{who}", "session_id": "ses-1", "status": "done", "lvef_pct": 60.0 - 5.0 * x}
        for who, x in zip(ids or made["id"], made["x"], strict=True)
    ]
    pl.DataFrame(rows, schema=PHENOTYPE_SCHEMA).write_parquet(out / "phenotypes.parquet")


def test_a_cohort_with_outcomes_gets_its_analysis_once(tmp_path: Path, console: Console) -> None:
    made = people()
    a_cohort(tmp_path / "out", made)
    clinical = tmp_path / "clinical.csv"
    pl.DataFrame({"participant_id": made["id"], "time_years": made["time"], "event": made["event"]}).write_csv(clinical)
    made_at = 0
    for _ in range(2):
        cohort_survival(tmp_path / "out", clinical, command="cinema analyse", jobs=1, hash_key=None)
        last, made_at = made_at, (tmp_path / "out" / "survival" / "survival.json").stat().st_mtime_ns
    assert not console.warned and last == made_at
    assert not list((tmp_path / "out" / "survival").glob("logs"))  # the log of the cohort's run has it
    a_cohort(tmp_path / "out", people(12, seed=2))
    cohort_survival(tmp_path / "out", clinical, command="cinema analyse", jobs=1, hash_key=None)
    assert (tmp_path / "out" / "survival" / "survival.json").stat().st_mtime_ns > made_at


def test_hashed_ids_of_a_cohort_are_found_by_its_key(tmp_path: Path, console: Console) -> None:
    made, key = people(12), b"a key"
    a_cohort(tmp_path / "out", made, ids=[keyed_hash(who, key) for who in made["id"]])
    clinical = tmp_path / "clinical.csv"
    pl.DataFrame({"participant_id": made["id"], "time": made["time"], "event": made["event"]}).write_csv(clinical)
    cohort_survival(tmp_path / "out", clinical, command="", jobs=1, hash_key=key)
    assert not console.warned
    table = pl.read_csv(tmp_path / "out" / "survival" / "individual" / "analysis_table.csv")
    assert table.height == 12 and not set(made["id"]) & set(table["participant_id"])


@pytest.mark.parametrize("columns", [{"time": [0.0]}, {"participant_id": ["nobody"]}])
def test_a_cohort_without_its_analysis_is_one_warning(
    tmp_path: Path, console: Console, columns: dict[str, list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    a_cohort(tmp_path / "out", people(1))
    clinical = tmp_path / "clinical.csv"
    pl.DataFrame({"participant_id": ["000"], "time": [1.0], "event": [1]} | columns).write_csv(clinical)
    analyse_people(tmp_path / "out", clinical, command="", jobs=1, hash_key=None)
    warned = [sentence for sentence, _ in console.warned]
    assert warned == ["no survival analysis", "no audit of fairness"]  # who, is in no log
    assert "no survival analysis: " in capsys.readouterr().err
    assert not (tmp_path / "out" / "survival").exists()


def test_a_clinical_file_without_outcomes_asks_for_nothing(tmp_path: Path, console: Console) -> None:
    a_cohort(tmp_path / "out", people(1))
    (tmp_path / "c.csv").write_text("participant_id,age_years\n000,60\n")
    cohort_survival(tmp_path / "out", tmp_path / "c.csv", command="", jobs=1, hash_key=None)
    assert not console.warned and not (tmp_path / "out" / "survival").exists()


def test_names_as_typed() -> None:
    assert names(["a, b", "c,,a"]) == ("a", "b", "c") and names(None) == ()
