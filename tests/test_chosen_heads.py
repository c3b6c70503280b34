"""Which heads run, and that a head answers with the same seeds in the whole run, as its records say."""

from pathlib import Path

import pytest
import torch
from tiny_cinema import TINY, publish

from cinema_cli.domain.errors import CinemaError, UnavailableError, UsageError
from cinema_cli.inference.cards import PublishedCard, read_card
from cinema_cli.inference.chosen import chosen_cards
from cinema_cli.inference.local_engine import load_engine
from cinema_cli.inference.pool import NetworkPool
from cinema_cli.inference.published_head import PublishedHead
from cinema_cli.io.weights_store import add

CPU = torch.device("cpu")
HEAD, OTHER = TINY["segmentation_mnms2_lax_4c"], TINY["backbone"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CINEMA_WEIGHTS_DIR", str(tmp_path / "store"))
    return tmp_path / "store"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return publish(tmp_path / "published", [HEAD, OTHER])


def keep(folder: Path, *names: str) -> None:
    """Store published files."""
    for name in names:
        add(name, folder / name, source="import")


def pretend(folder: Path, *names: str, config: bool = True) -> None:
    """Store files under a head's names that nobody will load."""
    (folder / "empty").write_bytes(b"")
    for name in names:
        card = read_card(name)
        assert isinstance(card, PublishedCard)
        for path in (card.files[-1].path, *([card.config_file] if config else [])):
            add(path, folder / "empty", source="import")


def chosen(*names: str) -> list[str]:
    return [card.name for card in chosen_cards(names)]


def test_without_weights_the_starter_measures_alone(store: Path) -> None:
    assert chosen() == ["starter_sax"] and chosen("starter_sax", "starter_sax") == ["starter_sax"]


def test_heads_that_are_here_run_and_the_most_varied_measures(store: Path, tmp_path: Path) -> None:
    pretend(tmp_path, "segmentation_acdc_sax", "segmentation_mnms2_sax", "cvd_acdc_sax")
    pretend(tmp_path, "segmentation_mnms_sax", "ef_acdc_sax", config=False)
    assert chosen() == ["segmentation_mnms2_sax", "cvd_acdc_sax", "segmentation_acdc_sax"]
    assert chosen("cvd_acdc_sax") == ["segmentation_mnms2_sax", "cvd_acdc_sax"]
    assert chosen("cvd_acdc_sax", "segmentation_acdc_sax") == ["segmentation_acdc_sax", "cvd_acdc_sax"]
    assert chosen("starter_sax", "segmentation_acdc_sax") == ["starter_sax", "segmentation_acdc_sax"]
    with pytest.raises(UsageError, match="starter_sax was named beside segmentation_acdc_sax"):
        chosen("segmentation_acdc_sax", "starter_sax")


def test_a_head_without_weights_is_refused_by_name(store: Path) -> None:
    with pytest.raises(UnavailableError, match="cvd_acdc_sax") as refused:
        load_engine(["cvd_acdc_sax"], device="cpu")
    assert "cinema models pull cvd_acdc_sax" in refused.value.hint


def test_the_seeds_that_are_here_answer(store: Path, published: Path) -> None:
    keep(published, HEAD.config_file, HEAD.files[2].path)
    head = PublishedHead(HEAD, NetworkPool(device=CPU, numbers=torch.float32))
    assert len(head.networks) == 1 and list(head.use.weights) == [HEAD.files[2].path]
    keep(published, HEAD.files[0].path)  # a pull beside the run
    assert len(head.networks) == 1 and list(head.use.weights) == [HEAD.files[2].path]
    both = PublishedHead(HEAD, NetworkPool(device=CPU, numbers=torch.float32))
    assert len(both.networks) == 2 and both.use.sha256 != head.use.sha256


def test_weights_that_go_or_change_end_the_run(store: Path, published: Path) -> None:
    keep(published, HEAD.config_file, *(file.path for file in HEAD.files))
    head = PublishedHead(HEAD, NetworkPool(device=CPU, numbers=torch.float32))
    (store / HEAD.files[1].path).unlink()
    with pytest.raises(UnavailableError):
        _ = head.networks
    assert len(head.use.weights) == 3  # what the records of this run said


def test_settings_that_are_not_here_are_refused_before_any_study(store: Path, published: Path) -> None:
    keep(published, HEAD.files[0].path)
    with pytest.raises(CinemaError, match=r"config\.yaml"):
        PublishedHead(HEAD, NetworkPool(device=CPU, numbers=torch.float32))


@pytest.mark.parametrize("most_bytes", [0, 2**40])
def test_heads_leave_memory_when_there_is_no_room(store: Path, published: Path, most_bytes: int) -> None:
    keep(published, HEAD.config_file, HEAD.files[0].path, OTHER.config_file, OTHER.files[0].path)
    pool = NetworkPool(device=CPU, numbers=torch.float32, most_bytes=most_bytes)
    head, other = PublishedHead(HEAD, pool), PublishedHead(OTHER, pool)
    (first,) = head.networks
    assert head.networks[0] is first
    assert len(other.networks) == 1
    assert (head.networks[0] is first) == bool(most_bytes)
