"""One thing that was looked at on a machine: whether it is as it should be, and what helps where it is not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """How it is: `warn` where some work would be slower or impossible, `fail` where the main job cannot be done."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, in words, what helps, and the numbers behind it."""

    name: str
    state: State
    said: str
    hint: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)
