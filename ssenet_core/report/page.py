"""The report of a run: its results as JSON and Markdown, an HTML page, and a sheet of pictures.

The page is one file that needs nothing else. It works without scripts, which only filter, sort and
enlarge its pictures. An input that is missing, damaged or of another run is an `SSENetError`.
"""

import base64
import io
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import write_json, write_text
from ssenet_core.io.images import VOID, write_png
from ssenet_core.jobs import rough_duration
from ssenet_core.pictures import View, class_colour
from ssenet_core.report import figures, results
from ssenet_core.report.doubtful import DoubtSources, find_doubts
from ssenet_core.report.gallery import (
    LARGE,
    GalleryItem,
    ImageViews,
    contact_sheet,
    gallery_image,
)
from ssenet_core.report.paper import paper_score
from ssenet_core.report.results import STAGES, Row, base_variant, make_rows, score_text
from ssenet_core.settings import SerSettings
from ssenet_core.training.corrections import Corrections

LOG = logging.getLogger("ssenet")
JPEG_QUALITY = 85
FEW = 40  # images that the page holds in full size; of more, it would have hundreds of megabytes
SMALL = 240  # pixels, the longest edge of enlarged pictures of more images
ON_SHEET = 20  # images on the contact sheet, which is one picture
TILES = {
    "cam": "class activation maps",
    "crf": "maps after the dense CRF",
    "random_walk": "pseudo labels",
    "deeplab": "segmentation network",
}
LEAST_MIB = 50  # a job that is recorded with less had ended before Snakemake measured it

Paths = Mapping[str, str | Path]


def build_report(
    *,
    evaluations: Sequence[str | Path],
    trivial: Sequence[str | Path],
    equivariance: Sequence[str | Path],
    metrics: Paths,
    benchmarks: Paths,
    manifests: Paths,
    gallery: Sequence[GalleryItem],
    doubts: DoubtSources | None,
    output_json: str | Path,
    output_markdown: str | Path,
    output_html: str | Path,
    output_gallery: str | Path,
    title: str,
    settings: Mapping[str, Any],
    scales: Sequence[str | Path] = (),
    published: bool = False,
    corrections: str | Path | None = None,
) -> None:
    """Write the four files of the report.

    Args:
        evaluations: JSON files of `evaluation.stages`.
        trivial: JSON files of `evaluate_trivial`.
        equivariance: JSON files of `evaluation.equivariance`.
        metrics: training name ("cam/ssenet") to its metrics CSV.
        benchmarks: "stage/anything" to Snakemake's benchmark TSV.
        manifests: split to manifest; those of the gallery's splits are needed.
        gallery: images to show; those whose stages agree least come first.
        doubts: what is doubtful; None shows nothing of it.
        output_json: everything, for programs.
        output_markdown: the tables.
        output_html: the report.
        output_gallery: contact sheet of the gallery's first images, PNG.
        title: heading of all of them.
        settings: the configuration to show; for `published`, its "cam" has each variant's `ser`.
        scales: JSON files of `evaluation.scales`, as far as there are any.
        published: show the paper's numbers too; they are about VOC 2012 alone.
        corrections: labels that replaced pseudo labels; see `training.corrections`.

    Raises:
        SSENetError: an input is missing, damaged, or does not fit the others.
    """
    entries = results.load_entries([*trivial, *evaluations])
    measured, by_scale = results.load_equivariance(equivariance), results.load_scales(scales)
    settings = json.loads(json.dumps(settings, default=str))
    splits = {split: load_manifest(path) for split, path in manifests.items()}
    classes = _classes(entries, splits)
    found = find_doubts(doubts) if doubts else None
    agreement = found.agreement if found else {}
    gallery = sorted(gallery, key=lambda item: agreement.get(item.id, math.inf))
    edge = LARGE if len(gallery) <= FEW else SMALL
    images = [_gallery_image(item, splits, edge) for item in gallery]
    rows, corrected = make_rows(entries), len(Corrections(corrections))
    cams = settings.get("cam", {}) if published else {}
    regularisers = {name: SerSettings.model_validate(cam["ser"]) for name, cam in cams.items()}
    cam = next((item.cam for item in gallery if item.cam), None)
    page = _template().render(
        title=title,
        splits=splits.values(),
        corrected=corrected,
        settings=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True),
        classes=classes,
        rows=rows,
        published=published,
        paper=partial(paper_score, cams=regularisers),
        tiles=_tiles(rows, cam, regularisers),
        empty_table=results.empty_table(rows),
        scale_table=results.scale_table(by_scale),
        equivariance_table=results.equivariance_table(measured) if measured else None,
        charts=_charts(entries, by_scale, measured, metrics),
        costs=stage_costs(benchmarks),
        gallery=images,
        doubts=found,
        agreement=agreement,
        described=partial(_described, classes=classes),
    )
    facts = results.results_json(entries, title, settings, measured, by_scale)
    write_json(output_json, facts | {"corrected": corrected})
    write_text(output_markdown, results.markdown(entries, title, measured, corrected))
    write_png(output_gallery, contact_sheet(images[:ON_SHEET], classes, title))
    write_text(output_html, page)
    last = "nothing could be judged"
    if rows:
        last = f"{': '.join(rows[-1].names)} on {rows[-1].split}: mIoU {rows[-1].miou.text(1)} %"
    counts = (len(rows), len(images), len(page) / 1e6, last)
    LOG.info("%s: %d rows of results, %d images, %.1f MB; %s", output_html, *counts)


