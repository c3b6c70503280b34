"""What the analysis of one study yields: masks, numbers with reasons, checks and provenance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from cinema_cli.domain.cine import StudyFacts, View
from cinema_cli.domain.moments import Moments
from cinema_cli.domain.prediction import Embedding, Prediction


@dataclass(frozen=True, slots=True)
class Measurement:
    """One phenotype of one study; `reason` says why `value` is None."""

    name: str
    value: float | None
    reason: str = ""


class CheckStatus(StrEnum):
    """Verdict of a quality check."""

    PASS = "pass"
    FLAG = "flag"
    NOT_RUN = "not_run"


@dataclass(frozen=True, slots=True)
class Check:
    """One quality check: a stable name (`qc_<name>` is its column), a verdict, a sentence, the value compared."""

    name: str
    status: CheckStatus
    sentence: str
    value: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class VolumeCurves:
    """Volumes over the cycle in ml; all arrays (frame,)."""

    times_ms: NDArray[np.float64]
    lv_ml: NDArray[np.float64]
    rv_ml: NDArray[np.float64]
    myo_ml: NDArray[np.float64]
    lv_smooth_ml: NDArray[np.float64]  # the curve on which ED and ES were found


@dataclass(frozen=True, slots=True)
class HeadUse:
    """Which trained head was used and how: digests of its weights and of its card's settings, number type."""

    name: str
    sha256: str  # of the weights; of all seeds' digests where there are several
    setup: str = ""  # digest of what the card says that decides answers: network, grid, turns, ...
    precision: str = ""  # of the network's arithmetic: fp32, bf16, fp16
    weights: Mapping[str, str] = field(default_factory=dict)  # file -> its sha256, where there are several


@dataclass(frozen=True, slots=True, eq=False)
class StudyResult:
    """Everything that is recorded of one analysed study."""

    participant_id: str
    session_id: str
    study_uid: str
    facts: StudyFacts
    measurements: tuple[Measurement, ...]  # one for every entry of domain.phenotypes.PHENOTYPES, in that order
    checks: tuple[Check, ...]
    curves: VolumeCurves | None
    masks: Mapping[View, NDArray[np.uint8]]  # (frame, slice, row, column), labels of domain.cine.Label, source grid
    moments: Moments | None = None  # ED and ES, on the view where they were found
    heads: tuple[HeadUse, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)  # stage -> seconds

    @property
    def ed_frame(self) -> int | None:
        """End-diastole in the short axis; None where it was not found there."""
        return self._of_sax.ed_frame if self._of_sax else None

    @property
    def es_frame(self) -> int | None:
        """End-systole in the short axis; None where it was not found there."""
        return self._of_sax.es_frame if self._of_sax else None

    @property
    def _of_sax(self) -> Moments | None:
        return self.moments if self.moments and self.moments.view is View.SAX else None

    @property
    def is_flagged(self) -> bool:
        """Whether a check did not pass."""
        return any(check.status is CheckStatus.FLAG for check in self.checks)

    def value(self, name: str) -> float | None:
        """Value of the phenotype `name`; None where it is missing. Raises KeyError for an unknown name."""
        for m in self.measurements:
            if m.name == name:
                return m.value
        raise KeyError(name)
