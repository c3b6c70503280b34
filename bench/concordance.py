"""C with its error beside scikit-survival's C, prediction scores and optimism: time and memory in a large cohort.

python bench/concordance.py [--rows 500000] [--sksurv-rows 20000] [--score-rows 75000] [--resamples 40] [--out FILE]

scikit-survival compares every event with everybody, so it gets fewer rows, and ours is measured there too. Each way
runs in a process of its own; processor seconds count, since other work on the machine makes wall seconds longer.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from programs import write
from provenance import peak_mib, provenance

from cinema_cli.analysis.statistics.concordance import Concordance, concordance, uno_concordance
from cinema_cli.analysis.statistics.optimism import optimism_corrected
from cinema_cli.analysis.statistics.outcome import EVENT, Floats, Outcome
from cinema_cli.analysis.statistics.prediction import prediction_scores, score_differences

COLUMNS = 25
EFFECTS = np.random.default_rng(2).normal(0.0, 0.15, COLUMNS)
HORIZONS = np.array([3.0, 5.0, 10.0])
HAZARD = 1 / 60.0  # a year


def cohort(n: int) -> tuple[Outcome, Floats]:
    """Up to 14 years in whole days; about one person in eight has the event."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, COLUMNS))
    years = rng.exponential(np.exp(-x @ EFFECTS) / HAZARD)
    left = rng.uniform(2.0, 14.0, n)
    return Outcome(np.ceil(np.minimum(years, left) * 365.25) / 365.25, (years <= left).astype(np.int64)), x


def known(c: Concordance) -> dict[str, float]:
    """What is reported of a C."""
    return {"c": c.c, "se": c.se}


def scikit_survival(outcome: Outcome, x: Floats) -> dict[str, float]:
    """Its C, which has no error."""
    from sksurv.metrics import concordance_index_censored

    return {"c": float(concordance_index_censored(outcome.event == EVENT, outcome.time, x @ EFFECTS)[0])}


def scores(outcome: Outcome, x: Floats) -> dict[str, float]:
    """AUC, Brier, its integral and accuracy of three models at three times with errors, and differences."""
    hazards = {f"of_{k}": np.exp(x[:, :k] @ EFFECTS[:k]) * HAZARD for k in (5, 15, COLUMNS)}
    risks = {name: 1 - np.exp(-hazard[:, None] * HORIZONS) for name, hazard in hazards.items()}
    found = prediction_scores(outcome, risks, HORIZONS)
    gained = [score_differences(s, "of_25", reference="of_5")[-1].estimate for s in (found.auc, found.brier)]
    return {"auc_10_years": found.auc["of_25"][-1].estimate, "auc_gained": gained[0], "brier_gained": gained[1]}


def optimism(outcome: Outcome, x: Floats, n_resamples: int) -> dict[str, float]:
    """Every corrected figure of a model of all columns at three times."""
    names = [f"x{k}" for k in range(COLUMNS)]
    found = optimism_corrected(outcome, x, names=names, horizons=HORIZONS.tolist(), n_resamples=n_resamples, seed=1)
    return {"c_corrected": found.figure("c").corrected, "slope_corrected": found.figure("slope").corrected}


WAYS: dict[str, Callable[[Outcome, Floats, int], dict[str, float]]] = {
    "harrell": lambda outcome, x, _: known(concordance(outcome, x @ EFFECTS)),
    "uno": lambda outcome, x, _: known(uno_concordance(outcome, x @ EFFECTS, up_to=10.0)),
    "scikit_survival": lambda outcome, x, _: scikit_survival(outcome, x),
    "scores": lambda outcome, x, _: scores(outcome, x),
    "optimism": optimism,
}


def one_way(way: str, rows: int, n_resamples: int) -> dict[str, object]:
    """One way in this process: what it found, seconds and memory; imports and the cohort are not counted."""
    outcome, x = cohort(rows)
    WAYS[way](*cohort(1000), 2)
    before_mib, began, began_processor = peak_mib(), time.perf_counter(), time.process_time()
    found = WAYS[way](outcome, x, n_resamples)
    seconds = {"wall_s": time.perf_counter() - began, "processor_s": time.process_time() - began_processor}
    return {
        "rows": rows,
        **{name: round(value, 2) for name, value in seconds.items()},
        "peak_mib": peak_mib(),
        "of_which_before_mib": before_mib,
        **found,
    }


def measured(way: str, rows: int, n_resamples: int) -> dict[str, Any]:
    """One way in a process of its own."""
    words = [sys.executable, __file__, "--way", way, "--rows", str(rows), "--resamples", str(n_resamples)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--sksurv-rows", type=int, default=20_000)
    parser.add_argument("--score-rows", type=int, default=75_000)
    parser.add_argument("--resamples", type=int, default=40)
    parser.add_argument("--way", choices=list(WAYS), help="one way alone, of ROWS")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(one_way(given.way, given.rows, given.resamples)))
        return
    small = [measured(way, given.sksurv_rows, given.resamples) for way in ("harrell", "scikit_survival")]
    if abs(small[0]["c"] - small[1]["c"]) > 1e-9:
        raise SystemExit(f"ours and scikit-survival's C differ: {small}")
    result = {
        "harrell": measured("harrell", given.rows, given.resamples),
        "uno": measured("uno", given.rows, given.resamples),
        "beside_scikit_survival": dict(zip(("harrell", "scikit_survival"), small, strict=True)),
        "scores_of_3_models_at_3_times": measured("scores", given.score_rows, given.resamples),
        "optimism": {"columns": COLUMNS, "resamples": given.resamples}
        | measured("optimism", given.score_rows, given.resamples),
        "load_average": os.getloadavg()[0],
        **provenance(),
    }
    write(result, given.out)


if __name__ == "__main__":
    main()
