"""The index that a scan keeps: whatever it holds, a scan with it finds what one without it finds, and reads less."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dicom_factory import set_tags, truncate, write_junk, write_lax, write_sax
from hypothesis import given, settings
from hypothesis import strategies as st

from cinema_cli.domain.errors import UsageError
from cinema_cli.io import archive, dicom_file, folders, header_parts, header_rows, headers, index_store, study_tables
from cinema_cli.io.assembled import Assembled, Batch, assemble_batch
from cinema_cli.io.index import CohortIndex, of_study, plan_of, scan, studies
from cinema_cli.io.index_store import index_folder, load

TABLES = ("series", "images", "stacks", "facts", "studies", "problems", "notes")
WORDS = ("unused_overrides", "lost_folders", "n_files")
LONG_AGO = count(1_700_000_000_000_000_000, 1_000_000_000)  # ns: a time of change that no other file has


def settle(*paths: Path) -> None:
    """Make files, or all below a folder, look as if they had been changed long ago, at a time of their own."""
    for top in paths:
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file():
                os.utime(path, ns=(0, next(LONG_AGO)))


def assert_same(found: CohortIndex, expected: CohortIndex) -> None:
    """Both say the same of the cohort, to the digest of every study."""
    for name in TABLES:
        assert getattr(found, name).equals(getattr(expected, name)), name
    assert [getattr(found, name) for name in WORDS] == [getattr(expected, name) for name in WORDS]
    for key in studies(expected):
        assert plan_of(found, key).images.equals(of_study(expected, "images", key))


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Three people of eight or nine images each, one of them in an archive, and junk."""
    root = tmp_path / "cohort"
    write_sax(root / "A", slices=1, frames=8, patient_id="A")
    write_sax(root / "B", slices=1, frames=9, patient_id="B", name="Miller^Jane", birth_date="19600203")
    packed = write_sax(tmp_path / "packed", slices=1, frames=8, patient_id="C")
    with zipfile.ZipFile(root / "C.zip", "w") as archive:
        for path in packed:
            archive.write(path, f"C/{path.name}")
    write_junk(root / "A")
    settle(root)
    return root


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files and archives that are opened for their headers, as they are."""
    opened: list[Path] = []
    read_file, read_members = dicom_file.read_file, archive.read_members

    def read(path: str) -> Any:
        opened.append(Path(path))
        return read_file(path)

    def members(path: Path) -> Any:
        opened.append(path)
        return read_members(path)

    monkeypatch.setattr(header_rows, "read_file", read)
    monkeypatch.setattr(header_rows, "read_members", members)
    return opened


def scanned(root: Path, **options: Any) -> CohortIndex:
    """A scan with the index beside the cohort."""
    return scan(root, index_dir=root.with_name("index"), jobs=1, **options)


def test_an_unchanged_tree_is_not_read_again(cohort: Path, reads: list[Path]) -> None:
    first = scanned(cohort)
    assert len(reads) == first.n_read > 17 and not first.doubt and not first.fault
    reads.clear()
    told: list[str] = []
    again = scanned(cohort, progress=lambda what, done, total: told.append(what))
    assert reads == [] and again.n_read == 0 and told == []
    assert_same(again, first)
    assert_same(again, scan(cohort, jobs=1))
    assert len(reads) == first.n_read


def added(root: Path) -> list[Path]:
    return [*write_lax(root / "B", "lax_4c", frames=2, patient_id="B"), *write_sax(root / "D", slices=1, frames=8)]


def changed(root: Path) -> list[Path]:
    path = min((root / "B").glob("s*"))
    set_tags(path, SeriesDescription="another")
    return [path]


def cut(root: Path) -> list[Path]:
    path = max((root / "A").glob("s0*"))
    truncate(path, drop_bytes=5)
    return [path]


def removed(root: Path) -> list[Path]:
    min((root / "A").glob("s0*")).unlink()
    return []


def emptied(root: Path) -> list[Path]:
    for path in (root / "B").iterdir():
        path.unlink()
    return []


def renamed(root: Path) -> list[Path]:
    path = min((root / "A").glob("s0*"))
    return [path.rename(path.with_name("renamed"))]


def moved(root: Path) -> list[Path]:
    return list((root / "B").rename(root / "E").iterdir())


def repacked(root: Path) -> list[Path]:
    with zipfile.ZipFile(root / "C.zip", "a") as archive:
        archive.write(min((root / "A").glob("s0*")), "C/more")
    return [root / "C.zip"]


def unpacked(root: Path) -> list[Path]:
    with zipfile.ZipFile(root / "C.zip") as archive:
        archive.extractall(root)
    (root / "C.zip").unlink()
    return list((root / "C").iterdir())


CHANGES: list[Callable[[Path], list[Path]]] = [
    added, changed, cut, removed, emptied, renamed, moved, repacked, unpacked
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_is_new_is_read(cohort: Path, reads: list[Path], change: Callable[[Path], list[Path]]) -> None:
    scanned(cohort)
    new = change(cohort)
    settle(*new)
    reads.clear()
    found = scanned(cohort)
    assert sorted(reads) == sorted(new) and found.n_read == len(new)
    assert_same(found, scan(cohort, jobs=1))
    assert_same(scanned(cohort), found)
    kept = pl.concat([load(path) for path in (cohort.parent / "index").glob("headers-*/*.parquet")])
    assert set(kept["path"]) == {str(path.relative_to(cohort)) for path in cohort.rglob("*") if path.is_file()} - {
        str(path.relative_to(cohort)) for path in cohort.rglob("*") if path.name in ("DICOMDIR", ".DS_Store")
    }


def test_only_studies_that_changed_are_put_in_order_again(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned(cohort)
    settle(*changed(cohort))
    done: list[list[str]] = []

    def assemble(batch: Batch, **how: Any) -> Assembled:
        done.append(batch[1]["participant_id"].unique().to_list())
        return assemble_batch(batch, **how)

    monkeypatch.setattr(study_tables, "assemble_batch", assemble)
    assert_same(scanned(cohort), scan(cohort, jobs=1))
    assert done[0] == ["sub-B"]


def test_other_options_take_the_headers_and_make_ids_anew(cohort: Path, reads: list[Path], tmp_path: Path) -> None:
    scanned(cohort)
    (tmp_path / "views.csv").write_text("series_description,view\nsax,ignore\nnone,sax\n")
    (tmp_path / "ids.csv").write_text("patient_id,participant_id\nA,X1\nB,X2\nC,X3\n")
    key = b"0123456789abcdef"
    options: list[dict[str, Any]] = [
        {"hash_key": key}, {"hash_key": key[::-1]}, {"views_file": tmp_path / "views.csv"},
        {"id_from": tmp_path / "ids.csv"}, {"id_from": "folder"}, {"allow_missing_frames": 3}, {},
    ]  # fmt: skip
    expected = [scan(cohort, jobs=1, **chosen) for chosen in options]
    reads.clear()
    for _ in range(2):
        for chosen, alone in zip(options, expected, strict=True):
            assert_same(scanned(cohort, **chosen), alone)
    assert reads == []
    assert len({tuple(index.facts["participant_id"]) for index in expected}) == 4
    (tmp_path / "ids.csv").write_text("patient_id,participant_id\nA,Y1\nB,Y2\nC,Y3\n")
    assert studies(scanned(cohort, id_from=tmp_path / "ids.csv"))[0].participant_id == "sub-Y1"


def spoil_about(index_dir: Path) -> None:
    (index_dir / "index.json").write_text("{")


def forget_about(index_dir: Path) -> None:
    (index_dir / "index.json").unlink()


def odd_about(index_dir: Path) -> None:
    about = json.loads((index_dir / "index.json").read_text())
    (index_dir / "index.json").write_text(json.dumps(about | {"salt": 5}))


def spoil(pattern: str) -> Callable[[Path], None]:
    """Turn a bit of every such file."""

    def spoilt(index_dir: Path) -> None:
        for path in index_dir.glob(pattern):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)

    return spoilt


def lose(pattern: str) -> Callable[[Path], None]:
    """Remove every such file."""

    def lost(index_dir: Path) -> None:
        for path in index_dir.glob(pattern):
            path.unlink()

    return lost


def cut_short(pattern: str) -> Callable[[Path], None]:
    """Leave half of every such file."""

    def short(index_dir: Path) -> None:
        for path in index_dir.glob(pattern):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return short


KINDS = ("headers-*/*.parquet", "images/*.parquet", "tables/*.parquet", "found-*.json")
DAMAGE = [spoil_about, forget_about, odd_about, *(how(kind) for kind in KINDS for how in (spoil, lose, cut_short))]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_index_is_made_anew(cohort: Path, damage: Callable[[Path], None]) -> None:
    expected = scanned(cohort)
    damage(cohort.with_name("index"))
    assert_same(scanned(cohort), expected)
    again = scanned(cohort)
    assert again.n_read == 0
    assert_same(again, expected)


def test_why_an_index_is_not_used_is_said(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n_files = scanned(cohort).n_read
    assert scanned(cohort, fresh=True).n_read == n_files
    spoil_about(cohort.with_name("index"))
    assert scanned(cohort).doubt == "it is damaged"
    monkeypatch.setattr(index_store, "_version", lambda: "next")
    other = scanned(cohort)
    assert other.doubt == "it is of another version" and other.n_read == n_files
    assert not scanned(cohort).doubt
    moved_to = cohort.rename(cohort.with_name("moved"))
    assert scanned(moved_to).doubt == "it is of another folder"


def test_an_interrupted_scan_goes_on_where_it_stopped(
    cohort: Path, monkeypatch: pytest.MonkeyPatch, reads: list[Path]
) -> None:
    monkeypatch.setattr(headers, "_LEAST_AT_ONCE", 1)
    monkeypatch.setattr(headers, "_MOST_AT_ONCE", 4)
    counted, read = count(), dicom_file.read_file

    def stopped(path: str) -> Any:
        if next(counted) == 15:
            raise KeyboardInterrupt
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(header_rows, "read_file", stopped)
        with pytest.raises(KeyboardInterrupt):
            scanned(cohort)
    kept = pl.concat([load(path) for path in cohort.with_name("index").glob("headers-*/*.parquet")])["path"].n_unique()
    reads.clear()
    found = scanned(cohort)
    assert kept >= 4 and found.n_read == len(reads)
    reads.clear()
    assert_same(found, scan(cohort, jobs=1))
    assert found.n_read == len(reads) - kept


SLOW = """
import sys, time
from cinema_cli.io import header_parts, headers
read = header_parts.read_files
headers._LEAST_AT_ONCE = headers._MOST_AT_ONCE = 4
header_parts.read_files = lambda *files, **how: (time.sleep(0.2), read(*files, **how))[1]
sys.argv[1:] = ["scan", sys.argv[1], "--work-dir", sys.argv[2], "--jobs", "1"]
from cinema_cli.commands.app import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_program_leaves_an_index_that_is_used(cohort: Path, sent: signal.Signals, code: int) -> None:
    work = cohort.with_name("work")
    command = [sys.executable, "-c", SLOW, str(cohort), str(work)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        deadline = time.monotonic() + 60
        while not (parts := list(work.glob("index-*/headers-*/*.parquet"))):
            assert time.monotonic() < deadline and run.poll() is None
            time.sleep(0.01)
        run.send_signal(sent)
        _, said = run.communicate()
    assert run.returncode == code, said.decode()
    found = scan(cohort, index_dir=index_folder(cohort, work_dir=work), jobs=1)
    assert 0 < found.n_read <= found.n_files - 7 - 4 * len(parts)
    assert_same(found, scan(cohort, jobs=1))


def test_where_nothing_can_be_written_the_scan_goes_on(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scan(cohort, jobs=1)
    file = cohort.with_name("file")
    file.touch()
    refused = scan(cohort, index_dir=file / "index", jobs=1)
    assert refused.fault == os.strerror(errno.ENOTDIR)
    assert_same(refused, expected)
    replace, done = index_store._replace, count()

    def full(path: Path, content: bytes) -> None:
        if next(done) >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(index_store, "_replace", full)
        lacking = scanned(cohort)
    assert lacking.fault and lacking.n_read
    assert_same(lacking, expected)
    assert not scanned(cohort).fault
    assert_same(scanned(cohort), expected)


def test_a_file_that_changed_just_now_is_not_trusted(cohort: Path, reads: list[Path]) -> None:
    path = min((cohort / "A").glob("s0*"))
    content = path.read_bytes()
    path.write_bytes(content)
    scanned(cohort)
    now = path.stat().st_mtime_ns
    path.write_bytes(content.replace(b"19", b"18", 1))
    os.utime(path, ns=(now, now))  # as where the disk's clock is coarse
    reads.clear()
    found = scanned(cohort)
    assert reads == [path]
    assert_same(found, scan(cohort, jobs=1))


def test_a_file_from_the_far_future_is_known(cohort: Path) -> None:
    for path in (cohort / "A").iterdir():
        os.utime(path, ns=(0, 12_000_000_000_000_000_000))  # the year 2350: more than 64 bits have room for
    scanned(cohort)
    assert scanned(cohort).n_read == 0


def test_two_scans_at_once_spoil_nothing(cohort: Path) -> None:
    scanned(cohort)
    settle(*added(cohort))

    def other(what: str, done: int, total: int) -> None:
        if what == "files" and (cohort / "A").is_dir():
            (cohort / "A").rename(cohort / "Z")
            assert_same(scanned(cohort), scan(cohort, jobs=1))

    scanned(cohort, progress=other)
    assert_same(scanned(cohort), scan(cohort, jobs=1))


def test_many_nights_leave_few_parts(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(header_parts, "_MOST_SMALL", 3)
    for night in range(8):
        settle(*write_lax(cohort / f"N{night}", "lax_2c", frames=1, patient_id=f"N{night}"))
        found = scanned(cohort)
        assert len(list(cohort.with_name("index").glob("headers-*/*.parquet"))) <= 4 + 1
    assert_same(found, scan(cohort, jobs=1))


def test_what_no_scan_needs_goes_after_days(cohort: Path) -> None:
    scanned(cohort)
    index_dir = cohort.with_name("index")
    before = {path for kind in ("images", "tables") for path in (index_dir / kind).iterdir()}
    (index_dir / "tables" / ".left.parquet").touch()
    settle(*changed(cohort), *before, index_dir / "tables" / ".left.parquet")
    found = scanned(cohort)
    left = {path for kind in ("images", "tables") for path in (index_dir / kind).iterdir()}
    assert not (before & left) - {path for path in left if path.stat().st_mtime > time.time() - 60}
    assert not (index_dir / "tables" / ".left.parquet").exists()
    assert_same(scanned(cohort), found)


def test_only_the_user_may_look_and_no_name_is_kept(cohort: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in cohort.rglob("*") if path.is_file()}
    scanned(cohort)
    index_dir = cohort.with_name("index")
    assert {path.stat().st_mode & 0o777 for path in index_dir.rglob("*")} == {0o700, 0o600}
    assert index_dir.stat().st_mode & 0o777 == 0o700
    kept = [load(path).write_json() for path in index_dir.rglob("*.parquet")]
    assert not any(said in text for text in kept for said in ("Miller", "MILLER", "miller", "19600203"))
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in cohort.rglob("*") if path.is_file()
    } == before


def test_an_index_lies_in_the_cache_and_never_in_a_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    cohort = tmp_path / "cohort"
    cohort.mkdir()
    (tmp_path / "link").symlink_to(cohort)
    default = index_folder(cohort, work_dir=None)
    assert default is not None and default.parent == tmp_path / "home" / ".cache" / "cinema"
    assert index_folder(tmp_path / "link", work_dir=None) == default != index_folder(tmp_path / "x", work_dir=None)
    assert index_folder(cohort, work_dir=tmp_path / "w") == tmp_path / "w" / default.name
    assert index_folder(tmp_path / "home", work_dir=None) is None
    for work_dir, out in ((cohort / "w", None), (tmp_path / "out" / "w", tmp_path / "out")):
        with pytest.raises(UsageError):
            index_folder(cohort, work_dir=work_dir, out=out)


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Files of two people who share an id, of a third, one cut short and one that is no DICOM."""
    folder = tmp_path_factory.mktemp("contents")
    paths = write_sax(folder / "1", slices=1, frames=4, patient_id="P", name="Doe^Jane", birth_date="19600203")
    paths += write_sax(folder / "2", slices=1, frames=2, patient_id="P", name="Roe^Ann", birth_date="19700203")
    paths += write_lax(folder / "3", "lax_4c", frames=2, patient_id="Q")
    whole = [path.read_bytes() for path in paths]
    return [*whole, whole[0][:-7], b"no DICOM"]


PLACES = ("A/1", "A/2", "A/3", "B/1", "B/2", "C/D/1", "x")
STEPS = st.one_of(
    st.tuples(st.sampled_from(PLACES), st.integers(0, 9)),  # write this content there
    st.tuples(st.sampled_from(PLACES), st.none()),  # remove
    st.tuples(st.just("options"), st.sampled_from([0, 2])),
    st.tuples(st.just("spoil"), st.integers(0, 50)),  # a file of the index
    st.tuples(st.just("lose"), st.integers(0, 50)),
)


@settings(max_examples=15, deadline=None)
@given(history=st.lists(st.lists(STEPS, min_size=1, max_size=3), min_size=2, max_size=5))
def test_whatever_happened_a_scan_finds_what_one_without_an_index_finds(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], history: list[list[tuple[str, int | None]]]
) -> None:
    root = tmp_path_factory.mktemp("law") / "cohort"
    allowed = 0
    for path in ("A/1", "B/1"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(contents[0])
    settle(root)
    (root / "always").write_bytes(contents[6])  # never settled
    for steps in history:
        for what, value in steps:
            if what == "options":
                allowed = value or 0
            elif what in ("spoil", "lose"):
                files = sorted(path for path in root.with_name("index").rglob("*") if path.is_file())
                for file in files[value : (value or 0) + 1]:
                    if what == "lose":
                        file.unlink()
                    else:
                        file.write_bytes(file.read_bytes()[1:])
            elif value is None:
                (root / what).unlink(missing_ok=True)
            else:
                (root / what).parent.mkdir(parents=True, exist_ok=True)
                (root / what).write_bytes(contents[value])
                settle(root / what)
        found = scanned(root, allow_missing_frames=allowed)
        assert_same(found, scan(root, jobs=1, allow_missing_frames=allowed))


def test_a_tree_that_changes_while_it_is_listed(cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = min((cohort / "A").glob("s0*"))
    state = folders._state

    def vanishing(name: str, file: Any) -> folders.FileState:
        if name == gone.name:
            gone.unlink(missing_ok=True)
        return state(name, file)

    monkeypatch.setattr(folders, "_state", vanishing)
    assert scanned(cohort).problems["path"].to_list() in ([], [str(gone.relative_to(cohort))])
    assert_same(scanned(cohort), scan(cohort, jobs=1))
