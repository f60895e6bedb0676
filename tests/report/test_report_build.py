"""The whole report from a small finished run: complete, self-contained, accessible."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from evaluation_files import equivariance as measured
from PIL import Image
from synthetic_run import CLASSES, make_split

from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.stages import (
    evaluate_cam,
    evaluate_crf,
    evaluate_labels,
    evaluate_trivial,
)
from ssenet_core.report.build import build_report
from ssenet_core.storage import write_json

SECTIONS = {
    "results",
    "curves",
    "equivariance",
    "training",
    "classes",
    "gallery",
    "cost",
    "settings",
}
VOID_ELEMENTS = {"meta", "link", "img", "source"}


class Page(HTMLParser):
    """Elements of a page, with a check that they are nested properly."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID_ELEMENTS:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def evaluate(split, folder, cam, noise):
    """All evaluations of one CAM variant's files."""
    alphas = {"start": 0.02, "stop": 0.8, "count": 40}
    where = {"manifest": split.manifest}
    paths = [folder / f"{cam}_{stage}.json" for stage in ("cam", "crf", "walk")]
    evaluate_cam(maps_dir=split.maps, output=paths[0], name=cam, alpha=0.2, alphas=alphas, **where)
    evaluate_crf(refined_dir=split.refined, output=paths[1], name=cam, **where)
    evaluate_labels(
        labels_dir=split.labels, output=paths[2], stage="random_walk", name=f"{cam}/d", **where
    )
    return paths


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Arguments of `build_report` for a run of two CAM variants, one of them with two seeds."""
    root = tmp_path_factory.mktemp("run")
    evaluations = []
    for cam, noise in (("baseline", 2.0), ("ssenet", 1.0), ("ssenet@1", 1.2)):
        train = make_split(root / cam, "pseudo_eval", ((48, 64), (60, 40), (50, 50)), noise)
        evaluations += evaluate(train, root, cam, noise)
    val = make_split(root, "val")
    evaluations.append(root / "val.json")
    evaluate_labels(
        manifest=val.manifest,
        labels_dir=val.labels,
        output=evaluations[-1],
        stage="deeplab",
        name="ssenet/d/d",
    )
    evaluate_trivial(manifest=train.manifest, output=root / "trivial.json", ellipse=0.7)
    equivariance = [
        root / f"{name}_equivariance.json" for name in ("baseline", "ssenet", "ssenet@1")
    ]
    for number, path in enumerate(equivariance):
        write_json(path, measured(path.stem.split("_")[0], 0.1 * number, 0.2))
    metrics, benchmarks = {}, {}
    random = np.random.default_rng(0)
    for name in ("cam/baseline", "cam/ssenet", "cam/ssenet@1", "affinity/ssenet/d"):
        metrics[name] = root / f"{name.replace('/', '_')}.csv"
        lines = [
            f"{s},0,0.1,{2 * 0.99**s * random.uniform(0.8, 1.2)},{0.3 * 0.995**s}"
            for s in range(1, 200)
        ]
        metrics[name].write_text("\n".join(["step,epoch,lr,loss,ser", *lines]))
    for i, stage in enumerate(("train_cam", "infer_cam", "refine_cam", "random_walk")):
        benchmarks[f"{stage}/ssenet"] = root / f"{stage}.tsv"
        benchmarks[f"{stage}/ssenet"].write_text(f"s\tmax_rss\n{50 * i + 3}\t{400 + 90 * i}\n")
    folders = {"maps_dir": train.maps, "refined_dir": train.refined, "pseudo_dir": train.labels}
    gallery = [{"id": i, "split": "pseudo_eval", "cam": "ssenet", **folders} for i in train.ids]
    gallery += [{"id": i, "split": "val", "prediction_dir": val.labels} for i in val.ids]
    return {
        "evaluations": evaluations,
        "trivial": [root / "trivial.json"],
        "equivariance": equivariance,
        "metrics": metrics,
        "benchmarks": benchmarks,
        "manifests": {"pseudo_eval": train.manifest, "val": val.manifest},
        "gallery": gallery,
        "title": "Shapes & <friends>",
        "settings": {"cam": {"epochs": 15}, "note": "<b>plain</b>"},
    }


def build(run, folder, **changes):
    outputs = {
        "output_json": folder / "results.json",
        "output_markdown": folder / "results.md",
        "output_html": folder / "index.html",
        "output_gallery": folder / "gallery.png",
    }
    build_report(**(run | changes), **outputs)
    return (folder / "index.html").read_text()


@pytest.fixture(scope="module")
def report(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    build(run, folder)
    return folder


def test_the_page_is_complete_and_needs_no_network(report):
    text = (report / "index.html").read_text()
    page = Page(text)
    assert {attributes["id"] for attributes in page.all("section")} == SECTIONS
    fetched = [a["src"] for a in page.all("img")] + [a["srcset"] for a in page.all("source")]
    fetched += [a["href"] for a in page.all("link")]
    assert len(fetched) > 2 * 4 + 3 * 6
    assert all(address.startswith("data:") for address in fetched)
    assert not page.all("script")
    assert "http:" not in text
    assert "https:" not in text
    assert {a["href"].removeprefix("#") for a in page.all("a")} == SECTIONS


def test_the_page_can_be_read_by_a_screen_reader(report):
    page = Page((report / "index.html").read_text())
    assert page.all("html")[0]["lang"] == "en"
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert all(attributes.get("scope") in {"col", "row"} for attributes in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table")) == 4
    assert len(page.all("h1")) == 1


def test_text_of_the_run_is_escaped(report):
    text = (report / "index.html").read_text()
    assert "Shapes &amp; &lt;friends&gt;" in text
    assert "<b>plain" not in text


def test_results_hold_every_run_and_every_row(report):
    content = json.loads((report / "results.json").read_text())
    assert len(content["evaluations"]) == 3 * 3 + 1 + 2
    assert [(row["stage"], row["variant"], len(row["runs"])) for row in content["rows"]] == [
        ("trivial", "tag", 1),
        ("trivial", "ellipse", 1),
        ("cam", "baseline", 1),
        ("cam", "ssenet", 2),
        ("crf", "baseline", 1),
        ("crf", "ssenet", 2),
        ("random_walk", "baseline/d", 1),
        ("random_walk", "ssenet/d", 2),
        ("deeplab", "ssenet/d/d", 1),
    ]
    assert content["classes"] == ["background", *CLASSES]
    assert [entry["name"] for entry in content["equivariance"]] == [
        "baseline",
        "ssenet",
        "ssenet@1",
    ]
    for text in ((report / name).read_text() for name in ("results.md", "index.html")):
        assert "0.150 ± 0.071" in text  # flip, of the two seeds
    assert "| CAM | ssenet |" in (report / "results.md").read_text()


def test_the_contact_sheet_has_a_row_an_image(report, run):
    with Image.open(report / "gallery.png") as sheet:
        assert sheet.height > 150 * len(run["gallery"])
        assert sheet.width > 240 * 7


def test_the_same_run_gives_the_same_page(report, run, tmp_path):
    assert build(run, tmp_path) == (report / "index.html").read_text()


def test_a_run_without_masks_has_a_report(run, tmp_path):
    lists = {key: [] for key in ("evaluations", "trivial", "equivariance", "gallery")}
    nothing = lists | {"metrics": {}, "benchmarks": {}}
    page = Page(build(run, tmp_path, **nothing))
    assert {attributes["id"] for attributes in page.all("section")} == SECTIONS
    assert (tmp_path / "gallery.png").stat().st_size


def test_a_gallery_image_needs_its_manifest(run, tmp_path):
    with pytest.raises(SSENetError, match="expected a manifest of its split val"):
        build(run, tmp_path, manifests={"pseudo_eval": run["manifests"]["pseudo_eval"]})
    assert not any(tmp_path.iterdir())
