"""Archives in place: every kind gives the same members, and hostile ones cost only themselves, within bounds."""

import gzip
import os
import re
import stat
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
from archive_factory import (
    ENDS,
    overlapping_zip,
    pack,
    patched,
    special,
    tar_block,
    tar_bytes,
    zip_bytes,
)
from hypothesis import given
from hypothesis import strategies as st

from cinema_cli.io.archive import Fault, Limits, Member, is_archive, read_members, without_end
from cinema_cli.io.dicom_elements import BrokenFileError
from cinema_cli.io.inflate import inflated
from cinema_cli.io.members import Budget, Stream

FILES = {"a/1.dcm": os.urandom(3000), "a/b/2.dcm": bytes(70_000), "3.dcm": b""}
MIB = 1 << 20
SMALL = Limits(members=50, member_bytes=4 * MIB, small_bytes=MIB, ratio=10, pass_bytes=8 * MIB, notes=3)


def contents(path: Path, names: list[str] | None = None, limits: Limits = SMALL) -> tuple[dict[str, object], list[str]]:
    """Content, or code of what is wrong with it, of each member; and the codes of the archive."""
    found: dict[str, object] = {}
    codes = []
    for name, member in read_members(path, names, limits=limits):
        if isinstance(member, Fault):
            assert member.sentence.endswith(".") and str(path) not in member.sentence
            if name:
                found[name] = member.code
            else:
                codes.append(member.code)
            continue
        try:
            found[name] = member.content()
        except BrokenFileError as error:
            found[name] = error.code
    return found, codes


@pytest.mark.parametrize("end", ENDS)
def test_every_kind_gives_its_members_in_order_and_by_name(tmp_path: Path, end: str) -> None:
    path = pack(tmp_path / f"x.{end}", FILES)
    assert is_archive(path.name) and without_end(path.name) == "x"
    found, codes = contents(path)
    assert (found, list(found), codes) == (FILES, list(FILES), [])
    assert contents(path, ["a/b/2.dcm", "none"]) == ({"a/b/2.dcm": FILES["a/b/2.dcm"]}, [])


@pytest.mark.parametrize("end", ENDS)
def test_a_beginning_is_read_without_the_rest(tmp_path: Path, end: str) -> None:
    path = pack(tmp_path / f"x.{end}", FILES)
    heads = {name: member.at(2, 5) for name, member in read_members(path) if isinstance(member, Member)}
    assert heads == {name: content[2:7] for name, content in FILES.items()}


def test_variants_of_the_formats_are_read(tmp_path: Path) -> None:
    variants = {
        "stored.zip": zip_bytes(FILES, method=zipfile.ZIP_STORED),
        "after_a_program.zip": b"#!/bin/sh\n" + zip_bytes(FILES),
        "gnu.tar": tar_bytes(FILES, kind=tarfile.GNU_FORMAT),
        "old.tar": tar_bytes(FILES, kind=tarfile.USTAR_FORMAT),
        "two_streams.tgz": gzip.compress(tar_bytes(FILES)[:1000]) + gzip.compress(tar_bytes(FILES)[1000:]) + bytes(9),
        "misnamed.tar": gzip.compress(tar_bytes(FILES)),
    }
    for name, content in variants.items():
        (tmp_path / name).write_bytes(content)
        assert contents(tmp_path / name) == (FILES, []), name
    with zipfile.ZipFile(tmp_path / "wide.zip", "w") as archive, archive.open("x.dcm", "w", force_zip64=True) as file:
        file.write(b"wide")
    assert contents(tmp_path / "wide.zip") == ({"x.dcm": b"wide"}, [])


