"""Job scripts for clusters: their text, their quoting, and what a real SLURM makes of them."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from disk_cohort import write_heart
from hypothesis import example, given, settings
from hypothesis import strategies as st
from slurm_machine import Machine, slurm_machine, until

from cinema_cli.commands.app import run
from cinema_cli.domain.array_size import START_HOURS, size_array
from cinema_cli.domain.errors import InputError
from cinema_cli.domain.shard import Shard
from cinema_cli.io.claims import claims
from cinema_cli.io.run_speed import measured_speed
from cinema_cli.io.slurm import max_array_size
from cinema_cli.io.slurm_scripts import Resources, Surroundings, Work, array_script, time_text, write_scripts

CINEMA = [sys.executable, "-m", "cinema_cli"]
FOUR = ["--cpus-per-task=1", "--mem=3G", "--studies-per-hour=1.5", "--hours-per-task=1", "--submit", "--json", "-q"]
SAME = "--deterministic"
PEOPLE = ("--clinical", "people.csv")
WORK = Work(
    Path("/data/the cohort"), Path("/data/out"), Path("/scratch/it's"),
    analyse=("--id-from", "folder", *PEOPLE), scan=("--id-from", "folder"), merge=PEOPLE,
)  # fmt: skip
SIZE = size_array(75_000, studies_per_hour=60.0, hours_per_task=4.0, max_tasks=1001, margin=1.5)
HERE = Surroundings(Path("/home/me"), ("/venv/bin/python", "-P", "-m", "cinema_cli"))


def test_golden_scripts(golden: Callable[[str, str], None], tmp_path: Path) -> None:
    resources = Resources(
        2, "8G", gpus="1", partition="gpu", account="heart", qos="long", array_limit=50, extra=("--exclusive=user",)
    )
    loaded = Surroundings(Path("/home/me"), ("cinema",), modules=("python/3.11",), prelude="source env.sh\n")
    where = {"resources": resources, "surroundings": loaded}
    paths = write_scripts(tmp_path / "jobs", WORK, SIZE, **where)
    assert [path.name for path in paths] == ["scan.sh", "array.sh", "merge.sh", "submit.sh"]
    text = "".join(f"==> {path.name}\n{path.read_text()}" for path in paths)
    golden("slurm.txt", text.replace(str(tmp_path), "/data"))
    assert (tmp_path / "jobs").stat().st_mode & 0o777 == 0o700 and (tmp_path / "jobs" / "logs").is_dir()


@given(
    n=st.integers(1, 10**6), speed=st.floats(0.1, 1e4), hours=st.floats(0.1, 100), most=st.integers(1, 5000),
    margin=st.floats(1, 5),
)  # fmt: skip
def test_law_tasks_hold_all_studies_within_their_time(
    n: int, speed: float, hours: float, most: int, margin: float
) -> None:
    size = size_array(n, studies_per_hour=speed, hours_per_task=hours, max_tasks=most, margin=margin)
    assert 1 <= size.n_tasks <= min(n, most) and size.n_tasks * size.studies_a_task >= n
    assert size.n_tasks == most or size.n_tasks == n or size.hours_a_task <= hours * (1 + 1e-9)
    assert size.limit_hours >= margin * size.hours_a_task
    faster = size_array(n, studies_per_hour=2 * speed, hours_per_task=hours, max_tasks=most, margin=margin)
    assert faster.n_tasks <= size.n_tasks


def test_the_limit_holds_for_the_fullest_part() -> None:
    size = size_array(3_000, studies_per_hour=60.0, hours_per_task=1.0, max_tasks=1001, margin=1.0)
    assert size.n_tasks == 50
    shards = [Shard(index, size.n_tasks) for index in range(size.n_tasks)]
    fullest = max(sum(shard.has(f"sub-{1_000_000 + n}") for n in range(size.n_studies)) for shard in shards)
    assert 60 < fullest < (size.limit_hours - START_HOURS) * size.studies_per_hour
    with pytest.raises(InputError, match="no studies"):
        size_array(0, studies_per_hour=1, hours_per_task=1, max_tasks=1, margin=1)


@pytest.mark.parametrize(
    ("hours", "text"), [(0.001, "0:01:00"), (0.25, "0:15:00"), (5.5, "5:30:00"), (26, "1-02:00:00"), (24, "1-00:00:00")]
)
def test_hours_as_slurm_takes_them(hours: float, text: str) -> None:
    assert time_text(hours) == text


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12), min_size=3, max_size=3))
@example(["it's", 'a "b" $HOME `id` $(id)', "line\n#SBATCH --array=0-9\n\\ %j !"])
def test_law_every_name_reaches_the_program_as_it_is(names: list[str]) -> None:
    cohort, out, label = names
    work = Work(Path("/", cohort), Path("/", out), Path("/tmp"), analyse=("--participant-label", label))
    here = Surroundings(Path("/tmp"), ("printf", "%s\\0"))
    script = array_script(work, SIZE, resources=Resources(1, "1G"), surroundings=here)
    environment = os.environ | {"SLURM_ARRAY_TASK_ID": "7"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, check=True)
    words = ["analyse", str(work.cohort), "--out", str(work.out), "--work-dir", "/tmp", "--participant-label", label]
    assert done.stdout.decode().split("\0")[:-1] == [*words, "--shard", f"7/{SIZE.n_tasks}"]
    directives = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    assert directives == script.splitlines()[1 : 1 + len(directives)] or "#SBATCH" in "".join(names)


def test_an_undefined_variable_of_a_prelude_is_no_error_and_one_of_ours_is(tmp_path: Path) -> None:
    here = Surroundings(tmp_path, ("echo",), prelude='greeting="hello $nobody"\nexport greeting')
    script = array_script(WORK, SIZE, resources=Resources(1, "1G"), surroundings=here)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    done = subprocess.run(["bash", "-c", script], env=outside, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "SLURM_ARRAY_TASK_ID: unbound variable" in done.stderr


def test_speed_is_that_of_earlier_runs(tmp_path: Path) -> None:
    assert measured_speed(tmp_path) is None
    logs = [{"counts": {"n_run": 30}, "seconds": 1800.0}, {"counts": {"n_run": 0}, "seconds": 5.0}, {"exit_code": 130}]
    logs.append({"counts": {"n_run": 90}, "seconds": 1800.0})
    for number, said in enumerate(logs):
        (tmp_path / "logs" / str(number)).mkdir(parents=True)
        (tmp_path / "logs" / str(number) / "run.json").write_text(json.dumps(said))
    (tmp_path / "logs" / "0" / "run.json.part").write_text("{")
    found = measured_speed(tmp_path)
    assert found is not None and (found.n_studies, found.studies_per_hour) == (120, 120.0)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """One person's short axis, in a folder whose name needs quotes."""
    cohort = tmp_path / "it's a cohort"
    write_heart(cohort / "p1", "P1")
    return cohort


