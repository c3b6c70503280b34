"""Items of reporting checklists in our own short words, and where in the page the run answers them.

Numbers are those of TRIPOD+AI (Collins et al., BMJ 2024;385:e078378), STROBE for cohort studies (von Elm et al., 2007)
and RECORD (Benchimol et al., 2015); the published checklists are what counts.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """An item; `answer` is a key of `checklists.answers`, "" where only the author can say it."""

    number: str
    words: str
    answer: str = ""


TRIPOD_AI = (
    Item("1", "Title: says that a prediction model is developed or evaluated, in whom and for what outcome"),
    Item("2", "Abstract, by the checklist for abstracts"),
    Item("3a", "Health care context and why the model is needed"),
    Item("3b", "People and care pathway the model is meant for, and its users"),
    Item("3c", "Known health inequalities between groups"),
    Item("4", "Objectives: development, evaluation or both"),
    Item("5a", "Sources of the data and how representative they are"),
    Item("5b", "Dates of recruitment and end of follow-up"),
    Item("6a", "Setting and centres"),
    Item("6b", "Eligibility", "flow"),
    Item("6c", "Treatments received and how they were handled"),
    Item("7", "Preparation of data and quality checks, the same across groups"),
    Item("8a", "Outcome, its time horizon, how it was assessed and why it was chosen", "outcome"),
    Item("8b", "Where the outcome takes judgement: who assessed it"),
    Item("8c", "Blinding of the assessment of the outcome"),
    Item("9a", "How the first set of predictors was chosen"),
    Item("9b", "Predictors, how and when they were measured", "predictors"),
    Item("9c", "Where predictors take judgement: who assessed them"),
    Item("10", "Sample size and its justification", "events"),
    Item("11", "Missing data and what was done about them", "missing"),
    Item("12a", "How data were used: development and evaluation of performance", "internal"),
    Item("12b", "How predictors were handled: form, scaling, transformation", "scaling"),
    Item("12c", "Type of model, building steps, internal validation", "cox"),
    Item("12d", "Heterogeneity between clusters such as centres", "cluster"),
    Item("12e", "Measures and plots of performance", "measures"),
    Item("12f", "Model updating after evaluation"),
    Item("12g", "For evaluation: how predictions were computed", "cox"),
    Item("13", "Class imbalance and its handling"),
    Item("14", "Approaches to fairness and why"),
    Item("15", "Output of the model and thresholds", "output"),
    Item("16", "Differences between data of training and of evaluation"),
    Item("17", "Ethical approval and consent"),
    Item("18a", "Funding and the role of funders"),
    Item("18b", "Conflicts of interest"),
    Item("18c", "Where the protocol can be read"),
    Item("18d", "Registration"),
    Item("18e", "Availability of data"),
    Item("18f", "Availability of code", "software"),
    Item("19", "Involvement of patients and the public"),
    Item("20a", "Flow of participants, events and follow-up", "flow"),
    Item("20b", "Characteristics of participants, missing data among them", "table_one"),
    Item("20c", "Comparison of predictors between development and evaluation data"),
    Item("21", "Numbers of participants and events in each analysis", "hazard_numbers"),
    Item("22", "The full model, so that others can predict with it", "full_model"),
    Item("23a", "Performance with confidence intervals", "performance"),
    Item("23b", "Heterogeneity of performance between clusters"),
    Item("24", "Results of model updating"),
    Item("25", "Interpretation, fairness among it, in the light of objectives and other studies"),
    Item("26", "Limitations: non-representative samples, size, overfitting, missing data"),
    Item("27a", "How poor or missing input should be handled in use"),
    Item("27b", "What users need to do and know"),
    Item("27c", "Next steps for research, generalisability among them"),
)
STROBE = (
    Item("1a", "Design named in title or abstract"),
    Item("1b", "Balanced summary in the abstract"),
    Item("2", "Background and rationale"),
    Item("3", "Objectives and hypotheses"),
    Item("4", "Design of the study, early in the paper"),
    Item("5", "Setting, places and dates"),
    Item("6a", "Eligibility, sources and selection of participants, follow-up", "flow"),
    Item("6b", "Matching criteria, where matched"),
    Item("7", "Outcomes, exposures, confounders, effect modifiers", "predictors"),
    Item("8", "Sources of data and methods of measurement"),
    Item("9", "Efforts against bias"),
    Item("10", "How the study size came about"),
    Item("11", "Handling of quantitative variables, groupings", "scaling"),
    Item("12a", "Statistical methods, control of confounding among them", "cox"),
    Item("12b", "Methods for subgroups and interactions"),
    Item("12c", "Missing data", "missing"),
    Item("12d", "Loss to follow-up", "censoring"),
    Item("12e", "Sensitivity analyses", "sensitivity"),
    Item("13a", "Numbers of people at each stage", "flow"),
    Item("13b", "Reasons for leaving at each stage", "flow"),
    Item("13c", "Flow diagram", "flow"),
    Item("14a", "Characteristics of participants", "table_one"),
    Item("14b", "Missing data of each variable", "table_one"),
    Item("14c", "Follow-up time: average and total", "follow_up"),
    Item("15", "Numbers of events over time", "rates"),
    Item("16a", "Unadjusted and adjusted estimates with precision; which confounders and why", "hazards"),
    Item("16b", "Category boundaries of continuous variables"),
    Item("16c", "Relative risks as absolute risks over a meaningful time", "absolute"),
    Item("17", "Other analyses: subgroups, interactions, sensitivity", "sensitivity"),
    Item("18", "Key results against the objectives"),
    Item("19", "Limitations, direction and size of bias"),
    Item("20", "Cautious overall interpretation"),
    Item("21", "Generalisability"),
    Item("22", "Funding"),
)
RECORD = (
    Item("1.1", "Kind of data and names of the databases in title or abstract"),
    Item("1.2", "Region and time in title or abstract"),
    Item("1.3", "Linkage between databases in title or abstract"),
    Item("6.1", "Codes or algorithms by which people were selected"),
    Item("6.2", "Validation of those codes"),
    Item("6.3", "Diagram of the data linkage"),
    Item("7.1", "Complete list of codes for exposures, outcomes and confounders"),
    Item("12.1", "Access of the authors to the source population"),
    Item("12.2", "Cleaning of the data"),
    Item("12.3", "Level and method of linkage"),
    Item("13.1", "Selection of people by data quality, availability and linkage, with a diagram", "flow"),
    Item("19.1", "Limits of data that were not made for this question"),
    Item("22.1", "Where protocol, raw data and code can be found", "software"),
)
CHECKLISTS = (("TRIPOD+AI", TRIPOD_AI), ("STROBE, cohort studies", STROBE), ("RECORD", RECORD))
