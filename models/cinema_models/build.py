"""From a card's network table to a module: the only file that reads sizes."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from cinema_models.stack_unet import StackUNet


def build(config: Mapping[str, Any]) -> nn.Module:
    """Build the network that `config` describes, with fresh weights.

    `config["kind"]` names it: `stack_unet` takes `in_chans`, `out_chans`, `widths`, `fold` and `mix_from`.
    Raises ValueError for another kind and KeyError for a missing size.
    """
    kind = config["kind"]
    if kind == "stack_unet":
        return StackUNet(
            config["in_chans"],
            config["out_chans"],
            tuple(config["widths"]),
            fold=config["fold"],
            mix_from=config["mix_from"],
        )
    raise ValueError(f"unknown network {kind!r}")
