"""A part of a cohort for one of several jobs: which participants are its own, the same on every machine."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cinema_cli.domain.errors import UsageError

_SLURM = "SLURM_ARRAY_TASK_"


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` (from 0) of `count`; every participant is in exactly one, with all visits."""

    index: int
    count: int

    def __post_init__(self) -> None:
        """Raise UsageError where there is no such part."""
        if not 0 <= self.index < self.count:
            raise _bad(f"there is no part {self.index} of {self.count}: parts are counted from 0")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """`2/8` -> the third of eight. Raises UsageError."""
        if not (found := re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", text)):
            raise _bad(f"--shard {text} is not of the form I/N")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def from_slurm(cls, environ: Mapping[str, str]) -> "Shard | None":
        """The part that a task of a SLURM array is to do; None outside an array.

        The array may begin anywhere and go in steps. Raises UsageError for one with gaps, such as 1,3,7: its tasks do
        not say how many parts there were.
        """
        if not environ.get(f"{_SLURM}ID"):
            return None
        first, last, own = (_number(environ, name) for name in ("MIN", "MAX", "ID"))
        step = _number(environ, "STEP", otherwise=1) or 1
        count = (last - first) // step + 1
        there = _number(environ, "COUNT", otherwise=count)
        if there != count or (own - first) % step:
            raise _bad(f"this SLURM array has gaps: {there} tasks between {first} and {last} in steps of {step}")
        return cls((own - first) // step, count)

    def has(self, participant_id: str) -> bool:
        """Whether a participant is in this part: decided by a digest of the id, which no machine or order changes."""
        digest = hashlib.sha256(participant_id.encode(errors="surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index


def _number(environ: Mapping[str, str], name: str, *, otherwise: int | None = None) -> int:
    text = environ.get(f"{_SLURM}{name}", "")
    if not text and otherwise is not None:
        return otherwise
    if not re.fullmatch(r"[0-9]+", text):
        raise _bad(f"SLURM says {_SLURM}{name}={text}, which is no number" if text else f"SLURM sets no {_SLURM}{name}")
    return int(text)


def _bad(sentence: str) -> UsageError:
    return UsageError(sentence, hint="Say which part of how many: --shard 0/8 to --shard 7/8.", code="bad_shard")
