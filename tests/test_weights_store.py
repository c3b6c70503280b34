"""The store of published weights: what is in it is whole, and its record is that of the file."""

import errno
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cinema_cli.domain.errors import ConfigError, InputError, LockedError, OutputError, UnavailableError
from cinema_cli.io import hashed, weights_store
from cinema_cli.io.hashed import digest
from cinema_cli.io.weights_store import (
    add,
    check_whole,
    every_stored,
    forget,
    stored,
    stored_whole,
    weights_directory,
)

NAME = "finetuned/segmentation/acdc_sax/acdc_sax_0.safetensors"
CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "store"
    monkeypatch.setenv("CINEMA_WEIGHTS_DIR", str(folder))
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "downloaded"
    path.write_bytes(CONTENT)
    return path


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_place_of_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert weights_directory() == tmp_path / "store"
    monkeypatch.delenv("CINEMA_WEIGHTS_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert weights_directory() == tmp_path / "cache" / "cinema" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the standard says to ignore
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_directory() == tmp_path / ".cache" / "cinema" / "weights"


@pytest.mark.parametrize("link", [False, True])
def test_a_file_is_kept_under_its_published_path(file: Path, store: Path, link: bool) -> None:
    assert stored(NAME) is None and every_stored() == ()
    kept = add(NAME, file, source="import", sha256=SHA256, link=link)
    assert kept == stored(NAME)
    assert kept.path == store / NAME and kept.path.read_bytes() == CONTENT and kept.path.samefile(file) is link
    assert (kept.sha256, kept.size, kept.source) == (SHA256, len(CONTENT), "import") == (*digest(file), "import")
    record = json.loads((store / f"{NAME}.json").read_text())
    assert record == {"sha256": SHA256, "size": len(CONTENT), "source": "import"}
    assert every_stored() == (kept,) and names(store) == [NAME, f"{NAME}.json"]
    assert (forget(NAME), forget(NAME)) == (len(CONTENT), None)
    assert stored(NAME) is None and names(store) == [] and file.read_bytes() == CONTENT


def test_a_link_of_the_hub_cache_is_followed(file: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.symlink_to(file)
    kept = add(NAME, snapshot, source="hub a/b@0", link=True)
    assert kept.path.samefile(file) and not kept.path.is_symlink()
    again = add(NAME, snapshot, source="hub a/b@1", link=True)  # a rename of a link onto its twin does nothing
    assert again == stored(NAME) and names(weights_directory()) == [NAME, f"{NAME}.json"]


def test_a_stream_is_kept_too() -> None:
    assert add(NAME, io.BytesIO(CONTENT), source="import").sha256 == SHA256


def test_another_digest_is_refused_and_leaves_what_was_there(file: Path, store: Path) -> None:
    with pytest.raises(UnavailableError, match="f00d") as caught:
        add(NAME, file, source="import", sha256="f00d")
    assert caught.value.code == "wrong_digest" and SHA256 in caught.value.message
    assert names(store) == []
    add(NAME, file, source="import")
    with pytest.raises(UnavailableError):
        add(NAME, io.BytesIO(b"other"), source="import", sha256=SHA256)
    found = stored(NAME)
    assert found and found.sha256 == SHA256 and found.path.read_bytes() == CONTENT
    assert names(store) == [NAME, f"{NAME}.json"]


def test_what_a_check_refuses_is_not_stored(file: Path, store: Path) -> None:
    seen = []

    def check(path: Path) -> None:
        seen.append((path.name, path.read_bytes()))
        raise InputError("not this one")

    with pytest.raises(InputError, match="not this one"):
        add(NAME, file, source="import", check=check)
    assert seen == [("acdc_sax_0.safetensors", CONTENT)] and names(store) == [] and stored(NAME) is None


def test_a_file_without_its_record_is_not_stored(file: Path, store: Path) -> None:
    add(NAME, file, source="import")
    (store / f"{NAME}.json").write_text("{")
    assert stored(NAME) is None and every_stored() == ()
    add(NAME, file, source="import")
    (store / NAME).unlink()
    assert stored(NAME) is None and every_stored() == ()


@pytest.mark.parametrize(
    "name",
    ["", "/etc/passwd", "../up", "a/../b", "a//b", "./a", "a/", "a\0b", ".hidden", "a/.b/c", "x.json", "x.partial"],
)
def test_a_name_that_leaves_the_store_is_refused(name: str, file: Path, store: Path) -> None:
    for action in (stored, forget, lambda name: add(name, file, source="import")):
        with pytest.raises(ConfigError):
            action(name)
    assert not store.exists()


def test_what_cannot_be_read_is_said(tmp_path: Path, store: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        add(NAME, tmp_path / "none", source="import")
    with pytest.raises(InputError):
        add(NAME, tmp_path, source="import")
    assert names(store) == []


def test_a_store_that_cannot_be_made_is_said(file: Path, store: Path) -> None:
    store.write_text("a file where the folder should be")
    with pytest.raises(OutputError):
        add(NAME, file, source="import")


def test_a_full_disk_is_said_and_leaves_nothing(file: Path, store: Path) -> None:
    """A process that may write no file as large as this one."""
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from cinema_cli.domain.errors import OutputError\n"
        "from cinema_cli.io.weights_store import add\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(CONTENT) // 2}, {len(CONTENT) // 2}))\n"
        "try:\n"
        f"    add({NAME!r}, Path(sys.argv[1]), source='import')\n"
        "except OutputError as error:\n"
        "    print(error.code, error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("full cannot write")
    assert names(store) == [] and stored(NAME) is None


def test_a_process_that_dies_leaves_no_half_file(store: Path) -> None:
    """Killed while it copies: nothing under the final name; what it leaves is swept up a day later."""
    script = (
        "import sys\n"
        "from cinema_cli.io.weights_store import add\n"
        f"add({NAME!r}, sys.stdin.buffer, source='import')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
    assert process.stdin
    process.stdin.write(CONTENT * 1000)  # more than one chunk; the end never comes
    process.stdin.flush()
    while not list(store.rglob("*.partial")):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    process.stdin.close()
    assert stored(NAME) is None and not (store / NAME).exists()
    (left,) = store.rglob("*.partial")
    assert (left / "acdc_sax_0.safetensors").is_file()
    add(NAME, io.BytesIO(CONTENT), source="import")
    assert left.exists()  # it might still be at work
    os.utime(left, (0, 0))
    add(NAME, io.BytesIO(CONTENT), source="import")
    assert names(store) == [NAME, f"{NAME}.json"]


def test_many_writers_of_one_file(store: Path) -> None:
    """All with the same content, through files of their own: each ends well, and one whole file stands there."""
    failures: list[Exception] = []

    def write() -> None:
        try:
            for _ in range(20):
                add(NAME, io.BytesIO(CONTENT), source="import")
        except Exception as error:  # threads do not raise
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = stored(NAME)
    assert not failures and found and digest(found.path) == (SHA256, len(CONTENT))
    assert names(store) == [NAME, f"{NAME}.json"]


def test_a_record_never_stands_beside_another_file(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between a writer's rename and its record another one stores something else: the record must not stay."""
    write_atomic = weights_store.write_atomic
    others = [b"other"]

    def interleaved(path: Path, content: bytes | str) -> Path:
        if others:
            add(NAME, io.BytesIO(others.pop()), source="the other one")
        return write_atomic(path, content)

    monkeypatch.setattr(weights_store, "write_atomic", interleaved)
    with pytest.raises(LockedError):
        add(NAME, io.BytesIO(CONTENT), source="import")
    assert stored(NAME) is None
    assert add(NAME, io.BytesIO(CONTENT), source="import") == stored(NAME)


def test_the_record_of_another_writer_stays(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one puts its file there before our record is written, and its record after: the file is whole."""
    write_atomic, turns = weights_store.write_atomic, threading.Barrier(2)
    other = threading.Thread(target=lambda: add(NAME, io.BytesIO(b"other"), source="the other one"))

    def interleaved(path: Path, content: bytes | str) -> Path:
        if threading.current_thread() is other:
            turns.wait(60)  # its file is there
            turns.wait(60)  # our record is
            return write_atomic(path, content)
        other.start()
        turns.wait(60)
        written = write_atomic(path, content)
        turns.wait(60)
        other.join(60)
        return written

    monkeypatch.setattr(weights_store, "write_atomic", interleaved)
    with pytest.raises(LockedError):
        add(NAME, io.BytesIO(CONTENT), source="import")
    found = stored(NAME)
    assert found and found.source == "the other one" and found.path.read_bytes() == b"other"


def test_a_link_that_cannot_be_flushed_leaves_the_linked_file_alone(
    file: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the cache's only copy."""

    def fsync(number: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(hashed.os, "fsync", fsync)
    with pytest.raises(OutputError):
        add(NAME, file, source="import", link=True)
    assert file.read_bytes() == CONTENT and file.stat().st_nlink == 1 and names(store) == []


def test_a_link_that_was_made_though_the_disk_denies_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a network disk does that lost its answer: what is copied then must not go into the linked file."""
    hardlink_to = Path.hardlink_to

    def made_and_denied(self: Path, target: Path) -> None:
        hardlink_to(self, target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    monkeypatch.setattr(Path, "hardlink_to", made_and_denied)
    kept = add(NAME, file, source="import", link=True)
    assert kept.path.read_bytes() == file.read_bytes() == CONTENT and not kept.path.samefile(file)


def test_a_stored_file_that_cannot_be_read_is_not_whole(file: Path, store: Path) -> None:
    kept = add(NAME, file, source="import")
    check_whole(kept)
    kept.path.unlink()
    kept.path.symlink_to("/proc/self/mem")
    with pytest.raises(UnavailableError, match=r"cannot read acdc_sax_0\.safetensors: Input/output error") as caught:
        check_whole(kept)
    assert str(store) not in caught.value.message and stored_whole(NAME) is None
