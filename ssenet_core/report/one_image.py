"""Everything that a run has made of one image, of every variant that is there.

In: the folder of a run's results and an image's id. Out: labelled pictures, row by row, each with
the IoU of its classes where there is truth. Fails with `SSENetError` that names a folder or an
image that is not there, or a file that is damaged.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssenet_core.data.dataset import SPLITS
from ssenet_core.data.manifest import load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json
from ssenet_core.io.images import SUFFIXES, read_label_png
from ssenet_core.io.maps import read_refined
from ssenet_core.report.views import Subject, View, given, label_view, map_views, refined_views

ALPHA = 0.2  # background score where the run says none, as in config.yaml


@dataclass(frozen=True)
class ViewRow:
    """Pictures of one variant at one stage."""

    heading: str
    views: tuple[View, ...]


@dataclass(frozen=True)
class OneImage:
    """One image and its pictures.

    Attributes:
        sources: the files of the photograph and of the truth, not to be written over.
        id: of the image.
        dataset: the name of its dataset.
        splits: those that it belongs to.
        tags: names of its classes; None where none are known.
        classes: names of all classes, background first.
        rows: the photograph's first, then one a variant and stage.
    """

    sources: tuple[Path, ...]
    id: str
    dataset: str
    splits: tuple[str, ...]
    tags: tuple[str, ...] | None
    classes: tuple[str, ...]
    rows: tuple[ViewRow, ...]


def find_results(image: str, folder: str | Path = "results") -> Path:
    """The results of the only run that there is, or of the only one that has an image.

    Raises:
        SSENetError: there is none, or more than one.
    """
    found = sorted(path.parent.parent for path in Path(folder).glob("*/manifest/train.json"))
    if len(found) == 1:
        return found[0]
    where = Path(folder).absolute()
    if not found:
        raise SSENetError(f"--results: expected a run in {where}, found none; name the folder")
    having = [run for run in found if _ids_of(run) & {image, _plain_id(image)}]
    if len(having) == 1:
        return having[0]
    has = f"{len(having)} of them have" if having else "none of them has"
    raise SSENetError(
        f"--results: there are {', '.join(map(str, having or found))} in {where}, and {has} image "
        f"{image}; name the folder"
    )


def _ids_of(results: Path) -> set[str]:
    """The ids of a run's images."""
    manifests = map(load_manifest, sorted(results.glob("manifest/*.json")))
    return {record.id for manifest in manifests for record in manifest.images}


def one_image(results: str | Path, image_id: str) -> OneImage:
    """Gather all that there is of one image.

    Args:
        results: the folder of a dataset's results.
        image_id: the image.

    Raises:
        SSENetError: see the module.
    """
    results = Path(results)
    subject = _subject(results, image_id)
    image_id, tags = subject.record.id, subject.record.tags
    rows = [ViewRow("What is given", tuple(given(subject)))]
    rows += _cam_rows(results, subject)
    for stage, folder, depth in (
        ("Random walk", "affinity/{}/pseudo_labels", 2),
        ("DeepLab", "deeplab/{}/predictions", 3),
    ):
        first, last = folder.split("/{}/")
        views = [
            label_view(name, path, read_label_png(path), subject)
            for name in _variants(results / first, depth)
            for path in _files(results / first / name / last, f"{image_id}.png")
        ]
        rows += [ViewRow(stage, tuple(views))] if views else []
    return OneImage(
        sources=tuple(path for path in (subject.record.image, subject.record.mask) if path),
        id=image_id,
        dataset=subject.dataset,
        splits=subject.splits,
        tags=None if tags is None else tuple(subject.classes[tag] for tag in tags),
        classes=subject.classes,
        rows=tuple(rows),
    )


def _plain_id(name: str) -> str:
    """A photograph's id where its file's name or path was given."""
    path = Path(name)
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def _subject(results: Path, image_id: str) -> Subject:
    paths = {split: results / "manifest" / f"{split}.json" for split in SPLITS}
    found = {split: load_manifest(path) for split, path in paths.items() if path.is_file()}
    if not found:
        raise SSENetError(
            f"{results}: expected the results of a run, found no manifest/*.json in it; "
            "give results/DATASET, after snakemake has run"
        )
    ids = {record.id for manifest in found.values() for record in manifest.images}
    if image_id not in ids:
        image_id = _plain_id(image_id)
    splits = tuple(
        split
        for split, manifest in found.items()
        if any(record.id == image_id for record in manifest.images)
    )
    if not splits:
        near = difflib.get_close_matches(image_id, sorted(ids), n=3)
        hint = f"; is it {' or '.join(near)}?" if near else ""
        raise SSENetError(
            f"image {image_id}: not among the {len(ids)} of {results / 'manifest'}{hint}"
        )
    records = [found[split].record(image_id) for split in splits]
    record = next((one for one in records if one.mask), records[0])
    if not record.image.is_file():
        raise SSENetError(
            f"{record.image}: no such photograph; run this in the folder that snakemake ran in"
        )
    return Subject(
        record=record,
        dataset=found[splits[0]].dataset,
        splits=splits,
        classes=("background", *found[splits[0]].classes),
        photograph=record.photograph(),
        truth=read_label_png(record.mask) if record.mask else None,
    )


def _cam_rows(results: Path, subject: Subject) -> Iterator[ViewRow]:
    name = f"{subject.record.id}.h5"
    for cam in _variants(results / "cam", 1):
        views: list[View] = []
        for path in _files(results / "cam" / cam / "maps", name):
            views += map_views(path, _alpha(results, cam), subject)
        for path in _files(results / "cam" / cam / "affinity_labels", name):
            views += refined_views(path, read_refined(path), subject)
        if views:
            yield ViewRow(f"CAM {cam}", tuple(views))


def _alpha(results: Path, cam: str) -> float:
    """The background score at which a variant's maps were judged, or would be."""
    scored = results / "cam" / cam / "evaluation" / "pseudo_eval.json"
    if scored.is_file():
        return float(read_json(scored)["alpha"])
    report = results / "report" / "results.json"
    settings: Any = read_json(report).get("settings", {}) if report.is_file() else {}
    return float(settings.get("evaluation", {}).get("alpha", ALPHA))


def _variants(folder: Path, depth: int) -> list[str]:
    """Names of the folders so many levels below, sorted: "ssenet", "ssenet/default"."""
    names = [""]
    for _ in range(depth):
        names = [
            f"{name}/{path.name}".lstrip("/")
            for name in names
            for path in sorted((folder / name).glob("*"))
            if path.is_dir()
        ]
    return names


def _files(folder: Path, name: str) -> list[Path]:
    """The files of this name in the folders of the splits; the same image may be in several."""
    return [path for place in sorted(folder.glob("*")) if (path := place / name).is_file()]
