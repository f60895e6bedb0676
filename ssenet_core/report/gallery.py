"""Pictures of what a run has made of an image, for the report, its contact sheet and `ssenet show`.

The functions raise `SSENetError` that names a folder, image or file which is missing, damaged, or
does not fit the image's mask.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssenet_core.data.dataset import SPLITS
from ssenet_core.data.manifest import ImageRecord, Manifest, load_manifest
from ssenet_core.data.originals import PHOTOGRAPH_SUFFIXES
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.confusion import LabelError, confusion_matrix, scores
from ssenet_core.io.files import read_json
from ssenet_core.io.images import VOID, label_picture, read_label_png, write_png
from ssenet_core.io.maps import read_maps, read_refined
from ssenet_core.pictures import View, heat_overlay, picture_sheet, thumbnail
from ssenet_core.scores import labels_at_threshold, labels_from_scores, power_of

COLUMNS = ("Photo", "Truth", "CAM", "CAM labels", "CAM + CRF", "Random walk", "DeepLab")
HEAT_SHARE = 0.6  # opacity of a map over its photograph where the map is 1
LARGE = 480  # pixels, the longer side of an enlarged picture
ALPHA = 0.2  # background threshold where none is given, as in config.yaml
STRIDE = 8  # pixels along the edge of a cell of AffinityNet's labels where none is given

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class GalleryItem:
    """An image to show, and the folders that have its files, None for stages that are not shown.

    Attributes:
        id: the image's.
        split: whose manifest has it.
        cam: the CAM variant.
        alpha: background threshold at which the maps become labels.
        maps_dir: class maps, `{id}.h5`.
        refined_dir: refined scores, `{id}.h5`.
        pseudo_dir: pseudo labels, `{id}.png`.
        prediction_dir: predictions, `{id}.png`.
    """

    id: str
    split: str
    cam: str | None = None
    alpha: float = ALPHA
    maps_dir: str | Path | None = None
    refined_dir: str | Path | None = None
    pseudo_dir: str | Path | None = None
    prediction_dir: str | Path | None = None


@dataclass(frozen=True)
class Subject:
    """An image of a manifest, and what is pictured of it."""

    record: ImageRecord
    classes: Sequence[str]  # background first
    edge: int = LARGE  # pixels, the longest of an enlarged picture

    @cached_property
    def photograph(self) -> Image.Image:
        """The photograph, RGB."""
        return self.record.photograph()

    @cached_property
    def truth(self) -> Labels | None:
        """The mask's labels, (H, W); None where there is no mask."""
        return None if self.record.mask is None else read_label_png(self.record.mask)

    @property
    def tags(self) -> list[str] | None:
        """Names of the image's classes; None where none are known."""
        tags = self.record.tags
        return None if tags is None else [self.classes[tag] for tag in tags]

    def given(self) -> Iterator[View]:
        """The photograph, and its truth if there is one."""
        size = f"{self.record.width} x {self.record.height} pixels"
        yield self._view("Photo", "Photograph", self.photograph, notes=(size,))
        if self.truth is not None:
            yield self._label_view("Truth", "Truth", self.truth)

    def maps(self, path: Path, alpha: float) -> Iterator[View]:
        """The map of each class, and the labels at the background threshold `alpha`.

        Args:
            path: class activation maps.
            alpha: background threshold.
        """
        found = read_maps(path)
        for label, heat in zip(found.classes, found.maps, strict=True):
            note = f"mean {heat.mean():.2f}, over {alpha:g}: {(heat > alpha).mean():.0%}"
            share = HEAT_SHARE * (0.3 + 0.7 * heat)  # stronger where the map is higher
            picture = heat_overlay(self.photograph, heat, share)
            yield self._view("CAM", f"CAM of {self.classes[label]}", picture, notes=(note,))
        labels = labels_at_threshold(found.maps, found.classes, alpha)
        yield self.labels("CAM labels", f"labels at {alpha:g}", path, labels)

    def labels(self, stage: str, title: str, path: str | Path, labels: Labels) -> View:
        """Labels (H, W), with the IoU of each class that the truth or the labels have.

        Raises:
            SSENetError: they are of another size than the mask, or not of these classes.
        """
        if self.truth is None:
            return self._label_view(stage, title, labels)
        try:
            found = scores(confusion_matrix(self.truth, labels, len(self.classes))).iou
        except LabelError as error:
            raise SSENetError(f"{path}: {error}; delete it and run the workflow again") from error
        named = zip(self.classes, found, strict=True)
        notes = tuple(f"IoU {name} {value:.0f}" for name, value in named if value is not None)
        foreground = [value for value in found[1:] if value is not None]
        iou = sum(foreground) / len(foreground) if foreground else found[0]
        return self._label_view(stage, title, labels, notes=notes, iou=iou)

    def refined(self, path: Path, stride: int) -> Iterator[View]:
        """The CRF's labels at each background, and the cells that AffinityNet learns from.

        Args:
            path: refined scores.
            stride: edge of a cell, in pixels.
        """
        from ssenet_core.affinity.labels import confident_labels  # loads torch

        found = read_refined(path)
        if found.labels is not None:
            yield self.labels("CAM + CRF", "CRF, constant background", path, found.labels)
        powers = sorted(found.posteriors, key=power_of)  # the strong background first
        for name in powers:
            labels = labels_from_scores(found.posteriors[name], found.classes)
            title = f"CRF, background ^{power_of(name):g}"
            yield self.labels("CAM + CRF", title, path, labels)
        if len(powers) == 2:
            low, high = (found.posteriors[name] for name in powers)
            cells = confident_labels(low, high, found.classes, stride)
            height, width = low.shape[1:]
            pixels = cells.repeat(stride, axis=0).repeat(stride, axis=1)[:height, :width]
            certain = f"{(cells != VOID).mean():.0%} of the cells are certain"
            yield self._label_view("AffinityNet", "affinity labels", pixels, notes=(certain,))

    def _label_view(self, stage: str, title: str, labels: Labels, **facts: Any) -> View:
        """Labels (H, W) alone, with other attributes of the view."""
        found = tuple(np.unique(labels).tolist())
        return self._view(stage, title, label_picture(labels), labels=found, **facts)

    def _view(self, stage: str, title: str, picture: Image.Image, **facts: Any) -> View:
        """A picture of any size as a thumbnail, and as the page holds it enlarged.

        A browser enlarges small pictures without more bytes.
        """
        small = max(picture.size) <= self.edge
        large = picture if small else thumbnail(picture, self.edge)
        return View(stage, title, thumbnail(picture), large=large, **facts)


