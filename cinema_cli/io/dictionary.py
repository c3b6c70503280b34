"""The data dictionaries: what each column of each table means, in the manner of BIDS."""

from collections.abc import Mapping, Sequence
from typing import Any

from cinema_cli.domain.checks import CHECKS
from cinema_cli.domain.phenotypes import PHENOTYPES, Phenotype

Entry = dict[str, Any]

_IDS: Mapping[str, Entry] = {
    "participant_id": {"Description": "Person, as BIDS names it; the prefix keeps leading zeros."},
    "session_id": {"Description": "Visit of the person."},
}
_FACT_SOURCE = "from the clinical file, else from the DICOM headers"
_VERDICTS = {"pass": "as expected", "flag": "look at the study page", "not_run": "could not be checked"}
_VOLUME = "at the frame, as measured"


def entry(description: str, *, units: str = "", levels: Mapping[str, str] | None = None) -> Entry:
    """A column's entry: what it is, its unit, and what its values mean where they are few."""
    return {"Description": description} | ({"Units": units} if units else {}) | ({"Levels": levels} if levels else {})


def _phenotype(p: Phenotype) -> Entry:
    entry: Entry = {"LongName": p.title, "Description": p.meaning, "Units": p.unit, "Formula": p.formula}
    ranges = [{"Sex": r.sex, "Lower": r.lower, "Upper": r.upper, "Source": r.source} for r in p.ranges]
    return entry | ({"ReferenceRanges": ranges} if ranges else {})


_PHENOTYPES: Mapping[str, Entry] = {
    "status": entry(
        "How the analysis of the study ended.",
        levels={
            "done": "the study was analysed",
            "failed": "it has no result: see reasons and failures.csv",
            "not_run": "the run stopped before it",
        },
    ),
    "sex": entry(f"Sex of the person; {_FACT_SOURCE}.", levels={"M": "male", "F": "female"}),
    "age_years": entry(f"Age at the visit; {_FACT_SOURCE}.", units="year"),
    "height_cm": entry(f"Body height; {_FACT_SOURCE}.", units="cm"),
    "weight_kg": entry(f"Body weight; {_FACT_SOURCE}.", units="kg"),
    "vendor": entry("Maker of the scanner; `other` where the name is not known here."),
    "scanner": entry("Model of the scanner."),
    "field_strength_t": entry("Field strength of the scanner.", units="T"),
    **{p.name: _phenotype(p) for p in PHENOTYPES},
    "reasons": entry(
        "Why each empty cell is empty: `columns: reason`, separated by `; `, columns by `, `; `all` stands for every "
        "phenotype and check."
    ),
    **{
        f"qc_{name}": entry(f"Quality check: {meaning} The study's own sentence is in qc.csv.", levels=_VERDICTS)
        for name, meaning in CHECKS.items()
    },
}
_CURVES: Mapping[str, Entry] = {
    "frame": entry("Moment of the cycle, from 0."),
    "time_ms": entry("Time of the frame as the headers give it.", units="ms"),
    "lv_ml": entry(f"Volume of the LV cavity {_VOLUME}.", units="ml"),
    "rv_ml": entry(f"Volume of the RV cavity {_VOLUME}.", units="ml"),
    "myo_ml": entry(f"Volume of the LV myocardium {_VOLUME}.", units="ml"),
    "lv_smooth_ml": entry("The smoothed LV curve, on which ED and ES are found.", units="ml"),
}
_QC: Mapping[str, Entry] = {
    "check": entry("Name of the check.", levels=CHECKS),
    "status": entry("Its verdict; checks that passed have no row.", levels=_VERDICTS),
    "value": entry("The number that was compared with a limit; its unit is in the sentence."),
    "sentence": entry("What was found, in words."),
}
_FAILURES: Mapping[str, Entry] = {
    "status": entry(
        "Why the study has no result.",
        levels={"failed": "it was tried and failed", "not_run": "the run stopped before it"},
    ),
    "stage": entry("The step of the work where it ended."),
    "code": entry("Stable short name of the reason."),
    "reason": entry("The reason in words."),
    "hint": entry("What helps."),
}
_NOTES: Mapping[str, Entry] = {
    "code": entry("Stable short name of the doubt."),
    "sentence": entry("The doubt in words; it names nobody but by participant_id."),
}
_SERIES: Mapping[str, Entry] = {
    "series_uid": entry("DICOM SeriesInstanceUID."),
    "part": entry("Number of the stack within its series, from 1: a series may hold several."),
    "stack_id": entry("Series that are slices of one acquisition share it; empty where it is no cine."),
    "series_number": entry("DICOM SeriesNumber."),
    "keyword": entry("What the series description was recognised as; the text itself is not kept."),
    "vendor": _PHENOTYPES["vendor"],
    "view": entry(
        "View of the heart.",
        levels={
            "sax": "short axis",
            "lax_2c": "two-chamber long axis",
            "lax_3c": "three-chamber long axis",
            "lax_4c": "four-chamber long axis",
        },
    ),
    "view_rule": entry("The rule that decided on the view."),
    "view_confidence": entry("How sure the rule is: an order from 0 to 1, no probability."),
    "slices": entry("Positions along the normal."),
    "frames": entry("Usual number of moments of the cycle at a position."),
    "images": entry("Number of images."),
    "rows": entry("Rows of an image.", units="pixel"),
    "columns": entry("Columns of an image.", units="pixel"),
    "row_spacing_mm": entry("Distance between rows.", units="mm"),
    "column_spacing_mm": entry("Distance between columns.", units="mm"),
    "slice_spacing_mm": entry("Distance between the centres of neighbouring slices.", units="mm"),
    "thickness_mm": entry("Thickness of a slice.", units="mm"),
    "time_step_ms": entry("Usual time between frames.", units="ms"),
    "cycle_ms": entry("R-R interval.", units="ms"),
    "transfer_syntax": entry(
        "How the pixels are stored, in words; a DICOM TransferSyntaxUID where it is none of the usual ones."
    ),
    "sorted_by": entry("The header that put the frames in order."),
    "verdict": entry("What became of the series.", levels={"used": "measured or shown", "rejected": "see reason"}),
    "reason_code": entry("Stable short name of the reason; empty where the series is used."),
    "reason": entry("What the series is used as, or why it was rejected, in words."),
    "flags": entry("Codes of what a reader should know of the series, used or rejected, separated by `;`."),
}
_STUDIES: Mapping[str, Entry] = {
    **{name: _PHENOTYPES[name] for name in ("sex", "age_years", "height_cm", "weight_kg")},
    **{name: _PHENOTYPES[name] for name in ("vendor", "scanner", "field_strength_t")},
    "digest": entry("SHA-256 over the images of its cines and how they become cines: another input, another digest."),
    "n_images": entry("Number of images of its cines."),
    "n_bytes": entry("Size of the files that they are in.", units="byte"),
}
_TABLES: Mapping[str, Mapping[str, Entry]] = {
    "phenotypes": _PHENOTYPES,
    "curves": _CURVES,
    "qc": _QC,
    "failures": _FAILURES,
    "notes": _NOTES,
    "series": _SERIES,
    "studies": _STUDIES,
}


def words_of(table: str) -> Mapping[str, Entry]:
    """What the columns of a table mean (phenotypes, curves, qc, failures, notes, series, studies)."""
    return _TABLES[table]


def data_dictionary(words: Mapping[str, Entry], columns: Sequence[str]) -> dict[str, Entry]:
    """An entry for each column of a table: words, unit, levels."""
    known = {**_IDS, **words}
    return {column: known.get(column, entry("")) for column in columns}
