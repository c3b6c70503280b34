"""How many participants come in, leave and remain: the steps of the participant flow, in order."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One line of the flow: who remains after a step, or who left for one reason."""

    name: str  # "rows of the phenotype table", "no outcome row", "age missing"
    n: int
    kept: bool  # whether n is who remains; otherwise who left for this reason

    @property
    def level(self) -> str:
        """`kept` or `left out`, as the table of estimates has it."""
        return "kept" if self.kept else "left out"


def kept(name: str, n: int) -> FlowStep:
    """Who remains."""
    return FlowStep(name, n, kept=True)


def left_out(reason: str, n: int) -> FlowStep:
    """Who leaves, and why."""
    return FlowStep(reason, n, kept=False)
