"""A published head as what labels the short axis and measures."""

from dataclasses import replace

from cinema_cli.domain.cine import View
from cinema_cli.inference.answer_masks import moments_of, see_labels, sizes_said
from cinema_cli.inference.head import Head
from cinema_cli.inference.look import StudyLook
from cinema_cli.inference.segmenters import Segmentation, kept, nothing_found


class PublishedSegmenter:
    """A published head, whose crop lies round the heart as motion and planes tell it."""

    def __init__(self, head: Head) -> None:
        """Use a head whose task is to segment the short axis."""
        self._head, self.use = head, head.use
        self.cards = (head.card,)

    def segment(self, look: StudyLook) -> Segmentation:
        """Labels of every frame, as `Segmenter` says."""
        centre = look.centre(View.SAX)
        seen = see_labels(self._head, look)
        moments = moments_of(look.study.cines[View.SAX], seen.labels)
        if moments is None:
            raise nothing_found()
        found = kept(look, Segmentation(seen.labels, moments, centre))
        return replace(found, prediction=sizes_said(self._head, look, seen))
