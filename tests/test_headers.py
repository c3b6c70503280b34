"""Headers of a tree: every encoding and vendor is read, damage is a row with a reason, nothing is changed."""

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from dicom_factory import (
    drop_tags,
    lax_plane,
    sax_planes,
    set_tags,
    truncate,
    write_flow,
    write_junk,
    write_lax,
    write_lge,
    write_sax,
    write_study,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from cinema_cli.domain.errors import InputError
from cinema_cli.io import headers, processes
from cinema_cli.io.dicom_person import person_key
from cinema_cli.io.dicom_values import seconds, text, years
from cinema_cli.io.headers import read_headers
from cinema_cli.io.instances import INSTANCE_SCHEMA

SCD = Path("/work/shared/data/scd/dicom")
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)
POSITION = ["position_x", "position_y", "position_z"]


@pytest.mark.parametrize("layout", ["one_series", "series_per_slice"])
@pytest.mark.parametrize("style", ["siemens", "ge", "philips", "enhanced"])
def test_a_stack_has_its_planes_and_times(tmp_path: Path, style: Any, layout: Any) -> None:
    write_sax(tmp_path, slices=3, frames=4, cycle_ms=800.0, style=style, layout=layout, shuffle=5)
    table = read_headers(tmp_path).instances
    assert dict(table.schema) == INSTANCE_SCHEMA
    expected = [plane.origin((32, 32), (3.0, 3.0)) for plane in sax_planes(3, 10.0)]
    found = table.select("trigger_time_ms", *POSITION).sort("trigger_time_ms", "position_x").to_numpy()
    np.testing.assert_allclose(found[:, 0], np.repeat([0.0, 200.0, 400.0, 600.0], 3))
    np.testing.assert_allclose(found[:, 1:], np.tile(sorted(expected, key=lambda p: p[0]), (4, 1)), atol=1e-5)
    normal = np.cross(table.select("row_x", "row_y", "row_z").row(0), table.select(pl.col("^column_[xyz]$")).row(0))
    np.testing.assert_allclose(normal, np.cross(sax_planes(1, 1.0)[0].row, sax_planes(1, 1.0)[0].column), atol=1e-6)
    assert table["series_uid"].n_unique() == (3 if layout == "series_per_slice" else 1)
    assert table.select(pl.col("row_spacing_mm", "column_spacing_mm").unique()).row(0) == (3.0, 3.0)
    assert table.select("thickness_mm", "nominal_interval_ms", "height_cm").unique().rows() == [(8.0, 800.0, 170.0)]
    assert not table["velocity_encoded"].any()


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
@pytest.mark.parametrize("style", ["philips", "enhanced"])
def test_every_encoding_says_the_same(tmp_path: Path, syntax: str, style: Any) -> None:
    write_lax(tmp_path / "plain", "lax_4c", frames=2, style=style)
    write_lax(tmp_path / "coded", "lax_4c", frames=2, style=style, transfer_syntax=syntax)
    plain, coded = read_headers(tmp_path / "plain").instances, read_headers(tmp_path / "coded").instances
    assert coded["transfer_syntax"].to_list() == [syntax] * 2
    assert coded["has_pixels"].all()
    own = ["transfer_syntax", "file_size", "mtime_ns"]
    assert coded.drop(own).equals(plain.drop(own))


def test_junk_is_ignored_and_counted_and_nothing_is_touched(tmp_path: Path) -> None:
    folder = tmp_path / "a [b] (c) Größe"
    paths = write_sax(folder, slices=1, frames=2, extension="") + write_junk(folder)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    done: list[tuple[int, int]] = []
    table = read_headers(tmp_path, progress=lambda n, total: done.append((n, total)))
    assert table.instances["path"].to_list() == ["a [b] (c) Größe/s010_0000", "a [b] (c) Größe/s010_0001"]
    assert (table.n_files, table.n_ignored, table.problems.height) == (8, 6, 0)
    assert done[-1] == (6, 6)
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths} == before


