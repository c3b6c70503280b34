"""The door of a survival analysis: who comes through, under which names, and what is refused with row numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statistics_golden import STATISTICS, outcome_of, r_data

from cinema_cli.analysis.estimate_words import estimate_words
from cinema_cli.analysis.estimates import ANALYSES, SCHEMA
from cinema_cli.analysis.survival.columns import Columns
from cinema_cli.analysis.survival.dictionary import table_words
from cinema_cli.analysis.survival.door import analysis_table, read_analysis_table
from cinema_cli.analysis.survival.reading import Source, rows_words
from cinema_cli.analysis.survival.settings import Embeddings
from cinema_cli.analysis.survival.table import AnalysisTable
from cinema_cli.analysis.survival.vectors import read_embeddings
from cinema_cli.domain.errors import CinemaError, ConfigError, InputError
from cinema_cli.io.identity import keyed_hash
from cinema_cli.io.predictions import EMBEDDING_SCHEMA
from cinema_cli.io.record_rows import PHENOTYPE_SCHEMA

LAWS = settings(max_examples=30, deadline=None, derandomize=True)


def a_file(path: Path, table: Mapping[str, Any]) -> Path:
    frame = pl.DataFrame(table)
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    return path


def through(tmp_path: Path, hearts: Mapping[str, Any], ends: Mapping[str, Any], /, **asked: Any) -> AnalysisTable:
    columns = {name: asked.pop(name) for name in list(asked) if name in Columns.__dataclass_fields__}
    left, right = a_file(tmp_path / "phenotypes.csv", hearts), a_file(tmp_path / "outcomes.csv", ends)
    return read_analysis_table(left, right, columns=Columns(**columns), **asked)


def refused(tmp_path: Path, hearts: Mapping[str, Any], ends: Mapping[str, Any], /, **asked: Any) -> CinemaError:
    with pytest.raises(CinemaError) as caught:
        through(tmp_path, hearts, ends, **asked)
    return caught.value


HEARTS = {"participant_id": ["sub-001", "sub-002", "sub-003"], "lvef_pct": ["60", "55.5", "48"]}
ENDS = {"participant_id": ["003", "001", "002"], "time": ["3", "1", "2"], "event": ["1", "0", "1"]}


def steps(table: AnalysisTable) -> list[tuple[str, str, int]]:
    return [(step.level, step.name, step.n) for step in table.flow]


def test_people_of_both_tables_stand_side_by_side_with_their_leading_zeros(tmp_path: Path) -> None:
    table = through(tmp_path, HEARTS, ENDS)
    assert table.rows.to_dict(as_series=False) == {
        "participant_id": ["sub-001", "sub-002", "sub-003"],
        "time": [1.0, 2.0, 3.0],
        "event": [0, 1, 1],
        "lvef_pct": [60.0, 55.5, 48.0],
    }
    assert (table.outcome_name, table.phenotypes, table.time_unit) == ("event", ("lvef_pct",), "years")
    assert steps(table) == [("kept", "rows of the phenotype table", 3), ("kept", "analysed", 3)]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_every_form_of_a_table_is_read(tmp_path: Path, suffix: str) -> None:
    both = a_file(
        tmp_path / f"all{suffix}", {"eid": ["07", "8"], "time_years": [1.5, 2.0], "event": [0, 1], "x": [1.0, 2.5]}
    )
    table = read_analysis_table(both, None, columns=Columns())
    assert table.rows["participant_id"].to_list() == ["07", "8"]
    assert table.rows["x"].to_list() == [1.0, 2.5] and table.phenotypes == ("x",)
    assert table.notes == (f"participants of all{suffix} are named by its column eid",)


def test_a_table_with_a_byte_order_mark_has_its_first_column(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("\ufeffeid,time,event,x\n1,1,1,5\n", encoding="utf-8")
    assert read_analysis_table(path, path, columns=Columns()).rows["participant_id"].to_list() == ["1"]


@LAWS
@given(st.permutations(["001", "002", "003", "004"]), st.permutations([0, 1, 2, 3]))
def test_the_order_of_outcomes_and_a_prefix_change_nothing(ids: list[str], order: list[int]) -> None:
    people = Source("p.csv", pl.DataFrame({"participant_id": [f"sub-{one}" for one in ids], "x": ["1", "2", "3", "4"]}))
    rows = pl.DataFrame({"eid": ids, "time": ["1", "2", "3", "4"], "event": ["0", "1", "1", "0"]})
    found = analysis_table(people, Source("o.csv", rows[order]), columns=Columns())
    assert found.rows.equals(analysis_table(people, Source("o.csv", rows), columns=Columns()).rows)


def test_ids_cleaned_by_a_scan_and_hashed_ones_are_found(tmp_path: Path) -> None:
    ends = {"id": ["AB_1/x", "AB-2"], "time": ["1", "2"], "event": ["1", "0"]}
    assert through(tmp_path, {"participant_id": ["sub-AB1x", "sub-AB2"], "x": ["1", "2"]}, ends).n == 2
    key = b"of a study of hearts"
    hashed = {"participant_id": [f"sub-{keyed_hash('AB-2', key)}"], "x": ["1"]}
    assert through(tmp_path, hashed, ends, hash_key=key).rows["time"].to_list() == [2.0]
    assert "no participant is in both" in refused(tmp_path, hashed, ends).message


def test_ids_that_match_nothing_are_shown_from_both_sides(tmp_path: Path) -> None:
    ends = ENDS | {"participant_id": ["1", "2", "3"]}
    error = refused(tmp_path, HEARTS, ends)
    assert isinstance(error, InputError)
    assert error.message == (
        "no participant is in both tables: phenotypes.csv has sub-001, sub-002, sub-003, outcomes.csv has 1, 2, 3"
    )
    assert "leading zeros" in error.hint
    assert "--id-column" in refused(tmp_path, HEARTS, ENDS | {"participant_id": ["a", "b", "c"]}).hint


def test_failed_studies_and_later_visits_leave_in_the_flow(tmp_path: Path) -> None:
    visits = [("sub-1", "ses-10"), ("sub-1", "ses-2"), ("sub-2", "ses-1"), ("sub-3", "ses-1"), ("sub-3", "ses-2")]
    status = ["done", "done", "failed", "failed", "done"]
    values = [10.0, 2.0, 1.0, 31.0, 32.0]
    rows = [
        {
            "participant_id": who,
            "session_id": when,
            "status": how,
            "lvef_pct": value,
            "rvef_pct": value if value == 10.0 else None,
        }
        for (who, when), how, value in zip(visits, status, values, strict=True)
    ]
    (tmp_path / "out").mkdir()
    pl.DataFrame(rows, schema=PHENOTYPE_SCHEMA).write_parquet(tmp_path / "out" / "phenotypes.parquet")
    ends = a_file(tmp_path / "o.csv", {"participant_id": ["1", "2", "3"], "time": [1, 2, 3], "event": [0, 1, 1]})
    table = read_analysis_table(tmp_path / "out", ends, columns=Columns())
    assert table.rows.select("participant_id", "session_id", "lvef_pct").rows() == [
        ("sub-1", "2", 2.0),
        ("sub-3", "2", 32.0),
    ]
    assert steps(table) == [
        ("kept", "rows of the phenotype table", 5),
        ("left out", "study without a result", 2),
        ("left out", "later visit of the same participant", 1),
        ("kept", "analysed", 2),
    ]
    assert table.phenotypes == ("lvef_pct",)
    assert table.notes[0] == "rows of o.csv whose participant has no phenotypes: 1"
    assert table.notes[1:] == ("rvef_pct: no value among those analysed, left out",)


def test_outcomes_of_visits_go_to_their_visit(tmp_path: Path) -> None:
    hearts = {"participant_id": ["1", "1", "2"], "session_id": ["1", "2", "2"], "x": ["1", "2", "3"]}
    ends = {
        "participant_id": ["1", "1", "2"],
        "session_id": ["ses-2", "ses-1", "ses-1"],
        "time": ["1", "2", "3"],
        "event": ["1", "1", "1"],
    }
    table = through(tmp_path, hearts, ends)
    assert table.rows.select("participant_id", "time", "x").rows() == [("1", 2.0, 1.0)]
    assert ("left out", "no outcome row", 1) in steps(table)


def test_every_missing_cell_is_a_reason_in_the_flow_but_a_phenotypes(tmp_path: Path) -> None:
    hearts = {"participant_id": list("123456"), "x": ["1", "NA", "3", "4", "5", "6"], "y": ["1"] * 6}
    ends = {
        "participant_id": list("12345"),
        "time": ["1", "2", "", "4", "5"],
        "event": ["1", "1", "1", "NaN", "0"],
        "sex": ["M", "F", "M", "M", "."],
    }
    table = through(tmp_path, hearts, ends, covariates=("sex",))
    assert steps(table) == [
        ("kept", "rows of the phenotype table", 6),
        ("left out", "no outcome row", 1),
        ("left out", "time missing", 1),
        ("left out", "event missing", 1),
        ("left out", "sex missing", 1),
        ("kept", "analysed", 2),
    ]
    assert table.complete("x").tolist() == [0] and table.complete("x", "y", "sex").tolist() == [0]
    assert table.complete("y").tolist() == [0, 1]
    imputing = through(tmp_path, hearts, ends, covariates=("sex",), imputes=True)
    assert imputing.imputes and imputing.rows["sex"].to_list() == ["M", "F", None]


def test_nobody_left_is_said_with_the_reasons(tmp_path: Path) -> None:
    error = refused(tmp_path, HEARTS, ENDS | {"event": ["", "", ""]})
    assert isinstance(error, InputError) and "event missing 3" in error.message
    assert "no rows" in refused(tmp_path, HEARTS, {name: [] for name in ENDS}).message


@pytest.mark.parametrize(
    ("changes", "asked", "says"),
    [
        ({"event": ["1", "2", "1"]}, {}, "outcomes.csv, row 3: event is '2': without any 0"),
        ({"time": ["3", "0", "2"]}, {}, "outcomes.csv, row 3: time is '0', a time is above 0"),
        (
            {"participant_id": ["003", "001", "1", "001"]},
            {},
            "outcomes.csv, rows 3, 5: participant '001' has several",
        ),
        ({"participant_id": ["003", "", "002"]}, {}, "outcomes.csv, row 3: participant_id is empty"),
        ({"age": ["50", "unknown", "60"]}, {"covariates": ("age",)}, "row 3: age is 'unknown', not a number"),
        ({"age": ["50", "-inf", "60"]}, {"covariates": ("age",)}, "row 3: age is '-inf'"),
        ({"age": ["50", "-1e300", "60"]}, {"covariates": ("age",)}, "row 3: age is '-1e300', too large"),
        ({"time": ["1", "1e300", "2"]}, {}, "row 3: time is '1e300', too large"),
        ({"w": ["1", "0", "2"]}, {"weights": "w"}, "row 3: w is '0', a weight is above 0"),
        ({"vol": ["1", "big", "2"]}, {"phenotypes": ("vol",)}, "row 3: vol is 'big', not a number"),
        ({}, {"covariates": ("lvef",)}, "no column lvef in outcomes.csv nor phenotypes.csv (there are"),
        ({}, {"time": "tme"}, "no column tme"),
        ({}, {"participant": "number"}, "no column number"),
        ({}, {"covariates": ("lvef_pct",), "phenotypes": ("lvef_pct",)}, "as a phenotype and as something else"),
        ({"entry": ["1", "2", "3"]}, {"covariates": ("entry",)}, "entry cannot be the name of a covariate"),
    ],
)
def test_what_is_wrong_is_refused_with_its_rows(
    tmp_path: Path, changes: dict[str, list[str]], asked: dict[str, Any], says: str
) -> None:
    n = max(len(column) for column in changes.values()) if changes else 3
    ends = {name: (column * 2)[:n] for name, column in ENDS.items()} | changes
    error = refused(tmp_path, HEARTS, ends, **asked)
    assert isinstance(error, ConfigError) and error.exit_code == 78
    assert says in error.message and error.hint


def test_all_that_is_wrong_is_said_at_once_with_rows_in_order(tmp_path: Path) -> None:
    n = 12
    ids = [f"{k:02d}" for k in range(n)]
    hearts = {"participant_id": list(reversed(ids)), "lvef_pct": [str(50 + k) for k in range(n)]}
    ends = {
        "participant_id": [*ids, "03", ""],
        "end": ["2020-01-01"] * 4 + ["31/12/2019", "1999-01-01"] + ["2021-01-01"] * 8,
        "start": ["2000-01-01"] * 14,
        "event": ["9", "yes", "0", "1"] + ["1", "0"] * 4 + ["1", "7"],
        "age": [str(40 + k) for k in range(10)] + ["old", "?", "50", "50"],
    }
    asked: dict[str, Any] = {"time": "end", "origin": "start", "covariates": ("age",)}
    error = refused(tmp_path, hearts, ends, **asked)
    assert isinstance(error, ConfigError) and error.exit_code == 78
    assert error.message.splitlines() == [
        "7 kinds of cells are wrong",
        "- outcomes.csv, row 2: event is '9', not 0 or 1",
        "- outcomes.csv, row 3: event is 'yes', not a number",
        "- outcomes.csv, rows 5, 14: participant '03' has several rows",
        "- outcomes.csv, row 6: end is '31/12/2019', not a date",
        "- outcomes.csv, row 7: end is '1999-01-01', not after start",
        "- outcomes.csv, rows 12, 13: age is 'old', not a number",
        "- outcomes.csv, row 15: participant_id is empty",
    ]
    assert error.hint.count("Write 1 for the event") == 1 and "2019-05-31" in error.hint
    mended = {name: [cell for k, cell in enumerate(column) if k in (2, 3, 6, 7, 8)] for name, column in ends.items()}
    assert through(tmp_path, hearts, mended, **asked).n == 5


def test_rows_of_nobody_in_the_phenotypes_are_not_looked_at(tmp_path: Path) -> None:
    ends = {name: [*column, "9"] for name, column in ENDS.items()}  # an event of 9 years coded 9: of no heart here
    table = through(tmp_path, HEARTS, ends)
    assert table.n == 3 and "rows of outcomes.csv whose participant has no phenotypes: 1" in table.notes


def test_the_nearest_name_is_the_hint(tmp_path: Path) -> None:
    assert refused(tmp_path, HEARTS, ENDS, covariates=("lvef_pc",)).hint == "Is lvef_pct meant?"


def test_missing_usual_columns_are_listed_with_the_option(tmp_path: Path) -> None:
    ends = {"participant_id": ["001"], "tte": ["1"], "event": ["1"]}
    error = refused(tmp_path, HEARTS, ends)
    assert "has no column time_years or time (it has participant_id, tte, event)" in error.message
    assert "--time" in error.hint
    assert "--id-column" in refused(tmp_path, HEARTS, {"who": ["001"], "time": ["1"], "event": ["1"]}).hint


def test_a_name_twice_in_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("id,time,event,x,x\n1,1,1,5,6\n")
    for asked in (Columns(phenotypes=("x",)), Columns()):
        with pytest.raises(ConfigError, match="two columns x"):
            read_analysis_table(path, None, columns=asked)


def test_what_both_tables_say_is_taken_from_the_outcomes_and_said(tmp_path: Path) -> None:
    hearts = HEARTS | {"age": ["1", "1", "1"]}
    table = through(tmp_path, hearts, ENDS | {"age": ["53", "51", "52"]}, covariates=("age",))
    assert table.rows["age"].to_list() == [51.0, 52.0, 53.0]
    assert "age is in both tables: that of outcomes.csv is used" in table.notes


def test_numbers_and_names_keep_their_kind(tmp_path: Path) -> None:
    ends = ENDS | {
        "sex": ["F", "M", "M"],
        "grade": ["1", "2", "3"],
        "centre": ["007", "07", "007"],
        "ward": ["1", "", "2"],
    }
    table = through(
        tmp_path, HEARTS, ends, covariates=("sex", "grade"), strata=("centre", "sex"), groups=("ward", "grade")
    )
    assert [table.is_category(name) for name in ("sex", "grade", "centre", "ward")] == [True, False, True, True]
    assert table.rows["centre"].to_list() == ["07", "007", "007"]
    assert table.texts("grade").to_list() == ["2", "3", "1"]
    assert table.texts("ward").to_list() == [None, "2", "1"] or table.texts("ward").null_count() == 1
    codes = table.codes(table.strata)
    assert codes is not None and len(set(codes.tolist())) == 3
    assert table.codes(()) is None and table.row_weights() is None


def test_too_many_categories_are_no_categories(tmp_path: Path) -> None:
    n = 60
    hearts = {"id": range(n), "x": range(n), "note": [f"n{k}" for k in range(n)], "age": [40.5 + k for k in range(n)]}
    ends = {"id": range(n), "time": [1] * n, "event": [1] * n}
    for asked in ({"covariates": ("note",)}, {"groups": ("age",)}):
        error = refused(tmp_path, hearts, ends, **asked)
        assert "60 different values" in error.message and isinstance(error, ConfigError)
    assert through(tmp_path, hearts, ends, strata=("note",)).n == n


def test_only_numbers_are_phenotypes_by_default(tmp_path: Path) -> None:
    hearts = {
        "id": ["1"],
        "session_id": ["3"],
        "x": ["1"],
        "scanner": ["big"],
        "day": ["2020-01-01"],
        "age": ["60"],
        "site": ["4"],
    }
    ends = {"id": ["1"], "time": ["1"], "event": ["1"]}
    assert through(tmp_path, hearts, ends, covariates=("age",), groups=("site",)).phenotypes == ("x",)
    assert through(tmp_path, hearts | {"lvef_pct": ["50"], "es_frame": ["9"]}, ends).phenotypes == ("lvef_pct",)
    assert "no phenotype" in refused(tmp_path, {"id": ["1"], "scanner": ["big"]}, ends).message


def test_a_slip_in_a_column_of_numbers_is_no_reason_to_forget_it(tmp_path: Path) -> None:
    n = 20
    people = {"id": range(n), "time": [1] * n, "event": [1] * n, "y": range(n), "word": ["a", *("1" * 9), *("b" * 10)]}
    slips = [str(k) for k in range(n - 2)] + ["abc", "?"]
    with pytest.raises(ConfigError, match=r"all.csv, rows 20, 21: x is 'abc', not a number") as caught:
        read_analysis_table(a_file(tmp_path / "all.csv", people | {"x": slips}), None, columns=Columns())
    assert "--phenotypes" in caught.value.hint
    ours = a_file(tmp_path / "ours.csv", people | {"lvef_pct": ["50", *("bad" for _ in range(n - 1))]})
    with pytest.raises(ConfigError, match=r"rows 3, 4, 5, 6, 7 and 14 more: lvef_pct is 'bad'"):
        read_analysis_table(ours, None, columns=Columns())
    assert read_analysis_table(ours, None, columns=Columns(phenotypes=("y",))).phenotypes == ("y",)
    assert read_analysis_table(a_file(tmp_path / "w.csv", people), None, columns=Columns()).phenotypes == ("y",)


def test_names_with_commas_and_quotes_are_found_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text('id,time,event,"a,b ""q""",c,d\n1,1,1,5,6,7\n2,2,0,6,7,7\n')
    table = read_analysis_table(path, None, columns=Columns(phenotypes=('a,b "q"', "c,d")))
    assert table.phenotypes == ('a,b "q"', "c", "d")
    assert "no column a in" in refused(tmp_path, HEARTS, ENDS, covariates=("a, b",)).message


