"""Class probabilities of pictures that tell what a network must answer to them."""

from pathlib import Path

import numpy as np
import pytest
from colour_network import cells_of_views, write_colour_network
from ramp import write_pictures

from ssenet_core.cam.tagging import score_tags
from ssenet_core.data.tag_scores import TagScores
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json, write_json

CLASSES = ("red", "green")
REDDISH = [[4.0, 0.0, 0.0, -1.0], [0.0, 4.0, 0.0, -2.0]]
CONTRARY = [[-4.0, 0.0, 0.0, 1.0], [0.0, -4.0, 0.0, 2.0]]


@pytest.mark.parametrize("flip", [False, True])
def test_each_network_is_asked_about_its_own_images(tmp_path: Path, flip: bool) -> None:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (2, 5, 9, 3), dtype=np.uint8)
    pictures = coarse.repeat(8, axis=1).repeat(8, axis=2)
    whole = write_pictures(tmp_path / "all", "train", [(p, (1,), None) for p in pictures], CLASSES)
    networks, manifests = [], []
    for number, rows in enumerate((REDDISH, CONTRARY)):
        networks.append(tmp_path / f"{number}.pt")
        write_colour_network(networks[-1], "cam", CLASSES, rows)
        manifests.append(tmp_path / f"{number}.json")
        part = whole.model_copy(update={"images": whole.images[number : number + 1]})
        write_json(manifests[-1], part.model_dump(mode="json"))
    score_tags(
        checkpoints=networks,
        manifests=manifests,
        output=tmp_path / "scores.json",
        held_out=True,
        scale=2.0,
        flip=flip,
        precision="32-true",
    )
    found = TagScores.load(tmp_path / "scores.json", whole)
    assert (found.classes, found.origin) == ([*CLASSES], "held-out")
    for record, picture, rows in zip(whole.images, pictures, (REDDISH, CONTRARY), strict=True):
        views = cells_of_views(picture, rows, [2.0], flip)
        logits = np.mean([cells.mean(axis=(1, 2)) for cells, _, _ in views], axis=0)
        expected = 1 / (1 + np.exp(-logits))
        np.testing.assert_allclose(found.probabilities[record.id], expected, atol=1e-3)


def test_a_file_of_other_images_or_classes_is_refused(tmp_path: Path) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    split = write_pictures(tmp_path, "train", [(picture, (1,), None)], CLASSES)
    good = TagScores([*CLASSES], False, {split.images[0].id: [0.5, 0.1]}).to_json()
    path = tmp_path / "scores.json"
    write_json(path, good)
    assert TagScores.load(path, split).origin == "in-sample"
    others = ({"classes": ["red"]}, {"probabilities": {"other": [0.5, 0.1]}}, {"format": 0})
    for content in (*(good | other for other in others), {}, []):
        write_json(path, content)
        with pytest.raises(SSENetError, match=r"expected probabilities of the 1 images and 2 cla"):
            TagScores.load(path, split)
        assert read_json(path) == content