def test_the_plan_and_the_scripts(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["slurm", str(tiny), "--studies", "75000", "--json", "--", "--head", "a", "b", "-q"]) == 0
    out, err = capsys.readouterr()
    plan = json.loads(out)
    folder = tiny.with_name("it's a cohort-cinema-slurm")
    assert plan["scripts"][-1] == str(folder / "submit.sh") and plan["jobs"] == {}
    assert (plan["n_tasks"], plan["studies_per_hour"], plan["speed_from"]) == (1001, 6.0, "assumed")
    assert "75000 studies in 1001 tasks" in err and "careful guess, one published" in err and "longer than 4 h" in err
    assert shlex.join(["bash", str(folder / "submit.sh")]) in err
    assert " --head a --head b -q --shard " in (folder / "array.sh").read_text()
    assert not tiny.with_name("it's a cohort-cinema").exists()
    assert run(["slurm", str(tiny), "-q", "--", "--id-from", "folder", "--no-masks"]) == 0  # counts by a scan
    out, err = capsys.readouterr()
    assert out.splitlines() == plan["scripts"] and "careful guess" in err and "tasks, each" not in err
    assert "--id-from folder" in (folder / "scan.sh").read_text()
    assert "--no-masks" not in (folder / "scan.sh").read_text() and "--array=0-0\n" in (folder / "array.sh").read_text()


