"""Images larger than a published network's patch: windows that overlap by half, their answers averaged (spec 10.2)."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from itertools import product
from types import EllipsisType

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, ...]
Where = tuple[slice | EllipsisType, ...]
Images = dict[str, Tensor]  # view -> (batch, channel, x, y[, z])


class Answer(StrEnum):
    """What the logits of a network mean, and so in which form they may be averaged."""

    CLASSES = "classes"  # softmax over channels: segmentation, classification
    MAPS = "maps"  # a sigmoid for each channel: landmark heat maps
    NUMBERS = "numbers"  # regression, coordinates: as they are


def window_starts(size: Size, patch: Size, *, overlap: Size | None = None) -> list[Size]:
    """First voxels of the windows of `patch` that cover an image of `size`, last axis fastest.

    Windows overlap by half unless `overlap` says otherwise; the last of each axis lies flush with the border. Raises
    ValueError for an image smaller than the patch: it must be padded first.
    """
    shared = tuple(n // 2 for n in patch) if overlap is None else overlap
    if any(n < p for n, p in zip(size, patch, strict=True)):
        raise ValueError(f"an image of {size} is smaller than the patch {patch}: pad it first")
    axes = []
    for n, p, o in zip(size, patch, shared, strict=True):
        axes.append([*range(0, n - p, p - o), n - p])
    return list(product(*axes))


def tiled_maps(
    network: Callable[[Images], Mapping[str, Tensor]],
    images: Images,
    *,
    patches: Mapping[str, Size],
    answer: Answer = Answer.CLASSES,
) -> Images:
    """Logits {view: (batch, out, x, y[, z])} of the size of `images`, from a network that takes `patches` only.

    Probabilities are averaged over windows, then turned back: the logarithm for CLASSES, the logit for MAPS. Where no
    view is larger than its patch, the network's own logits. What padding adds is cut off again. Raises ValueError where
    more than one view is larger than its patch.
    """
    padded = _padded(images, patches)
    tiles = _tiles(padded, patches)
    if len(tiles) == 1:
        return {view: _cut(logits, images[view]) for view, logits in network(padded).items()}
    total: Images = {}
    counts: Images = {}
    for starts, inputs in _windows(padded, patches, tiles):
        for view, logits in network(inputs).items():
            size = padded[view].shape[2:]
            if view not in total:
                total[view] = logits.new_zeros((*logits.shape[:2], *size), dtype=torch.float32)
                counts[view] = logits.new_zeros(size, dtype=torch.float32)
            where = _window(starts[view], patches[view])
            total[view][where] += _probabilities(logits, answer)
            counts[view][where] += 1
    return {view: _cut(_logits(total[view] / counts[view], answer), images[view]) for view in total}


def tiled_vector(
    network: Callable[[Images], Tensor], images: Images, *, patches: Mapping[str, Size], answer: Answer
) -> Tensor:
    """Logits or numbers (batch, out) of images of any size: the mean over windows, of softmax for CLASSES (then log).

    Raises ValueError where more than one view is larger than its patch.
    """
    padded = _padded(images, patches)
    tiles = _tiles(padded, patches)
    if len(tiles) == 1:
        return network(padded)
    answers = [_probabilities(network(inputs), answer) for _, inputs in _windows(padded, patches, tiles)]
    return _logits(torch.stack(answers).mean(dim=0), answer)


def _padded(images: Images, patches: Mapping[str, Size]) -> Images:
    """Zeros at the end of each spatial axis that is shorter than the patch."""
    found = {}
    for view, image in images.items():
        short = [max(0, p - n) for n, p in zip(image.shape[2:], patches[view], strict=True)]
        found[view] = F.pad(image, [side for extra in reversed(short) for side in (0, extra)])
    return found


def _tiles(images: Images, patches: Mapping[str, Size]) -> list[dict[str, Size]]:
    """Starts of the windows of each view, window by window; a view as large as its patch always starts at zero."""
    starts = {view: window_starts(tuple(image.shape[2:]), patches[view]) for view, image in images.items()}
    large = [view for view, found in starts.items() if len(found) > 1]
    if len(large) > 1:
        raise ValueError(f"only one view may be larger than its patch, not {' and '.join(large)}")
    count = max(len(found) for found in starts.values())
    return [{view: found[k if len(found) > 1 else 0] for view, found in starts.items()} for k in range(count)]


def _windows(
    images: Images, patches: Mapping[str, Size], tiles: list[dict[str, Size]]
) -> Iterator[tuple[dict[str, Size], Images]]:
    """Each window's starts and images, one at a time."""
    for starts in tiles:
        yield starts, {view: image[_window(starts[view], patches[view])] for view, image in images.items()}


def _window(start: Size, size: Size) -> Where:
    """Index of a window in the last axes."""
    return (..., *(slice(s, s + n) for s, n in zip(start, size, strict=True)))


def _probabilities(logits: Tensor, answer: Answer) -> Tensor:
    """What may be averaged, float32; channels are axis 1."""
    values = logits.float()
    if answer is Answer.CLASSES:
        return values.softmax(dim=1)
    return values.sigmoid() if answer is Answer.MAPS else values


def _logits(mean: Tensor, answer: Answer) -> Tensor:
    """Back to logits whose softmax or sigmoid is the mean; finite where a probability is 0 or 1."""
    if answer is Answer.CLASSES:
        return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()
    return torch.logit(mean, eps=torch.finfo(mean.dtype).eps) if answer is Answer.MAPS else mean


def _cut(values: Tensor, like: Tensor) -> Tensor:
    """Without what padding added at the end."""
    return values[_window((0,) * (like.ndim - 2), tuple(like.shape[2:]))]
