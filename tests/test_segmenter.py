"""The segmenter answers what the workflow's prediction does, for every form of a photograph."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from tiny_deeplab import CLASSES, photograph, write_checkpoint

import ssenet_core
from ssenet_core import export
from ssenet_core.data.manifest import FORMAT, FORMAT_VERSION
from ssenet_core.deeplab.inference import mean_scores, predict
from ssenet_core.errors import SSENetError
from ssenet_core.export import export_model
from ssenet_core.fingerprint import fingerprint
from ssenet_core.io.files import write_json
from ssenet_core.io.images import load_image, read_label_png
from ssenet_core.segmenter import DENSE_CRF, Segmenter, fitting_scales
from ssenet_core.settings import Prediction
from ssenet_core.shard import Shard


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("network") / "model.pt")


@pytest.fixture(scope="module")
def segmenter(checkpoint: Path) -> Segmenter:
    return Segmenter.load(checkpoint, device="cpu")


def test_importing_the_package_does_not_load_torch() -> None:
    program = (
        "import sys, ssenet_core; from ssenet_core import cli; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
    assert ssenet_core.Segmenter is Segmenter
    with pytest.raises(AttributeError, match="no attribute 'Segmentor'"):
        _ = ssenet_core.Segmentor


def test_stages_do_not_depend_on_the_segmenter(tmp_path: Path) -> None:
    copy = tmp_path / "ssenet_core"
    shutil.copytree(Path(ssenet_core.__file__).parent, copy)
    before = fingerprint("ssenet_core.deeplab.inference", root=tmp_path)
    (copy / "segmenter.py").write_text("CHANGED = 1\n")
    assert fingerprint("ssenet_core.deeplab.inference", root=tmp_path) == before


def test_shapes_types_and_names(segmenter: Segmenter) -> None:
    image = photograph()
    labels, probabilities = segmenter(image), segmenter.probabilities(image)
    assert segmenter.classes == ("background", *CLASSES)
    assert (labels.shape, labels.dtype) == ((33, 45), np.uint8)
    assert (probabilities.shape, probabilities.dtype) == ((3, 33, 45), np.float32)
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=0))
    assert len(np.unique(labels)) > 1


@pytest.mark.parametrize("size", [(1, 1), (7, 64), (31, 17)])
def test_odd_sizes(segmenter: Segmenter, size: tuple[int, int]) -> None:
    assert segmenter(photograph(*size)).shape == (size[1], size[0])


def test_a_photograph_is_looked_at_in_the_size_of_the_training(segmenter: Segmenter) -> None:
    """Whatever its own size: twice as many pixels, and the same labels at twice the size."""
    image = photograph(48, 32)
    sized = Segmenter(segmenter.network, segmenter.classes[1:], longest_edge=48)
    labels, large = sized(image), sized(image.resize((192, 128), Image.Resampling.BICUBIC))
    assert large.shape == (128, 192)
    assert np.mean(large[2::4, 2::4] == labels) > 0.97
    planes = sized.probabilities(image.resize((96, 64)))
    assert planes.shape == (3, 64, 96)
    np.testing.assert_array_equal(
        planes.argmax(axis=0), sized.labels(image.resize((96, 64)), (96, 64))
    )
    # Seen at four times the size without it, other labels come out.
    assert np.mean(segmenter(image.resize((192, 128)))[2::4, 2::4] == labels) < 0.97


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK", "1"])
def test_an_image_of_any_mode_is_its_rgb_array(segmenter: Segmenter, mode: str) -> None:
    image = photograph().convert(mode)
    array = np.array(image.convert("RGB"))
    expected = segmenter.probabilities(array)
    np.testing.assert_array_equal(segmenter.probabilities(image), expected)


def test_an_orientation_tag_counts_as_it_does_in_the_workflow(
    segmenter: Segmenter, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    photograph().save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(segmenter(image), segmenter(load_image(tmp_path / "a.png")))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(segmenter: Segmenter, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"image must be RGB uint8 \(H, W, 3\), not"):
        segmenter(array)


def test_other_arguments_are_refused(segmenter: Segmenter) -> None:
    with pytest.raises(TypeError, match="not str"):
        segmenter("photo.jpg")  # type: ignore[arg-type]
    for scales in ((), (1.0, 0.0), (float("nan"),), 0.5, "1.0"):
        with pytest.raises(ValueError, match="scales"):
            Segmenter(segmenter.network, CLASSES, scales=scales)  # type: ignore[arg-type]
    for crf in (True, {}, {"iterations": 1}):
        with pytest.raises(ValueError, match="crf"):
            Segmenter(segmenter.network, CLASSES, crf=crf)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="precision"):
        Segmenter(segmenter.network, CLASSES, precision="16")


@pytest.mark.parametrize(
    ("trained", "scales"),
    [
        ([0.5, 1.5], (0.75, 1.0, 1.25, 1.5)),
        ([0.5, 1.0], (0.75, 1.0)),
        ([0.4, 0.7], (0.4, pytest.approx(0.55), 0.7)),
        ([2, 2], (2,)),
    ],
)
def test_scales_follow_the_training(trained: list[float], scales: tuple[float, ...]) -> None:
    assert fitting_scales(trained) == scales


@pytest.mark.parametrize(
    "settings",
    [
        {"scales": [1.0], "flip": False, "crf": None, "precision": "32-true"},
        {"scales": [0.75, 1.5], "flip": True, "crf": DENSE_CRF, "precision": "32-true"},
    ],
)
def test_labels_are_the_workflows(checkpoint: Path, tmp_path: Path, settings: dict) -> None:
    photograph().save(tmp_path / "a.jpg")
    entry = {"id": "a", "image": str(tmp_path / "a.jpg"), "mask": None, "width": 45, "height": 33}
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, "dataset": "d", "split": "val"}
    images = [{**entry, "tags": [], "sha256": "", "mask_sha256": None}]
    write_json(tmp_path / "m.json", {**content, "classes": list(CLASSES), "images": images})
    out = tmp_path / "out" / "a.png"
    shard = Shard(tmp_path / "m.json", [out], tmp_path / "record.json", 0)
    predict(shard, Prediction.model_validate(settings), checkpoint=checkpoint)
    labels = Segmenter.load(checkpoint, **settings)(load_image(tmp_path / "a.jpg"))
    np.testing.assert_array_equal(labels, read_label_png(out))


@pytest.mark.parametrize("kind", ["cam", "affinity"])
def test_another_networks_checkpoint_is_refused(tmp_path: Path, kind: str) -> None:
    path = write_checkpoint(tmp_path / "model.pt", kind)
    with pytest.raises(SSENetError, match=rf"model\.pt: expected a deeplab .* found '{kind}'"):
        Segmenter.load(path)


@pytest.fixture
def expected(segmenter: Segmenter) -> tuple[torch.Tensor, torch.Tensor]:
    """A photograph as an exported file takes it, and the network's scores of it."""
    image = photograph(seed=5)
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        return pixels, mean_scores(
            segmenter.network, [np.array(image)], pixels.shape[2:], flip=False
        )


