"""Figures 1, 2, 4, 5 and 6 of the paper, from a run's own networks and files.

The functions raise `SSENetError` that names a file which is missing, damaged or of another kind.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.style
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure

from ssenet_core.cam.inference import normalised_maps, single_scale_maps
from ssenet_core.data.manifest import load_manifest
from ssenet_core.errors import SSENetError, some_of
from ssenet_core.io.files import atomic_path
from ssenet_core.io.images import load_image, write_png
from ssenet_core.models.checkpoints import load_checkpoint
from ssenet_core.models.device import autocast, pick_device
from ssenet_core.pictures import View, heat_overlay, picture_sheet, thumbnail
from ssenet_core.report.figures import LIGHT, draw, scale_curves, scale_panel, style
from ssenet_core.report.gallery import contact_sheet, gallery_image
from ssenet_core.report.results import load_scales
from ssenet_core.settings import CamTraining

ACROSS = 4  # panels of a chart side by side, at the most
DOTS_AN_INCH = 150
HEAT = colormaps["jet"]
HEAT_SHARE = 0.55  # of a map over its photograph


def figure1(pictures: Mapping[str, str | Path], output: str | Path) -> None:
    """Class maps warped back from rescaled, mirrored and rotated photographs, network by network.

    Args:
        pictures: the pictures of the equivariance evaluations, by network.
        output: PNG to write.
    """
    rows = [("", [View("", name, load_image(path))]) for name, path in pictures.items()]
    write_png(output, picture_sheet(rows))


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
    photographs = {record.id: record.photograph() for record in records}
    rows = {key: [View("photograph", key, thumbnail(photographs[key]))] for key in photographs}
    device = pick_device()
    for name, checkpoint in checkpoints.items():
        network, facts = load_checkpoint(checkpoint, CamTraining, device)
        alignment = facts.settings.alignment
        for scale in scales:
            for record in records:
                photograph = photographs[record.id]
                with torch.inference_mode(), autocast(device, precision):
                    maps = single_scale_maps(network, photograph, scale, True, alignment)
                heat = normalised_maps(maps, record.known_tags[:1])[0]
                shown = heat_overlay(photograph, heat, HEAT_SHARE, HEAT)
                rows[record.id].append(View(f"{name}, {scale:g}", record.id, thumbnail(shown)))
    columns = [view.stage for view in next(iter(rows.values()))]
    write_png(output, picture_sheet(rows.items(), columns=columns))


def scale_figure(number: int, evaluations: Sequence[str | Path], output: str | Path) -> None:
    """Figure 4: mIoU over the background threshold, a panel a test scale. Figure 5: mFN, mFP.

    Args:
        number: 4 or 5.
        evaluations: scale evaluations of the networks to compare, a line each.
        output: PNG to write.
    """
    found = load_scales(evaluations)
    names = [content["name"] for content in found]
    series = {name: place for place, name in enumerate(names)}
    if number == 4:
        panels = scale_curves(found, series)
    else:
        panels = [scale_panel(found, score, series) for score in ("mfn", "mfp")]
    columns = min(len(panels), ACROSS)
    rows = -(-len(panels) // columns)
    with matplotlib.style.context(style(LIGHT)), atomic_path(output) as temporary:
        figure = Figure(figsize=(3.4 * columns, 2.8 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
        for place, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
            draw(axes, panel, LIGHT, () if place else names)
            axes.autoscale(axis="y")  # the networks are close: all of the height is for them
        for spare in grid[len(panels) :]:
            spare.set_visible(False)
        figure.savefig(temporary, format="png", dpi=DOTS_AN_INCH)


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
    split = load_manifest(manifest)
    classes = ["background", *split.classes]
    item = {"split": split.split, "prediction_dir": predictions_dir}
    shown = [gallery_image(item, record, classes, None) for record in split.select(list(images))]
    write_png(output, contact_sheet(shown, classes, f"Predictions on {split.split}"))
