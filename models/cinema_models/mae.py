"""CineMA, the masked autoencoder: learn a heart by predicting the parts of it that were hidden."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cinema_models.downsampling import ConvStages, view_encoders, view_fusions
from cinema_models.initial import learnable_token, linear
from cinema_models.patches import patchify, pick
from cinema_models.positions import position_embedding
from cinema_models.recompute import run
from cinema_models.views import ViewGeometry, check_exact_size, check_images, check_masks, check_whole_tokens
from cinema_models.vit import CLS, Block, TransformerSize, ViTEncoder


class Reconstruction(NamedTuple):
    """What the autoencoder returns: the loss, and by view the predicted patches and the mask, True = removed.

    `predictions` are (batch, removed token, patch values), tokens in the order of the grid.
    """

    loss: Tensor
    predictions: dict[str, Tensor]
    masks: dict[str, Tensor]
    metrics: dict[str, Tensor]


def mask_from_noise(noise: Tensor, ratio: float) -> Tensor:
    """Mask (batch, token), True = removed, that keeps the int(tokens * (1 - ratio)) lowest values of each sample."""
    kept = int(noise.shape[1] * (1 - ratio))
    rank = noise.argsort(dim=1, stable=True).argsort(dim=1)
    return rank >= kept


class DecoderEmbedding(nn.Module):
    """Visible tokens with their positions, and a learned token at each removed position."""

    def __init__(self, grid: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(position_embedding(grid, width), requires_grad=False)
        self.mask_token = learnable_token(width)

    def forward(self, visible: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, visible token, width), mask (batch, token) -> visible and removed tokens, each with its position."""
        positions = self.pos_embed.expand(mask.shape[0], -1, -1)
        return visible + pick(positions, ~mask), self.mask_token + pick(positions, mask)


class Decoder(nn.Module):
    """Transformer that works out the removed tokens.

    With `cross_attention` they look at the visible tokens and not at each other; without, all tokens see each other.
    """

    def __init__(self, size: TransformerSize, *, cross_attention: bool, drop_path: float, grad_ckpt: bool) -> None:
        super().__init__()
        self.cross_attention = cross_attention
        self.grad_ckpt = grad_ckpt
        self.blocks = nn.ModuleList([Block(size.width, size.heads, drop_path=drop_path) for _ in range(size.depth)])
        self.norm = nn.LayerNorm(size.width)

    def forward(self, cls: Tensor, visible: Tensor, removed: Tensor) -> Tensor:
        """(batch, 1 | visible token | removed token, width) -> the removed tokens (batch, removed token, width)."""
        x = torch.cat([cls, removed] if self.cross_attention else [cls, visible, removed], dim=1)
        for block in self.blocks:
            x = run(block, x, visible if self.cross_attention else None, recompute=self.grad_ckpt)
        y: Tensor = self.norm(x[:, x.shape[1] - removed.shape[1] :])
        return y


