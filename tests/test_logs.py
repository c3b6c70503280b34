"""Logs: events for programs, a file of the user's own, nothing said twice to cron, what run.json tells."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disk_cohort import write_heart

from cinema_cli.commands.console import Console, LogFormat
from cinema_cli.commands.events import Event
from cinema_cli.commands.progress import counting
from cinema_cli.commands.run_environment import environment_facts
from cinema_cli.commands.runlog import logged_run
from cinema_cli.domain.errors import ExitCode, OutputError, UsageError

ROOT = Path(__file__).resolve().parents[1]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def one_run(out: Path, console: Console, work: Callable[[Console], None], **settings: object) -> dict[str, Any]:
    """A run that does `work` and ends well; what its run.json says."""
    with logged_run(out, settings=settings, console=console, hidden={}) as log:
        work(console)
        log.finish(exit_code=0, facts={})
    return dict(json.loads((log.folder / "run.json").read_text()))


def test_events_are_lines_for_programs_and_sentences_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(console: Console) -> None:
        console.event(Event.STUDY_STARTED, study="sub-1 ses-1", position=1, total=2)
        console.event(Event.STUDY_DONE, "sub-1 ses-1: done in 2.0 s", study="sub-1 ses-1", seconds=2.0, memory_mb=310)
        console.event(Event.WORKER_DIED, study="sub-2 ses-1", stage="read", cause="SIGSEGV")
        console.event(Event.STUDY_FAILED, "sub-2 ses-1: ends early", study="sub-2 ses-1", stage="read", code="cut")

    one_run(tmp_path / "text", Console(), work)
    assert capsys.readouterr().err == "warning: sub-2 ses-1: ends early\n"
    one_run(tmp_path / "verbose", Console(verbose=1), work)
    assert capsys.readouterr().err.splitlines()[0] == "sub-1 ses-1: done in 2.0 s"
    one_run(tmp_path / "json", Console(log_format=LogFormat.JSON), work)
    shown = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    names = ["run_started", "study_started", "study_done", "worker_died", "study_failed", "run_ended"]
    assert [line["event"] for line in shown] == names
    assert shown[2] | {"time": ""} == {
        "time": "", "level": "debug", "event": "study_done", "message": "sub-1 ses-1: done in 2.0 s",
        "study": "sub-1 ses-1", "seconds": 2.0, "memory_mb": 310,
    }  # fmt: skip
    assert shown[4]["level"] == "warning" and shown[5]["exit_code"] == 0
    one_run(tmp_path / "quiet", Console(log_format=LogFormat.JSON, quiet=True), work)
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == names[3:5]
    for out in tmp_path.iterdir():
        (kept,) = out.glob("logs/*/log.jsonl")
        assert [line["event"] for line in lines(kept)] == names


def test_progress_has_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    with counting(Console(log_format=LogFormat.JSON), "studies", total=4) as counter:
        counter.began, counter.line_at = counter.began - 60.0, counter.line_at - 60.0
        counter.step(failed=1)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told.pop("per_min") == pytest.approx(1.0, abs=0.01) and told["message"].startswith("1/4 studies, 1 failed")
    assert {name: told[name] for name in ("event", "what", "done", "total", "failed")} == {
        "event": "progress", "what": "studies", "done": 1, "total": 4, "failed": 1,
    }  # fmt: skip


def test_every_event_is_documented() -> None:
    documented = (ROOT / "docs" / "logs.md").read_text()
    assert all(f"| `{event}` | {event.level} |" in documented for event in Event)


def test_a_file_of_the_users_own_is_added_to(tmp_path: Path) -> None:
    own = tmp_path / "var" / "cinema.log"
    for number in range(2):
        console = Console(quiet=True)
        console.files.ask_for(own, cohort=tmp_path / "cohort", nameless=False)
        console.info("/data/doe is read")
        with logged_run(tmp_path / "o", settings={}, console=console, hidden={"/data/doe": "COHORT"}):
            console.event(Event.STUDY_DONE, study="sub-1 ses-1", file="/data/doe/x")
        console.error("over")
        console.files.end()
        assert len(lines(own)) == 5 * (number + 1)
    assert [line.get("event") or line["message"] for line in lines(own)[:5]] == [
        "COHORT is read", "run_started", "study_done", "run_ended", "error: over",
    ]  # fmt: skip
    assert "doe" not in own.read_text() and lines(own)[2]["file"] == "COHORT/x"


def test_where_ids_are_hashed_a_log_file_has_no_words_from_before_the_run(tmp_path: Path) -> None:
    own = tmp_path / "cinema.log"
    for nameless in (False, True):
        console = Console()
        console.files.ask_for(own, cohort=tmp_path / "cohort", nameless=nameless)
        console.error("no participant sub-Smith in the cohort", code="no_participant")
        console.files.end()
    plain, hashed = lines(own)
    assert "sub-Smith" in plain["message"] and plain["code"] == hashed["code"] == "no_participant"
    assert "Smith" not in json.dumps(hashed)


def test_log_files_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    files = Console().files
    with pytest.raises(UsageError, match="inside the input"):
        files.ask_for(tmp_path / "cohort" / "a.log", cohort=tmp_path / "cohort", nameless=False)
    with pytest.raises(OutputError, match="cannot write") as error:
        files.ask_for(Path("/proc/cinema.log"), cohort=tmp_path / "cohort", nameless=False)
    assert error.value.exit_code == 73 and files.paths == [] and list((tmp_path / "cohort").iterdir()) == []


def test_a_quiet_run_says_only_what_the_last_one_did_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def warns(*sentences: str, aside: str = "") -> Callable[[Console], None]:
        return lambda console: [console.warn(sentence, aside=aside) for sentence in sentences] and None

    def said() -> str:
        return capsys.readouterr().err

    out = tmp_path / "o"
    one_run(out, Console(quiet=True), warns("a", "b"))
    assert said() == "warning: a\nwarning: b\n"
    one_run(out, Console(quiet=True), warns("a", "b"))
    assert said() == ""
    one_run(out, Console(quiet=True), warns("a", "c"))
    assert said() == "warning: c\n"
    one_run(out, Console(quiet=True), warns("a", "b", "c"))  # b came back
    assert said() == "warning: b\n"
    one_run(out, Console(), warns("a"))
    assert said() == "warning: a\n"
    with pytest.raises(OutputError), logged_run(out, settings={}, console=Console(), hidden={}):
        raise OutputError("full")  # it came to no end, so it says nothing of what holds
    one_run(out, Console(quiet=True), warns("a", aside=" (x)"))
    assert said() == "warning: a (x)\n"
    one_run(out, Console(quiet=True), warns("a", aside=" (y)"))
    assert said() == "warning: a (y)\n"
    for aside in (" (Smith)", " (Doe)"):  # an aside may name people: its digest would tell who guesses right
        marks = one_run(tmp_path / "hashed", Console(quiet=True), warns("a", aside=aside), hash_ids="k")["warnings"]
    assert said() == "warning: a (Smith)\n"
    assert marks == one_run(tmp_path / "no aside", Console(), warns("a"))["warnings"]


def test_run_json_says_where_and_with_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"OMP_NUM_THREADS": "2", "SLURM_JOB_ID": "7", "CINEMA_DEVICE": "cpu"}.items():
        monkeypatch.setenv(name, value)
    for name in ("HF_TOKEN", "CINEMA_OUT", "CINEMA_HASH_IDS", "SLURM_JOB_USER", "USER", "OMP_TOOL_LIBRARIES"):
        monkeypatch.setenv(name, "/home/doe/secret")
    told = one_run(tmp_path / "o", Console(), lambda _: None)
    assert {"host", "cpus", "memory", "variables", "started", "ended", "exit_code", "libraries"} <= told.keys()
    assert told["libraries"]["torch"] and told["cpus"]["count"] >= 1 and told["memory"]["gb"] > 0
    assert 0 < told["peak_memory_gb"]["main"] < 200
    assert {"OMP_NUM_THREADS": "2", "SLURM_JOB_ID": "7", "CINEMA_DEVICE": "cpu"}.items() <= told["variables"].items()
    assert "doe" not in json.dumps(told)
    hashed = one_run(tmp_path / "h", Console(), lambda _: None, hash_ids="key")
    assert "host" not in hashed and "host" not in environment_facts(named=False)


def cron(line: str, *, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as cron does: no terminal, no locale, almost no environment."""
    environment = {"HOME": str(home), "LOGNAME": "root", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        ["/bin/sh", "-c", line], env=environment, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, start_new_session=True,
    )  # fmt: skip


