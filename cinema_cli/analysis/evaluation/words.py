"""What the columns of the table of an evaluation mean, for its data dictionary."""

from collections.abc import Mapping

from cinema_cli.analysis.evaluation.table import Kind, Note, System
from cinema_cli.io.dictionary import Entry, entry

_SYSTEMS = {System.THIS: "the folder that was evaluated", System.AGAINST: "the other system"}
_KINDS = {
    Kind.MASK: "metrics dice, iou, hd95_mm (95th percentile of surface distances), asd_mm (their mean), volume_ml",
    Kind.VALUE: "metric value: prediction less reference",
    Kind.CLASS: "metric class: 1 where both labels agree; probability:<class>: reference 1 for people of the class",
    Kind.LANDMARK: "metric distance_mm",
}
_NOTES = {
    Note.EMPTY_TRUTH: "the reference has none of the structure, the prediction has",
    Note.EMPTY_PREDICTION: "the prediction has none of the structure, the reference has",
    Note.BOTH_EMPTY: "neither has any",
    Note.NO_PREDICTION: "there is a reference and no prediction",
    Note.NO_REFERENCE: "there is a prediction and no reference",
    Note.OTHER_GRID: "the two masks do not stand on one grid",
    Note.UNREADABLE: "a mask could not be read",
}
EVALUATION_WORDS: Mapping[str, Entry] = {
    "participant_id": entry("The person."),
    "session_id": entry("Visit of the person; empty where there is one."),
    "system": entry("Who predicted.", levels={str(name): words for name, words in _SYSTEMS.items()}),
    "kind": entry("What is compared.", levels={str(name): words for name, words in _KINDS.items()}),
    "term": entry("Structure (lv, myo, rv), phenotype, column of a head, or landmark."),
    "frame": entry("Moment of the cycle: ed, es, or the number of the frame; empty where there is none."),
    "metric": entry("The metric, see kind."),
    "value": entry("Its value; missing where it is not defined, see note."),
    "prediction": entry("What was predicted: a volume, a value, a probability."),
    "reference": entry("What it should be."),
    "prediction_label": entry("Predicted class."),
    "reference_label": entry("True class."),
    "note": entry("What was not there.", levels={str(name): words for name, words in _NOTES.items()}),
}
