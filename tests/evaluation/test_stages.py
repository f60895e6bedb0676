"""Scoring the files of each stage: the JSON, and errors that name the file."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_run import CLASSES, empty_image, make_split

from ssenet_core.errors import SSENetError
from ssenet_core.evaluation.confusion import confusion_matrix, scores
from ssenet_core.evaluation.stages import (
    ellipse_answer,
    evaluate_cam,
    evaluate_crf,
    evaluate_labels,
    evaluate_trivial,
    tag_answer,
)
from ssenet_core.io.images import read_label_png, write_label_png
from ssenet_core.io.maps import (
    ClassMaps,
    RefinedScores,
    read_maps,
    read_refined,
    write_maps,
    write_refined,
)
from ssenet_core.settings import AlphaGrid

N = len(CLASSES) + 1
ALPHAS = AlphaGrid(start=0.1, stop=0.5, count=3)


@pytest.fixture
def split(tmp_path):
    return make_split(tmp_path, "pseudo_eval")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.json"


def judge_labels(split, output, labels_dir=None, stage="random_walk"):
    evaluate_labels(
        manifest=split.manifest,
        labels_dir=labels_dir or split.labels,
        output=output,
        stage=stage,
        name="ssenet/default",
    )
    return json.loads(output.read_text())


def judge_cam(split, output, alpha=0.2, alphas=ALPHAS):
    evaluate_cam(
        manifest=split.manifest,
        maps_dir=split.maps,
        output=output,
        name="ssenet",
        alpha=alpha,
        alphas=alphas,
    )
    return json.loads(output.read_text())


def test_labels_are_scored_over_all_images(split, output):
    result = judge_labels(split, output)
    expected = sum(
        confusion_matrix(truth, read_label_png(split.labels / f"{i}.png"), N)
        for i, truth in split.truths.items()
    )
    assert result["confusion"] == expected.tolist()
    assert result["miou"] == scores(expected).miou
    assert result["classes"] == ["background", *CLASSES]
    assert (result["stage"], result["split"], result["images"]) == ("random_walk", "pseudo_eval", 2)
    assert result["tags_used"]
    assert not judge_labels(split, output, stage="deeplab")["tags_used"]


def test_perfect_labels_score_a_hundred(split, output, tmp_path):
    for image_id, truth in split.truths.items():
        perfect = np.where(truth == 255, 0, truth).astype(np.uint8)
        write_label_png(tmp_path / "perfect" / f"{image_id}.png", perfect)
    result = judge_labels(split, output, tmp_path / "perfect")
    assert (result["miou"], result["mfn"], result["mfp"]) == (100, 0, 0)


def test_cams_are_scored_at_alpha_and_along_the_curve(split, output):
    result = judge_cam(split, output)
    assert result["alpha"] == 0.2
    at_alpha = {alpha: judge_cam(split, output, alpha=alpha)["miou"] for alpha in (0.1, 0.3, 0.5)}
    assert dict(zip(result["curve"]["alpha"], result["curve"]["miou"], strict=True)) == at_alpha
    assert result["curve"]["best_miou"] == max(at_alpha.values())
    assert at_alpha[result["curve"]["best_alpha"]] == result["curve"]["best_miou"]


def test_the_grid_of_the_config_is_understood(split, output):
    result = judge_cam(split, output)
    assert result["curve"]["alpha"] == [0.1, 0.3, 0.5]


def test_cams_masked_by_the_classifier_say_so(split, output):
    path = split.maps / f"{split.ids[0]}.h5"
    maps = read_maps(path)
    write_maps(path, ClassMaps(maps.image_id, maps.maps, maps.classes, {"classes_from": "model"}))
    assert not judge_cam(split, output)["tags_used"]


def test_crf_labels_and_every_background_are_scored(split, output):
    evaluate_crf(manifest=split.manifest, refined_dir=split.refined, output=output, name="ssenet")
    result = json.loads(output.read_text())
    assert list(result["backgrounds"]) == ["power-4", "power-24"]
    assert result["miou"] == pytest.approx(result["backgrounds"]["power-4"], abs=0.5)


def test_without_crf_labels_the_lowest_power_is_judged(split, output):
    for image_id in split.ids:
        path = split.refined / f"{image_id}.h5"
        refined = read_refined(path)
        write_refined(path, RefinedScores(image_id, refined.classes, refined.posteriors))
    evaluate_crf(manifest=split.manifest, refined_dir=split.refined, output=output, name="ssenet")
    result = json.loads(output.read_text())
    assert result["miou"] == result["backgrounds"]["power-4"]


def test_trivial_answers_are_scored(split, output):
    evaluate_trivial(manifest=split.manifest, output=output, ellipse=0.7)
    tag, ellipse = json.loads(output.read_text())["answers"]
    assert (tag["name"], ellipse["name"]) == ("tag", "ellipse")
    assert tag["iou"][0] == 0
    assert tag["mfn"] == pytest.approx(0, abs=0.3)
    assert ellipse["miou"] > tag["miou"]


@pytest.fixture
def with_empty(tmp_path):
    """Of seven images the first five have nothing in them; two are known to have nothing."""
    made = make_split(tmp_path, "val", ((20, 24),) * 7)
    for number, tags in enumerate(([], [], None, None, None)):
        empty_image(made, number, tags)
    return made


def put(made, number, pixels, folder=None):
    """Let an image's answer have these labels at these pixels."""
    path = (folder or made.labels) / f"{made.ids[number]}.png"
    labels = read_label_png(path)
    for place, label in pixels.items():
        labels[place] = label
    write_label_png(path, labels)