@dataclass(frozen=True)
class ImageViews:
    """What a run has made of one image: headings, and pictures below each."""

    id: str
    splits: tuple[str, ...]
    tags: list[str] | None  # names of its classes; None where none are known
    rows: list[tuple[str, list[View]]]

    @property
    def views(self) -> list[View]:
        """The pictures of all rows."""
        return [view for _, views in self.rows for view in views]

    @property
    def tagged(self) -> str:
        """The tags in words; empty where none are known."""
        return "" if self.tags is None else ", ".join(self.tags) or "none of the classes"

    @property
    def ious(self) -> dict[str, float]:
        """IoU by stage, where there is truth."""
        return {view.stage: view.iou for view in self.views if view.iou is not None}


def gallery_image(item: GalleryItem, manifest: Manifest, edge: int = LARGE) -> ImageViews:
    """Gather the files that exist of one image and one chain of variants.

    Args:
        item: the image and its folders.
        manifest: of the item's split.
        edge: longest edge of the enlarged pictures, pixels.
    """
    subject = Subject(manifest.record(item.id), ("background", *manifest.classes), edge)
    views = list(subject.given())
    if path := _existing(item.maps_dir, f"{item.id}.h5"):
        views += subject.maps(path, item.alpha)
    if path := _existing(item.refined_dir, f"{item.id}.h5"):
        labels = read_refined(path).labels
        if labels is not None:
            views.append(subject.labels("CAM + CRF", "", path, labels))
    for folder, stage in ((item.pseudo_dir, "Random walk"), (item.prediction_dir, "DeepLab")):
        if path := _existing(folder, f"{item.id}.png"):
            views.append(subject.labels(stage, "", path, read_label_png(path)))
    # One variant per stage: the stage is title enough, except for the maps of several classes.
    named = [view if view.stage == "CAM" else replace(view, title=view.stage) for view in views]
    return ImageViews(item.id, (item.split,), subject.tags, [("", named)])


