"""Doubts: planted wrong and missing tags come first, and the table is one of tags."""

from pathlib import Path

import numpy as np
import pytest
from ramp import write_pictures

from ssenet_core.cli import main
from ssenet_core.data.manifest import Manifest
from ssenet_core.data.tag_scores import TagScores
from ssenet_core.data.tags import read_tag_table
from ssenet_core.doubts import mislabelled, tag_doubts, tags_table
from ssenet_core.io.files import write_json

PLANTED = {(3, 1): True, (8, 2): True, (20, 0): False, (41, 1): False}  # image, class: tagged
PIXEL = np.zeros((1, 1, 3), np.uint8)


def planted(folder: Path, classes: tuple[str, ...]) -> tuple[Manifest, TagScores]:
    """Sixty images, of which four have a wrong or a missing tag; probabilities know the truth."""
    rng = np.random.default_rng(0)
    truth = rng.random((60, 3)) < 0.4
    for (row, column), tagged in PLANTED.items():
        truth[row, column] = not tagged
    probabilities = np.where(
        truth, rng.uniform(0.6, 0.99, (60, 3)), rng.uniform(0.01, 0.4, (60, 3))
    )
    tagged = truth.copy()
    for (row, column), tag in PLANTED.items():
        tagged[row, column] = tag
        probabilities[row, column] = 0.02 if tag else 0.97
    tags = [tuple(int(c) + 1 for c in np.flatnonzero(row)) for row in tagged]
    split = write_pictures(folder, "train", [(PIXEL, own, None) for own in tags], classes)
    found = {r.id: p.tolist() for r, p in zip(split.images, probabilities, strict=True)}
    return split, TagScores([*classes], True, found)


def test_planted_tags_come_first_and_are_doubted(tmp_path: Path) -> None:
    split, scores = planted(tmp_path, ("cat", "dog", "cow"))
    found = tag_doubts(split, scores)
    assert len(found) == 60 * 3
    first = found.head(len(PLANTED))
    ids = [record.id for record in split.images]
    rows = zip(first["image"], first["label"], first["tagged"], strict=True)
    assert {(ids.index(image), label - 1): tagged for image, label, tagged in rows} == PLANTED
    assert first["doubted"].all()
    assert found["doubted"].sum() <= len(PLANTED) + 2
    assert (first["probability"].where(first["tagged"], 1 - first["probability"]) < 0.05).all()


def test_a_class_that_all_or_no_images_have_is_not_doubted() -> None:
    tagged = np.array([[1, 0, i % 2] for i in range(20)], bool)
    probabilities = np.where(tagged, 0.9, 0.1)
    probabilities[0], probabilities[3, 2] = [0.01, 0.99, 0.1], 0.02
    found = mislabelled(tagged, probabilities)
    assert np.argwhere(found).tolist() == [[3, 2]]


@pytest.mark.parametrize("classes", [("cat", "dog", "cow"), ("cat", "guide dog", "cow")])
def test_the_table_is_the_tags_and_says_what_is_doubted(
    tmp_path: Path, classes: tuple[str, ...]
) -> None:
    split, scores = planted(tmp_path, classes)
    table = tags_table(split, scores)
    file = tmp_path / "tags.csv"
    table.to_csv(file, index=False)
    read = read_tag_table(file)
    assert not read.problems
    assert read.rows == {
        record.id: tuple(classes[tag - 1] for tag in record.known_tags) for record in split.images
    }
    rows = table.set_index("image")
    assert [*rows] == ["tags", "wrong", "missing", "held-out probabilities"]
    wrong, missing = rows.loc[split.images[3].id], rows.loc[split.images[20].id]
    assert (wrong["wrong"], wrong["held-out probabilities"]) == (classes[1], f"{classes[1]} 0.020")
    assert (missing["missing"], missing["wrong"]) == (classes[0], "")
    assert {*table["image"][:4]} == {split.images[row].id for row, _ in PLANTED}
    in_sample = tags_table(split, TagScores(scores.classes, False, scores.probabilities))
    assert "in-sample probabilities" in in_sample


def test_the_command_writes_both_tables(tmp_path: Path, capsys) -> None:
    results = tmp_path / "results" / "x"
    assert main(["doubts", str(results)]) == 1
    assert "expected the results of a finished run, found no" in capsys.readouterr().err
    split, scores = planted(tmp_path, ("cat", "dog", "cow"))
    write_json(results / "manifest" / "train.json", split.model_dump(mode="json"))
    write_json(results / "tags" / "probabilities.json", scores.to_json())
    assert main(["doubts", str(results)]) == 0
    said = capsys.readouterr().out.split()
    assert said == [str(results / "doubts" / "tags.csv")]
    for name, value in (("a", 0.7), ("b", 0.2)):
        images = {"p1": {"crf": value}, "p0": {"crf": 0.5, "deeplab": 0.25}}
        content = {"format": 1, "name": f"{name}/d/d", "images": images}
        write_json(results / "deeplab" / name / "d" / "d" / "agreement.json", content)
    assert main(["doubts", str(results), "--out", str(tmp_path / "own")]) == 0
    assert (tmp_path / "own" / "labels.csv").read_text().splitlines() == [
        "chain,image,agreement,deeplab",
        "a/d/d,p0,0.5,0.25",
        "a/d/d,p1,0.7,",
        "b/d/d,p1,0.2,",
        "b/d/d,p0,0.5,0.25",
    ]
