"""Every published network's configuration, and which golden manifest lists its weights: the cards' and a few others."""

import copy
from collections.abc import Mapping
from typing import Any

from cinema_cli.inference.cards import PublishedCard, list_cards

Config = dict[str, Any]

UNET = {"chans": [32, 64, 128, 256, 512], "dropout": 0.1, "patch_size": [2, 2, 1], "scale_factor": [2, 2, 1]}
RESNET = {"depth": 50, "layer_inplanes": [64, 128, 256, 512]}

MANIFESTS = {
    "backbone": "mae",
    "segmentation_acdc_sax": "convunetr_sax",
    "segmentation_mnms_sax": "convunetr_sax",
    "segmentation_mnms2_sax": "convunetr_sax",
    "segmentation_mnms2_lax_4c": "convunetr_lax_4c",
    "landmark_heatmap_lax_2c": "convunetr_landmark_lax_2c",
    "landmark_heatmap_lax_4c": "convunetr_landmark_lax_4c",
    "landmark_coordinate_lax_2c": "convvit_landmark_coord_lax_2c",
    "landmark_coordinate_lax_4c": "convvit_landmark_coord_lax_4c",
    "cvd_acdc_sax": "convvit_cls_sax",
    "cvd_mnms_sax": "convvit_cls_mnms_sax",
    "cvd_mnms2_sax": "convvit_cls_mnms2_sax",
    "cvd_mnms2_lax_4c": "convvit_cls_lax_4c",
    "sex_mnms_sax": "convvit_cls_sex_sax",
    "vendor_mnms2_sax": "convvit_cls_vendor_sax",
    "vendor_mnms2_lax_4c": "convvit_cls_vendor_lax_4c",
    "ef_acdc_sax": "convvit_reg_sax",
    "ef_mnms_sax": "convvit_reg_sax",
    "ef_mnms2_sax": "convvit_reg_sax",
    "ef_mnms2_lax_4c": "convvit_reg_lax_4c",
    "bmi_acdc_sax": "convvit_reg_sax",
    "age_mnms_sax": "convvit_reg_sax",
    "emidec_sax": "convunetr_emidec_sax",
    "myops2020_sax": "convunetr_myops2020_sax",
    "unet_sax": "unet_sax",
    "unet_lax_4c": "unet_lax_4c",
    "resnet_sax": "resnet_sax",
    "resnet_lax_4c": "resnet_lax_4c",
}
"""The golden manifest of each network: a card's, or one that has no card."""


def with_changes(config: Mapping[str, Any], changes: Mapping[str, Any]) -> Config:
    """A copy with other values under dotted names like `model.views`."""
    changed = copy.deepcopy(dict(config))
    for name, value in changes.items():
        *path, last = name.split(".")
        part = changed
        for key in path:
            part = part[key]
        part[last] = value
    return changed


CARDS = {card.name: card for card in list_cards() if isinstance(card, PublishedCard)}

CONFIGS: dict[str, Config] = {name: dict(card.network) for name, card in CARDS.items()}
CONFIGS |= {
    "emidec_sax": with_changes(CONFIGS["segmentation_acdc_sax"], {"model.out_chans": 5}),
    "myops2020_sax": with_changes(
        CONFIGS["segmentation_acdc_sax"], {"model.out_chans": 6, "data.sax.in_chans": 3}
    ),
    "unet_sax": with_changes(CONFIGS["segmentation_acdc_sax"], {"model.name": "unet", "model.unet": UNET}),
    "unet_lax_4c": with_changes(CONFIGS["segmentation_mnms2_lax_4c"], {"model.name": "unet", "model.unet": UNET}),
    "resnet_sax": with_changes(CONFIGS["cvd_acdc_sax"], {"model.name": "resnet", "model.resnet": RESNET}),
    "resnet_lax_4c": with_changes(CONFIGS["cvd_mnms2_lax_4c"], {"model.name": "resnet", "model.resnet": RESNET}),
}  # fmt: skip


def tiny(name: str) -> Config:
    """A published configuration with the smallest sizes and images of 64 x 32 [x 2]."""
    config = with_changes(CONFIGS[name], {})
    for group, size in (("sax", [64, 32, 2]), ("lax", [64, 32])):
        if group in config["data"]:
            config["data"][group]["patch_size"] = size
    for part in (config["model"], config["model"].get("convunetr", {}), config["model"].get("convvit", {})):
        if "size" in part:
            part |= {"size": "tiny", "enc_conv_chans": [8, 12]}
    if "convunetr" in config["model"]:
        config["model"]["convunetr"]["dec_chans"] = [4, 6, 8, 10, 12]
    if "unet" in config["model"]:
        config["model"]["unet"]["chans"] = [4, 6, 8]
    if "resnet" in config["model"]:
        config["model"]["resnet"] |= {"depth": 18, "layer_inplanes": [4, 6, 8, 10]}
    return config
