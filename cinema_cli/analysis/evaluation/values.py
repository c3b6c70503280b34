"""Rows of the evaluation table from two tables: values and classes, as predicted and as they should be."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cinema_cli.analysis.evaluation.joined import IDS, joined
from cinema_cli.analysis.evaluation.table import EVALUATION, PROBABILITY, Kind, Note, System, checked_evaluation
from cinema_cli.analysis.survival.reading import Source, as_numbers, as_text, is_numeric, read_phenotypes, read_source
from cinema_cli.domain.errors import ConfigError
from cinema_cli.domain.phenotypes import PHENOTYPES
from cinema_cli.io.predictions import scan_predictions

_CLASS, _P = "_class", "_p_"  # ends of a class head's columns: `<head>_class`, `<head>_p_<class>`
_OURS = tuple(phenotype.name for phenotype in PHENOTYPES if phenotype.unit)
_NO_ANSWERS = ("view", "frame", "reasons")
_LISTED = 30  # columns or classes that an error lists
_FEW = 10  # people whose classes may all be wrong


@dataclass(frozen=True, slots=True, eq=False)
class Answers(Source):
    """A table of predictions, and which of its columns are compared without being asked for."""

    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ValueTable:
    """Rows of EVALUATION, and a note for each thing settled without being asked."""

    table: pl.DataFrame
    notes: tuple[str, ...]


def read_answers(path: Path) -> Answers:
    """Phenotypes of a folder with what heads said of each study, or any table. Raises InputError, ConfigError."""
    source = read_phenotypes(path)
    names = tuple(name for name in _OURS if source.has(name))
    predictions = scan_predictions(path) if path.is_dir() else None
    if predictions is None:
        return Answers(source.name, source.cells, names)
    of_study = predictions.filter(pl.col("frame").is_null()).drop(_NO_ANSWERS, strict=False).collect()
    said = of_study.select(s for s in of_study if s.null_count() < len(s) or s.name in IDS)
    heads = tuple(name for name in said.columns if name not in IDS and not source.has(name))
    cells = source.cells.join(said.select(*IDS, *heads), on=IDS, how="left", maintain_order="left")
    beside = {p for name in heads for p in _probability_columns(said.columns, name)}
    shown = (name for name in heads if name not in beside and not name.endswith("_disagreement"))
    return Answers(source.name, cells, (*names, *shown))


def read_reference(path: Path) -> Source:
    """A table of true values. Raises InputError, ConfigError."""
    return read_source(path, called="table of true values", option="--reference", code="reference")


def compared_values(
    prediction: Answers,
    reference: Source,
    *,
    names: Mapping[str, str] | None = None,
    id_column: str = "",
    hash_key: bytes | None = None,
    system: System = System.THIS,
) -> ValueTable:
    """Rows of every column that both tables have; `names`: column of the reference -> ours, where they differ.

    Without being asked, phenotypes and answers of heads are compared; a class head `<head>` also with a column of that
    name. Numbers against numbers are values; text, and 0 and 1 against each other, classes; numbers against 0 and 1 the
    probability, or any score, of class 1. Labels of classes are the same where letters and digits are. A study that is
    in one table only has rows with the note no_prediction or no_reference.

    Raises ConfigError for a column that is nowhere or does not go with its partner, else as `joined`.
    """
    pairs = _pairs(prediction, reference, names or {})
    beside = [p for ours in pairs for p in _probability_columns(prediction.names, ours)]
    found = joined(
        prediction, reference, predicted=[*pairs, *beside], true=pairs, id_column=id_column, hash_key=hash_key
    )
    rows = [part for ours, theirs in pairs.items() for part in _rows(found.rows, ours, theirs, prediction)]
    table = pl.concat(rows, how="diagonal") if rows else pl.DataFrame(schema=EVALUATION)
    return ValueTable(checked_evaluation(table.with_columns(system=pl.lit(str(system)))), found.notes)


def _pairs(prediction: Answers, reference: Source, names: Mapping[str, str]) -> dict[str, str]:
    """Column of ours -> column of the reference."""
    pairs: dict[str, str] = {}
    for theirs, asked in names.items():
        ours = asked if prediction.has(asked) or not prediction.has(asked + _CLASS) else asked + _CLASS
        for name, source in ((ours, prediction), (theirs, reference)):
            if not source.has(name):
                raise ConfigError(
                    f"{source.name} has no column {name} (it has {', '.join(source.names[:_LISTED])})",
                    hint="--map A=B: column A of the true values is B of ours.",
                    code="evaluation_columns",
                )
        pairs[ours] = theirs
    for ours in prediction.answers:
        theirs = ours if reference.has(ours) else ours.removesuffix(_CLASS)
        if ours not in pairs and reference.has(theirs):
            pairs[ours] = theirs
    if not pairs:
        raise ConfigError(
            f"no column of {reference.name} is one of ours (it has {', '.join(reference.names[:_LISTED])})",
            hint="Say which is which: --map EF=lvef_pct.",
            code="evaluation_columns",
        )
    return pairs


def _probability_columns(names: Sequence[str], ours: str) -> list[str]:
    """The columns that belong to a class column of ours."""
    start = ours.removesuffix(_CLASS) + _P
    return [name for name in names if name.startswith(start)] if ours.endswith(_CLASS) else []


def _rows(both: pl.DataFrame, ours: str, theirs: str, prediction: Source) -> Iterator[pl.DataFrame]:
    """Rows of one pair of columns."""
    p, r = both[f"p:{ours}"], both[f"r:{ours}"]
    if is_numeric(p) and is_numeric(r):
        (p_flags, r_flags), both_numbers = (_is_flags(p), _is_flags(r)), (as_numbers(p), as_numbers(r))
        if not r_flags:
            yield _noted(both, Kind.VALUE, ours, "value", *both_numbers).with_columns(
                value=pl.col("prediction") - pl.col("reference")
            )
            return
        if not p_flags:
            yield _noted(both, Kind.CLASS, ours, f"{PROBABILITY}1", *both_numbers)
            return
    elif is_numeric(p) != is_numeric(r) and not (p.null_count() == len(p) or r.null_count() == len(r)):
        kinds = ("numbers", "text") if is_numeric(p) else ("text", "numbers")
        raise ConfigError(
            f"{ours} of {prediction.name} holds {kinds[0]}, {theirs} of the true values {kinds[1]}",
            hint="Compare columns of the same kind.",
            code="evaluation_columns",
        )
    yield from _class_rows(both, ours, as_text(p), as_text(r), _probability_columns(prediction.names, ours))


def _class_rows(
    both: pl.DataFrame, ours: str, said: pl.Series, true: pl.Series, probabilities: list[str]
) -> Iterator[pl.DataFrame]:
    """Labels, then the probability of each class; the reference's spelling of a class where it has one."""
    spelling = {
        _plain(label): label for label in (*said.drop_nulls().unique().sort(), *true.drop_nulls().unique().sort())
    }
    said, true = (
        labels.replace_strict({x: spelling[_plain(x)] for x in labels.drop_nulls().unique()}, return_dtype=pl.String)
        for labels in (said, true)
    )
    term = ours.removesuffix(_CLASS)
    _refuse_other_words(term, said, true, [column.partition(_P)[2] for column in probabilities])
    known = said.is_not_null() & true.is_not_null()
    agree = pl.select(pl.when(known).then((said == true).cast(pl.Float64))).to_series()
    rows = _noted(both, Kind.CLASS, term, "class", said, true)
    yield rows.rename({"prediction": "prediction_label", "reference": "reference_label"}).with_columns(
        value=agree.filter(said.is_not_null() | true.is_not_null())
    )
    for column in probabilities:
        name = spelling.get(_plain(column.partition(_P)[2]), column.partition(_P)[2])
        is_class = pl.select(pl.when(true.is_not_null()).then((true == name).cast(pl.Float64))).to_series()
        yield _noted(both, Kind.CLASS, term, PROBABILITY + name, as_numbers(both[f"p:{column}"]), is_class)


