"""Pixels: every encoding gives the same values, in the order asked, or says why not."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from archive_factory import ENDS, pack_folder, patched, zip_bytes
from dicom_factory import heart_image, lax_plane, sax_planes, set_tags, truncate, write_lax, write_sax
from pydicom import data
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from cinema_cli.domain.errors import StudyError
from cinema_cli.io import pixels
from cinema_cli.io.pixels import read_frames

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


@pytest.mark.parametrize("style", ["siemens", "enhanced"])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_every_encoding_gives_the_values_that_were_drawn(tmp_path: Path, syntax: str, style: Any) -> None:
    paths = write_sax(tmp_path, slices=2, frames=2, style=style, transfer_syntax=syntax, rescale=(0.5, -20.0))
    rows = (
        [(paths[0].name, None, item) for item in range(4)]
        if style == "enhanced"
        else [(path.name, None, 0) for path in paths]
    )
    drawn = [
        heart_image(plane, size=(32, 32), spacing=(3.0, 3.0), phase=phase) * 0.5 - 20.0
        for plane in sax_planes(2, 10.0)
        for phase in (0.0, 0.5)
    ]
    found = read_frames(tmp_path, rows[::-1])
    assert {frame.dtype for frame in found} == {np.dtype("float32")}
    np.testing.assert_array_equal(np.stack(found[::-1]), np.stack(drawn))


@pytest.mark.parametrize("coded", ["MR_small_jpeg_ls_lossless.dcm", "MR_small_jp2klossless.dcm", "MR_small_RLE.dcm"])
def test_files_of_other_encoders_give_the_same_image(tmp_path: Path, coded: str) -> None:
    for name in ("MR_small.dcm", coded):  # both come with pydicom
        shutil.copy(str(data.get_testdata_file(name, download=False)), tmp_path)
    plain, other = read_frames(tmp_path, [("MR_small.dcm", None, 0), (coded, None, 0)])
    assert plain.max() > 100
    np.testing.assert_array_equal(plain, other)


def test_each_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = write_sax(tmp_path, slices=2, frames=3, style="enhanced")[0].name
    opened: list[Any] = []
    real = pixels.dcmread
    monkeypatch.setattr(pixels, "dcmread", lambda *a, **k: (opened.append(a), real(*a, **k))[1])
    frames = read_frames(tmp_path, [(name, None, 4), (name, None, 0), (name, None, 4)])
    assert len(opened) == 1
    np.testing.assert_array_equal(frames[0], frames[2])
    assert not np.array_equal(frames[0], frames[1])


def test_monochrome1_is_turned_round(tmp_path: Path) -> None:
    path = write_lax(tmp_path, "lax_4c", frames=1)[0]
    plain = read_frames(tmp_path, [(path.name, None, 0)])[0]
    set_tags(path, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(read_frames(tmp_path, [(path.name, None, 0)])[0], 4095.0 - plain)


def test_signed_values_keep_their_sign(tmp_path: Path) -> None:
    def sign(dataset: Dataset, _slice: int, _frame: int) -> None:
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
        dataset.PixelData = (np.arange(1024) - 512).astype("<i2").tobytes()

    path = write_lax(tmp_path, "lax_4c", frames=1, edit=sign)[0]
    frame = read_frames(tmp_path, [(path.name, None, 0)])[0]
    assert (frame.min(), frame.max()) == (-512.0, 511.0)


def test_a_file_without_preamble_is_decoded(tmp_path: Path) -> None:
    path = write_lax(tmp_path, "lax_2c", frames=1)[0]
    content = path.read_bytes()
    path.write_bytes(content[content.index(b"\x08\x00\x08\x00CS") :])
    drawn = heart_image(lax_plane("lax_2c"), size=(32, 32), spacing=(4.0, 4.0), phase=0.0)
    np.testing.assert_array_equal(read_frames(tmp_path, [(path.name, None, 0)])[0], drawn)


def failure(folder: Path, path: Path, item: int = 0) -> tuple[str, str]:
    with pytest.raises(StudyError) as caught:
        read_frames(folder, [(path.name, None, item)])
    assert caught.value.hint
    assert "image 1" in caught.value.message and path.name not in caught.value.message
    assert caught.value.__notes__ == [f"file: {folder / path.name}"]
    return caught.value.stage, caught.value.code


def test_what_cannot_be_read_says_why(tmp_path: Path) -> None:
    cut, wrong, gone, colour, spoilt = write_lax(tmp_path, "lax_4c", frames=5)
    truncate(cut, drop_bytes=100)
    wrong.write_text("no image\n" * 40)
    gone.unlink()
    set_tags(colour, PhotometricInterpretation="RGB", SamplesPerPixel=3)
    (jpeg,) = write_lax(tmp_path / "j", "lax_2c", frames=1, transfer_syntax=JPEG2000Lossless)
    content = jpeg.read_bytes()
    start = content.index(b"\xff\x4f\xff\x51")
    spoilt.write_bytes(content[:start] + b"\0" * 60 + content[start + 60 :])
    assert failure(tmp_path, cut) == ("read", "truncated_pixels")
    assert failure(tmp_path, wrong) == ("read", "undecodable")
    assert failure(tmp_path, gone) == ("read", "vanished")
    assert failure(tmp_path, colour) == ("read", "colour")
    assert failure(tmp_path, spoilt) == ("read", "undecodable")


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, JPEG2000Lossless])
def test_members_of_archives_give_what_their_files_give(tmp_path: Path, end: str, syntax: str) -> None:
    folder = tmp_path / "f"
    paths = write_sax(folder / "a", slices=2, frames=2, transfer_syntax=syntax)
    paths += write_sax(folder / "b", slices=1, frames=3, style="enhanced", transfer_syntax=syntax)
    pack_folder(tmp_path / f"x.{end}", folder)
    places = [(str(path.relative_to(folder)), item) for path in paths for item in range(3 if path in paths[4:] else 1)]
    files = read_frames(folder, [(name, None, item) for name, item in places])
    rows = [(f"x.{end}", name, item) for name, item in places]
    for order in (rows, rows[::-1]):
        found = dict(zip(order, read_frames(tmp_path, order), strict=True))
        np.testing.assert_array_equal(np.stack([found[row] for row in rows]), np.stack(files))
    mixed = read_frames(tmp_path, [(f"f/{places[1][0]}", None, 0), rows[1], (f"f/{places[0][0]}", None, 0)])
    np.testing.assert_array_equal(np.stack(mixed), np.stack([files[1], files[1], files[0]]))


def test_what_cannot_be_read_of_an_archive_says_why_without_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    paths = write_lax(folder, "lax_4c", frames=3)
    member = paths[0].name
    whole = pack_folder(tmp_path / "x.zip", folder).read_bytes()
    line, local = whole.index(b"PK\1\2"), whole.index(b"PK\3\4")
    truncate(paths[0], drop_bytes=100)
    cut = pack_folder(tmp_path / "y.zip", folder).read_bytes()
    broken = {
        "bad_checksum": patched(whole, line + 16, b"sums"),
        "truncated_member": patched(whole, local, b"gone"),
        "damaged_member": patched(whole, local + 30 + len(member) + 99, b"\xff" * 300),
        "truncated_archive": whole[:-50],
        "vanished": zip_bytes({"other": b""}),
        "undecodable": zip_bytes({member: b"no image" * 40}),
        "truncated_pixels": cut,
    }
    for code, content in broken.items():
        (tmp_path / "x.zip").write_bytes(content)
        with pytest.raises(StudyError) as caught:
            read_frames(tmp_path, [("x.zip", member, 0)])
        assert (caught.value.stage, caught.value.code) == ("read", code)
        assert "image 1" in caught.value.message and member not in caught.value.message
        assert caught.value.__notes__ == [f"file: {tmp_path}/x.zip/{member}"]
    (tmp_path / "x.zip").unlink()
    with pytest.raises(StudyError, match="is gone"):
        read_frames(tmp_path, [("x.zip", member, 0)])


def test_a_frame_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (path,) = write_sax(tmp_path, slices=1, frames=2, style="enhanced")
    assert failure(tmp_path, path, item=2) == ("read", "undecodable")


@pytest.mark.skipif(not SCD.is_dir(), reason="the Sunnybrook studies are not on this machine")
def test_real_pixels_are_what_pydicom_decodes() -> None:
    names = [f"SCD0000101/cine/{number}.dcm" for number in (1, 100, 240)]
    for name, frame in zip(names, read_frames(SCD, [(name, None, 0) for name in names]), strict=True):
        np.testing.assert_array_equal(frame, pydicom.pixels.utils.pixel_array(SCD / name))