def test_the_merge_gets_the_clinical_file_and_the_key_of_ids(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("participant_id,time_years,event\nP1,2,1\n")
    clinical, key = ["--clinical", str(tmp_path / "people.csv")], ["--hash-ids", str(tmp_path / "key")]
    merge = tiny.with_name("it's a cohort-cinema-slurm") / "merge.sh"
    for passed, handed in ((clinical, clinical), (key, []), ([*clinical, *key], [*clinical, *key])):
        assert run(["slurm", str(tiny), "--studies", "9", "-q", "--", *passed]) == 0
        out = str(tiny.with_name("it's a cohort-cinema"))
        assert merge.read_text().splitlines()[-1].endswith(f" {shlex.join(['merge', out, *handed])}")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--studies", "9", "--", "--clinical", "nowhere.csv"], 66, "no clinical file nowhere.csv"),
        (["--", "--shard", "0/2", "-o", "x"], 2, "--out, --shard after --"),
        (["--", "--nonsense"], 2, "No such option: --nonsense"),
        (["--", "more"], 2, "unexpected extra argument"),
        (["--mem", "8 G"], 2, "--mem '8 G' is not one word"),
        (["--sbatch", "exclusive"], 2, "'exclusive' is no option"),
        (["--scripts", "COHORT/jobs"], 2, "lies inside the input"),
        (["--scripts", "x%j"], 2, "SLURM cannot write log files into"),
        (["--prelude", "none.sh"], 78, "cannot read none.sh"),
        (["--submit"], 69, "there is no sbatch"),
        (["--studies-per-hour", "0"], 2, "greater than or equal to 0.01"),
    ],
)
def test_each_way_to_fail_has_a_code_and_a_hint(
    words: list[str],
    code: int,
    said: str,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tiny.parent))  # with SLURM installed or not
    monkeypatch.chdir(tiny.parent)
    assert run(["slurm", str(tiny), "--studies", "3", *(word.replace("COHORT", str(tiny)) for word in words)]) == code
    out, err = capsys.readouterr()
    assert out == "" and said in err and "\nhint: " in err