class CineMA(nn.Module):
    """Masked autoencoder over any of its views together.

    `norm_target` predicts each patch normalised by its own mean and standard deviation.
    """

    def __init__(
        self,
        views: Mapping[str, ViewGeometry],
        *,
        stages: ConvStages,
        encoder: TransformerSize,
        decoder: TransformerSize,
        drop_path: float = 0.0,
        norm_target: bool = False,
        cross_attention: bool = True,
        grad_ckpt: bool = False,
    ) -> None:
        super().__init__()
        self.views = dict(views)
        self.n_stages = len(stages.chans)
        self.norm_target = norm_target
        self.enc_down_dict = view_encoders(views, stages, encoder.width, grad_ckpt=grad_ckpt)
        self.enc_fusion_dict = view_fusions(views, stages, encoder.width)
        self.encoder = ViTEncoder(encoder, drop_path=drop_path, grad_ckpt=grad_ckpt)
        self.dec_linear = linear(encoder.width, decoder.width)
        self.dec_embed_dict = nn.ModuleDict()
        self.decoder = Decoder(decoder, cross_attention=cross_attention, drop_path=drop_path, grad_ckpt=grad_ckpt)
        self.pred_head_dict = nn.ModuleDict()
        for name, view in views.items():
            self.dec_embed_dict[name] = DecoderEmbedding(view.grid(self.n_stages), decoder.width)
            values = math.prod(view.token_patch(self.n_stages)) * view.in_chans
            self.pred_head_dict[name] = linear(decoder.width, values)

    def feature_forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{view: (batch, channel, x, y[, z])} -> {"cls": (batch, 1, width), view: (batch, token, width)}, unmasked.

        Takes any of the views, at least one, of any size that is a whole number of tokens. Raises ValueError, naming
        the view, for what does not fit.
        """
        check_images(images, self.views, all_views=False)
        check_whole_tokens(images, self.views, self.n_stages)
        cls, tokens = self._encode(images, {})
        return {CLS: cls} | tokens

    def forward(
        self,
        images: Mapping[str, Tensor],
        mask_ratio: float = 0.75,
        *,
        masks: Mapping[str, Tensor] | None = None,
        noise: Mapping[str, Tensor] | None = None,
    ) -> Reconstruction:
        """Hide a share of the tokens of {view: (batch, channel, x, y[, z])} and predict their pixels.

        For the same answer every time give `masks`, {view: (batch, token)} with True = removed and as many in each
        sample, or `noise`, {view: (batch, token)} whose lowest values are kept. Raises ValueError, naming the view, for
        another size than the network's, and where a mask leaves nothing to predict, as `mask_ratio` 0 does.
        """
        check_images(images, self.views, all_views=False)
        check_exact_size(images, self.views)
        if masks is None:
            masks = self._draw_masks(images, mask_ratio, noise)
        self._check_masks(masks, images)
        masks = {view: masks[view] for view in images}
        predictions = self._decode(*self._encode(images, masks), masks)
        loss, metrics = self._loss(images, predictions, masks)
        return Reconstruction(loss, predictions, masks, metrics)

    def _draw_masks(
        self, images: Mapping[str, Tensor], ratio: float, noise: Mapping[str, Tensor] | None
    ) -> dict[str, Tensor]:
        if not 0.0 < ratio <= 1.0:
            raise ValueError(f"mask_ratio is {ratio}, not within 0..1 (0 excluded: `feature_forward` hides nothing)")
        masks = {}
        for view, image in images.items():
            tokens = math.prod(self.views[view].grid(self.n_stages))
            if noise is None:
                values = torch.rand(image.shape[0], tokens, device=image.device)
            elif view in noise and tuple(noise[view].shape) == (image.shape[0], tokens):
                values = noise[view]
            else:
                raise ValueError(f"view {view!r} needs noise of shape {(image.shape[0], tokens)}")
            masks[view] = mask_from_noise(values, ratio)
        return masks

    def _check_masks(self, masks: Mapping[str, Tensor], images: Mapping[str, Tensor]) -> None:
        check_masks(masks, images, self.views, self.n_stages)
        for view in images:
            if view not in masks:
                raise ValueError(f"view {view!r} has an image but no mask")
            removed = masks[view].sum(dim=1).tolist()
            if len(set(removed)) != 1 or removed[0] == 0:
                raise ValueError(f"the mask of view {view!r} removes {removed} tokens, not equally many and at least 1")

    def _encode(self, images: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Class token (batch, 1, width) and fused visible tokens {view: (batch, visible token, width)}."""
        tokens, skips = {}, {}
        visible = {view: ~mask for view, mask in masks.items()}
        for view, image in images.items():
            x, skips[view] = self.enc_down_dict[view](image, masks.get(view))
            tokens[view] = pick(x, visible[view]) if view in visible else x
        cls, tokens = self.encoder(tokens)
        return cls, {v: self.enc_fusion_dict[v](tokens[v], skips[v], visible.get(v)) for v in images}

    def _decode(self, cls: Tensor, tokens: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Predicted pixels {view: (batch, removed token, patch values)}."""
        pairs = [self.dec_embed_dict[view](self.dec_linear(x), masks[view]) for view, x in tokens.items()]
        visible, removed = zip(*pairs, strict=True)
        x = self.decoder(self.dec_linear(cls), torch.cat(visible, dim=1), torch.cat(removed, dim=1))
        parts = x.split([r.shape[1] for r in removed], dim=1)
        return {view: self.pred_head_dict[view](part) for view, part in zip(tokens, parts, strict=True)}

    def _loss(
        self, images: Mapping[str, Tensor], predictions: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over the views of the mean squared error on removed patches; views without a finite one do not count."""
        metrics: dict[str, Tensor] = {}
        losses = []
        for view, predicted in predictions.items():
            target = patchify(images[view], self.views[view].token_patch(self.n_stages))
            mean, std = target.mean(-1, keepdim=True), target.std(-1, keepdim=True)  # (batch, token, 1)
            metrics[f"{view}_target_mean"], metrics[f"{view}_target_std"] = mean.mean(), std.mean()
            if self.norm_target:
                target = (target - mean) / (std + 1e-6)
            target = pick(target, masks[view])
            if self.norm_target:
                metrics[f"{view}_normed_target_max"] = target.max()
                metrics[f"{view}_pred_max"] = predicted.max()
            losses.append((predicted - target).square().mean())
            metrics[f"{view}_mse_loss"] = losses[-1]
        loss = torch.stack([one for one in losses if one.isfinite()] or losses).mean()
        return loss, {name: value.detach() for name, value in metrics.items()} | {"loss": loss.detach()}