def test_several_events_of_a_person_make_people_the_clusters(tmp_path: Path) -> None:
    """As R's coxph with `id`: robust errors where somebody has more than one event, else not."""
    rows = {
        "id": list("112"),
        "start": ["0", "2", "0"],
        "time": ["2", "5", "3"],
        "event": list("110"),
        "x": list("123"),
    }
    path = a_file(tmp_path / "all.csv", rows)
    table = read_analysis_table(path, None, columns=Columns(entry="start"))
    assert table.cluster == ("participant_id",) and table.n_clusters == 2
    assert any("several events: standard errors are robust" in note for note in table.notes)
    a_file(path, rows | {"event": list("010")})
    once = read_analysis_table(path, None, columns=Columns(entry="start"))
    assert once.cluster == () and once.n_clusters == 0 and not any("robust" in note for note in once.notes)


def test_few_clusters_are_a_note(tmp_path: Path) -> None:
    n = 60
    people = {"id": range(n), "time": [1] * n, "event": [1] * n, "x": range(n), "site": [k % 4 for k in range(n)]}
    path = a_file(tmp_path / "all.csv", people | {"home": [k % 30 for k in range(n)]})
    assert (
        "4 clusters: with fewer than 30" in read_analysis_table(path, None, columns=Columns(cluster="site")).notes[-1]
    )
    assert "clusters" not in read_analysis_table(path, None, columns=Columns(cluster="home")).notes[-1]


