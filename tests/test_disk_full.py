"""A disk that is too small or fills: said before anything is written, or a clean stop; the next run goes on."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from disk_cohort import write_heart

from cinema_cli.domain.cine import StudyFacts
from cinema_cli.domain.errors import ExitCode, OutputError
from cinema_cli.domain.result import StudyResult
from cinema_cli.io.disk import check_space, free_space, needed_space
from cinema_cli.io.ledger import Failure, record

N_STUDIES = 3
TABLES = ("phenotypes.parquet", "curves.parquet", "series.parquet")


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system of its own in memory, mounted with the options of the parameter; only root may."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", request.param, "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny disk hearts."""
    root = tmp_path_factory.mktemp("full") / "cohort"
    for number in range(N_STUDIES):
        write_heart(root / f"p{number}", f"P{number}", slices=4)
    return root


def program(*words: object) -> list[str]:
    """The whole program with a head that reads grey values: it is disks that are tried."""
    return [sys.executable, str(Path(__file__).with_name("disk_cohort.py")), "0.5", *map(str, words)]


def fill(folder: Path) -> Path:
    """Take all that is left, to the last byte."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return ballast


def half_written(out: Path) -> list[Path]:
    """What no run may leave behind: parts, locks, empty files."""
    files = [path for path in out.rglob("*") if path.is_file()]
    return [p for p in files if p.name.endswith(".part") or ".lock" in p.name or (p.suffix and not p.stat().st_size)]


def check_whole(out: Path) -> None:
    """Every table that is there can be read to its end."""
    for name in TABLES:
        if (out / name).is_file():
            pl.read_parquet(out / name, glob=False)
    for name in ("report.html", *(path.relative_to(out) for path in out.glob("sub-*/ses-*/study.html"))):
        if (out / name).is_file():
            assert (out / name).read_text().rstrip().endswith("</html>")


@pytest.mark.parametrize("small_disk", ["size=24m"], indirect=True)
def test_a_disk_that_fills_stops_the_run_cleanly_and_the_next_goes_on(small_disk: Path, cohort: Path) -> None:
    """Somebody else takes the rest of the disk while the run is at work."""
    out = small_disk / "out"
    words = ("analyse", cohort, "-o", out, "--jobs", 1, "--no-progress")
    with subprocess.Popen(program(*words), stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and not any('"done"' in p.read_text() for p in out.glob("sub-*/ses-*/status.json")):
            time.sleep(0.01)
        assert run.poll() is None, "the run was over before the disk was full"
        ballast = fill(small_disk)
        said = run.communicate()[1]
    assert run.returncode == ExitCode.CANNOT_WRITE, said
    assert "error: cannot write" in said and "No space left on device" in said and "Traceback" not in said
    assert "hint: Free some space" in said
    assert half_written(out) == []
    check_whole(out)
    finished = {path: path.read_bytes() for path in out.glob("sub-*/ses-*/status.json") if '"done"' in path.read_text()}
    assert 1 <= len(finished) < N_STUDIES

    again = subprocess.run(program(*words), capture_output=True, text=True, check=False)  # still full
    assert again.returncode == ExitCode.CANNOT_WRITE and "Traceback" not in again.stderr, again.stderr
    assert half_written(out) == []

    ballast.unlink()
    done = subprocess.run(program(*words), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(finished)} done before" in done.stderr
    assert {path: path.read_bytes() for path in finished} == finished  # nothing is done twice
    check_whole(out)

    table = pl.read_parquet(out / "phenotypes.parquet", glob=False)
    assert table.height == N_STUDIES and set(table["status"]) == {"done"}


def test_a_file_that_may_not_grow_stops_the_run_cleanly(cohort: Path, tmp_path: Path) -> None:
    """A limit of the shell on the size of files: pages are larger, records are not."""
    out = tmp_path / "out"
    limited = ["bash", "-c", 'ulimit -f 40; exec "$@"', "cinema"]  # blocks of 1024 bytes
    words = ("analyse", cohort, "-o", out, "--jobs", 1, "--participant-label", "P0")
    done = subprocess.run([*limited, *program(*words)], capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.CANNOT_WRITE, done.stderr
    assert re.search(r"error: cannot write .*: File too large\nhint: ", done.stderr), done.stderr
    assert half_written(out) == []
    check_whole(out)
    assert not [path for path in out.glob("sub-*/ses-*/status.json") if '"done"' in path.read_text()]


@pytest.mark.parametrize("small_disk", ["size=1m"], indirect=True)
def test_a_run_that_does_not_fit_writes_nothing(small_disk: Path, cohort: Path) -> None:
    words = program("analyse", cohort, "-o", small_disk / "out", "--jobs", 1, "-q")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.CANNOT_WRITE, done.stderr
    assert re.match(
        r"error: not enough space for .*/out: about 1.4 MB needed for 3 studies .*free\nhint: ", done.stderr
    )
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("small_disk", ["size=4m"], indirect=True)
def test_too_little_space_is_said_with_what_is_needed(small_disk: Path) -> None:
    out = small_disk / "not" / "yet"
    free = free_space(out)
    assert 3 << 20 < free.bytes <= 4 << 20 and free.files
    need = check_space(out, n_studies=2, n_images=200)
    assert 800_000 < need.bytes < 2_000_000 and "by the number of images" in need.reason
    with pytest.raises(OutputError, match=r"about 16 MB needed for 30 studies .*free") as error:
        check_space(out, n_studies=30, n_images=3000)
    assert error.value.code == "no_space" and error.value.exit_code == 73
    assert list(small_disk.iterdir()) == []
    check_space(out, n_studies=0, n_images=0)


@pytest.mark.parametrize("small_disk", ["size=64m,nr_inodes=40"], indirect=True)
def test_too_few_inodes_are_too_little_space(small_disk: Path) -> None:
    check_space(small_disk, n_studies=2, n_images=200)
    with pytest.raises(OutputError, match="too few inodes") as error:
        check_space(small_disk, n_studies=10, n_images=1000)
    assert error.value.code == "no_space"


def test_studies_that_are_done_say_what_the_others_will_take(tmp_path: Path, result: StudyResult) -> None:
    before = needed_space(tmp_path, n_studies=10, n_images=1000)
    assert before.bytes == 10 * 425_000 + 1_200_000 and before.files == 120
    study = record(tmp_path, result, "d", version="1").parent
    (study / "study.html").write_bytes(os.urandom(3_000_000))
    record(tmp_path, Failure("sub-2", "ses-1", "read", "cut", "ends early", facts=StudyFacts()), "d", version="1")
    after = needed_space(tmp_path, n_studies=10, n_images=1000)
    assert "the 1 measured in it" in after.reason
    assert 30_000_000 <= after.bytes < 31_000_000 and after.files == 40  # two folders, page, record
    assert needed_space(tmp_path, n_studies=0, n_images=0).bytes == 0
