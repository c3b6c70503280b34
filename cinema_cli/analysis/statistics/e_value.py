"""How strong an unmeasured confounder would have to be to explain a hazard ratio away."""

import math


def e_value(hazard_ratio: float, *, rare: bool) -> float:
    """Least risk ratio with exposure and outcome that could explain the hazard ratio (VanderWeele and Ding 2017).

    `rare`: fewer than about 15 % have the event, so that a hazard ratio is about a risk ratio; otherwise it is turned
    into one by VanderWeele's approximation.
    """
    ratio = hazard_ratio if rare else (1 - 0.5 ** math.sqrt(hazard_ratio)) / (1 - 0.5 ** math.sqrt(1 / hazard_ratio))
    ratio = max(ratio, 1 / ratio)
    return ratio + math.sqrt(ratio * (ratio - 1))
