"""What the names of NIfTI files say: whose they are, which moment they show, and which hold labels."""

import hashlib
import re
from dataclasses import dataclass

from cinema_cli.io.biobank import biobank_name
from cinema_cli.io.keywords import keyword

_END = re.compile(r"(?i)\.nii(\.gz)?$")
_ENTITY = re.compile(r"(sub|ses)-([A-Za-z0-9]+)")
_SEPARATORS = re.compile(r"[_\s.]+")
_LABELS = frozenset(
    ("gt", "groundtruth", "dseg", "seg", "probseg", "segmentation", "mask", "masks", "label", "labels", "contours")
)
_FRAME = re.compile(r"(?:frame|phase)(\d*)")
_PLAIN = frozenset(  # words, not people
    ("2d", "3d", "4d", "t", "la", "lax", "img", "image", "images", "vol", "volume", "mri", "cmr", "mr", "bold")
)
NIFTI_STUDY = "nifti."  # how study uids begin that stand for those of NIfTI files


@dataclass(frozen=True, slots=True)
class NiftiName:
    """What the path of a NIfTI file says."""

    participant: str | None  # without `sub-`; None where only the folder can tell
    session: str  # without `ses-`; empty where the name does not say
    words: str  # what is left: names the view, free text
    moment: str | None  # "ed", "es" or "frame"
    number: int  # of the frame, 0 where the name does not say; ED is 1, ES is 2
    is_labels: bool
    folder: str

    @property
    def study_uid(self) -> str:
        """Stands for the StudyInstanceUID that NIfTI lacks: the same for all files of a visit."""
        whose = self.participant if self.participant is not None else f"{self.folder}/"
        return f"{NIFTI_STUDY}{_digest(whose)}" + (f".ses-{self.session}" if self.session else "")

    def series_uid(self, kind: str) -> str:
        """Stands for the SeriesInstanceUID: the ED and ES files of one stack share it."""
        said = "\0".join((self.folder, self.study_uid, self.words, kind))
        return f"2.25.{int.from_bytes(hashlib.sha256(said.encode()).digest()[:15])}"


def is_nifti(path: str) -> bool:
    """Whether a file of this name is taken for NIfTI."""
    return _END.search(path) is not None


def stem_of(path: str) -> str:
    """The name of a file without folder and ending: `sub-01_sax` of `a/sub-01_sax.nii.gz`."""
    return _END.sub("", path.rpartition("/")[2])


def session_of(study_uid: str) -> str:
    """The session that the names of a NIfTI study's files say; empty where they do not, and for DICOM."""
    return study_uid.rpartition(".ses-")[2] if study_uid.startswith(NIFTI_STUDY) and ".ses-" in study_uid else ""


def read_name(path: str) -> NiftiName:
    """What a path ("/" separated) says, by BIDS entities, else by the words of the name.

    Words before the first that is known (a view, a moment, a kind of file) name the participant:
    `patient001_ed` is of patient001, `Site1_P7_sa_ES` of Site1_P7, `la_4ch` of whoever the folder is named after.
    """
    folder, stem = path.rpartition("/")[0], stem_of(path)
    entities = {kind: value for part in (folder, stem) for kind, value in _ENTITY.findall(part)}
    is_bids = "sub" in entities
    before: list[str] = []
    words: list[str] = []
    moment, number, is_labels = None, 0, False
    for word in filter(None, _SEPARATORS.split(stem)):
        said = word.rpartition("-")[2].lower()
        if _ENTITY.fullmatch(word):
            continue
        frame = _FRAME.fullmatch(said)
        if said in ("ed", "es"):
            moment, number = said, 1 if said == "ed" else 2
        elif frame:
            moment, number = moment or "frame", int(frame[1] or 0)
        elif said in _LABELS:
            is_labels = True
        elif is_bids or words or moment or said in _PLAIN or keyword(word):
            words.append(word)
            continue
        else:
            before.append(word)
            continue
        words += [] if moment or is_labels else [word]
    participant = entities.get("sub") or "_".join(before) or None
    named = biobank_name(participant or "")
    session = entities.get("ses", "")
    if named:
        participant, session = named.participant, named.instance
    return NiftiName(participant, session, " ".join(words), moment, number, is_labels, folder)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
