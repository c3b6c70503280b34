"""The table that a survival analysis works on: one clean row a person (or an interval of one)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from cinema_cli.analysis.statistics.outcome import Floats, Ints, Outcome
from cinema_cli.analysis.survival.flow import FlowStep
from cinema_cli.analysis.survival.reading import as_text

PARTICIPANT, ENTRY, TIME, EVENT = "participant_id", "entry", "time", "event"
SESSION = "session_id"
OWN_COLUMNS = (PARTICIPANT, SESSION, ENTRY, TIME, EVENT)


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisTable:
    """Rows that passed the door, and which columns are what.

    `rows` has participant_id (text), [session_id], [entry], time (float), event (0, 1, or 2 where it competes), and
    under their own names phenotypes (float), covariates (float or text), groups, strata, cluster (text, unless they are
    covariates too) and weights. Times are positive, finite, and rounded so that equal ones tie. A phenotype may be
    missing (null) in some rows, or a group; covariates, strata, cluster and weights are complete unless `imputes`,
    where covariates may be missing too.
    """

    rows: pl.DataFrame
    outcome_name: str  # of the event column
    phenotypes: tuple[str, ...]
    covariates: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()  # none or one
    weights: str = ""
    competing_name: str = ""  # empty where nothing competes
    time_unit: str = "years"
    origin_name: str = ""  # the column of dates that time counts from (birth: age is the time scale), if one was named
    imputes: bool = False  # whether rows with missing covariates were kept, to be filled in
    flow: tuple[FlowStep, ...] = ()
    notes: tuple[str, ...] = ()  # what was settled without being asked, a sentence each
    warnings: tuple[tuple[str, str], ...] = ()  # what is likely wrong: a sentence, and ids that go with it

    @property
    def n(self) -> int:
        """Rows."""
        return self.rows.height

    @property
    def n_people(self) -> int:
        """Participants: fewer than rows where rows are intervals."""
        return self.rows[PARTICIPANT].n_unique()

    @property
    def age_scale(self) -> bool:
        """Whether time counts from a date (of birth) that people enter after."""
        return bool(self.origin_name)

    @property
    def has_intervals(self) -> bool:
        """Whether somebody has several rows."""
        return self.n_people < self.n

    @property
    def n_clusters(self) -> int:
        """Groups of rows that belong together; 0 where each row stands for itself."""
        codes = self.codes(self.cluster)
        return 0 if codes is None else len(np.unique(codes))

    def outcome(self, rows: Ints | None = None) -> Outcome:
        """Times and events of all rows, or of some."""
        late = self.floats(ENTRY) if ENTRY in self.rows.columns else None
        whole = Outcome(self.floats(TIME), self.rows[EVENT].to_numpy().astype(np.int64), late)
        return whole if rows is None else whole.take(rows)

    def complete(self, *names: str) -> Ints:
        """Which rows have a value in each of `names` (phenotypes, covariates, groups)."""
        known = np.ones(self.n, dtype=bool)
        for name in names:
            known &= self.rows[name].is_not_null().to_numpy()
        return np.flatnonzero(known).astype(np.int64)

    def floats(self, name: str, rows: Ints | None = None) -> Floats:
        """A numeric column; NaN where it is missing."""
        values = self.rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy().astype(np.float64)
        return values if rows is None else values[rows]

    def codes(self, names: Sequence[str], rows: Ints | None = None) -> Ints | None:
        """Which combination of the values of `names` (strata, cluster) each row has, from 0; None where no name is."""
        if not names:
            return None
        codes = self.rows.select(pl.struct(pl.col(*names).cast(pl.String)).rank("dense") - 1).to_series()
        values = codes.to_numpy().astype(np.int64)
        return values if rows is None else values[rows]

    def row_weights(self, rows: Ints | None = None) -> Floats | None:
        """Weights of the rows; None where every row counts as one."""
        return self.floats(self.weights, rows) if self.weights else None

    def texts(self, name: str) -> pl.Series:
        """A column as text, as groups are named: 1 rather than 1.0; null where it is missing."""
        return as_text(self.rows[name])

    def is_category(self, name: str) -> bool:
        """Whether a column is text, so that a model takes it by its categories."""
        return not self.rows[name].dtype.is_numeric()

    def as_export(self) -> pl.DataFrame:
        """A plain table that R reads as it is: participant_id, [entry], time, event, then the columns by name."""
        return self.rows