def test_damage_is_a_row_with_a_reason(tmp_path: Path) -> None:
    paths = write_sax(tmp_path, slices=1, frames=6)
    truncate(paths[0], drop_bytes=1)
    truncate(paths[1], drop_bytes=2200)
    paths[2].write_bytes(paths[2].read_bytes()[:132])
    set_tags(paths[3], NumberOfFrames=2_000_000_000)
    drop_tags(paths[4], "PixelData")
    table = read_headers(tmp_path)
    codes = ["truncated_pixels", "truncated", "truncated", "truncated_pixels"]
    assert table.problems["code"].to_list() == codes
    assert "2047 bytes where the header promises 2048" in table.problems["sentence"][0]
    assert table.instances["path"].to_list() == [paths[n].name for n in (0, 3, 4, 5)]  # who it is of is known
    assert table.instances["has_pixels"].to_list() == [True, True, False, True]
    assert table.instances["defect"].is_null().to_list() == [False, False, True, True]


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, RLELossless, DeflatedExplicitVRLittleEndian])
def test_cut_compressed_files_are_found(tmp_path: Path, syntax: str) -> None:
    truncate(write_lax(tmp_path, "lax_2c", frames=1, transfer_syntax=syntax)[0], drop_bytes=20)
    table = read_headers(tmp_path)
    assert table.instances.is_empty() or table.instances["defect"].is_not_null().all()
    assert table.problems["code"].to_list()[0].startswith("truncated")


def test_unreadable_files_are_said(tmp_path: Path) -> None:
    path = write_lax(tmp_path, "lax_2c", frames=2)[0]
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert read_headers(tmp_path).problems.rows() == [
        (path.name, "permission_denied", "The file cannot be opened: Permission denied.")
    ]


def test_senseless_values_are_missing(tmp_path: Path) -> None:
    def spoil(dataset: Dataset, _slice: int, _frame: int) -> None:
        dataset.PixelSpacing, dataset.ImageOrientationPatient = ["0", "0"], ["0"] * 6
        dataset.StudyDate, dataset.PatientAge, dataset.PatientSize = "20120000", "", "0"
        dataset.EchoTime, dataset.NominalInterval, dataset.AcquisitionTime = "0", "0", "256199"
        del dataset.ImagePositionPatient
        dataset.SliceThickness = "7.25"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom rightly complains about what is written here
        path = write_sax(tmp_path, slices=1, frames=1, edit=spoil)[0]
    path.write_bytes(path.read_bytes().replace(b"7.25", b"7,2x"))
    row = read_headers(tmp_path).instances.row(0, named=True)
    absent = ("row_spacing_mm", "column_y", "position_z", "thickness_mm", "echo_time_ms", "nominal_interval_ms")
    assert [row[name] for name in (*absent, "acquisition_time_s", "height_cm")] == [None] * 8
    assert row["study_date"] == "20120000"
    assert row["age_years"] is None


def test_files_without_preamble_are_read(tmp_path: Path) -> None:
    with_meta, bare = write_lax(tmp_path, "lax_3c", frames=2)
    with_meta.write_bytes(with_meta.read_bytes()[132:])
    content = bare.read_bytes()
    bare.write_bytes(content[content.index(b"\x08\x00\x08\x00CS") :])
    table = read_headers(tmp_path)
    assert table.problems.is_empty()
    assert table.instances["transfer_syntax"].to_list() == [ExplicitVRLittleEndian] * 2


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_sequences_are_passed_over(tmp_path: Path, syntax: str) -> None:
    def nest(dataset: Dataset, _slice: int, _frame: int) -> None:
        inner = Dataset()
        inner.SeriesDescription = "not this one"
        middle = Dataset()
        middle.ReferencedImageSequence = DicomSequence([inner])
        middle["ReferencedImageSequence"].is_undefined_length = True
        middle.is_undefined_length_sequence_item = True
        dataset.ReferencedStudySequence = DicomSequence([middle, inner])
        dataset["ReferencedStudySequence"].is_undefined_length = True
        block = dataset.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x10, "OB", b"\1\2" * 40_000)

    write_lax(tmp_path, "lax_4c", frames=1, edit=nest, transfer_syntax=syntax)
    table = read_headers(tmp_path)
    assert table.problems.is_empty()
    assert table.instances["series_description"].to_list() == ["CINE_segmented_LAX_4Ch"]
    assert table.instances["position_x"][0] == pytest.approx(lax_plane("lax_4c").origin((32, 32), (4.0, 4.0))[0])


def test_sequences_of_unknown_kind_are_passed_over(tmp_path: Path) -> None:
    (path,) = write_lax(tmp_path, "lax_4c", frames=1)
    endless = b"\xff\xff\xff\xff"
    element = b"\x08\x00\x3e\x10" + b"AE\0\0" + b"x" * 0x4541  # without value type; its length spells one
    item = b"\xfe\xff\x00\xe0" + endless + element + b"\xfe\xff\x0d\xe0\0\0\0\0"
    unknown = b"\x09\x00\x10\x10UN\0\0" + endless + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    content = path.read_bytes()
    at = content.index(b"\x10\x00\x10\x00PN")
    path.write_bytes(content[:at] + unknown + content[at:])
    assert read_headers(tmp_path).problems.rows() == []
    assert read_headers(tmp_path).instances["patient_id"].to_list() == ["P001"]


