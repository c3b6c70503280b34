"""Heads that look at ED and ES together: classes with their probabilities, and values."""

import re

import numpy as np

from cinema_cli.domain.moments import NO_MOMENTS
from cinema_cli.domain.prediction import Cell, Prediction, PredictionColumn, Task
from cinema_cli.inference.answer_masks import SAME_FRAME
from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.head import Head
from cinema_cli.inference.look import StudyLook
from cinema_cli.inference.published import Float32
from cinema_cli.inference.published_run import study_answers
from cinema_cli.inference.tiles import Answer


def class_columns(card: PublishedCard) -> tuple[PredictionColumn, ...]:
    """Columns of a classification head: the likeliest class, the probability of each, how far the seeds are apart."""
    name = card.name
    likeliest = f"The class with the greatest mean probability over the seeds: {', '.join(card.answers)}."
    apart = "Largest standard deviation over the seeds of a class's probability; empty from one seed."
    return (
        PredictionColumn(f"{name}_class", likeliest, is_text=True),
        *(PredictionColumn(_p(name, c), f"Mean probability of {c}, 0 to 1; not calibrated.") for c in card.answers),
        PredictionColumn(f"{name}_disagreement", apart),
    )


def value_columns(card: PublishedCard) -> tuple[PredictionColumn, ...]:
    """Columns of a regression head: the value, and how far the seeds are apart."""
    apart = "Standard deviation of the value over the seeds; empty from one seed."
    return (
        PredictionColumn(_value(card), f"{card.title}: mean over the seeds.", card.unit),
        PredictionColumn(f"{card.name}_disagreement", apart, card.unit),
    )


def numbers_said(head: Head, look: StudyLook) -> Prediction:
    """What a head says of ED and ES; nothing, with the reason, where these are unknown."""
    moments = look.moments
    if moments is None:
        return Prediction(head.name, reason=NO_MOMENTS)
    frames = {view: moments.frames(look.study, view) for view in head.card.views}
    if any(ed == es for ed, es in frames.values()):
        return Prediction(head.name, reason=SAME_FRAME)
    answer = Answer.CLASSES if head.card.task is Task.CLASSIFICATION else Answer.NUMBERS
    seen = [look.prepared(view, frames=frames[view]) for view in head.card.views]
    by_seed = study_answers(seen, head.networks, frames=frames, answer=answer, device=str(head.device))
    said = _classes if head.card.task is Task.CLASSIFICATION else _number
    return Prediction(head.name, said(head.card, by_seed))


def _classes(card: PublishedCard, by_seed: Float32) -> dict[str, Cell]:
    mean = by_seed.mean(axis=0)
    values: dict[str, Cell] = {f"{card.name}_class": card.answers[int(mean.argmax())]}
    values |= {_p(card.name, c): float(p) for c, p in zip(card.answers, mean, strict=True)}
    return values | {f"{card.name}_disagreement": _spread(by_seed)}


def _number(card: PublishedCard, by_seed: Float32) -> dict[str, Cell]:
    if card.mean is None or card.std is None:
        raise ValueError(f"the card of {card.name} does not say what its output means")
    values = by_seed.astype(np.float64) * card.std + card.mean
    return {_value(card): float(values.mean()), f"{card.name}_disagreement": _spread(values)}


def _spread(by_seed: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> float | None:
    """Largest standard deviation over seeds of (seed, out); None from one seed."""
    return float(by_seed.std(axis=0, ddof=1).max()) if len(by_seed) > 1 else None


def _p(head: str, answer: str) -> str:
    """Column of a class's probability: `SIEMENS` and `GE MEDICAL SYSTEMS` as words of a column's name."""
    return f"{head}_p_{re.sub(r'[^a-z0-9]+', '_', answer.lower())}"


def _value(card: PublishedCard) -> str:
    """`ef_acdc_sax_pct`: the head's name has the quantity, the answer `ef_pct` its unit."""
    quantity, _, unit = card.answers[0].partition("_")
    return f"{card.name}_{unit}" if card.name.startswith(f"{quantity}_") else f"{card.name}_{card.answers[0]}"