def test_few_matches_are_a_warning_with_ids_of_both_sides(tmp_path: Path) -> None:
    hearts = {"participant_id": [f"{k:03d}" for k in range(90, 110)], "x": range(20)}
    ends = {"participant_id": [str(k) for k in range(90, 110)], "time": [1] * 20, "event": [1] * 20}
    table = through(tmp_path, hearts, ends | {"participant_id": ["90", "91", *ends["participant_id"][2:]]})
    assert not table.warnings  # ten of twenty
    ids = [*(str(k) for k in range(80, 99)), "109"]
    ((said, shown),) = through(tmp_path, hearts, ends | {"participant_id": ids}).warnings
    assert said == "1 of 20 rows of phenotypes.csv have a participant of outcomes.csv"
    assert "phenotypes.csv has 090, 091, 092" in shown and "outcomes.csv has 80, 81, 82" in shown
    many = {"participant_id": [str(k) for k in range(100, 900)], "time": [1] * 800, "event": [1] * 800}
    assert not through(tmp_path, hearts, many).warnings  # a whole biobank, of which these are a part


def test_intervals_of_a_person_are_several_rows_that_do_not_overlap(tmp_path: Path) -> None:
    rows = {
        "id": ["1", "1", "2"],
        "start": ["0", "2", "0"],
        "time": ["2", "5", "3"],
        "event": ["0", "1", "0"],
        "x": ["1"] * 3,
    }
    path = a_file(tmp_path / "all.csv", rows)
    table = read_analysis_table(path, None, columns=Columns(entry="start"))
    assert (table.n, table.n_people, table.has_intervals) == (3, 2, True)
    assert table.rows["entry"].to_list() == [0.0, 2.0, 0.0]
    a_file(path, rows | {"start": ["0", "1.5", "0"]})
    with pytest.raises(ConfigError, match=r"row 3: time is '5' in an interval that overlaps"):
        read_analysis_table(path, None, columns=Columns(entry="start"))
    assert read_analysis_table(path, None, columns=Columns(entry="start", cluster="id")).cluster == ("id",)
    with pytest.raises(ConfigError, match=r"rows 2, 3: participant '1' has several rows"):
        read_analysis_table(path, None, columns=Columns())


