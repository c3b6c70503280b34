"""What the columns of the exported tables of a survival analysis mean."""

from cinema_cli.analysis.survival.table import ENTRY, EVENT, SESSION, TIME, AnalysisTable
from cinema_cli.io.dictionary import Entry, entry, words_of


def table_words(table: AnalysisTable) -> dict[str, Entry]:
    """Entries of the exported analysis table, with what its columns are to the analysis."""
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
