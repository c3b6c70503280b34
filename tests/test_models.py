"""`cinema models`: the listings, for people and for programs, and what verify ends with."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_cinema import TINY, Starter, publish

from cinema_cli.inference.cards import list_cards
from cinema_cli.inference.weight_outcomes import published_files
from cinema_cli.io.weights_store import add, stored

HEAD = "cvd_mnms2_lax_4c"
CARD = TINY[HEAD]
SEED_0, SEED_1, SEED_2 = (file.path for file in CARD.files)
COMMIT = "0" * 40


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("CINEMA_") and name != "CINEMA_GOLDEN"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CINEMA_WEIGHTS_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    starter = Starter(tmp_path_factory.mktemp("streams"))
    yield starter
    starter.close()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"), [CARD])


def keep(published: Path, *names: str) -> None:
    for name in names:
        add(name, published / name, source=f"hub mathpluscode/CineMA@{COMMIT}")


@pytest.mark.parametrize("command", ["pull", "import", "path", "remove"])
def test_golden_help(command: str, golden: Callable[[str, str], None], cinema: Starter) -> None:
    done = cinema.run("models", command, "--help", COLUMNS="100")
    assert (done.returncode, done.stderr) == (0, "")
    golden(f"help-models-{command}.txt", done.stdout)


def test_every_head_is_listed_with_the_seeds_that_are_here(cinema: Starter, published: Path) -> None:
    keep(published, CARD.config_file, SEED_0, SEED_2)
    lines = [line.split("\t") for line in cinema.run("models", "list").stdout.splitlines()]
    assert [line[0] for line in lines] == [card.name for card in list_cards()] and len(lines) == 23
    weights = {line[0]: line[1] for line in lines}
    assert weights.pop(HEAD) == "0, 2" and weights.pop("starter_sax") == "embedded" and set(weights.values()) == {""}
    assert all(len(line) == 6 for line in lines)
    rows = {row["name"]: row for row in json.loads(cinema.run("models", "list", "--json").stdout)}
    assert rows[HEAD]["seeds_here"] == [0, 2] and rows[HEAD]["here"] and rows[HEAD]["views"] == ["lax_4c"]
    assert rows["starter_sax"]["here"] and rows["starter_sax"]["embedded"]
    assert not rows["backbone"]["here"] and "MIT" in rows["backbone"]["licence"]


def test_on_a_terminal_heads_are_columns() -> None:
    ours, theirs = pty.openpty()
    line = [sys.executable, "-m", "cinema_cli", "models", "list"]
    environment = os.environ | {"COLUMNS": "240", "TERM": "xterm"}
    with subprocess.Popen(line, env=environment, stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        while chunk := read(ours):
            shown += chunk
    os.close(ours)
    assert process.returncode == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).split("\r\n")
    assert lines[0].split() == ["name", "weights", "task", "views", "title", "licence"] and len(lines) == 25
    assert "\t" not in shown.decode()


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody writes to it any more
        return b""


def test_listings_do_not_load_torch() -> None:
    """It takes seconds."""
    script = (
        "import sys\n"
        "from cinema_cli.commands.app import run\n"
        "assert run(['models', 'list']) == run(['models', 'show', 'backbone']) == 0\n"
        "assert run(['models', 'path', 'backbone']) == 69\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_card_is_shown(cinema: Starter, published: Path) -> None:
    keep(published, SEED_1)
    text = cinema.run("models", "show", HEAD).stdout
    assert text.startswith(f"{HEAD}: ") and "  weights here   1\n" in text and "\nIntended use\n" in text
    assert "  answers        ARR, CIA, FALL, HCM, LV, NOR\n" in text and "  model.views = lax_4c\n" in text
    assert max(map(len, text.splitlines())) <= 110
    card = json.loads(cinema.run("models", "show", HEAD, "--json").stdout)
    assert card["network"]["model"]["n_frames"] == 2 and card["files"][2] == {"seed": 2, "path": SEED_2}
    assert "starter_sax" in cinema.run("models", "show", "starter_sax").stdout
    assert cinema.run("models", "show", "none").returncode == 78


def test_where_files_lie(cinema: Starter, published: Path, store: Path) -> None:
    missing = cinema.run("models", "path", HEAD)
    assert missing.returncode == 69 and f"cinema models pull {HEAD}" in missing.stderr
    keep(published, CARD.config_file, SEED_0, SEED_2)
    every = cinema.run("models", "path", HEAD)
    assert every.stdout.splitlines() == [str(store / name) for name in (CARD.config_file, SEED_0, SEED_2)]
    assert cinema.run("models", "path", HEAD, "--seed", "2").stdout == f"{store / SEED_2}\n"
    assert cinema.run("models", "path", HEAD, "--seed", "1").returncode == 69
    (said,) = json.loads(cinema.run("models", "path", HEAD, "--seed", "0", "--json").stdout)
    assert said["source"].endswith(COMMIT) and said["sha256"] == stored(SEED_0).sha256
    others = {"CINEMA_SEED": "7", "CINEMA_HEAD": "other"}  # meant for simulate and infer
    (embedded,) = cinema.run("models", "path", "starter_sax", **others).stdout.splitlines()
    assert Path(embedded).is_file()


def test_verify_ends_with_what_is_wrong(cinema: Starter, published: Path) -> None:
    keep(published, CARD.config_file, SEED_0)
    well = cinema.run("models", "verify")
    assert well.returncode == 0 and "3 of 3 are what they should be" in well.stderr
    absent = cinema.run("models", "verify", "backbone", HEAD, "--json")
    assert absent.returncode == 69 and [row["state"] for row in json.loads(absent.stdout)] == ["absent", "here", "here"]
    stored(SEED_0).path.write_bytes(b"damaged")
    bad = cinema.run("models", "verify", HEAD)
    assert bad.returncode == 69 and f"{HEAD}\t{SEED_0}\tfailed\t0\t{SEED_0} has the SHA-256" in bad.stdout
    assert "error: 1 of 2 are not what they should be" in bad.stderr


def test_verify_fails_where_weights_have_no_settings_or_commits_differ(cinema: Starter, published: Path) -> None:
    keep(published, SEED_0)
    lone = cinema.run("models", "verify")
    assert lone.returncode == 69 and f"{HEAD}\t{CARD.config_file}\tfailed\t0\tnot on this machine" in lone.stdout
    keep(published, CARD.config_file)
    add(SEED_1, published / SEED_1, source="import")
    assert cinema.run("models", "verify").returncode == 0
    add(SEED_2, published / SEED_2, source=f"hub mathpluscode/CineMA@{'1' * 40}")
    mixed = cinema.run("models", "verify", HEAD)
    assert mixed.returncode == 69
    assert f"{HEAD}\t\tfailed\t0\tits files come from different commits, {COMMIT} and {'1' * 40}:" in mixed.stdout


def test_what_is_removed_is_said(cinema: Starter, published: Path, store: Path) -> None:
    keep(published, CARD.config_file, SEED_0, SEED_2)
    keep_other = add("other/x.safetensors", published / SEED_1, source="import")
    assert cinema.run("models", "remove", HEAD, "none").returncode == 78 and stored(SEED_0)
    assert cinema.run("models", "remove").returncode == 2
    done = cinema.run("models", "remove", HEAD, "starter_sax", "--json")
    rows = [(row["head"], row["file"], row["state"]) for row in json.loads(done.stdout)]
    assert rows == [(HEAD, name, "removed") for name in (SEED_2, SEED_0, CARD.config_file)]
    assert done.returncode == 0 and "3 removed" in done.stderr and "starter_sax is embedded" in done.stderr
    assert {path for path in store.rglob("*") if path.is_file()} == {
        keep_other.path,
        keep_other.path.with_name("x.safetensors.json"),
    }
    again = cinema.run("models", "remove", HEAD)
    assert again.returncode == 0 and again.stdout.startswith(f"{HEAD}\t\tabsent\t0\tno file of this head")


def test_no_two_heads_share_a_file() -> None:
    """Or else to remove one would break the other."""
    names = [name for card in TINY.values() for name in published_files(card)]
    assert len(names) == len(set(names))


def test_an_import_is_reported(cinema: Starter, published: Path, tmp_path: Path) -> None:
    (tmp_path / "repository").symlink_to(published)
    done = cinema.run("models", "import", tmp_path / "repository", "--json")
    assert done.returncode == 0 and [row["state"] for row in json.loads(done.stdout)] == ["stored"] * 4
    (tmp_path / "0.safetensors").write_bytes(b"\x80\x04pickle")
    bad = cinema.run("models", "import", tmp_path / "0.safetensors", "--as", "backbone")
    assert bad.returncode == 3 and "is a pickle" in bad.stdout and "1 failed" in bad.stderr
    lone = tmp_path / "lone.safetensors"
    lone.write_bytes((published / SEED_0).read_bytes())
    stored(CARD.config_file).path.unlink()
    again = cinema.run("models", "import", lone, "--as", HEAD, "--seed", "0")
    assert again.returncode == 0 and f"{HEAD} cannot be used yet" in again.stderr
    assert cinema.run("models", "import", lone, "--seed", "0").returncode == 2
    assert cinema.run("models", "import", lone, "--as", "starter_sax").returncode == 2
    assert cinema.run("models", "import", tmp_path / "nothing").returncode == 66


def test_pull_needs_to_know_which_heads(cinema: Starter) -> None:
    assert cinema.run("models", "pull").returncode == cinema.run("models", "pull", HEAD, "--all").returncode == 2
    assert cinema.run("models", "pull", HEAD, "--seeds", "first").returncode == 2
    assert "are no numbers" in cinema.run("models", "pull", HEAD, "--seeds", "²").stderr
    embedded = cinema.run("models", "pull", "starter_sax")
    assert embedded.returncode == 0 and "embedded" in embedded.stderr
