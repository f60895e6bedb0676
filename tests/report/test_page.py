"""The whole report from a small finished run: complete, self-contained, accessible."""

import json
import logging
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from report_run import build
from synthetic_run import CLASSES, empty_image, make_split

from ssenet_core.data.manifest import load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.stages import evaluate_labels
from ssenet_core.io.images import write_label_png
from ssenet_core.pictures import class_colour
from ssenet_core.report.gallery import GalleryItem
from ssenet_core.report.page import StageCost, duration, stage_costs

SECTIONS = {
    "results",
    "scales",
    "curves",
    "equivariance",
    "training",
    "classes",
    "gallery",
    "doubts",
    "cost",
    "settings",
}
VOID_ELEMENTS = {"meta", "link", "img", "source", "input"}


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


def test_the_page_is_complete_and_needs_no_network(report):
    text = (report / "index.html").read_text()
    page = Page(text)
    assert {attributes["id"] for attributes in page.all("section")} == SECTIONS
    fetched = [a["src"] for a in page.all("img") if "src" in a] + [
        a["srcset"] for a in page.all("source")
    ]
    fetched += [a["href"] for a in page.all("link")]
    assert len(fetched) > 2 * 9 + 3 * 6
    assert all(address.startswith("data:") for address in fetched)
    assert page.all("script") == [{}]
    assert "http:" not in text
    assert "https:" not in text
    assert {a["href"].removeprefix("#") for a in page.all("a")} == SECTIONS | {"content"}


