"""`cinema models pull` with the hub's real client against a small hub on loopback, well and badly behaved."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, REPOSITORY, Hub, serving
from tiny_cinema import TINY, Ended, Starter, publish

from cinema_cli.io.hashed import digest
from cinema_cli.io.weights_store import every_stored, stored

HEAD = "segmentation_mnms2_lax_4c"
CARD = TINY[HEAD]
CONFIG = CARD.config_file
SEED_0, SEED_1, SEED_2 = (file.path for file in CARD.files)
SOURCE = f"hub {REPOSITORY}@{COMMIT}"

Environment = dict[str, str]
Pull = Callable[..., Ended]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("repository"), [CARD, TINY["backbone"]])


@pytest.fixture(scope="module")
def cinema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starter]:
    starter = Starter(tmp_path_factory.mktemp("streams"))
    yield starter
    starter.close()


@pytest.fixture
def hub(repository: Path) -> Iterator[Hub]:
    with serving(repository) as hub:
        yield hub


@pytest.fixture
def settings(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The environment of a user who has pulled nothing yet; this process sees the same store."""
    monkeypatch.setenv("CINEMA_WEIGHTS_DIR", str(tmp_path / "store"))
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "CINEMA_REVISION"):
        monkeypatch.delenv(name, raising=False)
    return hub.environment | {"HF_HOME": str(tmp_path / "hf")}


@pytest.fixture
def pull(cinema: Starter, settings: Environment) -> Pull:
    def run(*arguments: str, most_bytes: int | None = None, **more: str) -> Ended:
        return cinema.run("models", "pull", *arguments, most_bytes=most_bytes, **(settings | more))

    return run


