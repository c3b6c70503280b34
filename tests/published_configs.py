"""The configurations published with CineMA's weights, as far as networks need them: one for each golden manifest."""

import copy
from collections.abc import Mapping
from typing import Any

Config = dict[str, Any]

SAX = {"spacing": [1.0, 1.0, 10.0], "patch_size": [192, 192, 16], "in_chans": 1}
LAX = {"spacing": [1.0, 1.0], "patch_size": [256, 256], "in_chans": 1}
ENCODER = {
    "size": "base",
    "enc_patch_size": [4, 4, 1],
    "enc_scale_factor": [2, 2, 1],
    "enc_conv_chans": [64, 128],
    "enc_conv_n_blocks": 2,
    "dropout": 0.1,
    "drop_path": 0.1,
}
CONVUNETR = ENCODER | {
    "dec_chans": [32, 64, 128, 256, 512],
    "dec_patch_size": [2, 2, 1],
    "dec_scale_factor": [2, 2, 1],
}
UNET = {"chans": [32, 64, 128, 256, 512], "dropout": 0.1, "patch_size": [2, 2, 1], "scale_factor": [2, 2, 1]}
RESNET = {"depth": 50, "layer_inplanes": [64, 128, 256, 512]}

MAE: Config = {
    "grad_ckpt": True,
    "data": {"sax": SAX, "lax": LAX},
    "train": {"enc_mask_ratio": 0.75},
    "model": {
        "size": "base",
        "views": ["sax", "lax_2c", "lax_3c", "lax_4c"],
        "patch_size": [4, 4, 1],
        "scale_factor": [2, 2, 1],
        "enc_conv_chans": [64, 128],
        "enc_conv_n_blocks": 2,
    },
}


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


def segmentation(views: str, out_chans: int, **model: Any) -> Config:
    """Masks or heat maps."""
    return {
        "task": "segmentation",
        "grad_ckpt": True,
        "data": {"sax": SAX, "lax": LAX},
        "model": {
            "name": "convunetr",
            "views": views,
            "out_chans": out_chans,
            "convunetr": CONVUNETR,
            "unet": UNET,
            **model,
        },
    }


def convvit(task: str, data: Mapping[str, Any], views: str, n_frames: int, out_chans: int | None) -> Config:
    """Classes, values or coordinates."""
    return {
        "task": task,
        "grad_ckpt": True,
        "data": {"sax": SAX, "lax": LAX, **data},
        "model": {
            "name": "convvit",
            "views": views,
            "n_frames": n_frames,
            "out_chans": out_chans,
            "convvit": ENCODER,
            "resnet": RESNET,
        },
    }


def classification(views: str, column: str, classes: list[str], **model: Any) -> Config:
    """Classes from ED and ES."""
    config = convvit("classification", {"class_column": column, column: classes}, views, 2, None)
    return with_changes(config, {f"model.{key}": value for key, value in model.items()})


ACDC = ["DCM", "HCM", "MINF", "NOR", "RV"]
MNMS = ["DCM", "HCM", "NOR", "ARV", "HHD"]
MNMS2 = ["ARR", "CIA", "FALL", "HCM", "LV", "NOR"]
VENDORS = ["GE MEDICAL SYSTEMS", "Philips Medical Systems", "SIEMENS"]
EF = {"regression_column": "ef", "ef": {"mean": 27.698811590282546, "std": 10.848138374627386}}

CONFIGS: dict[str, Config] = {
    "mae": MAE,
    "convunetr_sax": segmentation("sax", 4),
    "convunetr_lax_4c": segmentation("lax_4c", 4),
    "convunetr_landmark_lax_2c": segmentation("lax_2c", 3),
    "convunetr_landmark_lax_4c": segmentation("lax_4c", 3),
    "convunetr_emidec_sax": segmentation("sax", 5),
    "convunetr_myops2020_sax": with_changes(segmentation("sax", 6), {"data.sax.in_chans": 3}),
    "convvit_cls_sax": classification("sax", "pathology", ACDC),
    "convvit_cls_mnms_sax": classification("sax", "pathology", MNMS),
    "convvit_cls_mnms2_sax": classification("sax", "pathology", MNMS2),
    "convvit_cls_lax_4c": classification("lax_4c", "pathology", MNMS2),
    "convvit_cls_sex_sax": classification("sax", "sex", ["M", "F"]),
    "convvit_cls_vendor_sax": classification("sax", "vendor", VENDORS),
    "convvit_cls_vendor_lax_4c": classification("lax_4c", "vendor", VENDORS),
    "convvit_reg_sax": convvit("regression", EF, "sax", 2, 1),
    "convvit_reg_lax_4c": convvit("regression", EF, "lax_4c", 2, 1),
    "convvit_landmark_coord_lax_2c": convvit("regression", {}, "lax_2c", 1, 6),
    "convvit_landmark_coord_lax_4c": convvit("regression", {}, "lax_4c", 1, 6),
    "unet_sax": segmentation("sax", 4, name="unet"),
    "unet_lax_4c": segmentation("lax_4c", 4, name="unet"),
    "resnet_sax": classification("sax", "pathology", ACDC, name="resnet"),
    "resnet_lax_4c": classification("lax_4c", "pathology", MNMS2, name="resnet"),
}
