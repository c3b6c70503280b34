"""Cards: what `models/heads/<name>.toml` says of a head, checked where it is read; no network is needed for it."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from cinema_cli.domain.assets import heads_directory
from cinema_cli.domain.cine import View
from cinema_cli.domain.errors import ConfigError
from cinema_cli.domain.prediction import Task
from cinema_cli.inference.card_table import CardTable
from cinema_cli.inference.preprocess import Grid
from cinema_cli.io.weights_store import stored


class Frames(StrEnum):
    """Which frames a published head sees together."""

    EACH = "each"  # one alone
    ED_ES = "ed_es"  # ED and ES as channels, in this order


PARTS = {
    Task.SEGMENTATION: "convunetr",
    Task.HEAT_MAPS: "convunetr",
    Task.COORDINATES: "convvit",
    Task.CLASSIFICATION: "convvit",
    Task.REGRESSION: "convvit",
}
"""The part of `network.model` that a task's network must have; a backbone has neither."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """A published file of weights: its path in the repository, and its seed where there are several."""

    seed: int | None
    path: str


@dataclass(frozen=True, slots=True)
class PublishedCard:
    """A head published with CineMA. Its weights are not part of this program: they are pulled or imported."""

    name: str
    title: str
    task: Task
    network: Mapping[str, object]  # in the form of the published config.yaml, as build() takes it
    views: tuple[View, ...]
    frames: Frames
    preprocessing: str
    answers: tuple[str, ...]  # in the order of the network's outputs: labels, points, classes, or the value's name
    unit: str  # of a regression's value, else empty
    mean: float | None  # value = output * std + mean, of a regression
    std: float | None
    repository: str  # at the hub
    config_file: str  # its path in the repository
    files: tuple[WeightFile, ...]
    training_data: str
    intended_use: str
    limits: str
    licence: str

    @property
    def setup(self) -> str:
        """Digest of all but the weights that decides what the head answers."""
        return _digest(self.network, self.task, self.views, self.frames, self.answers, self.mean, self.std)


@dataclass(frozen=True, slots=True)
class StackCard:
    """A head of this project's own, which labels short-axis stacks; its weights lie beside the card."""

    name: str
    title: str
    network: Mapping[str, object]  # as build() takes it
    grid: Grid
    cycle_percentiles: tuple[float, ...]  # over frames, that the network sees beside each image
    turns_deg: tuple[float, ...]  # in-plane turns (0 among them) over which the answers for ED and ES are averaged
    labels: tuple[str, ...]
    class_weights: tuple[float, ...]  # by which probabilities are multiplied, so that volumes of known hearts are right
    weights: str  # file name beside the card
    sha256: str
    training_data: str
    intended_use: str
    limits: str
    licence: str
    figures: Mapping[str, float] = field(default_factory=dict)  # what it reached, by name: acdc_dice_lv

    @property
    def setup(self) -> str:
        """Digest of all but the weights that decides what the head finds."""
        return _digest(self.network, asdict(self.grid), self.cycle_percentiles, self.turns_deg, self.class_weights)


Card = StackCard | PublishedCard


def seeds_here(card: PublishedCard) -> tuple[int | None, ...]:
    """The seeds of a head whose weights are stored on this machine, in the card's order."""
    return tuple(file.seed for file in card.files if stored(file.path))


def read_card(name: str, *, folder: Path | None = None) -> Card:
    """The card of head `name`. Raises ConfigError where there is none and where it is incomplete or contradictory."""
    folder = heads_directory() if folder is None else folder
    path = folder / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.toml"))) or "none"
        raise ConfigError(f"no head is called {name!r}", hint=f"Heads here: {known}.")
    try:
        card = CardTable(tomllib.loads(path.read_text("utf-8")))
        if (said := card.text("name")) != name:
            raise ValueError(f"says name = {said!r}, but its file is called {path.name}")
        return _stack(card) if card.table("network").has("kind") else _published(card)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the card of head {name!r} is not TOML: {error}", hint=f"See {path}.") from error
    except ValueError as error:
        raise ConfigError(f"the card of head {name!r} {error}", hint=f"See {path}.") from error


def list_cards() -> tuple[Card, ...]:
    """Cards of all heads that cinema knows, by name."""
    return tuple(read_card(path.stem) for path in sorted(heads_directory().glob("*.toml")))


