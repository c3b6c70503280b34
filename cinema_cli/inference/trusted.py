"""From a card and a seed to a network that can be trusted: the files' digests and the published settings agree."""

import contextlib
from functools import cache
from pathlib import Path

import torch
from torch import nn

from cinema_cli.domain.errors import ConfigError, UnavailableError
from cinema_cli.inference.cards import PublishedCard, WeightFile
from cinema_cli.io.published_yaml import disagreements, read_published
from cinema_cli.io.weights_store import SETTING, StoredFile, check_whole, stored
from cinema_models.build import build
from cinema_models.weights import Fault, WeightsError, adopt_weights

HINTS = {
    Fault.FOLDER: f"Set {SETTING} to a folder whose path is UTF-8, and move the weights there.",
    Fault.MISSING_FILE: f"Check the disk, and that you may read the folder of weights ({SETTING}).",
}
"""What to do where the weights themselves may be sound."""


def load(card: PublishedCard, *, seed: int | None) -> nn.Module:
    """A published network with the weights of `seed`: float32, on the CPU, for inference.

    The weights are not copied: they are read from disk as the network first uses them, and several processes share
    them. Each file is hashed once a process. Raises UnavailableError for weights or config.yaml that are not stored,
    are not what was stored, or do not fit the network; ConfigError for a seed that the card does not have, for a
    config.yaml that says otherwise than the card, and for a card that describes no network.
    """
    weights = _checked(_weight_file(card, seed).path, card)
    check_agreement(card, _checked(card.config_file, card).path)
    try:
        with torch.device("meta"):
            net = build(card.network)
    except (KeyError, ValueError) as error:
        said = f"the card of head {card.name!r} describes no network: {error.args[0]}"
        raise ConfigError(said, hint=f"See [network] in models/heads/{card.name}.toml.", code="bad_card") from error
    try:
        return adopt_weights(net, weights.path).eval()
    except WeightsError as error:
        raise UnavailableError(
            f"the weights of head {card.name!r} cannot be used: {error}",
            hint=HINTS.get(error.fault, f"`cinema models pull {card.name}` fetches those published for this head."),
            code=str(error.fault),
        ) from error


def _weight_file(card: PublishedCard, seed: int | None) -> WeightFile:
    for file in card.files:
        if file.seed == seed:
            return file
    known = ", ".join(str(file.seed) for file in card.files)
    raise ConfigError(f"head {card.name!r} has no seed {seed}", hint=f"It has {known}.")


def _checked(name: str, card: PublishedCard) -> StoredFile:
    """The stored file of that published path, after its digest was compared with the one recorded."""
    fetch = f"`cinema models pull {card.name}` fetches it; without a network, `cinema models import`."
    with contextlib.suppress(FileNotFoundError):  # removed meanwhile
        if file := stored(name):
            about = file.path.stat()
            _check_once(file, about.st_size, about.st_mtime_ns, about.st_ino)
            return file
    raise UnavailableError(f"head {card.name!r} lacks {name} on this machine", hint=fetch, code="not_stored")


@cache
def _check_once(file: StoredFile, size: int, mtime_ns: int, inode: int) -> None:
    """Check a file; the rest tells one that was changed or replaced from the one that passed."""
    check_whole(file)


def check_agreement(card: PublishedCard, config: Path) -> None:
    """Raise ConfigError, with the dotted keys and both values, where card and config.yaml do not describe the same."""
    if found := disagreements(card.network, read_published(config)):
        said = "; ".join(f"{name} is {ours!r} in the card, {theirs!r} in the file" for name, ours, theirs in found)
        raise ConfigError(
            f"{card.config_file} says otherwise than the card of head {card.name!r}: {said}",
            hint="The weights belong to what their config.yaml says: the card must be mended before they can be used.",
            code="config_disagrees",
        )