def _gallery_image(item: GalleryItem, splits: Mapping[str, Manifest], edge: int) -> ImageViews:
    if item.split not in splits:
        raise SSENetError(
            f"gallery image {item.id}: expected a manifest of its split {item.split}, found those "
            f"of {', '.join(splits) or 'no split'}"
        )
    return gallery_image(item, splits[item.split], edge)


def _classes(entries: Sequence[results.Entry], splits: Mapping[str, Manifest]) -> list[str]:
    """Class names, background first; evaluations and manifests must agree on them."""
    found = {f"manifest of {split}": list(m.classes) for split, m in splits.items()}
    if entries:
        found["evaluations"] = entries[0]["classes"][1:]
    if any(names != next(iter(found.values())) for names in found.values()):
        listed = "\n  ".join(f"{where}: {', '.join(names)}" for where, names in found.items())
        raise SSENetError(f"expected the same classes everywhere, found\n  {listed}")
    return ["background", *next(iter(found.values()), [])]


def _charts(
    entries: Sequence[results.Entry],
    scales: Sequence[results.Entry],
    measured: Sequence[results.Entry],
    metrics: Paths,
) -> dict[str, figures.Chart | None]:
    """The charts by their names; a variant has the same colour in all of them."""
    named = [*(entry for entry in entries if entry["stage"] == "cam"), *scales, *measured]
    series = figures.variant_series([entry["name"] for entry in named])
    trainings = {name: figures.read_metrics(path) for name, path in metrics.items()}
    return {
        "threshold": figures.threshold_chart(entries, series),
        "scale": figures.scale_chart(scales, series),
        "equivariance": figures.equivariance_chart(measured, series),
        "training": figures.training_chart(trainings),
    }


def _tiles(
    rows: Sequence[Row], cam: str | None, regularisers: Mapping[str, SerSettings]
) -> list[dict[str, Any]]:
    """The mIoU of each stage, of the chain whose images the page shows, and scores to compare.

    Args:
        rows: of the results table.
        cam: the chain's CAM variant; None takes each stage's first row.
        regularisers: of the CAM variants, where the paper's numbers are shown too.
    """
    tiles = []
    for stage, what in TILES.items():
        chosen = [row for row in rows if row.stage == stage]
        own = [row for row in chosen if cam and row.cam == base_variant(cam)]
        for row in (own or chosen)[:1]:
            beside = [f"{row.variant} on {row.split}"]
            answers = [r for r in rows if (r.stage, r.split) == ("trivial", row.split)]
            if answers:
                best = max(answer.miou.mean or 0.0 for answer in answers)
                beside.append(f"best trivial answer {best:.1f}")
            if (paper := paper_score(row, regularisers)) is not None:
                beside.append(f"paper {paper:.1f}")
            tiles.append({"name": STAGES[stage], "what": what, "miou": row.miou, "beside": beside})
    return tiles


class StageCost(NamedTuple):
    """Time (seconds) and memory (MiB) of a stage's jobs; None where no memory was measured."""

    stage: str
    jobs: int
    seconds: float
    longest: float
    peak_mib: float | None


def stage_costs(benchmarks: Paths) -> list[StageCost]:
    """Sum up benchmarks by stage, in order of first appearance.

    Args:
        benchmarks: "stage/anything" to a TSV with the columns `s` and `max_rss` (MiB).

    Raises:
        SSENetError: a file is missing or of another form.
    """
    jobs: dict[str, list[pd.DataFrame]] = {}
    for name, path in benchmarks.items():
        # Snakemake writes "NA" and "-" for what it could not measure.
        table = figures.read_table(path, "s", sep="\t").reindex(columns=["s", "max_rss"])
        numbers = table.apply(pd.to_numeric, errors="coerce")
        jobs.setdefault(name.partition("/")[0], []).append(numbers)
    found = []
    for stage, tables in jobs.items():
        numbers = pd.concat(tables)
        seconds, memory = numbers["s"].fillna(0), numbers["max_rss"]
        peak = memory.max() if (memory >= LEAST_MIB).any() else None
        found.append(StageCost(stage, len(seconds), seconds.sum(), seconds.max(), peak))
    return found


def duration(seconds: float) -> str:
    """Seconds as "4.2 s", "3 min 05 s" or "2 h 10 min"."""
    return f"{seconds:.1f} s" if seconds < 60 else rough_duration(seconds)


def _described(image: ImageViews, view: View, classes: Sequence[str]) -> str:
    """A picture's alternative text: what it is, and the classes in it."""
    if view.labels:
        found = (classes[label] for label in view.labels if label != VOID)
        return f"{view.title} of {image.id}: {', '.join(found) or 'no class'}"
    tags = f", tagged {image.tagged}" if view.stage == "Photo" and image.tagged else ""
    return f"{view.title}{tags}, image {image.id}"


def _picture_uri(picture: Image.Image) -> str:
    """A picture as a data URI: indexed ones as PNG, others as JPEG."""
    buffer = io.BytesIO()
    if picture.mode == "P":
        picture.save(buffer, format="PNG", optimize=True)
        return _data_uri(buffer.getvalue(), "image/png")
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return _data_uri(buffer.getvalue(), "image/jpeg")


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(figures.TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "score": score_text,
        "duration": duration,
        "picture_uri": _picture_uri,
        "svg_uri": lambda panel, theme: _data_uri(figures.svg(panel, theme), "image/svg+xml"),
        "colour": lambda label: "#{:02x}{:02x}{:02x}".format(*class_colour(label)),
    }
    environment.filters |= filters
    environment.globals |= {"results": results, "figures": figures, "void": VOID}
    return environment.get_template("report.html.j2")
