"""The agreement of labels: by its formula, and of the right files."""

from pathlib import Path

import numpy as np
import pytest
from synthetic_run import empty_image, make_split

from ssenet_core.doubts import read_agreement
from ssenet_core.evaluation.agreement import agreement, measure_agreement
from ssenet_core.io.files import read_json
from ssenet_core.io.images import read_label_png, write_label_png
from ssenet_core.io.maps import RefinedScores, read_refined, write_refined

ONE = np.array([[1, 1, 2, 0], [1, 1, 2, 0]], np.uint8)
OTHER = np.array([[1, 1, 1, 0], [1, 0, 2, 2]], np.uint8)


def test_agreement_is_the_mean_iou_of_the_images_classes() -> None:
    assert agreement(ONE, OTHER, [1]) == pytest.approx(3 / 5)
    assert agreement(ONE, OTHER, [2]) == pytest.approx(1 / 3)
    assert agreement(ONE, OTHER, [1, 2]) == pytest.approx((3 / 5 + 1 / 3) / 2)
    assert agreement(ONE, ONE, [1, 2]) == 1


def test_a_class_that_neither_stage_finds_is_no_agreement() -> None:
    assert agreement(ONE, ONE, [1, 3]) == 0.5
    assert agreement(np.zeros_like(ONE), np.zeros_like(ONE), [2]) == 0


def test_labels_before_and_after_the_pseudo_label_are_compared_with_it(tmp_path: Path) -> None:
    """The CRF's with the weaker of two backgrounds; DeepLab's of the images that it was asked."""
    made = make_split(tmp_path, "train", ((40, 60), (30, 30), (20, 24)))
    empty_image(made, 2, [])
    first, second = made.ids[:2]
    shifted = np.roll(read_label_png(made.labels / f"{second}.png"), 9, axis=1)
    write_label_png(made.labels / f"{second}.png", shifted)
    predicted = tmp_path / "predictions" / f"{first}.png"
    write_label_png(predicted, np.roll(made.truths[first] % 255, 3, axis=0))
    strong = read_refined(made.refined / f"{first}.h5")
    everywhere = {name: np.zeros_like(one) for name, one in strong.posteriors.items()}
    everywhere["power-4"][0] = 1  # background alone
    everywhere["power-24"][1] = 1  # the first class alone
    write_refined(made.refined / f"{first}.h5", RefinedScores(first, strong.classes, everywhere))
    measure_agreement(
        manifest=made.manifest,
        refined_dir=made.refined,
        pseudo_dir=made.labels,
        prediction_dir=predicted.parent,
        output=tmp_path / "agreement.json",
        name="a/b/c",
    )
    content = read_json(tmp_path / "agreement.json")
    assert {*content["images"]} == {first, second}
    tag = int(strong.classes[0])
    pseudo = read_label_png(made.labels / f"{first}.png")
    own = content["images"][first]
    assert own["crf"] == pytest.approx((pseudo == tag).mean() / len(strong.classes), abs=1e-4)
    truth = read_label_png(predicted)
    both, either = (truth == tag) & (pseudo == tag), (truth == tag) | (pseudo == tag)
    assert own["deeplab"] == pytest.approx(both.sum() / either.sum(), abs=1e-4)
    assert "deeplab" not in content["images"][second]
    table = read_agreement(tmp_path / "agreement.json")
    assert table["agreement"].is_monotonic_increasing
    assert {*table["image"]} == {first, second}
