import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nibabel as nib
import numpy as np
import polars as pl
import pytest
from dicom_factory import write_sax
from hypothesis import given, settings
from hypothesis import strategies as st
from made_results import a_cine, a_result, a_study
from nifti_factory import write_cine

from cinema_cli.domain.cine import Cine, CineStudy, View
from cinema_cli.domain.errors import InputError, StudyError
from cinema_cli.inference.orientation import display_stack
from cinema_cli.io.index import CohortIndex, plan_of, scan, studies, study_digests
from cinema_cli.io.nifti import affine_ras, write_masks
from cinema_cli.io.nifti_names import read_name
from cinema_cli.io.study import read_study

FORMS = [
    {},
    {"flips": (0,)},
    {"flips": (1, 2)},
    {"flips": (0, 1, 2)},
    {"axes": (1, 0, 2)},
    {"axes": (2, 0, 1), "flips": (2,)},
    {"axes": (0, 2, 1)},
    {"forms": (0, 1)},
    {"forms": (2, 0), "kind": nib.Nifti2Image},
]


@pytest.fixture(scope="module")
def cine() -> Cine:
    """A short axis that lies as in people, with numbers that differ from image to image."""
    whole = a_cine()
    random = np.random.default_rng(5)
    slices, rows, columns, frames, step = 6, 24, 20, 10, 8.0
    right, down = np.array([0.7071, 0.7071, 0.0]), np.array([-0.35, 0.35, -0.869])
    down /= np.linalg.norm(down)
    towards = np.cross(right, down)  # to the base
    origins = np.array([-20.0, 30.0, 10.0]) - np.arange(slices)[:, None] * step * towards
    return replace(
        whole, view=View.SAX, pixels=random.integers(0, 900, (frames, slices, rows, columns)).astype(np.float32),
        pixel_spacing_mm=(1.5, 1.25), slice_spacing_mm=step, thickness_mm=step, origins_mm=origins,
        row_direction=right, column_direction=down, times_ms=np.arange(frames) * 80.0, cycle_ms=800.0, notes=(),
    )  # fmt: skip


def study_of(index: CohortIndex, number: int = 0) -> CineStudy:
    return read_study(plan_of(index, studies(index)[number]))


def test_a_cine_comes_back_as_it_was(tmp_path: Path, cine: Cine) -> None:
    write_cine(tmp_path / "sub-01" / "sub-01_cine.nii.gz", cine, step=0.08, units="sec")
    index = scan(tmp_path, jobs=1)
    (row,) = index.series.to_dicts()
    assert (row["verdict"], row["view"], row["slices"], row["frames"]) == ("used", "sax", 6, 10)
    assert (row["transfer_syntax"], row["time_step_ms"], row["flags"]) == ("NIfTI", 80.0, "")
    study = study_of(index)
    assert (study.participant_id, study.session_id) == ("sub-01", "ses-1")
    found = study.cines[View.SAX]
    np.testing.assert_array_equal(found.pixels, cine.pixels)
    np.testing.assert_allclose(affine_ras(found), affine_ras(cine), atol=1e-4)
    np.testing.assert_allclose(found.times_ms, cine.times_ms, atol=1e-4)
    assert found.cycle_ms == pytest.approx(800.0) and found.known_frames == {}


@pytest.mark.parametrize("form", FORMS)
def test_however_a_grid_is_stored_the_heart_is_the_same_and_masks_fit_the_file(
    tmp_path: Path, cine: Cine, form: dict[str, Any]
) -> None:
    path = tmp_path / "in" / "P7_sa.nii.gz"
    stored = write_cine(path, cine, step=80.0, **form)
    study = study_of(scan(tmp_path / "in", jobs=1))
    found = study.cines[View.SAX]
    assert found.voxel_ml == pytest.approx(cine.voxel_ml, rel=1e-5)
    np.testing.assert_array_equal(display_stack(found).images, display_stack(cine).images)
    result = replace(a_result(a_study()), masks={View.SAX: (found.pixels > 600).astype(np.uint8) * 3})
    write_masks(tmp_path / "out", result, found)
    mask, source = (nib.load(p) for p in (tmp_path / "out/sub-0001/ses-1/P7_sa_dseg.nii.gz", path))
    np.testing.assert_array_equal(np.asarray(mask.dataobj), (stored > 600) * np.uint8(3))
    assert mask.affine.tobytes() == source.affine.tobytes() and mask.shape == source.shape
    for name in ("pixdim", "sform_code", "qform_code", "srow_x", "quatern_b", "qoffset_z", "xyzt_units"):
        np.testing.assert_array_equal(mask.header[name], source.header[name])
    raw = gzip.decompress((tmp_path / "out/sub-0001/ses-1/P7_sa_dseg.nii.gz").read_bytes())
    assert not any(secret in raw for secret in (b"Doe", b"doe", b"secret")), "free text of a header came through"


