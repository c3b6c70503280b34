"""An engine whose networks run in this process: for tests and benches, and for reading what a run does in one place."""

from collections.abc import Sequence

from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.chosen import chosen_cards
from cinema_cli.inference.devices import pick_device, pick_precision
from cinema_cli.inference.engine import Engine
from cinema_cli.inference.pool import NetworkPool
from cinema_cli.inference.published_head import PublishedHead
from cinema_cli.inference.published_segmenter import PublishedSegmenter
from cinema_cli.inference.segmenters import Segmenter, StackSegmenter
from cinema_cli.inference.stack_head import FRAMES_AT_ONCE, load_stack_head


def load_engine(
    names: Sequence[str] = (),
    *,
    device: str = "auto",
    precision: str = "auto",
    frames_at_once: int = FRAMES_AT_ONCE,
) -> Engine:
    """An engine with these heads, see `chosen.chosen_cards`, on a device (`auto`, `cpu`, `cuda`, `cuda:1`, `mps`) in
    `auto`, `fp32`, `bf16` or `fp16` arithmetic. Raises UnavailableError (device, weights), ConfigError, UsageError.
    """
    measures, *others = chosen_cards(names)
    chosen = pick_device(device)
    pool = NetworkPool(device=chosen, numbers=pick_precision(chosen, precision))
    segmenter: Segmenter = (
        PublishedSegmenter(PublishedHead(measures, pool))
        if isinstance(measures, PublishedCard)
        else StackSegmenter(
            load_stack_head(measures.name, device=device, precision=precision, frames_at_once=frames_at_once)
        )
    )
    return Engine(segmenter, [PublishedHead(card, pool) for card in others if isinstance(card, PublishedCard)])