def files_in(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def rows(done: Ended) -> dict[str, str]:
    """File -> state, of the rows that were printed."""
    return {line.split("\t")[1]: line.split("\t")[2] for line in done.stdout.splitlines()}


def test_what_is_pulled_is_the_hubs_file_once_on_disk_with_its_commit(
    pull: Pull, hub: Hub, repository: Path, tmp_path: Path
) -> None:
    done = pull(HEAD, "--revision", "main")
    assert (done.returncode, rows(done)) == (0, dict.fromkeys((CONFIG, SEED_0, SEED_1, SEED_2), "stored"))
    assert "4 stored" in done.stderr
    for name in (CONFIG, SEED_0, SEED_1, SEED_2):
        file = stored(name)
        assert file and file.path.read_bytes() == (repository / name).read_bytes()
        assert (file.source, file.sha256) == (SOURCE, digest(repository / name)[0])
        assert file.path.stat().st_nlink == 2  # the other one is in the client's cache
    assert hub.downloads == dict.fromkeys((CONFIG, SEED_0, SEED_1, SEED_2), 1)
    both = [(name, f"{name}.json") for name in (CONFIG, SEED_0, SEED_1, SEED_2)]
    assert files_in(tmp_path / "store") == sorted(name for names in both for name in names)

    again = pull(HEAD, HF_ENDPOINT="http://127.0.0.1:9")  # no revision, no network
    assert (again.returncode, set(rows(again).values())) == (0, {"here"})

    stored(SEED_1).path.write_bytes(b"damaged")  # the cache's file is the same one: it is fetched anew
    mended = pull(HEAD)
    assert (mended.returncode, rows(mended)[SEED_1], rows(mended)[SEED_0]) == (0, "stored", "here")
    assert stored(SEED_1).path.read_bytes() == (repository / SEED_1).read_bytes()


def test_without_a_revision_and_an_earlier_pull_none_is_guessed(pull: Pull, hub: Hub) -> None:
    done = pull(HEAD)
    assert done.returncode == 2 and "Give --revision a commit" in done.stderr
    assert not hub.downloads and not every_stored()


def test_some_seeds_and_a_dry_run(pull: Pull, hub: Hub, repository: Path) -> None:
    done = pull(HEAD, "backbone", "--seeds", "1", "-n", "--json", "--revision", COMMIT)
    said = json.loads(done.stdout)
    wanted = [CONFIG, SEED_1, "pretrained/config.yaml", "pretrained/cinema.safetensors"]
    assert done.returncode == 0 and [row["file"] for row in said] == wanted
    assert all(row["state"] == "to fetch" and row["size"] == (repository / row["file"]).stat().st_size for row in said)
    assert not hub.downloads and not every_stored()
    wrong = pull(HEAD, "--seeds", "1,3", "--revision", COMMIT)
    assert wrong.returncode == 2 and "seed 3" in wrong.stderr


def test_two_pulls_at_once(cinema: Starter, hub: Hub, repository: Path, tmp_path: Path, settings: Environment) -> None:
    """The second begins while the first holds half a file; both end well, with one whole file."""
    hub.held[SEED_0] = threading.Event()
    arguments = ("models", "pull", HEAD, "--seeds", "0", "--revision", "main")
    both = [cinema.start(*arguments, **settings)]
    assert hub.half_sent.wait(60)
    both.append(cinema.start(*arguments, **settings))
    while hub.asked[f"/{REPOSITORY}/resolve/{COMMIT}/{SEED_0}"] < 2:  # each asks once what it is
        assert hub.news.wait(60)
        hub.news.clear()
    assert stored(SEED_0) is None and not (tmp_path / "store" / SEED_0).exists()
    hub.held.pop(SEED_0).set()
    assert [process.end().returncode for process in both] == [0, 0]
    assert stored(SEED_0).path.read_bytes() == (repository / SEED_0).read_bytes()
    assert [name for name in files_in(tmp_path / "store") if "partial" in name] == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_pull_that_is_stopped_leaves_no_half_file(
    cinema: Starter, pull: Pull, hub: Hub, repository: Path, tmp_path: Path, number: int, settings: Environment
) -> None:
    hub.held[SEED_1] = threading.Event()
    process = cinema.start("models", "pull", HEAD, "--revision", COMMIT, **settings)
    assert hub.half_sent.wait(60)
    os.kill(process.pid, number)
    assert process.end().returncode == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[number]
    hub.held.pop(SEED_1).set()
    assert stored(SEED_0) and not stored(SEED_1) and not (tmp_path / "store" / SEED_1).exists()
    done = pull(HEAD)  # goes on from the commit of what is here
    assert (done.returncode, rows(done)[SEED_0], rows(done)[SEED_1]) == (0, "here", "stored")
    assert stored(SEED_1).path.read_bytes() == (repository / SEED_1).read_bytes()


def test_a_cut_connection_is_resumed_by_the_client(pull: Pull, hub: Hub, repository: Path) -> None:
    hub.cut[SEED_0] = 1
    done = pull(HEAD, "--seeds", "0", "--revision", COMMIT)
    assert done.returncode == 0 and stored(SEED_0).path.read_bytes() == (repository / SEED_0).read_bytes()
    assert hub.downloads[SEED_0] == 2


def test_a_cut_connection_of_a_large_file_goes_on_where_it_ended(tmp_path: Path, settings: Environment) -> None:
    """The client writes in pieces of 10 MB: the first of them is not sent again."""
    content = os.urandom(24 * 10**6)
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "a.safetensors").write_bytes(content)
    script = (
        "from cinema_cli.io.hub import fetch, files_at\n"
        f"file = files_at('{REPOSITORY}', '{COMMIT}', ['a.safetensors'])['a.safetensors']\n"
        "seen = []\n"
        "fetch(file, check=lambda path: None, progress=seen.append)\n"
        "print(seen)\n"
    )
    with serving(tmp_path / "repository") as hub:
        hub.cut["a.safetensors"] = 1
        environment = os.environ | settings | hub.environment
        line = [sys.executable, "-c", script]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, check=True)
    assert stored("a.safetensors").path.read_bytes() == content and hub.ranges == [f"bytes={10 * 2**20}-"]
    assert json.loads(done.stdout)[-1] == len(content)


def test_what_arrives_damaged_is_fetched_again(pull: Pull, hub: Hub, repository: Path) -> None:
    hub.damaged[SEED_0] = hub.damaged[CONFIG] = 1
    done = pull(HEAD, "--seeds", "0", "--revision", COMMIT)
    assert done.returncode == 0 and hub.downloads == {CONFIG: 2, SEED_0: 2}
    assert stored(SEED_0).path.read_bytes() == (repository / SEED_0).read_bytes()


