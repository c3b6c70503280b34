"""The first words of the page: what was found, in sentences no stronger than the evidence."""

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.rows import APPARENT, Rows, standing
from cinema_cli.reports.analysis.words import (
    bare_model,
    count_words,
    first_up,
    listed,
    p_said,
    per_words,
    rate_words,
    ratio_interval,
    time_words,
    title_of,
    with_interval,
)
from cinema_cli.reports.render import count, number
from cinema_cli.reports.survival.facts import SurvivalFacts
from cinema_cli.reports.survival.hazards import decimals_of, main_row, phenotypes_of
from cinema_cli.reports.survival.prediction import MODELS, difference_of

LIMIT = 0.05
NAMED = 3  # phenotypes named in the summary


def summary_sentences(rows: Rows, facts: SurvivalFacts) -> list[str]:
    """Who was followed, which phenotypes went with the outcome, what they add, and what to keep in mind."""
    rate = rows.one("rate", group="")
    said = [_people(rows, facts, rate)] if rate is not None else []
    if rate is not None and rate.events == 0:
        said.append(
            f"Nobody had the outcome ({facts.event}) while followed: hazard ratios, curves by phenotype and "
            "predictions cannot be estimated."
        )
        return said
    said += _associations(rows, facts)
    said += _added(rows)
    said += _doubts(rows)
    if phenotypes_of(rows):
        said.append(
            "These are associations in observational data: they do not show that a phenotype causes the outcome, nor "
            "that changing it would change the risk."
        )
    return said


def _people(rows: Rows, facts: SurvivalFacts, rate: Estimate) -> str:
    event = "" if facts.event == "event" else f" ({facts.event})"
    if rate.events is None:
        return f"The people or events{event} are too few to be shown."
    people = count(rate.n, one="participant") if rate.n is not None else "The participants"
    said = f"{people} had {count_words(rate.events, rate)} {'event' if rate.events == 1 else 'events'}{event}"
    median = rows.one("follow_up", term="median")
    if median is not None and median.estimate is not None:
        said += f" over a median follow-up of {time_words(median.estimate)} {median.unit}"
    if rate.estimate is not None:
        said += f": {with_interval(rate, decimals=2)} {rate_words(rate.unit)} (95% confidence interval)"
    return said + "."


def _associations(rows: Rows, facts: SurvivalFacts) -> list[str]:
    """The phenotypes with the smallest q, and how many are below 0.05."""
    found = [(p, main_row(rows, p)) for p in phenotypes_of(rows)]
    model = "after adjustment"
    if not any(row for _, row in found):
        found, model = [(p, main_row(rows, p, model="unadjusted")) for p in phenotypes_of(rows)], "without adjustment"
    known = [(p, row, _evidence(row)) for p, row in found if row is not None and row.estimate is not None]
    if not known:
        return []
    if model == "after adjustment" and facts.covariates:
        model = f"after adjustment for {listed([title_of(c) for c in facts.covariates])}"
    known.sort(key=lambda item: item[2])
    clear = [item for item in known if item[2] < LIMIT]
    name = (
        "q value (p adjusted for the number of phenotypes)" if any(r.q is not None for _, r, _ in known) else "p value"
    )
    of = count(len(known), one="phenotype")
    if not clear:
        return [
            f"{first_up(model)}, none of {of} had a {name} below 0.05; this does not show that there is no association."
        ]
    best = [
        f"{title_of(p)}, hazard ratio {ratio_interval(row, decimals=decimals_of(facts))} {per_words(row.unit)}: a "
        f"{'higher' if (row.estimate or 1.0) > 1 else 'lower'} hazard where it is higher"
        for p, row, _ in clear[:NAMED]
    ]
    which = "the strongest evidence was for " if len(known) > 1 else ""
    count_said = f"{number(len(clear), decimals=0)} of {of} had a {name} below 0.05; {which}{'; '.join(best)}."
    if len(known) == 1:
        count_said = f"the {name} was below 0.05 for {best[0]}."
    return [f"{first_up(model)}, {count_said}"]


def _evidence(row: Estimate) -> float:
    value = row.q if row.q is not None else row.p
    return 2.0 if value is None else value


def _added(rows: Rows) -> list[str]:
    """What the phenotypes add to the C of the clinical model; apparent where nothing better is known."""
    every = [r for r in rows.of("concordance") if r.model in MODELS]
    if not every:
        return []
    kinds = [standing(r) for r in every]
    kind = next((k for k in kinds if k != APPARENT), APPARENT)
    cells = {r.model: r for r in reversed(every) if standing(r) == kind}
    if set(cells) < set(MODELS):
        return []
    alone, added = (with_interval(cells[model], decimals=3) for model in MODELS)
    said = f"Harrell’s C ({kind}) was {alone} with the clinical variables alone and {added} with the phenotypes added"
    apart = difference_of(rows.of("concordance_difference", model="clinical_cmr"), kind, cells)
    if apart is not None and apart.estimate is not None:
        test = "" if apart.p is None else f", {p_said(apart.p)}"
        said += f": a difference of {with_interval(apart, decimals=3)}{test}"
    if kind == APPARENT:
        said += "; apparent figures are of the people the models were fitted to and flatter them"
    return [said + "."]


def _doubts(rows: Rows) -> list[str]:
    """Assumptions that a test puts in doubt, and models with few events."""
    said = []
    tests = [r for r in rows.of("proportional_hazards") if r.term == "GLOBAL" and r.p is not None]
    raised = [r for r in tests if r.p is not None and r.p < LIMIT]
    if raised:
        said.append(
            f"In {number(len(raised), decimals=0)} of {count(len(tests), one='model')} the global test speaks against "
            "proportional hazards (p < 0.05): their hazard ratios are averages over the follow-up."
        )
    fits = {(bare_model(r.model), r.group): r for r in rows.of("model_fit", term="events_per_term")}  # pooled ones last
    few = [r for r in fits.values() if r.estimate is not None and r.estimate < 10]
    if few:
        models = count(len(few), one="model")
        have, their = ("has", "its") if len(few) == 1 else ("have", "their")
        said.append(f"{models} {have} fewer than 10 events per term: {their} estimates are unstable.")
    return said
