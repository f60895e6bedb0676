"""The whole workflow on photographs of which some have none of the classes; one class, and two."""

import csv
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from stage_settings import stage_settings
from workflow_tree import Tree, copy_tree

from ssenet_core.affinity.labels import confident_labels
from ssenet_core.affinity.training import ConfidentViews
from ssenet_core.cam.training import TaggedViews
from ssenet_core.data.manifest import load_manifest
from ssenet_core.deeplab.training import LabelledViews
from ssenet_core.io.files import read_json
from ssenet_core.io.images import read_label_png, write_label_png
from ssenet_core.io.maps import read_maps, read_refined
from ssenet_core.report.gallery import one_image
from ssenet_core.training.batches import Draw

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("nothing there")]

COLOURS = {1: (220, 40, 40), 2: (40, 60, 220)}
TAGS = {  # in the order of the images, which both splits repeat
    "one class from a table": [(1,), ()],
    "two classes from masks": [(1,), (), (2,), (1, 2)],
}
COUNTS = {"train": 10, "val": 6}
VIEWS = {"jitter": [0.2, 0.2, 0.2, 0.05], "flip": 0.5, "crop": 48}
CAM = stage_settings("cam", VIEWS | {"resize": [40, 56]})
AFFINITY = stage_settings("affinity", VIEWS)
DEEPLAB = stage_settings("deeplab", VIEWS | {"scale": [0.75, 1.5]})


@dataclass(frozen=True)
class Run:
    """A finished run, and the tags that its photographs were drawn by."""

    tree: Tree
    tags: Mapping[str, tuple[int, ...]]

    def of(self, split: str, tagged: bool) -> list[str]:
        """The split's images with tags, or those with none."""
        return [i for i, own in self.tags.items() if i.startswith(split) and bool(own) == tagged]


