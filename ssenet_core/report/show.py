"""Everything that a run has made of one image, of every variant that is there, as one picture.

The functions raise `SSENetError` that names a folder or an image that is not there, or a file that
is damaged or cannot be written.
"""

import difflib
from collections.abc import Iterator, Mapping
from glob import escape
from pathlib import Path
from typing import Any

from ssenet_core.affinity.labels import confident_labels
from ssenet_core.data.dataset import SPLITS
from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.data.manifest_entries import ImageRecord
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json
from ssenet_core.io.images import SUFFIXES, VOID, read_label_png, write_png
from ssenet_core.io.maps import read_refined
from ssenet_core.pictures import View, picture_sheet
from ssenet_core.report.gallery import ImageViews, Subject, label_view
from ssenet_core.scores import labels_from_scores, power_of

ALPHA = 0.2  # background score where the run says none, as in config.yaml
STRIDE = 8  # pixels a cell of AffinityNet's labels


def show_image(image: str, results: Path | None = None, out: Path | None = None) -> Path:
    """Write a picture of all that there is of one image.

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
    """Gather all that there is of one image, a row a variant and stage.

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
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def _stage_rows(results: Path, subject: Subject) -> Iterator[tuple[str, list[View]]]:
    """A row a CAM variant, then one for all random walks, and one for all DeepLabs."""
    stem = escape(subject.record.id)
    # The same image may be in the folders of several splits.
    for folder in sorted(path for path in results.glob("cam/*") if path.is_dir()):
        views: list[View] = []
        for path in sorted(folder.glob(f"maps/*/{stem}.h5")):
            views += subject.maps(path, _alpha(results, folder.name))
        for path in sorted(folder.glob(f"affinity_labels/*/{stem}.h5")):
            views += _refined_views(path, subject)
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


def _refined_views(path: Path, subject: Subject) -> Iterator[View]:
    """What the CRF answers at each background, and the cells that AffinityNet learns from."""
    found = read_refined(path)
    if found.labels is not None:
        yield subject.labels("CAM + CRF", "CRF, constant background", path, found.labels)
    # "power-4" before "power-24": the strong background first.
    powers = sorted(found.posteriors, key=power_of)
    for name in powers:
        labels = labels_from_scores(found.posteriors[name], found.classes)
        title = f"CRF, background ^{power_of(name):g}"
        yield subject.labels("CAM + CRF", title, path, labels)
    if len(powers) == 2:
        low, high = (found.posteriors[name] for name in powers)
        cells = confident_labels(low, high, found.classes, STRIDE)
        height, width = low.shape[1:]
        pixels = cells.repeat(STRIDE, axis=0).repeat(STRIDE, axis=1)[:height, :width]
        certain = f"{(cells != VOID).mean():.0%} of the cells are certain"
        yield label_view("AffinityNet", "affinity labels", pixels, notes=(certain,))


def _alpha(results: Path, cam: str) -> float:
    """The background score at which a variant's maps were judged, or would be."""
    scored = results / "cam" / cam / "evaluation" / "pseudo_eval.json"
    if scored.is_file():
        return float(read_json(scored)["alpha"])
    report = results / "report" / "results.json"
    settings: Any = read_json(report).get("settings", {}) if report.is_file() else {}
    return float(settings.get("evaluation", {}).get("alpha", ALPHA))
