"""The door of a survival analysis: tables of phenotypes and outcomes in, one clean analysis table out, or a refusal."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl

from cinema_cli.analysis.survival.cleaning import clean
from cinema_cli.analysis.survival.columns import COMPETING_CODE, Columns, check_free, find_columns
from cinema_cli.analysis.survival.flow import FlowStep, kept, left_out
from cinema_cli.analysis.survival.joining import KEY, NAMED, VISIT, Joined, join_tables
from cinema_cli.analysis.survival.reading import Cells, Source, read_outcomes, read_phenotypes, refuse_all
from cinema_cli.analysis.survival.table import ENTRY, EVENT, PARTICIPANT, SESSION, TIME, AnalysisTable
from cinema_cli.analysis.survival.times import Times, TimeUnit, read_events, read_times
from cinema_cli.domain.errors import InputError

FEW_CLUSTERS = 30  # robust errors are too small with fewer

_LONG_LIFE = {TimeUnit.YEARS: 130.0, TimeUnit.MONTHS: 1560.0}  # a longer follow-up is likely in another unit


def read_analysis_table(
    phenotypes: Path,
    outcomes: Path | None,
    *,
    columns: Columns,
    time_unit: TimeUnit | None = None,
    imputes: bool = False,
    hash_key: bytes | None = None,
) -> AnalysisTable:
    """The analysis table of two files, or of one that holds all (`outcomes` None or the same).

    `imputes`: rows with missing covariates stay. `hash_key`: the key with which ids of the phenotypes were hashed.
    Raises InputError where there is nothing to analyse, ConfigError for tables that are not as they should be: all
    that is wrong with cells, with row numbers, the header being row 1.
    """
    left = read_phenotypes(phenotypes)
    right = left if outcomes is None or _same(phenotypes, outcomes) else read_outcomes(outcomes)
    return analysis_table(left, right, columns=columns, time_unit=time_unit, imputes=imputes, hash_key=hash_key)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def analysis_table(
    phenotypes: Source,
    outcomes: Source,
    *,
    columns: Columns,
    time_unit: TimeUnit | None = None,
    imputes: bool = False,
    hash_key: bytes | None = None,
) -> AnalysisTable:
    """The same of tables that were read; one of them may be both."""
    found = find_columns(columns, phenotypes, outcomes)
    check_free(found.columns)
    joined = join_tables(phenotypes, outcomes, found, hash_key=hash_key)
    cells, named = joined.cells, found.columns
    times, events = read_times(cells, named, unit=time_unit), read_events(cells, named)
    if named.allows_intervals and not named.cluster:
        _refuse_overlap(cells, named, times)
    rows = _rows(joined, named, times, events)
    refuse_all(joined.faults)
    flow, notes = list(joined.flow), list[str]()
    rows = _complete(rows, _needed(named, times, imputes=imputes), flow, notes)
    known = tuple(name for name in named.phenotypes if rows[name].null_count() < rows.height)
    if not known:
        raise InputError(
            f"no phenotype has a value among the {rows.height} rows analysed",
            hint="Name columns with --phenotypes.",
            code="nobody",
        )
    notes = [*found.notes, *joined.notes, *notes, *_doubts(rows, named, known, times)]
    table = AnalysisTable(
        rows.drop(name for name in named.phenotypes if name not in known),
        outcome_name=named.event,
        phenotypes=known,
        covariates=named.covariates,
        groups=named.groups,
        strata=named.strata,
        cluster=_cluster(rows, named),
        weights=named.weights,
        competing_name=f"{named.event}=2" if named.competing == COMPETING_CODE else named.competing,
        time_unit=str(times.unit),
        origin_name=named.origin,
        imputes=imputes,
        flow=tuple(flow),
        notes=tuple(notes),
        warnings=joined.warnings,
    )
    return replace(table, notes=(*table.notes, *_doubts_of_clusters(table, named)))


def _rows(joined: Joined, named: Columns, times: Times, events: pl.Series) -> pl.DataFrame:
    """The columns of the analysis table, with what is missing."""
    cells = joined.cells
    parts = [cells.table[NAMED].alias(PARTICIPANT)]
    if VISIT in cells.table.columns and cells.table[VISIT].null_count() < cells.table.height:
        parts.append(cells.table[VISIT].alias(SESSION))
    if times.entry is not None:
        parts.append(times.entry.alias(ENTRY))
    parts += [times.time.alias(TIME), events.alias(EVENT)]
    others = dict.fromkeys((*named.phenotypes, *named.of_people))
    parts += [clean(cells, name, named) for name in others if name != PARTICIPANT]
    return pl.DataFrame(parts)


def _needed(named: Columns, times: Times, *, imputes: bool) -> dict[str, str]:
    """Columns without which a row is left out, and the reason that the flow gives."""
    says = {TIME: named.time, ENTRY: named.entry if times.entry is not None else "", EVENT: named.event}
    if named.competing_column:
        says[EVENT] = f"{named.event} or {named.competing_column}"
    others = (*named.strata, named.cluster, named.weights, *(() if imputes else named.covariates))
    says |= {name: name for name in others if name}
    return {column: f"{word} missing" for column, word in says.items() if word}


def _complete(rows: pl.DataFrame, needed: dict[str, str], flow: list[FlowStep], notes: list[str]) -> pl.DataFrame:
    """Rows with a value in every needed column. Raises InputError where none is left."""
    for column, reason in needed.items():
        known = rows.filter(pl.col(column).is_not_null())
        if lost := _people(rows) - _people(known):
            flow.append(left_out(reason, lost))
        if rows.height - known.height > lost:
            notes.append(f"{reason}: intervals without it were left out, of participants who stay")
        rows = known
    if rows.is_empty():
        steps = ", ".join(f"{step.name} {step.n}" for step in flow)
        raise InputError(f"nobody is left to analyse ({steps})", hint="See who was left out, and why.", code="nobody")
    flow.append(kept("analysed", _people(rows)))
    return rows


def _people(rows: pl.DataFrame) -> int:
    """Participants: the flow counts them, also where rows are intervals."""
    return rows[PARTICIPANT].n_unique()


def _cluster(rows: pl.DataFrame, named: Columns) -> tuple[str, ...]:
    """What says which rows belong together: as asked for, and as in R the participant where one had several events."""
    if named.cluster:
        return (named.cluster,)
    return (PARTICIPANT,) if rows.filter(pl.col(EVENT) == 1)[PARTICIPANT].is_duplicated().any() else ()


def _doubts_of_clusters(table: AnalysisTable, named: Columns) -> Iterator[str]:
    if table.cluster and not named.cluster:
        yield "participants have several events: standard errors are robust, by participant, as with --cluster"
    if 0 < table.n_clusters < FEW_CLUSTERS:
        yield f"{table.n_clusters} clusters: with fewer than {FEW_CLUSTERS} robust standard errors are too small"


def _refuse_overlap(cells: Cells, named: Columns, times: Times) -> None:
    """Refuse intervals of one person that overlap: they would be at risk twice at once."""
    entry = times.entry if times.entry is not None else times.time * 0.0
    table = cells.table.select(KEY).with_columns(entry.alias(ENTRY), times.time.alias(TIME))
    before = pl.col(TIME).cum_max().shift(1).over(KEY, order_by=ENTRY)
    cells.refuse(
        named.time,
        table.select(pl.col(ENTRY) < before).to_series(),
        says="is {} in an interval that overlaps another of the same participant",
        hint="--cluster with the column of ids allows it, with standard errors that know of it.",
        code="survival_overlap",
    )


def _doubts(rows: pl.DataFrame, named: Columns, known: Iterable[str], times: Times) -> list[str]:
    """What looks odd and is no error."""
    empty = [name for name in named.phenotypes if name not in known]
    said = [f"{', '.join(empty)}: no value among those analysed, left out"] if empty else []
    longest = rows[TIME].max()
    if isinstance(longest, float) and longest > _LONG_LIFE.get(times.unit, math.inf):
        said.append(f"times go up to {longest:g} {times.unit}: --time-unit says which unit they have")
    return said
