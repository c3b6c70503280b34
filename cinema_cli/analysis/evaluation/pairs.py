"""Which predicted mask belongs to which reference: by the names of files, folders and records; nobody is dropped."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import polars as pl

from cinema_cli.analysis.survival.joining import matched_ids
from cinema_cli.domain.cine import View
from cinema_cli.domain.errors import InputError
from cinema_cli.io.contours import contour_folders, images_of
from cinema_cli.io.identity import label_of
from cinema_cli.io.keywords import keyword
from cinema_cli.io.ledger import read_record
from cinema_cli.io.mask_files import MASK_SUFFIXES
from cinema_cli.io.nifti_names import NiftiName, read_name, stem_of

_OWN_MASKS = "sub-*/ses-*/*_dseg.nii*"  # as `cinema infer` and `cinema analyse` write them
_MOMENTS = ("ed", "es")
_LONG_AXIS = frozenset(("la", "lax"))  # words of names
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class MaskSource:
    """A file with masks, or the folder of one person's contours."""

    participant_id: str  # with the `sub-` prefix
    session_id: str  # with the `ses-` prefix; empty where nothing says which visit
    path: Path
    moment: str = ""  # ed or es where the name says so
    frame: int | None = None  # place in the cine from 0 where the name says so (`frame01` is 0)
    ed_frame: int | None = None  # of a predicted cine, from its record
    es_frame: int | None = None
    is_contours: bool = False
    images: Path | None = None  # the DICOM images that contours were drawn on; None where they were not found
    named: str = ""  # the participant as files or folders spell it


@dataclass(frozen=True, slots=True)
class StudyMasks:
    """All masks of one visit; predictions or references may be missing, not both."""

    participant_id: str
    session_id: str
    predictions: tuple[MaskSource, ...]
    references: tuple[MaskSource, ...]


def find_predictions(folder: Path, *, view: View = View.SAX) -> tuple[MaskSource, ...]:
    """Predicted masks of a view, in order of names.

    An output folder of `cinema infer` or `cinema analyse` (with ED and ES frames from its records), or any folder of
    NIfTI, as nnU-Net writes them. A file whose name says no view may be of any. Raises InputError where none is found.
    """
    own = [path for path in sorted(folder.glob(_OWN_MASKS)) if stem_of(path.name).endswith("_dseg")]
    files = own or _nifti_below(folder)
    found = [_source(path, folder=folder, is_own=bool(own)) for path in files if _may_show(path, folder, view)]
    return _some(found, folder, "predicted masks")


def find_references(folder: Path, *, images: Path | None = None, view: View = View.SAX) -> tuple[MaskSource, ...]:
    """Reference masks of a view, in order of names: NIfTI below `folder`, or people's contours where it has some.

    Where the names of some files say that they hold labels (`_gt`, `_seg`, ...), the others are taken for images.
    Contours need the DICOM images that they were drawn on, in a folder named after the person: below `images`, else
    below `folder` or beside it. Raises InputError where nothing is found.
    """
    people = contour_folders(folder) if folder.is_dir() else {}
    if people and view is View.SAX:
        roots = (images,) if images else (folder, folder.parent)
        return tuple(
            MaskSource(_participant(person), "", path, is_contours=True, images=images_of(person, roots), named=person)
            for person, path in people.items()
        )
    files = _nifti_below(folder)
    labelled = [path for path in files if _name(path, folder).is_labels]
    found = [_source(path, folder=folder, is_own=False) for path in labelled or files if _may_show(path, folder, view)]
    return _some(found, folder, "reference masks")


