"""Where this user's files that can be made again are kept, outside of any cohort's folders."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cinema_cli.domain.errors import OutputError
from cinema_cli.io.atomic import write_atomic

BATCH_SIZES = "batch-sizes.json"


def cache_directory() -> Path:
    """`cinema` in $XDG_CACHE_HOME, else in ~/.cache. Raises RuntimeError where there is no home."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "cinema"


def known_batch_size(of: str) -> int | None:
    """The batch size that was measured for `of` (device, numbers, head) on this machine; None where none was."""
    size = _batch_sizes().get(of)
    return size if isinstance(size, int) and size > 0 else None


def keep_batch_size(of: str, size: int) -> None:
    """Remember a batch size, so that a run that goes on calculates in the same batches; no matter if it cannot be."""
    with suppress(OutputError, RuntimeError):
        write_atomic(cache_directory() / BATCH_SIZES, json.dumps({**_batch_sizes(), of: size}, indent=1) + "\n")


def _batch_sizes() -> Mapping[str, object]:
    with suppress(OSError, ValueError, RuntimeError):
        known = json.loads((cache_directory() / BATCH_SIZES).read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return known
    return {}
