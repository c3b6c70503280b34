"""The same person measured twice: which two sessions, who is left out, and repeatability in rows of estimates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.evaluation.agreement_rows import interval_row, unit_of
from cinema_cli.analysis.evaluation.bland_altman import bland_altman_rows
from cinema_cli.analysis.evaluation.parts import parts_of
from cinema_cli.analysis.evaluation.people import participant_column
from cinema_cli.analysis.evaluation.values import Answers
from cinema_cli.analysis.statistics.interval import Interval
from cinema_cli.analysis.statistics.repeatability import repeatability
from cinema_cli.analysis.survival.joining import matched_ids
from cinema_cli.analysis.survival.reading import Source, as_numbers, as_text, is_numeric
from cinema_cli.domain.errors import ConfigError, InputError

MODEL = "repeatability"
MODELS = ("cov_rms", "cov_log", "cov_wsd", "wsd", "rc", "icc21", "icc31", "bias", "sd", "loa_lower", "loa_upper")
_UNITLESS = ("cov_rms", "cov_log", "cov_wsd", "icc21", "icc31")
_PAIR = ("session_a", "session_b")
_KEY, _SESSION = "participant_id", "_session"  # without prefix


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """Who was measured twice, and what came out."""

    pairs: pl.DataFrame  # participant_id (without `sub-`), session_a, session_b, `<phenotype>_a`, `<phenotype>_b`
    rows: list[Estimate]  # `repeatability`, `bland_altman`, and `flow` of who is left out, of model `repeatability`


def repeat_rows(
    answers: Answers,
    asked: Source | None = None,
    *,
    people: pl.DataFrame | None = None,
    groups: Sequence[str] = (),
    id_column: str = "",
    hash_key: bytes | None = None,
    fewest: int = 10,
) -> Repeats:
    """Repeatability of every numeric answer (phenotypes, values of heads) over pairs of sessions, overall and by group.

    `asked`: participant_id with session_a and session_b, or two rows a participant with session_id; other sessions do
    not count. Without it, or for people whom it names without sessions, the first two sessions with a result. A pair
    counts for a phenotype that both sessions have. `people`, `groups` and `fewest` as in `agreement_rows`.

    Raises ConfigError where a session or a pair has several rows, InputError where nobody was measured twice.
    """
    studies = _studies(answers, id_column)
    wanted, flow = _wanted(studies, asked, id_column=id_column, hash_key=hash_key)
    pairs = _with_values(studies, wanted)
    if lost := wanted.height - pairs.height:
        flow.append(_flow("a session without a result", lost, level="left out"))
    if pairs.is_empty():
        raise InputError(
            f"nobody in {answers.name} was measured twice",
            hint="Two sessions of one participant are needed; --repeat FILE names them.",
            code="no_repeats",
        )
    rows = [*flow, _flow("measured twice", pairs.height)]
    for term in (name for name in answers.answers if f"{name}_a" in pairs.columns):
        both = pairs.select(_KEY, first=pl.col(f"{term}_a"), second=pl.col(f"{term}_b")).drop_nulls()
        if both.is_empty():
            continue
        for group, inside in parts_of(both, people, groups):
            rows += _rows(term, group, inside)
        first, second = (both[name].to_numpy() for name in ("first", "second"))
        rows += bland_altman_rows(term, first, second, model=MODEL, fewest=fewest, unit=unit_of(term))
    return Repeats(pairs, rows)


def _ids(source: Source, id_column: str) -> pl.Series:
    """Participants without prefix."""
    named = as_text(source.cells[participant_column(source, asked=id_column if source.has(id_column) else "")])
    return named.str.strip_prefix("sub-").alias(_KEY)


def _sessions(source: Source, column: str) -> pl.Series:
    return as_text(source.cells[column]).str.strip_prefix("ses-")


def _studies(answers: Answers, id_column: str) -> pl.DataFrame:
    """participant_id, session (a number where the table has none) and numeric answers of studies with a result."""
    numbers = [as_numbers(answers.cells[name]) for name in answers.answers if is_numeric(answers.cells[name])]
    found = pl.DataFrame([_ids(answers, id_column), *numbers])
    session = pl.int_range(pl.len()).over(_KEY).cast(pl.String).alias(_SESSION)
    found = found.with_columns(
        _sessions(answers, "session_id").alias(_SESSION) if answers.has("session_id") else session
    )
    has_result = (
        pl.any_horizontal(pl.col(number.name).is_not_null() for number in numbers) if numbers else pl.lit(False)
    )
    found = found.filter(pl.col(_KEY).is_not_null() & pl.col(_SESSION).is_not_null() & has_result)
    twice = found.filter(pl.struct(_KEY, _SESSION).is_duplicated())
    if twice.height:
        raise ConfigError(
            f"{answers.name}: participant {twice[_KEY][0]} has several rows of session {twice[_SESSION][0]}",
            hint="One row a participant and session.",
            code="evaluation_twice",
        )
    return found


def _wanted(
    studies: pl.DataFrame, asked: Source | None, *, id_column: str, hash_key: bytes | None
) -> tuple[pl.DataFrame, list[Estimate]]:
    """participant_id, session_a and session_b of people to be compared, and how they were chosen."""
    if asked is None:
        return _first_two(studies.select(_KEY, _SESSION), "participants with a result")
    ids = matched_ids(_ids(asked, id_column), known=studies[_KEY], hash_key=hash_key).alias(_KEY)
    if all(asked.has(name) for name in _PAIR):
        pairs = pl.DataFrame([ids, *(_sessions(asked, name).alias(name) for name in _PAIR)])
        if ids.drop_nulls().is_duplicated().any():
            raise ConfigError(
                f"{asked.name} has several rows of one participant",
                hint="One row a participant with session_a and session_b.",
                code="evaluation_twice",
            )
        known = pairs.drop_nulls()
        flow = [_flow(f"rows of {asked.name}", pairs.height)]
        if left := pairs.height - known.height:
            flow.append(_flow("a session is not named", left, level="left out"))
        return known, flow
    if asked.has("session_id"):
        named = pl.DataFrame([ids, _sessions(asked, "session_id").alias(_SESSION)]).drop_nulls().unique()
        return _first_two(named, f"participants of {asked.name}")
    inside = studies.filter(pl.col(_KEY).is_in(ids.implode())).select(_KEY, _SESSION)
    return _first_two(inside, f"participants of {asked.name} with a result")


def _first_two(sessions: pl.DataFrame, called: str) -> tuple[pl.DataFrame, list[Estimate]]:
    """The first two sessions of each participant who has two."""
    visit = pl.col(_SESSION)
    ordered = sessions.sort(visit.str.len_chars(), visit, maintain_order=True)  # 2 before 10
    people = ordered.group_by(_KEY, maintain_order=True).agg(visit)
    several = people.filter(visit.list.len() > 1).sort(_KEY)
    flow = [_flow(called, people.height)]
    if single := people.height - several.height:
        flow.append(_flow("one session only", single, level="left out"))
    first, second = (visit.list.get(k).alias(name) for k, name in enumerate(_PAIR))
    return several.select(_KEY, first, second), flow


def _with_values(studies: pl.DataFrame, wanted: pl.DataFrame) -> pl.DataFrame:
    """Pairs whose sessions both have a result, with the answers of each."""
    pairs = wanted
    for name in _PAIR:
        end = name.removeprefix("session")
        answers = studies.rename(
            {column: f"{column}{end}" for column in studies.columns if column not in (_KEY, _SESSION)}
        )
        pairs = pairs.join(answers, left_on=[_KEY, name], right_on=[_KEY, _SESSION], how="inner", maintain_order="left")
    return pairs


def _rows(term: str, group: str, pairs: pl.DataFrame) -> Iterator[Estimate]:
    found = repeatability(pairs["first"].to_numpy(), pairs["second"].to_numpy())
    for model in MODELS:
        interval: Interval = getattr(found, model)
        unit = "" if model in _UNITLESS else unit_of(term)
        yield from interval_row(MODEL, interval, model=model, term=term, group=group, n=found.n, unit=unit)
    if found.n == 1:
        yield Estimate(
            "too_few", model=MODEL, term=term, group=group, n=1,
            level="one pair: how far pairs lie apart on the whole is not estimable",
        )  # fmt: skip


def _flow(term: str, n: int, *, level: str = "kept") -> Estimate:
    return Estimate("flow", model=MODEL, term=term, level=level, n=n)