def _refuse_other_words(term: str, said: pl.Series, true: pl.Series, answers: list[str]) -> None:
    """Raise ConfigError where no true class is among those that are said, or could be said."""
    sides = [sorted(labels.drop_nulls().unique()) for labels in (said, true)]
    known = {_plain(label) for label in (*sides[0], *answers)}
    few = not answers and min(said.count(), true.count()) < _FEW
    if few or not all(sides) or any(_plain(label) in known for label in sides[1]):
        return
    raise ConfigError(
        f"classes of {term} are {', '.join(answers or sides[0])}, of the true values {', '.join(sides[1][:_LISTED])}: "
        "none in common",
        hint="Write the same words in both tables.",
        code="evaluation_classes",
    )


def _noted(both: pl.DataFrame, kind: Kind, term: str, metric: str, said: pl.Series, true: pl.Series) -> pl.DataFrame:
    """A row of everybody of whom at least one side says something, with the note for the other."""
    p, r = pl.col("prediction"), pl.col("reference")
    note = (
        pl.when(p.is_null()).then(pl.lit(str(Note.NO_PREDICTION)))
        .when(r.is_null()).then(pl.lit(str(Note.NO_REFERENCE)))
        .otherwise(pl.lit(str(Note.NONE)))
    )  # fmt: skip
    rows = both.select(*IDS, said.alias("prediction"), true.alias("reference"))
    words = {"kind": str(kind), "term": term, "metric": metric}
    named = {name: pl.lit(word) for name, word in words.items()}
    return rows.filter(p.is_not_null() | r.is_not_null()).with_columns(**named, note=note)


def _is_flags(cells: pl.Series) -> bool:
    """Whether numbers are 0 and 1 alone."""
    return bool(as_numbers(cells).drop_nulls().is_in([0.0, 1.0]).all())


def _plain(label: str) -> str:
    return re.sub(r"[^a-z0-9]", "", label.lower())
