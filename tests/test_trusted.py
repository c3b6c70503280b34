"""Trusted loading: a published head's network is what was stored, or it is refused with words of its own."""

import dataclasses
import io
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from published_configs import CARDS, CONFIGS, Config, tiny, with_changes
from safetensors.torch import save
from torch import Tensor, nn

from cinema_cli.domain.errors import CinemaError, ConfigError, UnavailableError
from cinema_cli.inference.cards import PublishedCard, seeds_here
from cinema_cli.inference.trusted import load
from cinema_cli.io.weights_store import add, stored, weights_directory
from cinema_models.build import build
from cinema_models.mae import CineMA

pytestmark = pytest.mark.usefixtures("one_thread")

State = dict[str, Tensor]


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CINEMA_WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights"


def tiny_card(name: str) -> PublishedCard:
    return dataclasses.replace(CARDS[name], network=tiny(name))


def network(card: PublishedCard, *, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(card.network).eval()


def keep(card: PublishedCard, state: State, *, seed: int | None = 0, config: object = None) -> Path:
    """Store weights and config.yaml as an import would."""
    name = next(file.path for file in card.files if file.seed == seed)
    add(card.config_file, io.BytesIO(yaml.safe_dump(config or card.network).encode()), source="import")
    return add(name, io.BytesIO(save(state)), source="import").path


def refused(card: PublishedCard, *, seed: int | None = 0) -> CinemaError:
    with pytest.raises(CinemaError) as caught:
        load(card, seed=seed)
    return caught.value


@pytest.mark.parametrize(
    "name",
    [
        "segmentation_acdc_sax",
        "landmark_heatmap_lax_2c",
        "landmark_coordinate_lax_4c",
        "cvd_mnms2_lax_4c",
        "age_mnms_sax",
    ],
)
def test_a_stored_network_answers_as_the_one_that_was_saved(name: str) -> None:
    card = tiny_card(name)
    saved = network(card)
    keep(card, saved.state_dict(), seed=2)
    loaded = load(card, seed=2)
    view = str(card.views[0])
    channels = 2 if card.frames == "ed_es" else 1
    image = {view: torch.rand(2, channels, *((64, 32, 2) if view == "sax" else (64, 32)))}
    with torch.inference_mode():
        found, wanted = loaded(image), saved(image)
    if isinstance(wanted, dict):
        found, wanted = found[view], wanted[view]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)  # memory that begins elsewhere adds in another order
    assert not loaded.training
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert {str(t.device) for t in [*loaded.parameters(), *loaded.buffers()]} == {"cpu"}
    assert {k for k, p in loaded.named_parameters() if not p.requires_grad} == {
        k for k, p in saved.named_parameters() if not p.requires_grad
    }


def test_the_backbone_has_one_file_without_a_seed() -> None:
    card = tiny_card("backbone")
    saved = network(card)
    keep(card, saved.state_dict(), seed=None)
    assert seeds_here(card) == (None,)
    loaded = load(card, seed=None)
    assert isinstance(loaded, CineMA) and isinstance(saved, CineMA)
    images = {"lax_3c": torch.rand(1, 1, 64, 32)}
    with torch.inference_mode():
        found, wanted = loaded.feature_forward(images)["cls"], saved.feature_forward(images)["cls"]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_the_seeds_that_are_here_are_those_that_were_stored() -> None:
    card = tiny_card("sex_mnms_sax")
    assert seeds_here(card) == ()
    for seed in (2, 0):
        keep(card, network(card, seed=seed).state_dict(), seed=seed)
    assert seeds_here(card) == (0, 2)
    first, third = load(card, seed=0), load(card, seed=2)
    assert not torch.equal(first.state_dict()["encoder.cls_token"], third.state_dict()["encoder.cls_token"])


def test_weights_or_settings_that_are_not_here_say_how_to_get_them() -> None:
    card = tiny_card("sex_mnms_sax")
    weights, settings = card.files[0].path, card.config_file
    for lacking in (weights, settings):
        error = refused(card)
        assert isinstance(error, UnavailableError) and error.code == "not_stored"
        assert error.message == f"head 'sex_mnms_sax' lacks {lacking} on this machine"
        assert "cinema models pull sex_mnms_sax" in error.hint and "cinema models import" in error.hint
        add(weights, io.BytesIO(save(network(card).state_dict())), source="import")


def test_a_seed_that_the_head_does_not_have_is_refused() -> None:
    error = refused(tiny_card("sex_mnms_sax"), seed=3)
    assert isinstance(error, ConfigError) and "no seed 3" in error.message and "0, 1, 2" in error.hint


def test_a_file_that_was_changed_since_is_refused_even_if_it_was_loaded_before() -> None:
    card = tiny_card("sex_mnms_sax")
    path = keep(card, network(card).state_dict())
    load(card, seed=0)
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.unlink()  # a new file: nobody writes into one that a network uses
    path.write_bytes(content)
    error = refused(card)
    record = stored(card.files[0].path)
    assert record is not None
    assert error.code == "wrong_digest" and record.sha256 in error.message and card.files[0].path in error.message


def test_weights_that_cannot_be_read_are_said_without_their_folder(store: Path) -> None:
    """A disk that gives nothing, as bad sectors do."""
    card = tiny_card("sex_mnms_sax")
    path = keep(card, network(card).state_dict())
    path.unlink()
    path.symlink_to("/proc/self/mem")
    error = refused(card)
    assert isinstance(error, UnavailableError) and error.code == "cannot_read" and str(store) not in error.message
    assert "CINEMA_WEIGHTS_DIR" in error.hint