def test_ed_and_es_files_are_one_study_whose_moments_are_given(tmp_path: Path, cine: Cine) -> None:
    write_cine(tmp_path / "patient001_ed.nii.gz", cine, frames=9)
    write_cine(tmp_path / "patient001_es.nii.gz", cine, frames=3)
    index = scan(tmp_path, jobs=1)
    assert index.series.select("participant_id", "verdict", "slices", "frames").rows() == [
        ("sub-patient001", "used", 6, 2)
    ]
    found = study_of(index).cines[View.SAX]
    np.testing.assert_array_equal(found.pixels, cine.pixels[[9, 3]])
    assert found.known_frames == {"ed": 0, "es": 1} and found.cycle_ms is None
    assert [file.name for file in found.files] == ["patient001_ed", "patient001_es"]
    assert index.notes.is_empty()


def test_a_cine_beats_its_own_frames_and_files_are_never_joined(tmp_path: Path, cine: Cine) -> None:
    plain = np.diag([1.25, 1.5, 8.0, 1.0])  # which puts every file at one place
    write_cine(tmp_path / "P1_4d.nii.gz", cine, affine=plain)
    for frame in (0, 4):
        write_cine(tmp_path / f"P1_frame{frame:02d}.nii.gz", cine, frames=frame, affine=plain)
    write_cine(tmp_path / "P1_LA_ed.nii.gz", replace(cine, pixels=cine.pixels[:, :1]), frames=0, affine=plain)
    index = scan(tmp_path, jobs=1)
    said = index.series.select("slices", "frames", "verdict", "reason_code").rows()
    assert sorted(said) == [(1, 1, "rejected", "unknown_view"), (6, 2, "rejected", "repeated"), (6, 10, "used", "")]
    found = study_of(index).cines[View.SAX]
    assert found.n_slices == 6 and [file.name for file in found.files] == ["P1_4d"]


def test_two_frames_of_unknown_moments_are_taken_as_they_are(tmp_path: Path, cine: Cine) -> None:
    for frame in (9, 2):
        write_cine(tmp_path / f"P1_frame{frame:02d}.nii.gz", cine, frames=frame)
    found = study_of(scan(tmp_path, jobs=1)).cines[View.SAX]
    assert found.known_frames == {}
    np.testing.assert_array_equal(found.pixels, cine.pixels[[2, 9]])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("patient001_ed.nii.gz", ("patient001", "", "", "ed", False)),
        ("patient001_frame07.nii", ("patient001", "", "", "frame", False)),
        ("patient001_ES_gt.nii.gz", ("patient001", "", "", "es", True)),
        ("patient001_4d.nii.gz", ("patient001", "", "4d", None, False)),
        ("sub-0001/ses-2/anat/sub-0001_ses-2_acq-sax_cine.nii.gz", ("0001", "2", "acq-sax cine", None, False)),
        ("sub-0001/ses-2/sax_dseg.nii.gz", ("0001", "2", "sax", None, True)),
        ("001/001_SA_ED.nii.gz", ("001", "", "SA", "ed", False)),
        ("A0S9V9_sa.nii.gz", ("A0S9V9", "", "sa", None, False)),
        ("Site1_P7_sa_ES.nii.gz", ("Site1_P7", "", "sa", "es", False)),
        ("1000015/la_4ch.nii.gz", (None, "", "la 4ch", None, False)),
        ("1000015/seg_sa_ED.nii.gz", (None, "", "sa", "ed", True)),
        ("1234567_20209_2_0_sax.nii.gz", ("1234567", "2", "sax", None, False)),
        ("P1.ed.nii.gz", ("P1", "", "", "ed", False)),
    ],
)
def test_names_tell_whose_it_is_and_what_it_shows(path: str, said: tuple[Any, ...]) -> None:
    name = read_name(path)
    assert (name.participant, name.session, name.words, name.moment, name.is_labels) == said