def test_zip64_sizes_and_offsets_are_followed(tmp_path: Path) -> None:
    content = zip_bytes({"x.dcm": b"abc"}, method=zipfile.ZIP_STORED)
    at = content.rindex(b"PK\5\6")
    start = struct.unpack_from("<L", content, at + 16)[0]
    line = content[start:at]
    extra = struct.pack("<2H3Q", 1, 24, 3, 3, 0)
    line = line[:20] + b"\xff" * 8 + line[28:30] + struct.pack("<H", 28) + line[32:42] + b"\xff" * 4 + line[46:] + extra
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(line), start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + len(line), 1)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    (tmp_path / "x.zip").write_bytes(content[:start] + line + end64 + locator + end)
    assert contents(tmp_path / "x.zip") == ({"x.dcm": b"abc"}, [])


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_names_of_any_length_and_bytes_are_text_once(tmp_path: Path, kind: int) -> None:
    files = {
        "./a//b.dcm": b"1",
        "f" * 300 + "/x": b"2",
        "Größe/y": b"3",
        "nl\nz": b"4",
        ".DS_Store": b"",
        "DICOMDIR": b"",
    }
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes(files, kind=kind))
    assert list(contents(path)[0]) == ["a/b.dcm", "f" * 300 + "/x", "Größe/y", "nl\\x0az"]


def test_names_of_a_zip_file_without_utf8(tmp_path: Path) -> None:
    content = zip_bytes({"Gr_sse.dcm": b"1", "__MACOSX/._a": b"2"}).replace(b"Gr_sse", b"Gr\x81sse")
    (tmp_path / "x.ZIP").write_bytes(content)
    assert list(contents(tmp_path / "x.ZIP")[0]) == ["Gr\\x81sse.dcm"]


OUTSIDE = ["../../etc/x", "/etc/x", "C:\\x", "a/../../x", "..\\x", "\\x", "a/..", "x" * 5000]


@pytest.mark.parametrize("end", ["zip", "tar", "tgz"])
def test_names_that_lead_outside_are_counted_and_never_shown(tmp_path: Path, end: str) -> None:
    path = pack(tmp_path / f"x.{end}", dict.fromkeys(OUTSIDE, b"evil") | FILES)
    found, codes = contents(path)
    assert (found, codes) == (FILES, ["unsafe_names"])
    said = [fault.sentence for _, fault in read_members(path) if isinstance(fault, Fault)]
    assert said == [f"{len(OUTSIDE)} of its members have names that lead out of the archive: not read."]


def test_links_devices_and_pipes_are_not_read(tmp_path: Path) -> None:
    kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE)
    path = tmp_path / "x.tar"
    path.write_bytes(tar_bytes(FILES, more=[special(f"l{n}", kind) for n, kind in enumerate(kinds)]))
    assert contents(path) == (FILES, ["special_members"])
    link = zipfile.ZipInfo("link.dcm")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("3.dcm", b"3")
    assert contents(tmp_path / "x.zip") == ({"3.dcm": b"3"}, ["special_members"])


def test_what_cannot_be_opened_is_said_by_kind(tmp_path: Path) -> None:
    whole = zip_bytes({"a": b"1", "b": b"2"})
    line = whole.index(b"PK\1\2")
    (tmp_path / "locked.zip").write_bytes(patched(whole, line + 8, b"\1"))
    assert contents(tmp_path / "locked.zip") == ({"b": b"2"}, ["encrypted_members"])
    (tmp_path / "lzma.zip").write_bytes(zip_bytes({"a": b"1"}, method=zipfile.ZIP_LZMA))
    assert contents(tmp_path / "lzma.zip") == ({}, ["unsupported_members"])
    (tmp_path / "sparse.tar").write_bytes(tar_block(b"s", size=0, kind=b"S") + tar_bytes({"a": b"1"}))
    assert contents(tmp_path / "sparse.tar") == ({"a": b"1"}, ["unsupported_members"])
    pack(tmp_path / "nest.zip", {"in.zip": whole, "in.tar.gz": b"", "a": b"1"})
    assert contents(tmp_path / "nest.zip") == ({"a": b"1"}, ["nested_archives"])
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        for text in ("first", "second"):
            archive.writestr("a", text)
    assert contents(tmp_path / "twice.zip") == ({"a": b"first"}, ["duplicate_names"])


def test_more_members_than_the_limit_are_left_out(tmp_path: Path) -> None:
    files = {f"{n}.dcm": b"x" for n in range(SMALL.members + 10)}
    for end in ("zip", "tar.gz"):
        found, codes = contents(pack(tmp_path / f"x.{end}", files))
        assert (list(found), codes) == (list(files)[: SMALL.members], ["too_many_members"])


