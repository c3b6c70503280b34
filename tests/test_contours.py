from pathlib import Path

import numpy as np
import pytest
from test_real_studies import SCD

from cinema_cli.domain.cine import Label
from cinema_cli.domain.errors import InputError
from cinema_cli.io.contours import contour_files, contour_folders, filled, images_of, read_contours, read_points

needs_data = pytest.mark.skipif(not SCD.is_dir(), reason="the Sunnybrook studies are not on this machine")


@needs_data
@pytest.mark.parametrize(
    ("person", "edv_ml", "esv_ml", "slices"),  # reference.csv beside the contours
    [("SCD0000101", 195.8, 145.2, slice(1, 10)), ("SCD0000301", 233.9, 183.5, slice(0, 10))],
)
def test_filled_contours_have_the_volumes_of_the_data_set(
    person: str, edv_ml: float, esv_ml: float, slices: slice
) -> None:
    stack = read_contours(SCD / "contours" / person, images=SCD / "dicom" / person)
    volumes = np.count_nonzero(stack.labels == Label.LV, axis=(1, 2, 3)) * np.prod(stack.spacing_mm) / 1000
    np.testing.assert_allclose(sorted(volumes[volumes > 0]), [esv_ml, edv_ml], atol=0.06)
    known = stack.known[Label.LV]
    assert stack.n_frames == 20 and known.sum() == 2 * len(range(*slices.indices(99)))
    assert all(row[slices].all() for row in known if row.any())
    wall = stack.known[Label.MYO]
    assert np.flatnonzero(wall.any(axis=1)) == np.argmax(volumes)  # drawn at ED alone
    assert Label.RV not in stack.known and (stack.labels[known] > 0).any()


@needs_data
def test_people_and_their_images_are_found(tmp_path: Path) -> None:
    people = contour_folders(SCD)
    assert list(people) == ["SCD0000101", "SCD0000301"] and contour_folders(SCD / "contours") == people
    assert images_of("SCD0000101", (SCD,)) == SCD / "dicom" / "SCD0000101"
    assert images_of("SCD0000101", (SCD / "contours", SCD)) == SCD / "dicom" / "SCD0000101"
    assert images_of("SCD0000101", (tmp_path,)) is None


@needs_data
def test_contours_beside_images_of_another_are_refused() -> None:
    with pytest.raises(InputError, match="no series"):
        read_contours(SCD / "contours" / "SCD0000101", images=SCD / "dicom" / "SCD0000301")


def test_folders_of_the_original_archive(tmp_path: Path) -> None:
    folder = tmp_path / "SC-HF-I-1" / "contours-manual" / "IRCCI-expert"
    folder.mkdir(parents=True)
    for name in ("IM-0001-0048-icontour-manual.txt", "IM-0001-0048-ocontour-manual.txt", "IM-0001-0048-p1contour.txt"):
        (folder / name).touch()
    assert contour_folders(tmp_path) == {"SC-HF-I-1": tmp_path / "SC-HF-I-1"}
    files = contour_files(tmp_path / "SC-HF-I-1")
    assert list(files.inner) == [48] and list(files.outer) == [48]


def test_a_line_is_inside_and_a_polygon_may_leave_the_image() -> None:
    square = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [2.0, 3.0], [3.0, 3.0], [3.0, 2.0], [3.0, 1.0], [2.0, 1.0]])
    expected = np.zeros((5, 6), bool)
    expected[1:4, 1:4] = True
    np.testing.assert_array_equal(filled(square, shape=(5, 6)), expected)
    between = np.array([[0.6, 1.4], [0.6, 3.4], [2.5, 3.4], [2.5, 1.4]])  # (column, row)
    expected = np.zeros((5, 6), bool)
    expected[2:4, 1:3] = True
    np.testing.assert_array_equal(filled(between, shape=(5, 6)), expected)
    np.testing.assert_array_equal(filled(between[::-1], shape=(5, 6)), expected)
    assert filled(np.array([[-4.5, -3.5], [-4.5, 9.5], [9.5, 9.5], [9.5, -3.5]]), shape=(5, 6)).all()


@pytest.mark.parametrize("text", ["", "1 2\n3 4\n", "1 2\nx y\n3 4\n", "1\n2\n3\n", "1 2\n3 4\nnan 5\n"])
def test_what_is_no_contour_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(InputError, match=r"c\.txt is not a list of points"):
        read_points(tmp_path / "c.txt")


def test_a_folder_without_contours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no contours"):
        read_contours(tmp_path, images=tmp_path)
