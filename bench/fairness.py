"""Gaps of 10 metrics between the groups of 5 columns, permuted and resampled: time and memory in a large cohort.

python bench/fairness.py [--rows 75000] [--permutations 1000] [--missing] [--out FILE]

The whole path is measured that `cinema fairness` takes from metrics to released estimates, reading and drawing aside.
With --missing each metric is missing in other people, so that no permutation serves two of them, and labels are missing
too. Processor seconds count, since other work on the machine makes wall seconds longer.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import polars as pl
from programs import write
from provenance import peak_mib, provenance

from cinema_cli.analysis.fairness.audit import audit
from cinema_cli.analysis.fairness.groups import group_columns
from cinema_cli.analysis.fairness.metric import Metric
from cinema_cli.analysis.fairness.people import KEY, People
from cinema_cli.analysis.fairness.release import released
from cinema_cli.analysis.fairness.settings import FairnessSettings
from cinema_cli.analysis.statistics.group_gaps import Better
from cinema_cli.analysis.survival.flow import FlowStep

COLUMNS = {"sex": 2, "age_band": 4, "ethnicity": 5, "site": 6, "vendor": 3}
METRICS, SHARES = 10, 4  # as many of the metrics are shares
PLANTED = 0.05  # SD between the sexes in the first metric


def cohort(n: int, *, missing: bool) -> tuple[People, list[Metric]]:
    """People in groups of unequal sizes, and their metrics."""
    rng = np.random.default_rng(1)
    columns = {}
    for name, k in COLUMNS.items():
        codes = rng.choice(k, n, p=np.arange(k, 0, -1) / (k * (k + 1) / 2))
        labels = [f"{name}{code}" for code in codes]
        columns[name] = [label if u > 0.02 else None for label, u in zip(labels, rng.uniform(size=n), strict=True)]
        if not missing:
            columns[name] = labels
    rows = pl.DataFrame({KEY: [str(k) for k in range(n)], **columns})
    values = rng.normal(3.0, 1.0, (n, METRICS))
    values[:, 0] += PLANTED * (rows["sex"] == "sex0").fill_null(value=False).to_numpy()
    values[:, -SHARES:] = rng.uniform(size=(n, SHARES)) < 0.08
    if missing:
        values[rng.uniform(size=values.shape) < 0.03] = np.nan
    metrics = [
        Metric(f"m{j}", "x", Better.LOWER, values[:, j].copy(), is_share=j >= METRICS - SHARES) for j in range(METRICS)
    ]
    return People(rows, (FlowStep("people compared", n, kept=True),)), metrics


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=75_000)
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    people, metrics = cohort(given.rows, missing=given.missing)
    settings = FairnessSettings(n_permutations=given.permutations, n_resamples=given.permutations)
    before_mib, began, began_processor = peak_mib(), time.perf_counter(), time.process_time()
    found = audit(people, group_columns(people, list(COLUMNS)), metrics, settings).estimates
    audited = time.perf_counter()
    released(found, min_cell=10)
    ended, processor = time.perf_counter(), time.process_time() - began_processor
    gaps = found.filter(pl.col("analysis") == "gap")
    write(
        {
            "rows": given.rows,
            "metrics": METRICS,
            "columns": len(COLUMNS),
            "permutations_and_resamples": given.permutations,
            "missing": given.missing,
            "wall_s": round(ended - began, 1),
            "of_which_disclosure_s": round(ended - audited, 1),
            "processor_s": round(processor, 1),
            "peak_mib": peak_mib(),
            "of_which_before_mib": before_mib,
            "gaps": gaps.height,
            "p_of_the_planted_gap": gaps["p"][0],
            "q_below_0.05": gaps.filter(pl.col("q") < 0.05).height,
            "load_average": os.getloadavg()[0],
            **provenance(),
        },
        given.out,
    )


if __name__ == "__main__":
    main()
