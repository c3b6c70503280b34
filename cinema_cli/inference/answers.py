"""What each kind of published head answers: the one place that goes from a card's task to columns and to a run."""

from cinema_cli.domain.prediction import Prediction, PredictionColumn, Task
from cinema_cli.inference.answer_landmarks import landmark_columns, landmarks_said
from cinema_cli.inference.answer_masks import mask_columns, masks_said
from cinema_cli.inference.answer_numbers import class_columns, numbers_said, value_columns
from cinema_cli.inference.cards import PublishedCard
from cinema_cli.inference.head import Head
from cinema_cli.inference.look import StudyLook

COLUMNS = {
    Task.SEGMENTATION: mask_columns,
    Task.HEAT_MAPS: landmark_columns,
    Task.COORDINATES: landmark_columns,
    Task.CLASSIFICATION: class_columns,
    Task.REGRESSION: value_columns,
}
ANSWERS = {
    Task.SEGMENTATION: masks_said,
    Task.HEAT_MAPS: landmarks_said,
    Task.COORDINATES: landmarks_said,
    Task.CLASSIFICATION: numbers_said,
    Task.REGRESSION: numbers_said,
}


def columns(card: PublishedCard) -> tuple[PredictionColumn, ...]:
    """The columns of the prediction table that a head fills; none for a backbone, which has a table of its own."""
    return COLUMNS[card.task](card) if card.task in COLUMNS else ()


def predict(head: Head, look: StudyLook) -> Prediction:
    """What a head says of a study; nothing, with the reason, where its view or ED and ES are lacking.

    Masks that it makes, and ED and ES where these were unknown, stay in `look` for the heads after it. KeyError for a
    backbone.
    """
    if missing := look.missing(head.card.views):
        return Prediction(head.name, reason=missing)
    return ANSWERS[head.card.task](head, look)
