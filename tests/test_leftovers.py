"""What killed processes leave half-written goes with the next run; what a live one writes stays."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cinema_cli.io.atomic import stream_atomic
from cinema_cli.io.leftovers import clear_leftovers, half_written
from cinema_cli.io.lock import run_lock

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from cinema_cli.io.atomic import stream_atomic
from cinema_cli.io.leftovers import half_written
folder = half_written(Path(sys.argv[1]) / "new")
folder.mkdir()
(folder / "table.csv").write_text("1")
stream_atomic(Path(sys.argv[1]) / "table.csv", lambda file: os.kill(os.getpid(), signal.SIGKILL))
"""


def left_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*.part"))


def test_of_killed_processes_all_goes_with_the_next_run(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path)], check=False).returncode == -9
    assert len(left_in(tmp_path)) == 2
    visible = left_in(tmp_path)[0].name[1:]
    others = [tmp_path / ".table.csv.part", tmp_path / visible]  # names that are not of our making
    for other in others:
        other.touch()
    with run_lock(tmp_path):
        assert left_in(tmp_path) == others[:1] and others[1].exists()


def test_of_live_processes_and_of_other_machines_what_is_young_stays(tmp_path: Path) -> None:
    def write(file: object) -> None:
        assert clear_leftovers(tmp_path) == 0 and len(left_in(tmp_path)) == 1

    stream_atomic(tmp_path / "table.csv", write)
    mine = half_written(tmp_path / "x").name.split(".")[2]
    elsewhere = tmp_path / f".x.{'0' * 8}-{mine.split('-', 1)[1]}.part"
    elsewhere.touch()
    assert clear_leftovers(tmp_path) == 0
    os.utime(elsewhere, (time.time() - 300,) * 2)
    assert clear_leftovers(tmp_path) == 1 and left_in(tmp_path) == []
    assert clear_leftovers(tmp_path / "no folder") == 0


def test_a_folder_elsewhere_is_as_young_as_its_youngest_file(tmp_path: Path) -> None:
    folder = tmp_path / f".new.{'0' * 8}-1-{'0' * 8}.part"
    (folder / "individual").mkdir(parents=True)
    (folder / "individual" / "rows.csv").touch()
    for one in (folder, folder / "individual"):
        os.utime(one, (time.time() - 300,) * 2)
    assert clear_leftovers(tmp_path) == 0
    os.utime(folder / "individual" / "rows.csv", (time.time() - 300,) * 2)
    assert clear_leftovers(tmp_path) == 1 and not folder.exists()


def test_age_is_told_by_the_clock_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's clock says: the disk's is 300 s behind it here."""
    young = tmp_path / f".x.{'0' * 8}-1-{'0' * 8}.part"
    young.touch()
    then, touch = time.time() - 300, Path.touch

    def behind(path: Path) -> None:
        touch(path)
        os.utime(path, (then, then))

    monkeypatch.setattr(Path, "touch", behind)
    os.utime(young, (then - 10,) * 2)
    assert clear_leftovers(tmp_path) == 0
    os.utime(young, (then - 200,) * 2)
    assert clear_leftovers(tmp_path) == 1 and not list(tmp_path.iterdir())


def test_what_is_finished_while_it_is_looked_at_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, other = (tmp_path / f".{name}.{'0' * 8}-1-{'0' * 8}.part" for name in "ab")
    for path in (gone, other):
        path.touch()
        os.utime(path, (time.time() - 300,) * 2)
    looked_for, lstat = list[Path](), Path.lstat

    def vanishing(path: Path) -> os.stat_result:
        if path == gone:
            looked_for.append(path)
            path.unlink()
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", vanishing)
    assert clear_leftovers(tmp_path) == 1 and looked_for == [gone] and not list(tmp_path.iterdir())


def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path) -> None:
    for name in ("n" * 255, "\u00e4" * 127):
        stream_atomic(tmp_path / name, lambda file: file.write(b"x"))
        assert (tmp_path / name).read_bytes() == b"x"
