"""Studies of which published heads said something, without a network: real cards, made answers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from test_reports import a_study

from cinema_cli.commands.head_facts import head_facts
from cinema_cli.domain.cine import CineStudy, View
from cinema_cli.domain.prediction import Cell, Embedding, Prediction
from cinema_cli.domain.result import HeadUse, StudyResult
from cinema_cli.inference.answers import columns
from cinema_cli.inference.cards import PublishedCard, read_card
from cinema_cli.io.predictions import embedding_table, prediction_table
from cinema_cli.reports.cohort import CohortTables
from cinema_cli.reports.heads import HeadFacts

STARTER, MEASURES, FOUR = "starter_sax", "segmentation_mnms_sax", "segmentation_mnms2_lax_4c"
EF, CVD, HEAT, WHERE = "ef_acdc_sax", "cvd_acdc_sax", "landmark_heatmap_lax_4c", "landmark_coordinate_lax_4c"
TWO_CHAMBER, BACKBONE = "landmark_heatmap_lax_2c", "backbone"
NAMES = (STARTER, FOUR, EF, CVD, HEAT, WHERE, TWO_CHAMBER, BACKBONE)


def uses(names: Sequence[str] = NAMES, *, n_seeds: int = 3) -> tuple[HeadUse, ...]:
    """Heads in use, published ones with some of their seeds."""
    return tuple(_use(name, n_seeds) for name in names)


def facts(names: Sequence[str] = NAMES) -> tuple[HeadFacts, ...]:
    """What the cards say of these heads; the first one measures."""
    return tuple(head_facts(use, measures=k == 0) for k, use in enumerate(uses(names)))


def landmarks(head: str, n_frames: int, *, shift: float = 0.0) -> Prediction:
    """Points of the 4-chamber view of `a_study`: the annulus comes 3 mm a frame nearer to the apex, then goes back."""
    way = 3.0 * np.minimum(np.arange(n_frames), n_frames - np.arange(n_frames)) + shift
    rows = np.stack([10.0 + way / 1.5, 10.0 + way / 1.5, np.full(n_frames, 50.0)], axis=1)  # pixels of 1.5 mm
    columns = np.tile([16.0, 24.0, 20.0], (n_frames, 1))  # pixels of 1.25 mm
    frames = {}
    for k, point in enumerate(("mitral_1", "mitral_2", "apex")):
        mm = {"x": columns[:, k] * 1.25, "y": np.full(n_frames, 36.0), "z": rows[:, k] * 1.5 - 25.0}
        frames |= {f"{head}_{point}_{axis}_mm": values for axis, values in mm.items()}
        frames |= {f"{head}_{point}_row_px": rows[:, k], f"{head}_{point}_column_px": columns[:, k]}
        frames[f"{head}_{point}_disagreement_mm"] = np.full(n_frames, 1.25)
    said = {"length_ed_mm": 60.0, "length_es_mm": 51.0, "shortening_pct": 15.0, "mapse_mm": 9.0}
    return Prediction(head, {f"{head}_{name}": value for name, value in said.items()}, View.LAX_4C, frames)


def classes(head: str, likeliest: str) -> dict[str, Cell]:
    """A class with probability 0.8, the others share the rest."""
    card = read_card(head)
    assert isinstance(card, PublishedCard)
    rest = 0.2 / (len(card.answers) - 1)
    cells: dict[str, Cell] = {f"{head}_class": likeliest}
    cells |= {f"{head}_p_{name.lower()}": 0.8 if name == likeliest else rest for name in card.answers}
    return cells | {f"{head}_disagreement": 0.04}


def a_said_study(
    *, participant: str = "sub-01", n_frames: int = 6, ef: float = 27.7, likeliest: str = "HCM"
) -> tuple[CineStudy, StudyResult]:
    """`a_study` with masks and landmarks in the 4-chamber view, and answers of NAMES; it has no 2-chamber view."""
    study, result = a_study(participant=participant, n_frames=n_frames)
    areas = {"lv_ed_cm2": 40.0, "lv_es_cm2": 30.0, "lv_fac_pct": 25.0}
    said = (
        Prediction(
            FOUR, {f"{FOUR}_{name}": x for name, x in areas.items()}, View.LAX_4C,
            {f"{FOUR}_disagreement": np.full(n_frames, 0.05)},
        ),
        Prediction(EF, {f"{EF}_pct": ef, f"{EF}_disagreement": 2.5}),
        Prediction(CVD, classes(CVD, likeliest)),
        landmarks(HEAT, n_frames),
        landmarks(WHERE, n_frames, shift=2.0),
        Prediction(TWO_CHAMBER, reason="the study has no cine of the 2-chamber long axis"),
    )  # fmt: skip
    vectors: Mapping[str, np.ndarray] = {name: np.zeros(2, np.float32) for name in ("cls", "sax", "lax_4c")}
    embeddings = tuple(Embedding(BACKBONE, moment, 0, vectors) for moment in ("ed", "es"))
    masks = {**result.masks, View.LAX_4C: _four_masks(n_frames)}
    return study, replace(result, masks=masks, heads=uses(), predictions=said, embeddings=embeddings)


def a_said_cohort(tables: CohortTables) -> CohortTables:
    """The same cohort with answers of NAMES for every study."""
    people = tables.phenotypes["participant_id"].to_list()
    results = [a_said_study(participant=name, ef=20.0 + k)[1] for k, name in enumerate(people)]
    published = [card for name in NAMES if isinstance(card := read_card(name), PublishedCard)]
    cells = [column for card in published for column in columns(card)]
    return replace(
        tables,
        run=replace(tables.run, heads=facts()),
        predictions=pl.concat([prediction_table(result, cells) for result in results]).lazy(),
        embeddings=pl.concat([embedding_table(result, result.embeddings) for result in results]).lazy(),
    )


def _four_masks(n_frames: int) -> np.ndarray:
    """LV, wall and RV as boxes of the 4-chamber view."""
    masks = np.zeros((n_frames, 1, 60, 48), np.uint8)
    masks[..., 10:44, 4:14], masks[..., 10:50, 14:28], masks[..., 12:46, 17:25] = 1, 2, 3
    return masks


def _use(name: str, n_seeds: int) -> HeadUse:
    card = read_card(name)
    files = card.files[:n_seeds] if isinstance(card, PublishedCard) else ()
    return HeadUse(name, "cd" * 32, weights={file.path: f"{k}f" * 32 for k, file in enumerate(files)})