def test_intervals_of_outcomes_go_with_the_one_row_of_phenotypes(tmp_path: Path) -> None:
    ends = {"id": ["001", "001", "002"], "a": ["0", "2", "0"], "time": ["2", "5", "3"], "event": ["0", "1", "0"]}
    table = through(tmp_path, HEARTS, ends, entry="a")
    assert table.rows.select("participant_id", "time", "lvef_pct").rows() == [
        ("sub-001", 2.0, 60.0),
        ("sub-001", 5.0, 60.0),
        ("sub-002", 3.0, 55.5),
    ]
    assert steps(table)[1:] == [
        ("left out", "no outcome row", 1),
        ("kept", "analysed", 2),
    ]


def test_people_themselves_may_be_the_clusters(tmp_path: Path) -> None:
    ends = {"participant_id": ["001", "001", "002"], "time": ["2", "5", "3"], "event": ["0", "1", "0"]}
    table = through(tmp_path, HEARTS, ends, cluster="participant_id")
    codes = table.codes(table.cluster)
    assert codes is not None and codes.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("name", "asked", "n"),
    [
        ("lung", {"phenotypes": ("age",)}, 228),
        ("ovarian", {"time": "futime", "event": "fustat", "phenotypes": ("age",)}, 26),
        ("veteran", {"event": "status", "phenotypes": ("karno",), "covariates": ("celltype",)}, 137),
        ("pbc312", {"event": "event01", "phenotypes": ("bili",), "covariates": ("sex",)}, 312),
        ("rotterdam", {"participant": "pid", "time": "dtime", "event": "death", "phenotypes": ("nodes",)}, 2982),
        ("separation", {"time": "t", "event": "e", "phenotypes": ("x",)}, 200),
        ("heart", {"entry": "start", "time": "stop", "phenotypes": ("age",)}, 172),
        (
            "bladder_ag",
            {"entry": "start", "time": "stop", "event": "status", "cluster": "id", "phenotypes": ("size",)},
            264,
        ),
        ("mgus2", {"entry": "age_in", "time": "age_out", "event": "death", "phenotypes": ("hgb",)}, 1360),
        ("mgus2", {"time": "etime", "event": "ev", "competing": "2", "phenotypes": ("hgb",)}, 1360),
    ],
)
def test_every_data_set_of_r_comes_through_as_it_is(name: str, asked: dict[str, Any], n: int) -> None:
    """The data that R's reference values are of (golden/statistics/data): same rows, times, entries, events."""
    columns = Columns(**asked)
    table = read_analysis_table(STATISTICS / "data" / f"{name}.csv", None, columns=columns)
    expected = outcome_of(r_data(name), columns.time or "time", columns.event or "event", columns.entry or None)
    found = table.outcome()
    assert table.n == n and table.flow[-1].n == table.n_people
    assert abs(found.time - expected.time).max() <= 1e-7 * abs(expected.time).max()
    assert found.event.tolist() == expected.event.tolist()
    assert (found.entry is None) == (expected.entry is None)
    if name == "lung":
        assert table.notes[-1] == "times go up to 1022 years: --time-unit says which unit they have"


