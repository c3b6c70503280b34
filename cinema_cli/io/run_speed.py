"""How fast the earlier runs of an output folder were, from their logs."""

import json
from dataclasses import dataclass
from pathlib import Path

_LATEST = 50  # runs that count: older ones may be those of other weights or machines


@dataclass(frozen=True, slots=True)
class Speed:
    """Studies that earlier runs did, and the hours that these took, each run by itself."""

    n_studies: int
    hours: float

    @property
    def studies_per_hour(self) -> float:
        """Of one run on the machine that it had."""
        return self.n_studies / self.hours


def measured_speed(out: Path) -> Speed | None:
    """Speed of the latest runs that did anything; None where there was no such run."""
    runs = [_read(path) for path in sorted(out.glob("logs/*/run.json"))[-_LATEST:]]
    n_studies, seconds = sum(n for n, _ in runs), sum(s for n, s in runs if n)
    return Speed(n_studies, seconds / 3600) if n_studies and seconds > 0 else None


def _read(path: Path) -> tuple[int, float]:
    """Studies that a run did, and its seconds; none where its log does not say."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return int(said["counts"]["n_run"]), float(said["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0.0
