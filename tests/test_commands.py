"""The command line: what it prints, how it ends, where its settings come from."""

import dataclasses
import io
import json
import os
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from dicom_factory import write_sax

from cinema_cli import __version__
from cinema_cli.commands import app as app_module
from cinema_cli.commands import options
from cinema_cli.commands.app import run, spread
from cinema_cli.commands.asked import Job
from cinema_cli.commands.console import Console, LogFormat
from cinema_cli.commands.progress import clock, counting
from cinema_cli.commands.runlog import to_toml
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.ledger import record

CINEMA = [sys.executable, "-m", "cinema_cli"]


@pytest.fixture(autouse=True)
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A fresh console a test, and no CINEMA_* setting of the machine."""
    for name in [n for n in os.environ if n.startswith("CINEMA_") and n != "CINEMA_GOLDEN"]:
        monkeypatch.delenv(name)
    fresh = Console()
    monkeypatch.setattr(options, "CONSOLE", fresh)
    monkeypatch.setattr(app_module, "CONSOLE", fresh)
    return fresh


def cinema(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "100", "PYTHONWARNINGS": "error"} | extra
    return subprocess.run([*CINEMA, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_version_is_one_line() -> None:
    done = cinema("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"cinema {__version__}\n", "")


@pytest.mark.parametrize(
    "command",
    [
        "",
        "analyse",
        "doctor",
        "evaluate",
        "infer",
        "merge",
        "scan",
        "phenotypes",
        "report",
        "simulate",
        "slurm",
        "fairness",
        "status",
        "survival",
        "models",
        "models verify",
        "train",
        "unlock",
    ],
)
def test_golden_help(command: str, golden: Callable[[str, str], None]) -> None:
    done = cinema(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    golden("-".join(["help", *command.split()]) + ".txt", done.stdout)


def test_heads_are_listed_and_shown() -> None:
    heads = json.loads(cinema("models", "list", "--json").stdout)
    assert {"starter_sax", "segmentation_acdc_sax", "backbone"} <= {head["name"] for head in heads}
    card = json.loads(cinema("models", "show", "starter_sax", "--json").stdout)
    assert "No patient image was used" in card["training_data"]
    done = cinema("models", "show", "none")
    assert done.returncode == 78 and "starter_sax" in done.stderr


def test_help_is_instant() -> None:
    """Processor time, which is what a free machine would take: other work on this one must not decide."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        cinema("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(once() for _ in range(3)) < 0.4


