"""What answers need of a published head, wherever its networks run."""

from collections.abc import Sequence
from typing import Any, Protocol

from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.cards import PublishedCard


class Head(Protocol):
    """A head whose networks can be called: `published_head.PublishedHead`, `remote_head.RemoteHead`."""

    @property
    def card(self) -> PublishedCard:
        """What it is for."""

    @property
    def name(self) -> str:
        """As `--head` spells it."""

    @property
    def use(self) -> HeadUse:
        """For the record: digests of weights and settings, number type."""

    @property
    def networks(self) -> Sequence[Any]:
        """One a seed, called with {view: images}."""

    @property
    def device(self) -> object:
        """Where the tensors must be that these are called with."""

    @property
    def frames_at_once(self) -> int:
        """How many frames they should be called with."""
