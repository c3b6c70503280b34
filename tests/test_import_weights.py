"""Weights from files and folders: each is taken for what it is and checked, or refused with its own reason."""

import dataclasses
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_cinema import TINY, publish

from cinema_cli.domain.errors import CinemaError, InputError, UsageError
from cinema_cli.inference.import_weights import heads_without_settings, import_files
from cinema_cli.inference.trusted import load
from cinema_cli.inference.verify_weights import verify, verify_others
from cinema_cli.inference.weight_outcomes import ONE_FILE, Outcome, State
from cinema_cli.io.weights_store import add, every_stored, stored
from cinema_models.weights import Fault

CARDS = tuple(TINY.values())
HEAD = "segmentation_acdc_sax"
CARD = TINY[HEAD]
CONFIG = CARD.config_file
SEED_0, SEED_1, SEED_2 = (file.path for file in CARD.files)
FILES = (CONFIG, SEED_0, SEED_1, SEED_2)
OTHER = TINY["ef_acdc_sax"]  # whose files have the same names in another folder

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CINEMA_WEIGHTS_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(tmp_path_factory.mktemp("published"), [CARD, OTHER])


@pytest.fixture
def folder(published: Path, tmp_path: Path) -> Path:
    return shutil.copytree(published, tmp_path / "folder")


def bring(path: Path, head: str | None = None, seed: int | None = None) -> dict[str, Outcome]:
    return {outcome.file: outcome for outcome in import_files(path, CARDS, head=head, seed=seed)}


def states(outcomes: dict[str, Outcome]) -> dict[str, str]:
    return {name: str(outcome.state) for name, outcome in outcomes.items()}


def refusal(path: Path, head: str | None = None, seed: int | None = None) -> CinemaError:
    with pytest.raises(CinemaError) as caught:
        bring(path, head, seed)
    assert not every_stored()
    return caught.value


def test_a_folder_laid_out_as_published(folder: Path) -> None:
    (folder / "README.md").write_text("not ours")
    found = bring(folder)
    wanted = {*FILES, OTHER.config_file, *(file.path for file in OTHER.files)}
    assert states(found) == dict.fromkeys(wanted, "stored")
    assert all(file.source == "import" and found[file.name].size == file.size for file in every_stored())
    net = load(CARD, seed=1)
    assert all(torch.equal(value, load_file(folder / SEED_1)[name]) for name, value in net.state_dict().items())
    assert states(bring(folder)) == dict.fromkeys(wanted, "here")


def test_a_snapshot_of_the_hubs_cache(folder: Path, tmp_path: Path) -> None:
    """There every file is a link to a blob outside of the snapshot."""
    snapshot = tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    for number, name in enumerate(FILES):
        blob = tmp_path / "models--a--b" / "blobs" / str(number)
        blob.parent.mkdir(exist_ok=True, parents=True)
        blob.write_bytes((folder / name).read_bytes())
        (snapshot / name).parent.mkdir(exist_ok=True, parents=True)
        (snapshot / name).symlink_to(blob)
    assert states(bring(snapshot)) == dict.fromkeys(FILES, "stored")
    assert stored(SEED_0).path.stat().st_nlink == 1  # a copy: what others own may change


def test_a_file_is_known_by_its_folders_and_brings_its_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert states(bring(folder / SEED_2)) == {CONFIG: "stored", SEED_2: "stored"}
    monkeypatch.chdir((folder / SEED_0).parent)
    assert states(bring(Path("acdc_sax_0.safetensors"))) == {CONFIG: "here", SEED_0: "stored"}
    load(CARD, seed=0)


def test_a_file_elsewhere_needs_its_head_and_perhaps_its_seed(folder: Path, tmp_path: Path) -> None:
    plain, odd = tmp_path / "acdc_sax_1.safetensors", tmp_path / "downloaded"
    shutil.copy(folder / SEED_1, plain)
    shutil.copy(folder / SEED_2, odd)
    ambiguous = refusal(plain)
    assert isinstance(ambiguous, UsageError) and HEAD in ambiguous.message and "ef_acdc_sax" in ambiguous.message
    assert isinstance(refusal(odd), UsageError) and isinstance(refusal(odd, HEAD), UsageError)
    lone = bring(plain, HEAD)
    assert states(lone) == {SEED_1: "stored"}
    assert heads_without_settings(CARDS, lone.values()) == [HEAD]
    assert states(bring(odd, HEAD, 2)) == {SEED_2: "stored"}
    shutil.copy(folder / CONFIG, tmp_path / "config.yaml")
    with pytest.raises(UsageError, match="its name fits age_mnms_sax, "):
        bring(tmp_path / "config.yaml")
    assert states(bring(tmp_path / "config.yaml", HEAD)) == {CONFIG: "stored"}
    assert heads_without_settings(CARDS, lone.values()) == []
    load(CARD, seed=2)


def test_the_folder_of_one_head(folder: Path) -> None:
    own = (folder / SEED_0).parent
    assert "--as" in refusal(own).hint
    assert states(bring(own, HEAD)) == dict.fromkeys(FILES, "stored")
    assert states(bring(folder, HEAD)) == dict.fromkeys(FILES, "here")