def test_frames_of_enhanced_objects_must_be_described(tmp_path: Path) -> None:
    path = write_sax(tmp_path, slices=2, frames=3, style="enhanced")[0]
    table = read_headers(tmp_path).instances
    assert table["frame_item"].to_list() == list(range(6))
    assert table["temporal_position"].to_list() == [1, 2, 3, 1, 2, 3]
    dataset = dcmread(path)
    del dataset.PerFrameFunctionalGroupsSequence[-1]
    dataset.save_as(path)
    broken = read_headers(tmp_path)
    assert broken.instances.is_empty()
    assert "describes 5 frames and promises 6" in broken.problems["sentence"][0]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_frames_say_what_pydicom_reads_of_them(tmp_path: Path, syntax: str) -> None:
    def extend(dataset: Dataset, _slice: int, _frame: int) -> None:
        for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            cardiac, modifier = Dataset(), Dataset()
            cardiac.NominalPercentageOfCardiacPhase, cardiac.RRIntervalTimeNominal = 25.0 * number, 800.0
            modifier.InversionTimes = [90.0 + number, 7.0]
            group.CardiacSynchronizationSequence = DicomSequence([cardiac])
            group.MRModifierSequence = DicomSequence([modifier])
            group["MRModifierSequence"].is_undefined_length = True
        dataset["PerFrameFunctionalGroupsSequence"].is_undefined_length = True

    (path,) = write_sax(tmp_path, slices=2, frames=3, style="enhanced", edit=extend, transfer_syntax=syntax)
    table, groups = read_headers(tmp_path).instances, dcmread(path).PerFrameFunctionalGroupsSequence
    positions = [list(group.PlanePositionSequence[0].ImagePositionPatient) for group in groups]
    assert [list(row) for row in table.select(POSITION).rows()] == positions
    assert table["trigger_time_ms"].to_list() == [200.0 * number for number in range(6)]
    assert table["inversion_time_ms"].to_list() == [90.0 + number for number in range(6)]


def test_large_files_are_read_fewer_at_a_time() -> None:
    files = [(f"{n:04}.dcm", 40_000_000 if n < 200 else 200_000, 0) for n in range(2000)]
    with processes.Team(1) as team:
        pieces = list(headers.read_all(list, files, total=len(files), team=team, progress=None))
    assert [file for piece in pieces for file in piece] == files
    assert max(sum(size for _, size, _ in piece) for piece in pieces) < 2e9
    assert max(map(len, pieces)) > 1000


def test_links_neither_loop_nor_lead_outside(tmp_path: Path) -> None:
    root, outside = tmp_path / "cohort", tmp_path / "elsewhere"
    path = write_lax(root / "study", "lax_2c", frames=1)[0]
    hidden = write_lax(root / ".annex", "lax_3c", frames=1)[0]
    far = write_lax(outside, "lax_4c", frames=1)[0]
    (root / "loop").symlink_to(root)
    (root / "again.dcm").symlink_to(path)
    (root / "stored.dcm").symlink_to(hidden)
    (root / "far.dcm").symlink_to(far)
    (root / "gone.dcm").symlink_to(tmp_path / "nothing")
    table = read_headers(root)
    assert table.instances["path"].to_list() == ["stored.dcm", f"study/{path.name}"]
    assert table.problems.select("path", "code").rows() == [("far.dcm", "link_outside"), ("gone.dcm", "broken_link")]


