"""The lines and the list that tell the main results: what they hold, and that they hold what is released alone."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cinema_cli.analysis.disclosure.control import suppressed
from cinema_cli.analysis.estimates import Estimate, table_of
from cinema_cli.commands.app import run
from cinema_cli.reports.brief import brief_of


def hazard(term: str, model: str, *, group: str = "") -> Estimate:
    return Estimate(
        "cox", "death", model, term, group, n=1200, events=130,
        estimate=0.5, lower=0.4, upper=0.625, p=0.01, q=0.02, unit="per SD (9.8 %)",
    )  # fmt: skip


SURVIVAL = [
    Estimate("flow", "death", term="rows of the phenotype table", level="kept", n=1300),
    Estimate("flow", "death", term="no outcome row", level="left out", n=96),
    Estimate("flow", "death", term="age missing", level="left out", n=4),
    Estimate("flow", "death", term="sex missing", level="left out", n=0),
    Estimate("flow", "death", term="analysed", level="kept", n=1200),
    Estimate("rate", "death", n=1200, events=130, estimate=20.0),
    hazard("lvef_pct", "unadjusted"),
    hazard("lvef_pct", "adjusted"),
    hazard("age", "adjusted", group="lvef_pct"),
    hazard("lvm_g", "unadjusted"),
    Estimate("concordance", "death", "clinical_cmr", level="apparent", n=1200, events=130, estimate=0.71),
    Estimate("concordance", "death", "clinical_cmr", level="optimism-corrected", n=1200, events=130, estimate=0.7),
]


def test_hazard_ratios_are_adjusted_where_they_can_be() -> None:
    assert brief_of(table_of(SURVIVAL)).lines == (
        "1,300 rows of the phenotype table; left out: no outcome row 96, age missing 4; 1,200 analysed, with the event "
        "130",
        "LV ejection fraction: hazard ratio 0.50 (0.40 to 0.62) per SD (9.8 %), adjusted, q = 0.020",
        "LV mass: hazard ratio 0.50 (0.40 to 0.62) per SD (9.8 %), unadjusted, q = 0.020",
        "Harrell's C: 0.700, clinical + CMR, optimism-corrected",
    )


def test_nothing_that_disclosure_control_took_away_is_said() -> None:
    """Four people left for want of an age."""
    said = brief_of(suppressed(table_of(SURVIVAL), min_cell=10)).lines[0]
    assert "age missing suppressed" in said and "no outcome row about 100" in said
    few = table_of([Estimate("flow", term="rows", level="kept", n=4), Estimate("flow", term="analysed", n=4)])
    assert brief_of(suppressed(few, min_cell=10)).lines == ("the people are too few for their numbers to be shown",)


def test_an_evaluation_says_dice_of_the_mean_of_structures_and_the_bias() -> None:
    dice = [Estimate("evaluation", model="dice", term=t, level="ed", n=40, estimate=0.9) for t in ("lv", "mean")]
    bias = [Estimate("agreement", model="bias", term=t, n=40, estimate=-1.5) for t in ("lvm_g", "lvedv_ml")]
    of_women = Estimate("evaluation", model="dice", term="mean", group="sex=F", level="ed", n=20, estimate=0.8)
    found = brief_of(table_of([*dice, of_women, *bias]))
    assert found.lines == ("Dice, Mean of structures, ED: 0.900", "Bias, LV end-diastolic volume: -1.5 ml")
    assert [(row["model"], row["estimate"]) for row in found.main] == [("dice", 0.9), ("bias", -1.5)]


def test_gaps_come_by_their_evidence() -> None:
    gaps = [
        Estimate("gap", model="dice", term="mean", group=f"g{k}", n=90, estimate=0.01, p=p, q=p)
        for k, p in enumerate((0.5, 0.01, 0.9, 0.2))
    ]
    found = brief_of(table_of(gaps))
    assert [row["group"] for row in found.main] == ["g1", "g3", "g0"]
    assert found.lines[0].endswith("between the groups of g1: a gap of 0.010, q = 0.010")


def test_a_command_says_them_and_tells_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=120)
    time = rng.exponential(np.exp(-x)) + 0.01
    table = tmp_path / "t.csv"
    pl.DataFrame({"id": range(120), "x": x, "time": time.clip(max=2.0), "event": (time < 2.0).astype(int)}).write_csv(
        table
    )
    assert run(["survival", str(table), "-o", str(tmp_path / "o"), "--json", "--bootstrap", "0", "--no-progress"]) == 0
    out, err = capsys.readouterr()
    brief = brief_of(pl.read_parquet(tmp_path / "o" / "estimates.parquet"))
    assert json.loads(out)["main"] == list(brief.main) and brief.main[0]["term"] == "x"
    assert all(line in err for line in brief.lines) and "120 analysed" in err
