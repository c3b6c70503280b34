"""Frame by frame, what was predicted beside what is true, on one grid: from the files of a visit."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cinema_cli.analysis.evaluation.grids import OTHER_GRID, labels_on
from cinema_cli.analysis.evaluation.pairs import MaskSource, StudyMasks
from cinema_cli.analysis.evaluation.table import Note
from cinema_cli.domain.cine import Label
from cinema_cli.domain.errors import InputError
from cinema_cli.domain.mask_stack import MaskStack, spacing_of
from cinema_cli.io.contours import read_contours
from cinema_cli.io.label_maps import UNKNOWN_LABELS, LabelMap
from cinema_cli.io.mask_files import read_mask

ED, ES = "ed", "es"
Read = tuple[MaskSource, MaskStack]
Place = tuple[MaskSource, int]  # which frame of a file
Masks = NDArray[np.uint8]  # (slice, row, column), domain.cine.Label


@dataclass(frozen=True, slots=True, eq=False)
class ComparedFrame:
    """One moment of one visit; `note` says why there is nothing to compare, `reason` in words."""

    frame: str  # ed, es, a number from 0, or empty where nothing says which
    note: Note = Note.NONE
    reason: str = ""
    prediction: Masks = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))  # on the grid of the reference
    reference: Masks = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))
    known: Mapping[Label, NDArray[np.bool_]] = field(default_factory=dict)  # class -> (slice,): to be compared there
    affine_ras: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))  # of the grid of the reference
    of_prediction: Place | None = None
    of_reference: Place | None = None

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Spacing in array order (slice, row, column)."""
        return spacing_of(self.affine_ras)


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """One frame of a file that shows something."""

    source: MaskSource
    stack: MaskStack
    at: int  # which frame of the file
    moment: str  # ed, es or empty
    place: int | None  # in the cine, from 0

    @property
    def frame(self) -> str:
        return self.moment or ("" if self.place is None else str(self.place))


def compared_frames(
    study: StudyMasks, *, prediction_labels: LabelMap, reference_labels: LabelMap
) -> tuple[ComparedFrame, ...]:
    """Every frame that the reference knows beside the prediction of it, and what has no partner or cannot be compared.

    Where names say neither ED nor ES, ED is the frame of several in which the left ventricle is largest, ES that where
    it is smallest: of the reference, and of a predicted cine without a record. A frame whose place in the cine is known
    is compared with the same frame of a predicted cine, whatever that takes for ED.
    Raises InputError for labels that nobody explained; other faults of a file become frames with a note.
    """
    predictions, lost = _read_all(study.predictions, prediction_labels)
    references, broken = _read_all(study.references, reference_labels)
    found = [*lost, *broken]
    wanted = _named([moment for one in references for moment in _moments(one)])
    if not study.references or (predictions and not wanted and not broken):
        return (*found, *(ComparedFrame(s.moment, Note.NO_REFERENCE) for s, _ in predictions))
    used: set[int] = set()
    for reference in wanted:
        partner = _partner(reference, predictions)
        if partner is not None:
            used.add(partner[0])
            found.append(_compared(reference, predictions[partner[0]], at=partner[1]))
        elif not lost:
            known = _known(reference, prediction_labels.classes)
            found.append(ComparedFrame(reference.frame, Note.NO_PREDICTION, known=known))
    if not broken:
        found += [_alone(one) for k, one in enumerate(predictions) if k not in used]
    return tuple(found)


def _read_all(sources: Sequence[MaskSource], labels: LabelMap) -> tuple[list[Read], list[ComparedFrame]]:
    """What could be read, and a frame for each file that could not."""
    read: list[Read] = []
    lost: list[ComparedFrame] = []
    for source in sources:
        try:
            read.append((source, _read(source, labels)))
        except InputError as error:
            if error.code == UNKNOWN_LABELS:
                raise
            lost.append(ComparedFrame(source.moment, Note.UNREADABLE, error.message))
    return read, lost


