"""How long a run will take is measured with the networks that will run."""

from pathlib import Path

import pytest
from own_photos import init

from ssenet_core.init.estimate import DEEPLAB_IMAGE, FOR_EACH_IMAGE, estimated_minutes
from ssenet_core.settings import read_configuration


def test_the_time_grows_with_the_images_and_is_that_of_the_steps(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert init(photos.name, "tags.csv", "--name", "own", "--weights", "none") == 0
    seconds = iter([10.0, 14.0] * 2)  # of eight images in two steps: half a second each
    monkeypatch.setattr("time.process_time", lambda: next(seconds))
    few = estimated_minutes(Path("own.yaml"), images=60, classes=3, cores=2)
    deeplab = read_configuration(["own.yaml"]).deeplab.resolve("default")
    units = 60 * FOR_EACH_IMAGE + deeplab.iterations * deeplab.batch_size * DEEPLAB_IMAGE
    assert few == pytest.approx(units * 0.5 / 2 / 60)
    many = estimated_minutes(Path("own.yaml"), images=120, classes=3, cores=1)
    assert many == pytest.approx((units + 60 * FOR_EACH_IMAGE) * 0.5 / 60)
