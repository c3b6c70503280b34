"""Every bad input to its exit code, row and hint; what a run leaves behind when it is stopped. The head is made."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
from dicom_factory import set_tags
from disk_cohort import FRAMES, SLICES, paint, use_grey_head, write_heart
from pydicom import dcmread
from pydicom.dataset import Dataset

from cinema_cli.commands import cohort_files, job, studies_run
from cinema_cli.commands.app import run
from cinema_cli.commands.ending import Terminated
from cinema_cli.domain.errors import OutputError
from cinema_cli.io.cohort_list import cohort_records
from cinema_cli.io.ledger import read_records

PROGRAM = [sys.executable, str(Path(__file__).with_name("disk_cohort.py"))]


@pytest.fixture(autouse=True)
def made_head(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in ((job, "running_device"), (studies_run, "study_processes")):
        monkeypatch.setattr(module, name, getattr(module, name))  # as they were, after the test
    use_grey_head()


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    folder = tmp_path / "cohort"
    folder.mkdir()
    return folder


def table(out: Path, name: str = "phenotypes.csv") -> dict[str, dict[str, object]]:
    """Rows of a table by participant and session, without `sub-` and `ses-`."""
    rows = pl.read_csv((out / name).read_bytes(), infer_schema_length=None).to_dicts()
    return {f"{r['participant_id'][4:]} {r['session_id'][4:]}": r for r in rows}


def no_file(cohort: Path) -> None:
    """Leave it empty."""


def no_image(cohort: Path) -> None:
    (cohort / "letter.txt").write_text("Dear Mrs Miller")


def another_modality(cohort: Path) -> None:
    for path in write_heart(cohort, "A", slices=1):
        set_tags(path, Modality="CT")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_file, "is empty"),
        (no_image, "none of 1 files is a readable DICOM or NIfTI image"),
        (another_modality, "only modality CT"),
    ],
)
def test_nothing_to_analyse(
    make: Callable[[Path], None], said: str, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(cohort)
    assert run(["analyse", str(cohort)]) == 66
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: ") and said in error and hint.startswith("hint: ")


def zero_spacing(image: Dataset, slice_index: int, frame: int) -> None:
    paint(image, slice_index, frame)
    image.PixelSpacing = [0, 0]


def write_bad_studies(cohort: Path) -> None:
    write_heart(cohort / "good", "good")
    write_heart(cohort / "again", "good", study_date="20250304")
    write_heart(cohort / "zero", "zero", edit=zero_spacing)
    write_heart(cohort / "lone", "lone", slices=1)
    write_heart(cohort / "brief", "brief", frames=3)
    write_heart(cohort / "gap", "gap", missing=[(2, 3)])
    cut = write_heart(cohort / "cut", "cut")[9]
    cut.write_bytes(cut.read_bytes()[:-2000])
    for path in write_heart(cohort / "ct", "ct", slices=2):
        set_tags(path, Modality="CT")
    for name in ("mixedA", "mixedB"):
        write_heart(cohort / "mixed", name, study_uid=f"1.2.3.{len(name)}.{ord(name[-1])}", series_number=ord(name[-1]))
    (cohort / "good" / "damaged.dcm").write_bytes(b"\0" * 128 + b"DICM" + random.Random(1).randbytes(400))


def test_bad_studies_are_rows_with_a_reason_and_a_hint(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bad_studies(cohort)
    out = cohort.with_name("out")
    assert run(["analyse", str(cohort), "-o", str(out)]) == 3
    said = capsys.readouterr().err
    rows, failed = table(out), table(out, "failures.csv")
    done = {who for who, row in rows.items() if row["status"] == "done"}
    assert done == {"good 1", "good 2", "mixedA 1", "mixedB 1"}
    assert all(rows[who]["lvedv_ml"] == pytest.approx(96.3, abs=1) for who in done)
    reasons = {
        "zero": "PixelSpacing",
        "lone": "slice",
        "brief": "3 frames",
        "gap": "slice 3 frame 4",
        "cut": "1 of its 48 images is truncated (slice 2 frame 2)",
        "ct": "modality",
    }
    assert set(failed) == {f"{name} 1" for name in reasons}
    for name, words in reasons.items():
        row = failed[f"{name} 1"]
        assert words in str(row["reason"]) and row["hint"] and row["code"], row
        assert f"warning: sub-{name} ses-1: {row['reason']}" in said
        page = (out / f"sub-{name}" / "ses-1" / "study.html").read_text()
        assert str(row["code"]) in page and "What helps" in page
    assert "1 file could not be read, 1 file is truncated: `cinema scan` names them" in said
    assert "6 failed (see failures.csv)" in said.splitlines()[-1]
    assert not re.search(r"Secret|1\.2\.3\.4\.5", said + (out / "report.html").read_text())
    assert all(f"sub-{name}/ses-1/study.html" in (out / "report.html").read_text() for name in reasons)


def log_of(out: Path) -> dict[str, object]:
    """run.json of the latest run."""
    return json.loads(max(out.glob("logs/*/run.json"), key=lambda path: path.stat().st_mtime_ns).read_text())


def test_a_person_whose_files_are_all_truncated_is_a_row(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_heart(cohort / "good", "good")
    for path in write_heart(cohort / "Smith_John", "cut"):
        path.write_bytes(path.read_bytes()[:-3000])
    out = cohort.with_name("out")
    assert run(["analyse", str(cohort), "-o", str(out), "-q"]) == 3
    row = table(out)["cut 1"]
    assert (row["status"], row["sex"], row["vendor"]) == ("failed", "F", "Siemens")  # its headers are whole
    failed = table(out, "failures.csv")["cut 1"]
    assert failed["code"] == "truncated" and "all of its 48 images are truncated" in str(failed["reason"])
    assert "Copy the files again" in str(failed["hint"])
    series = table(out, "series.csv")["cut 1"]
    assert (series["verdict"], series["reason_code"]) == ("rejected", "truncated")
    assert "48 files are truncated: `cinema scan` names them" in capsys.readouterr().err
    assert log_of(out)["problems"] == {"truncated_pixels": 48}
    assert "Smith" not in every_text(out)


def every_text(out: Path) -> str:
    return "\n".join(path.read_text() for path in out.rglob("*") if path.suffix in (".csv", ".json", ".jsonl", ".html"))


def test_a_folder_of_which_nothing_can_be_read_is_said(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_heart(cohort / "good", "good")
    for path in write_heart(cohort / "lost", "lost", slices=1):
        path.write_bytes(path.read_bytes()[:300])
    out = cohort.with_name("out")
    assert run(["analyse", str(cohort), "-o", str(out)]) == 3
    said = capsys.readouterr().err
    assert "no DICOM file in a folder could be read, so whoever is in there is in no table" in said and "(lost)" in said
    assert "1 of 1 study run" in said.splitlines()[-1] and "1 folder unreadable" in said.splitlines()[-1]
    assert log_of(out)["n_lost_folders"] == 1 and "(lost)" not in every_text(out)
    assert run(["analyse", str(cohort), "-o", str(out), "--participant-label", "good", "-q"]) == 0
    assert run(["analyse", str(cohort), "-o", str(out), "-n"]) == 0
    assert "the record of the only study holds" not in capsys.readouterr().err


def test_studies_that_are_not_found_any_more_are_said_once(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As where a disk of the cohort is missing in the night."""
    for name in "AB":
        write_heart(cohort / name, name, slices=4)
    out = cohort.with_name("out")
    assert run(["analyse", str(cohort), "-o", str(out), "-q"]) == 0 and capsys.readouterr().err == ""
    shutil.rmtree(cohort / "B")
    for options, is_said in (["-n"], True), (["-q"], True), (["-q"], False):
        assert run(["analyse", str(cohort), "-o", str(out), *options]) == 0
        assert ("a study that the last scan found is not there now" in capsys.readouterr().err) == is_said
    assert list(table(out)) == ["A 1"] and (out / "sub-B/ses-1/status.json").exists()


