"""The same person measured twice: which sessions make a pair, who is left out, and what R says of the pairs."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from statistics_golden import r_values

from cinema_cli.analysis.evaluation.repeats import Repeats, repeat_rows
from cinema_cli.analysis.evaluation.values import Answers
from cinema_cli.analysis.survival.reading import Source
from cinema_cli.domain.errors import ConfigError, InputError

R = r_values("r_golden3")["repeatability"]
X, Y = np.array(R["x"]), np.array(R["y"])


def scans(**columns: object) -> Answers:
    return Answers("phenotypes.parquet", pl.DataFrame(columns), ("lvef_pct",))


def golden() -> Answers:
    """Both scans of the 40 people in R's data, and a third of the first."""
    people = [f"sub-{k:02d}" for k in range(40)]
    return scans(
        participant_id=[*people, *people, "sub-00"],
        session_id=["ses-2"] * 40 + ["ses-10"] * 40 + ["ses-11"],
        lvef_pct=[*X, *Y, 99.0],
    )


def flow(found: Repeats) -> list[tuple[str, str, int | None]]:
    return [(row.term, row.level, row.n) for row in found.rows if row.analysis == "flow"]


def said(found: Repeats, group: str = "") -> dict[str, float | None]:
    return {row.model: row.estimate for row in found.rows if row.analysis == "repeatability" and row.group == group}


PAIRS = {
    "no file": None,
    "pairs": {"participant_id": [f"{k:02d}" for k in range(40)], "session_a": ["2"] * 40, "session_b": ["ses-10"] * 40},
    "rows": {"eid": [f"sub-{k:02d}" for k in range(40)] * 2, "session_id": ["10"] * 40 + ["2"] * 40},
    "people": {"participant_id": [f"sub-{k:02d}" for k in range(40)]},
}


@pytest.mark.parametrize("asked", PAIRS.values(), ids=PAIRS)
def test_as_r(asked: dict[str, list[str]] | None) -> None:  # r_golden3 repeatability
    found = repeat_rows(golden(), None if asked is None else Source("pairs.csv", pl.DataFrame(asked)))
    numbers = said(found)
    for name in ("cov_rms", "cov_log", "cov_wsd", "rc", "icc21", "icc31"):
        assert_allclose(numbers[name], R[name], rtol=1e-10)
    assert_allclose([numbers["bias"], numbers["loa_lower"]], [R["ba_bias"], R["ba_loa"][0]], rtol=1e-10)
    assert flow(found)[-1] == ("measured twice", "kept", 40)
    units = {row.model: row.unit for row in found.rows}
    assert (units["wsd"], units["cov_rms"]) == ("%", "")
    bins = [row for row in found.rows if row.analysis == "bland_altman"]
    assert sum(row.n or 0 for row in bins) == 40


def test_by_group() -> None:
    people = pl.DataFrame({"participant_id": [f"{k:02d}" for k in range(40)], "sex": ["F", "M"] * 20})
    found = repeat_rows(golden(), people=people, groups=["sex"])
    assert_allclose(said(found, "sex=M")["wsd"], np.sqrt(np.mean((X[1::2] - Y[1::2]) ** 2) / 2))
    assert {row.group for row in found.rows if row.analysis == "repeatability"} == {"", "sex=F", "sex=M"}


def test_who_is_left_out_is_counted() -> None:
    answers = scans(
        participant_id=["a", "a", "b", "c", "c", "d", "d"],
        session_id=["1", "2", "1", "1", "2", "1", "2"],
        lvef_pct=[50.0, 52.0, 60.0, 55.0, None, 40.0, 41.0],
    )
    assert flow(repeat_rows(answers)) == [
        ("participants with a result", "kept", 4),
        ("one session only", "left out", 2),
        ("measured twice", "kept", 2),
    ]
    table = pl.DataFrame(
        {"participant_id": ["a", "c", "d"], "session_a": ["1", "1", "1"], "session_b": ["2", "2", None]}
    )
    assert flow(repeat_rows(answers, Source("pairs.csv", table))) == [
        ("rows of pairs.csv", "kept", 3),
        ("a session is not named", "left out", 1),
        ("a session without a result", "left out", 1),
        ("measured twice", "kept", 1),
    ]


def test_one_pair_and_the_same_twice() -> None:
    found = repeat_rows(scans(participant_id=["a", "a"], session_id=["1", "2"], lvef_pct=[50.0, 52.0]))
    assert said(found)["bias"] == -2
    assert "icc21" not in said(found)
    assert [row.analysis for row in found.rows].count("too_few") == 1
    same = repeat_rows(scans(participant_id=["a", "a", "b", "b"], session_id=["1", "2"] * 2, lvef_pct=[50.0] * 4))
    assert said(same)["cov_rms"] == 0
    assert all(row.estimate is None or np.isfinite(row.estimate) for row in same.rows)


def test_sessions_without_names() -> None:
    found = repeat_rows(scans(participant_id=["a", "a", "b", "b"], lvef_pct=[50.0, 52.0, 60.0, 61.0]))
    assert said(found)["bias"] == -1.5


def test_refusals() -> None:
    with pytest.raises(InputError, match="nobody"):
        repeat_rows(scans(participant_id=["a", "b"], session_id=["1", "1"], lvef_pct=[50.0, 52.0]))
    with pytest.raises(ConfigError, match="several rows of session 1"):
        repeat_rows(scans(participant_id=["a", "a"], session_id=["1", "1"], lvef_pct=[50.0, 52.0]))
    pairs = pl.DataFrame({"participant_id": ["00", "00"], "session_a": ["2", "2"], "session_b": ["10", "11"]})
    with pytest.raises(ConfigError, match="several rows of one participant"):
        repeat_rows(golden(), Source("pairs.csv", pairs))