def test_sessions_of_names_stay_and_people_stay_apart(tmp_path: Path, cine: Cine) -> None:
    for person in ("0001", "0002"):
        for visit in ("1", "3"):
            write_cine(tmp_path / f"sub-{person}/ses-{visit}/sub-{person}_ses-{visit}_sax.nii.gz", cine)
    for folder in ("Anna", "Berta"):
        write_cine(tmp_path / folder / "sax.nii.gz", cine)
    keys = studies(scan(tmp_path, jobs=1))
    people = [("sub-0001", "ses-1"), ("sub-0001", "ses-3"), ("sub-0002", "ses-1"), ("sub-0002", "ses-3")]
    assert [(key.participant_id, key.session_id) for key in keys] == [
        *people, ("sub-Anna", "ses-1"), ("sub-Berta", "ses-1"),
    ]  # fmt: skip


def test_labels_are_a_rejected_series_and_alone_no_study(tmp_path: Path, cine: Cine) -> None:
    write_cine(tmp_path / "P1_ed.nii.gz", cine, frames=0)
    write_cine(tmp_path / "P1_ed_gt.nii.gz", cine, frames=0)
    write_cine(tmp_path / "labels" / "P2_sax_dseg.nii.gz", cine)
    index = scan(tmp_path, jobs=1)
    assert sorted(index.series.select("participant_id", "verdict", "reason_code").rows()) == [
        ("sub-P1", "rejected", "label_map"),
        ("sub-P1", "used", ""),
    ]


def test_dicom_and_nifti_lie_in_one_cohort(tmp_path: Path, cine: Cine) -> None:
    write_sax(tmp_path / "dicom", slices=6, frames=10)
    write_cine(tmp_path / "nifti" / "P9_sax.nii.gz", cine, step=80.0)
    index = scan(tmp_path, jobs=1)
    assert [(key.participant_id, key.session_id) for key in studies(index)] == [
        ("sub-P001", "ses-1"), ("sub-P9", "ses-1"),
    ]  # fmt: skip
    assert index.series["verdict"].to_list() == ["used", "used"]
    assert [study_of(index, n).cines[View.SAX].files == () for n in (0, 1)] == [True, False]


def damaged(edit: Callable[[Any], None], **how: Any) -> Callable[[Path, Cine], None]:
    """What writes a cine whose header was changed."""

    def write(path: Path, cine: Cine) -> None:
        write_cine(path, cine, **how)
        header = nib.load(path).header.copy()
        edit(header)
        path.write_bytes(gzip.compress(header.binaryblock + gzip.decompress(path.read_bytes())[348:]))

    return write


def set_fields(**values: Any) -> Callable[[Any], None]:
    def edit(header: Any) -> None:
        for name, value in values.items():
            header[name] = value

    return edit


