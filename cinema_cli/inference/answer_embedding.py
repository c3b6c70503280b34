"""The backbone's view of a study: pooled vectors at ED and at ES, of all the views that are there together."""

from typing import cast

from cinema_cli.domain.moments import NO_MOMENTS, shown_moments
from cinema_cli.domain.prediction import Embedding
from cinema_cli.domain.volumes import NO_FRAME
from cinema_cli.inference.head import Head
from cinema_cli.inference.look import StudyLook
from cinema_cli.inference.published_run import Features, embed

CLS = "cls"


def embeddings_said(head: Head, look: StudyLook) -> tuple[Embedding, ...]:
    """A row for ED and one for ES: the class token over all views, and the mean over the tokens of each view."""
    moments, views = look.moments, [view for view in head.card.views if view in look.study.cines]
    if moments is None:
        return tuple(Embedding(head.name, moment, reasons={CLS: NO_MOMENTS}) for moment in ("ed", "es"))
    told = shown_moments(look.study.cines[moments.view], moments.ed_frame, moments.es_frame)
    frames = {view: moments.frames(look.study, view) for view in views}
    seen = [look.prepared(view, frames=frames[view]) for view in views]
    reasons = {view: look.missing([view]) for view in head.card.views if view not in views}
    (network,) = head.networks
    features = cast(Features, network.feature_forward)
    return tuple(
        Embedding(head.name, moment, reasons={CLS: NO_FRAME[moment]})
        if frame is None
        else Embedding(
            head.name, moment, frame,
            embed(seen, features, frames={v: f[k] for v, f in frames.items()}, device=str(head.device)),
            {str(view): why for view, why in reasons.items()},
        )
        for k, (moment, frame) in enumerate(zip(("ed", "es"), told, strict=True))
    )  # fmt: skip
