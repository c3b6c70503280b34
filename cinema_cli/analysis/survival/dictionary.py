"""What the columns of the exported tables of a survival analysis mean."""

from collections.abc import Mapping

from cinema_cli.analysis.estimates import SURVIVAL_ANALYSES
from cinema_cli.analysis.survival.table import ENTRY, EVENT, SESSION, TIME, AnalysisTable
from cinema_cli.io.dictionary import Entry, entry, words_of

ESTIMATE_WORDS: Mapping[str, Entry] = {
    "analysis": entry("Kind of row, which decides what the other columns hold.", levels=SURVIVAL_ANALYSES),
    "outcome": entry("Column of the event, or of the competing one."),
    "model": entry("Model or statistic, see the kind of row."),
    "term": entry("Phenotype, covariate or other thing that the row is about."),
    "group": entry("`name=value` of a group, or another division, see the kind of row."),
    "level": entry("Category, time, degrees of freedom or another place, see the kind of row."),
    "n": entry("Rows or people behind the number."),
    "events": entry("Events among them."),
    "estimate": entry("The number itself; of cox and fine_gray a hazard ratio per unit."),
    "lower": entry("Lower limit of the 95 % confidence interval."),
    "upper": entry("Upper limit of the 95 % confidence interval."),
    "se": entry("Standard error; of cox and fine_gray that of the log hazard ratio."),
    "p": entry("Two-sided p value."),
    "q": entry("p adjusted for several phenotypes (Benjamini-Hochberg)."),
    "unit": entry("Unit of the estimate, or what a hazard ratio is per."),
    "suppressed": entry("Whether disclosure control took numbers of this row away."),
}


def table_words(table: AnalysisTable) -> dict[str, Entry]:
    """The same for the exported analysis table, with what its columns are to the analysis."""
    roles = {
        "phenotype": table.phenotypes,
        "covariate": table.covariates,
        "group": table.groups,
        "stratum": table.strata,
        "cluster": table.cluster,
        "weight": (table.weights,),
    }
    words = {name: dict(known) for name, known in words_of("phenotypes").items()}
    for role, names in roles.items():
        for name in filter(None, names):
            words.setdefault(name, entry("As in the table that was handed in."))
            words[name]["Roles"] = [*words[name].get("Roles", []), role]
    levels = {"0": "censored", "1": table.outcome_name}
    return words | {
        SESSION: entry("Visit of the person, without the prefix."),
        ENTRY: entry("When the person came under observation.", units=table.time_unit),
        TIME: entry("When the event, or the end of observation, was.", units=table.time_unit),
        EVENT: entry(
            "How the time ended.", levels=levels | ({"2": table.competing_name} if table.competing_name else {})
        ),
    }
