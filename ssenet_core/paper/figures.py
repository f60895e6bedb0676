"""Figures 1, 2, 4, 5 and 6 of the paper, from a run's own networks and files.

In: scale evaluations, class activation maps, predictions. Out: PNG files. Colours are Okabe and
Ito's; baseline and SSENet keep theirs in every figure.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ssenet_core.cam.inference import normalised_maps, single_scale_maps
from ssenet_core.data.layout import some_of
from ssenet_core.data.manifest import load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.scales import MULTI_SCALE
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import autocast, pick_device
from ssenet_core.picture_grid import DOTS_AN_INCH, write_grid
from ssenet_core.pictures import heat_overlay
from ssenet_core.settings import CamTraining
from ssenet_core.storage import atomic_path, label_picture, load_image, read_json, read_label_png

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
STYLES = ("-", "--", ":", "-.")
HEAT = colormaps["jet"]
HEAT_SHARE = 0.55  # of a map over its photograph


def figure1(pictures: Mapping[str, str | Path], output: str | Path) -> None:
    """Class maps warped back from rescaled, mirrored and rotated photographs, network by network.

    Args:
        pictures: the pictures of the equivariance evaluations, by network.
        output: PNG to write.
    """
    shown = {name: np.asarray(load_image(path)) for name, path in pictures.items()}
    heights = [picture.shape[0] / picture.shape[1] for picture in shown.values()]
    figure = Figure(figsize=(10, 10 * sum(heights) + 0.4 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)
    for place, (name, picture) in zip(axes[:, 0], shown.items(), strict=True):
        place.imshow(picture)
        place.set_title(name, fontsize=9)
        place.set_axis_off()
    _save(figure, output)


def figure2(
    *,
    manifest: str | Path,
    images: Sequence[str],
    checkpoints: Mapping[str, str | Path],
    scales: Sequence[float],
    precision: str,
    output: str | Path,
) -> None:
    """Class activation maps over test scales: a row an image, a block of columns a network.

    Args:
        manifest: the split's manifest.
        images: ids; the map of each one's first tag is shown. Those without tags are left out.
        checkpoints: CAM networks by name.
        scales: of the test image, one column each.
        precision: of the inference.
        output: PNG to write.

    Raises:
        SSENetError: no image has a tag.
    """
    records = [record for record in load_manifest(manifest).select(list(images)) if record.tags]
    if not records:
        raise SSENetError(
            f"figure 2: expected images that have a class, and so a map, among {some_of(images)}; "
            "found none: a larger run.gallery shows more images"
        )
    photographs = [record.photograph() for record in records]
    columns = {"photograph": photographs}
    device = pick_device()
    for name, checkpoint in checkpoints.items():
        network, facts = load_checkpoint(checkpoint, CamTraining, device)
        alignment = facts.settings.alignment
        for scale in scales:
            for record, photograph in zip(records, photographs, strict=True):
                with torch.inference_mode(), autocast(device, precision):
                    maps = single_scale_maps(network, photograph, scale, True, alignment)
                heat = normalised_maps(maps, record.known_tags[:1])[0]
                shown = heat_overlay(photograph, heat, HEAT, HEAT_SHARE)
                columns.setdefault(f"{name}, {scale:g}", []).append(shown)
    write_grid(output, columns, [record.id for record in records])


def figure4(evaluations: Sequence[str | Path], output: str | Path) -> None:
    """mIoU over the background threshold, one panel a test scale, one line a network.

    Args:
        evaluations: scale evaluations of the networks to compare.
        output: PNG to write.
    """
    found = [read_json(path) for path in evaluations]
    keys = list(found[0]["scales"])
    figure, panels = _panels(len(keys))
    for key, axes in zip(keys, panels, strict=False):
        for content, colour, style in zip(found, COLOURS, STYLES, strict=False):
            curve = content["scales"][key]["curve"]
            axes.plot(curve["alpha"], curve["miou"], style, color=colour, label=content["name"])
        axes.set_title("multi-scale" if key == MULTI_SCALE else f"scale {key}")
        axes.set_xlabel("background threshold alpha")
        axes.set_ylabel("mIoU, %")
    panels[0].legend()
    _save(figure, output)


def figure5(evaluations: Sequence[str | Path], output: str | Path) -> None:
    """mFN and mFP over the single test scales, one line a network.

    Args:
        evaluations: scale evaluations of the networks to compare.
        output: PNG to write.
    """
    figure, panels = _panels(2)
    for axes, score in zip(panels, ("mfn", "mfp"), strict=True):
        for path, colour, style in zip(evaluations, COLOURS, STYLES, strict=False):
            content = read_json(path)
            single = {key: e for key, e in content["scales"].items() if key != MULTI_SCALE}
            values = [np.nan if e[score] is None else e[score] for e in single.values()]
            scales = [float(key) for key in single]
            axes.plot(scales, values, style, marker="o", color=colour, label=content["name"])
        axes.set_xlabel("scale of the test image")
        axes.set_ylabel({"mfn": "mFN", "mfp": "mFP"}[score])
    panels[0].legend()
    _save(figure, output)


def figure6(
    *,
    manifest: str | Path,
    images: Sequence[str],
    predictions_dir: str | Path,
    output: str | Path,
) -> None:
    """Photograph, truth (where there is one) and prediction: a row an image.

    Args:
        manifest: the split's manifest.
        images: ids to show.
        predictions_dir: predicted labels, `{image id}.png` each.
        output: PNG to write.
    """
    records = load_manifest(manifest).select(list(images))
    columns = {"photograph": [record.photograph() for record in records]}
    masks = [record.mask for record in records if record.mask is not None]
    if len(masks) == len(records):
        columns["truth"] = [label_picture(read_label_png(mask)) for mask in masks]
    predictions = [Path(predictions_dir) / f"{record.id}.png" for record in records]
    columns["prediction"] = [label_picture(read_label_png(path)) for path in predictions]
    write_grid(output, columns, images)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(count, 4)
    rows = -(-count // columns)
    figure = Figure(figsize=(3.4 * columns, 2.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, axes[:count]


def _save(figure: Figure, output: str | Path) -> None:
    with atomic_path(output) as temporary:
        figure.savefig(temporary, format="png", dpi=DOTS_AN_INCH)
