"""ConvUNetR: masks or heat maps at full resolution from the shared encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from cinema_models.blocks import CONV, ConvRes, Norm, laid_out_as, tiling_conv, tiling_up
from cinema_models.downsampling import ConvStages, view_encoders
from cinema_models.recompute import run
from cinema_models.views import ViewGeometry, check_exact_size, check_images
from cinema_models.vit import TransformerSize, ViTEncoder


@dataclass(frozen=True, slots=True)
class DecoderLevels:
    """Channels of the up-sampling decoder from fine to coarse; level i has pixels of patch * scale ** i."""

    chans: tuple[int, ...]
    patch: tuple[int, ...]
    scale: tuple[int, ...]

    def bare(self, view: ViewGeometry) -> int:
        """How many of the finest levels have no skip, being finer than the encoder's first stage.

        Raises ValueError where levels and encoder never meet.
        """
        for level in range(len(self.chans)):
            if self.scale == view.scale and self.pixels(level) == view.patch:
                return level
        raise ValueError(f"decoder patch {self.patch} and scale {self.scale} never meet {view.patch} and {view.scale}")

    def below_tokens(self, name: str, view: ViewGeometry, stages: int) -> int:
        """How many levels are coarser than the tokens.

        Raises ValueError, naming the view, where tokens have no level or the image does not divide to the last one.
        """
        below = len(self.chans) - self.bare(view) - stages - 1
        if below < 0:
            raise ValueError(f"view {name!r}: {len(self.chans)} decoder levels do not reach the tokens")
        last = self.pixels(len(self.chans) - 1)
        if any(n % p for n, p in zip(view.size, last, strict=True)):
            raise ValueError(f"view {name!r} has size {view.size}, not a multiple of {last}")
        return below

    def pixels(self, level: int) -> tuple[int, ...]:
        """Pixels of the image behind one position of a level."""
        return tuple(p * s**level for p, s in zip(self.patch, self.scale, strict=True))


class UpBlock(nn.Module):
    """Transposed convolution, skip added if there is one, two residual blocks."""

    def __init__(self, dims: int, in_chans: int, out_chans: int, scale: Sequence[int], *, norm: Norm) -> None:
        super().__init__()
        self.up = tiling_up(dims, in_chans, out_chans, scale)
        self.conv = nn.ModuleList([ConvRes(dims, out_chans, out_chans, norm=norm) for _ in range(2)])

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        """(batch, in_chans, x, y[, z]) -> (batch, out_chans, x * scale, ...)."""
        x = self.up(x)
        if skip is not None:
            x = x + skip
        for block in self.conv:
            x = block(x)
        return x


class UpDecoder(nn.Module):
    """From the coarsest level to the pixels of the image."""

    def __init__(self, dims: int, levels: DecoderLevels, *, norm: Norm, grad_ckpt: bool) -> None:
        super().__init__()
        self.grad_ckpt = grad_ckpt
        self.blocks = nn.ModuleList(
            [UpBlock(dims, a, b, levels.scale, norm=norm) for a, b in pairwise(levels.chans[::-1])]
        )
        self.blocks.append(UpBlock(dims, levels.chans[0], levels.chans[0], levels.patch, norm=norm))

    def forward(self, x: Tensor, skips: Sequence[Tensor | None]) -> Tensor:
        """The coarsest map -> (batch, finest channels, x, y[, z]); `skips` one a block, coarse to fine."""
        for block, skip in zip(self.blocks, skips, strict=True):
            x = run(block, x, skip, recompute=self.grad_ckpt)
        return x


class ConvUNetR(nn.Module):
    """Convolutions and transformer down, convolutions up, with skips at every level the encoder has.

    With one image channel and layer norm the full-resolution branch sees the image through its 1x1 shortcut only (see
    `blocks.ChannelNorm`); published weights depend on it. `dropout` acts in the skips, not in the decoder.
    """

    def __init__(
        self,
        views: Mapping[str, ViewGeometry],
        out_chans: int,
        *,
        stages: ConvStages,
        encoder: TransformerSize,
        levels: Mapping[str, DecoderLevels],
        dropout: float = 0.0,
        drop_path: float = 0.0,
        grad_ckpt: bool = False,
    ) -> None:
        super().__init__()
        self.views = dict(views)
        self.n_stages = len(stages.chans)
        self.grad_ckpt = grad_ckpt
        self.bare = {name: levels[name].bare(view) for name, view in views.items()}
        self.enc_down_dict = view_encoders(views, stages, encoder.width, grad_ckpt=grad_ckpt)
        self.encoder = ViTEncoder(encoder, drop_path=drop_path, grad_ckpt=grad_ckpt)
        self.dec_image_conv_block_dict = nn.ModuleDict()
        self.dec_down_blocks_dict = nn.ModuleDict()
        self.dec_conv_blocks_dict = nn.ModuleDict()
        self.decoder_dict = nn.ModuleDict()
        self.pred_head_dict = nn.ModuleDict()
        for name, view in views.items():
            level, norm = levels[name], stages.norm
            finest, *_ = level.chans
            n_down = level.below_tokens(name, view, len(stages.chans))
            skip_chans = [*stages.chans, *[encoder.width] * (1 + n_down)]
            self.dec_image_conv_block_dict[name] = ConvRes(view.dims, view.in_chans, finest, norm=norm, dropout=dropout)
            self.dec_down_blocks_dict[name] = nn.ModuleList(
                [tiling_conv(view.dims, encoder.width, encoder.width, level.scale) for _ in range(n_down)]
            )
            self.dec_conv_blocks_dict[name] = nn.ModuleList(
                [
                    ConvRes(view.dims, a, b, norm=norm, dropout=dropout)
                    for a, b in zip(skip_chans, level.chans[self.bare[name] :], strict=True)
                ]
            )
            self.decoder_dict[name] = UpDecoder(view.dims, level, norm=norm, grad_ckpt=grad_ckpt)
            self.pred_head_dict[name] = CONV[view.dims](finest, out_chans, 1)

    def forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """{view: (batch, channel, x, y[, z])}, every view -> {view: logits (batch, out_chans, x, y[, z])}.

        Raises ValueError, naming the view, for images of another size than the network was built for.
        """
        check_images(images, self.views, all_views=True)
        check_exact_size(images, self.views)
        tokens, skips = {}, {}
        for view, image in images.items():
            tokens[view], skips[view] = self.enc_down_dict[view](image)
        _, tokens = self.encoder(tokens)
        return {view: self._decode(view, image, tokens[view], skips[view]) for view, image in images.items()}

    def _decode(self, view: str, image: Tensor, tokens: Tensor, skips: Sequence[Tensor]) -> Tensor:
        """Logits (batch, out_chans, x, y[, z]) of one view."""
        grid = self.views[view].grid(self.n_stages)
        coarse = tokens.transpose(1, 2).reshape(len(image), -1, *grid)  # (batch, width, *grid)
        maps = [*skips, laid_out_as(coarse, skips[-1])]
        for down in cast(nn.ModuleList, self.dec_down_blocks_dict[view]):
            maps.append(down(maps[-1]))
        blocks = cast(nn.ModuleList, self.dec_conv_blocks_dict[view])
        maps = [run(block, x, recompute=self.grad_ckpt) for block, x in zip(blocks, maps, strict=True)]
        pixels = run(self.dec_image_conv_block_dict[view], image, recompute=self.grad_ckpt)
        *finer, coarsest = maps
        none: list[Tensor | None] = [None] * self.bare[view]
        x = self.decoder_dict[view](coarsest, [*reversed(finer), *none, pixels])
        logits: Tensor = self.pred_head_dict[view](x)
        return logits