def changed(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        state = load_file(path)
        change(state)
        save_file(state, path)

    return apply


KEY = "encoder.norm.weight"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.write_bytes(pickle.dumps({"model": 1})), "is a pickle"),
        (lambda path: torch.save({"model": torch.zeros(1)}, path), "is a zip file, .* may hold a pickle"),
        (lambda path: path.write_bytes(path.read_bytes()[:-8]), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (changed(lambda state: state.pop(KEY)), f"{KEY} is missing"),
        (changed(lambda state: state.update(more=torch.zeros(1))), "more is not expected"),
        (changed(lambda state: state.update({KEY: torch.zeros(3)})), rf"{KEY} is \(3,\), not \(16,\)"),
        (changed(lambda state: state.update({KEY: state[KEY].half()})), f"{KEY} is torch.float16, not torch.float32"),
    ],
)
def test_one_bad_file_does_not_stop_the_others(folder: Path, spoil: Callable[[Path], None], reason: str) -> None:
    spoil(folder / SEED_1)
    found = bring(folder, HEAD)
    assert states(found) == {CONFIG: "stored", SEED_0: "stored", SEED_1: "failed", SEED_2: "stored"}
    (message,) = [outcome.reason for outcome in found.values() if outcome.reason]
    assert re.search(reason, message)
    assert stored(SEED_1) is None


def test_settings_that_say_otherwise_or_are_none(folder: Path) -> None:
    config = folder / CONFIG
    config.write_text(config.read_text().replace("out_chans: 4", "out_chans: 3"))
    found = bring(folder, HEAD)
    assert "model.out_chans is 4 in the card, 3 in the file" in found[CONFIG].reason
    assert states(found) == dict.fromkeys(FILES, "failed") and not any(map(stored, FILES))  # its weights neither
    add(SEED_0, folder / SEED_0, source="import")
    assert heads_without_settings(CARDS, found.values()) == []  # it was not lacking
    assert states(bring(folder / SEED_1)) == {CONFIG: "failed", SEED_1: "failed"}
    assert states(bring(folder))[OTHER.config_file] == "stored"
    config.write_text("!!python/object/apply:os.system ['true']")
    assert "is not plain YAML" in bring(folder, HEAD)[CONFIG].reason and stored(CONFIG) is None


def test_what_holds_no_weights_is_said(tmp_path: Path) -> None:
    assert isinstance(refusal(tmp_path / "none"), InputError)
    assert "holds no published file" in refusal(tmp_path).message
    for name in ("weights.zip", "weights.tar.gz"):
        (tmp_path / name).write_bytes(b"PK\x03\x04")
        assert refusal(tmp_path / name).code == refusal(tmp_path / name, HEAD, 0).code == "archive"
    torch.save({}, tmp_path / "model.pt")
    assert refusal(tmp_path / "model.pt").code == "pickle"


def test_every_fault_of_a_file_concerns_that_file_only() -> None:
    assert {str(fault) for fault in Fault} - ONE_FILE == {"no_weights", "folder_name"}


def test_a_file_that_cannot_be_read_does_not_stop_the_others(folder: Path) -> None:
    """A device error, as bad sectors give; root reads everything else."""
    (folder / SEED_1).unlink()
    (folder / SEED_1).symlink_to("/proc/self/mem")
    found = bring(folder, HEAD)
    assert states(found) == {CONFIG: "stored", SEED_0: "stored", SEED_1: "failed", SEED_2: "stored"}


def test_verify_tells_what_was_damaged_since(folder: Path) -> None:
    bring(folder)
    add("other/x.safetensors", folder / SEED_0, source="import")
    assert {outcome.state for outcome in verify(CARDS, absent=False)} == {State.HERE}
    stored(SEED_1).path.write_bytes(b"damaged")
    stored("other/x.safetensors").path.write_bytes(b"damaged")
    bad = [outcome for outcome in verify(CARDS, absent=False) if outcome.state is State.FAILED]
    assert [(outcome.file, outcome.head) for outcome in bad] == [(SEED_1, HEAD)]
    assert "was recorded when it was stored" in bad[0].reason
    (other,) = verify_others(CARDS)
    assert (other.file, other.state) == ("other/x.safetensors", State.FAILED)
    assert states(bring(folder))[SEED_1] == "stored"  # an import mends it


def test_verify_holds_files_against_the_card_of_today(folder: Path) -> None:
    """A later version of cinema may describe another network under the name of the head."""
    bring(folder)
    later = dataclasses.replace(CARD, network=OTHER.network)
    outcomes = list(verify([later], absent=False))
    assert {outcome.state for outcome in outcomes} == {State.FAILED} and len(outcomes) == 4


def test_verify_says_which_named_head_is_not_here() -> None:
    assert list(verify([CARD], absent=False)) == []
    (absent,) = verify([CARD], absent=True)
    assert (absent.head, absent.state) == (HEAD, State.ABSENT)