def test_what_stays_damaged_is_not_stored_and_the_others_are(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    hub.damaged[SEED_1] = 2
    done = pull(HEAD, "--revision", COMMIT)
    assert done.returncode == 3 and "was expected" in done.stdout
    assert rows(done) == {CONFIG: "stored", SEED_0: "stored", SEED_1: "failed", SEED_2: "stored"}
    assert stored(SEED_1) is None and not (tmp_path / "store" / SEED_1).exists()
    assert pull(HEAD).returncode == 0  # the damaged copy in the cache is not trusted


def test_a_config_that_says_otherwise_keeps_its_weights_out(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    other = tmp_path / "config.yaml"
    other.write_text((hub.files[CONFIG].path).read_text().replace("out_chans: 4", "out_chans: 5"))
    hub.replace(CONFIG, other)
    done = pull(HEAD, "--revision", COMMIT)
    assert done.returncode == 3 and set(rows(done).values()) == {"failed"}
    assert "model.out_chans is 4 in the card, 5 in the file" in done.stdout
    assert hub.downloads == {CONFIG: 1} and not every_stored()


def test_a_config_that_the_hub_does_not_hold_keeps_its_weights_out(pull: Pull, hub: Hub) -> None:
    del hub.files[CONFIG]
    for more in ("-n", "--quiet"):
        done = pull(HEAD, "backbone", "--revision", COMMIT, more)
        assert done.returncode == 3
        assert {name: rows(done)[name] for name in (CONFIG, SEED_0, SEED_1, SEED_2)} == dict.fromkeys(
            (CONFIG, SEED_0, SEED_1, SEED_2), "failed"
        )
    assert SEED_0 not in hub.downloads and stored("pretrained/cinema.safetensors") and not stored(SEED_0)


def test_seeds_of_different_commits_are_not_mixed(pull: Pull, hub: Hub) -> None:
    assert pull(HEAD, "--seeds", "0,1", "--revision", COMMIT).returncode == 0
    hub.commit, later = "f" * 40, f"hub {REPOSITORY}@{'f' * 40}"
    for seeds in ("1", "2", "1,2"):
        done = pull(HEAD, "--seeds", seeds, "--revision", "main")
        assert done.returncode == 2 and f"files of {HEAD} at commit {COMMIT} would stay" in done.stderr
        assert "cinema models remove" in done.stderr
    assert {file.source for file in every_stored()} == {SOURCE}
    assert pull(HEAD, "--seeds", "0,1", "--revision", "main").returncode == 0  # all that are here
    assert pull(HEAD, "--seeds", "2").returncode == 0
    assert {file.source for file in every_stored()} == {later} and len(every_stored()) == 4


def test_weights_of_another_network_are_not_stored(pull: Pull, hub: Hub) -> None:
    hub.replace(SEED_2, hub.files["pretrained/cinema.safetensors"].path)
    done = pull(HEAD, "--revision", COMMIT)
    assert done.returncode == 3 and "does not fit the network" in done.stdout
    assert rows(done) == {CONFIG: "stored", SEED_0: "stored", SEED_1: "stored", SEED_2: "failed"}


def test_offline_what_the_clients_cache_holds_is_taken(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    other = {"CINEMA_WEIGHTS_DIR": str(tmp_path / "other store")}
    assert pull(HEAD, "--seeds", "0", "--revision", COMMIT, **other).returncode == 0
    asked = dict(hub.asked)
    done = pull(HEAD, "--revision", COMMIT, HF_HUB_OFFLINE="1")
    assert rows(done) == {CONFIG: "stored", SEED_0: "stored", SEED_1: "failed", SEED_2: "failed"}
    assert done.returncode == 3 and stored(SEED_0).source == SOURCE
    refs = tmp_path / "hf" / "hub" / "models--mathpluscode--CineMA" / "refs"
    refs.mkdir()
    (refs / "v1").write_text(COMMIT)
    tagged = pull(HEAD, "--seeds", "0", "--revision", "v1", HF_HUB_OFFLINE="1")  # as other programs leave it there
    assert (tagged.returncode, set(rows(tagged).values())) == (0, {"here"})
    unknown = pull(HEAD, "--revision", "main", HF_HUB_OFFLINE="1")
    assert unknown.returncode == 69 and "HF_HUB_OFFLINE is set" in unknown.stderr
    assert dict(hub.asked) == asked


@pytest.mark.parametrize(
    ("status", "error_code", "words"),
    [
        (401, "", "does not accept the token"),
        (401, "RepoNotFound", f"shows no repository {REPOSITORY}"),
        (403, "", f"refuses access to {REPOSITORY}"),
        (403, "GatedRepo", "only on request"),
        (404, "RevisionNotFound", f"{REPOSITORY} has no revision '{COMMIT}'"),
        (429, "", "asked too often"),
        (503, "", "answers with error 503"),
    ],
)
def test_a_hub_that_refuses(pull: Pull, hub: Hub, status: int, error_code: str, words: str) -> None:
    hub.status, hub.error_code = status, error_code
    done = pull(HEAD, "--revision", COMMIT)
    assert done.returncode == 69 and words in done.stderr and "hint: " in done.stderr
    assert done.stdout == "" and not every_stored()


def test_a_hub_that_cannot_be_reached_or_is_none(pull: Pull, hub: Hub) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        nobody = {"HF_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}", "HF_HUB_ETAG_TIMEOUT": "1"}
        done = pull(HEAD, "--revision", COMMIT, **nobody)
    assert done.returncode == 69 and "cannot be reached" in done.stderr and "models import" in done.stderr
    gone = pull(HEAD, "--revision", COMMIT, **nobody)  # now nothing listens there
    assert gone.returncode == 69 and "cannot be reached" in gone.stderr
    hub.web_page = True
    page = pull(HEAD, "--revision", COMMIT)
    assert page.returncode == 69 and "not that of a hub" in page.stderr


def test_a_repository_without_a_file_and_another_repository(pull: Pull, hub: Hub) -> None:
    del hub.files[SEED_2]
    done = pull(HEAD, "--revision", COMMIT)
    assert (done.returncode, rows(done)[SEED_2], rows(done)[SEED_1]) == (3, "failed", "stored")
    assert "does not hold this file" in done.stdout
    other = pull(HEAD, "--revision", COMMIT, "--repository", "a/b")
    assert other.returncode == 69 and "shows no repository a/b" in other.stderr
    none = pull(HEAD, "--revision", COMMIT, "--repository", "a/b/c")
    assert none.returncode == 2 and "OWNER/NAME" in none.stderr


def test_the_token_is_shown_to_the_hub_only(pull: Pull, hub: Hub) -> None:
    """Not to the host where it keeps large files; and nothing is said about this machine."""
    pull(HEAD, "--seeds", "0", "--revision", COMMIT, HF_TOKEN="hf_secret")
    assert stored(SEED_0) and hub.tokens == {"127.0.0.1": "Bearer hf_secret", "localhost": None}
    assert hub.agents and not any("torch" in agent for agent in hub.agents)


def test_a_full_disk(pull: Pull, hub: Hub, tmp_path: Path) -> None:
    """A process that may write no file as large as the weights."""
    size = hub.files[SEED_0].path.stat().st_size // 2
    done = pull(HEAD, "--revision", COMMIT, most_bytes=size)
    assert done.returncode == 73 and "cannot write" in done.stderr
    assert stored(CONFIG) and not (tmp_path / "store" / SEED_0).exists()


def test_without_the_client_there_is_a_hint(settings: Environment, tmp_path: Path) -> None:
    """A module that cannot be imported stands in its way."""
    (tmp_path / "huggingface_hub.py").write_text("raise ImportError('not here')\n")
    line = [sys.executable, "-m", "cinema_cli", "models", "pull", HEAD, "--revision", COMMIT]
    environment = os.environ | settings | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 69 and "pip install 'cinema-cli[hub]'" in done.stderr


def test_what_was_imported_is_not_fetched_again_where_the_hub_has_the_same(
    cinema: Starter, pull: Pull, hub: Hub, repository: Path, settings: Environment
) -> None:
    assert cinema.run("models", "import", repository / SEED_0, **settings).returncode == 0
    assert stored(SEED_0).source == "import"
    done = pull(HEAD, "--seeds", "0", "--revision", COMMIT)
    assert done.returncode == 0 and stored(SEED_0).source == SOURCE and not hub.downloads[SEED_0]