def cut(path: Path, cine: Cine) -> None:
    write_cine(path, cine)
    raw = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(raw[: len(raw) // 2]))


def cut_packed(path: Path, cine: Cine) -> None:
    write_cine(path, cine)
    path.write_bytes(path.read_bytes()[:-4000])


def junk(path: Path, cine: Cine) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no image at all" * 100)


def empty(path: Path, cine: Cine) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


NO_FORMS = {"sform_code": 0, "qform_code": 0}
SHEARED = [[1.25, 0.6, 0, 0], [0, 1.37, 0, 0], [0, 0, 8, 0]]


@pytest.mark.parametrize(
    ("write", "code", "words"),
    [
        (cut, "damaged_nifti", "cut short"),
        (cut_packed, "damaged_nifti", "cut short"),
        (junk, "damaged_nifti", "gzip"),
        (empty, "damaged_nifti", "header"),
        (damaged(set_fields(pixdim=[1, 0, 1, 8, 1, 0, 0, 0])), "bad_spacing", "pixdim is 0 x 1 x 8"),
        (damaged(set_fields(pixdim=[1, np.nan, 1, 8, 1, 0, 0, 0])), "bad_spacing", "pixdim"),
        (damaged(set_fields(pixdim=[1, 1, 1, 1, 1, 0, 0, 0], **NO_FORMS)), "bad_spacing", "no voxel size"),
        (damaged(set_fields(pixdim=[1, 2.5, 3, 8, 1, 0, 0, 0], qform_code=0)), "bad_spacing", "a guess"),
        (damaged(set_fields(srow_x=[0, 0, 0, 0], srow_y=[0] * 4, srow_z=[0] * 4)), "no_geometry", "zeros"),
        (damaged(set_fields(sform_code=0, quatern_b=3.0)), "no_geometry", "rotation"),
        (damaged(lambda h: [h.__setitem__(f"srow_{c}", r) for c, r in zip("xyz", SHEARED, strict=True)]),
         "no_geometry", "sheared"),
        (lambda path, cine: write_cine(path, cine, frames=2), "single_frame", "neither ed, es nor frame"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_row_with_a_reason(
    tmp_path: Path, cine: Cine, write: Callable[[Path, Cine], None], code: str, words: str
) -> None:
    write(tmp_path / "P1" / "P1_sax.nii.gz", cine)
    write_cine(tmp_path / "P2" / "P2_sax.nii.gz", cine)
    index = scan(tmp_path, jobs=1)
    (row,) = index.series.filter(participant_id="sub-P1").to_dicts()
    assert (row["verdict"], row["reason_code"]) == ("rejected", code) and words in row["reason"]
    assert index.series.filter(participant_id="sub-P2")["verdict"].to_list() == ["used"]
    with pytest.raises(StudyError) as caught:
        study_of(index)
    assert caught.value.code == code
    if code != "single_frame":
        assert index.problems.select("path", "code").rows() == [("P1/P1_sax.nii.gz", code)]


def test_damage_inside_is_an_error_of_the_study_and_a_change_another_digest(tmp_path: Path, cine: Cine) -> None:
    path = tmp_path / "P1_sax.nii"
    write_cine(path, cine)
    index = scan(tmp_path, jobs=1)
    before = study_digests(index, studies(index))
    raw = bytearray(path.read_bytes())
    raw[5000:5004] = np.float32(np.nan).tobytes()
    path.write_bytes(raw)
    with pytest.raises(StudyError, match="cannot be used"):
        study_of(index)
    again = scan(tmp_path, jobs=1)
    assert study_digests(again, studies(again)) != before
    path.unlink()
    with pytest.raises(StudyError, match="gone"):
        study_of(index)


def test_an_index_reads_only_what_changed(tmp_path: Path, cine: Cine) -> None:
    cohort, kept = tmp_path / "in", tmp_path / "index"
    for n in (1, 2):
        write_cine(cohort / f"P{n}_ed.nii.gz", cine, frames=n)
    for path in cohort.iterdir():
        os.utime(path, (1e9, 1e9))
    assert scan(cohort, jobs=1, index_dir=kept).n_read == 2
    assert scan(cohort, jobs=1, index_dir=kept).n_read == 0
    write_cine(cohort / "P3_ed.nii.gz", cine, frames=3)
    index = scan(cohort, jobs=1, index_dir=kept)
    assert index.n_read == 1 and len(studies(index)) == 3


def test_hashed_ids_are_in_no_name_of_a_mask(tmp_path: Path, cine: Cine) -> None:
    write_cine(tmp_path / "Doe_ed.nii.gz", cine, frames=0)
    write_cine(tmp_path / "Doe_es.nii.gz", cine, frames=3)
    study = study_of(scan(tmp_path, jobs=1, hash_key=b"0123456789abcdef"))
    names = [file.name for file in study.cines[View.SAX].files]
    assert names == [f"{study.participant_id}_ses-1_sax_{n}" for n in (1, 2)] and "Doe" not in study.participant_id


def test_without_orientation_slices_count_as_they_stand(tmp_path: Path, cine: Cine) -> None:
    plain = np.diag([1.25, 1.5, 8.0, 1.0])
    write_cine(tmp_path / "P1_sax.nii.gz", cine, affine=plain)
    index = scan(tmp_path, jobs=1)
    assert "orientation_unknown" in index.series["flags"][0]
    np.testing.assert_array_equal(display_stack(study_of(index).cines[View.SAX]).images, cine.pixels)


def test_a_folder_of_labels_alone_says_so(tmp_path: Path, cine: Cine) -> None:
    write_cine(tmp_path / "P1_sax_gt.nii.gz", cine)
    with pytest.raises(InputError, match="SEG"):
        scan(tmp_path, jobs=1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.integers(0, 87), st.integers(0, 2**32 - 1), min_size=1, max_size=4))
def test_whatever_a_header_says_it_is_a_row(words: dict[int, int]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "P1_sax.nii"
        write_cine(path, a_cine(), frames=[0, 1])
        raw = bytearray(path.read_bytes())
        for place, value in words.items():
            raw[4 * place : 4 * place + 4] = value.to_bytes(4, "little")
        path.write_bytes(raw)
        index = scan(Path(folder), jobs=1)
        assert index.series.height >= 1
        assert not index.series.filter((pl.col("verdict") == "rejected") & (pl.col("reason") == "")).height