def test_status_one_and_two_of_lung_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"lung.csv, rows 2, 3, 5, 6, 8 and 160 more: status is '2'|lung.csv, rows 2, 3"
    ):
        read_analysis_table(STATISTICS / "data" / "lung.csv", None, columns=Columns(event="status"))


def test_files_that_are_none_are_said(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError):
            read_analysis_table(path, None, columns=Columns())
    (tmp_path / "bad.parquet").write_bytes(b"no table")
    with pytest.raises(ConfigError, match="cannot read"):
        read_analysis_table(tmp_path / "bad.parquet", None, columns=Columns())


def text_table(tmp_path: Path, content: bytes, name: str = "all.csv") -> AnalysisTable:
    (tmp_path / name).write_bytes(content)
    return read_analysis_table(tmp_path / name, None, columns=Columns())


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"id;time;event;x\n1;1;1;5.5\n2;2;0;7\n", "all.csv"),
        (b"id\ttime\tevent\tx\n1\t1\t1\t5.5\n2\t2\t0\t7\n", "all.csv"),
        (b"id\ttime\tevent\tx\ta,b,c,d,e,f\n1\t1\t1\t5.5\tu\n2\t2\t0\t7\tv\n", "all.tsv"),
        (b'"id","time","event","x","a;b;c;d;e;f;g"\r\n1,1,1,5.5,\r\n2,2,0,7,v\r\n\r\n', "all.csv"),
    ],
)
def test_cells_are_parted_as_the_header_is(tmp_path: Path, content: bytes, name: str) -> None:
    assert text_table(tmp_path, content, name).rows["x"].to_list() == [5.5, 7.0]


