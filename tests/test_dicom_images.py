"""Rows of images: whatever values a header holds, of whatever type, they are rows or a reason, and few."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_factory import truncate, write_sax
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cinema_cli.io import dicom_tags as tags
from cinema_cli.io.dicom_elements import LONG_VRS, SHORT_VRS
from cinema_cli.io.headers import read_headers
from cinema_cli.io.instances import INSTANCE_SCHEMA

_VALUES = (
    b"", b"\xff\xff", b"\xff" * 4, b"\xff" * 8, b"\0" * 4, b"7\\8 ", b"1e308\\nan", b"-99999999999 ", b"\x1b$B\\\xfe ",
    struct.pack("<d", 1e300), struct.pack("<d", np.nan), b"20200101120000+0100 ", b"ISO 2022 IR 87\\ISO_IR 192",
    b"063Y", b"1\\0\\0\\0\\1\\0 ", b"\xfe\xff\x00\xe0" + b"\xff" * 4, b"\xfe\xff\x00\xe0" + bytes(4),
    b"Philips Imaging DD 001 ",
)  # fmt: skip


def _element(tag: int, vr: bytes, value: bytes) -> bytes:
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + (struct.pack("<HI", 0, len(value)) if vr in LONG_VRS else struct.pack("<H", len(value))) + value


@pytest.mark.parametrize("style", ["siemens", "ge", "philips", "enhanced"])
def test_whatever_headers_say_is_rows_or_a_reason(tmp_path: Path, style: Any) -> None:
    """300 files, each with a few values of another type, length or meaning."""
    (path,) = write_sax(tmp_path, slices=1, frames=3 if style == "enhanced" else 1, style=style)
    dataset, content = dcmread(path), path.read_bytes()
    start = 144 + struct.unpack("<I", content[140:144])[0]
    elements = {
        int(tag): (str(raw.VR).encode(), raw.value) for tag, raw in dataset.items() if isinstance(raw.value, bytes)
    }
    assert {tags.ROWS, tags.FRAME_GROUPS if style == "enhanced" else tags.POSITION} < elements.keys()
    random = np.random.default_rng(7)
    wanted, types = [*sorted(tags.WANTED | tags.SEQUENCES)], [*sorted(SHORT_VRS | LONG_VRS)]
    for number in range(300):
        spoilt = dict(elements)
        for tag in random.choice(wanted, size=random.integers(1, 6)).tolist():
            vr, value = spoilt.get(tag, (b"UN", b""))
            vr = vr if random.random() < 0.5 else types[random.integers(len(types))]
            spoilt[tag] = (vr, _VALUES[random.integers(len(_VALUES))] if random.random() < 0.8 else value)
        body = b"".join(_element(tag, *spoilt[tag]) for tag in sorted(spoilt))
        (tmp_path / f"{number:03}.dcm").write_bytes(content[:start] + body)
    table = read_headers(tmp_path)
    assert dict(table.instances.schema) == INSTANCE_SCHEMA
    told = {*table.instances["path"], *table.problems["path"]}
    assert len(told) + table.n_ignored == table.n_files == 301
    assert table.instances["path"].n_unique() > 150


def test_a_number_of_frames_alone_is_not_many_rows(tmp_path: Path) -> None:
    def promise(dataset: Dataset, _slice: int, frame: int) -> None:
        dataset.NumberOfFrames = 100_000
        if frame == 1:
            del dataset.PixelData
        if frame == 2:
            dataset.Rows = dataset.Columns = 0  # no bytes at all are enough of them

    paths = write_sax(tmp_path / "classic", slices=1, frames=3, edit=promise)
    enhanced = write_sax(tmp_path / "enhanced", slices=2, frames=3, style="enhanced")[0]
    truncate(enhanced, drop_bytes=9000)
    table = read_headers(tmp_path)
    assert table.instances["path"].value_counts().sort("path").rows() == [
        (f"classic/{paths[0].name}", 1), (f"classic/{paths[1].name}", 1), (f"enhanced/{enhanced.name}", 6),
    ]  # fmt: skip
    assert table.problems["code"].to_list() == ["truncated_pixels", "unreadable", "truncated_pixels"]
    assert "promises 100000 frames and has" in table.problems["sentence"][1]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_classic_files_made_of_enhanced_ones_keep_their_times(tmp_path: Path, syntax: str) -> None:
    def flatten(dataset: Dataset, _slice: int, frame: int) -> None:
        del dataset.TriggerTime, dataset.NominalInterval
        dataset.RRIntervalTimeNominal = 800.0
        if frame < 2:
            dataset.NominalCardiacTriggerDelayTime = 31.5 * frame
        else:
            dataset.NominalPercentageOfCardiacPhase = 25.0

    write_sax(tmp_path, slices=1, frames=3, edit=flatten, transfer_syntax=syntax)
    table = read_headers(tmp_path).instances
    assert table["trigger_time_ms"].to_list() == [0.0, 31.5, 200.0]
    assert table["nominal_interval_ms"].to_list() == [800.0] * 3
