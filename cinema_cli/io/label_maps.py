"""What the numbers in somebody's masks mean: orders of labels of public data sets, by name, or as the user says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import Label
from cinema_cli.domain.errors import InputError, UsageError

UNKNOWN_LABELS = "unknown_labels"  # code of a file whose labels nobody explained
_PAIR = re.compile(r"\s*(\d{1,5})\s*=\s*(lv|myo|rv|background)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LabelMap:
    """Numbers in a file -> classes here. 0 is background; a class that no number means is not in such masks."""

    name: str
    labels: Mapping[int, Label]

    @property
    def classes(self) -> tuple[Label, ...]:
        """The classes that such masks know, in our order."""
        return tuple(sorted(set(self.labels.values()) - {Label.BACKGROUND}))


_CINEMA = {1: Label.RV, 2: Label.MYO, 3: Label.LV}
_MNMS = {1: Label.LV, 2: Label.MYO, 3: Label.RV}  # M&Ms, M&Ms-2 and the rescan data
LABEL_MAPS: Mapping[str, LabelMap] = {
    name: LabelMap(name, labels)
    for name, labels in {
        "cinema": _CINEMA,
        "acdc": _CINEMA,
        "mnms": _MNMS,
        "mnms2": _MNMS,
        "rescan": _MNMS,
        "ukbb_cardiac": _MNMS,  # Bai et al., J Cardiovasc Magn Reson 2018;20:65: 1 LV, 2 myocardium, 3 RV (short axis)
    }.items()
}


def label_map(words: str) -> LabelMap:
    """The map of that name, or one written `1=lv,2=myo,3=rv` (several numbers may mean one class, `background` too).

    Raises UsageError.
    """
    if words in LABEL_MAPS:
        return LABEL_MAPS[words]
    found = [_PAIR.fullmatch(part) for part in words.split(",")]
    pairs = [(int(pair[1]), Label[pair[2].upper()]) for pair in found if pair]
    labels = dict(pairs)
    whole = len(pairs) == len(found) and len(labels) == len(pairs)
    if not whole or labels.get(0, Label.BACKGROUND) is not Label.BACKGROUND or not any(labels.values()):
        raise UsageError(
            f"`{words}` is not an order of labels",
            hint=f"Use {', '.join(LABEL_MAPS)}, or say what each number means: 1=lv,2=myo,3=rv.",
            code="label_map",
        )
    return LabelMap(words, labels)


def relabelled(values: NDArray[np.generic], labels: LabelMap, *, where: str) -> NDArray[np.uint8]:
    """Numbers of a file as domain.cine.Label, same shape. Raises InputError for numbers that the map does not have."""
    found = np.unique(values)
    if not np.isin(found, [0, *labels.labels]).all():
        strange = [f"{value:g}" for value in found if value not in {0, *labels.labels}]
        shown = ", ".join(strange[:5]) + (", ..." if len(strange) > 5 else "")
        raise InputError(
            f"{where} has labels that `{labels.name}` does not know: {shown}",
            hint="Say what each number means, for example 1=lv,2=myo,3=rv,4=background.",
            code=UNKNOWN_LABELS,
        )
    out = np.zeros(values.shape, np.uint8)
    for number, label in labels.labels.items():
        if label and (number in found):
            out[values == number] = label
    return out