@pytest.mark.parametrize("end", ENDS)
def test_what_is_cut_short_is_said_and_what_came_before_is_used(tmp_path: Path, end: str) -> None:
    files = {f"{n}.dcm": os.urandom(40_000) for n in range(4)}
    path = pack(tmp_path / f"x.{end}", files)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 5 // 8])
    found, codes = contents(path)
    assert codes == ["truncated_archive"]
    if end == "zip":
        assert found == {}
    elif end != "tar.bz2":  # one block of 900 kB: nothing of it can be known
        assert {name: found[name] for name in ("0.dcm", "1.dcm")} == {name: files[name] for name in ("0.dcm", "1.dcm")}
        cut = found.get("2.dcm")
        assert cut is None or cut == "truncated_member" or files["2.dcm"].startswith(bytes(cut))  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz", "x.tar.xz"])
@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\5\6", bytes(100), b"\x1f\x8b\x08", b"PK\5\6" + bytes(18)])
def test_what_is_no_archive_is_said_to_be_broken(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    found, codes = contents(tmp_path / name)
    assert found == {}
    assert len(codes) == 1 or (name == "x.zip" and len(content) == 22)  # that is an empty zip file
    assert set(codes) <= {"truncated_archive", "damaged_archive"}


def test_damage_inside_is_found(tmp_path: Path) -> None:
    whole = zip_bytes(FILES)
    (tmp_path / "packed.zip").write_bytes(patched(whole, whole.index(b"a/1.dcm") + 20, b"\xff" * 30))
    found, codes = contents(tmp_path / "packed.zip")
    assert found.pop("a/1.dcm") in ("damaged_member", "bad_checksum") and codes == []
    assert found == {name: FILES[name] for name in list(FILES)[1:]}
    stored = zip_bytes(FILES, method=zipfile.ZIP_STORED)
    (tmp_path / "stored.zip").write_bytes(patched(stored, stored.index(b"a/1.dcm") + 20, b"?"))
    assert contents(tmp_path / "stored.zip")[0]["a/1.dcm"] == "bad_checksum"
    (tmp_path / "lines.zip").write_bytes(whole.replace(b"PK\1\2", b"PK\1\1"))
    assert contents(tmp_path / "lines.zip") == ({}, ["damaged_archive"])
    (tmp_path / "places.zip").write_bytes(whole.replace(b"PK\3\4", b"PK\3\3"))
    assert contents(tmp_path / "places.zip") == (dict.fromkeys(FILES, "truncated_member"), [])
    tar = tar_bytes(FILES, kind=tarfile.USTAR_FORMAT)
    second = tar.index(b"a/b/2.dcm")
    (tmp_path / "sum.tar").write_bytes(patched(tar, second, b"A"))
    assert contents(tmp_path / "sum.tar") == ({"a/1.dcm": FILES["a/1.dcm"]}, ["damaged_archive"])
    packed = gzip.compress(tar_bytes(FILES))
    (tmp_path / "sum.tgz").write_bytes(patched(packed, len(packed) - 8, b"????"))
    found, codes = contents(tmp_path / "sum.tgz")
    assert set(found) < set(FILES) and codes == ["damaged_archive"]


def test_many_damaged_members_are_named_up_to_a_number(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(zip_bytes({f"{n}": b"" for n in range(9)}).replace(b"PK\3\4", b"PK\3\3"))
    found, codes = contents(tmp_path / "x.zip")
    assert (len(found), codes) == (SMALL.notes, ["further_members"])


def test_stated_sizes_are_not_believed(tmp_path: Path) -> None:
    line = zip_bytes({"a": bytes(1000)}).index(b"PK\1\2")
    for stated, code in ((999, "bad_checksum"), (1001, "truncated_member"), (2**32 - 2, "member_bomb")):
        (tmp_path / "x.zip").write_bytes(patched(zip_bytes({"a": bytes(1000)}), line + 24, struct.pack("<L", stated)))
        assert contents(tmp_path / "x.zip") == ({"a": code}, []), stated
    for size in (8**11 - 1, 2**80):
        for kind in (b"0", b"x", b"L"):
            (tmp_path / "x.tar").write_bytes(tar_block(b"a", size=size, kind=kind) + bytes(2048))
            found, codes = contents(tmp_path / "x.tar")
            assert set(found.values()) <= {bytes(2048)} and codes[0] in ("truncated_archive", "damaged_archive")
            (tmp_path / "x.tgz").write_bytes(gzip.compress((tmp_path / "x.tar").read_bytes()))
            found, codes = contents(tmp_path / "x.tgz")
            assert set(found.values()) <= {"member_bomb"} and codes[0] in ("truncated_archive", "damaged_archive")


def test_bombs_are_refused_before_they_are_in_memory(tmp_path: Path) -> None:
    zeros = bytes(64 * MIB)
    pack(tmp_path / "x.zip", {"bomb.dcm": zeros, "a": b"1"})
    (tmp_path / "x.tgz").write_bytes(gzip.compress(tar_bytes({"a": b"1", "bomb.dcm": zeros, "b": b"2"})))
    (tmp_path / "pax.tgz").write_bytes(gzip.compress(tar_block(b"p", size=len(zeros), kind=b"x") + zeros))
    pack(tmp_path / "many.zip", {f"{n}": zeros[:MIB] for n in range(40)})
    (tmp_path / "same.zip").write_bytes(overlapping_zip(zeros[:MIB], copies=40))
    del zeros
    tracemalloc.start()
    try:
        assert contents(tmp_path / "x.zip") == ({"bomb.dcm": "member_bomb", "a": b"1"}, [])
        found, codes = contents(tmp_path / "x.tgz")
        assert (found, codes) == ({"a": b"1", "bomb.dcm": "member_bomb"}, ["archive_bomb"])
        assert contents(tmp_path / "pax.tgz") == ({}, ["damaged_archive"])
        found, codes = contents(tmp_path / "many.zip")
        assert len(found) == 9 and list(found.values())[-1] == "archive_bomb" and codes == ["archive_bomb"]
        found, codes = contents(tmp_path / "same.zip")
        assert len(found) == 1 and codes == ["overlapping_members"]
        found.clear()
        assert tracemalloc.get_traced_memory()[1] < 12 * MIB
    finally:
        tracemalloc.stop()


def test_an_archive_that_changes_while_it_is_read_is_said(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar", FILES)
    members = read_members(path)
    next(members)
    with path.open("ab") as file:
        file.write(b"more")
    assert [fault.code for name, fault in members if isinstance(fault, Fault)] == ["changed_archive"]


MADE = [zip_bytes(FILES), tar_bytes(FILES), gzip.compress(tar_bytes(FILES))]
CODES = {
    "truncated_archive", "damaged_archive", "archive_bomb", "too_many_members", "unsafe_names", "special_members",
    "encrypted_members", "unsupported_members", "overlapping_members", "nested_archives", "duplicate_names",
    "further_members", "truncated_member", "damaged_member", "bad_checksum", "member_bomb",
}  # fmt: skip


@given(
    end=st.sampled_from(ENDS),
    base=st.sampled_from(MADE),
    cuts=st.lists(st.tuples(st.integers(0, 80_000), st.binary(max_size=12)), max_size=4),
    junk=st.one_of(st.none(), st.binary(max_size=3000)),
)
def test_any_bytes_give_members_or_documented_faults(
    tmp_path_factory: pytest.TempPathFactory, end: str, base: bytes, cuts: list[tuple[int, bytes]], junk: bytes | None
) -> None:
    content = base if junk is None else junk
    for at, new in cuts:
        content = patched(content, at % (len(content) + 1), new)
    path = tmp_path_factory.mktemp("any") / f"x.{end}"
    path.write_bytes(content)
    found, codes = contents(path)
    assert set(codes) <= CODES
    for name, value in found.items():
        assert not name.startswith(("/", ".")) and ".." not in name.split("/")
        assert name.encode() and not re.search(r"[\x00-\x1f\x7f-\x9f]", name)
        assert isinstance(value, bytes) or value in CODES
        assert not isinstance(value, bytes) or len(value) <= SMALL.member_bytes


@given(content=st.binary(max_size=400_000), step=st.integers(1, 70_000))
def test_what_comes_out_is_what_went_in(content: bytes, step: int) -> None:
    packed = zlib.compress(content, wbits=-15)
    pieces = (packed[n : n + step] for n in range(0, len(packed), step))
    stream = Stream(inflated(pieces, kind="deflate", budget=Budget(0, Limits())))
    parts = []
    while part := stream.take(step):
        parts.append(part)
    assert b"".join(parts) == content
