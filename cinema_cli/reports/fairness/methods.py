"""Last section: how groups were compared, and what that means and does not mean."""

from cinema_cli.reports.analysis.facts import disclosure_words
from cinema_cli.reports.analysis.rows import Rows
from cinema_cli.reports.analysis.words import listed, title_of
from cinema_cli.reports.fairness.facts import FairnessFacts
from cinema_cli.reports.fairness.naming import FOLLOWED
from cinema_cli.reports.render import number


def method_paragraphs(rows: Rows, facts: FairnessFacts) -> list[tuple[str, str]]:
    """(heading, text) of each step that the estimates show was taken."""
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions if name != "cinema")
    paragraphs = [
        ("Groups", _groups(rows, facts)),
        ("How far groups lie apart", _gaps(rows)),
        ("Chance alone", _permutation(rows, facts)),
        ("Confidence intervals", _intervals(rows, facts)),
        ("Several gaps", _multiple(rows, facts)),
        ("Adjusted gaps", _adjusted(rows, facts)),
        ("Predicted risks", _followed(rows, facts)),
        ("Disclosure control", disclosure_words(suppressed=facts.suppressed, min_cell=facts.min_cell)),
        ("What this does not say", LIMITS),
        (
            "Software",
            f"Computed with cinema {facts.version}{f' ({versions})' if versions else ''}; random seed {facts.seed}.",
        ),
    ]
    return [(heading, said) for heading, said in paragraphs if said]


ENOUGH = 1000  # permutations from which the smallest p is small enough for most pages

LIMITS = (
    "Groups are those that the tables name; how people came into the cohort, and whose data are missing, can make or "
    "hide gaps. A reference drawn by readers can itself be better for some groups. A small p says that a gap is larger "
    "than chance makes it, not that it matters; a large one does not show that groups fare alike, least of all small "
    "groups. A gap that goes with age, disease or scanner is still a gap for the people of that group. Nothing here "
    "says what a decision based on these results would do."
)


def _groups(rows: Rows, facts: FairnessFacts) -> str:
    said = []
    if facts.groups:
        said.append(f"Groups are the values of {listed([title_of(g) for g in facts.groups])}.")
    if facts.reference:
        said.append(f"Results were compared with {facts.reference}; of a person with several studies the mean counts.")
    fewest = next((r.level for r in rows.of("too_few") if r.level.startswith("fewer than")), "")
    if fewest:
        said.append(f"No figure is given of groups that are too small ({fewest}): they are named, not estimated.")
    return " ".join(said)


def _gaps(rows: Rows) -> str:
    said = []
    if rows.of("gap"):
        said.append("The gap is the largest less the smallest value among the groups of a column.")
    if rows.of("ratio"):
        said.append("The ratio is the smallest over the largest value.")
    if rows.of("worst_group"):
        said.append("The worst group is the one with the largest error.")
    if rows.of("skewed_error_ratio"):
        said.append("The skewed error ratio is the largest over the smallest error (Wang and Deng, 2020).")
    return " ".join(said)


def _permutation(rows: Rows, facts: FairnessFacts) -> str:
    if not rows.of("gap_null"):
        return ""
    n = facts.n_permutations
    times = f" {number(n, decimals=0)} times" if n else ""
    floor = f" No p is below {p_floor(n)}: more permutations would be needed to tell." if 0 < n < ENOUGH else ""
    return (
        "A gap between the best and the worst group is above 0 by chance alone, the more so the smaller the groups "
        f"are. So people were given the groups of others at random{times}; the mean gap then, and the range of 95% of "
        "such gaps, stand beside each gap, and p is the share of them that are at least as large."
        f"{floor}"
    )


def p_floor(n_permutations: int) -> str:
    """The smallest p that so many permutations can give."""
    return f"{1 / (n_permutations + 1):.3g}"


def _intervals(rows: Rows, facts: FairnessFacts) -> str:
    said = ["Groups have Student’s t intervals, shares Wilson’s, AUCs DeLong’s."]
    if facts.n_resamples and rows.of("gap"):
        times = number(facts.n_resamples, decimals=0)
        said.append(f"Intervals of gaps and ratios come from {times} bootstrap resamples within the groups.")
    if any(row.unit == "from standard errors" for row in rows.of("gap")):
        said.append(
            "In large cohorts those of figures of predicted risks come from the groups’ standard errors instead."
        )
    return " ".join(said)


def _multiple(rows: Rows, facts: FairnessFacts) -> str:
    if not any(row.q is not None for row in rows.of("gap")):
        return ""
    n = number(sum(row.p is not None for row in rows.of("gap")), decimals=0)
    method = facts.multiplicity
    return f"q values control {method.controls} over all {n} gaps of the page together ({method.words})."


def _adjusted(rows: Rows, facts: FairnessFacts) -> str:
    if not rows.of("gap_adjusted"):
        return ""
    with_ = f" {listed([title_of(c) for c in facts.covariates])}" if facts.covariates else " the covariates"
    return (
        f"The adjusted gap is the gap between groups once{with_} are held equal by a regression. It tells how much of "
        "a gap goes with these, not that this part is harmless."
    )


def _followed(rows: Rows, facts: FairnessFacts) -> str:
    if not any(row.model in FOLLOWED for row in rows.of("group_metric")):
        return ""
    said = ["Risks are predicted for each person by a Cox model that has not seen this person, by cross-validation."]
    if facts.horizon is not None:
        said.append(f"Observed over expected events are by {facts.horizon:g} {facts.time_unit}.")
    if rows.of("interaction"):
        said.append(
            "Whether a hazard ratio differs by group is tested by the likelihood ratio of models with and without the "
            "products of phenotype and group."
        )
    return " ".join(said)
