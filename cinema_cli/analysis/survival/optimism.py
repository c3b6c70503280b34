"""What the bootstrap says of how much apparent figures flatter."""

from collections.abc import Iterator, Mapping
from typing import Any

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.outcome import Floats


def optimism_rows(models: Mapping[str, Any], times: Floats, *, n_resamples: int, seed: int) -> Iterator[Estimate]:
    """Nothing yet."""
    return iter(())
