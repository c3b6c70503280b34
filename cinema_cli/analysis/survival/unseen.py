"""How well models of many numbers rank people they have not seen: embeddings by elastic net, a random forest."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.analysis.statistics.forest import forest_concordance
from cinema_cli.analysis.statistics.grouped_folds import FoldConcordance
from cinema_cli.analysis.statistics.outcome import Ints
from cinema_cli.analysis.statistics.penalised import penalised_concordance
from cinema_cli.analysis.survival.models import model_data
from cinema_cli.analysis.survival.settings import Embeddings, Per
from cinema_cli.analysis.survival.table import PARTICIPANT, AnalysisTable

MEAN = "mean"


def embedding_rows(table: AnalysisTable, embeddings: Embeddings, *, seed: int) -> Iterator[Estimate]:
    """Cox with an elastic net on the vectors, in folds that never part the rows of a person."""
    rows = np.flatnonzero(np.isfinite(embeddings.vectors).all(axis=1)).astype(np.int64)
    outcome = table.outcome(rows).cause_specific()
    found = penalised_concordance(outcome, embeddings.vectors[rows], _people(table, rows), seed=seed)
    yield from _rows(Estimate("penalised", table.outcome_name, embeddings.name), found)


def forest_rows(table: AnalysisTable, *, seed: int) -> Iterator[Estimate]:
    """A random survival forest on covariates and phenotypes, in folds as above."""
    terms = list(dict.fromkeys([*table.covariates, *table.phenotypes]))
    data = model_data(table, terms, per=Per.UNIT)
    found = forest_concordance(data.outcome, data.design.x, _people(table, data.rows), seed=seed)
    yield from _rows(Estimate("forest", table.outcome_name, "clinical_cmr"), found)


def _people(table: AnalysisTable, rows: Ints) -> Ints:
    """Who each row is of; clusters are kept together as people are."""
    codes = table.codes(table.cluster or (PARTICIPANT,), rows)
    assert codes is not None
    return codes


def _rows(row: Estimate, found: FoldConcordance) -> Iterator[Estimate]:
    row = replace(row, unit=found.note)
    for fold, (c, se, n, events) in enumerate(zip(found.c, found.se, found.n, found.events, strict=True), start=1):
        yield replace(row, level=str(fold), n=int(n), events=int(events), estimate=float(c), se=float(se))
    lower, upper = found.limits
    yield replace(
        row,
        level=MEAN,
        n=int(found.n.sum()),
        events=int(found.events.sum()),
        estimate=found.mean,
        lower=lower,
        upper=upper,
        se=found.mean_se,
    )
