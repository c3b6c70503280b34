"""How many studies fit into memory together: what each is expected to take, learnt from those that were done."""

from collections.abc import Sequence
from dataclasses import dataclass

from cinema_cli.io.memory import memory_limit

REST_BYTES = 2_000_000_000  # of the networks on a CPU, and of the run's own process
PROCESS_BYTES = 300_000_000  # of a study process that does nothing
BYTES_A_BYTE = 12.0  # memory that a study's work takes for each byte of its pixels, before anything was learnt


@dataclass(slots=True)
class Budget:
    """Memory that the studies in work may take together; one alone may take more."""

    bytes: int
    words: str = ""  # and what decided it
    ratio: float = BYTES_A_BYTE
    largest: int = 0  # pixels of the largest study that was done

    def need(self, n_bytes: int) -> int:
        """What a study with pixels of `n_bytes` is expected to take."""
        return int(PROCESS_BYTES + self.ratio * n_bytes)

    def allows(self, n_bytes: int, *, beside: Sequence[int]) -> bool:
        """Whether a study may begin beside those in work."""
        return not beside or sum(map(self.need, [n_bytes, *beside])) <= self.bytes

    def learn(self, n_bytes: int, peak_bytes: int) -> None:
        """What a study took: the most that its process ever used belongs to the largest that it did."""
        if n_bytes >= self.largest and peak_bytes > PROCESS_BYTES:
            self.largest = n_bytes
            self.ratio = max(self.ratio, (peak_bytes - PROCESS_BYTES) / n_bytes) if n_bytes else self.ratio

    def n_together(self, n_bytes: int, *, most: int) -> int:
        """How many studies like this one fit, at least one."""
        return max(1, min(most, self.bytes // self.need(n_bytes)))


def budget(mem_gb: float | None) -> Budget:
    """What is left for studies of the memory that may be used: `mem_gb`, or what is granted and free."""
    limit = memory_limit(mem_gb)
    room = max(0, limit.bytes - REST_BYTES)
    return Budget(room, f"{room / 2**30:.1f} of {limit}")
