"""This project's own heads as a study asks them: every frame of a cycle, then some again; networks may be elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.batching import in_turn
from cinema_cli.inference.cards import StackCard
from cinema_cli.inference.preprocess import Grid, with_cycle

Float32 = NDArray[np.float32]

FRAMES_AT_ONCE = 4  # where nothing was measured: some 48 slices keep two cores busy


class StackAnswers(Protocol):
    """A network that labels stacks, in this process or another: see `stack_network.StackNetwork.answer`."""

    def __call__(
        self, frames: Float32, *, turns_deg: Sequence[float] = (0.0,), known: Float32 | None = None
    ) -> Float32:
        """(frame, slice, channel, y, x) -> class probabilities (frame, slice, class, y, x)."""


class StackHead:
    """A segmentation head of short-axis stacks."""

    def __init__(self, card: StackCard, answer: StackAnswers, *, precision: str) -> None:
        """`answer` calculates in `precision`."""
        self.card, self.answer, self.precision = card, answer, precision

    @property
    def grid(self) -> Grid:
        """The grid that images must be on."""
        return self.card.grid

    @property
    def use(self) -> HeadUse:
        """Name, digests and number type for the record: another of these can give other numbers."""
        return HeadUse(self.card.name, self.card.sha256, setup=self.card.setup, precision=self.precision)

    def probabilities(self, frames: Float32) -> Float32:
        """Class probabilities (frame, slice, class, size, size) of normalised frames (frame, slice, size, size).

        Slices must run from base to apex, seen from the apex with the anterior wall up; frames are those of a cycle, as
        many as there are.
        """
        return self.answer(with_cycle(frames, self.card.cycle_percentiles))

    def look_again(self, frames: Float32, first: Float32, chosen: Sequence[int]) -> Float32:
        """Class probabilities (chosen, slice, class, size, size) of the `chosen` ones among the frames of a cycle.

        They are averaged over the card's turns of the image: nearer to the truth, at the price of so many more looks.
        `first` is what `probabilities` found: the look without a turn is not taken again.
        """
        seen, turns = with_cycle(frames, self.card.cycle_percentiles), [turn for turn in self.card.turns_deg if turn]
        again = list(chosen)
        return self.answer(seen[again], turns_deg=turns, known=first[again])


def load_stack_head(
    name: str = "starter_sax",
    *,
    device: str = "auto",
    precision: str = "auto",
    folder: Path | None = None,
    frames_at_once: int = FRAMES_AT_ONCE,
) -> StackHead:
    """A head whose network runs in this process; its memory does not grow with the length of a cine.

    Raises ConfigError (no such head), UnavailableError (weights, device).
    """
    from cinema_cli.inference.stack_network import load_stack_network

    network = load_stack_network(name, device=device, precision=precision, folder=folder)
    return StackHead(network.card, in_turn(network.answer, frames_at_once), precision=network.precision)
