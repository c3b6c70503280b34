"""From a study to a published network and back, with networks that read grey values or bright spots."""

import dataclasses

import numpy as np
import pytest
import torch
from disk_hearts import GREY, disk_masks, disk_study
from published_configs import CONFIGS, with_changes
from scipy import ndimage
from test_published import cine_of
from torch import Tensor

from cinema_cli.domain.cine import Cine, CineStudy, View
from cinema_cli.domain.long_axis import LongAxisPoints
from cinema_cli.domain.volumes import volumes_per_frame_ml
from cinema_cli.inference.lattice import lattice_of
from cinema_cli.inference.look import StudyLook
from cinema_cli.inference.published_run import (
    coordinate_landmarks,
    embed,
    heat_map_landmarks,
    segment_view,
    study_answers,
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
    look = StudyLook(study)
    assert look.centre(View.SAX).found and look.prepared(View.SAX).lattice.size[:2] == (192, 192)
    seen = segment_view(look.prepared(View.SAX), [grey_network], frames_at_once=2)
    found = seen.labels
    assert found.shape == masks.shape and found.dtype == np.uint8 and np.isnan(seen.disagreement).all()
    voxel_ml = study.cines[View.SAX].voxel_ml
    for label in (1, 2, 3):
        true = volumes_per_frame_ml(masks, label=label, voxel_ml=voxel_ml)
        np.testing.assert_allclose(volumes_per_frame_ml(found, label=label, voxel_ml=voxel_ml), true, rtol=0.12)
    same = 2 * np.count_nonzero((found == masks) & (masks > 0)) / (np.count_nonzero(found) + np.count_nonzero(masks))
    assert same > 0.9


def test_only_the_frames_asked_for_are_seen() -> None:
    study = disk_study(disk_masks(n_frames=6))
    view = StudyLook(study).prepared(View.SAX, frames=(3, 0))
    assert segment_view(view, [grey_network]).labels.shape == (2, 8, 128, 128)
    frames = {View.SAX: (3, 0)}
    networks = [lambda i: i["sax"].mean(dim=(2, 3, 4)), lambda i: 3 * i["sax"].mean(dim=(2, 3, 4))]  # two seeds
    numbers = study_answers([view], networks, frames=frames, answer=Answer.NUMBERS)
    alone = view.together((3, 0)).mean(axis=(0, 2, 3, 4))
    np.testing.assert_allclose(numbers, [alone, 3 * alone], rtol=1e-5)
    classes = study_answers([view], networks, frames=frames, answer=Answer.CLASSES)
    np.testing.assert_allclose(classes.sum(axis=1), 1.0, rtol=1e-6)
    assert classes.dtype == np.float32


def test_networks_are_averaged_and_say_how_far_they_are_apart() -> None:
    """Three seeds of which one takes the blood for muscle: outvoted, but not unheard."""
    view = StudyLook(disk_study(disk_masks(n_frames=2))).prepared(View.SAX)

    def wrong(images: dict[str, Tensor]) -> dict[str, Tensor]:
        return {v: answer[:, [0, 1, 3, 2]] for v, answer in grey_network(images).items()}

    alone = segment_view(view, [grey_network])
    agreed = segment_view(view, [grey_network] * 3)
    outvoted = segment_view(view, [grey_network, wrong, grey_network])
    np.testing.assert_array_equal(agreed.labels, alone.labels)
    assert (outvoted.labels == alone.labels).mean() > 0.998  # at borders no seed is sure
    assert (agreed.disagreement == 0).all()
    heart = np.count_nonzero(alone.labels, axis=(1, 2, 3))
    apart = np.count_nonzero(alone.labels >= 2, axis=(1, 2, 3)) / heart
    np.testing.assert_allclose(outvoted.disagreement, apart, atol=0.05)


def test_a_moment_is_embedded_as_means_over_tokens() -> None:
    study = disk_study(disk_masks(n_frames=3))
    view = StudyLook(study).prepared(View.SAX, frames=(2,))

    def features(images: dict[str, Tensor]) -> dict[str, Tensor]:
        tokens = images["sax"].flatten(1)[:, :6].reshape(1, 3, 2)
        return {"cls": tokens[:, :1], "sax": tokens}

    found = embed([view], features, frames={View.SAX: 2})
    six = view.together((2,))[0].ravel()[:6].reshape(3, 2)
    np.testing.assert_allclose(found["sax"], six.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["cls"], six[0], rtol=1e-6)
    with pytest.raises(ValueError):
        embed([view], features, frames={View.SAX: 1})


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
    view = StudyLook(study).prepared(View.LAX_4C)
    found = heat_map_landmarks(view, [spot_network], frames_at_once=2)
    assert found.peaks.shape == (3, 3) and np.isnan(found.spread_mm).all()
    assert np.linalg.norm(found.points_mm - true, axis=-1).max() < 0.2
    want = LongAxisPoints(true).mapse_mm(ed_frame=0, es_frame=2)
    assert LongAxisPoints(found.points_mm).mapse_mm(ed_frame=0, es_frame=2) == pytest.approx(want, abs=0.1)

    def shares(images: dict[str, Tensor]) -> Tensor:
        index = view.lattice.index(true)[: len(images["lax_4c"]), :, :2]
        return torch.from_numpy(index.reshape(-1, 6) / 256.0)

    exact = coordinate_landmarks(view, [shares])
    assert np.linalg.norm(exact.points_mm - true, axis=-1).max() < 1e-3 and np.isnan(exact.peaks).all()
    apart = coordinate_landmarks(view, [shares, lambda images, near=shares: near(images) + 2 / 256])  # 2 voxels off
    np.testing.assert_allclose(apart.spread_mm, np.sqrt(2.0), atol=1e-3)
    middle = view.lattice.point_mm(view.lattice.index(true) + np.array([1.0, 1.0, 0.0]))
    assert np.linalg.norm(apart.points_mm - middle, axis=-1).max() < 1e-3


def test_a_four_chamber_view_keeps_one_wall_and_one_cavity() -> None:
    masks = disk_masks(n_frames=2, n_slices=1)
    masks[:, :, 5:14, 100:110] = 3  # bright fat, far from the RV
    study = disk_study(masks)
    four = dataclasses.replace(study.cines[View.SAX], view=View.LAX_4C)
    look = StudyLook(CineStudy("sub-1", "ses-1", "1.2", {View.LAX_4C: four}))
    found = segment_view(look.prepared(View.LAX_4C), [grey_network]).labels
    assert not (found[:, :, 5:14, 100:110] == 3).any() and (found == 3).any()


def test_a_view_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        StudyLook(disk_study(disk_masks(n_frames=2))).prepared(View.LAX_2C)


def test_a_published_network_of_the_smallest_size_runs_on_a_study() -> None:
    """ConvUNetR as the published YAML describes it, tiny and untrained: sizes, axes and types fit from end to end."""
    config = with_changes(
        CONFIGS["segmentation_acdc_sax"], {
            "model.convunetr.size": "tiny", "model.convunetr.enc_conv_chans": [4, 8],
            "model.convunetr.dec_chans": [4, 4, 8, 8, 8],
        },
    )  # fmt: skip
    assert config["data"]["sax"]["patch_size"] == [192, 192, 16]
    torch.manual_seed(0)
    net = build(config).eval()
    study = disk_study(disk_masks(n_frames=2, n_slices=18))
    found = segment_view(StudyLook(study).prepared(View.SAX, frames=(1,)), [net]).labels
    assert found.shape == (1, 18, 128, 128) and found.max() <= 3