def draw_photographs(root: Path, own: list[tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Grey noise, with a coloured box a tag; masks, lists and a table beside the photographs."""
    tags: dict[str, tuple[int, ...]] = {}
    random = np.random.default_rng(7)
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for split, count in COUNTS.items():
        ids = [f"{split}{number}" for number in range(count)]
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(ids) + "\n")
        for number, image_id in enumerate(ids):
            tags[image_id] = own[number % len(own)]
            pixels = random.integers(70, 130, (44, 52, 3)).astype(np.uint8)
            mask = np.zeros((44, 52), np.uint8)
            mask[:, :2] = 255
            for tag in tags[image_id]:
                box = np.s_[12:30, 6 + 22 * (tag - 1) : 24 + 22 * (tag - 1)]
                pixels[box], mask[box] = COLOURS[tag], tag
            Image.fromarray(pixels).save(root / f"JPEGImages/{image_id}.jpg")
            write_label_png(root / f"SegmentationClass/{image_id}.png", mask)
    names = {1: "crack", 2: "hole"}
    rows = [f"{image_id},{' '.join(names[tag] for tag in own)}" for image_id, own in tags.items()]
    (root / "tags.csv").write_text("\n".join(["image,tags", *rows, ",", ","]))
    return tags


@pytest.fixture(scope="module", params=TAGS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The default target and figure 2, made of photographs of one class or of two."""
    tree = copy_tree(tmp_path_factory.mktemp("nothing") / "tree")
    shutil.rmtree(tree.path / "photos")
    tags = draw_photographs(tree.path / "photos", TAGS[request.param])
    table = {"tags": ["csv"], "tags_csv": {"train": "tags.csv", "val": "tags.csv"}}
    dataset = {"classes": ["crack"]} | table
    if "masks" in request.param:
        dataset = {"classes": ["crack", "hole"], "tags": ["masks"]}
    change = {"dataset": dataset, "run": {"cams": ["ssenet"]}, "paper": {"compared": ["ssenet"]}}
    (tree.path / "change.yaml").write_text(yaml.safe_dump(change))
    made = tree.snakemake("change.yaml", "--", "all", "figure2")
    assert made.returncode == 0, made.stdout[-8000:]
    return Run(tree, tags)


@pytest.fixture(autouse=True)
def _where_it_ran(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.tree.path)  # the manifests' paths are relative to it


def test_the_manifests_know_who_has_none(run: Run) -> None:
    for split in ("train", "pseudo_eval", "val"):
        for record in load_manifest(run.tree.results / f"manifest/{split}.json").images:
            assert record.tags == run.tags[record.id]


def test_trainings_learn_that_nothing_is_there(run: Run) -> None:
    results = run.tree.results
    manifest = load_manifest(results / "manifest/train.json")
    powers = (4.0, 24.0)
    tagged = TaggedViews(manifest, CAM)
    confident = ConfidentViews(
        manifest, results / "cam/ssenet/affinity_labels/train", powers, AFFINITY
    )
    pseudo_labels = results / "affinity/ssenet/default/pseudo_labels/train"
    labelled = LabelledViews(manifest, pseudo_labels, DEEPLAB)
    for number, record in enumerate(manifest.images):
        draw = Draw(number, 0)
        expected = [float(label in record.known_tags) for label in range(1, manifest.num_classes)]
        assert tagged[draw]["tags"].tolist() == expected
        if not record.tags:
            for views in (confident, labelled):
                found = set(views[draw]["labels"].unique().tolist())
                assert 0 in found
                assert found <= {0, 255}  # void is what lies outside the photograph
    for metrics in results.rglob("metrics.csv"):
        rows = list(csv.DictReader(metrics.open()))
        assert rows
        assert all(math.isfinite(float(value)) for row in rows for value in row.values() if value)


def test_every_stage_says_that_all_is_background(run: Run) -> None:
    results = run.tree.results
    for image_id in run.of("train", tagged=False):
        maps = read_maps(results / f"cam/ssenet/maps/train/{image_id}.h5", "classes_from")
        assert (maps.maps.shape, maps.classes.tolist()) == ((0, 44, 52), [])
        assert maps.attributes["classes_from"] == "tags"
        refined = read_refined(results / f"cam/ssenet/affinity_labels/train/{image_id}.h5")
        assert refined.labels is not None
        assert not refined.labels.any()
        low, high = (refined.posteriors[name] for name in ("power-4", "power-24"))
        assert (low == 1).all()
        assert not confident_labels(low, high, refined.classes, 8).any()
        label = results / f"affinity/ssenet/default/pseudo_labels/train/{image_id}.png"
        assert not read_label_png(label).any()
    for image_id in run.of("train", tagged=True):
        maps = read_maps(results / f"cam/ssenet/maps/train/{image_id}.h5")
        assert tuple(maps.classes) == run.tags[image_id]


def test_false_positives_are_counted_where_nothing_is(run: Run) -> None:
    results = run.tree.results
    empty = {split: run.of(split, tagged=False) for split in COUNTS}
    for told in (
        "cam/ssenet/evaluation/pseudo_eval.json",
        "cam/ssenet/evaluation/pseudo_eval_crf.json",
        "affinity/ssenet/default/evaluation/pseudo_eval.json",
    ):
        counts = read_json(results / told)["empty_images"]
        assert (counts["images"], counts["with_false_positives"]) == (len(empty["train"]), 0)
    chain = results / "deeplab/ssenet/default/default"
    entry = read_json(chain / "evaluation/val.json")
    found = dict.fromkeys(entry["classes"][1:], 0)
    wrong = 0
    for image_id in empty["val"]:
        labels = read_label_png(chain / f"predictions/val/{image_id}.png")[:, 2:]  # void left of it
        wrong += bool(labels.any())
        for label in np.unique(labels[labels > 0]):
            found[entry["classes"][label]] += 1
    assert entry["empty_images"] == {
        "images": len(empty["val"]),
        "with_false_positives": wrong,
        "of_class": found,
    }
    markdown = (results / "report/results.md").read_text()
    assert "## Photographs with nothing in them" in markdown
    assert f"| DeepLab | ssenet/default/default | val | {len(empty['val'])} | {wrong} |" in markdown
    trivial = read_json(results / "trivial/val.json")["answers"]
    assert all(answer["tags_used"] for answer in trivial)


def test_an_image_with_nothing_can_be_shown(run: Run) -> None:
    _, image = one_image(Path("results/tiny"), run.of("train", tagged=False)[0])
    assert image.tags == []
    assert [heading for heading, _ in image.rows][1:3] == ["CAM ssenet", "Random walk"]
    with Image.open(run.tree.results / "paper/figure2.png") as picture:
        assert picture.height > picture.width / 10
