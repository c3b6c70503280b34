"""The config.yaml published beside weights: read as plain data, and held against what a card says of the network."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from cinema_cli.domain.errors import ConfigError

Table = Mapping[str, object]
Disagreement = tuple[str, object, object]
"""A dotted key, what the card says and what the published file says; None where one of them says nothing."""

TRAINING_ONLY = {"dropout", "drop_path", "grad_ckpt"}
SAID_BY_SOME = {"name", "spacing"}  # the reference builds its networks without them
CLOSE = 1e-6  # relative: a constant that was rounded for print is the same constant


def read_published(path: Path) -> dict[str, object]:
    """A published config.yaml as plain data: no tag makes an object, a reference like ${data.dir} stays text.

    Raises ConfigError where it is not such a file.
    """
    hint = "Fetch it again: a download may have been cut off, or another file has its name."
    try:
        said = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).split("\n")[0]
        raise ConfigError(f"{path.name} is not plain YAML: {reason}", hint=hint, code="bad_yaml") from error
    if not isinstance(said, dict):
        raise ConfigError(f"{path.name} has no settings", hint=hint, code="bad_yaml")
    return said


def disagreements(card_network: Table, published: Table) -> tuple[Disagreement, ...]:
    """Where a card's network table and the published file differ in what decides the network and its answers.

    All that the card says must be published so: sizes, views, frames, classes, means. What only training uses is left
    out, and so is the rest of the published file, except a column that would change what a ConvViT answers (spec 9).
    """
    compared = [
        (name, ours, _value(published, name))
        for key, ours in _leaves(card_network)
        for name in _published_names(key, card_network, published)
    ]
    if _value(card_network, "model.convvit") is not None:
        columns = [name for name in ("data.class_column", "data.regression_column") if not _value(card_network, name)]
        compared += [(name, None, _value(published, name)) for name in columns]
    return tuple(
        (name, ours, theirs)
        for name, ours, theirs in compared
        if not _same(ours, theirs) and not (theirs is None and name.split(".")[-1] in SAID_BY_SOME)
    )


def _leaves(table: Table, at: str = "") -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{at}{key}.")
        elif key not in TRAINING_ONLY:
            yield at + key, value


def _published_names(key: str, network: Table, published: Table) -> list[str]:
    """Where a published file says `key`: data.lax.patch_size may stand under data.lax_4c instead (spec 9)."""
    group, _, name = key.removeprefix("data.").partition(".")
    if group not in ("sax", "lax") or _value(published, f"data.{group}") is not None:
        return [key]
    views = _value(network, "model.views") or ["sax", "lax_2c", "lax_3c", "lax_4c"]
    of_group = [view for view in ([views] if isinstance(views, str) else _list(views)) if view.startswith(group)]
    return [f"data.{view}.{name}" for view in of_group]


def _value(table: Table, name: str) -> object:
    value: object = table
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _list(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _same(ours: object, theirs: object) -> bool:
    if isinstance(theirs, list):
        items = ours if isinstance(ours, list) else [ours]
        return len(items) == len(theirs) and all(map(_same, items, theirs))
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=CLOSE) and isinstance(ours, bool) == isinstance(theirs, bool)
    return ours == theirs
