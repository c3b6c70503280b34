"""From a configuration to a module: the only file that knows sizes."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from cinema_models.convvit import ConvViT
from cinema_models.downsampling import ConvStages
from cinema_models.mae import CineMA
from cinema_models.resnet import ResNet
from cinema_models.stack_unet import StackUNet
from cinema_models.unet import UNet
from cinema_models.unetr import ConvUNetR, DecoderLevels
from cinema_models.views import ViewGeometry, ViewOfAnySize
from cinema_models.vit import TransformerSize

Config = Mapping[str, Any]

VIEWS = {"sax": 3, "lax_2c": 2, "lax_3c": 2, "lax_4c": 2}
"""The views of published networks and their axes."""

SIZES = {
    "tiny": (TransformerSize(16, 1, 2), TransformerSize(16, 1, 2)),
    "base": (TransformerSize(768, 12, 12), TransformerSize(512, 8, 16)),
    "large": (TransformerSize(1024, 24, 16), TransformerSize(512, 8, 16)),
    "huge": (TransformerSize(1280, 32, 16), TransformerSize(512, 8, 16)),
}
"""The transformers by name: the encoder that all networks share, and the masked autoencoder's decoder."""


def build(config: Config) -> nn.Module:
    """Build the network that `config` describes, with fresh weights.

    `config` is a card's network table, whose `kind` names it, or the YAML published with CineMA's weights as a plain
    dict. There `model.name` decides, without it `task`, without both the part that `model` has: `convunetr`, `convvit`,
    or none, which is the masked autoencoder. Raises ValueError for an unknown network, view or size and for settings
    that do not fit each other, KeyError with the full name of a setting that is missing.
    """
    name = network_name(config)
    if name not in BUILDERS:
        raise ValueError(f"unknown network {name!r}: there are {', '.join(BUILDERS)}")
    return BUILDERS[name](config)


def network_name(config: Config) -> str:
    """Which of `BUILDERS` a configuration asks for."""
    if "kind" in config:
        return str(config["kind"])
    model = setting(config, "model")
    if model.get("name") is not None:
        return str(model["name"])
    by_task = {"segmentation": "convunetr", "classification": "convvit", "regression": "convvit"}
    if (task := config.get("task")) is not None:
        if task not in by_task:
            raise ValueError(f"unknown task {task!r}: there are {', '.join(by_task)}")
        return by_task[task]
    return next((name for name in ("convunetr", "convvit") if name in model), "cinema")


def setting(config: Config, name: str) -> Any:
    """The value of a dotted name like `model.convvit.size`; KeyError with the whole name if it is not there."""
    value: Any = config
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise KeyError(f"the configuration has no {name}")
        value = value[part]
    return value


def stack_unet(config: Config) -> StackUNet:
    """The starter head's network: `in_chans`, `out_chans`, `widths`, `fold` and `mix_from`."""
    return StackUNet(
        config["in_chans"],
        config["out_chans"],
        tuple(config["widths"]),
        fold=config["fold"],
        mix_from=config["mix_from"],
    )


def cinema(config: Config) -> CineMA:
    """The masked autoencoder, of all four views whatever `model.views` says, as published."""
    encoder, decoder = transformer_sizes(config, "model")
    return CineMA(
        {view: geometry(config, view, "model.") for view in VIEWS},
        stages=conv_stages(config, "model"),
        encoder=encoder,
        decoder=decoder,
        grad_ckpt=grad_ckpt(config),
    )


def convunetr(config: Config) -> ConvUNetR:
    """Masks or heat maps."""
    part = "model.convunetr"
    views = {view: geometry(config, view, f"{part}.enc_") for view in model_views(config)}
    levels = {
        view: DecoderLevels(
            tuple(setting(config, f"{part}.dec_chans")),
            per_axis(config, f"{part}.dec_patch_size", view),
            per_axis(config, f"{part}.dec_scale_factor", view),
        )
        for view in views
    }
    return ConvUNetR(
        views,
        setting(config, "model.out_chans"),
        stages=conv_stages(config, part),
        encoder=transformer_sizes(config, part)[0],
        levels=levels,
        dropout=setting(config, f"{part}.dropout"),
        drop_path=setting(config, f"{part}.drop_path"),
        grad_ckpt=grad_ckpt(config),
    )


