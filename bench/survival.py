"""A whole survival analysis of simulated rows from the command line: seconds, memory, and where the time goes.

python bench/survival.py [--rows 75000] [--out FILE]

Twenty phenotypes, three covariates, two groups; every section of the report, competing events too with --competing.
"""

import argparse
import json
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from programs import cinema, write
from provenance import provenance

MODEL = ("--covariates", "age_years,sex,smoker", "--groups", "sex,site")
STEP = "survival: "  # how the log says that one begins
COMPETING = ("--event", "event_any", "--competing", "2")


def measured(rows: Path, out: Path, *options: object) -> dict[str, Any]:
    """One run of the command, and the seconds of its steps by the messages of its log."""
    ran = cinema(
        "survival", rows / "phenotypes.parquet", "--outcomes", rows / "outcomes.csv", "-o", out, *MODEL, *options
    )
    return {**ran, "estimates": (out / "estimates.csv").read_bytes().count(b"\n") - 1, "steps_s": steps(out)}


def steps(out: Path) -> dict[str, float]:
    """Seconds of each step, from its message in the log to the next."""
    (log,) = out.glob("logs/*/log.jsonl")
    said = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    marks = [(one.get("message", one.get("event", "")), datetime.fromisoformat(one["time"])) for one in said]
    begins = [(name.removeprefix(STEP), at) for name, at in marks if name.startswith(STEP)]
    ends = [at for _, at in begins[1:]] + [next(at for name, at in marks if name == "run_ended")]
    return {name: (end - at).total_seconds() for (name, at), end in zip(begins, ends, strict=True)}


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
