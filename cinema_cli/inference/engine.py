"""One study in, its masks, phenotypes, predictions and checks out."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from cinema_cli.domain.checks import Evidence, not_checked, run_checks
from cinema_cli.domain.cine import CineStudy, View
from cinema_cli.domain.errors import StudyError, fault_words
from cinema_cli.domain.moments import NO_MOMENTS, shown_moments
from cinema_cli.domain.prediction import Embedding, Prediction, Task
from cinema_cli.domain.result import HeadUse, StudyResult
from cinema_cli.domain.volumes import measure, not_measured
from cinema_cli.inference.cycle import unimodality, volume_curves
from cinema_cli.inference.head import Head
from cinema_cli.inference.look import StudyLook
from cinema_cli.inference.orientation import axes_are_usual, usual_display
from cinema_cli.inference.postprocess import ring_closed
from cinema_cli.inference.segmenters import Segmentation, Segmenter

FAULTS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""Errors that nobody expected of a head; those of weights, disk and memory concern every study and go on."""


class Engine:
    """Segments and measures studies with loaded heads; holds nothing of a study between calls."""

    def __init__(self, segmenter: Segmenter, heads: Sequence[Head] = ()) -> None:
        """Measure with `segmenter`, and ask `heads`: those that segment first, as others build on masks and ED, ES."""
        self._segmenter = segmenter
        self._heads = sorted(heads, key=lambda head: (head.card.task is not Task.SEGMENTATION, head.card.name))

    @property
    def heads(self) -> tuple[HeadUse, ...]:
        """Heads in use, with the digests of their weights; the one that measures first."""
        return (self._segmenter.use, *(head.use for head in self._heads))

    def analyse(self, study: CineStudy, *, at: Callable[[str], object] = str) -> StudyResult:
        """Masks on the source grid, phenotypes with reasons, curves, checks and predictions of one study.

        `at` is told the stage that begins: segment, predict, measure.
        Raises StudyError where nothing can be said and no other head has its view: without a short-axis cine (stage
        segment) the code for which its series was rejected, or `no_sax` where there is none; `no_heart_found` where
        nothing in it looks like a left ventricle.
        """
        seconds: dict[str, float] = {}
        look = StudyLook(study)
        with _timed(seconds, "segment", at=at):
            found = self._segmented(look)
        with _timed(seconds, "predict", at=at):
            backbones = [head for head in self._heads if head.card.task is Task.EMBEDDING]
            said = [_asked(head, look) for head in self._heads if head not in backbones]
            vectors = [vector for head in backbones for vector in _embedded(head, look)]
        if isinstance(found, StudyError):
            if not any(one.study or one.frames for one in said) and not any(one.vectors for one in vectors):
                raise _not_even(found, said)
            said = [*(Prediction(card.name, reason=found.message) for card in self._segmenter.cards), *said]
        elif found.prediction:
            said = [found.prediction, *said]
        with _timed(seconds, "measure", at=at):
            result = _unmeasured(look, found) if isinstance(found, StudyError) else _measured(look, found)
        return replace(
            result, masks=look.masks, moments=look.moments, heads=self.heads, predictions=tuple(said),
            embeddings=tuple(vectors), seconds=seconds,
        )  # fmt: skip

    def _segmented(self, look: StudyLook) -> Segmentation | StudyError:
        """The short axis' labels, or why there are none: other heads may have something to say all the same."""
        if View.SAX not in look.study.cines:
            return _no_sax(look.study)
        try:
            return self._segmenter.segment(look)
        except StudyError as error:
            return error


def _no_sax(study: CineStudy) -> StudyError:
    """Why there is no short axis: what its likeliest series was rejected for, if one was found."""
    if refusal := study.refused.get(View.SAX):
        said = f"the study has no usable short-axis cine; the likeliest series was rejected: {refusal.reason}"
        return StudyError(said, stage="segment", code=refusal.code or "no_sax", hint=refusal.hint)
    visit = f"{study.participant_id}/{study.session_id}"
    hint = f"See `cinema scan --explain {visit} COHORT` for what each series was taken for; `--views` overrides it."
    return StudyError("the study has no short-axis cine", stage="segment", code="no_sax", hint=hint)


