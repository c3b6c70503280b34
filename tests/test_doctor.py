"""`cinema doctor`: what it finds is real, what is missing is said with what helps, and nobody is named."""

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from cinema_cli.commands.app import run
from cinema_cli.domain.finding import Finding, State
from cinema_cli.inference import readiness
from cinema_cli.io import decoders, host, writing
from cinema_cli.io.writing import check_folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of somebody."""
    home = tmp_path / "home" / "jane_doe"
    home.mkdir(parents=True)
    for name, value in {"HOME": str(home), "USER": "jane_doe", "LOGNAME": "jane_doe"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("CINEMA_WEIGHTS_DIR", raising=False)
    return home


def test_the_program_finds_what_this_machine_has(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    command = [sys.executable, "-m", "cinema_cli", "doctor", "--json", "-o", str(out), "-w", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert {
        "processors", "memory", "open files", "clock", "output disk", "output write test", "output clock",
        "work folder disk", "cache disk", "decoders", "R", "device", "precision", "threads", "embedded head",
        "published heads", "speed",
    } <= findings.keys()  # fmt: skip
    assert not [f for f in findings.values() if f["state"] == "fail"]
    speed = findings["speed"]["facts"]
    assert speed["seconds"] >= 5 and speed["frames_per_s"] > 0
    assert speed["studies_per_h_at_most"] == pytest.approx(speed["frames_per_s"] * 3600 / 50, rel=0.01, abs=1)
    assert "an estimate" in findings["speed"]["said"]
    assert "jane_doe" not in done.stdout + done.stderr
    assert not out.parent.exists() and list(home.iterdir()) == [] and list(tmp_path.iterdir()) == [tmp_path / "home"]


def test_what_is_missing_is_exit_69_with_what_helps(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path))  # no R
    words = ["doctor", "--no-speed", "--device", "cuda:99", "-o", str(tmp_path / "file" / "out")]
    assert run(words) == 69
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    told = {line[1]: line for line in lines}
    assert told["device"][0] == told["output write test"][0] == "fail" and told["R"][0] == "warn"
    assert all(len(line) == 4 for line in lines if line[0] != "ok")  # each with a hint
    assert run([*words, "-q"]) == 69
    assert {line.split("\t")[0] for line in capsys.readouterr().out.splitlines()} == {"fail", "warn"}
    monkeypatch.setattr(readiness, "pick_device", lambda _: 1 / 0)
    assert run(["doctor", "--no-speed"]) == 69  # the rest is said all the same
    out = capsys.readouterr().out
    assert "fail\tnetworks\tunexpected ZeroDivisionError" in out and "ok\tdecoders" in out


def test_decoders_that_are_missing_or_wrong_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoders.check_decoders().state is State.OK
    lossless = next(family for family in decoders.FAMILIES if family.name == "JPEG lossless")
    cut = replace(lossless, name="cut", coded=lossless.coded[:60])
    monkeypatch.setattr(decoders, "FAMILIES", (*decoders.FAMILIES, cut))
    assert decoders.check_decoders().said.startswith("not decoded: cut: ")
    monkeypatch.setattr(decoders, "IMAGE", np.flipud(decoders.IMAGE))
    found = decoders.check_decoders()
    assert found.state is State.FAIL and "JPEG-LS: values are off by 3360" in found.said
    assert found.facts["uncompressed"] == "decoded"  # coded and decoded now, and so as the image is now


def test_folders_are_tried_and_left_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def states(folder: Path) -> dict[str, State]:
        return {finding.name: finding.state for finding in check_folder(folder, name="output", setting="--out")}

    names = ("output disk", "output write test", "output clock")
    assert states(tmp_path / "a" / "b") == dict.fromkeys(names, State.OK)
    assert list(tmp_path.iterdir()) == []
    assert states(Path("/proc/cinema")) == {"output write test": State.FAIL}
    monkeypatch.setattr(writing, "FEW_BYTES", 10**18)
    assert states(tmp_path)["output disk"] is State.WARN
    monkeypatch.setattr(writing.time, "time", lambda: 1_000.0)  # this machine's clock stands still, long ago
    (finding,) = (f for f in check_folder(tmp_path, name="output", setting="--out") if f.name == "output clock")
    assert finding.state is State.WARN and "ahead of" in finding.said
    monkeypatch.setattr(writing.os, "link", _refuse)
    (finding,) = (f for f in check_folder(tmp_path, name="output", setting="--out") if "test" in f.name)
    assert finding.state is State.OK and "no hard links" in finding.said


def _refuse(*_: object) -> None:
    raise PermissionError(1, "no links here")


def test_limits_that_are_low_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> Finding:
        return next(finding for finding in host.check_limits() if finding.name == name)

    monkeypatch.setenv("SLURM_MEM_PER_NODE", "512")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert found("memory").state is State.WARN and found("memory").facts["bytes"] == 512 * 2**20
    assert "SLURM_ARRAY_TASK_ID=3" in found("scheduler").said
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, before[1]))
    try:
        assert found("open files").state is State.WARN and found("open files").facts["soft"] == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert host.check_clock(datetime(1970, 1, 1, tzinfo=UTC)).state is State.WARN


def test_an_r_that_does_not_run_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "Rscript"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin:/usr/bin")
    assert (host.check_r().state, host.check_r().said) == (State.WARN, "Rscript ended with 3")
