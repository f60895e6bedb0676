"""The paper's tables and figures from a run's files, and the archive for VOC's evaluation server.

The functions raise `SSENetError` that names a file which is missing, damaged or of another kind.
"""

import logging
import tarfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.style
import yaml
from matplotlib import colormaps
from matplotlib.figure import Figure

from ssenet_core.data.manifest import load_manifest
from ssenet_core.errors import SSENetError, some_of
from ssenet_core.io.files import atomic_path, write_json, write_text
from ssenet_core.io.images import load_image, write_png
from ssenet_core.pictures import View, heat_overlay, picture_sheet, thumbnail
from ssenet_core.report.figures import LIGHT, draw, scale_curves, scale_panel, style
from ssenet_core.report.gallery import GalleryItem, contact_sheet, gallery_image
from ssenet_core.report.results import (
    NONE,
    Row,
    Table,
    base_variant,
    load_entries,
    load_scales,
    make_rows,
    score_text,
)
from ssenet_core.settings import CamTraining, SerSettings
from ssenet_core.settings.sections import Section

LOG = logging.getLogger("ssenet")
SERVER_FOLDER = "results/VOC2012/Segmentation/comp6_test_cls"  # of VOC's evaluation server

# What the paper prints, mIoU in percent.
PUBLISHED = yaml.safe_load((Path(__file__).parent / "published.yaml").read_text())
BRANCH_RATES: dict[str, tuple[float, float]] = PUBLISHED["branch_rates"]
SCALE_RANGES: list[tuple[str, list[int], float]] = PUBLISHED["scale_ranges"]
METHODS: list[tuple[str, str, str, float, float | None]] = PUBLISHED["methods"]
SSENET_ON_VAL = METHODS[-1][3]
TABLE3_RATE = "0.3"  # of the small branch, in the network of Table 3
STAGE_SPLITS = {"cam": "pseudo_eval", "random_walk": "pseudo_eval", "deeplab": "val"}

PANELS_ACROSS = 4  # at the most
DOTS_PER_INCH = 150
HEAT = colormaps["jet"]
HEAT_SHARE = 0.55  # opacity of a map over its photograph


class CamModel(Section):
    """The settings of a CAM variant that the tables read."""

    ser: SerSettings
    resize: tuple[int, int]


Models = Mapping[str, CamModel]


def write_table(
    *,
    number: int,
    evaluations: Sequence[str | Path],
    models: Models,
    published: bool,
    title: str,
    markdown: str | Path,
    json: str | Path,
) -> None:
    """Write one of the paper's tables.

    Args:
        number: 1, 2 or 3.
        evaluations: JSON of every stage that the table shows.
        models: CAM variants by name, in the order of the rows.
        published: show the paper's numbers too; they are about VOC 2012 alone.
        title: the table's heading.
        markdown, json: files to write.

    Raises:
        SSENetError: an evaluation is missing or of another kind.
    """
    makers = {1: branch_rates, 2: scale_ranges, 3: methods}
    table = makers[number](make_rows(load_entries(evaluations)), models, published)
    write_text(markdown, "\n".join([f"# {title}", "", *table.markdown(), ""]))
    write_json(json, {"title": title, "header": table.header, "rows": table.body})
    last = "; ".join(table.body[-1] if table.body else [])
    LOG.info("%s: %d rows, the last: %s", markdown, len(table.body), last)


def branch_rates(rows: Sequence[Row], models: Models, published: bool) -> Table:
    """Table 1: CAM and CAM + random walk, by the rate of the small branch."""
    header = ["Model", "CAM (mIoU %)", "CAM + random walk (mIoU %)"]
    header += ["paper: CAM", "paper: CAM + random walk"] if published else []
    body = []
    for (name, model), label in zip(models.items(), model_labels(models), strict=True):
        cells = [label, _score(rows, "cam", name), _score(rows, "random_walk", name)]
        if published:
            paper = BRANCH_RATES.get(published_branch(model.ser) or "", (None, None))
            cells += [score_text(value) for value in paper]
        body.append(cells)
    return Table(header, body)


def scale_ranges(rows: Sequence[Row], models: Models, published: bool) -> Table:
    """Table 2: CAM by the range of sizes that the large branch is trained on."""
    header = ["Model", "Longest edge in training", "CAM (mIoU %)"]
    header += ["paper: CAM"] if published else []
    labels = model_labels(models, with_resize=True)
    paper = {(branch, tuple(edges)): miou for branch, edges, miou in SCALE_RANGES}
    body = []
    for (name, model), label in zip(models.items(), labels, strict=True):
        cells = [label, str(list(model.resize)), _score(rows, "cam", name)]
        if published:
            here = (published_branch(model.ser) or "", model.resize)
            cells.append(score_text(paper.get(here)))
        body.append(cells)
    return Table(header, body)


def methods(rows: Sequence[Row], models: Models, published: bool) -> Table:
    """Table 3: the segmentation network, on VOC among the published methods' own scores.

    The test split has no masks here; its score comes from VOC's evaluation server.
    """
    header = ["Method", "Supervision", "Saliency", "val (mIoU %)", "test (mIoU %)"]
    body = [
        [name, supervision, saliency, score_text(val), score_text(test)]
        for name, supervision, saliency, val, test in (METHODS if published else ())
    ]
    body += [
        [f"this run: {row.variant}", "Image-level", "", row.miou.text(1), NONE]
        for row in rows
        if row.stage == "deeplab"
    ]
    return Table(header, body)