def test_images_with_nothing_in_them_are_counted_by_what_was_found(with_empty, output):
    counts = judge_labels(with_empty, output, stage="deeplab")["empty_images"]
    assert counts == {"images": 5, "with_false_positives": 0, "of_class": dict.fromkeys(CLASSES, 0)}
    put(with_empty, 0, {(9, 9): 1})
    put(with_empty, 2, {(9, 9): 1, (9, 10): 1, (12, 3): 3})
    put(with_empty, 3, {(0, 5): 2})  # void in the truth: not judged
    put(with_empty, 5, {(0, 0): 2})  # a false positive, but its photograph has something in it
    result = judge_labels(with_empty, output, stage="deeplab")
    counts = result["empty_images"]
    assert (counts["images"], counts["with_false_positives"]) == (5, 2)
    assert counts["of_class"] == dict(zip(CLASSES, (2, 0, 1), strict=True))
    # In the confusion matrix they count like all others: the pixels are false positives.
    expected = sum(
        confusion_matrix(truth, read_label_png(with_empty.labels / f"{i}.png"), N)
        for i, truth in with_empty.truths.items()
    )
    assert result["confusion"] == expected.tolist()


def test_neither_void_nor_a_tag_is_nothing(with_empty, output):
    manifest = json.loads(with_empty.manifest.read_text())
    write_label_png(manifest["images"][0]["mask"], np.full((20, 24), 255, np.uint8))
    manifest["images"][1]["tags"] = [2]
    with_empty.manifest.write_text(json.dumps(manifest))
    put(with_empty, 0, {(9, 9): 1})
    put(with_empty, 1, {(9, 9): 1})
    counts = judge_labels(with_empty, output, stage="deeplab")["empty_images"]
    assert (counts["images"], counts["with_false_positives"]) == (3, 0)


def test_maps_and_crf_of_images_with_nothing(with_empty, output):
    """Where the tags say so nothing can be found; where the classifier decides, it can."""
    result = judge_cam(with_empty, output)
    assert not result["tags_used"]
    assert result["empty_images"]["images"] == 5
    assert result["empty_images"]["with_false_positives"] == 0
    for number, height in ((2, 0.5), (3, 0.15)):  # above alpha, below it
        image_id, maps = with_empty.ids[number], np.zeros((1, 20, 24), np.float32)
        maps[0, 9, 9] = height
        found = ClassMaps(image_id, maps, np.array([2]), {"classes_from": "classifier"})
        write_maps(with_empty.maps / f"{image_id}.h5", found)
        labels = np.where(maps[0] > 0.2, 2, 0).astype(np.uint8)
        posteriors = {"power-4": np.concatenate([1 - maps, maps])}
        refined = RefinedScores(image_id, np.array([2]), posteriors, labels)
        write_refined(with_empty.refined / f"{image_id}.h5", refined)
    expected = {"images": 5, "with_false_positives": 1, "of_class": {"disc": 0, "square": 1}}
    expected["of_class"]["bar"] = 0
    assert judge_cam(with_empty, output)["empty_images"] == expected
    evaluate_crf(
        manifest=with_empty.manifest, refined_dir=with_empty.refined, output=output, name="ssenet"
    )
    assert json.loads(output.read_text())["empty_images"] == expected