def test_no_heavy_library_is_imported_for_help() -> None:
    heavy = "{'torch', 'numpy', 'polars', 'pydicom', 'scipy', 'matplotlib', 'rich', 'jinja2'}"
    code = f"import sys, cinema_cli.commands.app; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["analyse"], 2, "Missing argument 'COHORT'"),
        (["analyse", "x", "--no-such"], 2, "No such option"),
        (["analyze", "x"], 2, "No such command"),
        (["analyse", "nowhere"], 66, "no folder nowhere"),
        (["analyse", "empty"], 66, "is empty"),
        (["analyse", "empty", "--out", "empty/out"], 2, "inside the input"),
        (["analyse", "empty", "--clinical", "nofile.csv"], 66, "is empty"),
        (["analyse", "full", "--clinical", "nofile.csv"], 66, "no clinical file"),
        (["analyse", "full"], 66, "none of 1 files is a readable DICOM or NIfTI image"),
        (["analyse", "full/notes.txt"], 66, "full/notes.txt is a file, not a folder"),
        (["analyse", "full", "--out", "."], 2, "holds the input"),
        (["analyse", ""], 2, "an argument is empty"),
        (["analyse", "full", "--out", ""], 2, "nothing follows --out"),
        (["analyse", "full", "--config", "nofile.toml"], 78, "cannot read the settings file"),
        (["analyse", "full", "--config", "typo.toml"], 78, "unknown setting devise"),
        (["analyse", "full", "--config", "broken.toml"], 78, "is not TOML"),
        (["phenotypes", "empty"], 66, "no records"),
        (["report", "empty"], 66, "no records"),
    ],
)
def test_each_way_to_fail_has_a_code_and_a_hint(
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/notes.txt").write_text("not DICOM")
    Path("typo.toml").write_text("[analyse]\ndevise = 'cpu'\n")
    Path("broken.toml").write_text("a = = 1\n")
    assert run(arguments) == code
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.startswith("error: ") and "\nhint: " in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.toml", "empty", "full", "typo.toml"]


def test_an_unexpected_error_is_one_line_and_its_trace_is_for_v(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr("cinema_cli.io.cohort_list.cohort_records", fails)
    assert run(["phenotypes", str(tmp_path)]) == 1
    assert "unexpected ZeroDivisionError: by nought" in (err := capsys.readouterr().err) and "Traceback" not in err
    assert run(["phenotypes", str(tmp_path), "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_settings_come_from_the_line_then_the_environment_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cinema_cli.commands import job

    seen: list[Job] = []
    monkeypatch.setattr(job, "run_job", lambda j: seen.append(j) or 0)
    file = tmp_path / "settings.toml"
    file.write_text('device = "cuda:1"\nallow-missing-frames = 2\n[analyse]\nhead = "mine"\n')
    base = ["analyse", str(tmp_path / "c"), "--config", str(file)]
    assert run(base) == 0
    monkeypatch.setenv("CINEMA_DEVICE", "cuda:2")
    assert run(base) == 0
    assert run([*base, "--device", "cpu", "--participant-label", "0001", "sub-0002"]) == 0
    assert [j.device.device for j in seen] == ["cuda:1", "cuda:2", "cpu"]
    assert {j.device.heads for j in seen} == {("mine",)} and {j.scan["allow_missing_frames"] for j in seen} == {2}
    assert seen[2].participants == {"sub-0001", "sub-0002"} and not seen[0].participants
    assert seen[0].out == tmp_path / "c-cinema"
    assert seen[2].command == "cinema analyse c --participant-label 0001 --participant-label sub-0002 --device cpu"
    assert seen[0].options["head"] == ["mine"] and 'head = ["mine"]' in to_toml(seen[0].options)


def test_labels_may_follow_one_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cohort").mkdir()
    words = ["analyse", "--participant-label", "0001", "0002", "cohort", "-o", "x"]
    assert spread(words) == [*words[:3], "--participant-label", "0002", "cohort", "-o", "x"]


def test_the_table_goes_to_stdout_and_a_closed_pipe_is_no_error(tmp_path: Path, result: StudyResult) -> None:
    record(tmp_path, result, "d", version="1")
    done = cinema("phenotypes", str(tmp_path), "-o", "-")
    assert done.stdout.splitlines()[0].startswith("participant_id,session_id,status,") and done.stderr == ""
    assert json.loads(cinema("phenotypes", str(tmp_path), "--format", "json").stdout)[0]["participant_id"] == "sub-0001"
    command = " ".join([*CINEMA, "phenotypes", str(tmp_path)])
    piped = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{command} | head -c 0"], capture_output=True, text=True, check=False
    )
    assert (piped.returncode, piped.stderr) == (0, "")
    assert cinema("phenotypes", str(tmp_path), "-o", str(tmp_path / "t.parquet")).stdout == ""
    assert (tmp_path / "t.parquet").read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (">/dev/full", 73, "cannot write standard output: No space left on device"),
        (">&-", 73, "cannot write standard output: it is closed"),
        ("2>/dev/full", 0, ""),
        ("2>&-", 0, ""),
    ],
)
@pytest.mark.parametrize("command", ["phenotypes OUT -o -", "scan DICOM", "scan DICOM --explain 10"])
def test_streams_that_take_nothing(
    redirection: str, code: int, said: str, command: str, tmp_path: Path, result: StudyResult
) -> None:
    record(tmp_path / "out", result, "d", version="1")
    write_sax(tmp_path / "dicom", slices=3)
    words = command.replace("OUT", str(tmp_path / "out")).replace("DICOM", str(tmp_path / "dicom"))
    line = f"{shlex.join(CINEMA)} {words} {redirection}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == code and "Traceback" not in done.stderr
    assert said in done.stderr and ("hint: " in done.stderr) == bool(said)
    assert code or done.stdout


LOADING = """
import os, signal, sys
from cinema_cli import __main__

class Interrupt:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
__main__.main()
"""


def test_an_interrupt_while_loading_is_quiet() -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_names_of_people_and_places_are_shown_and_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.keep_in(tmp_path / "log.jsonl", hidden={"/data/c": "COHORT", "/data/c-cinema": "OUT"})
    console.warn("2 rows match nobody", aside=" (Smith)")
    console.show("file: /data/c/Smith/x.dcm")
    console.info("report: /data/c-cinema/report.html, made from /data/c")
    kept = (tmp_path / "log.jsonl").read_text()
    assert "Smith" in capsys.readouterr().err and "Smith" not in kept
    assert "report: OUT/report.html, made from COHORT" in kept


def test_warnings_of_libraries_are_not_for_users(tmp_path: Path) -> None:
    """Also of processes that a run starts; `python -W` and PYTHONWARNINGS show them."""
    warns = "import warnings; warnings.warn('Doe^Jane')"
    code = f"""
import subprocess, sys
from cinema_cli.commands import app
app.run = lambda arguments: exec({warns!r}) or subprocess.run([sys.executable, "-c", {warns!r}]).returncode
app.main()
"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    for asked, count in (({}, 0), ({"PYTHONWARNINGS": "default"}, 2)):
        done = subprocess.run([sys.executable, "-c", code], env=env | asked, capture_output=True, text=True, check=True)
        assert done.stderr.count("UserWarning: Doe^Jane") == count


WAITS = """
import pathlib, signal, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where these tests are run by nohup
from cinema_cli.commands import app
from cinema_cli.io.lock import run_lock

def wait(out: pathlib.Path):
    with run_lock(out):
        print("ready", flush=True)
        time.sleep(60)

app.app.command("wait")(wait)
app.main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_an_interrupted_run_releases_its_lock(tmp_path: Path, number: int, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS, "wait", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code and list(tmp_path.iterdir()) == []
    assert err in ("error: interrupted\n", "error: terminated\n")  # only an analysis leaves finished studies behind


def test_progress_that_a_log_can_hold(capsys: pytest.CaptureFixture[str]) -> None:
    with counting(Console(), "studies", total=200, stream=io.StringIO()) as counter:
        counter.began -= 60.0
        for _ in range(200):
            counter.line_at -= 5.0  # since the line before
            counter.step(failed=1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 20 and lines[0].startswith("10/200 studies, 1 failed, 10.0 studies/min, ETA 19 min")
    with counting(Console(), "files", total=200, stream=io.StringIO()) as counter:
        for _ in range(200):
            counter.step()
    assert capsys.readouterr().err == ""  # work of no time needs no line
    with counting(Console(), "studies", total=2, stream=io.StringIO()) as counter:
        counter.wait()
        counter.line_at -= 60.0
        for _ in range(3):
            counter.wait()  # a study that takes long
    assert capsys.readouterr().err == "0/2 studies, 0 failed, 0.0 studies/min\n"
    with counting(Console(), "files", total=None, stream=io.StringIO()) as counter:
        for what in ("files", "studies"):
            counter.follow(what, 0, 4000)
            counter.began, counter.line_at = counter.began - 60.0, counter.line_at - 5.0
            counter.follow(what, 2000, 4000)
    assert [line.rpartition(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "2000/4000 files, 2000 files/min",
        "2000/4000 studies, 2000 studies/min",
    ]
    assert [clock(s) for s in (5.2, 200, 7500)] == ["5 s", "3 min 20 s", "2 h 05 min"]


def test_messages_as_json_and_kept_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(log_format=LogFormat.JSON)
    console.warn("one", stage="read")
    console.keep_in(tmp_path / "log.jsonl")
    console.debug("two")
    (shown,) = capsys.readouterr().err.splitlines()
    assert json.loads(shown) | {"time": ""} == {"time": "", "level": "warning", "message": "one", "stage": "read"}
    kept = [json.loads(line)["message"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert kept == ["one", "two"]


def test_the_report_tells_of_the_run_and_of_the_head_but_not_of_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: StudyResult
) -> None:
    from cinema_cli.commands import head_facts
    from cinema_cli.commands.runlog import open_run

    record(tmp_path, result, "d", version="1")
    settings = {"cohort": "/home/doe/c", "clinical": "/home/doe/people.csv", "head": "starter_sax"}
    log = open_run(tmp_path, settings=settings, console=Console())
    facts = {"command": "cinema analyse c", "device": "cpu, 2 processors", "counts": {"n_run": 1}}
    log.finish(exit_code=0, facts=facts)
    known = head_facts.read_card("starter_sax")
    card = dataclasses.replace(known, figures={"acdc_dice_lv": 0.91}, sha256=result.heads[0].sha256)
    monkeypatch.setattr(head_facts, "read_card", lambda _: card)
    assert run(["report", str(tmp_path), "-q"]) == 0
    html = (tmp_path / "report.html").read_text()
    for said in ("cinema analyse c", "cpu, 2 processors", "people.csv", "ACDC", "LV 0.91", "torch"):
        assert said in html
    assert "doe" not in html
