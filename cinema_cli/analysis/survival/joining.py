"""Phenotypes and outcomes of the same people side by side: done studies, first visits, ids with and without prefix."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from cinema_cli.analysis.survival.columns import Found
from cinema_cli.analysis.survival.flow import FlowStep, kept, left_out
from cinema_cli.analysis.survival.reading import FIRST_ROW, Cells, Fault, Source, as_text
from cinema_cli.analysis.survival.table import SESSION
from cinema_cli.domain.errors import InputError
from cinema_cli.io.identity import is_hashed, keyed_hash
from cinema_cli.io.ledger import Status

KEY = "_key"  # who, without prefix
NAMED = "_named"  # the same as the table of phenotypes has it
VISIT = "_visit"
_ROWS = {"phenotypes": "_row_phenotypes", "outcomes": "_row_outcomes"}
_SHOWN = 3  # ids of each side where none or few match


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Rows of people who are in both tables, what was wrong with their ids, and who was left out until then."""

    cells: Cells
    faults: list[Fault]  # of ids, and those that will be found in the cells
    flow: tuple[FlowStep, ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()  # a sentence, and ids that go with it


def join_tables(phenotypes: Source, outcomes: Source, found: Found, *, hash_key: bytes | None = None) -> Joined:
    """One row a person of the phenotype table whose outcome is known; several where rows may be intervals.

    One table may be both. `hash_key`: ids of the phenotypes were hashed with it. Empty ids, and people who stand there
    twice, are refused. Raises InputError where nobody is in both tables.
    """
    faults: list[Fault] = []
    people = _keyed(phenotypes, found.participant_of["phenotypes"], faults, row=_ROWS["phenotypes"])
    if phenotypes is outcomes and found.columns.allows_intervals:
        flow = [kept("participants of the table", people[KEY].n_unique())]
    else:
        flow = [kept("rows of the phenotype table", people.height)]
    people = _done_studies(people, flow)
    if phenotypes is outcomes:
        people = people.with_columns(pl.col(_ROWS["phenotypes"]).alias(_ROWS["outcomes"]))
        if not found.columns.allows_intervals:
            people = _first_visits(people, phenotypes, flow, faults)
        return Joined(_cells(people, phenotypes, outcomes, found, faults), faults, tuple(flow))
    people = _first_visits(people, phenotypes, flow, faults)
    wanted = [name for name in _wanted(found) if name not in found.of_outcomes]
    left = people.select(KEY, NAMED, VISIT, _ROWS["phenotypes"], *wanted)
    events = _keyed(outcomes, found.participant_of["outcomes"], faults, row=_ROWS["outcomes"])
    events = events.with_columns(matched_ids(events[KEY], known=left[KEY], hash_key=hash_key))
    right, on = _right(events, left, found)
    _refuse_strangers(left, events, phenotypes, outcomes)
    matched = right.filter(pl.col(KEY).is_in(left[KEY].implode()))
    if not found.columns.allows_intervals:
        _refuse_twice(matched, on, outcomes, faults, row=_ROWS["outcomes"])
    both = left.join(matched, on=on, how="inner", maintain_order="left_right")
    if n_without := left.height - both[_ROWS["phenotypes"]].n_unique():
        flow.append(left_out("no outcome row", n_without))
    spare = right.height - matched.height
    notes = (f"rows of {outcomes.name} whose participant has no phenotypes: {spare}",) if spare else ()
    warnings = tuple(_few_matches(left, events, phenotypes, outcomes))
    return Joined(_cells(both, phenotypes, outcomes, found, faults), faults, tuple(flow), notes, warnings)


def _wanted(found: Found) -> list[str]:
    columns = found.columns
    return list(dict.fromkeys((*columns.of_times, *columns.of_people, *columns.phenotypes)))


def _keyed(source: Source, participant: str, faults: list[Fault], *, row: str) -> pl.DataFrame:
    """The cells with row numbers, id without prefix and visit; rows whose id is empty are refused and left out."""
    table = source.cells.with_row_index(row, offset=FIRST_ROW)
    named = as_text(table[participant] if participant else table[row])
    if participant:
        Cells(table, {participant: (source.name, row)}, faults).refuse(
            participant, named.is_null(), says="is empty", hint="Fill it in.", code="survival_ids"
        )
    visit = as_text(table[SESSION]).str.strip_prefix("ses-") if source.has(SESSION) else pl.lit(None, dtype=pl.String)
    keyed = table.with_columns(named.str.strip_prefix("sub-").alias(KEY), named.alias(NAMED), visit.alias(VISIT))
    return keyed.filter(pl.col(KEY).is_not_null())


def _done_studies(people: pl.DataFrame, flow: list[FlowStep]) -> pl.DataFrame:
    """Without failed studies, where the table is one of ours and has such."""
    if "status" not in people.columns or people["status"].dtype != pl.String:
        return people
    if not set(people["status"].drop_nulls().unique()) <= set(Status):
        return people  # somebody else's status
    done = people.filter(pl.col("status") == Status.DONE)
    if done.height < people.height:
        flow.append(left_out("study without a result", people.height - done.height))
    return done


def _first_visits(people: pl.DataFrame, source: Source, flow: list[FlowStep], faults: list[Fault]) -> pl.DataFrame:
    """One row a person: that of the first visit; two rows of one visit are refused."""
    if people[KEY].n_unique() == people.height:
        return people
    _refuse_twice(people, [KEY, VISIT], source, faults, row=_ROWS["phenotypes"])
    visit = pl.col(VISIT)
    order = people.sort(visit.str.len_chars(), visit, maintain_order=True)  # 2 before 10
    first = order.unique(KEY, keep="first", maintain_order=True).sort(_ROWS["phenotypes"])
    flow.append(left_out("later visit of the same participant", people.height - first.height))
    return first


def _refuse_twice(table: pl.DataFrame, on: Sequence[str], source: Source, faults: list[Fault], *, row: str) -> None:
    Cells(table, {KEY: (source.name, row)}, faults).refuse(
        KEY,
        table.select(pl.struct(on).is_duplicated()).to_series(),
        says="{} has several rows",
        hint="One row a participant, or a visit with session_id; --entry or --cluster say that rows are intervals.",
        code="survival_twice",
        called="participant",
    )


def matched_ids(keys: pl.Series, *, known: pl.Series, hash_key: bytes | None) -> pl.Series:
    """Ids as the table of phenotypes has them: as they are, else hashed, else by their letters and digits alone.

    With a key those that nobody has are hashed too: they may be written beside the others.
    """
    there = known.implode()
    forms = [keys.str.replace_all(r"[^A-Za-z0-9]", "")]
    if hash_key is not None:
        forms = [
            pl.Series([None if key is None else keyed_hash(prefix + key, hash_key) for key in keys], dtype=pl.String)
            for prefix in ("", "sub-")
        ]
    found = keys
    for form in forms:
        choice = pl.DataFrame({"found": found, "form": form}).select(
            pl.when(~pl.col("found").is_in(there) & pl.col("form").is_in(there))
            .then(pl.col("form"))
            .otherwise(pl.col("found"))
        )
        found = choice.to_series()
    if hash_key is not None:
        strange = ~found.is_in(there) & ~found.map_elements(
            lambda key: is_hashed(f"sub-{key}"), return_dtype=pl.Boolean
        )
        found = forms[0].zip_with(strange.fill_null(value=False), found)
    return found.alias(KEY)


def _right(events: pl.DataFrame, left: pl.DataFrame, found: Found) -> tuple[pl.DataFrame, list[str]]:
    """Columns taken from the outcomes, and what joins them: the visit too where every row on both sides has one."""
    wanted = [name for name in _wanted(found) if name in found.of_outcomes]
    by_visit = not events[VISIT].has_nulls() and not left[VISIT].has_nulls()
    on = [KEY, VISIT] if by_visit else [KEY]
    return events.select(*on, _ROWS["outcomes"], *wanted), on


def _refuse_strangers(left: pl.DataFrame, events: pl.DataFrame, phenotypes: Source, outcomes: Source) -> None:
    """Raise InputError where no id is in both tables."""
    if left.is_empty():
        raise InputError(
            f"{phenotypes.name} has no study with a result", hint="See failures.csv beside it.", code="nobody"
        )
    if left[KEY].is_in(events[KEY].implode()).any():
        return
    ours, theirs = (", ".join(table[NAMED].unique(maintain_order=True).head(_SHOWN)) for table in (left, events))
    bare = [table[KEY].str.strip_chars_start("0") for table in (left, events)]
    zeros = bare[0].is_in(bare[1].implode()).any()
    raise InputError(
        f"no participant is in both tables: {phenotypes.name} has {ours}, {outcomes.name} has {theirs}",
        hint="They differ in leading zeros: was a table saved by a spreadsheet?"
        if zeros
        else "Name the right column of ids with --id-column; a prefix sub- does not matter, leading zeros do.",
        code="nobody_matches",
    )


def _few_matches(
    left: pl.DataFrame, events: pl.DataFrame, phenotypes: Source, outcomes: Source
) -> Iterator[tuple[str, str]]:
    """A warning where fewer than half of the smaller table find a partner; one may hold many more people."""
    alone = [one.filter(~pl.col(KEY).is_in(other[KEY].implode())) for one, other in ((left, events), (events, left))]
    if any(2 * without.height <= one.height for one, without in zip((left, events), alone, strict=True)):
        return
    sides = [
        f"{source.name} has {', '.join(without[NAMED].unique(maintain_order=True).head(_SHOWN))}"
        for source, without in zip((phenotypes, outcomes), alone, strict=True)
    ]
    matching = left.height - alone[0].height
    yield (
        f"{matching} of {left.height} rows of {phenotypes.name} have a participant of {outcomes.name}",
        f": without a partner {', '.join(sides)}; leading zeros count",
    )


def _cells(table: pl.DataFrame, phenotypes: Source, outcomes: Source, found: Found, faults: list[Fault]) -> Cells:
    sides = {
        name: (outcomes.name, _ROWS["outcomes"])
        if name in found.of_outcomes
        else (phenotypes.name, _ROWS["phenotypes"])
        for name in _wanted(found)
    }
    return Cells(table, sides, faults)