def _not_even(error: StudyError, said: Sequence[Prediction]) -> StudyError:
    """Why a study has no result at all; where heads only lack ED and ES, what would tell these."""
    waiting = [one.head for one in said if one.reason == NO_MOMENTS]
    if not waiting:
        return error
    words = f"{error.message}, and {', '.join(waiting)} cannot answer without ED and ES"
    hint = "A head that segments the 4-chamber view tells them: add `--head segmentation_mnms2_lax_4c`."
    return StudyError(words, stage=error.stage, code=error.code, hint=hint)


def _asked(head: Head, look: StudyLook) -> Prediction:
    """What a head says; a fault of one head costs its answer, not the study."""
    from cinema_cli.inference.answers import predict  # here: it needs torch, which no starter head does

    try:
        return predict(head, look)
    except StudyError as error:
        return Prediction(head.card.name, reason=f"the head failed: {error.message}", failed=True)
    except FAULTS as error:
        return Prediction(head.card.name, reason=f"the head failed: {fault_words(error)}", failed=True)


def _embedded(head: Head, look: StudyLook) -> tuple[Embedding, ...]:
    """The same of a backbone."""
    from cinema_cli.inference.answer_embedding import embeddings_said

    try:
        return embeddings_said(head, look)
    except (StudyError, *FAULTS) as error:
        words = error.message if isinstance(error, StudyError) else fault_words(error)
        reasons = {"all": f"the head failed: {words}"}
        return tuple(Embedding(head.card.name, moment, reasons=reasons) for moment in ("ed", "es"))


def _measured(look: StudyLook, found: Segmentation) -> StudyResult:
    """Phenotypes and checks from the masks on the source grid."""
    study, sax = look.study, look.study.cines[View.SAX]
    masks, ed_frame, es_frame = found.masks, found.moments.ed_frame, found.moments.es_frame
    curves = volume_curves(masks, voxel_ml=sax.voxel_ml, times_ms=sax.times_ms)
    told_ed, told_es = shown_moments(sax, ed_frame, es_frame)
    measurements = measure(
        masks, voxel_ml=sax.voxel_ml, ed_frame=told_ed, es_frame=told_es, cycle_ms=sax.cycle_ms,
        facts=study.facts,
    )  # fmt: skip
    base_first = not usual_display(sax).reverse_slices if axes_are_usual(sax) else None
    evidence = Evidence(
        masks=masks, curves=curves, ed_frame=ed_frame, es_frame=es_frame, unimodality=unimodality(curves.lv_smooth_ml),
        slice_positions_mm=sax.origins_mm @ sax.normal, base_first=base_first,
        ring_closed=ring_closed(masks), centre_found=found.centre.found, centre_sentence=found.centre.sentence,
        notes=(*sax.notes, *study.notes), has_cycle=sax.n_frames > 2 or not sax.files,
    )  # fmt: skip
    return StudyResult(
        participant_id=study.participant_id, session_id=study.session_id, study_uid=study.study_uid, facts=study.facts,
        measurements=measurements, checks=run_checks(evidence), curves=curves, masks={},
    )  # fmt: skip


def _unmeasured(look: StudyLook, error: StudyError) -> StudyResult:
    """A study whose short axis cannot be measured, but of which other heads say something."""
    study = look.study
    return StudyResult(
        participant_id=study.participant_id, session_id=study.session_id, study_uid=study.study_uid, facts=study.facts,
        measurements=not_measured(error.message, facts=study.facts), checks=not_checked(error.message), curves=None,
        masks={},
    )  # fmt: skip


@contextmanager
def _timed(seconds: dict[str, float], stage: str, *, at: Callable[[str], object]) -> Iterator[None]:
    """Say that a stage begins; add the wall time of the block to `seconds[stage]`."""
    at(stage)
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[stage] = seconds.get(stage, 0.0) + time.perf_counter() - start