def test_folders_behind_links_are_walked_once(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    names = {view: write_lax(root / ".store" / "deep" / view, view, frames=1)[0].name for view in ("lax_2c", "lax_3c")}
    write_lax(root / "A", "lax_4c", frames=1)
    (root / "B").symlink_to(root / ".store" / "deep" / "lax_2c")
    (root / "C").symlink_to(root / ".store")  # holds what B leads to, and a way back
    (root / ".store" / "back").symlink_to(root)
    (root / "E").symlink_to(root / ".store" / "deep")
    (root / "x.dcm").symlink_to(root / ".store" / "deep" / "lax_2c" / names["lax_2c"])
    table = read_headers(root)
    assert [path.rpartition("/")[0] for path in table.instances["path"]] == ["A", "B", "C/deep/lax_3c"]
    assert table.instances["sop_uid"].n_unique() == 3 and table.problems.is_empty()


def test_names_of_any_bytes_are_read_once_and_written_as_text(tmp_path: Path) -> None:
    root = tmp_path / "cohort"
    write_lax(root / "A", "lax_4c", frames=1)
    folders = [root / os.fsdecode(name) for name in (b"M\xfcller", b"Gr\xf6be")]
    for folder in folders:
        write_lax(folder, "lax_2c", frames=1)
    write_lax(root / "M\\xfcller", "lax_2c", frames=1)  # those very letters
    write_lax(tmp_path, "lax_3c", frames=1)[0].rename(root / "A" / os.fsdecode(b"\xe9.dcm"))
    (root / "A" / os.fsdecode(b"cut\xe9\n.dcm")).write_bytes(next(folders[0].iterdir()).read_bytes()[:300])
    (root / "Groebe").symlink_to(folders[1])
    table = read_headers(root)
    folders_read = [path.rpartition("/")[0] for path in table.instances["path"]]
    assert folders_read == ["A", "A", "Gr\\xf6be", "M\\x5cxfcller", "M\\xfcller"]
    assert "A/\\xe9.dcm" in table.instances["path"]
    assert table.problems.select("path", "code").rows() == [("A/cut\\xe9\\x0a.dcm", "truncated")]


def test_people_are_told_apart_without_being_named(tmp_path: Path) -> None:
    for number, (name, birth) in enumerate(
        [("Doe^Jane", "19600203"), ("DOE^JANE ", "19600203"), ("Roe^Ann", "19600203")]
    ):
        write_lax(tmp_path / str(number), "lax_4c", frames=1, name=name, birth_date=birth)
    write_lax(tmp_path / "3", "lax_4c", frames=1, name="ANONYMOUS", birth_date="19600203")
    write_lax(tmp_path / "4", "lax_4c", frames=1, name="Doe^Jane", birth_date="")
    table = read_headers(tmp_path).instances
    keys = table["person_key"].to_list()
    assert keys[0] == keys[1] != keys[2]
    assert keys[3:] == [None, None]
    assert not any(word in table.write_csv() for word in ("Doe", "DOE", "Roe", "19600203"))


def person(name: str | bytes, *, charset: str = "") -> str | None:
    raw = name if isinstance(name, bytes) else name.encode()
    return person_key(text(raw, charset=charset), b"19600203", "F", salt=b"s")


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        ("Müller^Anna".encode("latin-1"), ""),
        ("Müller^Anna".encode("latin-1"), "ISO_IR 100"),
        ("Müller^Anna".encode("latin-1"), "ISO_IR 192"),  # what it says is not what it is
        ("Müller^Anna".encode("iso8859-2"), "ISO_IR 101"),
        ("Müller^Anna", ""),
        ("MÜLLER^ANNA", "ISO_IR 192"),
        ("Mu\u0308ller, Anna ", "ISO_IR 192"),
    ],
)
def test_one_name_is_one_person_however_it_is_written(name: str | bytes, charset: str) -> None:
    key = person(name, charset=charset)
    assert key == person("Müller^Anna", charset="ISO_IR 192") != person("Muller^Anna")
    assert "ller" not in str(key).lower()
    with_kanji = "Yamada^Tarou=山田^太郎"
    assert person(with_kanji.encode("iso2022_jp"), charset="\\ISO 2022 IR 87") == person(with_kanji)


@pytest.mark.parametrize("name", ["Testa^Maria", "Tester^Tom", "Patientia^A", "Xu^Li", "Nonell^B", "Anonuevo^C"])
def test_surnames_that_begin_like_placeholders_are_names(name: str) -> None:
    assert person(name)


@pytest.mark.parametrize(
    "name",
    ["Test^Tom", "ANON-7", "anonymised^", "Anonimo", "PATIENT 001", "xxx^", "De-Identified", "no name", "TEST01"],
)
def test_placeholders_are_nobody(name: str) -> None:
    assert person(name) is None


def test_flow_is_marked(tmp_path: Path) -> None:
    for style in ("siemens", "ge", "philips", "enhanced"):
        write_flow(tmp_path / style, frames=1, style=style)
    write_lge(tmp_path / "lge", slices=1)
    table = read_headers(tmp_path).instances
    marked = table.filter("velocity_encoded")["path"].str.split("/").list.first().unique().sort()
    assert marked.to_list() == ["enhanced", "ge", "philips", "siemens"]


