"""From a study to a published network and back, with networks that read grey values or bright spots."""

import dataclasses

import numpy as np
import pytest
import torch
from disk_hearts import GREY, disk_masks, disk_study
from published_configs import SAX, with_changes
from published_configs import segmentation as segmentation_config
from scipy import ndimage
from test_published import cine_of
from torch import Tensor

from cinema_cli.domain.cine import Cine, CineStudy, View
from cinema_cli.domain.long_axis import LongAxisPoints
from cinema_cli.domain.volumes import volumes_per_frame_ml
from cinema_cli.inference.lattice import lattice_of
from cinema_cli.inference.published_run import (
    centred_view,
    coordinate_landmarks,
    heat_map_landmarks,
    segment_view,
    study_answer,
)
from cinema_cli.inference.tiles import Answer
from cinema_models.build import build


def grey_network(images: dict[str, Tensor]) -> dict[str, Tensor]:
    """Labels each voxel by the nearest grey value; takes the published sizes only."""
    greys = torch.from_numpy(GREY)
    answers = {}
    for view, image in images.items():
        assert image.dtype == torch.float32 and image.shape[1] == 1
        assert image.shape[2:] == ((192, 192, 16) if view == "sax" else (256, 256))
        levels = greys.view(1, 4, *[1] * (image.ndim - 2))
        answers[view] = -40.0 * (image - levels).abs()
    return answers


@pytest.mark.parametrize(
    ("n_slices", "slice_mm", "centre_mm"), [(8, 10.0, (95.0, 95.0)), (9, 8.0, (150.0, 70.0)), (22, 10.0, (95.0, 120.0))]
)
def test_a_painted_heart_keeps_its_volumes_and_place(
    n_slices: int, slice_mm: float, centre_mm: tuple[float, float]
) -> None:
    """Off-centre, oblique, of more slices than the network takes: found without masks, labelled and returned."""
    masks = disk_masks(n_frames=6, n_slices=n_slices, shape=(150, 170), centre_mm=centre_mm)
    study = disk_study(masks, slice_mm=slice_mm)
    seen = centred_view(study, View.SAX)
    assert seen.centre.found and seen.view.lattice.size[:2] == (192, 192)
    found = segment_view(seen.view, grey_network, frames_at_once=2)
    assert found.shape == masks.shape and found.dtype == np.uint8
    voxel_ml = study.cines[View.SAX].voxel_ml
    for label in (1, 2, 3):
        true = volumes_per_frame_ml(masks, label=label, voxel_ml=voxel_ml)
        np.testing.assert_allclose(volumes_per_frame_ml(found, label=label, voxel_ml=voxel_ml), true, rtol=0.12)
    same = 2 * np.count_nonzero((found == masks) & (masks > 0)) / (np.count_nonzero(found) + np.count_nonzero(masks))
    assert same > 0.9


def test_only_the_frames_asked_for_are_seen() -> None:
    study = disk_study(disk_masks(n_frames=6))
    seen = centred_view(study, View.SAX, frames=(0, 3))
    assert segment_view(seen.view, grey_network).shape == (2, 8, 128, 128)
    answer = study_answer([seen.view], lambda i: i["sax"].mean(dim=(2, 3, 4)), frames=(3, 0), answer=Answer.NUMBERS)
    alone = seen.view.together((3, 0)).mean(axis=(0, 2, 3, 4))
    np.testing.assert_allclose(answer, alone, rtol=1e-5)
    classes = study_answer([seen.view], lambda i: i["sax"].mean(dim=(2, 3, 4)), frames=(3, 0), answer=Answer.CLASSES)
    assert classes.sum() == pytest.approx(1.0) and classes.dtype == np.float32


