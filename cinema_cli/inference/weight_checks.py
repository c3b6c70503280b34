"""What a published file must be before it is stored: what its card says."""

from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath

import torch
from torch import nn

from cinema_cli.domain.errors import UnavailableError
from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.trusted import HINTS, check_agreement
from cinema_models.build import build
from cinema_models.weights import WeightsError, check_fit, read_header


def check_of(card: PublishedCard) -> Callable[[Path], None]:
    """A check of files published for a head: config.yaml must agree with the card, weights must fit its network.

    Only headers of weights are read. It raises ConfigError or UnavailableError, with a code that tells what is wrong.
    """

    @cache
    def net() -> nn.Module:
        with torch.device("meta"):
            return build(card.network)

    def check(path: Path) -> None:
        if path.name == PurePosixPath(card.config_file).name:
            check_agreement(card, path)
            return
        try:
            check_fit(read_header(path), net(), name=path.name)
        except WeightsError as error:
            hint = HINTS.get(error.fault, "Only the safetensors files that were published for this head fit it.")
            raise UnavailableError(str(error), hint=hint, code=str(error.fault)) from error

    return check
