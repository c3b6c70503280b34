"""Full-size checkpoints with random weights under the published names, as a stand-in for the hub's repository."""

from pathlib import Path

import torch
import yaml
from torch import nn

from cinema_cli.inference.cards import PublishedCard, Task, read_card
from cinema_cli.inference.devices import pick_precision
from cinema_models.build import build
from cinema_models.weights import save_weights


def published(name: str) -> PublishedCard:
    """The card of a published head."""
    card = read_card(name)
    assert isinstance(card, PublishedCard)
    return card


def save_published(folder: Path, name: str, *, n_seeds: int = 1) -> None:
    """Write config.yaml and the first weight files of a head below `folder`, each from another random start."""
    card = published(name)
    config = folder / card.config_file
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(yaml.safe_dump(_plain(card.network)))
    for file in card.files[:n_seeds]:
        torch.manual_seed(len(file.path) + (file.seed or 0))
        net = build(card.network)
        if card.task is Task.SEGMENTATION:
            _let_every_label_occur(net, card)
        save_weights(net.state_dict(), folder / file.path)


@torch.inference_mode()
def _let_every_label_occur(net: nn.Module, card: PublishedCard) -> None:
    """Random weights prefer one label everywhere: shift the last bias so that on average none is preferred."""
    (view,) = card.views
    size = (192, 192, 16) if view == "sax" else (256, 256)
    with torch.autocast("cpu", torch.bfloat16, enabled=pick_precision(torch.device("cpu")) is torch.bfloat16):
        logits = net.eval()({str(view): torch.rand(1, 1, *size)})[str(view)].float()
    middle = logits.flatten(2).median(dim=2).values[0]
    net.pred_head_dict[str(view)].bias -= middle


def _plain(value: object) -> object:
    """Mappings and sequences as YAML knows them."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
