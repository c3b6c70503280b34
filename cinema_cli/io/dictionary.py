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


def _entry(description: str, *, units: str = "", levels: Mapping[str, str] | None = None) -> Entry:
    return {"Description": description} | ({"Units": units} if units else {}) | ({"Levels": levels} if levels else {})


def _phenotype(p: Phenotype) -> Entry:
    entry: Entry = {"LongName": p.title, "Description": p.meaning, "Units": p.unit, "Formula": p.formula}
    ranges = [{"Sex": r.sex, "Lower": r.lower, "Upper": r.upper, "Source": r.source} for r in p.ranges]
    return entry | ({"ReferenceRanges": ranges} if ranges else {})


_PHENOTYPES: Mapping[str, Entry] = {
    "status": _entry(
        "How the analysis of the study ended.",
        levels={
            "done": "the study was analysed",
            "failed": "it has no result: see reasons and failures.csv",
            "not_run": "the run stopped before it",
        },
    ),
    "sex": _entry(f"Sex of the person; {_FACT_SOURCE}.", levels={"M": "male", "F": "female"}),
    "age_years": _entry(f"Age at the visit; {_FACT_SOURCE}.", units="year"),
    "height_cm": _entry(f"Body height; {_FACT_SOURCE}.", units="cm"),
    "weight_kg": _entry(f"Body weight; {_FACT_SOURCE}.", units="kg"),
    "vendor": _entry("Maker of the scanner; `other` where the name is not known here."),
    "scanner": _entry("Model of the scanner."),
    "field_strength_t": _entry("Field strength of the scanner.", units="T"),
    **{p.name: _phenotype(p) for p in PHENOTYPES},
    "reasons": _entry(
        "Why each empty cell is empty: `column: reason`, separated by `; `; `all` stands for every phenotype and check."
    ),
    **{
        f"qc_{name}": _entry(f"Quality check: {meaning} The study's own sentence is in qc.csv.", levels=_VERDICTS)
        for name, meaning in CHECKS.items()
    },
}
_CURVES: Mapping[str, Entry] = {
    "frame": _entry("Moment of the cycle, from 0."),
    "time_ms": _entry("Time of the frame as the headers give it.", units="ms"),
    "lv_ml": _entry(f"Volume of the LV cavity {_VOLUME}.", units="ml"),
    "rv_ml": _entry(f"Volume of the RV cavity {_VOLUME}.", units="ml"),
    "myo_ml": _entry(f"Volume of the LV myocardium {_VOLUME}.", units="ml"),
    "lv_smooth_ml": _entry("The smoothed LV curve, on which ED and ES are found.", units="ml"),
}
_QC: Mapping[str, Entry] = {
    "check": _entry("Name of the check.", levels=CHECKS),
    "status": _entry("Its verdict; checks that passed have no row.", levels=_VERDICTS),
    "value": _entry("The number that was compared with a limit; its unit is in the sentence."),
    "sentence": _entry("What was found, in words."),
}
_FAILURES: Mapping[str, Entry] = {
    "status": _entry(
        "Why the study has no result.",
        levels={"failed": "it was tried and failed", "not_run": "the run stopped before it"},
    ),
    "stage": _entry("The step of the work where it ended."),
    "code": _entry("Stable short name of the reason."),
    "reason": _entry("The reason in words."),
    "hint": _entry("What helps."),
}
_NOTES: Mapping[str, Entry] = {
    "code": _entry("Stable short name of the doubt."),
    "sentence": _entry("The doubt in words; it names nobody but by participant_id."),
}
_SERIES: Mapping[str, Entry] = {
    "series_uid": _entry("DICOM SeriesInstanceUID."),
    "part": _entry("Number of the stack within its series, from 1: a series may hold several."),
    "stack_id": _entry("Series that are slices of one acquisition share it; empty where it is no cine."),
    "series_number": _entry("DICOM SeriesNumber."),
    "keyword": _entry("What the series description was recognised as; the text itself is not kept."),
    "vendor": _PHENOTYPES["vendor"],
    "view": _entry(
        "View of the heart.",
        levels={
            "sax": "short axis",
            "lax_2c": "two-chamber long axis",
            "lax_3c": "three-chamber long axis",
            "lax_4c": "four-chamber long axis",
        },
    ),
    "view_rule": _entry("The rule that decided on the view."),
    "view_confidence": _entry("How sure the rule is: an order from 0 to 1, no probability."),
    "slices": _entry("Positions along the normal."),
    "frames": _entry("Usual number of moments of the cycle at a position."),
    "images": _entry("Number of images."),
    "rows": _entry("Rows of an image.", units="pixel"),
    "columns": _entry("Columns of an image.", units="pixel"),
    "row_spacing_mm": _entry("Distance between rows.", units="mm"),
    "column_spacing_mm": _entry("Distance between columns.", units="mm"),
    "slice_spacing_mm": _entry("Distance between the centres of neighbouring slices.", units="mm"),
    "thickness_mm": _entry("Thickness of a slice.", units="mm"),
    "time_step_ms": _entry("Usual time between frames.", units="ms"),
    "cycle_ms": _entry("R-R interval.", units="ms"),
    "transfer_syntax": _entry(
        "How the pixels are stored, in words; a DICOM TransferSyntaxUID where it is none of the usual ones."
    ),
    "sorted_by": _entry("The header that put the frames in order."),
    "verdict": _entry("What became of the series.", levels={"used": "measured or shown", "rejected": "see reason"}),
    "reason_code": _entry("Stable short name of the reason; empty where the series is used."),
    "reason": _entry("What the series is used as, or why it was rejected, in words."),
    "flags": _entry("Codes of what a reader should know of the series, used or rejected, separated by `;`."),
}
_TABLES: Mapping[str, Mapping[str, Entry]] = {
    "phenotypes": _PHENOTYPES,
    "curves": _CURVES,
    "qc": _QC,
    "failures": _FAILURES,
    "notes": _NOTES,
    "series": _SERIES,
}


def data_dictionary(table: str, columns: Sequence[str]) -> dict[str, Entry]:
    """What each column of a table means (phenotypes, curves, qc, failures, notes, series): words, unit, levels."""
    known = {**_IDS, **_TABLES[table]}
    return {column: known.get(column, _entry("")) for column in columns}