def test_torchscript_has_the_networks_scores(
    checkpoint: Path, segmenter: Segmenter, tmp_path: Path, expected: tuple
) -> None:
    out = tmp_path / "é x.torchscript.pt"
    export_model(checkpoint, out, size=(33, 45))
    extra = {"classes.json": ""}
    module = torch.jit.load(out, map_location="cpu", _extra_files=extra)
    assert json.loads(extra["classes.json"]) == list(segmenter.classes)
    pixels, scores = expected
    with torch.inference_mode():
        torch.testing.assert_close(module(pixels)[0], scores, atol=1e-4, rtol=0)
    assert list(tmp_path.iterdir()) == [out]


def test_onnx_has_the_networks_scores(
    checkpoint: Path, segmenter: Segmenter, tmp_path: Path, expected: tuple
) -> None:
    out = tmp_path / "é x.onnx"
    export_model(checkpoint, out)
    session = onnxruntime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    assert json.loads(facts["classes.json"]) == list(segmenter.classes)
    pixels, scores = expected
    (found,) = session.run(["scores"], {"images": pixels.numpy()})
    allowed = 1e-5 * float(scores.abs().max())  # of random weights they are thousands
    torch.testing.assert_close(torch.from_numpy(found[0]), scores, atol=allowed, rtol=0)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(("name", "size"), [("x.torchscript.pt", (16, 16)), ("x.onnx", None)])
def test_a_file_that_disagrees_is_not_left_behind(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    size: tuple[int, int] | None,
) -> None:
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(SSENetError, match="its scores differ from the network's"):
        export_model(checkpoint, tmp_path / name, size=size)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("x.pt", None, r"x\.pt: expected a name that ends in \.onnx or \.torchscript\.pt"),
        ("x.onnx", (16, 16), "any size, so leave out --size"),
        ("x.torchscript.pt", None, "one size; give it, as --size"),
    ],
)
def test_a_wrong_name_or_size_is_refused(
    checkpoint: Path, tmp_path: Path, name: str, size: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(SSENetError, match=message):
        export_model(checkpoint, tmp_path / name, size=size)


def test_missing_packages_of_onnx_are_named(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ONNX_PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(SSENetError, match=r"no_such_package is not installed; pip install"):
        export_model(checkpoint, tmp_path / "x.onnx")
