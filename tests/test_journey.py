"""The whole program on made cohorts: from DICOM to tables and report, and every bad input to its row or exit code."""

import hashlib
import json
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import nibabel as nib
import polars as pl
import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.uid import generate_uid
from said_reasons import reasons_of

from cinema_cli.commands.app import run
from cinema_cli.domain.phenotypes import PHENOTYPES

Change = Callable[[FileDataset], bool | None]  # False: leave the file out


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two made people, short axis only; the folder has a space, brackets and letters beyond ASCII."""
    root = tmp_path_factory.mktemp("journey") / "Köhorte [1] a"
    assert run(["simulate", str(root), "--small", "--participants", "2", "--seed", "1", "--views", "sax", "-q"]) == 0
    return root


@pytest.fixture(scope="module")
def out(cohort: Path) -> Path:
    """The output of `cinema analyse` with the cohort's clinical file."""
    before = digests(cohort)
    target = cohort.with_name("Köhorte [1] a-cinema")
    assert run(["analyse", str(cohort), "--clinical", str(cohort / "clinical.csv"), "-q"]) == 0
    assert digests(cohort) == before, "the input was changed"
    return target


def digests(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def images(folder: Path) -> Iterator[Path]:
    return (p for p in sorted(folder.rglob("*.dcm")))


def copy_person(source: Path, target: Path, *, patient_id: str, change: Change = lambda _: None) -> None:
    """Copy a study as that of another person, each image passed through `change`."""
    uid = generate_uid(entropy_srcs=[str(target)])
    for path in images(source):
        image = dcmread(path)
        image.PatientID, image.PatientName, image.StudyInstanceUID = patient_id, patient_id, uid
        image.SeriesInstanceUID = generate_uid(entropy_srcs=[str(target), image.SeriesInstanceUID])
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid(
            entropy_srcs=[str(target), image.SOPInstanceUID]
        )
        if change(image) is not False:
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            image.save_as(place)


def test_tables_and_report_are_there(cohort: Path, out: Path) -> None:
    truth = pl.read_csv(cohort / "truth.csv", glob=False)
    table = pl.read_parquet(out / "phenotypes.parquet", glob=False)
    assert table["participant_id"].to_list() == ["sub-SIM0001", "sub-SIM0002"] and truth.height == 2
    assert set(table["status"]) == {"done"}
    for row in table.iter_rows(named=True):
        for p in PHENOTYPES:
            assert row[p.name] is not None or reasons_of(row)[p.name]
    clinical = pl.read_csv(cohort / "clinical.csv", glob=False)
    assert table["height_cm"].to_list() == clinical["height_cm"].to_list()
    assert json.loads((out / "phenotypes.json").read_text()).keys() == set(table.columns)
    assert (
        pl.read_csv(out / "phenotypes.csv", glob=False).height == 2
        and pl.read_parquet(out / "curves.parquet", glob=False).height == 20
    )
    series = pl.read_csv(out / "series.csv", glob=False)
    assert set(series["verdict"]) == {"used", "rejected"}
    assert series.filter(verdict="rejected")["reason"].null_count() == 0
    (log,) = (out / "logs").iterdir()
    assert {p.name for p in log.iterdir()} == {"config.toml", "run.json", "log.jsonl"}
    assert json.loads((log / "run.json").read_text())["exit_code"] == 0
    assert not (out / ".cinema.lock").exists()


def test_pages_stand_alone(out: Path) -> None:
    pages = [out / "report.html", *out.glob("sub-*/ses-*/study.html")]
    assert len(pages) == 3
    for page in pages:
        html = page.read_text()
        assert not re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//""", html) and "@import" not in html
    report = pages[0].read_text()
    assert all(f"sub-SIM000{i}/ses-1/study.html" in report for i in (1, 2))


def test_masks_lie_on_the_source_grid(out: Path) -> None:
    sax = pl.read_parquet(out / "series.parquet", glob=False).filter(verdict="used", view="sax")
    assert set(sax["participant_id"]) == {"sub-SIM0001", "sub-SIM0002"}
    for (who,), series in sax.group_by("participant_id"):
        mask = nib.load(out / str(who) / "ses-1" / f"{who}_ses-1_sax_dseg.nii.gz")
        for row in series.iter_rows(named=True):  # one, or one a slice
            assert mask.shape == (row["columns"], row["rows"], series["slices"].sum(), row["frames"])
            spacing = (row["column_spacing_mm"], row["row_spacing_mm"], row["slice_spacing_mm"])
            assert mask.header.get_zooms()[:3] == pytest.approx(spacing, rel=1e-3)


def test_nothing_that_identifies_is_written_and_the_day_only_where_the_readme_says(cohort: Path, out: Path) -> None:
    """Ids are not hashed here: the day of the study may stand in status.json and study.html, nothing else of a date."""
    for folder in (cohort / "SIM0001", cohort / "SIM0002"):
        image = dcmread(next(images(folder)))
        born, day = (date.fromisoformat(d) for d in (image.PatientBirthDate, image.StudyDate))
        secrets = [str(image.PatientName), "SYNTHETIC", image.StudyInstanceUID, image.StudyDate]
        secrets += [image.PatientBirthDate, born.isoformat()]
        told = set()
        for path in (p for p in out.rglob("*") if p.is_file()):
            content = path.read_bytes()
            assert not [s for s in secrets if s.encode() in content or s in path.name], path
            if day.isoformat().encode() in content:
                told.add(path.relative_to(out).as_posix())
        assert told == {f"sub-{folder.name}/ses-1/{name}" for name in ("status.json", "study.html")}


def test_a_second_run_does_nothing_and_says_so(cohort: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(out)
    assert run(["analyse", str(cohort), "--clinical", str(cohort / "clinical.csv")]) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert {k: v for k, v in digests(out).items() if not k.startswith("logs/")} == {
        k: v for k, v in before.items() if not k.startswith("logs/")
    }
    assert run(["analyse", str(cohort), "-n"]) == 0  # without the clinical file the facts are others
    assert [line.split("\t")[2] for line in capsys.readouterr().out.splitlines()] == ["run", "run"]


def test_r_reads_what_the_pipe_gives(out: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["phenotypes", str(out), "-o", "-"]) == 0
    check = 'd <- read.csv("stdin"); stopifnot(nrow(d) == 2, is.numeric(d$lvedv_ml))'
    text = capsysbinary.readouterr().out
    done = subprocess.run(["Rscript", "-e", check], input=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_order_and_numbers_of_files_change_nothing(cohort: Path, out: Path, tmp_path: Path) -> None:
    shuffled = tmp_path / "flat"
    shuffled.mkdir()
    rng = random.Random(3)
    for number, path in enumerate(
        rng.sample(list(images(cohort / "SIM0002")), k=len(list(images(cohort / "SIM0002"))))
    ):
        image = dcmread(path)
        image.InstanceNumber = rng.randrange(1, 10_000)
        image.save_as(shuffled / f"{number:05d}")
    clinical = str(cohort / "clinical.csv")
    assert run(["analyse", str(shuffled), "--clinical", clinical, "-o", str(tmp_path / "o"), "-q"]) == 0
    one = pl.read_parquet(tmp_path / "o" / "phenotypes.parquet", glob=False)
    assert one.equals(pl.read_parquet(out / "phenotypes.parquet", glob=False).filter(participant_id="sub-SIM0002"))


def test_bad_studies_are_rows_and_the_others_go_on(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, bad = cohort / "SIM0002", tmp_path / "bad"

    def sax(image: FileDataset) -> bool:
        return image.SeriesNumber != 1

    def position(image: FileDataset) -> tuple[float, ...]:
        return tuple(image.ImagePositionPatient)

    lone = position(next(i for p in images(source) if sax(i := dcmread(p))))
    first = sorted({float(i.TriggerTime) for p in images(source) if sax(i := dcmread(p))})[:3]
    gone = iter([False])

    def zero(image: FileDataset) -> None:
        image.PixelSpacing = [0, 0]

    def computed(image: FileDataset) -> None:
        image.Modality = "CT"

    def one_gone(image: FileDataset) -> bool | None:
        return next(gone, None) if sax(image) and position(image) != lone else None

    copy_person(source, bad / "a", patient_id="good")
    copy_person(source, bad / "b", patient_id="good")  # the same person on another visit
    copy_person(source, bad / "zero", patient_id="zero", change=zero)
    copy_person(source, bad / "ct", patient_id="ct", change=computed)
    copy_person(source, bad / "one", patient_id="oneslice", change=lambda i: not sax(i) or position(i) == lone)
    copy_person(source, bad / "few", patient_id="few", change=lambda i: not sax(i) or i.TriggerTime in first)
    copy_person(source, bad / "hole", patient_id="hole", change=one_gone)
    copy_person(source, bad / "cut", patient_id="cut")
    victim = next(p for p in images(bad / "cut") if sax(dcmread(p)))
    victim.write_bytes(victim.read_bytes()[:-3000])
    (bad / "a" / "junk.dcm").write_bytes(random.Random(1).randbytes(5000))
    (bad / "DICOMDIR").write_text("not one")

    assert run(["analyse", str(bad)]) == 3
    said = capsys.readouterr().err
    table = pl.read_parquet(tmp_path / "bad-cinema" / "phenotypes.parquet", glob=False)
    status = {(p, s): status for p, s, status in table.select("participant_id", "session_id", "status").iter_rows()}
    assert status.pop(("sub-good", "ses-1")) == status.pop(("sub-good", "ses-2")) == "done"
    assert {p for p, _ in status} == {f"sub-{n}" for n in ("zero", "ct", "oneslice", "few", "hole", "cut")}
    assert set(status.values()) == {"failed"}
    failed = pl.read_csv(tmp_path / "bad-cinema" / "failures.csv", glob=False)
    assert (
        failed.height == 6
        and failed.select("stage", "code", "reason", "hint").null_count().sum_horizontal().item() == 0
    )
    assert "6 failed" in said.splitlines()[-1] and "report.html" in said.splitlines()[-1]
    report = (tmp_path / "bad-cinema" / "report.html").read_text()
    assert all(f"sub-{n}" in report for n in ("zero", "hole", "cut"))


@pytest.mark.parametrize(
    ("content", "code"), [({}, 66), ({"notes.txt": b"no DICOM"}, 66), ({"x.dcm": b"\0" * 128 + b"DICM" + b"junk"}, 66)]
)
def test_a_cohort_without_images_is_no_input(content: dict[str, bytes], code: int, tmp_path: Path) -> None:
    cohort = tmp_path / "c"
    cohort.mkdir()
    for name, text in content.items():
        (cohort / name).write_bytes(text)
    assert run(["analyse", str(cohort)]) == code


def test_an_output_that_cannot_be_written(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["analyse", str(cohort), "-o", str(tmp_path / "file" / "out")]) == 73
    assert run(["analyse", str(cohort), "-o", "/proc/cinema"]) == 73  # refused also to root
    assert "cannot write" in capsys.readouterr().err


def test_two_runs_in_one_folder_refuse_each_other(cohort: Path, tmp_path: Path) -> None:
    from cinema_cli.io.lock import run_lock

    with run_lock(tmp_path / "o"):
        assert run(["analyse", str(cohort), "-o", str(tmp_path / "o"), "-q"]) == 75
    assert not (tmp_path / "o").exists()
