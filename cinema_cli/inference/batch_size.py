"""How many items a network is given together: what was asked for, or measured on this device and then kept."""

import time
from collections.abc import Callable

MOST = 64
USUAL = 1  # where nothing may be measured: the least that is the same on every machine
GAIN = 1.2  # a batch twice as large must be this much quicker an item: less is noise, and differs from run to run
LONGEST_TRIAL_S = 1.0  # a batch that takes longer keeps any device busy


def measured_size(run: Callable[[int], object], *, too_large: Callable[[Exception], bool], most: int = MOST) -> int:
    """The size from which on larger batches gain nothing: `run(n)` calculates n items.

    Raises what `run` raises, unless it is `too_large` for the device and a smaller size was well.
    """
    best, per_item = 1, _seconds(run, 1)
    size = 2
    while size <= most and per_item * size / 2 < LONGEST_TRIAL_S:
        try:
            seconds = _seconds(run, size) / size
        except Exception as error:
            if too_large(error):
                break
            raise
        if seconds * GAIN > per_item:
            break
        best, per_item, size = size, seconds, 2 * size
    return best


def _seconds(run: Callable[[int], object], size: int) -> float:
    """The shortest of three runs after one that warms up; of fewer where these take long, which says it as well."""
    run(size)
    times: list[float] = []
    while len(times) < 3 and sum(times) < LONGEST_TRIAL_S:
        began = time.perf_counter()
        run(size)
        times.append(time.perf_counter() - began)
    return min(times)
