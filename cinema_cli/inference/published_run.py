"""From a study to published networks and back: labels on the source grid, landmarks in mm, answers for ED and ES.

Each function takes one network a seed, shows all of them the same images, and says how far they are apart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinema_cli.domain.cine import View
from cinema_cli.inference.four_chamber import keep_beside_rv
from cinema_cli.inference.landmarks import coordinate_points, heat_map_points
from cinema_cli.inference.lattice import Floats
from cinema_cli.inference.published import Float32, NetworkView
from cinema_cli.inference.tiles import Answer, Images, tiled_maps, tiled_vector
from cinema_cli.inference.way_back import labels_on_source, points_mm

MapNetwork = Callable[[Images], Mapping[str, Tensor]]  # {view: (batch, channel, x, y[, z])} -> {view: logits}
Features = Callable[[Images], Mapping[str, Tensor]]  # {view: images} -> {"cls" or view: (batch, token, width)}
VectorNetwork = Callable[[Images], Tensor]  # the same -> (batch, out)


@dataclass(frozen=True, slots=True, eq=False)
class SeenLabels:
    """Labels of a view over the cycle."""

    labels: NDArray[np.uint8]  # (frame, slice, row, column), on the source grid
    disagreement: Floats  # (frame,): share of labelled voxels that some network labels otherwise; NaN from a single one


@dataclass(frozen=True, slots=True, eq=False)
class SeenLandmarks:
    """Landmarks of a long-axis view over the cycle."""

    points_mm: Floats  # (frame, point, 3): mean over networks, patient coordinates (LPS); mitral, mitral, apex
    peaks: Floats  # (frame, point): mean of the greatest probabilities of heat maps; NaN from coordinate networks
    spread_mm: Floats  # (frame, point): root mean square distance from the mean point; NaN from a single network


@torch.inference_mode()
def segment_view(
    view: NetworkView, networks: Sequence[MapNetwork], *, device: str = "cpu", frames_at_once: int = 1
) -> SeenLabels:
    """Labels of every prepared frame by the mean of the networks' probabilities.

    More slices, or larger images, than the networks' patch are seen in overlapping windows. In a four-chamber view one
    wall and one cavity are kept, those beside the right ventricle.
    """
    labels, apart = [], []
    for answers in _map_logits(view, networks, Answer.CLASSES, device=device, frames_at_once=frames_at_once):
        mean = answers[0] if len(answers) == 1 else torch.stack([a.softmax(1) for a in answers]).mean(0)
        chosen = mean.argmax(1)  # (frame, x, y[, z])
        labels.append(chosen.to(torch.uint8).cpu().numpy())
        apart.append(_share_apart(chosen, [a.argmax(1) for a in answers]))
    found = np.concatenate(labels)
    whole = keep_beside_rv(found) if view.cine.view is View.LAX_4C else found
    return SeenLabels(labels_on_source(view, whole), np.concatenate(apart))


@torch.inference_mode()
def heat_map_landmarks(
    view: NetworkView, networks: Sequence[MapNetwork], *, device: str = "cpu", frames_at_once: int = 8
) -> SeenLandmarks:
    """Landmarks of every prepared frame from heat maps, finer than a voxel."""
    parts = _map_logits(view, networks, Answer.MAPS, device=device, frames_at_once=frames_at_once)
    maps = [np.stack([a.sigmoid().cpu().numpy() for a in answers]) for answers in parts]
    found = [heat_map_points(one) for one in np.concatenate(maps, axis=1)]  # one a network
    return _landmarks(view, [points_mm(view, p.xy) for p in found], [p.peaks for p in found])


@torch.inference_mode()
def coordinate_landmarks(
    view: NetworkView, networks: Sequence[VectorNetwork], *, device: str = "cpu", frames_at_once: int = 8
) -> SeenLandmarks:
    """Landmarks of every prepared frame from networks that answer six shares of width and height."""
    width, height = view.format.size[:2]
    parts = [
        torch.stack([tiled_vector(n, images, patches=_patches([view]), answer=Answer.NUMBERS) for n in networks])
        for images in _frame_groups(view, device, frames_at_once)
    ]
    answers = torch.cat(parts, dim=1).float().cpu().numpy()  # (network, frame, 6)
    found = [coordinate_points(one, size=(width, height)) for one in answers]
    return _landmarks(view, [points_mm(view, p.xy) for p in found], [p.peaks for p in found])


@torch.inference_mode()
def study_answers(
    views: Sequence[NetworkView],
    networks: Sequence[VectorNetwork],
    *,
    frames: Mapping[View, Sequence[int]],
    answer: Answer,
    device: str = "cpu",
) -> Float32:
    """Answers (network, out) of networks that see `frames` (ED, ES) of their views as channels: softmax, or numbers.

    Each view's frames are scaled together (spec 10.2). Frames must have been prepared, else ValueError.
    """
    images = _together(views, frames, device)
    logits = torch.cat([tiled_vector(n, images, patches=_patches(views), answer=answer) for n in networks]).float()
    values = logits.softmax(1) if answer is Answer.CLASSES else logits
    return np.asarray(values.cpu().numpy(), np.float32)


@torch.inference_mode()
def embed(
    views: Sequence[NetworkView],
    features: Features,
    *,
    frames: Mapping[View, int],
    device: str = "cpu",
) -> dict[str, Float32]:
    """Vectors (width,) of one moment: `cls`, and the mean over the tokens of each view.

    `features` is the backbone's extraction: {view: (1, 1, x, y[, z])} -> {"cls" or view: (1, token, width)}. A stack of
    more slices than usual goes in whole: the network interpolates its position embeddings.
    """
    images = _together(views, {view: [frame] for view, frame in frames.items()}, device)
    return {name: np.asarray(x[0].float().mean(0).cpu().numpy(), np.float32) for name, x in features(images).items()}


def _together(views: Sequence[NetworkView], frames: Mapping[View, Sequence[int]], device: str) -> Images:
    return {str(v.cine.view): torch.from_numpy(v.together(frames[v.cine.view])).to(device) for v in views}


def _patches(views: Sequence[NetworkView]) -> dict[str, tuple[int, ...]]:
    return {str(v.cine.view): v.format.size[:2] if v.is_flat else v.format.size for v in views}


def _frame_groups(view: NetworkView, device: str, frames_at_once: int) -> Iterator[Images]:
    """Prepared frames, some at a time: {view: (frame, 1, x, y[, z])}."""
    for start in range(0, len(view.images), frames_at_once):
        some = view.each_frame(slice(start, start + frames_at_once))
        yield {str(view.cine.view): torch.from_numpy(some).to(device)}


def _map_logits(
    view: NetworkView, networks: Sequence[MapNetwork], answer: Answer, *, device: str, frames_at_once: int
) -> Iterator[list[Tensor]]:
    """For each group of frames the logits (frame, out, x, y[, z]) of each network, without padding, float32."""
    size = view.lattice.size[:2] if view.is_flat else view.lattice.size
    inside = (slice(None), slice(None), *(slice(0, n) for n in size))
    name, patches = str(view.cine.view), _patches([view])
    for images in _frame_groups(view, device, frames_at_once):
        yield [tiled_maps(n, images, patches=patches, answer=answer)[name][inside].float() for n in networks]


def _share_apart(chosen: Tensor, single: Sequence[Tensor]) -> Floats:
    """Share (frame,) of the voxels labelled by anyone on which not all agree with `chosen`, (frame, x, y[, z])."""
    if len(single) == 1:
        return np.full(len(chosen), np.nan)
    differs = torch.stack([one != chosen for one in single]).any(0)
    labelled = torch.stack([one > 0 for one in single]).any(0) | (chosen > 0)
    apart, total = (mask.flatten(1).sum(1).cpu().double() for mask in (differs, labelled))
    return np.asarray((apart / total.clamp_min(1)).numpy())


def _landmarks(view: NetworkView, points: Sequence[Floats], peaks: Sequence[Floats]) -> SeenLandmarks:
    """Mean and spread over networks of points (frame, point, 3) in mm."""
    stacked = np.stack(points)
    mean = stacked.mean(axis=0)
    spread = np.sqrt(((stacked - mean) ** 2).sum(axis=-1).mean(axis=0))
    if len(points) == 1:
        spread = np.full_like(spread, np.nan)
    return SeenLandmarks(mean, np.stack(peaks).mean(axis=0), spread)
