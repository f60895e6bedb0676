"""timm's networks as backbones: the published network, on a finer grid, with published weights.

Identities rather than values: dilation keeps what the strided network computes, cell by cell.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import timm
import torch
import yaml
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save_file
from stage_settings import TRAININGS, changed
from torch import nn
from torch.nn import functional
from torchvision import models

from ssenet_core.affinity.inference import walked_scores
from ssenet_core.affinity.training import pair_loss
from ssenet_core.cam.training import cam_loss
from ssenet_core.data.augment import to_tensor
from ssenet_core.deeplab.training import pixel_loss
from ssenet_core.errors import SSENetError
from ssenet_core.export import export_model
from ssenet_core.io.maps import ClassMaps
from ssenet_core.io.tensors import load_tensors
from ssenet_core.models.catalogue import BACKBONES, TIMM, normalisation, packaged_weights
from ssenet_core.models.checkpoints import load_backbone_weights, load_checkpoint, save_checkpoint
from ssenet_core.models.networks import build_backbone, build_network
from ssenet_core.models.timm_backbone import TimmBackbone
from ssenet_core.settings import BackboneSettings, CamTraining, load
from ssenet_core.training.optimizer import build_optimizer

ROOT = Path(__file__).parents[2]
KINDS = ("cam", "affinity", "deeplab")
CLASSES = ("cat", "dog")
OTHERS = (f"{TIMM}regnety_002", f"{TIMM}mobilenetv3_small_050")
TIMM_NAMES = tuple(name for name in BACKBONES if name != "resnet38")
SYMMETRIC = tuple(name for name in TIMM_NAMES if name != "convnext_tiny")  # padded alike all round
LITE = ("efficientnet_lite0", "efficientnet_lite2")


def settings(**changes: Any) -> BackboneSettings:
    """A backbone's settings on resnet18, with what the defaults have for resnet38."""
    section = {"width": 0.125, "weights": None, "freeze_batch_norm": False, "frozen_stages": []}
    return BackboneSettings.model_validate({"name": "resnet18", **section, **changes})


def stage_settings(kind: str, **changes: Any) -> Any:
    """A stage's settings out of `config.yaml`, on resnet18."""
    variant = "ssenet" if kind == "cam" else "default"
    chosen = load(yaml.safe_load((ROOT / "config.yaml").read_text())).resolve(kind, variant)
    return chosen.model_copy(update={"backbone": settings(**changes)})


def shaken(network: nn.Module) -> nn.Module:
    """A network in evaluation mode, with statistics of batch normalisation that are not neutral."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval()


def pass_gradients(network: nn.Module) -> None:
    """Let gradients into all layers: timm begins residual blocks with a last scale of zero."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)


