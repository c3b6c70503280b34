"""The wall: one card a study with its picture, its numbers and what makes it stand out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.io.ledger import Status
from cinema_cli.reports.outliers import Study
from cinema_cli.reports.render import count, data_uri, href, number

THUMBNAIL = ("figures", "thumbnail.jpg")
STATE_WORDS = {Status.FAILED: "failed", Status.NOT_RUN: "not reached"}


@dataclass(frozen=True, slots=True)
class Card:
    """One study on the wall."""

    link: str  # "" where the study has no page
    image: str  # data URI or relative address; "" where there is none
    name: str
    session: str
    numbers: str
    far: str  # what makes it an outlier
    flags: str  # what its quality checks raise
    css: str
    alt: str


def card(study: Study, *, out_dir: Path, up: str, embed: bool) -> Card:
    """The card of a study; links start with `up` where the page lies in a folder, pictures are embedded or linked."""
    start = (up,) if up else ()
    file = out_dir.joinpath(*study.folder, *THUMBNAIL)
    image = ""
    if file.is_file():
        image = data_uri(file.read_bytes(), kind="image/jpeg") if embed else href(*start, *study.folder, *THUMBNAIL)
    has_page = study.analysed or out_dir.joinpath(*study.folder, "study.html").is_file()
    return Card(
        link=href(*start, *study.folder, "study.html") if has_page else "",
        image=image,
        name=study.participant_id,
        session=study.session_id,
        numbers=_numbers(study),
        far=_first(study.far),
        flags=_first(study.flag_words),
        css=_css(study),
        alt=f"Mid-ventricular slice at end-diastole of {study.participant_id} {study.session_id}",
    )


def _numbers(study: Study) -> str:
    if not study.analysed:
        return STATE_WORDS[study.status]
    ef, edv = study.values.get("lvef_pct"), study.values.get("lvedv_ml")
    return f"EF {number(ef, decimals=0)}% · EDV {number(edv, decimals=0)} ml"


def _css(study: Study) -> str:
    if not study.analysed:
        return "is-failed" if study.status is Status.FAILED else "is-waiting"
    return " ".join(name for name, holds in (("is-outlier", study.far), ("is-flagged", study.flags)) if holds)


def _first(several: Sequence[str], most: int = 2) -> str:
    return "; ".join(several[:most]) + ("…" if len(several) > most else "")


def page_words(several: Sequence[Study]) -> str:
    """Who is on a page of the wall."""
    outliers, flagged = sum(bool(s.far) for s in several), sum(bool(s.flags) for s in several)
    said = f"{several[0].participant_id} to {several[-1].participant_id}, {count(outliers, one='outlier')}"
    return f"{said}, {number(flagged, decimals=0)} with a quality flag"