def contact_sheet(images: Sequence[ImageViews], classes: Sequence[str], title: str) -> Image.Image:
    """All images on one sheet: images as rows, stages as columns.

    Args:
        images: rows of the sheet; none gives a sheet that says so.
        classes: names, background first.
        title: heading.
    """
    rows = [
        (
            f"{image.id} ({', '.join(image.splits)}): {image.tagged}",
            [replace(view, notes=_brief(view)) for view in image.views],
        )
        for image in images
    ]
    stages = {view.stage for _, views in rows for view in views}
    return picture_sheet(
        rows,
        title=title if images else f"{title}: no images",
        columns=[name for name in COLUMNS if name in stages],
        legend=[*enumerate(classes), (VOID, "void (not judged)")],
    )


def show_image(image: str, results: Path | None = None, out: Path | None = None) -> Path:
    """Write a picture of all that there is of one image, of every variant (`ssenet show`).

    Args:
        image: its id, or the name of its file.
        results: the folder of a dataset's results; None looks for it in `results`.
        out: PNG to write; None: into the results.

    Returns:
        The path of the picture.

    Raises:
        SSENetError: see the module; or `out` is what the picture is made from.
    """
    results = results or find_results(image)
    subject, found = one_image(results, image)
    out = out or results / "report" / "images" / f"{found.id}.png"
    sources = [path for path in (subject.record.image, subject.record.mask) if path]
    if out.resolve() in [source.resolve() for source in sources]:
        raise SSENetError(f"{out}: it is what the picture is made from; choose another file")
    tags = "unknown" if found.tags is None else found.tagged
    labels = sorted({0}.union(*(view.labels for view in found.views)))
    names = ["void, uncertain" if label == VOID else subject.classes[label] for label in labels]
    sheet = picture_sheet(
        found.rows,
        title=found.id,
        facts=f"{results.resolve().name}, {', '.join(found.splits)}; tags: {tags}",
        legend=list(zip(labels, names, strict=True)),
    )
    try:
        write_png(out, sheet)
    except OSError as error:
        raise SSENetError(f"{out}: cannot write the picture ({error.strerror})") from error
    return out


def find_results(image: str) -> Path:
    """The results of the only run that there is in `results`, or of the only one that has an image.

    Raises:
        SSENetError: there is none, or more than one.
    """
    runs = sorted(path.parent.parent for path in Path("results").glob("*/manifest/train.json"))
    if len(runs) == 1:
        return runs[0]
    where = Path("results").absolute()
    if not runs:
        raise SSENetError(f"--results: expected a run in {where}, found none; name the folder")
    having = [run for run in runs if _records(_manifests(run), image)]
    if len(having) == 1:
        return having[0]
    has = f"{len(having)} of them have" if having else "none of them has"
    raise SSENetError(
        f"--results: there are {', '.join(map(str, having or runs))} in {where}, and {has} image "
        f"{image}; name the folder"
    )