def test_people_behind_links_that_are_not_followed_are_said(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_heart(cohort.with_name("elsewhere") / "B", "B", slices=1)
    write_heart(cohort / ".store" / "D", "D")
    (cohort / "B").symlink_to(cohort.with_name("elsewhere") / "B")
    (cohort / "D").symlink_to(cohort / ".store" / "D")
    out = cohort.with_name("out")
    assert run(["analyse", str(cohort), "-o", str(out), "--no-masks"]) == 3
    assert list(table(out)) == ["D 1"] and log_of(out)["n_lost_folders"] == 1
    said = capsys.readouterr().err
    assert "no DICOM file in a folder could be read" in said and "(B)" in said
    assert "1 folder unreadable" in said.splitlines()[-1]


def test_doubts_about_people_are_said_and_kept(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_heart(cohort / "one", "twice", slices=1, name="Smith^A")
    write_heart(cohort / "two", "twice", slices=1, name="Smith^B")
    out = cohort.with_name("out")
    assert run(["analyse", str(cohort), "-o", str(out)]) == 3
    said = "Different people (name, birth date, sex or age) share one id."
    assert f"warning: sub-twicep1: {said}" in capsys.readouterr().err
    notes = pl.read_csv(out / "notes.csv")
    assert notes.select("participant_id", "code", "sentence").rows() == [
        (f"sub-twicep{n}", "two_people_one_id", said) for n in (1, 2)
    ]
    assert log_of(out)["notes"] == {"two_people_one_id": 2}
    assert "Smith" not in every_text(out)


def test_the_clinical_file_is_matched_and_what_is_left_over_is_said(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_heart(cohort / "a", "A-1")
    write_heart(cohort / "b", "B-2")
    people, key = tmp_path / "people.csv", tmp_path / "key"
    people.write_text("participant_id,height_cm\nA-1,181\nC-3,150\n")
    key.write_text("0123456789abcdef")
    sentence = "1 of 2 rows of the clinical file match no participant; 1 of 2 participants have no row"
    for options in ([], ["--hash-ids", str(key)]):
        out = tmp_path / f"out{len(options)}"
        arguments = ["analyse", str(cohort), "-o", str(out), "--clinical", str(people), "--no-masks", *options]
        assert run(arguments) == 0
        said = capsys.readouterr().err
        assert sentence in said and ("C-3" in said) == (not options)
        assert sorted(str(row["height_cm"]) for row in table(out).values()) == ["170.0", "181.0"]  # header, file
        numbers = {"n_rows": 2, "n_rows_without_participant": 1, "n_participants_without_row": 1}
        assert log_of(out)["clinical"] == numbers and "C-3" not in every_text(out)
        assert sentence in every_text(out)  # log.jsonl


def test_hashed_ids_leave_no_link_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort, out, key = tmp_path / "Smith family", tmp_path / "out", tmp_path / "key"

    def model(image: Dataset, slice_index: int, frame: int) -> None:
        paint(image, slice_index, frame)
        image.ManufacturerModelName = "Avera, Mrs Smith's"

    image = write_heart(cohort / "P1", "Person0815", edit=model, study_date="20240102")[0]
    key.write_text("0123456789abcdef")
    (tmp_path / "Smith.csv").write_text("patient_id,participant_id\nPerson0815,Miller\n")
    options = ["--hash-ids", str(key), "--id-from", str(tmp_path / "Smith.csv")]
    assert run(["analyse", str(cohort), "-o", str(out), *options]) == 0
    header = dcmread(image)
    dates = ("2024-01-02", "20240102")
    links = (header.SeriesInstanceUID, *dates, "Smith family", "Miller", "Mrs Smith", "Person0815")
    for path in (path for path in out.rglob("*") if path.is_file()):
        text = f"{path.relative_to(out)} {path.read_bytes().decode('latin-1')}"
        assert not [link for link in links if link in text], path
    assert json.loads(next(out.glob("sub-*/ses-1/status.json")).read_bytes())["host"] == ""
    settings = next(out.glob("logs/*/config.toml"))
    assert settings.read_text().startswith("# Ids are hashed") and str(tmp_path) not in settings.read_text()
    monkey = pytest.MonkeyPatch()
    with monkey.context() as there:
        there.chdir(tmp_path)  # where the files are that the settings name without their folders
        assert run(["analyse", str(cohort), "-o", str(out), "--config", str(settings)]) == 0
    assert "nothing to do: the record of the only study holds" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (
            ["--views", "Smith/unused.csv"],
            0,
            "no series fits 2 names in the views file (1.2.840.9.9.777, mrs miller sax)",
        ),
        (["--views", "Smith/both.csv"], 78, "line 3 of both.csv says ignore of 'mrs miller sax', a line above it sax"),
        (["--id-from", "Smith/map.csv"], 78, "map.csv, line 2: participant_id is empty"),
        (["--participant-label", "Person0815"], 66, "no participant sub-Person0815 in the cohort"),
    ],
)
def test_what_is_said_of_people_in_a_hashed_run_gets_into_no_file(
    options: list[str],
    code: int,
    said: str,
    cohort: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_heart(cohort / "P1", "Person0815", slices=3)
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "key": "0123456789abcdef",
        "Smith/unused.csv": "series_uid,series_description,view\n1.2.840.9.9.777,,sax\n,Mrs Miller SAX,ignore\n",
        "Smith/both.csv": "series_description,view\nMrs Miller SAX,sax\nMrs Miller SAX,ignore\n",
        "Smith/map.csv": "patient_id,participant_id\nPerson0815,\n",
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    Path("out/logs/earlier").mkdir(parents=True)  # a run before, so that the log of one that fails is kept
    Path("out/logs/yesterday").mkdir()
    assert run(["analyse", str(cohort), "-o", "out", "--hash-ids", "key", "--no-masks", *options]) == code
    assert said in capsys.readouterr().err
    for path in (path for path in Path("out").rglob("*") if path.is_file()):
        text = path.read_bytes().decode("latin-1")
        assert not [word for word in ("Person0815", "iller", "9.9.777", "Smith") if word in text], path


def test_a_run_that_ends_early_says_so_in_its_log(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_heart(cohort, "A", slices=1)
    out = cohort.with_name("out")
    assert run(["analyse", str(cohort), "-o", str(out), "--participant-label", "none", "-q"]) == 66
    assert not out.exists()  # a first run without input leaves nothing

    def ends(error: BaseException) -> Callable[..., None]:
        def raises(*_: object, **__: object) -> None:
            raise error

        return raises

    for error, code in ((KeyboardInterrupt(), 130), (Terminated(), 143), (OutputError("full", code="full"), 73)):
        with monkeypatch.context() as there:
            there.setattr(cohort_files, "write_tables", ends(error))
            assert run(["analyse", str(cohort), "-o", str(out), "-q", "--force"]) == code
        assert log_of(out)["exit_code"] == code and log_of(out)["counts"]["n_run"] == 1
    assert run(["analyse", str(cohort), "-o", str(out), "--participant-label", "none", "-q"]) == 66
    assert log_of(out)["exit_code"] == 66 and log_of(out)["ended_by"] == "no_participant"


def test_a_missing_frame_is_refused_unless_allowed_and_then_flagged(
    cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_heart(cohort, "gap", missing=[(2, 3)])
    assert run(["analyse", str(cohort)]) == 3
    assert "--allow-missing-frames 1" in capsys.readouterr().err
    assert run(["analyse", str(cohort), "--allow-missing-frames", "1"]) == 0
    out = cohort.with_name("cohort-cinema")
    (row,) = table(out).values()
    assert row["status"] == "done" and row["lvedv_ml"] == pytest.approx(96.3, abs=1)
    flags = pl.read_csv(out / "qc.csv", glob=False).filter(status="flag")["sentence"].to_list()
    series = pl.read_csv(out / "series.csv", glob=False)
    assert any("interpolated" in s for s in flags) or "interpolated" in str(series["flags"][0])


def test_paths_may_hold_spaces_brackets_and_any_letter(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = tmp_path / "Köln [MR] (2) 心臓"
    write_heart(cohort / "Übung [1]", "A")
    assert run(["analyse", str(cohort)]) == 0
    out = tmp_path / "Köln [MR] (2) 心臓-cinema"
    assert str(out / "report.html") in capsys.readouterr().err
    assert run(["phenotypes", str(out), "-o", "-"]) == 0 and "sub-A" in capsys.readouterr().out


def test_names_that_are_no_text_are_read_and_shown_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = tmp_path / os.fsdecode(b"K\xf6ln")
    for name in (b"M\xfcller", b"M\xfeller"):
        folder = cohort / os.fsdecode(name)
        for path in write_heart(folder, "same"):
            path.rename(folder / os.fsdecode(b"\xff" + os.fsencode(path.name)))
    images = sorted((cohort / os.fsdecode(b"M\xfcller")).iterdir())
    (cohort / os.fsdecode(b"cut\xe9\x1b[31m\n")).write_bytes(images[0].read_bytes()[:300])
    out = tmp_path / os.fsdecode(b"K\xf6ln-cinema")
    assert run(["analyse", str(cohort), "--id-from", "folder", "--no-masks"]) == 0
    said = capsys.readouterr().err
    assert r"K\xf6ln-cinema/report.html" in said and "1 file could not be read" in said
    assert sorted(table(out)) == ["Mxfcller 1", "Mxfeller 1"]
    assert not [path for path in out.rglob("*.*") if path.is_file() and "\\udc" in path.read_bytes().decode("latin-1")]
    assert log_of(out)["cohort"] == r"K\xf6ln" and r"K\xf6ln" in (out / "report.html").read_text()
    assert run(["scan", str(cohort), "--json"]) == 0
    streams = capsys.readouterr()
    assert len(json.loads(streams.out)) == 2 and r"warning: cut\xe9\x1b[31m\x0a: The file cannot be used" in streams.err


def test_an_output_inside_the_input_is_refused(cohort: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_heart(cohort, "A", slices=1)
    before = sorted(cohort.rglob("*"))
    assert run(["analyse", str(cohort), "-o", str(cohort / "out")]) == 2
    assert "inside the input" in (said := capsys.readouterr().err) and "hint: " in said
    assert sorted(cohort.rglob("*")) == before


@pytest.fixture
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A real file system of its own, mounted with the options of the test."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", request.param, "none", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize(
    ("disk", "said"), [("ro", "Read-only file system"), ("size=64k", "not enough space")], indirect=["disk"]
)
def test_a_disk_that_is_full_or_refuses(
    disk: Path, said: str, cohort: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_heart(cohort, "A")
    assert run(["analyse", str(cohort), "-o", str(disk / "out")]) == 73
    error, hint = capsys.readouterr().err.splitlines()[-2:]
    assert error.startswith("error: ") and said in error and hint.startswith("hint: ")
    assert not (disk / "out" / ".cinema.lock").exists()
    assert not list(disk.rglob("*.part"))


def test_a_file_that_may_grow_no_further_is_a_full_disk(cohort: Path, tmp_path: Path) -> None:
    """The limit on the size of files works where nothing can be mounted."""
    write_heart(cohort, "A")
    program = shlex.join([*PROGRAM, "0", "analyse", str(cohort), "-o", str(tmp_path / "out")])
    command = ["bash", "-c", f"ulimit -f 4; exec {program}"]  # blocks of 1024 bytes
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 73 and "cannot write" in done.stderr and "hint: Free some space" in done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_keeps_what_is_finished(
    number: int, code: int, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ABCD":
        write_heart(cohort / name, name)
    out = tmp_path / "out"
    command = [*PROGRAM, "4", "analyse", str(cohort), "-o", str(out), "--no-masks", "--jobs", "1", "--batch-size", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while not read_records(out):
            time.sleep(0.05)
        assert run(["analyse", str(cohort), "-o", str(out)]) == 75  # while it is at work
        assert "another run works on" in capsys.readouterr().err
        if number == signal.SIGKILL:
            process.kill()
        else:  # as a terminal and SLURM do: to the processes of studies too
            os.killpg(process.pid, number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in said and "ignored" not in said
    assert (out / ".cinema.lock").exists() == (number == signal.SIGKILL)
    assert number == signal.SIGKILL or ("Finished studies are kept" in said and "tables of what is done" in said)
    statuses = cohort_records(out).phenotypes["status"].to_list()
    n_done = statuses.count("done")
    assert 1 <= n_done <= 3 and statuses.count("not_run") == 4 - n_done
    assert number != signal.SIGKILL or "interrupted" not in {record.code for record in read_records(out)}
    if number != signal.SIGKILL:
        assert [row["status"] for row in table(out).values()] == statuses
    assert run(["analyse", str(cohort), "-o", str(out), "--no-masks"]) == 0
    assert f"{4 - n_done} of 4 studies run" in (said := capsys.readouterr().err) and f"{n_done} done before" in said
    assert {row["status"] for row in table(out).values()} == {"done"} and not (out / ".cinema.lock").exists()


def shuffled(images: list[Path], folder: Path, luck: random.Random) -> Path:
    """The same images in other folders, with other names and instance numbers."""
    for number, path in enumerate(luck.sample(images, k=len(images))):
        place = folder / luck.choice(["x", "x/deep", "y é"]) / f"{number:04d}{luck.choice(['', '.dcm', '.IMA'])}"
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
        set_tags(place, InstanceNumber=luck.randrange(1, 9999))
    return folder


def test_names_folders_and_numbers_of_files_leave_the_tables_as_they_are(cohort: Path, tmp_path: Path) -> None:
    """Law, at three fixed permutations: the tables are the same to the byte."""
    images = [p for name in "AB" for p in write_heart(cohort / name, name)]
    assert len(images) == 2 * SLICES * FRAMES
    assert run(["analyse", str(cohort), "-q", "--no-masks"]) == 0
    for seed in (1, 2, 3):
        moved = shuffled(images, tmp_path / f"moved{seed}", random.Random(seed))
        assert run(["analyse", str(moved), "-q", "--no-masks"]) == 0
        for name in ("phenotypes.csv", "phenotypes.parquet", "curves.parquet", "qc.csv"):
            there = tmp_path / f"moved{seed}-cinema" / name
            assert there.read_bytes() == (tmp_path / "cohort-cinema" / name).read_bytes()
