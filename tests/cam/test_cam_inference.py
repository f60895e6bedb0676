"""Multi-scale maps lie where the photograph shows the thing, for every scale and flip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic_run import CLASSES, empty_image, make_split
from tiny_network import SETTINGS, Normalised, write_network
from torch import Tensor, nn

from ssenet_core.cam.inference import infer_cam, multi_scale_maps, normalised_maps
from ssenet_core.data.manifest import load_manifest
from ssenet_core.errors import SSENetError
from ssenet_core.io.files import read_json, sha256_file
from ssenet_core.io.maps import read_maps
from ssenet_core.models.checkpoints import save_checkpoint
from ssenet_core.models.networks import build_network
from ssenet_core.settings import CamInference
from ssenet_core.shard import Shard


class Sampler(nn.Module):
    """A network whose class maps are the red channel at the pixels that its cells look at."""

    backbone = Normalised

    def __init__(self) -> None:
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :1, ::8, ::8] + 3 + self.anchor  # positive, so that ReLU keeps it


def ramp(axis: int) -> Image.Image:
    """A photograph that brightens evenly to the right (axis 1) or downwards (axis 0)."""
    values = np.linspace(40, 200, 96 if axis else 80)
    grid = np.broadcast_to(values if axis else values[:, None], (80, 96))
    return Image.fromarray(np.stack([grid] * 3, axis=2).astype(np.uint8))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scales", [[1.0], [0.5], [2.0], [1.0, 0.5, 1.5, 2.0]])
def test_maps_lie_on_the_photograph(axis: int, flip: bool, scales: list[float]) -> None:
    image = ramp(axis)
    maps = multi_scale_maps(Sampler(), image, scales, flip, "cells")[0].detach()
    views = len(scales) * (2 if flip else 1)
    shown = (torch.from_numpy(np.array(image)[..., 0] / 255.0).float() - 0.485) / 0.229 + 3
    inner = (slice(16, 60), slice(16, 76))  # past the last cell a map keeps its last value
    torch.testing.assert_close(maps[inner] / views, shown[inner], atol=0.03, rtol=0)


def test_normalised_maps_peak_at_one() -> None:
    scores = torch.rand(3, 5, 6) * 7
    maps = normalised_maps(scores, [3, 1])
    np.testing.assert_allclose(maps.max(axis=(1, 2)), 1, atol=1e-4)
    np.testing.assert_allclose(maps[0], scores[2] / (scores[2].max() + 1e-5), rtol=1e-6)


def test_a_shard_is_written_with_its_record(tmp_path: Path) -> None:
    manifest = make_split(tmp_path, "train").manifest
    images = load_manifest(manifest)
    checkpoint = write_network(tmp_path / "model.pt", "cam", images.classes)
    files = [tmp_path / "maps" / f"{image.id}.h5" for image in images.images]
    infer_cam(
        Shard(manifest, files, tmp_path / "record.json", 7),
        CamInference(scales=(1.0, 0.5), flip=True, precision="32-true"),
        checkpoint=checkpoint,
    )
    assert read_json(tmp_path / "record.json") == {
        "shard": 7,
        "images": [image.id for image in images.images],
    }
    for image, file in zip(images.images, files, strict=True):
        maps = read_maps(file, "checkpoint_sha256", "classes_from")
        assert maps.image_id == image.id
        assert maps.maps.shape == (len(image.tags), image.height, image.width)
        assert tuple(maps.classes) == image.tags
        assert maps.attributes["checkpoint_sha256"] == sha256_file(checkpoint)
        assert maps.attributes["classes_from"] == "tags"


def test_no_class_is_an_answer_and_no_tags_are_a_question(tmp_path: Path) -> None:
    """Known to have nothing: no maps. Unknown: the classes that the classifier finds."""
    split = make_split(tmp_path, "train")
    ids = [empty_image(split, number, tags) for number, tags in enumerate(([], None))]
    torch.manual_seed(0)
    network = build_network(SETTINGS["cam"], CLASSES).eval()
    weights = network.classifier.weight.data
    weights.abs_()
    weights[1] *= -1  # features are ReLU'd: of this class nothing is found, of the others all
    save_checkpoint(tmp_path / "model.pt", network, settings=SETTINGS["cam"], classes=CLASSES)
    files = [tmp_path / "found" / f"{image_id}.h5" for image_id in ids]
    infer_cam(
        Shard(split.manifest, files, tmp_path / "record.json", 0),
        CamInference(scales=(1.0, 0.5), flip=True, precision="32-true"),
        checkpoint=tmp_path / "model.pt",
    )
    known, unknown = (read_maps(file, "classes_from") for file in files)
    assert known.maps.shape == (0, 48, 64)
    assert (known.maps.dtype, known.classes.tolist()) == (np.float32, [])
    assert known.attributes["classes_from"] == "tags"
    assert unknown.classes.tolist() == [1, 3]
    assert unknown.maps.shape == (2, 60, 40)
    assert unknown.attributes["classes_from"] == "classifier"


@pytest.mark.parametrize(("precision", "factor"), [("32-true", 1e30), ("16-mixed", 300.0)])
def test_numbers_that_are_too_large_are_refused(
    tmp_path: Path, precision: str, factor: float
) -> None:
    manifest = make_split(tmp_path, "train").manifest
    images = load_manifest(manifest)
    torch.manual_seed(0)
    network = build_network(SETTINGS["cam"], images.classes)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(factor)
    save_checkpoint(
        tmp_path / "model.pt", network, settings=SETTINGS["cam"], classes=images.classes
    )
    first = images.images[0].id
    files = [tmp_path / "maps" / f"{first}.h5"]
    settings = CamInference(scales=(1.0,), flip=True, precision=precision)
    with pytest.raises(
        SSENetError, match=rf"image {first}: .* not finite, in precision {precision};"
    ):
        infer_cam(
            Shard(manifest, files, tmp_path / "record.json", 0),
            settings,
            checkpoint=tmp_path / "model.pt",
        )
    assert not files[0].exists()