def test_a_cohort_without_studies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["slurm", str(tmp_path / "none")]) == 66
    (tmp_path / "empty").mkdir()
    assert run(["slurm", str(tmp_path / "empty")]) == 66
    assert capsys.readouterr().out == "" and [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """SLURM, found by programs that this process starts."""
    with slurm_machine() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.mark.slow
def test_slurm_says_how_long_an_array_may_be_and_why_it_refuses(
    machine: Machine, tiny: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert max_array_size() == 101
    command = ["slurm", str(tiny), "--studies", "9999", "--submit", "--sbatch=--begin=now+1hour"]
    assert run([*command, "--partition", "none"]) == 69
    out, err = capsys.readouterr()
    assert "SLURM refuses: " in err and "invalid partition specified: none" in err and out == ""
    assert "9999 studies in 101 tasks" in err
    script = tiny.with_name("it's a cohort-cinema-slurm") / "array.sh"
    assert run([*command, "--time", "soon"]) == 69  # of the array only: the scan was taken before
    assert "Invalid --time specification" in capsys.readouterr().err and "--time=soon" in script.read_text()
    until(lambda: machine.ask("squeue", "--noheader") == "")
    monkeypatch.setenv("PATH", str(tiny))
    assert max_array_size() == 1001


def submitted(script: Path, *options: str) -> dict[str, str]:
    """Numbers of the jobs that a submission made."""
    done = subprocess.run(["bash", str(script), *options], capture_output=True, text=True, check=True)
    return dict(line.split() for line in done.stdout.splitlines())


def tables(out: Path) -> dict[str, bytes]:
    """Every table of an output folder but the list of series, which says nothing of results."""
    return {path.name: path.read_bytes() for path in out.glob("*") if path.suffix in (".csv", ".parquet")}


def records(out: Path) -> dict[str, int]:
    """When each record was written."""
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in out.glob("sub-*/ses-*/status.json")}


@pytest.mark.slow
def test_an_array_with_a_killed_task_ends_as_a_single_run(machine: Machine, tmp_path: Path) -> None:
    """Four shards of six made people, one of whom fails: a task is killed at work, done again alone, then all again.

    The tables are the same to the byte because the same sums are asked for, whatever number of processors there is.
    """
    cohort, single, out = (tmp_path / name for name in ("hearts", "single", "many tasks"))
    making = ["simulate", str(cohort), "--small", "--participants", "6", "--views", "sax", "--frames", "8", "-q"]
    assert run(making) == 0
    for path in sorted((cohort / "SIM0006").rglob("*.dcm"))[5:]:
        path.unlink()
    command = [*CINEMA, "slurm", str(cohort), "-o", str(out), *FOUR, "--", SAME]
    told = subprocess.run(command, capture_output=True, check=True)
    plan = json.loads(told.stdout)
    submit = Path(plan["scripts"][-1])
    assert plan["n_tasks"] == 4 and plan["n_studies"] == 6
    shards = [[n for n in range(1, 7) if Shard(i, 4).has(f"sub-SIM{n:04}")] for i in range(4)]
    doomed, array = max(range(4), key=lambda i: len(set(shards[i]) - {6})), plan["jobs"]["array"]
    until(lambda: any(one.owner.shard == f"{doomed}/4" for one in claims(out)))
    machine.kill(array, doomed)
    alone = [*CINEMA, "analyse", str(cohort), "-o", str(single), SAME, "-q"]
    assert subprocess.run(alone, check=False).returncode == 3
    machine.wait(*plan["jobs"].values())
    assert "terminated" not in (submit.parent / "logs" / f"array-{array}_{doomed}.log").read_text()
    troubled = {str(doomed), *(str(i) for i in range(4) if 6 in shards[i])}
    assert {task for task, state in machine.states(array).items() if state != "COMPLETED"} == troubled
    first = pl.read_csv(out / "phenotypes.csv", glob=False)
    assert first.height == 6 and "not_run" in set(first["status"]) and tables(out) != tables(single)

    kept = records(out)
    again = submitted(submit, f"--array={doomed}")
    machine.wait(*again.values())
    assert list(machine.states(again["array"])) == [str(doomed)]
    assert tables(out) == tables(single)
    assert {name: time for name, time in records(out).items() if name in kept} == kept

    kept = records(out)
    machine.wait(*submitted(submit).values())
    assert records(out) == kept and tables(out) == tables(single)
    logs = sorted(path.name for path in submit.parent.glob("logs/*"))
    assert f"array-{array}_{doomed}.log" in logs and len(logs) == 3 * 2 + 4 + 1 + 4
    assert not list(out.glob(".cinema.lock/*"))


@pytest.mark.slow
def test_a_task_that_meets_its_time_limit_goes_on_when_submitted_again(machine: Machine, tmp_path: Path) -> None:
    """SLURM tells it to end two minutes before the limit, and looks every half minute who is to be told."""
    cohort, out = tmp_path / "cohort", tmp_path / "out"
    for number in range(20):
        write_heart(cohort / f"p{number}", f"P{number}")
    slow = [sys.executable, str(Path(__file__).with_name("disk_cohort.py"))]
    base = ["slurm", str(cohort), "-o", str(out), "--studies", "20", "--cpus-per-task", "1", "--mem", "3G", "-q"]
    base += ["--hours-per-task", "100"]
    assert run([*base, "--program", shlex.join([*slow, "3"])]) == 0
    submit = tmp_path / "out-slurm" / "submit.sh"
    jobs = submitted(submit)
    until(lambda: bool(records(out)))
    machine.ask("scontrol", "update", f"JobId={jobs['array']}", "TimeLimit=2")
    machine.wait(*jobs.values())
    kept = records(out)
    (log,) = submit.parent.glob("logs/array-*.log")
    assert "terminated" in log.read_text() and "ExitCode=143:0" in machine.ask("scontrol", "show", "job", jobs["array"])
    status = dict(pl.read_csv(out / "phenotypes.csv", glob=False)["status"].value_counts().iter_rows())
    assert status["done"] + status["not_run"] == 20 and not list(out.glob(".cinema.lock/*"))

    assert run([*base, "--program", shlex.join([*slow, "0"])]) == 0
    machine.wait(*submitted(submit).values())
    done = pl.read_csv(out / "phenotypes.csv", glob=False)
    assert done["status"].to_list() == ["done"] * 20
    unchanged = {name for name, time in records(out).items() if kept.get(name) == time}
    assert len(unchanged) == status["done"]
