"""The first words of a page of fairness: what was found, in sentences no stronger than the evidence."""

from cinema_cli.analysis.estimates import Estimate
from cinema_cli.reports.analysis.rows import Rows, in_order
from cinema_cli.reports.analysis.words import count_words, first_up, listed, p_said
from cinema_cli.reports.fairness.facts import FairnessFacts
from cinema_cli.reports.fairness.gaps import LIMIT, evidence, gap_sentence, is_crossed
from cinema_cli.reports.fairness.naming import FOLLOWED, LOSSES, SIZES, column_words
from cinema_cli.reports.render import count, number

NAMED = 3  # gaps named in the summary


def summary_sentences(rows: Rows, facts: FairnessFacts) -> list[str]:
    """Who was compared, which gaps stand out, who is lost, what was too few to tell, what a gap does not say."""
    gaps = [row for row in rows.of("gap") if row.estimate is not None or row.p is not None]
    said = [_compared(rows, facts)]
    losses = [row for row in gaps if row.model in LOSSES]
    followed = [row for row in gaps if row.model in FOLLOWED]
    others = [row for row in gaps if row not in losses and row not in followed]
    for words, some in (("who is lost before analysis", losses), ("how right results are", others),
                        ("how well risks are predicted", followed)):  # fmt: skip
        said += [_found(rows, some, words)] if some else []
    said += _few(rows)
    if not gaps:
        return [*said, "No gap between groups could be estimated."]
    said.append(
        "A gap says that groups differ in these data, not why: scanners, hospitals, disease and how people came into "
        "the cohort can differ between them too. That no gap was found does not show that there is none."
    )
    return said


def headline(rows: Rows, facts: FairnessFacts) -> list[tuple[str, str, str]]:
    """(value, unit, name) of the numbers at the head of the page."""
    made = []
    people = rows.one("group_metric", model="people", group="")
    if people is not None:
        made.append((count_words(people.n, people), "", "people"))
    gaps = [row for row in rows.of("gap") if row.p is not None]
    if gaps:
        clear = sum(evidence(row) < LIMIT for row in gaps)
        name = "q" if any(row.q is not None for row in gaps) else "p"
        made.append((number(len(gaps), decimals=0), "", "gaps tested"))
        made.append((number(clear, decimals=0), "", f"with {name} below 0.05"))
    return made


def _compared(rows: Rows, facts: FairnessFacts) -> str:
    columns = in_order(row.group for row in rows.of("gap") if not is_crossed(row)) or list(facts.groups)
    values = [row for row in rows.of("group_metric") if row.model not in SIZES]
    n = count(len({(row.model, row.term, row.outcome) for row in values}), one="figure")
    people = rows.one("group_metric", model="people", group="")
    who = f"in {count(people.n, one='person', many='people')}, " if people is not None and people.n is not None else ""
    between = f" between the groups of {listed([column_words(c) for c in columns])}" if columns else ""
    crossed = ", and of two columns together" if any(is_crossed(row) for row in rows.of("gap")) else ""
    return f"{first_up(f'{who}{n}')} {'was' if n.startswith('1 ') else 'were'} compared{between}{crossed}."


def _found(rows: Rows, gaps: list[Estimate], about: str) -> str:
    tested = [row for row in gaps if row.p is not None]
    if not tested:
        return f"On {about}, gaps are given without a test."
    name = "q" if any(row.q is not None for row in tested) else "p"
    clear = sorted((row for row in tested if evidence(row) < LIMIT), key=evidence)
    of = count(len(tested), one="gap")
    if not clear:
        return f"On {about}, none of {of} had a {name} below 0.05."
    best = [f"{gap_sentence(rows, row)} ({p_said(evidence(row), name=name)})" for row in clear[:NAMED]]
    which = "" if len(clear) == 1 else "the strongest evidence: "
    return f"On {about}, {number(len(clear), decimals=0)} of {of} had a {name} below 0.05; {which}{'; '.join(best)}."


def _few(rows: Rows) -> list[str]:
    groups = in_order(row.group for row in rows.of("too_few") if "=" in row.group)
    if not groups:
        return []
    n = count(len(groups), one="group")
    were, them = ("was", "it") if len(groups) == 1 else ("were", "them")
    return [f"{n} {were} too small for some figures, which are not given for {them}."]
