"""What a run was asked for: input, output, who, how."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cinema_cli.domain.shard import Shard
from cinema_cli.inference.device import DeviceOptions
from cinema_cli.inference.plan import RunSettings


@dataclass(frozen=True, slots=True)
class Job:
    """The options of `analyse` or `infer`."""

    cohort: Path
    out: Path
    clinical: Path | None
    participants: frozenset[str]  # empty: everybody
    scan: Mapping[str, Any]  # options of io.index.scan
    device: DeviceOptions
    settings: RunSettings
    jobs: int  # processors
    mem_gb: float | None
    shard: Shard | None
    report: bool  # whether report.html is made
    fail_on_qc: bool
    options: Mapping[str, Any]  # as resolved from command line, environment and file
    command: str = ""  # as typed, without folders
