"""What the pages say of a head in use: from its card, where that is here, and from the record of its weights."""

from dataclasses import replace

from cinema_cli.domain.errors import ConfigError
from cinema_cli.domain.result import HeadUse
from cinema_cli.inference.cards import PublishedCard, read_card
from cinema_cli.reports.heads import HeadFacts


def head_facts(use: HeadUse, *, measures: bool = False) -> HeadFacts:
    """Facts of a head; its name and its weights alone where no card of it is here."""
    try:
        card = read_card(use.name)
    except ConfigError:
        return HeadFacts(use.name, use.sha256, weights=use.weights, measures=measures)
    facts = HeadFacts(
        use.name, use.sha256, title=card.title, training_data=card.training_data, intended_use=card.intended_use,
        limits=card.limits, weights=use.weights, measures=measures,
    )  # fmt: skip
    if isinstance(card, PublishedCard):
        return replace(facts, task=card.task, views=card.views, answers=card.answers, unit=card.unit)
    # figures of other weights say nothing of these
    return replace(facts, figures=card.figures if card.sha256 == use.sha256 else {})