def test_the_page_can_be_read_by_a_screen_reader(report):
    page = Page((report / "index.html").read_text())
    assert page.all("html")[0]["lang"] == "en"
    assert all(attributes.get("alt") for attributes in page.all("img") if "src" in attributes)
    scopes = {attributes.get("scope") for attributes in page.all("th")}
    assert scopes == {"col", "row", "colgroup", "rowgroup"}
    assert len(page.all("caption")) == len(page.all("table")) == 5
    levels = [int(tag[1]) for tag, _ in page.elements if tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


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


def test_the_papers_numbers_stand_beside_where_they_were_published(report, run, tmp_path):
    beside = (report / "index.html").read_text()
    assert beside.count("paper 49.8") == 1  # Table 1, CAM at rate 0.3
    assert beside.count('<td class="number">47.3</td>') == 1  # the baseline's
    own = build(run, tmp_path, published=False)
    assert "Paper" not in own
    assert "paper 49.8" not in own


def test_pictures_say_what_is_in_them(report, run):
    alts = [a["alt"] for a in Page((report / "index.html").read_text()).all("img")]
    shown = [alt for alt in alts if alt.startswith(f"Truth of {run['gallery'][0].id}: ")]
    names = shown[0].partition(": ")[2].split(", ")
    assert names[0] == "background"
    assert set(names[1:]) < set(CLASSES)
    assert any("ssenet is judged at alpha 0.2" in alt for alt in alts)


def test_the_filter_counts_the_images_of_each_class(report, run):
    text = (report / "index.html").read_text()
    manifests = [load_manifest(path) for path in run["manifests"].values()]
    tags = [tag for manifest in manifests for record in manifest.images for tag in record.tags]
    for label, name in enumerate(CLASSES, start=1):
        colour = "#{:02x}{:02x}{:02x}".format(*class_colour(label))
        swatch = f'<span class="swatch" style="background: {colour}"></span>{name}'
        assert f'{swatch} <span class="faint scripted">{tags.count(label)}</span>' in text


def test_the_contact_sheet_has_a_row_an_image(report, run):
    with Image.open(report / "gallery.png") as sheet:
        assert sheet.height > 150 * len(run["gallery"])
        assert sheet.width > 240 * 7


def test_the_same_run_gives_the_same_page(report, run, tmp_path, caplog):
    caplog.set_level(logging.INFO, "ssenet")
    assert build(run, tmp_path) == (report / "index.html").read_text()
    said = caplog.records[-1].getMessage()
    assert "index.html: 9 rows of results, 5 images, " in said
    assert "; DeepLab: ssenet/d/d on val: mIoU " in said


def test_a_run_without_masks_has_a_report(run, tmp_path):
    lists = {key: [] for key in ("evaluations", "trivial", "equivariance", "gallery")}
    nothing = lists | {"metrics": {}, "benchmarks": {}, "doubts": None}
    page = Page(build(run, tmp_path, **nothing))
    sections = [attributes["id"] for attributes in page.all("section")]
    assert {*sections} == SECTIONS - {"classes", "curves", "scales", "doubts"}
    assert sections.index("gallery") < sections.index("equivariance")
    assert (tmp_path / "gallery.png").stat().st_size
    (text,) = tmp_path.glob("*.md")
    assert text.read_text().endswith("No split has masks: nothing could be judged.\n")


def test_photographs_with_nothing_in_them_are_told_apart(run, tmp_path):
    val = make_split(tmp_path, "val", ((20, 24),) * 4)
    known, unknown = (empty_image(val, number, tags) for number, tags in ((0, []), (1, None)))
    labels = np.zeros((20, 24), np.uint8)
    labels[9, 9] = 2
    write_label_png(val.labels / f"{known}.png", labels)
    evaluate_labels(
        manifest=val.manifest,
        labels_dir=val.labels,
        output=tmp_path / "scores.json",
        stage="deeplab",
        name="ssenet/d/d",
    )
    folders = {"maps_dir": val.maps, "refined_dir": val.refined, "prediction_dir": val.labels}
    changes = {
        "evaluations": [tmp_path / "scores.json"],
        "manifests": {"val": val.manifest},
        "gallery": [GalleryItem(name, "val", **folders) for name in val.ids],
    }
    text = build(run, tmp_path / "report", **changes)
    page = Page(text)
    assert {attributes["id"] for attributes in page.all("section")} == SECTIONS | {"empty"}
    assert "val: 4 images, 1 of them with none of the classes" in text
    assert f'<h3>{known} <span class="faint">val: none of the classes</span></h3>' in text
    assert f'<h3>{unknown} <span class="faint">val</span></h3>' in text
    cells = ("ssenet/d/d", "val", "2", "1", "square 1")
    row = "\n".join(f'<td class="number">{cell}</td>' for cell in cells)
    assert f'<th scope="row">DeepLab</th>\n{row}\n' in text
    alts = [attributes["alt"] for attributes in page.all("img")]
    assert f"Photo, tagged none of the classes, image {known}" in alts
    assert f"CAM labels of {known}: background" in alts
    found = json.loads((tmp_path / "report" / "results.json").read_text())["rows"][-1]
    assert (found["empty_images"], found["false_positives"]["mean"]) == (2, 1)


def test_a_gallery_image_needs_its_manifest(run, tmp_path):
    with pytest.raises(SSENetError, match="expected a manifest of its split val"):
        build(run, tmp_path, manifests={"pseudo_eval": run["manifests"]["pseudo_eval"]})
    assert not any(tmp_path.iterdir())


def test_benchmarks_are_summed_by_stage(tmp_path):
    (tmp_path / "a").write_text("s\th:m:s\tmax_rss\n10.0\t0:00:10\t500\n")
    (tmp_path / "b").write_text("s\th:m:s\tmax_rss\n70.0\t0:01:10\tNA\n")
    costs = stage_costs({"infer/x/0": tmp_path / "a", "infer/x/1": tmp_path / "b"})
    assert costs == [StageCost("infer", 2, 80.0, 70.0, 500.0)]
    (tmp_path / "short").write_text("s\tmax_rss\n2.0\t9.1\n")
    assert stage_costs({"score": tmp_path / "short"})[0].peak_mib is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.25, "4.2 s"), (80, "1 min 20 s"), (7790, "2 h 09 min")]
)
def test_durations_are_readable(seconds, text):
    assert duration(seconds) == text
