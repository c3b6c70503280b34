"""Golden networks of the shared folder: where they are, how one is built here, and what it answers."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cinema_models.convvit import ConvViT, Reduction
from cinema_models.downsampling import ConvStages
from cinema_models.mae import CineMA
from cinema_models.resnet import ResNet
from cinema_models.unet import UNet
from cinema_models.unetr import ConvUNetR, DecoderLevels
from cinema_models.views import ViewGeometry, ViewOfAnySize
from cinema_models.vit import TransformerSize

SHARED = Path(os.environ.get("CINEMA_SHARED", Path(__file__).resolve().parents[2] / "shared"))
GOLDEN = SHARED / "golden" / "models"


def small_network(kind: str, options: Mapping[str, Any]) -> nn.Module:
    """A network of ours from the class and constructor arguments that a fixture names."""
    if kind in ("get_resnet2d", "get_resnet3d"):
        view = ViewOfAnySize(options["in_chans"], 2 if kind == "get_resnet2d" else 3)
        return ResNet("v", view, options["out_chans"], depth=options["depth"], chans=options["layer_inplanes"])
    if kind == "UNet":
        return UNet(
            "v",
            ViewOfAnySize(options["in_chans"], options["n_dims"]),
            options["out_chans"],
            chans=options["chans"],
            patch=options["patch_size"],
            scale=options["scale_factor"],
            dropout=options["dropout"],
        )
    views = {
        view: ViewGeometry(
            tuple(size),
            options["in_chans_dict"][view] * options.get("n_frames", 1),
            tuple(options["enc_patch_size_dict"][view]),
            tuple(options["enc_scale_factor_dict"][view]),
        )
        for view, size in options["image_size_dict"].items()
    }
    stages = ConvStages(tuple(options["enc_conv_chans"]), options["enc_conv_n_blocks"])
    encoder = TransformerSize(options["enc_embed_dim"], options["enc_depth"], options["enc_n_heads"])
    if kind == "CineMA":
        decoder = TransformerSize(options["dec_embed_dim"], options["dec_depth"], options["dec_n_heads"])
        return CineMA(
            views,
            stages=stages,
            encoder=encoder,
            decoder=decoder,
            norm_target=options.get("norm_target", False),
            cross_attention=options.get("cross_attn", True),
        )
    if kind == "ConvViT":
        return ConvViT(views, options["out_chans"], stages=stages, encoder=encoder, drop_path=options["drop_path"])
    assert kind == "ConvUNetR", kind
    levels = {
        view: DecoderLevels(
            tuple(options["dec_chans"]),
            tuple(options["dec_patch_size_dict"][view]),
            tuple(options["dec_scale_factor_dict"][view]),
        )
        for view in views
    }
    return ConvUNetR(
        views,
        options["out_chans"],
        stages=stages,
        encoder=encoder,
        levels=levels,
        dropout=options["dropout"],
        drop_path=options["drop_path"],
    )


def load(name: str) -> tuple[nn.Module, dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """A fixture: the network with its weights, the images, what else goes in, and what must come out."""
    folder = GOLDEN / "small" / name
    config = json.loads((folder / "config.json").read_text())
    net = small_network(config["class"], config["kwargs"])
    net.load_state_dict(load_file(folder / "weights.safetensors"), strict=True)
    inputs = tensors(folder / "input.npz")
    images = {key: value for key, value in inputs.items() if not key.startswith("_")}
    extra = {key: value for key, value in inputs.items() if key.startswith("_")}
    return net.eval(), images, extra, tensors(folder / "output.npz")


def tensors(path: Path) -> dict[str, Tensor]:
    """Every array of an npz file."""
    with np.load(path) as arrays:
        return {name: torch.from_numpy(np.asarray(arrays[name])) for name in arrays}


def answers(net: nn.Module, images: dict[str, Tensor], extra: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a fixture's network answers, under the names of its output file."""
    if isinstance(net, CineMA):
        noise = {key.removeprefix("_noise_"): value for key, value in extra.items() if key.startswith("_noise_")}
        out = net(images, float(extra["_ratio"]), noise=noise)
        return {
            "loss": out.loss,
            **{f"pred/{view}": value for view, value in out.predictions.items()},
            **{f"mask/{view}": value for view, value in out.masks.items()},
            **{f"metrics/{name}": value for name, value in out.metrics.items()},
            **{f"features/{name}": value for name, value in net.feature_forward(images).items()},
        }
    if isinstance(net, ConvViT):
        if masks := {key.removeprefix("_mask_"): value for key, value in extra.items() if key.startswith("_mask_")}:
            return {"logits_all": net(images, masks=masks)}
        logits = {f"logits_{kind}": net(images, kind) for kind in Reduction}
        return logits | {f"features/{name}": value for name, value in net.feature_forward(images).items()}
    if isinstance(net, ResNet):
        return {"logits": net(images)}
    return {f"logits/{view}": value for view, value in net(images).items()}