def one_image(results: Path, image: str) -> tuple[Subject, ImageViews]:
    """Gather all that there is of one image, a row per variant and stage.

    Args:
        results: the folder of a dataset's results.
        image: its id, or the name of its file.

    Raises:
        SSENetError: see the module.
    """
    manifests = _manifests(results)
    if not manifests:
        raise SSENetError(
            f"{results}: expected the results of a run, found no manifest/*.json in it; "
            "give results/DATASET, after snakemake has run"
        )
    records = _records(manifests, image)
    if not records:
        ids = {record.id for manifest in manifests.values() for record in manifest.images}
        near = difflib.get_close_matches(_plain_id(image), sorted(ids), n=3)
        hint = f"; is it {' or '.join(near)}?" if near else ""
        raise SSENetError(
            f"image {_plain_id(image)}: not among the {len(ids)} of {results / 'manifest'}{hint}"
        )
    record = next((one for one in records.values() if one.mask), next(iter(records.values())))
    if not record.image.is_file():
        raise SSENetError(
            f"{record.image}: no such photograph; run this in the folder that snakemake ran in"
        )
    subject = Subject(record, ("background", *manifests[next(iter(records))].classes))
    rows = [("What is given", list(subject.given())), *_stage_rows(results, subject)]
    return subject, ImageViews(record.id, tuple(records), subject.tags, rows)


def _manifests(results: Path) -> dict[str, Manifest]:
    """The manifests of a run by split."""
    paths = {split: results / "manifest" / f"{split}.json" for split in SPLITS}
    return {split: load_manifest(path) for split, path in paths.items() if path.is_file()}


def _records(manifests: Mapping[str, Manifest], image: str) -> dict[str, ImageRecord]:
    """An image by the splits that have it; its file's name or path will do."""
    for name in (image, _plain_id(image)):
        found = {
            split: record
            for split, manifest in manifests.items()
            for record in manifest.images
            if record.id == name
        }
        if found:
            return found
    return {}


def _plain_id(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in PHOTOGRAPH_SUFFIXES else path.name


def _stage_rows(results: Path, subject: Subject) -> Iterator[tuple[str, list[View]]]:
    """A row per CAM variant, then one for all random walks, and one for all DeepLabs."""
    stem = escape(subject.record.id)
    # The same image may be in the folders of several splits.
    for folder in sorted(path for path in results.glob("cam/*") if path.is_dir()):
        views: list[View] = []
        for path in sorted(folder.glob(f"maps/*/{stem}.h5")):
            views += subject.maps(path, _alpha(results, folder.name))
        for path in sorted(folder.glob(f"affinity_labels/*/{stem}.h5")):
            views += subject.refined(path, _stride(results))
        if views:
            yield f"CAM {folder.name}", views
    for stage, first, pattern in (
        ("Random walk", results / "affinity", f"*/*/pseudo_labels/*/{stem}.png"),
        ("DeepLab", results / "deeplab", f"*/*/*/predictions/*/{stem}.png"),
    ):
        views = [
            subject.labels(
                stage, str(path.parents[2].relative_to(first)), path, read_label_png(path)
            )
            for path in sorted(first.glob(pattern))
        ]
        if views:
            yield stage, views


def _alpha(results: Path, cam: str) -> float:
    """The background threshold of a variant's evaluation, or else of the run's settings."""
    scored = results / "cam" / cam / "evaluation" / "pseudo_eval.json"
    if scored.is_file():
        return float(read_json(scored)["alpha"])
    return float(_settings(results).get("evaluation", {}).get("alpha", ALPHA))


def _stride(results: Path) -> int:
    """The output stride of the run's first AffinityNet, in pixels."""
    variants = [*_settings(results).get("affinity", {}).values()]
    return int(variants[0]["backbone"]["output_stride"]) if variants else STRIDE


def _settings(results: Path) -> dict[str, Any]:
    """The settings of a run; empty where it has no report yet."""
    report = results / "report" / "results.json"
    settings: dict[str, Any] = read_json(report).get("settings", {}) if report.is_file() else {}
    return settings


def _brief(view: View) -> tuple[str, ...]:
    """What a narrow column says of a picture: a map's class, or the labels' IoU."""
    if view.iou is not None:
        return (f"IoU {view.iou:.0f}",)
    return (view.title.removeprefix("CAM of "),) if view.stage == "CAM" else ()


def _existing(folder: str | Path | None, name: str) -> Path | None:
    path = Path(folder) / name if folder else None
    return path if path and path.is_file() else None