def paper_score(row: Row, cams: Mapping[str, SerSettings]) -> float | None:
    """mIoU in percent that the paper reports for a row of the results table; None if it has none.

    Args:
        row: of the results table.
        cams: regularisers of the CAM variants by name, seeds included.
    """
    if STAGE_SPLITS.get(row.stage) != row.split:
        return None
    seeds = (cams[name] for name in cams if base_variant(name) == row.cam)
    rate = next(map(published_branch, seeds), None)
    if row.stage == "deeplab":
        return SSENET_ON_VAL if rate == TABLE3_RATE else None
    cam, random_walk = BRANCH_RATES.get(rate or "", (None, None))
    return cam if row.stage == "cam" else random_walk


def published_branch(ser: SerSettings) -> str | None:
    """A regulariser's key in `BRANCH_RATES`; None where it is not of the published kind."""
    if not ser.weight:
        return "baseline"
    kind = (ser.transforms, ser.form, ser.compared_at)
    return f"{ser.rate:g}" if kind == (("scale",), "normalised", "pixels") else None


def model_labels(models: Models, *, with_resize: bool = False) -> list[str]:
    """CAM variants as the paper calls them, Baseline or SSENet with its rate.

    A variant that the paper has no word for, or that looks like another one, has its name too.

    Args:
        models: by name.
        with_resize: whether the table shows `resize` too.
    """
    branches = [published_branch(model.ser) for model in models.values()]
    labels = [
        branch and ("Baseline" if branch == "baseline" else f"SSENet ({branch})")
        for branch in branches
    ]
    rows = [
        (label, model.resize if with_resize else None)
        for label, model in zip(labels, models.values(), strict=True)
    ]
    alike = Counter(rows)
    return [
        label if label and alike[row] == 1 else f"{label or 'SSENet'}, {name}"
        for name, label, row in zip(models, labels, rows, strict=True)
    ]


def _score(rows: Sequence[Row], stage: str, cam: str) -> str:
    """mIoU of a stage that was made from a CAM variant, as text; a dash where there is none."""
    found = (row.miou.text(1) for row in rows if (row.stage, row.cam) == (stage, cam))
    return next(found, NONE)


def pack_predictions(
    images: Sequence[str], predictions_dir: str | Path, archive: str | Path
) -> None:
    """Pack indexed PNGs as `results/VOC2012/Segmentation/comp6_test_cls/{image id}.png`.

    Args:
        images: ids of the test split.
        predictions_dir: predicted labels, `{image id}.png` each.
        archive: gzipped tar file to write.

    Raises:
        SSENetError: predictions are missing; it says how many and names the first.
    """
    paths = [Path(predictions_dir) / f"{image}.png" for image in images]
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise SSENetError(
            f"{len(missing)} of {len(paths)} predictions are missing, the first: {missing[0]}; "
            "run the workflow again"
        )
    with atomic_path(archive) as temporary, tarfile.open(temporary, "w:gz") as tar:
        for path in paths:
            tar.add(path, f"{SERVER_FOLDER}/{path.name}", recursive=False)
    LOG.info("%s: predictions of %d images", archive, len(paths))


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
    """Class activation maps over test scales: a row per image, a block of columns per network.

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
    # The only one here that runs a network: the others start faster without torch.
    import torch

    from ssenet_core.cam.inference import normalised_maps, single_scale_maps
    from ssenet_core.models.checkpoints import load_checkpoint
    from ssenet_core.models.device import autocast, pick_device

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
    """Figure 4: mIoU over the background threshold, a panel per test scale. Figure 5: mFN, mFP.

    Args:
        number: 4 or 5.
        evaluations: scale evaluations of the networks to compare, a line each.
        output: PNG to write.

    Raises:
        SSENetError: an evaluation is missing or of another kind.
    """
    found = load_scales(evaluations)
    names = [content["name"] for content in found]
    series = {name: place for place, name in enumerate(names)}
    if number == 4:
        panels = scale_curves(found, series)
    else:
        panels = [scale_panel(found, score, series) for score in ("mfn", "mfp")]
    columns = min(len(panels), PANELS_ACROSS)
    rows = -(-len(panels) // columns)
    with matplotlib.style.context(style(LIGHT)), atomic_path(output) as temporary:
        figure = Figure(figsize=(3.4 * columns, 2.8 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
        for place, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
            draw(axes, panel, LIGHT, () if place else names)
            axes.autoscale(axis="y")  # the networks are close: all of the height is for them
        for spare in grid[len(panels) :]:
            spare.set_visible(False)
        figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)


def figure6(
    *,
    manifest: str | Path,
    images: Sequence[str],
    predictions_dir: str | Path,
    output: str | Path,
) -> None:
    """Photograph, truth (where there is one) and prediction: a row per image.

    Args:
        manifest: the split's manifest.
        images: ids to show.
        predictions_dir: predicted labels, `{image id}.png` each.
        output: PNG to write.
    """
    split = load_manifest(manifest)
    items = [GalleryItem(name, split.split, prediction_dir=predictions_dir) for name in images]
    shown = [gallery_image(item, split) for item in items]
    classes = ["background", *split.classes]
    write_png(output, contact_sheet(shown, classes, f"Predictions on {split.split}"))
