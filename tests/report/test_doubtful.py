"""The report lists planted wrong and missing tags, and shows the images whose stages disagree."""

import io
import re
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image
from report_run import build, doubt_sources
from synthetic_run import CLASSES, make_split
from test_page import Page

from ssenet_core.data.manifest import load_manifest
from ssenet_core.io.files import read_json
from ssenet_core.io.images import read_label_png, write_label_png
from ssenet_core.report.doubtful import find_doubts
from ssenet_core.report.gallery import GalleryItem
from ssenet_core.report.page import FEW, SMALL

WRONG, MISSING, DISAGREEING = 4, 7, 5


@pytest.fixture(scope="module")
def doubted(tmp_path_factory):
    """A split of thirty images: one tag is unlikely, an absent one likely, one label was moved."""
    root = tmp_path_factory.mktemp("doubted")
    made = make_split(root, "pseudo_eval", ((24, 32),) * 30, noise=0.3)
    split = load_manifest(made.manifest)
    rng = np.random.default_rng(2)
    found = {}
    for record in split.images:
        tagged = np.isin([1, 2, 3], record.tags)
        chances = rng.uniform(0.8, 0.99, 3)
        found[record.id] = np.where(tagged, chances, 1 - chances).tolist()
    tag = split.images[WRONG].tags[0]
    absent = next(label for label in (1, 2, 3) if label not in split.images[MISSING].tags)
    found[made.ids[WRONG]][tag - 1] = 0.004
    found[made.ids[MISSING]][absent - 1] = 0.996
    label = made.labels / f"{made.ids[DISAGREEING]}.png"
    write_label_png(label, np.roll(read_label_png(label), 12, axis=0))
    sources = doubt_sources(made, root, found, held_out=True)
    return made, sources, CLASSES[tag - 1], CLASSES[absent - 1]


def listed(text, heading):
    """Captions of the pictures below a heading."""
    part = text.partition(f"<h3>{heading}</h3>")[2].partition("<h3>")[0].partition("</section>")[0]
    return re.findall(r"<figcaption><strong>(.*?)</strong> (.*?)</figcaption>", part)


def test_planted_tags_and_labels_are_listed_with_pictures(run, doubted, tmp_path):
    made, sources, tag, absent = doubted
    gallery = [
        GalleryItem(name, "pseudo_eval", "ssenet", pseudo_dir=made.labels) for name in made.ids
    ]
    manifests = {"pseudo_eval": made.manifest}
    changes = {"doubts": sources, "manifests": manifests, "gallery": gallery, "evaluations": []}
    text = build(run, tmp_path, **changes)
    (image, caption), *_ = listed(text, "Likely wrong tags")
    assert (image, caption.partition(";")[0]) == (made.ids[WRONG], f"{tag}: probability 0.4%")
    (image, caption), *_ = listed(text, "Likely missing tags")
    assert (image, caption.partition(";")[0]) == (made.ids[MISSING], f"{absent}: probability 99.6%")
    (image, caption), *others = listed(text, "Doubtful labels")
    assert image == made.ids[DISAGREEING]
    assert len(others) == 11
    shares = read_json(sources.agreement)["images"]
    assert caption.startswith(f"agreement {shares[image]['crf']:.0%}; tagged ")
    assert "Every probability is of a network that was not trained on the image" in text
    articles = re.findall(r"<h3>(pseudo_eval_\d+) .* · agreement (\d+) %</span></h3>", text)
    assert articles[0][0] == made.ids[DISAGREEING]
    assert [int(share) for _, share in articles] == sorted(int(share) for _, share in articles)
    assert len(articles) == 30


def test_probabilities_of_a_network_that_knew_the_tags_are_called_so(report):
    text = (report / "index.html").read_text()
    assert "The probabilities are in-sample" in text
    assert "tags: {folds: 5}" in text


def test_a_doubtful_label_is_shown_beside_the_one_before_it(doubted):
    made, sources, *_ = doubted
    first = find_doubts(sources).labels[0]
    pixels = np.asarray(first.picture).astype(int)
    left, right = np.split(pixels, 2, axis=1)
    photograph = load_manifest(made.manifest).record(made.ids[DISAGREEING]).photograph()
    assert left.shape[1] / left.shape[0] == pytest.approx(photograph.width / photograph.height, 0.1)
    assert np.abs(left - right).max() > 50


def test_pictures_of_many_images_are_small_and_lazy(run, tmp_path):
    """Each is at most `SMALL` pixels, and the sheet of all of them has no more than its rows."""
    made = make_split(tmp_path, "val", ((300, 400), (300, 400)), noise=0.3)
    few = [GalleryItem(name, "val", maps_dir=made.maps) for name in made.ids]
    changes = {"manifests": {"val": made.manifest}, "doubts": None, "evaluations": []}

    def edges(gallery, folder):
        text = build(run, folder, gallery=gallery, **changes)
        pictures = [a for a in Page(text).all("img") if "decoding" in a]
        assert {a["loading"] for a in pictures} == {"lazy"}
        opened = (Image.open(io.BytesIO(b64decode(a["src"].partition(",")[2]))) for a in pictures)
        return {max(picture.size) for picture in opened}

    many = few * (FEW // 2) + few[:1]
    assert edges(few, tmp_path / "few") == {400}
    assert edges(many, tmp_path / "many") == {SMALL}
    with Image.open(tmp_path / "many" / "gallery.png") as sheet:
        assert sheet.height < 25 * 240
