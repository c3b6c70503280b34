"""From a study to a published network and back: labels on the source grid, landmarks in mm, answers for ED and ES."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cinema_cli.domain.cine import CineStudy, View
from cinema_cli.inference.centre import HeartCentre
from cinema_cli.inference.four_chamber import keep_beside_rv
from cinema_cli.inference.landmarks import coordinate_points, heat_map_points
from cinema_cli.inference.lattice import Floats
from cinema_cli.inference.planes import view_centre
from cinema_cli.inference.published import Edge, Float32, NetworkView, prepare
from cinema_cli.inference.tiles import Answer, Images, tiled_maps, tiled_vector
from cinema_cli.inference.way_back import labels_on_source, points_mm

MapNetwork = Callable[[Images], Mapping[str, Tensor]]  # {view: (batch, channel, x, y[, z])} -> {view: logits}
VectorNetwork = Callable[[Images], Tensor]  # the same -> (batch, out)


@dataclass(frozen=True, slots=True, eq=False)
class CentredView:
    """A view as the networks take it, and how its middle was found."""

    view: NetworkView
    centre: HeartCentre


@dataclass(frozen=True, slots=True, eq=False)
class SeenLandmarks:
    """Landmarks of a long-axis view over the cycle."""

    points_mm: Floats  # (frame, point, 3): patient coordinates (LPS); mitral, mitral, apex
    peaks: Floats  # (frame, point): greatest probability of each heat map; NaN from a coordinate network
    frames: tuple[int, ...]  # of the cine


def centred_view(
    study: CineStudy, view: View, *, frames: Sequence[int] | None = None, edge: Edge = Edge.STAY
) -> CentredView:
    """A view of a study round its heart, found without masks. Raises KeyError where the study lacks the view."""
    centre = view_centre(study, view)
    return CentredView(prepare(study.cines[view], centre=centre.point, frames=frames, edge=edge), centre)


def segment_view(
    view: NetworkView, network: MapNetwork, *, device: str = "cpu", frames_at_once: int = 1
) -> NDArray[np.uint8]:
    """Labels (frame, slice, row, column) of every prepared frame, on the source grid.

    More slices, or larger images, than the network's patch are seen in overlapping windows. In a four-chamber view one
    wall and one cavity are kept, those beside the right ventricle.
    """
    parts = _map_logits(view, network, Answer.CLASSES, device=device, frames_at_once=frames_at_once)
    found = np.concatenate([logits.argmax(1).astype(np.uint8) for logits in parts])  # (frame, x, y[, z])
    return labels_on_source(view, keep_beside_rv(found) if view.cine.view is View.LAX_4C else found)


def heat_map_landmarks(
    view: NetworkView, network: MapNetwork, *, device: str = "cpu", frames_at_once: int = 8
) -> SeenLandmarks:
    """Landmarks of every prepared frame from heat maps, finer than a voxel, in patient millimetres."""
    parts = _map_logits(view, network, Answer.MAPS, device=device, frames_at_once=frames_at_once)
    points = heat_map_points(np.concatenate([_sigmoid(logits) for logits in parts]))
    return SeenLandmarks(points_mm(view, points.xy), points.peaks, view.frames)


@torch.inference_mode()
def coordinate_landmarks(
    view: NetworkView, network: VectorNetwork, *, device: str = "cpu", frames_at_once: int = 8
) -> SeenLandmarks:
    """Landmarks of every prepared frame from a network that answers six shares of width and height."""
    width, height = view.format.size[:2]
    answers = [
        tiled_vector(network, images, patches=_patches([view]), answer=Answer.NUMBERS).float().cpu().numpy()
        for images in _frame_groups(view, device, frames_at_once)
    ]
    points = coordinate_points(np.concatenate(answers), size=(width, height))
    return SeenLandmarks(points_mm(view, points.xy), points.peaks, view.frames)


@torch.inference_mode()
def study_answer(
    views: Sequence[NetworkView],
    network: VectorNetwork,
    *,
    frames: Sequence[int],
    answer: Answer,
    device: str = "cpu",
) -> Float32:
    """Answer (out,) of a network that sees `frames` (ED, ES) of its views as channels: softmax, or the number itself.

    Each view's frames are scaled together (spec 10.2). Frames must have been prepared, else ValueError.
    """
    images = {str(v.cine.view): torch.from_numpy(v.together(frames)).to(device) for v in views}
    logits = tiled_vector(network, images, patches=_patches(views), answer=answer)[0].float()
    values = logits.softmax(0) if answer is Answer.CLASSES else logits
    return np.asarray(values.cpu().numpy(), np.float32)


def _patches(views: Sequence[NetworkView]) -> dict[str, tuple[int, ...]]:
    return {str(v.cine.view): v.format.size[:2] if v.is_flat else v.format.size for v in views}


def _frame_groups(view: NetworkView, device: str, frames_at_once: int) -> Iterator[Images]:
    """Prepared frames, some at a time: {view: (frame, 1, x, y[, z])}."""
    for start in range(0, len(view.images), frames_at_once):
        some = view.each_frame(slice(start, start + frames_at_once))
        yield {str(view.cine.view): torch.from_numpy(some).to(device)}


@torch.inference_mode()
def _map_logits(
    view: NetworkView, network: MapNetwork, answer: Answer, *, device: str, frames_at_once: int
) -> Iterator[Float32]:
    """Logits (frame, out, x, y[, z]) without padding, one array a group of frames."""
    size = view.lattice.size[:2] if view.is_flat else view.lattice.size
    inside = (slice(None), slice(None), *(slice(0, n) for n in size))
    name, patches = str(view.cine.view), _patches([view])
    for images in _frame_groups(view, device, frames_at_once):
        yield tiled_maps(network, images, patches=patches, answer=answer)[name][inside].float().cpu().numpy()


def _sigmoid(logits: Float32) -> Float32:
    probabilities: Float32 = torch.from_numpy(logits).sigmoid().numpy()
    return probabilities