def paired(predictions: Sequence[MaskSource], references: Sequence[MaskSource]) -> tuple[StudyMasks, ...]:
    """Masks of the same visits together, in order; those without a partner alone.

    Participants are the same where letters and digits of their ids are, in small or large letters. A source that says
    no session belongs to the only one there is; where there are several, to none of them.
    """
    found = []
    sides = [_grouped(side, lambda s: s.participant_id.lower()) for side in (predictions, references)]
    for person in sorted({*sides[0], *sides[1]}):
        ours, theirs = (_grouped(side.get(person, []), lambda s: s.session_id) for side in sides)
        sessions = {one for one in (*ours, *theirs) if one}
        if len(sessions) == 1:
            (only,) = sessions
            ours, theirs = (
                {only: [s for some in side.values() for s in some]} if side else {} for side in (ours, theirs)
            )
        for session in sorted({*ours, *theirs}):
            both = tuple(ours.get(session, ())), tuple(theirs.get(session, ()))
            found.append(StudyMasks((both[0] or both[1])[0].participant_id, session, *both))
    return tuple(found)


def with_ids_of(first: Sequence[StudyMasks], studies: Sequence[StudyMasks]) -> tuple[StudyMasks, ...]:
    """The studies of another system under the ids of the first: as it writes a participant, in its only session.

    A visit of somebody with several keeps the session that its files say.
    """
    known, own = (_grouped(side, lambda s: s.participant_id.lower()) for side in (first, studies))
    found = []
    for study in studies:
        person = study.participant_id.lower()
        theirs = known.get(person, [study])
        same = len(theirs) == len(own[person]) == 1 and not (study.session_id and theirs[0].session_id)
        session = (theirs[0].session_id or study.session_id) if same else study.session_id
        found.append(replace(study, participant_id=theirs[0].participant_id, session_id=session))
    return tuple(found)


def under_hashed_ids(sources: Sequence[MaskSource], *, known: Iterable[str], hash_key: bytes) -> tuple[MaskSource, ...]:
    """The sources under the hashed ids of `known` participants (with prefix); strangers under a hash of their own."""
    named = pl.Series([one.named or one.participant_id for one in sources], dtype=pl.String).str.strip_prefix("sub-")
    ids = matched_ids(named, known=pl.Series(list(known), dtype=pl.String).str.strip_prefix("sub-"), hash_key=hash_key)
    return tuple(replace(one, participant_id=f"sub-{who}") for one, who in zip(sources, ids, strict=True))


def _nifti_below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", hint="Check the path.", code="no_folder")
    return sorted(path for path in folder.rglob("*.nii*") if path.name.endswith(MASK_SUFFIXES) and path.is_file())


def _some(found: Sequence[MaskSource], folder: Path, what: str) -> tuple[MaskSource, ...]:
    if not found:
        raise InputError(
            f"no {what} below {folder}",
            hint="Files are NIfTI (.nii, .nii.gz); in an output folder of cinema, sub-*/ses-*/*_dseg.nii.gz.",
            code="no_masks",
        )
    return tuple(found)


def _name(path: Path, folder: Path) -> NiftiName:
    return read_name(path.relative_to(folder).as_posix())


def _may_show(path: Path, folder: Path, view: View) -> bool:
    words = _name(path, folder).words
    said = keyword(words)
    if said not in set(View) and _LONG_AXIS & set(words.lower().split()):
        return view is not View.SAX  # one of them, nobody says which
    return said == view or said not in set(View)


def _participant(name: str) -> str:
    return f"sub-{label_of(name)}"


def _source(path: Path, *, folder: Path, is_own: bool) -> MaskSource:
    name = _name(path, folder)
    session = f"ses-{name.session}" if name.session else ""
    moment = name.moment if name.moment in _MOMENTS else ""
    frame = name.number - 1 if name.moment == "frame" and name.number else None
    if not is_own:
        whose = name.participant or name.folder.rpartition("/")[2] or stem_of(path.name)
        return MaskSource(_participant(whose), session, path, moment, frame, named=whose)
    source = MaskSource(path.parent.parent.name, path.parent.name, path, moment, frame)
    record = None if moment else read_record(folder, source)
    if record is None:
        return source
    return MaskSource(
        source.participant_id,
        source.session_id,
        path,
        moment,
        frame,
        ed_frame=record.ed_frame,
        es_frame=record.es_frame,
    )


def _grouped(these: Iterable[_T], key: Callable[[_T], str]) -> dict[str, list[_T]]:
    groups: dict[str, list[_T]] = defaultdict(list)
    for one in these:
        groups[key(one)].append(one)
    return groups