def convvit(config: Config) -> ConvViT:
    """Classes, values or coordinates; frames are channels."""
    part = "model.convvit"
    frames = setting(config, "model.n_frames")
    return ConvViT(
        {view: geometry(config, view, f"{part}.enc_", frames) for view in model_views(config)},
        answers(config),
        stages=conv_stages(config, part),
        encoder=transformer_sizes(config, part)[0],
        drop_path=setting(config, f"{part}.drop_path"),
        grad_ckpt=grad_ckpt(config),
    )


def unet(config: Config) -> UNet:
    """Masks by the baseline."""
    view = only_view(config)
    return UNet(
        view,
        ViewOfAnySize(data_setting(config, view, "in_chans"), VIEWS[view]),
        setting(config, "model.out_chans"),
        chans=tuple(setting(config, "model.unet.chans")),
        patch=per_axis(config, "model.unet.patch_size", view),
        scale=per_axis(config, "model.unet.scale_factor", view),
        dropout=setting(config, "model.unet.dropout"),
        grad_ckpt=grad_ckpt(config),
    )


def resnet(config: Config) -> ResNet:
    """Classes or values by the baseline; `grad_ckpt` has no effect, as batch statistics must be seen once."""
    view = only_view(config)
    in_chans = setting(config, "model.n_frames") * data_setting(config, view, "in_chans")
    return ResNet(
        view,
        ViewOfAnySize(in_chans, VIEWS[view]),
        answers(config),
        depth=setting(config, "model.resnet.depth"),
        chans=tuple(setting(config, "model.resnet.layer_inplanes")),
    )


BUILDERS: dict[str, Callable[[Config], nn.Module]] = {
    "stack_unet": stack_unet,
    "cinema": cinema,
    "convunetr": convunetr,
    "convvit": convvit,
    "unet": unet,
    "resnet": resnet,
}
"""Every network by its name."""


def model_views(config: Config) -> list[str]:
    """`model.views`, one name or several; ValueError for none, unknown or repeated ones."""
    views = setting(config, "model.views")
    views = [views] if isinstance(views, str) else list(views)
    for view in views:
        if view not in VIEWS:
            raise ValueError(f"unknown view {view!r}: there are {', '.join(VIEWS)}")
    if not views or len(set(views)) != len(views):
        raise ValueError(f"model.views is {views}: it must be one or more different views")
    return views


def only_view(config: Config) -> str:
    """The one view of a baseline; ValueError for several."""
    views = model_views(config)
    if len(views) != 1:
        raise ValueError(f"model.views is {views}, but {network_name(config)} takes one view")
    return views[0]


def data_setting(config: Config, view: str, name: str) -> Any:
    """What `data` says of a view: under data.sax, or data.lax and without it data.lax_2c and so on."""
    group = view.split("_")[0]
    return setting(config, f"data.{group if group in setting(config, 'data') else view}.{name}")


def per_axis(config: Config, name: str, view: str) -> tuple[int, ...]:
    """A setting of one number an axis, given for (x, y, z) and cut to (x, y) for long-axis views."""
    return tuple(setting(config, name))[: VIEWS[view]]


def geometry(config: Config, view: str, prefix: str, frames: int = 1) -> ViewGeometry:
    """A view's geometry; `prefix` stands before `patch_size` and `scale_factor`."""
    return ViewGeometry(
        size=tuple(data_setting(config, view, "patch_size")),
        in_chans=frames * data_setting(config, view, "in_chans"),
        patch=per_axis(config, f"{prefix}patch_size", view),
        scale=per_axis(config, f"{prefix}scale_factor", view),
    )


def conv_stages(config: Config, part: str) -> ConvStages:
    """The encoder's convolution stages."""
    return ConvStages(
        tuple(setting(config, f"{part}.enc_conv_chans")), n_blocks=setting(config, f"{part}.enc_conv_n_blocks")
    )


def transformer_sizes(config: Config, part: str) -> tuple[TransformerSize, TransformerSize]:
    """Encoder and decoder of the named size."""
    size = setting(config, f"{part}.size")
    if size not in SIZES:
        raise ValueError(f"unknown size {size!r}: there are {', '.join(SIZES)}")
    return SIZES[size]


def answers(config: Config) -> int:
    """Numbers that a classifier or regressor returns: one a class, one value, or `model.out_chans`."""
    data = setting(config, "data")
    if (column := data.get("class_column")) is not None:
        return len(setting(config, f"data.{column}"))
    if data.get("regression_column") is not None:
        return 1
    return int(setting(config, "model.out_chans"))


def grad_ckpt(config: Config) -> bool:
    """Whether training calculates again what it did not keep."""
    return bool(config.get("grad_ckpt", False))
