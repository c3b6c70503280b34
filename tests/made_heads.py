"""Published heads without weights: their real cards, with networks that read grey values, bright spots and means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from disk_hearts import GREY
from torch import Tensor, nn

from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.cards import PublishedCard, read_card

Images = Mapping[str, Tensor]


@dataclass
class MadeHead:
    """What the engine needs of a published head; remembers what it was shown."""

    name: str
    networks: Sequence[Any]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "fp32"
    frames_at_once: int = 8
    card: PublishedCard = field(init=False)
    use: HeadUse = field(init=False)

    def __post_init__(self) -> None:
        """Its card is the real one."""
        card = read_card(self.name)
        assert isinstance(card, PublishedCard)
        self.networks = [net if isinstance(net, nn.Module) else _Network(net) for net in self.networks]
        self.card, self.use = card, HeadUse(self.name, "ab" * 32, weights={"seed 0": "ab" * 32})


class _Network(nn.Module):
    """A function as a network without weights."""

    def __init__(self, answer: Callable[[Images], Any]) -> None:
        super().__init__()
        self.forward = answer  # type: ignore[method-assign]


def grey_network(images: Images) -> dict[str, Tensor]:
    """Labels each voxel by the nearest grey value; takes the published sizes only."""
    greys = torch.from_numpy(GREY)
    answers = {}
    for view, image in images.items():
        assert image.dtype == torch.float32 and image.shape[1] == 1
        assert image.shape[2:] == ((192, 192, 16) if view == "sax" else (256, 256))
        levels = greys.view(1, 4, *[1] * (image.ndim - 2))
        answers[view] = -40.0 * (image - levels).abs()
    return answers


def constant(*logits: float) -> Callable[[Images], Tensor]:
    """A network that answers the same of every study; it checks that it is shown ED and ES."""

    def network(images: Images) -> Tensor:
        assert all(image.shape[1] == 2 for image in images.values())
        return torch.tensor([logits])

    return network


def shares(*xy: float) -> Callable[[Images], Tensor]:
    """A landmark network that answers the same six shares for every frame."""
    return lambda images: torch.tensor([xy]).expand(len(next(iter(images.values()))), -1)


class Backbone(nn.Module):
    """Feature extraction that answers the mean of each view's image, and over all of them."""

    def feature_forward(self, images: Images) -> dict[str, Tensor]:
        """{view: (1, 1, x, y[, z])} -> {"cls": (1, 1, 2), view: (1, 3, 2)}."""
        means = {view: image.mean().expand(1, 3, 2) for view, image in images.items()}
        return {"cls": torch.stack(list(means.values())).mean(0)[:, :1], **means}
