"""Measured batch sizes, with made clocks."""

import pytest

from cinema_cli.inference import batch_size
from cinema_cli.inference.batch_size import measured_size


@pytest.mark.parametrize(
    ("fixed_s", "each_s", "expected"),
    [(0.0, 0.2, 1), (0.08, 0.001, 64), (0.08, 0.05, 4), (0.08, 0.4, 1), (0.0, 3.0, 1), (0.4, 0.4, 2)],
)
def test_larger_batches_as_long_as_they_gain(
    fixed_s: float, each_s: float, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(batch_size.time, "perf_counter", lambda: clock[0])

    def run(n: int) -> None:
        clock[0] += fixed_s + each_s * n

    assert measured_size(run, too_large=lambda error: False) == expected


def test_a_network_that_takes_long_is_run_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, sizes = [0.0], list[int]()

    def run(n: int) -> None:
        sizes.append(n)
        clock[0] += 5.0 * n

    monkeypatch.setattr(batch_size.time, "perf_counter", lambda: clock[0])
    assert measured_size(run, too_large=lambda error: False) == 1 and sizes == [1, 1]


def test_what_is_too_large_ends_the_trial_and_other_errors_are_raised() -> None:
    def run(n: int) -> None:
        if n > 4:
            raise MemoryError

    size = measured_size(run, too_large=lambda error: isinstance(error, MemoryError))
    assert size in (1, 2, 4)

    def broken(n: int) -> None:
        raise ValueError("not too large")

    with pytest.raises(ValueError, match="not too large"):
        measured_size(broken, too_large=lambda error: False)
