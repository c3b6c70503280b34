"""Functional groups of enhanced objects, as vendors and archives write them."""

import struct
from pathlib import Path

import pytest
from dicom_factory import write_sax
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cinema_cli.io import dicom_tags as tags
from cinema_cli.io.headers import read_headers


@pytest.mark.parametrize("undefined", [True, False])
def test_functional_groups_of_unknown_kind_are_read(tmp_path: Path, undefined: bool) -> None:
    def comment(dataset: Dataset, _slice: int, _frame: int) -> None:
        dataset.PerFrameFunctionalGroupsSequence[1].TextValue = "x" * 0x4144  # without type, its length spells DA

    (path,) = write_sax(tmp_path / "known", slices=2, frames=2, style="enhanced", edit=comment)
    dataset, content = dcmread(path), path.read_bytes()
    tail = content[content.rindex(b"\xe0\x7f\x10\x00OW") :]
    groups = b"".join(
        _as_unknown(tag, dataset[tag].value, undefined=undefined) for tag in (tags.SHARED_GROUPS, tags.FRAME_GROUPS)
    )
    for tag in (tags.SHARED_GROUPS, tags.FRAME_GROUPS):
        del dataset[tag]
    dataset.save_as(tmp_path / "bare")
    bare = (tmp_path / "bare").read_bytes()
    (tmp_path / "unknown").mkdir()
    (tmp_path / "unknown" / path.name).write_bytes(bare[: -len(tail)] + groups + tail)
    (tmp_path / "bare").unlink()
    known, unknown = (read_headers(tmp_path / name).instances for name in ("known", "unknown"))
    own = ["file_size", "mtime_ns"]
    assert unknown.drop(own).equals(known.drop(own)) and known["position_z"].n_unique() == 2


def _as_unknown(tag: int, items: DicomSequence, *, undefined: bool) -> bytes:
    """An explicit element of type UN, with items as PS3.5 6.2.2 wants them."""
    coded = b""
    for item in items:
        buffer = DicomBytesIO()
        buffer.is_little_endian, buffer.is_implicit_VR = True, True
        write_dataset(buffer, item)
        coded += struct.pack("<HHI", 0xFFFE, 0xE000, len(buffer.getvalue())) + buffer.getvalue()
    head = struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"UN", 0)
    if undefined:
        return head + b"\xff" * 4 + coded + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return head + struct.pack("<I", len(coded)) + coded


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("value", [("LO", "no sequence "), ("UN", b"neither is this "), ("OB", b"\1\2")])
def test_what_vendors_write_in_place_of_a_sequence_is_passed_over(
    tmp_path: Path, value: tuple[str, str | bytes], syntax: str
) -> None:
    def mark(dataset: Dataset, _slice: int, _frame: int) -> None:
        first, second = dataset.PerFrameFunctionalGroupsSequence
        converted = Dataset()
        converted.TriggerTime = "40"
        for group in (first, second):
            del group.CardiacSynchronizationSequence
            group.add_new(0x20050014, "LO", "OTHER")
            group.add_new(0x2005140F, *value)
        second.UnassignedPerFrameConvertedAttributesSequence = DicomSequence([converted])

    write_sax(tmp_path, slices=1, frames=2, style="enhanced", edit=mark, transfer_syntax=syntax)
    table = read_headers(tmp_path)
    assert table.problems.is_empty()
    assert table.instances["trigger_time_ms"].to_list() == [None, 40.0]
