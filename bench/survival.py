"""A whole survival analysis of simulated rows from the command line: seconds, memory, and where the time goes.

python bench/survival.py [--rows 75000] [--out FILE]

Twenty phenotypes, three covariates, two groups; every section of the report, competing events too with --competing.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from programs import cinema, write
from provenance import provenance

MODEL = ("--covariates", "age_years,sex,smoker", "--groups", "sex,site")
COMPETING = ("--event", "event_any", "--competing", "2")


def measured(rows: Path, out: Path, *options: object) -> dict[str, Any]:
    """One run of the command, and the seconds of its steps by the messages of its log."""
    ran = cinema(
        "survival", rows / "phenotypes.parquet", "--outcomes", rows / "outcomes.csv", "-o", out, *MODEL, *options
    )
    (log,) = out.glob("logs/*/log.jsonl")
    said = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return {**ran, "estimates": (out / "estimates.csv").read_bytes().count(b"\n") - 1, "messages": said}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=75_000)
    parser.add_argument("--competing", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = Path(name) / "rows"
        simulated = cinema("simulate", rows, "--rows", asked.rows, "--seed", 1)
        result = {"rows": asked.rows, "simulate": simulated, "survival": measured(rows, Path(name) / "out")}
        if asked.competing:
            result["competing"] = measured(rows, Path(name) / "competing", *COMPETING)
    write({**result, **provenance()}, asked.out)


if __name__ == "__main__":
    main()