def test_a_nightly_run_by_cron_is_silent_until_something_is_new_and_its_logs_name_nobody(tmp_path: Path) -> None:
    cohort, out, own = tmp_path / "köhorte", tmp_path / "out", tmp_path / "cinema.log"
    write_heart(cohort / "smith", "Smith77", slices=4)
    (cohort / "jones").mkdir()
    (cohort / "jones" / "x.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"cut off")  # a warning, night for night
    (tmp_path / "key").write_bytes(b"k" * 32)
    words = ["cinema", "analyse", cohort, "-o", out, "--hash-ids", tmp_path / "key", "--log-file", own, "-q"]
    line = f"PATH={Path(sys.executable).parent}:$PATH {shlex.join(map(str, words))}"
    first = cron(line, home=tmp_path)
    assert (first.returncode, first.stdout) == (ExitCode.SOME_FAILED, ""), first.stderr
    assert first.stderr.startswith("warning: ")
    second = cron(line, home=tmp_path)
    assert (second.returncode, second.stdout, second.stderr) == (ExitCode.SOME_FAILED, "", "")
    (cohort / "jones" / "x.dcm").unlink()
    (cohort / "jones").rmdir()
    third = cron(line, home=tmp_path)
    assert (third.returncode, third.stdout, third.stderr) == (0, "", "")
    runs = list(out.glob("logs/*"))
    assert len(runs) == 3
    told = lines(own)
    assert [line["exit_code"] for line in told if line.get("event") == "run_ended"] == [3, 3, 0]
    assert len([line for line in told if line.get("event") == "study_done"]) == 1
    for path in (own, *(path for run in runs for path in run.iterdir())):
        text = path.read_text()
        assert not [word for word in ("Smith", "smith", "jones", "köhorte", str(tmp_path)) if word in text], path
