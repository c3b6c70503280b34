"""The records of a whole cohort as tables, read some at a time: of 75,000 not all are in memory as they are written."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from cinema_cli.domain.result import HeadUse
from cinema_cli.io.ledger import Record, digest_of
from cinema_cli.io.record_rows import ID_SCHEMA, Schema, curves, failures, phenotypes, quality

STANDING_SCHEMA: Schema = (
    ID_SCHEMA
    | dict.fromkeys(("status", "digest", "version", "reason"), pl.String)
    | dict.fromkeys(("heads", "files"), pl.List(pl.String))
)
_SAYS = (*ID_SCHEMA, "status", "digest", "version", "reason")  # what tables are made of: another says something else


@dataclass(frozen=True, eq=False)
class CohortRecords:
    """What the records of a cohort say, in order of participant and session, and who made them."""

    standing: pl.DataFrame  # STANDING_SCHEMA: one row a study; `heads` that were asked, `files` beside the record
    phenotypes: pl.DataFrame  # PHENOTYPE_SCHEMA
    curves: pl.DataFrame  # CURVE_SCHEMA
    failures: pl.DataFrame  # FAILURE_SCHEMA
    quality: pl.DataFrame  # QC_SCHEMA
    makers: Mapping[str, int]  # JSON of (version, heads) -> studies

    @cached_property
    def digest(self) -> str:
        """Digest of what these records are of."""
        return said_digest(self.standing.select(_SAYS).iter_rows())

    @cached_property
    def made_by(self) -> tuple[tuple[str, tuple[HeadUse, ...], int], ...]:
        """Program version, heads (the one that measured first) and number of studies, most first."""
        ranked = Counter(self.makers).most_common()
        parsed = ((*json.loads(maker), count) for maker, count in ranked)
        return tuple((version, tuple(HeadUse(**h) for h in heads), count) for version, heads, count in parsed)

    @property
    def n_studies(self) -> int:
        """Studies of the cohort."""
        return self.standing.height


def said_digest(rows: Iterable[Sequence[str]]) -> str:
    """Digest of what records are of: rows of participant, session, status, digest, version, reason."""
    return digest_of([list(row) for row in rows])


def gather(records: Sequence[Record]) -> CohortRecords:
    """The tables of some records."""
    rows = [
        (r.participant_id, r.session_id, str(r.status), r.digest, r.version, r.reason,
         [head.name for head in r.heads], list(r.files))
        for r in records
    ]  # fmt: skip
    made = [r for r in records if r.version]  # one that no run has reached was made by nobody
    makers = Counter(json.dumps([r.version, [dataclasses.asdict(h) for h in r.heads]]) for r in made)
    return CohortRecords(
        pl.DataFrame(rows, schema=STANDING_SCHEMA, orient="row"),
        phenotypes(records),
        curves(records),
        failures(records),
        quality(records),
        makers,
    )


def joined(parts: Iterable[CohortRecords]) -> CohortRecords:
    """One after the other."""
    several = [gather([]), *parts]
    names = ("standing", "phenotypes", "curves", "failures", "quality")
    tables = {name: pl.concat([getattr(part, name) for part in several]) for name in names}
    return CohortRecords(**tables, makers=sum((Counter(part.makers) for part in several), Counter()))
