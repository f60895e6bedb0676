"""How equivariant a CAM network is: how far M(Ax) is from A M(x), over scalings, flip, rotations.

`evaluate_equivariance` raises `SSENetError` where no image has a tag, or a file is damaged.
"""

import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ssenet_core.cam.losses import normalise, select_valid
from ssenet_core.cam.transforms import Flip, Rotate, Scale, Warp, size_of
from ssenet_core.data.augment import image_tensor
from ssenet_core.data.dataset import evenly_spaced
from ssenet_core.data.manifest import ImageRecord, Manifest, load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.stages import EQUIVARIANCE, FORMAT
from ssenet_core.io.files import write_json
from ssenet_core.io.images import write_png
from ssenet_core.jobs import progress
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import pick_device
from ssenet_core.pictures import View, heat_overlay, picture_sheet, thumbnail
from ssenet_core.settings import Alignment, CamTraining, EquivarianceSettings

LOG = logging.getLogger("ssenet")
SHOWN = 5  # images in the picture
HEAT_SHARE = 0.65  # opacity of a map over its photograph


def evaluate_equivariance(
    *,
    manifest: str | Path,
    checkpoint: str | Path,
    settings: EquivarianceSettings,
    output: str | Path,
    figure: str | Path,
    name: str,
) -> None:
    """Measure a CAM network's equivariance on some of a split's tagged images (Fig. 1, 2).

    A transform's number is the mean over the images of `map_difference`; images too small for a
    common cell are left out of it, and a transform that leaves out all has none (null). "mean" is
    the plain mean of the transforms' numbers: it depends on which transforms are configured. No
    mask is read.

    Args:
        manifest: the split's manifest.
        checkpoint: a CAM network's.
        settings: the transforms, and on how many images.
        output: JSON to write.
        figure: PNG to write: class maps of some images, warped back.
        name: the CAM variant.

    Raises:
        SSENetError: the checkpoint or an image is damaged, or no image has a tag.
    """
    device = pick_device()
    network, facts = load_checkpoint(checkpoint, CamTraining, device)
    alignment = facts.settings.alignment
    split = load_manifest(manifest)
    images = _chosen(split, settings.images)
    warps = named_warps(settings)
    found: dict[str, list[float]] = {key: [] for key in warps}
    rows: list[tuple[str, list[View]]] = []
    for record in progress(images, total=len(images), description=f"Equivariance of {name}"):
        photograph, tags = record.photograph(), record.known_tags
        measured = Measured(network, image_tensor(photograph, network)[None], tags, alignment)
        for key, warp in warps.items():
            difference = measured.difference(warp)
            if difference is not None:
                found[key].append(difference)
        if len(rows) < SHOWN:
            heading = f"{record.id}, {split.classes[tags[0] - 1]}"
            rows.append((heading, _views(photograph, measured, warps)))
    means = {key: statistics.fmean(values) if values else None for key, values in found.items()}
    known = [value for value in means.values() if value is not None]
    content = {
        "format": FORMAT,
        "stage": EQUIVARIANCE,
        "name": name,
        "split": split.split,
        "images": len(images),
        "differences": means,
        "mean": statistics.fmean(known) if known else None,
    }
    write_json(output, content)
    title = f"{name}: class maps of the transformed image, transformed back"
    columns = ("photograph", "image", *warps)
    write_png(figure, picture_sheet(rows, title=title, columns=columns))
    mean = "unknown" if content["mean"] is None else f"{content['mean']:.3f}"
    LOG.info("%s: %s on %d images: mean difference %s", output, name, len(images), mean)


def _views(photograph: Image.Image, measured: "Measured", warps: Mapping[str, Warp]) -> list[View]:
    """The photograph, and the first tag's map of its views, warped back and laid over it."""
    views = [View("photograph", "", thumbnail(photograph))]
    for key, warp in {"image": Warp(), **warps}.items():
        heat = measured.back(warp).numpy()
        shown = heat_overlay(photograph.convert("L"), heat, HEAT_SHARE)
        views.append(View(key, "", thumbnail(shown)))
    return views


def named_warps(settings: EquivarianceSettings) -> dict[str, Warp]:
    """The transforms to measure, by the names that tables show."""
    warps = {f"scale {scale:g}": Warp((Scale(scale),)) for scale in settings.scales}
    if settings.flip:
        warps["flip"] = Warp((Flip(),))
    return warps | {f"rotate {angle:g}°": Warp((Rotate(angle),)) for angle in settings.angles}


def map_difference(expected: Tensor, found: Tensor, known: Tensor) -> float | None:
    """Mean absolute difference between normalised class maps: 0 for equal ones, 1 at the most.

    Both are ReLU'd and divided by their spatial maximum (Eq. 3) as in training, the maximum over
    the cells that count; then averaged over classes and those cells. Maps that are zero everywhere
    are equal, so are constant ones: equivariance alone does not make a good map.

    Args:
        expected: A M(x) of the tagged classes at the cells of M(Ax), (1, classes, h, w).
        found: M(Ax) of the tagged classes, (1, classes, h, w).
        known: the cells that count, (h, w): those that come from between cells of M(x).

    Returns:
        None where no cell counts.
    """
    if not known.any():
        return None
    maps = select_valid(expected, found, known)
    every_class = expected.new_ones(expected.shape[:2])
    a, b = (normalise(each, every_class) for each in maps)
    return float((a - b).abs().mean())


@dataclass
class Measured:
    """One image's class maps, and those of its transformed views; each passes the network once.

    Attributes:
        network: gives class maps of (1, 3, H, W).
        view: the image at its size, (1, 3, H, W).
        tags: label values of its classes.
        alignment: "cells" or "plain".
    """

    network: nn.Module
    view: Tensor
    tags: Sequence[int]
    alignment: Alignment
    _maps: dict[Warp, Tensor] = field(default_factory=dict, init=False)

    def difference(self, warp: Warp) -> float | None:
        """How far M(Ax) is from A M(x), see `map_difference`."""
        straight, found = self.maps(Warp()), self.maps(warp)
        expected, known = warp.maps(straight, size_of(self.view), size_of(found), self.alignment)
        return map_difference(expected, found, known)

    def back(self, warp: Warp) -> Tensor:
        """M(Ax) of the first tag, normalised, at the image's pixels; NaN outside of Ax."""
        maps, shown = warp.maps_back(self.maps(warp)[:, :1], size_of(self.view), self.alignment)
        heat = normalise(maps * shown.to(maps), maps.new_ones(1, 1))[0, 0].cpu()
        return heat.masked_fill(~shown, torch.nan)

    @torch.inference_mode()
    def maps(self, warp: Warp) -> Tensor:
        """M(Ax) of the tagged classes, (1, tags, h, w)."""
        if warp not in self._maps:
            maps = self.network(warp.view(self.view)).float()
            self._maps[warp] = maps[:, [tag - 1 for tag in self.tags]]
        return self._maps[warp]


def _chosen(split: Manifest, count: int) -> list[ImageRecord]:
    """At most `count` tagged images, evenly spaced over the split."""
    tagged = [record for record in split.images if record.tags]
    if not tagged:
        raise SSENetError(
            f"split {split.split} of {split.dataset}: expected images with tags to measure "
            "equivariance on, found none"
        )
    return evenly_spaced(tagged, count)
