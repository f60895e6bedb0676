"""Build a run's report: results as JSON and Markdown, a self-contained HTML file, a picture.

In: evaluations, training metrics, benchmarks, manifests, and which images to show. Out: four files,
each whole or absent. Fails with `SSENetError` that names the file that is damaged or does not fit.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ssenet_core.data.manifest import Manifest, load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.pictures import THUMBNAIL, class_colour
from ssenet_core.report import figures
from ssenet_core.report.gallery import GalleryImage, bytes_uri, gallery_image
from ssenet_core.report.results import (
    BEST_NOTE,
    COLUMNS,
    EQUIVARIANCE_NOTE,
    RATIO_NOTE,
    TEXT_COLUMNS,
    class_table,
    equivariance_table,
    judged_on,
    load_entries,
    load_equivariance,
    make_rows,
    markdown,
    results,
)
from ssenet_core.report.sheet import contact_sheet
from ssenet_core.report.tables import read_metrics, stage_costs
from ssenet_core.storage import VOID, atomic_path, write_json, write_text

TEMPLATES = Path(__file__).parent / "templates"

Paths = Mapping[str, str | Path]


@dataclass(frozen=True)
class Picture:
    """A figure in both themes, as data URIs, with the text that stands for it."""

    light: str
    dark: str
    alt: str


def build_report(
    *,
    evaluations: Sequence[str | Path],
    trivial: Sequence[str | Path],
    equivariance: Sequence[str | Path],
    metrics: Paths,
    benchmarks: Paths,
    manifests: Paths,
    gallery: Sequence[Mapping[str, Any]],
    output_json: str | Path,
    output_markdown: str | Path,
    output_html: str | Path,
    output_gallery: str | Path,
    title: str,
    settings: Mapping[str, Any],
) -> None:
    """Write the four files of the report.

    Args:
        evaluations: JSON files of `evaluation.stages`.
        trivial: JSON files of the trivial answers.
        equivariance: JSON files of `evaluation.equivariance`.
        metrics: training name ("cam/ssenet") to its metrics CSV.
        benchmarks: "stage/anything" to Snakemake's benchmark TSV.
        manifests: split to manifest; those of the gallery's splits are needed.
        gallery: images to show: "id", "split", "cam" (variant), and of "maps_dir", "refined_dir",
            "pseudo_dir", "prediction_dir" what there is; "alpha" where no evaluation of that CAM
            says at which background score its maps become labels.
        output_json: everything, for programs.
        output_markdown: the tables.
        output_html: the report.
        output_gallery: contact sheet of the gallery, PNG.
        title: heading of all of them.
        settings: the configuration to show.

    Raises:
        SSENetError: an input is missing, damaged, or does not fit the others.
    """
    entries = load_entries([*trivial, *evaluations])
    measured = load_equivariance(equivariance)
    plain_settings = json.loads(json.dumps(settings, default=str))
    splits = {split: load_manifest(path) for split, path in manifests.items()}
    classes = _classes(entries, splits)
    images = [_gallery_image(item, splits, classes, entries) for item in gallery]

    facts = {"title": title, "settings": plain_settings, "equivariance": measured}
    write_json(output_json, results(entries, **facts))
    write_text(output_markdown, markdown(entries, title, measured))
    with atomic_path(output_gallery) as temporary:
        contact_sheet(images, classes, title).save(temporary, format="PNG", optimize=True)
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            splits=splits.values(),
            settings=yaml.safe_dump(plain_settings, sort_keys=False, allow_unicode=True),
            gallery=images,
            thumbnail=THUMBNAIL,
            legend=_legend(classes),
            **_results_section(entries, classes),
            **_equivariance_section(measured),
            **_training_section(metrics),
            **_cost_section(benchmarks),
        )
    )
    write_text(output_html, page)


def _results_section(entries: Sequence[Mapping[str, Any]], classes: list[str]) -> dict[str, Any]:
    """Tables and figures that come from the evaluations."""
    rows = make_rows(entries)
    header, body = class_table(rows, classes)
    curves = [entry["name"] for entry in entries if "curve" in entry]
    return {
        "columns": COLUMNS,
        "text_columns": TEXT_COLUMNS,
        "rows": [row.cells() for row in rows],
        "judged": judged_on(rows),
        "ratio_note": RATIO_NOTE,
        "best_note": BEST_NOTE,
        "class_header": header,
        "class_rows": body,
        "curves": curves
        and _picture(
            "threshold_curves",
            entries,
            alt="mIoU, mFN and mFP over the background threshold alpha, a line a CAM network: "
            + _curve_words(entries),
        ),
        "class_figure": rows
        and _picture(
            "class_iou", rows, classes, alt="IoU of each class, a bar a row of the results table."
        ),
    }


def _equivariance_section(measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    header, body = equivariance_table(measured)
    return {
        "equivariance_header": header,
        "equivariance_rows": body if measured else [],
        "equivariance_note": EQUIVARIANCE_NOTE,
    }


def _training_section(metrics: Paths) -> dict[str, Any]:
    runs = {name: read_metrics(path) for name, path in metrics.items()}
    runs = {name: run for name, run in runs.items() if run.steps}
    alt = f"Loss over training steps of {', '.join(runs)}."
    return {"training": runs and _picture("training_curves", runs, alt=alt)}


def _cost_section(benchmarks: Paths) -> dict[str, Any]:
    costs = stage_costs(benchmarks)
    alt = "Time and peak memory of each stage; the table below has the numbers."
    return {
        "costs": [cost.cells() for cost in costs],
        "cost_figure": costs and _picture("stage_costs", costs, alt=alt),
    }


def _picture(name: str, *data: Any, alt: str) -> Picture:
    """Draw one of `figures` in both themes."""
    draw = getattr(figures, name)
    light, dark = (
        bytes_uri(draw(*data, theme), "image/svg+xml") for theme in (figures.LIGHT, figures.DARK)
    )
    return Picture(light=light, dark=dark, alt=alt)


def _curve_words(entries: Sequence[Mapping[str, Any]]) -> str:
    words = [
        f"{entry['name']} on {entry['split']} peaks at alpha {entry['curve']['best_alpha']:g}"
        for entry in entries
        if "curve" in entry
    ]
    return "; ".join(words) + "."


def _gallery_image(
    item: Mapping[str, Any],
    splits: Mapping[str, Manifest],
    classes: Sequence[str],
    entries: Sequence[Mapping[str, Any]],
) -> GalleryImage:
    split = item["split"]
    if split not in splits:
        raise SSENetError(
            f"gallery image {item['id']}: expected a manifest of its split {split}, found those of "
            f"{', '.join(splits) or 'no split'}"
        )
    alphas = [e["alpha"] for e in entries if e["stage"] == "cam" and e["name"] == item.get("cam")]
    alpha = item.get("alpha", alphas[0] if alphas else None)
    return gallery_image(item, splits[split].record(item["id"]), classes, alpha)


def _classes(entries: Sequence[Mapping[str, Any]], splits: Mapping[str, Manifest]) -> list[str]:
    """Class names, background first; evaluations and manifests must agree on them."""
    found = {f"manifest of {split}": list(m.classes) for split, m in splits.items()}
    if entries:
        found["evaluations"] = entries[0]["classes"][1:]
    if any(names != next(iter(found.values())) for names in found.values()):
        listed = "\n  ".join(f"{where}: {', '.join(names)}" for where, names in found.items())
        raise SSENetError(f"expected the same classes everywhere, found\n  {listed}")
    return ["background", *next(iter(found.values()), [])]


def _legend(classes: Sequence[str]) -> list[tuple[str, str]]:
    """Colour (#rrggbb) and name of each label, void last."""
    labels = [*enumerate(classes), (VOID, "void (not judged)")]
    return [("#{:02x}{:02x}{:02x}".format(*class_colour(label)), name) for label, name in labels]


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