def spots(*, view: View = View.LAX_4C, n_frames: int = 3) -> tuple[Cine, np.ndarray]:
    """Three bright spots that move, off the middle of an oblique image, and their places (frame, point, 3) in mm."""
    rows, columns = np.mgrid[:230, :260]
    pixels, true = [], []
    blank = cine_of(np.zeros((n_frames, 1, 230, 260)), view=view, pixel_mm=(1.3, 1.3))
    for frame in range(n_frames):
        at = np.array([[150.3 + 3.7 * frame, 60.2], [155.8 + 3.1 * frame, 92.7], [200.1, 110.4]])
        away = np.hypot(rows - at[:, :1, None], columns - at[:, 1:, None]) * 1.3
        pixels.append(1000 * np.exp(-0.5 * (away / 3.0) ** 2).sum(axis=0))
        index = np.column_stack([at[:, ::-1], np.zeros(3)])
        true.append(lattice_of(blank).point_mm(index))
    return dataclasses.replace(blank, pixels=np.stack(pixels)[:, None].astype(np.float32)), np.stack(true)


def spot_network(images: dict[str, Tensor]) -> dict[str, Tensor]:
    """Heat maps with Gaussians at the middles of the three spots, in the order in which they lie along x."""
    ((view, image),) = images.items()
    assert image.shape[1:] == (1, 256, 256)
    maps = []
    for frame in image[:, 0].numpy().astype(float):
        parts, count = ndimage.label(frame > 0.2)
        assert count == 3
        middles = np.array(sorted(ndimage.center_of_mass(frame, parts, range(1, 4))))
        away = ((np.indices((256, 256)) - middles[:, :, None, None]) ** 2).sum(axis=1)
        maps.append(np.exp(-0.5 * away / 3.0**2))
    return {view: torch.logit(torch.from_numpy(np.stack(maps)), eps=1e-6).float()}


def test_landmarks_come_back_in_patient_millimetres() -> None:
    cine, true = spots()
    study = CineStudy("sub-1", "ses-1", "1.2", {View.LAX_4C: cine})
    seen = centred_view(study, View.LAX_4C)
    found = heat_map_landmarks(seen.view, spot_network, frames_at_once=2)
    assert found.frames == (0, 1, 2) and found.peaks.shape == (3, 3)
    assert np.linalg.norm(found.points_mm - true, axis=-1).max() < 0.2
    want = LongAxisPoints(true).mapse_mm(ed_frame=0, es_frame=2)
    assert LongAxisPoints(found.points_mm).mapse_mm(ed_frame=0, es_frame=2) == pytest.approx(want, abs=0.1)

    def shares(images: dict[str, Tensor]) -> Tensor:
        index = seen.view.lattice.index(true)[: len(images["lax_4c"]), :, :2]
        return torch.from_numpy(index.reshape(-1, 6) / 256.0)

    exact = coordinate_landmarks(seen.view, shares)
    assert np.linalg.norm(exact.points_mm - true, axis=-1).max() < 1e-3 and np.isnan(exact.peaks).all()


def test_a_four_chamber_view_keeps_one_wall_and_one_cavity() -> None:
    masks = disk_masks(n_frames=2, n_slices=1)
    masks[:, :, 5:14, 100:110] = 3  # bright fat, far from the RV
    study = disk_study(masks)
    four = dataclasses.replace(study.cines[View.SAX], view=View.LAX_4C)
    seen = centred_view(CineStudy("sub-1", "ses-1", "1.2", {View.LAX_4C: four}), View.LAX_4C)
    found = segment_view(seen.view, grey_network)
    assert not (found[:, :, 5:14, 100:110] == 3).any() and (found == 3).any()


def test_a_view_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        centred_view(disk_study(disk_masks(n_frames=2)), View.LAX_2C)


def test_a_published_network_of_the_smallest_size_runs_on_a_study() -> None:
    """ConvUNetR as the published YAML describes it, tiny and untrained: sizes, axes and types fit from end to end."""
    config = with_changes(
        segmentation_config("sax", 4), {
            "model.convunetr.size": "tiny", "model.convunetr.enc_conv_chans": [4, 8],
            "model.convunetr.dec_chans": [4, 4, 8, 8, 8],
        },
    )  # fmt: skip
    assert SAX["patch_size"] == [192, 192, 16]
    torch.manual_seed(0)
    net = build(config).eval()
    study = disk_study(disk_masks(n_frames=2, n_slices=18))
    seen = centred_view(study, View.SAX, frames=(1,))
    found = segment_view(seen.view, net)
    assert found.shape == (1, 18, 128, 128) and found.max() <= 3
