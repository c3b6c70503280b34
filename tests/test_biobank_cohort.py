"""A cohort of UK Biobank's zips: the same series, pixels and participants as when it is unpacked."""

import re
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from archive_factory import PACKERS, pack_folder, tar_bytes
from dicom_factory import drop_tags, write_junk, write_lax, write_sax

from cinema_cli.commands.app import run
from cinema_cli.domain.cine import CineStudy
from cinema_cli.domain.errors import InputError
from cinema_cli.io.index import CohortIndex, plan_of, scan, studies
from cinema_cli.io.study import read_study

VISITS = (("1234567", "2"), ("1234567", "3"), ("7654321", "2"))


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each bulk file: two fields a visit, headers with ids of UK Biobank's own, a manifest in each."""
    root = tmp_path_factory.mktemp("unpacked")
    for number, (eid, instance) in enumerate(VISITS):
        person = {"patient_id": f"UKB{number}", "name": f"UKB{number}", "birth_date": ""}
        long, short = (root / f"{eid}_{field}_{instance}_0" for field in ("20208", "20209"))
        files = [write_lax(long, "lax_4c", frames=8, study_uid=f"1.2.{number}.8", **person)]
        files.append(write_sax(short, slices=5, frames=8, study_uid=f"1.2.{number}.9", **person))
        for folder, own in zip((long, short), files, strict=True):
            lines = [f"{path.name},UKB,Jan 5, 2015,CINE" for path in own]
            (folder / "manifest.cvs").write_text("\n".join(["filename,patientid,date,series discription", *lines]))
    return root


@pytest.fixture(scope="module")
def packed(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as zips, and one that was cut short."""
    root = tmp_path_factory.mktemp("packed")
    for folder in unpacked.iterdir():
        pack_folder(root / "bulk" / f"{folder.name}.zip", folder)
    whole = (root / "bulk" / "1234567_20209_2_0.zip").read_bytes()
    (root / "bulk" / "1000001_20209_2_0.zip").write_bytes(whole[: len(whole) // 2])
    return root


def read(index: CohortIndex) -> dict[tuple[str, str], CineStudy]:
    return {(key.participant_id, key.session_id): read_study(plan_of(index, key)) for key in studies(index)}


def assert_same(index: CohortIndex, other: CohortIndex) -> None:
    """The same series, notes and pixels."""
    assert index.series.equals(other.series) and index.notes.equals(other.notes)
    found, expected = read(index), read(other)
    assert list(found) == list(expected) == [(f"sub-{eid}", f"ses-{instance}") for eid, instance in VISITS]
    for key, study in found.items():
        assert set(study.cines) == set(expected[key].cines) and len(study.cines) == 2
        for view, cine in study.cines.items():
            np.testing.assert_array_equal(cine.pixels, expected[key].cines[view].pixels)


def test_zips_give_what_their_folders_give(unpacked: Path, packed: Path) -> None:
    index, expected = scan(packed), scan(unpacked)
    assert_same(index, expected)
    assert set(index.notes["code"]) == {"joined_studies", "several_visits"}
    assert index.problems.select("path", "code").rows() == [("bulk/1000001_20209_2_0.zip/", "truncated_archive")]
    assert index.lost_folders == ("bulk/1000001_20209_2_0.zip",)
    assert expected.problems.is_empty()


@pytest.mark.parametrize("end", ["tar", "tar.gz"])
def test_one_archive_of_all_gives_the_same(unpacked: Path, tmp_path: Path, end: str) -> None:
    pack_folder(tmp_path / f"all.{end}", unpacked)
    assert_same(scan(tmp_path), scan(unpacked))


def test_images_that_lie_there_twice_count_once(unpacked: Path, tmp_path: Path) -> None:
    for folder in unpacked.iterdir():
        pack_folder(tmp_path / f"{folder.name}.zip", folder)
        pack_folder(tmp_path / folder.name / "again.tar.gz", folder)
        for file in folder.iterdir():
            (tmp_path / folder.name / file.name).write_bytes(file.read_bytes())
    index, expected = scan(tmp_path), scan(unpacked)
    said = ["images", "flags"]
    assert index.series.drop(said).equals(expected.series.drop(said))
    assert set(index.series["flags"]) == {"copies_ignored"}
    images = pl.concat([plan_of(index, key).images for key in studies(index)])
    assert images["member"].null_count() == images.height  # files that need no unpacking come first


@pytest.mark.parametrize("end", ["tar", "tar.gz"])
def test_of_an_archive_that_is_cut_short_what_came_before_is_used(tmp_path: Path, end: str) -> None:
    files = write_sax(tmp_path / "f", slices=4, frames=8)
    whole = tar_bytes({path.name: path.read_bytes() for path in files})
    cut = whole[: whole.index(files[20].name.encode()) + 512 + files[20].stat().st_size - 100]
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / f"a.{end}").write_bytes(PACKERS["gz"](cut) if end == "tar.gz" else cut)
    index = scan(tmp_path / "cohort")
    problems = [(f"a.{end}/", "truncated_archive"), (f"a.{end}/{files[20].name}", "truncated_pixels")]
    assert index.problems.select("path", "code").rows() == problems
    assert index.series.select("images", "reason_code").rows() == [(21, "truncated")]


def test_headers_without_a_description_have_that_of_the_manifest(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    for path in write_lax(folder, "lax_2c", frames=8):
        drop_tags(path, "SeriesDescription", "ProtocolName")
    lines = "\n".join(f"{path.name},Jan 5, 2015,CINE_segmented_LAX_2Ch" for path in folder.iterdir())
    cohort = tmp_path / "cohort"
    pack_folder(
        cohort / "1234567_20208_2_0.zip",
        folder,
        {"manifest.cvs": f"filename,date,series discription\n{lines}".encode()},
    )
    assert scan(folder).series["keyword"].to_list() == [None]
    assert scan(cohort).series.select("keyword", "view").rows() == [("lax_2c", "lax_2c")]


def test_nothing_of_an_archive_is_written_or_said_but_its_name(
    packed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in packed.rglob("*")}
    assert run(["scan", str(packed), "-v", "--work-dir", str(tmp_path)]) == 3
    said = capfd.readouterr()
    assert "bulk/1000001_20209_2_0.zip/: The archive is cut short: its directory is missing." in said.err
    assert "UKB" not in said.out + said.err
    assert {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in packed.rglob("*")} == before


def test_a_story_tells_of_series_in_archives(packed: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["scan", str(packed), "--work-dir", str(tmp_path), "--explain", "sub-1234567/ses-3/"]) == 0
    assert len(re.findall(r"verdict: used", capfd.readouterr().out)) == 2


def test_archives_without_dicom_are_ignored(unpacked: Path, tmp_path: Path) -> None:
    write_junk(tmp_path / "junk")
    pack_folder(tmp_path / "cohort" / "docs.zip", tmp_path / "junk")
    pack_folder(tmp_path / "cohort" / "1234567_20209_2_0.zip", unpacked / "1234567_20209_2_0", {"a/b.txt": b"text"})
    with zipfile.ZipFile(tmp_path / "cohort" / "empty.zip", "w"):
        pass
    index = scan(tmp_path / "cohort")
    assert index.problems.is_empty() and index.lost_folders == ()
    assert [key.participant_id for key in studies(index)] == ["sub-1234567"]
    with pytest.raises(InputError, match="is a file, not a folder") as caught:
        scan(tmp_path / "cohort" / "docs.zip")
    assert "archives are read where they are" in caught.value.hint
