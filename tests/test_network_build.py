"""Configurations become networks: which one, with which sizes, and what is said when they do not fit."""

from typing import Any

import pytest
import torch
from published_configs import CONFIGS, Config, tiny, with_changes
from torch import nn

from cinema_models.build import SIZES, build, data_setting
from cinema_models.convvit import ConvViT
from cinema_models.mae import CineMA
from cinema_models.resnet import ResNet
from cinema_models.unet import UNet
from cinema_models.unetr import ConvUNetR

pytestmark = pytest.mark.usefixtures("one_thread")


def images(config: Config, *views: str, batch: int = 2) -> dict[str, torch.Tensor]:
    """Noise of the size that a tiny configuration takes."""
    chans = config["model"].get("n_frames", 1) * data_setting(config, views[0], "in_chans")
    generator = torch.Generator().manual_seed(0)
    return {
        view: torch.rand(batch, chans, *((64, 32, 2) if view == "sax" else (64, 32)), generator=generator)
        for view in views
    }


def meta(config: Any) -> nn.Module:
    """The network without its weights: quick at any size."""
    with torch.device("meta"):
        return build(config)


@pytest.mark.parametrize(
    "name", ["segmentation_acdc_sax", "myops2020_sax", "segmentation_mnms2_lax_4c", "unet_sax", "unet_lax_4c"]
)
def test_masks_have_the_size_of_the_image(name: str) -> None:
    config = tiny(name)
    view = config["model"]["views"]
    given = images(config, view)
    with torch.inference_mode():
        out = build(config).eval()(given)
    assert {view: tuple(logits.shape) for view, logits in out.items()} == {
        view: (2, config["model"]["out_chans"], *given[view].shape[2:])
    }


@pytest.mark.parametrize(
    ("name", "answers"),
    [("sex_mnms_sax", 2), ("ef_mnms2_lax_4c", 1), ("landmark_coordinate_lax_2c", 6), ("resnet_sax", 5)],
)
def test_answers_are_as_many_as_the_configuration_says(name: str, answers: int) -> None:
    config = tiny(name)
    with torch.inference_mode():
        assert build(config).eval()(images(config, config["model"]["views"])).shape == (2, answers)


def test_the_autoencoder_takes_any_of_its_four_views() -> None:
    config = with_changes(tiny("backbone"), {"model.views": ["sax"]})  # which the published builder does not read
    net = build(config).eval()
    with torch.inference_mode():
        out = net(images(config, "lax_3c", "sax"))
    assert {view: tuple(p.shape) for view, p in out.predictions.items()} == {"lax_3c": (2, 6, 256), "sax": (2, 12, 256)}


def test_several_views_share_one_encoder() -> None:
    config = with_changes(
        tiny("segmentation_acdc_sax"),
        {"model.views": ["sax", "lax_4c"], "data.lax": {"patch_size": [64, 32], "in_chans": 1}},
    )
    net, given = build(config).eval(), images(config, "sax", "lax_4c")
    with torch.inference_mode():
        out = net(given)
        other = net(given | {"lax_4c": given["lax_4c"].flip(2)})
    assert {view: logits.shape[1:] for view, logits in out.items()} == {"sax": (4, 64, 32, 2), "lax_4c": (4, 64, 32)}
    assert not torch.equal(out["sax"], other["sax"])  # each view's mask depends on what the others show


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("backbone", CineMA),
        ("segmentation_acdc_sax", ConvUNetR),
        ("ef_acdc_sax", ConvViT),
        ("unet_sax", UNet),
        ("resnet_sax", ResNet),
    ],
)
def test_the_name_or_the_parts_decide_the_network(name: str, kind: type[nn.Module]) -> None:
    assert isinstance(meta(CONFIGS[name]), kind)


@pytest.mark.parametrize(
    ("name", "task", "other", "kind"),
    [
        ("segmentation_acdc_sax", "segmentation", "convvit", ConvUNetR),
        ("ef_acdc_sax", "regression", "convunetr", ConvViT),
    ],
)
def test_without_a_name_the_task_decides_and_without_both_the_part_that_is_there(
    name: str, task: str, other: str, kind: type[nn.Module]
) -> None:
    nameless = with_changes(CONFIGS[name], {"model.name": None})
    assert isinstance(meta(nameless), kind)
    assert isinstance(meta(with_changes(nameless, {"task": task, f"model.{other}": {}})), kind)


def test_sizes_are_known_by_name() -> None:
    for size, (encoder, decoder) in SIZES.items():
        net = meta(with_changes(CONFIGS["backbone"], {"model.size": size}))
        assert isinstance(net, CineMA)
        assert (len(net.encoder.blocks), net.encoder.cls_token.shape[-1]) == (encoder.depth, encoder.width)
        assert (len(net.decoder.blocks), net.dec_linear.out_features) == (decoder.depth, decoder.width)


def test_a_long_axis_view_may_have_data_of_its_own() -> None:
    config = tiny("ef_mnms2_lax_4c")
    config["data"]["lax_4c"] = config["data"].pop("lax")
    assert isinstance(build(config), ConvViT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.name": "swin"}, "unknown network 'swin': there are .*convunetr"),
        ({"model.name": None, "task": "survival"}, "unknown task 'survival'"),
        ({"model.convunetr.size": "giant"}, "unknown size 'giant': there are tiny, base, large, huge"),
        ({"model.views": "lax_5c"}, "unknown view 'lax_5c'"),
        ({"model.views": []}, "one or more different views"),
        ({"model.views": ["sax", "sax"]}, "one or more different views"),
        ({"data.sax.patch_size": [192, 190, 16]}, r"\(192, 190, 16\) is not a multiple of \(16, 16, 1\)"),
        ({"data.sax.patch_size": [192, 192]}, "2 or 3 axes"),
        ({"data.sax.patch_size": [48, 48, 16]}, r"view 'sax' has size \(48, 48, 16\), not a multiple of \(32, 32, 1\)"),
        ({"model.convunetr.dec_patch_size": [3, 3, 1]}, "never meet"),
        ({"model.convunetr.dec_scale_factor": [4, 4, 1]}, "never meet"),
        ({"model.convunetr.dec_chans": [32, 64, 128]}, "view 'sax': 3 decoder levels do not reach the tokens"),
        ({"model.convunetr.drop_path": 1.0}, "drop_path is 1.0"),
        ({"model.name": "unet", "model.views": ["sax", "lax_4c"]}, "unet takes one view"),
        ({"kind": "x"}, "unknown network 'x'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        meta(with_changes(CONFIGS["segmentation_acdc_sax"], change))


def test_a_resnet_has_one_of_the_known_depths() -> None:
    with pytest.raises(ValueError, match="no ResNet of depth 42: there are 10, 18"):
        meta(with_changes(CONFIGS["resnet_sax"], {"model.resnet.depth": 42}))


@pytest.mark.parametrize(
    "name", ["model", "data", "model.views", "model.out_chans", "model.convunetr", "data.sax", "data.sax.in_chans"]
)
def test_a_missing_setting_is_named(name: str) -> None:
    config = with_changes(CONFIGS["segmentation_acdc_sax"], {})
    *path, last = name.split(".")
    part = config
    for key in path:
        part = part[key]
    del part[last]
    with pytest.raises(KeyError, match=name):
        meta(config)
