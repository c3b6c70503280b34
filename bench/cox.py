"""Speed and memory of Cox regression: ours, lifelines, scikit-survival and R on one cohort, and ours on a large one.

python bench/cox.py [--rows 75000] [--large 500000] [--columns 20] [--rounds 5] [--out FILE]
R takes part where Rscript has the package survival. Each way has a process of its own; others than ours run once.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from programs import write
from provenance import peak_mib, provenance

from cinema_cli.analysis.statistics.cox import fit_cox
from cinema_cli.analysis.statistics.outcome import Floats, Outcome

R_SCRIPT = """
library(survival)
d <- read.csv(commandArgs(TRUE)[1])
s <- system.time(f <- coxph(Surv(time, event) ~ ., data=d))
hwm <- grep("VmHWM", readLines("/proc/self/status"), value=TRUE)
numbers <- paste(formatC(coef(f), digits=17, format="g"), collapse=",")
cat(sprintf('{"seconds": [%f], "peak_mib": %d, "version": "R %s, survival %s", "coef": [%s]}', s[["elapsed"]],
  as.integer(gsub("[^0-9]", "", hwm)) %/% 1024L, getRversion(), packageVersion("survival"), numbers))
"""


def made_cohort(rows: int, columns: int) -> tuple[Outcome, Floats]:
    """Ten years in whole days, so with ties; a tenth to a fifth have the event; half of the columns matter."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, columns))
    effects = np.where(np.arange(columns) % 2, 0.0, rng.normal(scale=0.3, size=columns))
    days = rng.exponential(20 * 3652.5 * np.exp(-x @ effects))
    left = rng.uniform(1, 3652.5, rows)
    return Outcome(np.ceil(np.minimum(days, left)), (days <= left).astype(np.int64)), x


def ours(outcome: Outcome, x: Floats, **options: Any) -> NDArray[np.float64]:
    """Coefficients and, behind them, standard errors."""
    fit = fit_cox(outcome, x, names=[f"x{j}" for j in range(x.shape[1])], **options)
    return np.concatenate([fit.coef, fit.se])


def ours_robust(outcome: Outcome, x: Floats) -> NDArray[np.float64]:
    """With robust standard errors."""
    return ours(outcome, x, robust=True)


def ours_late_entry(outcome: Outcome, x: Floats) -> NDArray[np.float64]:
    """Everybody enters late, on some day before the last."""
    entry = np.floor(np.random.default_rng(2).random(outcome.n) * outcome.time)
    return ours(Outcome(outcome.time, outcome.event, entry), x)


def lifelines(outcome: Outcome, x: Floats) -> NDArray[np.float64]:
    """CoxPHFitter."""
    import pandas as pd
    from lifelines import CoxPHFitter

    table = pd.DataFrame(x).assign(time=outcome.time, event=outcome.event)
    return np.asarray(CoxPHFitter().fit(table, "time", "event").params_)


def scikit_survival(outcome: Outcome, x: Floats) -> NDArray[np.float64]:
    """CoxPHSurvivalAnalysis."""
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    y = Surv.from_arrays(outcome.event == 1, outcome.time)
    return np.asarray(CoxPHSurvivalAnalysis(ties="efron").fit(x, y).coef_)


WAYS: dict[str, Callable[[Outcome, Floats], NDArray[np.float64]]] = {
    way.__name__: way for way in (ours, ours_robust, ours_late_entry, lifelines, scikit_survival)
}


def measured(name: str, rows: int, columns: int, rounds: int) -> dict[str, Any]:
    """Seconds of each round, peak memory with the data, and what was found."""
    outcome, x = made_cohort(rows, columns)
    before, seconds = peak_mib(), []
    WAYS[name](outcome.take(np.arange(2000)), x[:2000])  # imports and first calls are not measured
    for _ in range(rounds):
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            coef = WAYS[name](outcome, x)
        seconds.append(round(time.perf_counter() - began, 3))
    return {"seconds": seconds, "peak_mib": peak_mib(), "peak_before_mib": before, "coef": coef.tolist()}


def in_r(rows: int, columns: int) -> dict[str, Any] | None:
    """The same of R's coxph, where it is there."""
    has = "quit(status = !requireNamespace('survival', quietly=TRUE))"
    if not shutil.which("Rscript") or subprocess.run(["Rscript", "-e", has], check=False).returncode:
        return None
    outcome, x = made_cohort(rows, columns)
    table = pl.DataFrame({"time": outcome.time, "event": outcome.event} | {f"x{j}": x[:, j] for j in range(columns)})
    with tempfile.TemporaryDirectory() as folder:
        table.write_csv(Path(folder) / "cohort.csv")
        command = ["Rscript", "-e", R_SCRIPT, str(Path(folder) / "cohort.csv")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(said)
    return found


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=75_000)
    parser.add_argument("--large", type=int, default=500_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    own = parser.parse_args()
    load = os.getloadavg()[0]

    def alone(name: str, rows: int, rounds: int) -> dict[str, Any]:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(measured, name, rows, own.columns, rounds).result()

    found = {name: alone(name, own.rows, own.rounds if "ours" in name else 1) for name in WAYS}
    from_r = in_r(own.rows, own.columns)
    if from_r:
        found["r_survival"] = from_r
    large = {name: alone(name, own.large, 2) for name in ("ours", "ours_robust", "ours_late_entry")}
    coef, se = np.split(np.array(found["ours"]["coef"]), 2)
    for name, one in found.items():
        if "ours" not in name:
            one["largest_difference_in_se"] = float(np.max(np.abs(np.array(one["coef"]) - coef) / se))
    for one in (*found.values(), *large.values()):
        del one["coef"]
        one["median_s"] = statistics.median(one["seconds"])
    outcome, _ = made_cohort(own.rows, own.columns)
    result = {
        "load_before": load,
        "columns": own.columns,
        "cohort": {"rows": own.rows, "events": outcome.n_events} | found,
        "large": {"rows": own.large} | large,
        **provenance(),
    }
    write(result, own.out)


if __name__ == "__main__":
    main()
