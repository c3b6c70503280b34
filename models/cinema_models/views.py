"""What a view's images look like to a network, and the check of images at its door."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class View(Protocol):
    """What every network says of a view it takes."""

    @property
    def in_chans(self) -> int:
        """Channels of the image; frames count as channels."""

    @property
    def dims(self) -> int:
        """Number of spatial axes, 2 or 3."""


@dataclass(frozen=True, slots=True)
class ViewOfAnySize:
    """A view whose size does not matter, as purely convolutional networks take it."""

    in_chans: int
    dims: int

    def __post_init__(self) -> None:
        if self.dims not in (2, 3):
            raise ValueError(f"images have 2 or 3 axes, not {self.dims}")


@dataclass(frozen=True, slots=True)
class ViewGeometry:
    """A view as a transformer takes it; sizes are (x, y) or (x, y, z).

    `size` is the image in pixels, `patch` the kernel of the first convolution, `scale` that of each later one and of
    the token embedding.
    """

    size: tuple[int, ...]
    in_chans: int
    patch: tuple[int, ...]
    scale: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.size) not in (2, 3) or not len(self.size) == len(self.patch) == len(self.scale):
            raise ValueError(f"size {self.size}, patch {self.patch} and scale {self.scale} need the same 2 or 3 axes")

    @property
    def dims(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return len(self.size)

    def token_patch(self, stages: int) -> tuple[int, ...]:
        """Pixels that a token stands for after `stages` convolution stages: 16 x 16 [x 1] in the published networks."""
        return tuple(p * s**stages for p, s in zip(self.patch, self.scale, strict=True))

    def grid(self, stages: int) -> tuple[int, ...]:
        """Tokens along each axis after `stages` convolution stages; ValueError if the size does not divide."""
        patch = self.token_patch(stages)
        if any(n % p for n, p in zip(self.size, patch, strict=True)):
            raise ValueError(f"size {self.size} is not a multiple of {patch}, what a token stands for")
        return tuple(n // p for n, p in zip(self.size, patch, strict=True))


def check_images(images: Mapping[str, Tensor], views: Mapping[str, View], *, all_views: bool) -> None:
    """Raise ValueError, naming the view, unless each image is (batch, channel, x, y[, z]) as its view says.

    With `all_views` every view must be given, otherwise any of them, at least one.
    """
    known = ", ".join(views)
    for view in images:
        if view not in views:
            raise ValueError(f"unknown view {view!r}: this network takes {known}")
    missing = [view for view in views if view not in images]
    if missing and (all_views or not images):
        raise ValueError(f"view {missing[0]!r} is missing: this network takes {known}")
    first = next(iter(images))
    for view, image in images.items():
        shape, chans, dims = tuple(image.shape), views[view].in_chans, views[view].dims
        if image.ndim != dims + 2:
            axes = "(batch, channel, x, y, z)" if dims == 3 else "(batch, channel, x, y)"
            raise ValueError(f"view {view!r} has shape {shape}, not {axes}")
        if shape[1] != chans:
            raise ValueError(f"view {view!r} has {shape[1]} channels in its shape {shape}, this network takes {chans}")
        if shape[0] != images[first].shape[0]:
            raise ValueError(f"view {view!r} has a batch of {shape[0]}, view {first!r} of {images[first].shape[0]}")


def check_exact_size(images: Mapping[str, Tensor], views: Mapping[str, ViewGeometry]) -> None:
    """Raise ValueError, naming the view, unless each image has the size that the network was built for."""
    for view, image in images.items():
        if (size := tuple(image.shape[2:])) != views[view].size:
            raise ValueError(f"view {view!r} has size {size}, this network takes {views[view].size} only")


def check_whole_tokens(images: Mapping[str, Tensor], views: Mapping[str, ViewGeometry], stages: int) -> None:
    """Raise ValueError, naming the view, unless each image is a whole number of tokens along each axis."""
    for view, image in images.items():
        patch, size = views[view].token_patch(stages), tuple(image.shape[2:])
        if any(n == 0 or n % p for n, p in zip(size, patch, strict=True)):
            raise ValueError(f"view {view!r} has size {size}, not a multiple of {patch}")


def check_masks(
    masks: Mapping[str, Tensor], images: Mapping[str, Tensor], views: Mapping[str, ViewGeometry], stages: int
) -> None:
    """Raise ValueError, naming the view, unless each mask is boolean (batch, token) for its image."""
    for view, mask in masks.items():
        if view not in images:
            raise ValueError(f"there is a mask for view {view!r} but no image")
        batch, _, *size = images[view].shape
        tokens = math.prod(n // p for n, p in zip(size, views[view].token_patch(stages), strict=True))
        if mask.dtype != torch.bool or tuple(mask.shape) != (batch, tokens):
            found = f"{mask.dtype} {tuple(mask.shape)}"
            raise ValueError(f"the mask of view {view!r} is {found}, not torch.bool {(batch, tokens)}")
