"""Images whose files were cut short: their headers say where they belong, so a stack names exactly what it lacks."""

from dataclasses import replace

import numpy as np
import polars as pl

from cinema_cli.domain.cine import Note
from cinema_cli.io.frames import FramePlan
from cinema_cli.io.passes import Columns
from cinema_cli.io.refusals import MOST_LOST_OF_SLICE

Places = tuple[tuple[int, int], ...]  # (slice, frame) of images
_NAMED = 5  # images named one by one


def without_spoilt_copies(instances: pl.DataFrame) -> pl.DataFrame:
    """Rows of one study without those cut short of which the same image lies whole in another file."""
    if instances["defect"].null_count() == instances.height:
        return instances
    image = ["sop_uid", "frame_item"]
    cut = instances.filter(pl.col("defect").is_not_null())
    whole = instances.filter(pl.col("defect").is_null())
    return pl.concat([whole, cut.join(whole.select(image), on=image, how="anti")])


def set_aside(plan: FramePlan, table: Columns) -> tuple[FramePlan, Places]:
    """The plan with a hole for each moment that an image shows which was cut short (its time is known and stays), and
    which these are."""
    defect = np.array([*(defect is not None for defect in table["defect"]), False])  # the last for -1: no image
    cut = defect[plan.rows] | defect[plan.later]
    if not cut.any():
        return plan, ()
    places = tuple((int(s), int(f)) for s, f in np.argwhere(cut))
    return replace(plan, rows=np.where(cut, -1, plan.rows), later=np.where(cut, -1, plan.later)), places


def truncated_refusal(refusal: Note | None, plan: FramePlan, cut: Places) -> Note | None:
    """A refusal for missing frames in the words that fit where files were cut short; any other as it is."""
    if refusal is None or refusal.code != "missing_frames" or not cut:
        return refusal
    n_missing, n_all = len(plan.missing), plan.rows.size
    where = ", ".join(f"slice {s + 1} frame {f + 1}" for s, f in cut[:_NAMED])
    more = f" and {len(cut) - _NAMED} more" if len(cut) > _NAMED else ""
    said = f"{len(cut)} of its {n_all} images {'is' if len(cut) == 1 else 'are'} truncated ({where}{more})"
    if len(cut) == n_all:
        said = f"all of its {n_all} images are truncated"
    if n_missing > len(cut):
        said += f" and {n_missing - len(cut)} further frames are missing"
    said += ": the copy is incomplete"
    if not plan.unknown and (plan.rows < 0).sum(axis=1).max() <= MOST_LOST_OF_SLICE * plan.rows.shape[1]:
        said += f"; --allow-missing-frames {n_missing} interpolates them"
    return Note("truncated", said)
