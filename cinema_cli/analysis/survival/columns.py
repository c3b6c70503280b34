"""Which column of the tables is what: as asked for, else by its usual name."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cinema_cli.analysis.survival.reading import FIRST_ROW, Cells, Source, as_numbers
from cinema_cli.analysis.survival.table import OWN_COLUMNS, PARTICIPANT
from cinema_cli.domain.errors import ConfigError
from cinema_cli.domain.phenotypes import PHENOTYPES

AGES = ("age_years", "age")  # names of age at the beginning of follow-up, in years
PARTICIPANT_NAMES = ("participant_id", "eid", "id", "patient", "patient_id", "subject")
PARTICIPANT_WORDS = f"{', '.join(PARTICIPANT_NAMES[:-1])} or {PARTICIPANT_NAMES[-1]}"
TIME_NAMES = ("time_years", "time")
EVENT_NAMES = ("event",)
COMPETING_CODE = "2"
_MOST_LISTED = 30  # columns that an error lists
_MOSTLY = 0.9  # share of cells from which on a column is one of numbers with slips
_OURS = frozenset(phenotype.name for phenotype in PHENOTYPES if phenotype.unit)  # frames of the cycle are none


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns, as asked for; empty where the usual name is to be found, or where there is none.

    Those of which there may be several may still be lists with commas: `find_columns` parts them.
    """

    participant: str = ""
    time: str = ""
    event: str = ""
    entry: str = ""
    origin: str = ""
    competing: str = ""  # a column, or `2`: that value of the event column
    weights: str = ""
    cluster: str = ""
    covariates: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    phenotypes: tuple[str, ...] = ()

    @property
    def competing_column(self) -> str:
        """The column of competing events, if they have one of their own."""
        return "" if self.competing == COMPETING_CODE else self.competing

    @property
    def allows_intervals(self) -> bool:
        """Whether one person may have several rows."""
        return bool(self.entry or self.cluster)

    @property
    def of_times(self) -> tuple[str, ...]:
        """Columns of times and events."""
        named = (self.time, self.event, self.entry, self.origin, self.competing_column)
        return tuple(name for name in named if name)

    @property
    def of_people(self) -> tuple[str, ...]:
        """Columns beside times, events and phenotypes."""
        named = (*self.covariates, *self.strata, self.cluster, self.weights, *self.groups)
        return tuple(dict.fromkeys(name for name in named if name))


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Columns with the table that each is taken from, and what was decided without being asked."""

    columns: Columns
    of_outcomes: frozenset[str]  # names taken from the table of outcomes; the others from that of phenotypes
    participant_of: Mapping[str, str]  # id column by `phenotypes` and `outcomes`; empty: none
    notes: tuple[str, ...] = ()


def find_columns(asked: Columns, phenotypes: Source, outcomes: Source) -> Found:
    """Complete `asked` by the usual names and say where each column is. Raises ConfigError for one that is nowhere.

    Outcomes are looked at first, phenotypes only for what is called one.
    """
    notes: list[str] = []
    ids = {
        "phenotypes": _participant(asked.participant, phenotypes, other=outcomes, notes=notes),
        "outcomes": _participant(asked.participant, outcomes, other=phenotypes, notes=notes),
    }
    tables = (outcomes, phenotypes)
    asked = _parted(asked, {*outcomes.names, *phenotypes.names})
    columns = replace(
        asked,
        time=asked.time or _usual(TIME_NAMES, tables, option="--time", what="times"),
        event=asked.event or _usual(EVENT_NAMES, tables, option="--event", what="events"),
    )
    _check_all(columns, phenotypes, outcomes)
    taken = {*columns.of_times, *columns.of_people, *ids.values()}
    if not columns.phenotypes:
        columns = replace(columns, phenotypes=_default_phenotypes(phenotypes, taken=taken))
    notes += [
        f"{name} is in both tables: that of {outcomes.name} is used"
        for name in columns.of_people
        if phenotypes is not outcomes and outcomes.has(name) and phenotypes.has(name)
    ]
    others = (*columns.of_times, *columns.of_people)
    of_outcomes = {name for name in others if outcomes.has(name)}
    of_outcomes |= {name for name in columns.phenotypes if not phenotypes.has(name)}
    return Found(columns, frozenset(of_outcomes), ids, tuple(notes))


def _parted(asked: Columns, names: Collection[str]) -> Columns:
    """Each word that is no name of a column parted at its commas."""

    def of(words: tuple[str, ...]) -> tuple[str, ...]:
        parts = (part.strip() for word in words for part in ([word] if word in names else word.split(",")))
        return tuple(dict.fromkeys(part for part in parts if part))

    return replace(
        asked,
        covariates=of(asked.covariates),
        strata=of(asked.strata),
        groups=of(asked.groups),
        phenotypes=of(asked.phenotypes),
    )


def _check_all(columns: Columns, phenotypes: Source, outcomes: Source) -> None:
    """Raise ConfigError where a column is nowhere, twice in its table, or asked for as two things."""
    others = (*columns.of_times, *columns.of_people)
    for name in others:
        _check(name, (outcomes, phenotypes))
    for name in columns.phenotypes:
        _check(name, (phenotypes, outcomes))
        if name in others and name not in columns.groups:
            raise ConfigError(
                f"{name} is asked for as a phenotype and as something else",
                hint="Name it once: a phenotype has models of its own, a covariate stands in those of all phenotypes.",
                code="survival_columns",
            )


def outcome_columns(source: Source) -> Columns | None:
    """Columns of a table of people that holds outcomes under their usual names; None where it does not.

    Age and sex, where it has them, are covariates, and sexes are compared.
    """
    time = next((name for name in TIME_NAMES if source.has(name)), "")
    event = next((name for name in EVENT_NAMES if source.has(name)), "")
    if not (time and event):
        return None
    ages = [name for name in AGES if source.has(name)]
    sexes = [name for name in ("sex",) if source.has(name)]
    return Columns(time=time, event=event, covariates=(*ages[:1], *sexes), groups=tuple(sexes))


def _participant(asked: str, source: Source, *, other: Source, notes: list[str]) -> str:
    """The id column of a table; empty where one table is both and says nothing of who is who."""
    if asked and source.has(asked):
        return asked
    if asked and not other.has(asked):
        _check(asked, (source, other))
    name = next((name for name in PARTICIPANT_NAMES if source.has(name)), "")
    if name == PARTICIPANT_NAMES[0]:
        return name
    if name:
        said = f"participants of {source.name} are named by its column {name}"
    elif source is other:
        said = f"{source.name} has no column of ids: each row is taken for a person"
    else:
        raise ConfigError(
            f"{source.name} has no column {PARTICIPANT_WORDS} (it has {_listed(source.names)})",
            hint="Name the column of participants with --id-column.",
            code="survival_columns",
        )
    if said not in notes:
        notes.append(said)
    return name


def _usual(names: Sequence[str], tables: Sequence[Source], *, option: str, what: str) -> str:
    for source in tables:
        for name in names:
            if source.has(name):
                return name
    raise ConfigError(
        f"{tables[0].name} has no column {' or '.join(names)} (it has {_listed(tables[0].names)})",
        hint=f"Name the column of {what} with {option}.",
        code="survival_columns",
    )


def _check(name: str, tables: Sequence[Source]) -> None:
    """Raise ConfigError where no table has the column, one has it twice, or it has a name that the table needs."""
    holder = next((source for source in tables if source.has(name)), None)
    if holder is None:
        everything = list(dict.fromkeys(column for source in tables for column in source.names))
        near = difflib.get_close_matches(name, everything, n=1)
        where = " nor ".join(dict.fromkeys(source.name for source in tables))
        raise ConfigError(
            f"no column {name} in {where} (there are {_listed(everything)})",
            hint=f"Is {near[0]} meant?" if near else "Names are those of the first row, letter by letter.",
            code="survival_columns",
        )
    if holder.has(f"{name}_duplicated_0"):
        raise ConfigError(f"{holder.name} has two columns {name}", hint="Rename one of them.", code="survival_columns")


def check_free(columns: Columns) -> None:
    """Raise ConfigError where a covariate or phenotype has a name that the analysis table has for something else."""
    for name in (*columns.of_people, *columns.phenotypes):
        if name in OWN_COLUMNS and (name, columns.cluster) != (PARTICIPANT, PARTICIPANT):
            raise ConfigError(
                f"{name} cannot be the name of a covariate or phenotype: the analysis table calls something else so",
                hint="Rename that column.",
                code="survival_columns",
            )


def _default_phenotypes(source: Source, *, taken: Iterable[str]) -> tuple[str, ...]:
    """Every phenotype of ours that the table has; without any, every other column of numbers."""
    free = [name for name in source.names if name not in {*taken, *PARTICIPANT_NAMES, *OWN_COLUMNS}]
    ours = [name for name in free if name in _OURS]
    _refuse_slips(source, ours or free, share=0.0 if ours else _MOSTLY)
    found = tuple(name for name in ours or free if source.is_numeric(name))
    if not found:
        raise ConfigError(
            f"{source.name} has no phenotype: none of its columns holds numbers (it has {_listed(source.names)})",
            hint="Name columns with --phenotypes.",
            code="survival_columns",
        )
    for name in found:
        _check(name, (source,))
    return found


def _refuse_slips(source: Source, names: Iterable[str], *, share: float) -> None:
    """Raise ConfigError for text where that `share` of cells are numbers: it would be no phenotype without a word."""
    cells = Cells(source.cells.with_row_index("_row", offset=FIRST_ROW), {n: (source.name, "_row") for n in names})
    for name in names:
        values, known = as_numbers(source.cells[name]), source.cells[name].is_not_null()
        if values.count() < max(share * source.cells[name].count(), 1):
            continue
        cells.refuse(
            name,
            values.is_null() & known,
            says="is {}, not a number",
            hint="Correct it, or leave the cell empty; --phenotypes names other columns.",
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more