@pytest.mark.parametrize(("pulse", "flows"), [("2dfiesta", False), ("fcinepc", True)])
def test_a_left_over_velocity_is_no_flow(tmp_path: Path, pulse: str, flows: bool) -> None:
    def private(dataset: Dataset, _slice: int, _frame: int) -> None:
        block = dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
        block.add_new(0x9C, "LO", pulse)
        block.add_new(0xCC, "SS", 150)

    write_sax(tmp_path, slices=1, frames=1, style="ge", edit=private)
    assert read_headers(tmp_path).instances["velocity_encoded"].to_list() == [flows]


def test_converted_objects_keep_their_trigger_times(tmp_path: Path) -> None:
    def convert(dataset: Dataset, _slice: int, _frame: int) -> None:
        for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
            del group.CardiacSynchronizationSequence
            item = Dataset()
            item.TriggerTime = f"{number * 31}"
            group.UnassignedPerFrameConvertedAttributesSequence = DicomSequence([item])
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.4"

    write_sax(tmp_path, slices=1, frames=3, style="enhanced", edit=convert)
    assert read_headers(tmp_path).instances["trigger_time_ms"].to_list() == [0.0, 31.0, 62.0]


def test_processes_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_study(tmp_path)
    write_junk(tmp_path)
    alone = read_headers(tmp_path, jobs=1)
    monkeypatch.setattr(headers, "_MOST_AT_ONCE", 32)
    monkeypatch.setattr(headers, "_LEAST_AT_ONCE", 1)
    monkeypatch.setattr(processes, "POOL_PAYS_S", -1.0)
    together = read_headers(tmp_path, jobs=2)
    assert together.instances.equals(alone.instances)
    assert (together.n_files, together.n_ignored) == (alone.n_files, alone.n_ignored)


def test_no_folder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_headers(tmp_path / "nothing")


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_lax(tmp_path_factory.mktemp("one"), "lax_4c", frames=1)[0].read_bytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_ends_the_scan(tmp_path: Path, one_file: bytes, data: st.DataObject) -> None:
    content = bytearray(one_file)
    for position in data.draw(st.lists(st.integers(0, len(content) - 2049), max_size=4)):
        content[position] = data.draw(st.integers(0, 255))
    (tmp_path / "file").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    table = read_headers(tmp_path)
    assert table.instances.height + table.problems.height + table.n_ignored >= 1


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("101530.250000", 36930.25), ("10:15:30", 36930.0), ("1015", 36900.0), ("20240102101530.5+0100", 36930.5),
     ("20200101120000+0100", 43200.0), ("2020010112", 43200.0), ("202001011230-0500", 45000.0), ("101530.", 36930.0),
     ("20200101", None), ("10-15", None), ("101", None), ("250000", None), ("noon", None), ("", None)],
)  # fmt: skip
def test_times_of_day(raw: str, expected: float | None) -> None:
    assert seconds(raw.encode()) == expected


def test_ages_and_foreign_text() -> None:
    assert [years(raw) for raw in (b"063Y", b"006M", b"000Y", b"old ", None)] == [63.0, 0.5, None, None, None]
    assert text("Größe".encode(), charset="ISO_IR 192") == "Größe"
    assert text("Größe".encode("latin-1")) == "Größe"
    assert text("短軸".encode("iso2022_jp"), charset="\\ISO 2022 IR 87") == "短軸"


@pytest.mark.skipif(not SCD.is_dir(), reason="the Sunnybrook studies are not on this machine")
def test_real_headers_are_what_pydicom_reads(tmp_path: Path) -> None:
    table = read_headers(SCD)
    assert (table.instances.height, table.n_ignored, table.problems.height) == (470, 0, 0)
    for row in table.instances[::10].iter_rows(named=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # these files have UIDs that pydicom complains about
            dataset = dcmread(SCD / row["path"], stop_before_pixels=True)
            assert row["series_uid"] == dataset.SeriesInstanceUID
            assert row["trigger_time_ms"] == (dataset.get("TriggerTime") if "TriggerTime" in dataset else None)
            assert [row[name] for name in POSITION] == list(dataset.ImagePositionPatient)
            assert (row["rows"], row["columns"]) == (dataset.Rows, dataset.Columns)
            assert (row["instance_number"], row["series_number"]) == (dataset.InstanceNumber, dataset.SeriesNumber)
            assert row["repetition_time_ms"] == dataset.RepetitionTime
    assert table.instances["person_key"].null_count() == 470  # no valid birth dates
    shutil.copy(SCD / table.instances["path"][0], tmp_path / "cut")
    truncate(tmp_path / "cut", drop_bytes=1)
    assert read_headers(tmp_path).problems["code"].to_list() == ["truncated_pixels"]