@pytest.mark.parametrize("name", [*TIMM_NAMES, *OTHERS])
@pytest.mark.parametrize("stride", [8, 16])
def test_shapes(name: str, stride: int) -> None:
    with torch.device("meta"):
        backbone = build_backbone(settings(name=name, output_stride=stride)).eval()
        taps = backbone.taps(torch.zeros(2, 3, 63, 90))
    assert backbone.stride == stride
    assert backbone.channels == taps[-1].shape[1]
    assert [tap.shape[1] for tap in taps] == list(backbone.tap_channels)
    assert {tap.shape[2:] for tap in taps} == {(-(-63 // stride), -(-90 // stride))}


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_lite0"])
@pytest.mark.parametrize("stride", [8, 16])
@torch.inference_mode()
def test_dilation_keeps_what_the_published_network_computes(name: str, stride: int) -> None:
    """On the cells that both have: every 4th of ours at stride 8 is the published network's."""
    published = shaken(timm.create_model(name, num_classes=0, global_pool="")).double()
    backbone = TimmBackbone(name, output_stride=stride).eval().double()
    backbone.network.load_state_dict(published.state_dict())
    image = torch.randn(1, 3, 75, 98, dtype=torch.float64)
    last, stages = published.forward_intermediates(image)
    pairs = zip((8, 16, 32), backbone.taps(image), [*stages[-3:-1], last], strict=True)
    for natural, tap, theirs in pairs:
        ahead, behind = max(1, natural // stride), max(1, stride // natural)
        torch.testing.assert_close(
            tap[:, :, ::ahead, ::ahead], theirs[:, :, ::behind, ::behind], rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("name", SYMMETRIC)
@pytest.mark.parametrize("stride", [8, 16])
@torch.inference_mode()
def test_the_mirrored_network_gives_mirrored_features(name: str, stride: int) -> None:
    """Exact on stride * k + 1 pixels only if cell i is centred on pixel stride * i."""
    network = shaken(TimmBackbone(name, output_stride=stride))
    image = torch.randn(1, 3, 65, 97)
    features = network(image)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.copy_(module.weight.flip(3))
    mirrored = network(image.flip(3)).flip(3)
    torch.testing.assert_close(mirrored, features, atol=1e-4 * float(features.abs().max()), rtol=0)


@pytest.mark.parametrize("stride", [8, 16])
def test_a_cell_of_patches_is_centred_on_its_pixel(stride: int) -> None:
    """The gradient of ConvNeXt's cell i is centred on pixel stride * i, to two pixels."""
    torch.manual_seed(0)
    network = TimmBackbone("convnext_tiny", output_stride=stride).eval()
    weight, place = torch.zeros(2, 257), 128
    for _ in range(2):
        image = torch.randn(1, 3, 257, 257, requires_grad=True)
        network(image)[0, :, place // stride, place // stride].square().sum().backward()
        assert image.grad is not None
        slope = image.grad.abs().sum(dim=(0, 1))
        weight += torch.stack([slope.sum(dim=1), slope.sum(dim=0)])
    centres = (weight * torch.arange(257)).sum(dim=1) / weight.sum(dim=1)
    assert ((centres - place).abs() < 2).all()


def test_freezing_keeps_weights_and_statistics() -> None:
    """A frozen stage is frozen whole, its batch normalisation with it."""
    backbone = build_backbone(settings(frozen_stages=["conv1", "layer1"])).train()
    pass_gradients(backbone)
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    backbone(torch.randn(2, 3, 32, 32)).sum().backward()
    frozen = {name for name, value in backbone.named_parameters() if value.grad is None}
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)
    optimizer.step()
    same = {name for name, value in backbone.state_dict().items() if value.equal(before[name])}
    stages = ("network.conv1.", "network.bn1.", "network.layer1.")
    assert frozen == {n for n, _ in backbone.named_parameters() if n.startswith(stages)}
    assert same == {name for name in before if name.startswith(stages)}


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
def test_frozen_batch_norm_stays_in_evaluation_mode(name: str) -> None:
    backbone = build_backbone(settings(name=name, freeze_batch_norm=True)).train()
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert backbone.training
    assert norms
    assert not any(norm.training or norm.weight.requires_grad for norm in norms)


@pytest.mark.parametrize("name", ["resnet18", "resnet38", "efficientnet_lite0"])
def test_a_backbone_without_gradients_computes_the_same(name: str) -> None:
    """Where all is frozen the forward pass has another memory order, and only heads learn."""
    stages = list(BACKBONES[name].stages)
    learning = shaken(build_backbone(settings(name=name)))
    frozen = build_backbone(settings(name=name, frozen_stages=stages)).eval()
    frozen.load_state_dict(learning.state_dict())
    image = torch.randn(2, 3, 64, 50)
    for one, other in zip(learning.taps(image), frozen.taps(image), strict=True):
        assert one.requires_grad
        assert not other.requires_grad
        assert other.is_contiguous()
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(one.abs().max()))
    stage = stage_settings("affinity", name=name, frozen_stages=stages)
    network = build_network(stage, CLASSES).train()
    pair_loss(stage)(network, batch("affinity", 8))["loss"].backward()
    trained = {n for n, value in network.named_parameters() if value.grad is not None}
    assert trained == {n for n, _ in network.named_parameters() if not n.startswith("backbone.")}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@torch.inference_mode()
def test_torchvisions_weights_compute_what_they_do_there(tmp_path: Path, suffix: str) -> None:
    published = shaken(models.resnet18(weights=None))
    # As the older files of published weights have it.
    state = {n: value for n, value in published.state_dict().items() if "num_batches" not in n}
    path = tmp_path / f"resnet18{suffix}"
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    backbone = build_backbone(settings()).eval()
    load_backbone_weights(backbone, path)
    image = torch.randn(1, 3, 64, 96)
    stages = list(published.children())[:-2]
    torch.testing.assert_close(backbone(image)[:, :, ::4, ::4], nn.Sequential(*stages)(image))


@torch.inference_mode()
def test_torchvisions_convnext_computes_what_it_does_there(tmp_path: Path) -> None:
    """Its tensors have other names in the same order."""
    published = shaken(models.convnext_tiny(weights=None))
    torch.save(published.state_dict(), tmp_path / "convnext.pth")
    backbone = build_backbone(settings(name="convnext_tiny", output_stride=16))
    load_backbone_weights(backbone, tmp_path / "convnext.pth")
    strided = timm.create_model("convnext_tiny", num_classes=0, global_pool="").eval()
    strided.head = nn.Identity()
    strided.load_state_dict(backbone.network.state_dict())
    image = torch.randn(1, 3, 64, 96)
    torch.testing.assert_close(strided.forward_features(image), published.features(image))


@pytest.mark.parametrize("name", LITE)
def test_packaged_weights_are_the_network_s_one_by_one(name: str) -> None:
    """The package's tensors stand in timm's order: kind, shape and value of each agree."""
    file = load_tensors(packaged_weights(name))
    theirs = [item for item in file.items() if not item[0].endswith("num_batches_tracked")]
    backbone = build_backbone(settings(name=name))
    load_backbone_weights(backbone, packaged_weights(name))
    own = [i for i in backbone.state_dict().items() if not i[0].endswith("num_batches_tracked")]
    assert [n for n, _ in theirs[len(own) :]] == ["_fc.weight", "_fc.bias"]
    for (ours, value), (there, tensor) in zip(own, theirs, strict=False):
        assert ours.rpartition(".")[2] == there.rpartition(".")[2]
        assert value.equal(tensor)


@pytest.mark.parametrize("name", LITE)
@torch.inference_mode()
def test_packaged_weights_compute_what_timm_s_own_network_does(name: str) -> None:
    """On odd sizes the published padding is even: the network that pads unevenly agrees there."""
    backbone = build_backbone(settings(name=name, output_stride=16)).eval()
    load_backbone_weights(backbone, packaged_weights(name))
    uneven = timm.create_model(f"tf_{name}", num_classes=0, global_pool="").eval()
    uneven.load_state_dict(backbone.network.state_dict())
    image = torch.randn(1, 3, 129, 193)
    torch.testing.assert_close(
        backbone(image)[:, :, ::2, ::2], uneven.forward_features(image), rtol=1e-4, atol=1e-4
    )


@pytest.mark.real_data
@torch.inference_mode()
def test_packaged_weights_know_cats(real_data: Path) -> None:
    """ImageNet's classifier on its own features calls most photographs of cats a cat."""
    backbone = build_backbone(settings(name="efficientnet_lite0", output_stride=16)).eval()
    file = packaged_weights("efficientnet_lite0")
    load_backbone_weights(backbone, file)
    state = load_tensors(file)
    photographs = sorted((real_data / "msrc14/JPEGImages").glob("15_*.jpg"))[:12]
    assert len(photographs) > 5
    found = []
    for photograph in photographs:
        with Image.open(photograph) as image:
            pixels = to_tensor(image.convert("RGB"), backbone.normalisation)
        logits = state["_fc.weight"] @ backbone(pixels[None]).mean(dim=(2, 3))[0]
        found.append(281 <= int((logits + state["_fc.bias"]).argmax()) <= 287)
    assert sum(found) > len(found) / 2


def test_normalisation_is_the_weights_own() -> None:
    assert normalisation("efficientnet_lite0").mean == (0.5, 0.5, 0.5)
    assert normalisation("resnet50").mean == (0.485, 0.456, 0.406)
    assert normalisation("timm:tf_efficientnet_lite0").std == (0.5, 0.5, 0.5)
    for name in (*TIMM_NAMES, *OTHERS):
        with torch.device("meta"):
            backbone = build_backbone(settings(name=name))
        assert backbone.normalisation == normalisation(name)


def test_a_checkpoint_of_another_normalisation_is_refused(tmp_path: Path) -> None:
    stage = stage_settings("cam", name="efficientnet_lite0")
    network = build_network(stage, CLASSES)
    network.backbone.normalisation = normalisation("resnet50")
    path = tmp_path / "model.pt"
    save_checkpoint(path, network, settings=stage, classes=CLASSES)
    with pytest.raises(SSENetError, match=r"images are normalised by \[\[0\.485"):
        load_checkpoint(path, CamTraining, torch.device("cpu"))


def test_an_exported_network_normalises_as_its_weights_expect(tmp_path: Path) -> None:
    """The file takes RGB in [0, 1], of any size: EfficientNet-Lite's is (x - 0.5) / 0.5."""
    stage = stage_settings("deeplab", name="efficientnet_lite0", output_stride=16)
    network = shaken(build_network(stage, CLASSES))
    save_checkpoint(tmp_path / "a.pt", network, settings=stage, classes=CLASSES)
    export_model(tmp_path / "a.pt", tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    images = torch.rand(1, 3, 75, 50)
    (found,) = session.run(["scores"], {"images": images.numpy()})
    with torch.inference_mode():
        scores = network((images - 0.5) / 0.5)
    expected = functional.interpolate(scores, (75, 50), mode="bilinear", align_corners=False)
    largest = float(expected.abs().max())
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-4 * largest)


def test_wrong_weights_are_named(tmp_path: Path) -> None:
    state = models.resnet18(weights=None).state_dict()
    del state["layer3.0.conv1.weight"]
    state["layer2.0.conv1.weight"] = torch.zeros(2, 3)
    state["stray"] = torch.zeros(1)
    torch.save(state, tmp_path / "odd.pth")
    with pytest.raises(SSENetError) as caught:
        load_backbone_weights(build_backbone(settings()), tmp_path / "odd.pth")
    for words in (
        "odd.pth",
        'Missing key(s) in state_dict: "network.layer3.0.conv1.weight"',
        'Unexpected key(s) in state_dict: "network.stray"',
        "size mismatch for network.layer2.0.conv1.weight",
        "torch.Size([2, 3])",
    ):
        assert words in str(caught.value)


def test_another_networks_weights_are_named_in_short(tmp_path: Path) -> None:
    torch.save(models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    larger = build_backbone(settings(name="resnet50"))
    with pytest.raises(SSENetError, match=r"resnet18\.pth: these weights") as caught:
        load_backbone_weights(larger, tmp_path / "resnet18.pth")
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_comes_back_and_gives_its_backbone(tmp_path: Path, kind: str) -> None:
    stage = stage_settings(kind, output_stride=16)
    network = build_network(stage, CLASSES).eval()
    path = tmp_path / "model.pt"
    save_checkpoint(path, network, settings=stage, classes=CLASSES)
    loaded, _ = load_checkpoint(path, TRAININGS[kind], torch.device("cpu"))
    image = torch.randn(1, 3, 33, 48)
    torch.testing.assert_close(loaded(image), network(image))
    assert loaded.backbone.stride == 16
    finer = build_backbone(settings(output_stride=8))
    load_backbone_weights(finer, path)
    assert finer.network.conv1.weight.equal(network.backbone.network.conv1.weight)


def batch(kind: str, stride: int) -> dict[str, torch.Tensor]:
    images = torch.randn(2, 3, 96, 96)
    if kind == "cam":
        return {"image": images, "tags": torch.eye(2)}
    edge = 96 // stride if kind == "affinity" else 96
    labels = torch.randint(0, 3, (2, edge, edge), dtype=torch.uint8)
    return {"image": images, "labels": labels}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stride", [8, 16])
def test_a_training_step_changes_the_weights(kind: str, stride: int) -> None:
    torch.manual_seed(0)
    stage = stage_settings(kind, output_stride=stride, frozen_stages=["conv1"])
    network = build_network(stage, CLASSES).train()
    pass_gradients(network)
    optimizer = build_optimizer(network, network.head(), stage.optimizer)
    losses = {"cam": cam_loss, "affinity": pair_loss}
    loss = losses.get(kind, lambda s: pixel_loss)(stage)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    value = loss(network, batch(kind, stride))["loss"]
    value.backward()
    optimizer.step()
    assert value.isfinite()
    after = network.state_dict()
    for name in ("layer1.0.conv1.weight", "layer4.1.conv2.weight"):
        assert not after[f"backbone.network.{name}"].equal(before[f"backbone.network.{name}"])
    assert after["backbone.network.conv1.weight"].equal(before["backbone.network.conv1.weight"])


@pytest.mark.parametrize("stride", [8, 16])
@torch.inference_mode()
def test_the_walk_keeps_the_image_size(stride: int) -> None:
    stage = stage_settings("affinity", output_stride=stride)
    network = build_network(stage, CLASSES).eval()
    image = Image.fromarray(np.zeros((41, 70, 3), np.uint8))
    maps = np.ones((1, 41, 70), np.float32)
    walk = changed(stage.random_walk, {"steps_log2": 2})
    scores = walked_scores(network, image, ClassMaps("grey", maps, np.array([2]), {}), walk)
    assert scores.shape == (2, 41, 70)
    # A cell that the border cuts counts less, in both scores alike.
    np.testing.assert_allclose(scores[1] * walk.background.alpha, scores[0], rtol=1e-4)


def test_narrow_and_wide_settings_build_the_same() -> None:
    """Keys of resnet38 that the defaults bring along have no effect."""
    shapes = [
        [tuple(p.shape) for p in build_backbone(settings(width=width)).parameters()]
        for width in (0.125, 1.0)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "resnet38", "output_stride": 16}, r"allowed for resnet38: 8"),
        ({"output_stride": 32}, r"Input should be 8 or 16"),
        ({"frozen_stages": ["conv1a", "layer1"]}, r"resnet18 has no conv1a; it has conv1, layer1"),
        ({"name": "resnet38", "frozen_stages": ["layer1"]}, r"resnet38 has no layer1"),
        ({"name": "vgg16"}, r"allowed: resnet38, resnet18"),
        ({"name": "timm:resnet5"}, r"timm has no network 'resnet5'; it has resnet50"),
        ({"name": "timm:vgg16"}, r"no features of 'vgg16' at output stride 8"),
        ({"name": "timm:vit_tiny_patch16_224"}, r"no features of 'vit_tiny_patch16_224'"),
        ({"name": "timm:resnet26", "frozen_stages": ["layer9"]}, r"has no layer9; it has conv1"),
    ],
)
def test_what_a_backbone_cannot_do_is_said(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**change)


def test_every_architecture_of_the_catalogue_builds() -> None:
    with torch.device("meta"):
        for name, architecture in BACKBONES.items():
            for stride in architecture.output_strides:
                stages = architecture.stages
                backbone = build_backbone(
                    settings(name=name, output_stride=stride, frozen_stages=stages)
                )
                assert backbone.stride == stride
                assert not any(p.requires_grad for p in backbone.parameters())


def configuration(**changes: dict[str, Any]) -> dict[str, Any]:
    """`config.yaml` with these keys of each section's default backbone."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for section, change in changes.items():
        defaults = config[section]["defaults"]
        defaults["backbone"] = {**defaults["backbone"], **change}
    return config


def test_the_configuration_takes_timms_networks() -> None:
    change = {"name": "resnet50", "output_stride": 16, "frozen_stages": ["conv1", "layer1"]}
    load(configuration(cam=change, affinity=change, deeplab=change))


@pytest.mark.parametrize(
    ("sections", "change", "message"),
    [
        (KINDS, {"output_stride": 16}, r"cam\.defaults\.backbone\.output_stride.*resnet38: 8"),
        (KINDS, {"output_stride": 32}, r"output_stride: found 32, input should be 8 or 16"),
        (KINDS, {"frozen_stages": ["layer1"]}, r"resnet38 has no layer1; it has conv1a"),
        (KINDS, {"frozen_stages": ["layer9"]}, r"resnet38 has no layer9"),
        (KINDS, {"name": "resnet5"}, r"found 'resnet5', allowed: resnet38, resnet18"),
        (KINDS, {"name": "timm:resnet5"}, r"timm has no network 'resnet5'"),
        (
            KINDS,
            {"weights": "imagenet"},
            r"ImageNet weights are of width 1, the width is 0\.125",
        ),
        (("cam",), {"name": "resnet18"}, r"resnet38 of width 0\.125 cannot take.*resnet18"),
        (("deeplab",), {"width": 0.25}, r"run\.chains\[0\]\.deeplab: .*width 0\.25 cannot"),
    ],
)
def test_the_configuration_names_a_mistake(
    sections: tuple[str, ...], change: dict[str, Any], message: str
) -> None:
    config = configuration(**dict.fromkeys(sections, change))
    with pytest.raises(SSENetError, match=message):
        load(config)


def test_a_variants_key_without_effect_is_named() -> None:
    config = configuration(**{kind: {"name": "resnet18"} for kind in KINDS})
    config["cam"]["variants"]["wide"] = {"backbone": {"width": 0.5}}
    with pytest.raises(SSENetError, match=r"wide\.backbone\.width: has no effect on resnet18"):
        load(config)


def test_cells_of_the_affinity_labels_fill_the_crop() -> None:
    change = {"name": "resnet18", "output_stride": 16}
    config = configuration(cam=change, affinity=change, deeplab=change)
    config["affinity"]["defaults"]["crop"] = 104
    with pytest.raises(SSENetError, match=r"affinity\.defaults\.crop: found 104, must be.*16"):
        load(config)
