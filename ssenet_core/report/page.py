"""The HTML report: one file that needs nothing else, made from templates.

In: what `build` has read of a run. Out: the text of the page; the same run gives the same text. The
page works without scripts, which only filter, sort and enlarge its pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ssenet_core.data.manifest import Manifest
from ssenet_core.io.images import VOID
from ssenet_core.pictures import class_colour
from ssenet_core.report import figures
from ssenet_core.report.drawing import draw
from ssenet_core.report.equivariance import EQUIVARIANCE_NOTE, equivariance_table
from ssenet_core.report.gallery import GalleryImage, Panel, bytes_uri
from ssenet_core.report.page_tables import class_groups, cost_rows, result_groups, tiles
from ssenet_core.report.paper_scores import NOTE
from ssenet_core.report.results import (
    BEST_NOTE,
    EMPTY_HEADING,
    EMPTY_NOTE,
    RATIO_NOTE,
    empty_table,
    judged_on,
    make_rows,
)
from ssenet_core.report.scales import SCALE_NOTE, scale_table
from ssenet_core.report.tables import Metrics, StageCost
from ssenet_core.report.theme import DARK, DASHES, LIGHT, SERIES, variant_series

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Content:
    """What a page is about.

    Attributes:
        title: its heading.
        classes: names, background first.
        splits: manifests by split.
        entries: evaluations, the trivial answers among them.
        scales: scores by test scale.
        equivariance: measurements of equivariance.
        metrics: tables of the trainings by name.
        costs: time and memory of the stages.
        gallery: images to show.
        cam: the CAM variant whose images they are.
        settings: the configuration.
        published: stand the paper's numbers beside.
    """

    title: str
    classes: Sequence[str]
    splits: Mapping[str, Manifest]
    entries: Sequence[Mapping[str, Any]]
    scales: Sequence[Mapping[str, Any]]
    equivariance: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Metrics]
    costs: Sequence[StageCost]
    gallery: Sequence[GalleryImage]
    cam: str | None
    settings: Mapping[str, Any]
    published: bool


@dataclass(frozen=True)
class Picture:
    """A panel of a figure in both themes, as data URIs, with the text that stands for it."""

    light: str
    dark: str
    alt: str


def render(content: Content) -> str:
    """The page as text."""
    template = _environment().get_template("report.html.j2")
    return template.render(
        title=content.title,
        themes={"light": LIGHT, "dark": DARK},
        dashes=DASHES,
        series_count=SERIES,
        splits=content.splits.values(),
        settings=yaml.safe_dump(dict(content.settings), sort_keys=False, allow_unicode=True),
        **_results_section(content),
        **_figures(content),
        **_tables(content),
        **_gallery_section(content),
    )


def _results_section(content: Content) -> dict[str, Any]:
    rows = make_rows(content.entries)
    cams = content.settings.get("cam", {}) if content.published else None
    return {
        "tiles": tiles(rows, content.cam, cams),
        "result_groups": result_groups(rows, cams),
        "published": content.published,
        "paper_note": NOTE,
        "judged": judged_on(rows),
        "ratio_note": RATIO_NOTE,
        "best_note": BEST_NOTE,
        "empty_heading": EMPTY_HEADING,
        "empty_note": EMPTY_NOTE,
        "empty_table": empty_table(rows),
        "class_groups": class_groups(rows, content.classes),
    }


def _figures(content: Content) -> dict[str, Any]:
    named = [*content.entries, *content.scales, *content.equivariance]
    names = [entry["name"] for entry in named if entry.get("stage") in {None, "cam"}]
    series = variant_series([*names, *(entry["name"] for entry in content.equivariance)])
    charts = {
        "threshold_chart": figures.threshold_chart(content.entries, series),
        "scale_chart": figures.scale_chart(content.scales, series),
        "equivariance_chart": figures.equivariance_chart(content.equivariance, series),
        "training_chart": figures.training_chart(content.metrics),
    }
    return {name: chart and _drawn(chart) for name, chart in charts.items()}


def _drawn(chart: figures.Chart) -> dict[str, Any]:
    pictures = []
    for panel in chart.panels:
        light, dark = (bytes_uri(draw(panel, theme), "image/svg+xml") for theme in (LIGHT, DARK))
        pictures.append(Picture(light, dark, panel.alt))
    return {"pictures": pictures, "key": chart.key}


def _tables(content: Content) -> dict[str, Any]:
    return {
        "scale_table": scale_table(content.scales) if content.scales else None,
        "scale_note": SCALE_NOTE,
        "equivariance_table": content.equivariance and equivariance_table(content.equivariance),
        "equivariance_note": EQUIVARIANCE_NOTE,
        "costs": cost_rows(content.costs),
    }


def _gallery_section(content: Content) -> dict[str, Any]:
    images = content.gallery
    colours = ["#{:02x}{:02x}{:02x}".format(*class_colour(n)) for n in range(len(content.classes))]
    return {
        "gallery": images,
        "gallery_splits": list(dict.fromkeys(image.split for image in images)),
        "stages": list(dict.fromkeys(stage for image in images for stage in image.ious)),
        "legend": [
            (colour, name, sum(name in (image.tags or ()) for image in images))
            for colour, name in zip(colours, content.classes, strict=True)
        ],
        "void_colour": "#{:02x}{:02x}{:02x}".format(*class_colour(VOID)),
        "described": lambda image, panel: _described(image, panel, content.classes),
    }


def _described(image: GalleryImage, panel: Panel, classes: Sequence[str]) -> str:
    """The text that stands for a picture: what it is, and the classes in it."""
    if panel.labels:
        found = (classes[label] for label in panel.labels if label != VOID)
        return f"{panel.caption} of {image.id}: {', '.join(found) or 'no class'}"
    tags = f", tagged {image.tagged}" if panel.column == "Photo" and image.tagged else ""
    return f"{panel.caption}{tags}, image {image.id}"


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
