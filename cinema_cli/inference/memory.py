"""How many studies fit into memory together: what each is expected to take, learnt from those that were done."""

from collections.abc import Sequence
from dataclasses import dataclass

from cinema_cli.io.memory import Limit, memory_limit

REST_BYTES = 2_000_000_000  # of the networks on a CPU, and of the run's own process
PROCESS_BYTES = 300_000_000  # of a study process that does nothing
BYTES_A_BYTE = 12.0  # memory that a study's work takes for each byte of its pixels, before anything was learnt


@dataclass(slots=True)
class Budget:
    """Memory that the studies in work may take together; one alone may take more."""

    bytes: int
    limit: Limit | None = None  # what it is a part of
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

    @property
    def words(self) -> str:
        """`5.2 of 8.0 GB (--mem-gb)`."""
        return f"{self.bytes / 2**30:.1f} of {self.limit}"

    def shortage(self, *, in_use: int) -> str:
        """That the limit is less than what the run has `in_use` before its first study and an idle process for it;
        empty where it is not."""
        least = in_use + PROCESS_BYTES
        if self.limit is None or self.limit.bytes >= least:
            return ""
        return f"memory is short: {self.limit} may be used, one study at a time takes over {least / 2**30:.1f} GB"

    def n_together(self, n_bytes: int, *, most: int) -> int:
        """How many studies like this one fit, at least one."""
        return max(1, min(most, self.bytes // self.need(n_bytes)))


def budget(mem_gb: float | None) -> Budget:
    """What is left for studies of the memory that may be used: `mem_gb`, or what is granted and free."""
    limit = memory_limit(mem_gb)
    room = max(0, limit.bytes - REST_BYTES)
    return Budget(room, limit)
