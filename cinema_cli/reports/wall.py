"""The wall: one card a study with its picture, its numbers and what makes it stand out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cinema_cli.reports.outliers import Study
from cinema_cli.reports.render import data_uri, href, number

THUMBNAIL = ("figures", "thumbnail.jpg")


@dataclass(frozen=True, slots=True)
class Card:
    """One study on the wall."""

    link: str  # "" where the study has no page
    image: str  # data URI or relative address; "" where there is none
    name: str
    session: str
    numbers: str
    why: str
    css: str
    alt: str


def card(study: Study, *, out_dir: Path, up: str, embed: bool) -> Card:
    """The card of a study; links start with `up` where the page lies in a folder, pictures are embedded or linked."""
    start = (up,) if up else ()
    file = out_dir.joinpath(*study.folder, *THUMBNAIL)
    image = ""
    if file.is_file():
        image = data_uri(file.read_bytes(), kind="image/jpeg") if embed else href(*start, *study.folder, *THUMBNAIL)
    ef, edv = study.values.get("lvef_pct"), study.values.get("lvedv_ml")
    numbers = "failed" if study.failed else f"EF {number(ef, decimals=0)}% · EDV {number(edv, decimals=0)} ml"
    has_page = not study.failed or out_dir.joinpath(*study.folder, "study.html").is_file()
    return Card(
        link=href(*start, *study.folder, "study.html") if has_page else "",
        image=image,
        name=study.participant_id,
        session=study.session_id,
        numbers=numbers,
        why="; ".join(study.why[:2]) + ("…" if len(study.why) > 2 else ""),
        css="is-failed" if study.failed else "is-outlier" if study.why else "",
        alt=f"Mid-ventricular slice at end-diastole of {study.participant_id} {study.session_id}",
    )


def page_words(several: Sequence[Study]) -> str:
    """Who is on a page of the wall."""
    marked = sum(bool(s.why) for s in several)
    return f"{several[0].participant_id} to {several[-1].participant_id}, {number(marked, decimals=0)} marked"
