"""What the columns of the table of estimates mean, for its data dictionary."""

from collections.abc import Mapping

from cinema_cli.io.dictionary import Entry, entry


def estimate_words(analyses: Mapping[str, str]) -> dict[str, Entry]:
    """Entries for the columns of `estimates.SCHEMA`; `analyses`: the kinds of rows and what each means."""
    return {
        "analysis": entry("Kind of row, which decides what the other columns hold.", levels=analyses),
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
        "q": entry("p adjusted for several tests: phenotypes of a model, or gaps; `--multiplicity` says how."),
        "unit": entry("Unit of the estimate, or what a hazard ratio is per."),
        "suppressed": entry("Whether disclosure control took numbers of this row away."),
        "rounded": entry("Counts of this row may be rounded to multiples of this number; empty where they are exact."),
    }