def _stack(card: CardTable) -> StackCard:
    percentiles = card.numbers("input.cycle_percentiles")
    if (channels := card.whole("network.in_chans")) != 1 + len(percentiles):
        raise ValueError(
            f"says that the network takes {channels} channels, but names the image and {len(percentiles)} percentiles "
            "over the cycle"
        )
    return StackCard(
        name=card.text("name"),
        title=card.text("title"),
        network=card.table("network").values,
        grid=Grid(size_px=card.whole("input.size_px"), spacing_mm=card.number("input.spacing_mm")),
        cycle_percentiles=percentiles,
        turns_deg=card.numbers("input.turns_deg"),
        labels=card.texts("output.labels"),
        class_weights=card.numbers("output.class_weights"),
        weights=card.text("weights.file"),
        sha256=card.text("weights.sha256"),
        training_data=card.text("about.training_data"),
        intended_use=card.text("about.intended_use"),
        limits=card.text("about.limits"),
        licence=card.text("about.licence"),
        figures=card.table("figures").values if card.has("figures") else {},
    )


def _published(card: CardTable) -> PublishedCard:
    task = card.word("task", Task)
    column = card.text("network.data.regression_column") if task is Task.REGRESSION else None
    scale = card.table(f"network.data.{column}") if column else None
    made = PublishedCard(
        name=card.text("name"),
        title=card.text("title"),
        task=task,
        network=card.table("network").values,
        views=card.words("input.views", View),
        frames=card.word("input.frames", Frames),
        preprocessing=card.text("input.preprocessing"),
        answers=card.texts("output.answers"),
        unit=card.text("output.unit") if scale else "",
        mean=scale.number("mean") if scale else None,
        std=scale.number("std") if scale else None,
        repository=card.text("weights.repository"),
        config_file=card.path("weights.config"),
        files=tuple(_weight_file(file) for file in card.tables("weights.files")),
        training_data=card.text("about.training_data"),
        intended_use=card.text("about.intended_use"),
        limits=card.text("about.limits"),
        licence=card.text("about.licence"),
    )
    _check_network(made, card.table("network"))
    _check_answers(made, card.table("network"))
    return made


def _weight_file(file: CardTable) -> WeightFile:
    return WeightFile(file.whole("seed") if file.has("seed") else None, file.path("path"))


def _check_network(card: PublishedCard, network: CardTable) -> None:
    """Refuse a network that is not the task's, views or frames that it does not take, and seeds without a file."""
    model, part = network.table("model"), PARTS.get(card.task)
    if {name for name in PARTS.values() if model.has(name)} != ({part} if part else set()):
        wanted = f"network.model.{part} and no other part" if part else "the masked autoencoder"
        raise ValueError(f"says task = {str(card.task)!r}, which needs {wanted}")
    views, taken = [str(view) for view in card.views], model.values.get("views")
    if part and ([taken] if isinstance(taken, str) else taken) != views:
        raise ValueError(f"says input.views = {views}, but network.model.views = {taken!r}")
    frames = model.whole("n_frames") if part == "convvit" else 1
    if frames != (2 if card.frames is Frames.ED_ES else 1):
        raise ValueError(f"says input.frames = {str(card.frames)!r}, but its network takes {frames} at a time")
    if not card.files or len({file.seed for file in card.files}) < len(card.files):
        raise ValueError("must name one or more weights.files, each of another seed")


def _check_answers(card: PublishedCard, network: CardTable) -> None:
    """Refuse answers that are not those of the network, and a value that cannot be brought to its unit."""
    data, said = network.table("data"), list(card.answers)
    columns = {Task.CLASSIFICATION: ["class_column"], Task.REGRESSION: ["regression_column"]}.get(card.task, [])
    if (found := [name for name in ("class_column", "regression_column") if data.has(name)]) != columns:
        raise ValueError(f"says task = {str(card.task)!r}, which goes with {columns} in network.data, not {found}")
    if card.std is not None and not card.std > 0:
        raise ValueError(f"says that answers spread by {card.std} (std), which must be more than 0")
    if card.task in (Task.CLASSIFICATION, Task.EMBEDDING):
        classes = data.texts(data.text("class_column")) if columns else ("cls", *map(str, card.views))
        if said != list(classes):
            raise ValueError(f"says output.answers = {said}, but its network answers {list(classes)}")
        return
    outputs = 1 if card.task is Task.REGRESSION else network.whole("model.out_chans")
    if outputs != len(said) * (2 if card.task is Task.COORDINATES else 1):
        raise ValueError(f"says output.answers = {said}, but its network has {outputs} outputs")


def _digest(*said: object) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
