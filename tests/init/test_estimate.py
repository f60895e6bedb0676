"""How long a run will take is measured with the networks that will run."""

from pathlib import Path

import pytest
from own_photos import config_of, init

from ssenet_core.init import estimate
from ssenet_core.init.estimate import estimated_minutes


def test_the_time_is_that_of_the_steps_and_forward_passes_of_the_settings(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert init(photos.name, "tags.csv", "--name", "own", "--weights", "none") == 0
    cam, affinity, deeplab = (
        getattr(config_of(Path("own.yaml")), stage).defaults
        for stage in ("cam", "affinity", "deeplab")
    )
    # Eight images in two steps: half a second each; as many forward passes: an eighth.
    seconds = iter([10.0, 14.0, 20.0, 21.0] * 2)
    monkeypatch.setattr("time.process_time", lambda: next(seconds))
    few = estimated_minutes(Path("own.yaml"), images=60, classes=3, cores=2)
    passes = estimate.CRF_AND_WALK + estimate.MAPS_OF_A_SCALE * len(cam.inference.scales)
    passes += estimate.AFFINITY_STEP * affinity.epochs
    steps = estimate.LOADING * cam.epochs * 0.5 * 60
    deeplab_images = deeplab.iterations * deeplab.batch_size
    later = 0.125 * (passes * 60 + estimate.DEEPLAB_STEP * deeplab_images)
    assert few == pytest.approx((steps + later) / 2 / 60)
    one_core = estimated_minutes(Path("own.yaml"), images=60, classes=3, cores=1)
    assert one_core == pytest.approx(2 * few)