def test_trivial_answers_are_told_that_nothing_is_there(tmp_path, output):
    made = make_split(tmp_path, "val", ((20, 24),) * 2)
    for number in range(2):
        empty_image(made, number, [])
    evaluate_trivial(manifest=made.manifest, output=output, ellipse=0.7)
    for answer in json.loads(output.read_text())["answers"]:
        assert answer["iou"] == [100, None, None, None]
        assert answer["tags_used"]
    empty_image(made, 0, None)
    evaluate_trivial(manifest=made.manifest, output=output, ellipse=0.7)
    assert not json.loads(output.read_text())["answers"][0]["tags_used"]


def test_infinite_ratios_are_null_and_explained(split, output, tmp_path):
    for image_id, truth in split.truths.items():
        write_label_png(tmp_path / "empty" / f"{image_id}.png", np.zeros_like(truth))
    result = judge_labels(split, output, tmp_path / "empty")
    assert result["mfn"] is None
    assert result["never_found"]
    assert "Infinity" not in output.read_text()


def test_every_missing_file_is_named(split, output):
    for image_id in split.ids:
        (split.labels / f"{image_id}.png").unlink()
    with pytest.raises(SSENetError) as caught:
        judge_labels(split, output)
    assert all(f"{image_id}.png" in str(caught.value) for image_id in split.ids)
    assert not output.exists()


@pytest.mark.parametrize("value", [N, 255])
def test_a_label_outside_the_classes_names_the_file(split, output, value):
    path = split.labels / f"{split.ids[1]}.png"
    write_label_png(path, np.full_like(split.truths[split.ids[1]], value))
    with pytest.raises(SSENetError, match=rf"{path.name}: expected labels 0 to 3.*found {value}"):
        judge_labels(split, output)


def test_another_size_names_the_file(split, output):
    path = split.labels / f"{split.ids[0]}.png"
    write_label_png(path, np.zeros((5, 6), np.uint8))
    with pytest.raises(SSENetError, match=rf"{path.name}: expected 64 x 48 .*found 6 x 5"):
        judge_labels(split, output)
    maps = split.maps / f"{split.ids[0]}.h5"
    write_maps(maps, ClassMaps("x", np.zeros((1, 5, 6), np.float32), np.array([1])))
    with pytest.raises(SSENetError, match=maps.name):
        judge_cam(split, output)


def test_a_split_without_masks_cannot_be_scored(split, output):
    manifest = json.loads(split.manifest.read_text())
    manifest["images"][1]["mask"] = None
    split.manifest.write_text(json.dumps(manifest))
    with pytest.raises(SSENetError, match=rf"(?s)masks.*{split.ids[1]}"):
        judge_labels(split, output)


def test_one_tag_is_everywhere():
    assert (tag_answer(3, 5, [4]) == 4).all()


def test_several_tags_are_equal_bands_in_order():
    np.testing.assert_array_equal(tag_answer(2, 6, [3, 1, 2]), [[3, 3, 1, 1, 2, 2]] * 2)


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    tags=st.lists(st.integers(1, 20), unique=True, max_size=4),
)
def test_the_ellipse_is_a_symmetric_part_of_the_bands(height, width, tags):
    ellipse, bands = ellipse_answer(height, width, tags), tag_answer(height, width, tags)
    inside = ellipse > 0
    assert ellipse.shape == (height, width)
    assert ellipse.dtype == np.uint8
    np.testing.assert_array_equal(ellipse[inside], bands[inside])
    np.testing.assert_array_equal(inside, inside[::-1, ::-1])


def test_the_ellipse_has_its_axes():
    inside = ellipse_answer(200, 300, [1], axes=0.7) == 1
    assert np.isclose(inside.mean(), math.pi / 4 * 0.7**2, rtol=0.01)
    assert (inside.any(axis=1).sum(), inside.any(axis=0).sum()) == (140, 210)


def test_no_tag_is_background():
    assert not ellipse_answer(4, 4, []).any()
