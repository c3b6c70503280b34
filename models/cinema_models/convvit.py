"""ConvViT: classes, values or coordinates from one or more views."""

from collections.abc import Mapping
from enum import StrEnum

import torch
from torch import Tensor, nn

from cinema_models.downsampling import ConvStages, view_encoders, view_fusions
from cinema_models.views import ViewGeometry, check_images, check_masks, check_whole_tokens
from cinema_models.vit import CLS, TransformerSize, ViTEncoder


class Reduction(StrEnum):
    """Whose answers are averaged: of the heads of views and class token, of the views alone, of the class token."""

    ALL = "all"
    PATCH = "patch"
    CLS = "cls"


class ConvViT(nn.Module):
    """Encoder, fusion, and linear heads: one on the mean token of each view, one on the class token.

    Frames are channels, ED before ES: the geometry's `in_chans` counts them.
    """

    def __init__(
        self,
        views: Mapping[str, ViewGeometry],
        out_chans: int,
        *,
        stages: ConvStages,
        encoder: TransformerSize,
        drop_path: float = 0.0,
        grad_ckpt: bool = False,
    ) -> None:
        super().__init__()
        self.views = dict(views)
        self.n_stages = len(stages.chans)
        self.enc_down_dict = view_encoders(views, stages, encoder.width, grad_ckpt=grad_ckpt)
        self.enc_fusion_dict = view_fusions(views, stages, encoder.width)
        self.encoder = ViTEncoder(encoder, drop_path=drop_path, grad_ckpt=grad_ckpt)
        self.pred_head_dict = nn.ModuleDict({name: nn.Linear(encoder.width, out_chans) for name in (*views, CLS)})

    def feature_forward(
        self, images: Mapping[str, Tensor], masks: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """{view: (batch, channel, x, y[, z])} -> {"cls": (batch, 1, width), view: (batch, token, width)}.

        Images may have any size that is a whole number of tokens. `masks` {view: (batch, token)}, True = removed, hide
        places from the depthwise convolutions only. Raises ValueError, naming the view, for what does not fit.
        """
        masks = masks or {}
        check_images(images, self.views, all_views=True)
        check_whole_tokens(images, self.views, self.n_stages)
        check_masks(masks, images, self.views, self.n_stages)
        tokens, skips = {}, {}
        for view, image in images.items():
            tokens[view], skips[view] = self.enc_down_dict[view](image, masks.get(view))
        cls, tokens = self.encoder(tokens)
        return {CLS: cls} | {view: self.enc_fusion_dict[view](tokens[view], skips[view]) for view in images}

    def forward(
        self,
        images: Mapping[str, Tensor],
        reduction: Reduction | str = Reduction.ALL,
        masks: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """{view: (batch, channel, x, y[, z])}, every view -> (batch, out_chans): logits, values or coordinates.

        Coordinates are fractions of the image's sides. See `feature_forward` for sizes, `masks` and errors.
        """
        reduction = Reduction(reduction)
        features = self.feature_forward(images, masks)
        heads = {view: self.pred_head_dict[view](f.mean(dim=1)) for view, f in features.items()}
        if reduction is Reduction.CLS:
            answer: Tensor = heads[CLS]
            return answer
        if reduction is Reduction.PATCH:
            del heads[CLS]
        return torch.stack(list(heads.values())).mean(dim=0)