def _read(source: MaskSource, labels: LabelMap) -> MaskStack:
    if not source.is_contours:
        return read_mask(source.path, labels=labels)
    if source.images is None:
        raise InputError(f"the images that the contours of {source.path.name} were drawn on were not found")
    return read_contours(source.path, images=source.images)


def _moments(read: Read) -> Iterator[_Moment]:
    """The frames of a file in which something is known."""
    source, stack = read
    if stack.n_frames == 1:
        yield _Moment(source, stack, 0, source.moment, source.frame)
        return
    known = np.any([where.any(axis=1) for where in stack.known.values()], axis=0)
    for at in np.flatnonzero(known).tolist():
        yield _Moment(source, stack, at, "", at)


def _named(moments: Sequence[_Moment]) -> list[_Moment]:
    """Frames with ED and ES named by the size of the left ventricle, where there are several and no name says it."""
    if len(moments) < 2 or any(one.moment for one in moments):
        return list(moments)
    volumes = [_size(one.stack, one.at) for one in moments]
    ed, es = int(np.argmax(volumes)), int(np.argmin(volumes))
    if volumes[ed] == volumes[es]:
        return list(moments)
    return [replace(one, moment={ed: ED, es: ES}.get(k, "")) for k, one in enumerate(moments)]


def _size(stack: MaskStack, at: int) -> int:
    """Voxels of the left ventricle in a frame, or of everything where it is not among the classes."""
    labels = stack.labels[at]
    return int(np.count_nonzero(labels == Label.LV if Label.LV in stack.known else labels))


def _partner(reference: _Moment, predictions: Sequence[Read]) -> tuple[int, int] | None:
    """Which prediction shows the moment of a reference, and in which of its frames."""
    for k, (source, stack) in enumerate(predictions):
        if stack.n_frames == 1:
            names = (source.moment, source.frame)
            by_place = source.frame is not None and source.frame == reference.place
            if by_place or (source.moment and source.moment == reference.moment) or names == ("", reference.place):
                return k, 0
        elif reference.stack.n_frames not in (1, stack.n_frames):
            return k, 0  # to be refused
        elif reference.place is not None:
            if reference.place < stack.n_frames:
                return k, reference.place
        elif reference.moment:
            return k, _own_frame(source, stack, reference.moment)
    return None


def _own_frame(source: MaskSource, stack: MaskStack, moment: str) -> int:
    """The frame that a predicted cine takes for ED or ES."""
    recorded = source.ed_frame if moment == ED else source.es_frame
    if recorded is not None and recorded < stack.n_frames:
        return recorded
    sizes = [_size(stack, at) for at in range(stack.n_frames)]
    return int(np.argmax(sizes) if moment == ED else np.argmin(sizes))


def _known(reference: _Moment, classes: Collection[Label]) -> dict[Label, NDArray[np.bool_]]:
    """The classes that the reference knows in its frame and the prediction has: class -> (slice,)."""
    known = {label: where[reference.at] for label, where in reference.stack.known.items() if label in classes}
    return {label: slices for label, slices in known.items() if slices.any()}


def _compared(reference: _Moment, read: Read, *, at: int) -> ComparedFrame:
    source, prediction = read
    known = _known(reference, prediction.known)
    frames = (prediction.n_frames, reference.stack.n_frames)
    try:
        if min(frames) > 1 and frames[0] != frames[1]:
            said = f"the prediction has {frames[0]} frames, the reference {frames[1]}"
            raise InputError(said, code=OTHER_GRID)
        one = MaskStack(prediction.labels[at : at + 1], prediction.affine_ras, prediction.known)
        placed = labels_on(reference.stack, one)[0]
    except InputError as error:
        return ComparedFrame(reference.frame, Note.OTHER_GRID, error.message, known=known)
    return ComparedFrame(
        reference.frame,
        prediction=placed,
        reference=reference.stack.labels[reference.at],
        known=known,
        affine_ras=reference.stack.affine_ras,
        of_prediction=(source, at),
        of_reference=(reference.source, reference.at),
    )


def _alone(prediction: Read) -> ComparedFrame:
    source, _ = prediction
    return ComparedFrame(source.moment or ("" if source.frame is None else str(source.frame)), Note.NO_REFERENCE)
