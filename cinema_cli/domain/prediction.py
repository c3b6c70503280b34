"""What trained heads say of a study beside its masks and volumes: numbers, landmarks, embeddings, each with reasons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import View

Cell = float | str | None
Floats = NDArray[np.float64]


class Task(StrEnum):
    """What a published head answers."""

    SEGMENTATION = "segmentation"
    HEAT_MAPS = "landmark_heatmap"
    COORDINATES = "landmark_coordinate"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class PredictionColumn:
    """A column of the prediction table."""

    name: str  # begins with the head's name; unit last
    meaning: str
    unit: str = ""
    is_text: bool = False
    per_frame: bool = False  # stands in the rows of frames; else in the row of the study


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What one head says of one study; columns that are not there are empty, and `reason` says why."""

    head: str
    study: Mapping[str, Cell] = field(default_factory=dict)  # column -> value for the whole study
    view: View | None = None  # whose frames `frames` counts
    frames: Mapping[str, Floats] = field(default_factory=dict)  # column -> (frame,); NaN where there is none
    reason: str = ""
    failed: bool = False  # by a fault of the program


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """Pooled vectors of the backbone for one moment of the cycle."""

    head: str
    moment: str  # "ed" or "es"
    frame: int | None = None  # of the view on which ED and ES were found
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # "cls" and each view -> (width,)
    reasons: Mapping[str, str] = field(default_factory=dict)  # "cls" or view -> why it has no vector