@pytest.mark.parametrize(
    ("content", "says", "hint"),
    [
        (b"", "all.csv is empty", "header"),
        (b"\xef\xbb\xbf\n\n", "all.csv is empty", "header"),
        (b"id,time,event,x\n1,1,1,5\n2,2,0,6,7\n", "all.csv row 3: 5 cells, the header has 4", "parted by commas"),
        (b"id,time,event,x\n1,1,1,5\n2,2,0\n", "all.csv row 3: 3 cells, the header has 4", "quotes"),
        (b"id;time;event;x\n1;1;1;5\n2;2;0;6,5\n", "all.csv row 3: x is '6,5', with a decimal comma", "with a point"),
        ("id,time\n1,1\n".encode("utf-16"), "all.csv is UTF-16 text", "UTF-8"),
        ("id,time\n1,1\n".encode("utf-16-le"), "all.csv holds no text", "CSV"),
        (b"id,time,event,x\r1,1,1,5\r2,2,0,6\r", "all.csv has the line ends of old Macs", "Unix"),
        (b"\x89PNG\r\n\x1a\n\0\0", "all.csv holds no text", "CSV"),
        (b"\x01\x02,\x03\n1,2\n", "all.csv holds no text", "CSV"),
        (b"PK\x03\x04\0\0", "all.csv is a spreadsheet or an archive", "CSV"),
        (b"PAR1\0", "all.csv is Parquet under another name", ".parquet"),
    ],
)
def test_a_file_that_is_no_table_is_one_sentence_without_its_bytes(
    tmp_path: Path, content: bytes, says: str, hint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        text_table(tmp_path, content)
    assert caught.value.message == says and hint in caught.value.hint
    assert caught.value.message.isprintable()


def test_row_numbers_in_words() -> None:
    assert rows_words([7]) == "row 7"
    assert rows_words([2, 5]) == "rows 2, 5"
    assert rows_words(list(range(2, 40))) == "rows 2, 3, 4, 5, 6 and 33 more"


def test_the_dictionaries_describe_every_column(tmp_path: Path) -> None:
    assert set(estimate_words(ANALYSES)) == set(SCHEMA)
    table = through(tmp_path, HEARTS, ENDS | {"sex": ["F", "M", "M"]}, covariates=("sex",), groups=("sex",))
    words = table_words(table)
    assert words["sex"]["Roles"] == ["covariate", "group"] and words["time"]["Units"] == "years"
    assert words["lvef_pct"]["Units"] == "%" and words["lvef_pct"]["Roles"] == ["phenotype"]
    assert set(table.as_export().columns) <= {*words, "participant_id"}


def known_of(found: Embeddings) -> list[bool]:
    return [bool(np.isfinite(row).all()) for row in found.vectors]


def test_vectors_find_their_rows(tmp_path: Path) -> None:
    table = through(tmp_path, HEARTS, ENDS)
    rows = [
        ("sub-001", "ses-1", "backbone", "es", [3.0, 4.0]),
        ("sub-001", "ses-1", "backbone", "ed", [1.0, 2.0]),
        ("sub-002", "ses-1", "backbone", "ed", [9.0, 9.0]),
        ("sub-009", "ses-1", "backbone", "ed", [9.0, 9.0]),
        ("sub-003", "ses-1", "backbone", "ed", None),
    ]
    names = ("participant_id", "session_id", "head", "moment", "cls")
    ours = pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], schema=EMBEDDING_SCHEMA)
    ours.write_parquet(tmp_path / "embeddings.parquet")
    found = read_embeddings(tmp_path, table)
    assert found.vectors[0].tolist() == [1.0, 2.0, 3.0, 4.0] and known_of(found) == [True, False, False]
    assert found.name == "backbone: cls at ed, es"
    plain = a_file(tmp_path / "v.csv", {"eid": ["002", "001"], "a": ["1", "2"], "b": ["3", ""], "word": ["x", "y"]})
    assert known_of(read_embeddings(plain, table)) == [False, True, False]
    with pytest.raises(InputError, match="nobody of the analysis"):
        read_embeddings(a_file(tmp_path / "v.csv", {"eid": ["77"], "a": ["1"]}), table)
    with pytest.raises(ConfigError, match="one row of numbers"):
        read_embeddings(a_file(tmp_path / "v.csv", {"eid": ["001", "001"], "a": ["1", "2"]}), table)