def test_a_folder_whose_name_is_not_utf8_is_said_to_be_one(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tiny_card("sex_mnms_sax")
    keep(card, network(card).state_dict())
    monkeypatch.setenv("CINEMA_WEIGHTS_DIR", os.fsdecode(store.rename(tmp_path / os.fsdecode(b"caf\xe9"))))
    error = refused(card)
    assert isinstance(error, UnavailableError) and error.code == "folder_name" and "not UTF-8" in error.message
    assert "CINEMA_WEIGHTS_DIR" in error.hint and "pull" not in error.hint


def test_settings_that_were_changed_since_are_refused() -> None:
    card = tiny_card("sex_mnms_sax")
    keep(card, network(card).state_dict())
    (weights_directory() / card.config_file).write_text("model: {}\n")
    error = refused(card)
    assert error.code == "wrong_digest" and card.config_file in error.message


def test_settings_that_disagree_with_the_card_are_refused_with_both_values() -> None:
    card = tiny_card("age_mnms_sax")
    keep(card, network(card).state_dict(), config=with_changes(dict(card.network), {"data.age.mean": 41.5}))
    error = refused(card)
    assert isinstance(error, ConfigError) and error.code == "config_disagrees"
    assert "data.age.mean is 52.026666666666664 in the card, 41.5 in the file" in error.message



@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model.convvit.size": "giant"}, "unknown size 'giant'"),
        ({"data.sax.patch_size": [64, 30, 2]}, "is not a multiple of"),
        ({"model.convvit": {}}, "no model.convvit.enc_patch_size"),
    ],
)
def test_a_card_that_describes_no_network_says_so(change: Config, said: str) -> None:
    card = tiny_card("sex_mnms_sax")
    state = network(card).state_dict()
    card = dataclasses.replace(card, network=with_changes(dict(card.network), change))
    keep(card, state)
    error = refused(card)
    assert isinstance(error, ConfigError) and error.message.startswith("the card of head 'sex_mnms_sax' describes no")
    assert said in error.message and "models/heads/sex_mnms_sax.toml" in error.hint


BREAK: dict[str, tuple[Callable[[State], State], str]] = {
    "missing_key": (lambda s: {k: v for k, v in s.items() if k != "encoder.norm.bias"}, "encoder.norm.bias is missing"),
    "unexpected_key": (lambda s: s | {"model.extra": torch.zeros(1)}, "model.extra is not expected"),
    "wrong_shape": (
        lambda s: s | {"pred_head_dict.cls.bias": torch.zeros(3)},
        "pred_head_dict.cls.bias is (3,), not (2,)",
    ),
    "wrong_dtype": (
        lambda s: s | {"pred_head_dict.cls.bias": torch.zeros(2, dtype=torch.float16)},
        "pred_head_dict.cls.bias is torch.float16, not torch.float32",
    ),
}


@pytest.mark.parametrize("code", BREAK)
def test_weights_that_do_not_fit_say_where(code: str) -> None:
    card = tiny_card("sex_mnms_sax")
    change, said = BREAK[code]
    keep(card, change(network(card).state_dict()))
    error = refused(card)
    assert isinstance(error, UnavailableError) and (error.code, "sex_mnms_sax" in error.message) == (code, True)
    assert said in error.message


def test_a_pickle_under_the_name_of_weights_is_never_opened(tmp_path: Path) -> None:
    """Whatever is in it would run; even one whose digest is the recorded one is only looked at."""
    card = tiny_card("sex_mnms_sax")
    keep(card, network(card).state_dict())
    torch.save(network(card).state_dict(), tmp_path / "archive.pt")
    sentinel = tmp_path / "it_ran"

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(sentinel),)

    for content in (pickle.dumps(Trap()), (tmp_path / "archive.pt").read_bytes()):
        add(card.files[0].path, io.BytesIO(content), source="import")
        error = refused(card)
        assert error.code == "pickle" and "pickle" in error.message
    assert not sentinel.exists()


def test_half_a_file_with_a_record_of_its_own_is_refused() -> None:
    card = tiny_card("sex_mnms_sax")
    path = keep(card, network(card).state_dict())
    add(card.files[0].path, io.BytesIO(path.read_bytes()[:-100]), source="import")
    assert refused(card).code == "damaged_weights"


MEASURE = """
import json, sys
from cinema_cli.inference.cards import read_card
from cinema_cli.inference.trusted import load

def own_bytes():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))

card, own = read_card("segmentation_acdc_sax"), [own_bytes()]
nets = []
for _ in range(2):
    nets.append(load(card, seed=0))
    own.append(own_bytes())
total = sum(float(p.double().sum()) for p in nets[0].parameters())
print(json.dumps({"own": own, "total": total, "compiler": "torch._dynamo" in sys.modules}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory by kind is known on Linux only")
def test_a_full_size_network_is_used_as_it_lies_on_disk(store: Path) -> None:
    """510 MB of weights cost less than a quarter of that in memory of its own, loaded once or twice, used or not."""
    card = CARDS["segmentation_acdc_sax"]
    with torch.device("meta"):
        shapes = build(CONFIGS[card.name]).state_dict()
    generator = torch.Generator().manual_seed(0)
    state = {key: torch.rand(value.shape, generator=generator) for key, value in shapes.items()}
    total = sum(float(value.double().sum()) for value in state.values())
    size = sum(value.nbytes for value in state.values())
    assert size == 4 * 127_390_694
    keep(card, state)
    del state
    environment = os.environ | {"CINEMA_WEIGHTS_DIR": str(store)}
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["total"] == pytest.approx(total, rel=1e-6)
    assert max(found["own"]) - found["own"][0] < 0.25 * size  # building the network alone takes up to 55 MB
    assert not found["compiler"]  # of torch: it takes seconds to load, see position_embedding
